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
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$dir/work

# apt's own files, but with the machine's settings, such as a proxy.
apt() {
    program=$1
    shift
    "$program" -q -o Dir::State="$work/apt" -o Dir::Cache="$work/apt/cache" -o Acquire::Retries=1 \
        -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o APT::Sandbox::User=root "$@"
}
apt_source() {
    program=$1
    shift
    apt "$program" -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null "$@"
}

# Writes a list of source packages out of the machine's own sources: what they take this release from has others too.
# `--print-uris` reads every form of source list, and fetches nothing.
source_list() {
    [ ! -e "$work/apt/ready" ] || return 0
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    mirrors=$(apt apt-get update --print-uris |
        sed -nE "s|^'([^' ]*)/dists/($codename\|stable)/InRelease'.*|\1|p" | sort -u)
    if [ -z "$mirrors" ]; then
        echo "apt's sources of this machine name no mirror of $codename"
        return 1
    fi
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    options=
    if [ -r "$keyring" ]; then
        options="[signed-by=$keyring] "
    fi
    for mirror in $mirrors; do
        printf 'deb-src %s%s %s main\n' "$options" "$mirror" trixie "$options" "$mirror" forky
    done >"$work/apt/sources.list"
    # Some of the mirrors may be somebody else's, and have no Debian: what is needed shows in what was got.
    apt_source apt-get update || true
    : >"$work/apt/ready"
}

# The upstream source of PACKAGE of RELEASE, unpacked into ./source. apt compares it with the checksum that Debian signed.
source_of() {
    source_list && apt_source apt-get source --download-only --tar-only "$1/$2" && mkdir source &&
        tar -x -f "$1"_*.orig.tar.* -C source --strip-components 1
}

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
