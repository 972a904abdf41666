#!/bin/sh
# Gets the tests of GCC 12 that `make torture` runs, below the directory that is named:
#     gcc-12/gcc.c-torture/execute    C programs
#     gcc-12/g++.dg                   C++ programs
# They are in the source tarball in Debian's package gcc-12-source. apt compares the package with the checksum that Debian
# signed; it is unpacked, not installed, so root is not needed. Does nothing if they are there.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ ! -e "$dir/gcc-12/.whole" ] || exit 0

# Tests that start together may want the same at once.
exec 9>"$dir/lock"
flock 9
[ ! -e "$dir/gcc-12/.whole" ] || exit 0

work=$dir/work
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$work" "$dir/gcc-12"
mkdir -p "$work/out"
cd "$work"

echo "getting the tests of GCC 12, which are 80 MB" >&2
tarball() {
    apt-get -q -o APT::Sandbox::User=root download gcc-12-source && dpkg-deb -x gcc-12-source_*.deb package &&
        tar -xJ -f package/usr/src/gcc-12/gcc-12.*.tar.xz -C out --strip-components 3 --no-anchored --wildcards \
            'gcc/testsuite/gcc.c-torture/execute' 'gcc/testsuite/g++.dg'
}
if ! tarball >log 2>&1; then
    cat log >&2
    echo "error: cannot get the package gcc-12-source, whose tests this is about; apt-get update may help" >&2
    exit 1
fi
: >out/.whole
mv out "$dir/gcc-12"
