#!/bin/sh
# Builds the site into dist/ with Astro. SITE_MODULES is the folder of the installed packages, where
# it is not node_modules here; a site gets those packages only if its package.json asks for them.
# Exit 0 is a good build; lines on standard error that begin with "warning:" make it a partial one.
set -u
ASTRO_TELEMETRY_DISABLED=1
export ASTRO_TELEMETRY_DISABLED
modules=${SITE_MODULES:-$PWD/node_modules}
if [ -f package.json ] && [ ! -e node_modules ]; then
    ln -s "$modules" node_modules
fi

build() { # Prints in one line what Astro says went wrong.
    rm -rf dist
    said=$(node "$modules/astro/astro.js" build --silent 2>&1 >/dev/null) && return
    printf '%s\n' "$said" | sed -e '/^ *Stack trace:/,$d' -e 's/^[0-9:]* *\[ERROR\] *//' \
        -e "s|$PWD/||g" | tr -s '\n ' ' '
    return 1
}

error=$(build) && exit
case $error in
*src/components/Banner.astro*)
    echo "warning: ${error% }; the banner is left out" >&2
    SITE_WITHOUT_BANNER=1
    export SITE_WITHOUT_BANNER
    error=$(build) && exit
    ;;
esac
echo "error: ${error% }" >&2
exit 1
