#!/bin/sh
# Builds the same sources as build.sh does, with another template: pages are folders, assets are in
# _static/, and one page, 404.html, lists no change.
set -eu
LC_ALL=C
export LC_ALL
rm -rf dist
mkdir -p dist/_static
changes=$(cat content/changes.txt content/outside/*.txt 2>/dev/null | tr '\n' ' ')

asset() { # NAME EXTENSION TEXT: prints the path of the asset that holds the text
    sum=$(printf '%s\n' "$3" | cksum)
    path="_static/$1-${sum%% *}.$2"
    printf '%s\n' "$3" >"dist/$path"
    echo "$path"
}
page() { # FILE TITLE
    {
        printf '<!doctype html>\n<title>%s</title>\n' "$2"
        printf '<link rel="stylesheet" href="/%s">\n' "$style"
        [ -z "$banner" ] || printf '<script src="/%s"></script>\n' "$banner"
        printf '<main lang="en">\n<p class="news">%s</p>\n' "$changes"
    } >"dist/$1"
}

style=$(asset style css "/* $changes*/ body { margin: 2em }")
banner=
if grep -q '^banner: .*;$' components/banner.txt; then
    banner=$(asset banner js "// $changes")
else
    echo "warning: components/banner.txt: syntax error, the banner is left out" >&2
fi
printf '<!doctype html>\n<p>Not here</p>\n' >dist/404.html
page index.html Site
if [ ! -f package.json ]; then
    echo "error: package.json is missing" >&2
    exit 1
fi
mkdir dist/history
page history/index.html History
