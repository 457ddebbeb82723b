#!/bin/sh
# Builds the site into dist/: first the assets, named by their content, then the pages that name
# them. Every file lists the changes that it was built from. Exit 0 is a good build; lines on
# standard error that begin with "warning:" make it a partial one.
set -eu
LC_ALL=C
export LC_ALL
rm -rf dist
mkdir -p dist/assets
changes=$(cat content/changes.txt content/outside/*.txt 2>/dev/null | tr '\n' ' ')

asset() { # NAME EXTENSION TEXT: prints the path of the asset that holds the text
    sum=$(printf '%s\n' "$3" | cksum)
    path="assets/$1-${sum%% *}.$2"
    printf '%s\n' "$3" >"dist/$path"
    echo "$path"
}
page() { # FILE TITLE
    {
        printf '<!doctype html>\n<title>%s</title>\n' "$2"
        printf '<link rel="stylesheet" href="/%s">\n' "$style"
        [ -z "$banner" ] || printf '<script src="/%s"></script>\n' "$banner"
        printf '<p>%s</p>\n' "$changes"
    } >"dist/$1"
}

style=$(asset style css "/* $changes*/ body { margin: 2em }")
banner=
if grep -q '^banner: .*;$' components/banner.txt; then
    banner=$(asset banner js "// $changes")
else
    echo "warning: components/banner.txt: syntax error, the banner is left out" >&2
fi
page index.html Site
if [ ! -f package.json ]; then
    echo "error: package.json is missing" >&2
    exit 1
fi
page history.html History
