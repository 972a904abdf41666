#!/bin/sh
# Gets the sources of programs that tests build and run, below the directory that is named:
#     sqlite       SQLite 3.49.1, its shell included, as tests/sources/Cargo.lock pins it
#     jsoncpp      JsonCpp of Debian 13, a C++ library with its tests
#     lua5.1       Lua 5.1.5 of Debian 13
#     lua-tests    Lua's own test suite for 5.1, as a Go implementation of Lua that Debian 13 has carries it
#     fmt, ...     what workspace-examples/ports/sources.txt lists, each in one version alone
# `sources.sh DIRECTORY NAME...` gets these alone, else all that `make test` needs.
# Does nothing about those that are there. One that cannot be had is named in one line, and is no failure: the tests that
# need it say that they are skipped.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: $0 DIRECTORY [NAME...]" >&2
    exit 2
fi
tools=$(cd "$(dirname "$0")" && pwd)
table=$tools/../workspace-examples/ports/sources.txt
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$dir/work
shift

# shellcheck source=tools/apt-source.sh
. "$tools/apt-source.sh"

sqlite() {
    ${CARGO:-cargo} vendor --locked --quiet --manifest-path "$tools/../tests/sources/Cargo.toml" vendor >config.toml &&
        mv vendor/sqlite3-src/source source
}
jsoncpp() { source_of libjsoncpp trixie; }
lua51() { source_of lua5.1 trixie; }
lua_tests() {
    source_of golang-github-yuin-gopher-lua trixie && mv source whole && mv whole/_lua5.1-tests source
}
# The version that the table pins. The file tells it from others that an earlier run has got.
port() { pinned_source_of "$package" trixie "$checksum" && : >"source/.sha256-$checksum"; }

# get NAME WHAT FILE HOW: the directory NAME, which has FILE, is WHAT, and the function HOW puts it into ./source.
get() {
    name=$1 what=$2 file=$3 how=$4
    [ ! -e "$dir/$name/$file" ] || return 0
    echo "getting the sources of $what, which tests build" >&2
    rm -rf "$work/$how" "${dir:?}/$name"
    mkdir -p "$work/$how"
    if (cd "$work/$how" && "$how" && test -e "source/$file") >"$dir/$name.log" 2>&1; then
        mv "$work/$how/source" "$dir/$name"
    else
        echo "SKIPPED: $what cannot be had, and tests that need it are skipped; $dir/$name.log says why" >&2
    fi
}

# Tests that start together may want the same at once.
exec 9>"$dir/lock"
flock 9
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$work"
if [ $# -eq 0 ]; then
    set -- sqlite jsoncpp lua5.1 lua-tests fmt zlib leveldb googletest yaml-cpp libpng lua oniguruma snappy
fi
for name; do
    case $name in
    sqlite) get sqlite "SQLite and its shell" shell.c sqlite ;;
    jsoncpp) get jsoncpp JsonCpp src/test_lib_json/main.cpp jsoncpp ;;
    lua5.1) get lua5.1 "Lua 5.1" src/lua.c lua51 ;;
    lua-tests) get lua-tests "Lua's test suite" calls.lua lua_tests ;;
    *)
        # shellcheck disable=SC2046 # its three words
        set -- $(grep "^$name " "$table")
        if [ $# -ne 3 ]; then
            echo "error: there are no sources of the name $name; $table lists those of ports" >&2
            exit 2
        fi
        package=$2 checksum=$3
        get "$name" "$name" ".sha256-$checksum" port
        ;;
    esac
done
