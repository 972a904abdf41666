#!/bin/sh
# Gets the makes and ninjas that tests of the jobserver run, below the directory that is named:
#     make-4.4.1/make         GNU make 4.4.1, built from the source package of Debian 13
#     ninja-upstream/ninja    ninja 1.13, built from Debian's source package
#     ninja-kitware/ninja     Kitware's ninja 1.13.0, whose client reads pipes too, from its Python package
# Does nothing about those that are there. One that cannot be had is named in one line, and is no failure: the tests that
# need it say that they are skipped. The machine's packages and lists of packages stay as they are, and root is not needed.
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

# build.sh is GNU make's own way to be built without make. The manual, which is not free for Debian, is not in the package.
make_441() {
    source_of make-dfsg trixie && cd source && mkdir -p doc && touch doc/Makefile.in &&
        ./configure -q --disable-dependency-tracking --disable-nls --without-guile CFLAGS=-O1 && sh build.sh &&
        cp make "$out/make" && "$out/make" --version | grep -q '^GNU Make 4\.4\.1$'
}

# Its own -O2 and -g take half as long again. A ninja builds itself at once in parallel; without any, its script compiles one
# file after the other, and all twice.
ninja_upstream() {
    source_of ninja-build forky && cd source || return
    export CFLAGS='-O1 -g0'
    if ninja=$(PATH="$dir/ninja-kitware:$PATH" command -v ninja); then
        python3 configure.py && "$ninja" ninja
    else
        python3 configure.py --bootstrap
    fi && cp ninja "$out/ninja" && "$out/ninja" --version | grep -q '^1\.1[3-9]\.[0-9]*$'
}

ninja_kitware() {
    python3 -m pip install --disable-pip-version-check --no-input --no-deps --only-binary :all: --target packages \
        ninja==1.13.0 && cp packages/bin/ninja "$out/ninja" && "$out/ninja" --version | grep -q 'kitware.jobserver-pipe'
}

# get PATH WHAT HOW: PATH is WHAT, and the function HOW puts it into $out.
get() {
    path=$1 what=$2 how=$3
    name=${path%/*} out=$work/out/${path%/*}
    [ ! -x "$dir/$path" ] || return 0
    echo "getting $what, which tests of the jobserver run" >&2
    rm -rf "$out" "$work/$how" "${dir:?}/$name"
    mkdir -p "$out" "$work/$how"
    if (cd "$work/$how" && "$how") >"$dir/$name.log" 2>&1; then
        mv "$out" "$dir/$name"
    else
        echo "SKIPPED: $what cannot be had, and tests that need it are skipped; $dir/$name.log says why" >&2
    fi
}

get_all() {
    # First, because it builds the other one.
    get ninja-kitware/ninja "Kitware's ninja 1.13.0" ninja_kitware
    get ninja-upstream/ninja "ninja 1.13" ninja_upstream
    get make-4.4.1/make "GNU make 4.4.1" make_441
}

if [ -x "$dir/make-4.4.1/make" ] && [ -x "$dir/ninja-upstream/ninja" ] && [ -x "$dir/ninja-kitware/ninja" ]; then
    exit 0
fi
# Tests that start together may want the same at once.
exec 9>"$dir/lock"
flock 9
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$work"
get_all
