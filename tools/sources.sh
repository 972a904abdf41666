#!/bin/sh
# Gets the sources of programs that tests build and run, below the directory that is named:
#     sqlite       SQLite 3.49.1, its shell included, as tests/sources/Cargo.lock pins it
#     jsoncpp      JsonCpp of Debian 13, a C++ library with its tests
#     lua          Lua 5.1.5 of Debian 13
#     lua-tests    Lua's own test suite for 5.1, as a Go implementation of Lua that Debian 13 has carries it
#     fmt, zlib, leveldb, googletest, yaml-cpp, libpng
#                  of Debian 13, each in one version alone, of which manifests are made
# Does nothing about those that are there. One that cannot be had is named in one line, and is no failure: the tests that
# need it say that they are skipped.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 2
fi
tools=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$dir/work

# shellcheck source=tools/apt-source.sh
. "$tools/apt-source.sh"

sqlite() {
    ${CARGO:-cargo} vendor --locked --quiet --manifest-path "$tools/../tests/sources/Cargo.toml" vendor >config.toml &&
        mv vendor/sqlite3-src/source source
}
jsoncpp() { source_of libjsoncpp trixie; }
lua() { source_of lua5.1 trixie; }
lua_tests() {
    source_of golang-github-yuin-gopher-lua trixie && mv source whole && mv whole/_lua5.1-tests source
}

fmt() { pinned_source_of fmtlib trixie 7000f214d2628f04174822f8048c573f1608194408d7931121595a03f1c18a17; }
zlib() { pinned_source_of zlib trixie 60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb; }
leveldb() { pinned_source_of leveldb trixie 9a37f8a6174f09bd622bc723b55881dc541cd50747cbd08831c2a82d620f6d76; }
googletest() { pinned_source_of googletest trixie 2f54382b5d13d6cd0be2afc524f1e510d37f8ba78c2d439c5bea64ef37e30d01; }
yaml_cpp() { pinned_source_of yaml-cpp trixie 32c85a5f36633a9005b20261b35fccb0d8ec69e9ef16c67de7d5d007944e3709; }
libpng() { pinned_source_of libpng1.6 trixie b17e99026055727e8cba99160c3a9a7f9af788e9f786daeadded5a42243f1dd0; }

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
get sqlite "SQLite and its shell" shell.c sqlite
get jsoncpp JsonCpp src/test_lib_json/main.cpp jsoncpp
get lua "Lua 5.1" src/lua.c lua
get lua-tests "Lua's test suite" calls.lua lua_tests
get fmt "fmt 10.1.1" src/format.cc fmt
get zlib "zlib 1.3.1" zlib.h zlib
get leveldb "LevelDB 1.23" CMakeLists.txt leveldb
get googletest "GoogleTest 1.16.0" CMakeLists.txt googletest
get yaml-cpp "yaml-cpp 0.8.0" CMakeLists.txt yaml_cpp
get libpng "libpng 1.6.48" CMakeLists.txt libpng
