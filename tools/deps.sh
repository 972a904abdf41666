#!/bin/sh
# Installs what building needs and is missing; with the word `test`, also what only tests and benchmarks need.
# Looks for the files themselves, not for packages, so that it is instant when nothing is missing and content with
# an LLVM that was installed another way (LLVM_SYS_221_PREFIX names its place, as for cargo).
set -eu

llvm=${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}
packages=
lacking=

# need PACKAGE WHAT TEST...: PACKAGE provides WHAT, and is missing if TEST fails.
need() {
    package=$1 what=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    packages="$packages $package"
    lacking="$lacking
    $what (Debian and Ubuntu: $package)"
}
program() { command -v "$1"; }
cxx() { command -v c++ && ls /usr/include/c++/*/vector; }
headers() { test -e "$llvm/include/llvm-c/Core.h"; }
# Debian's LLVM calls Polly, whose archive is in a package of its own. An LLVM yet to be installed will be Debian's.
polly() { test -e "$llvm/lib/libPolly.a" || { headers && ! grep -qs getPollyPluginInfo "$llvm/lib/libLLVMLTO.a"; }; }
system_libs() { "$llvm/bin/llvm-config" --link-static --system-libs; }
# library NAME: it can be linked, or LLVM's archives do not need it.
library() { cc -print-file-name="lib$1.so" | grep -q / || { headers && ! system_libs | grep -qw -e "-l$1"; }; }

check_build() {
    need llvm-22-dev "LLVM 22 with its headers, in $llvm" test -e "$llvm/include/llvm-c/Core.h" -a -e "$llvm/bin/llvm-config"
    need libclang-22-dev "the headers of clang 22's libraries, in $llvm" test -e "$llvm/include/clang/Frontend/CompilerInstance.h"
    need clang-22 "clang 22 and its own headers, in $llvm" test -x "$llvm/bin/clang" -a -e "$llvm/lib/clang/22/include/stddef.h"
    need libclang-rt-22-dev "clang 22's run-time library, for sanitizers and coverage, in $llvm" test -e "$llvm/lib/clang/22/lib"
    need lld-22 "the linker lld 22, in $llvm" test -x "$llvm/bin/ld.lld"
    need g++ "a C++ compiler with its standard library, to link C++ programs" cxx
    need libpolly-22-dev "Polly, which LLVM's archives need, in $llvm" polly
    need zlib1g-dev "zlib, which LLVM's archives need" library z
    need libzstd-dev "zstd, which LLVM's archives need" library zstd
    need libxml2-dev "libxml2, which LLVM's archives need" library xml2
    need pkg-config pkg-config program pkg-config
}

check_test() {
    need ninja-build ninja program ninja
    need git "git, which fetches repositories" program git
    need openssh-client "ssh, by which git reaches repositories" program ssh
    need openssh-server "sshd, which has such repositories" test -x /usr/sbin/sshd
    need cmake "cmake, whose builds tender init reads" program cmake
    need meson "meson, whose projects use installed libraries" program meson
    need gdb gdb program gdb
    need strace "strace, which shows what a program looks at" program strace
    need mold "mold, a linker" program ld.mold
    need nasm "nasm, which assembles .asm" program nasm
    need flex "flex, which makes C sources" program flex
    need bison "bison, which makes C sources" program bison
    need yasm "yasm, which assembles .asm" program yasm
    need g++-aarch64-linux-gnu "g++ for 64-bit ARM, with its libraries" program aarch64-linux-gnu-g++
    need qemu-user "qemu, which runs programs for 64-bit ARM" program qemu-aarch64
    need musl-dev "musl, a C library for static programs" program "$(uname -m)-linux-musl-gcc"
    need libgtest-dev "GoogleTest, whose tests tender test runs" test -e /usr/include/gtest/gtest.h
    need catch2 "Catch2, likewise" test -e /usr/include/catch2
    need doctest-dev "doctest, likewise" test -e /usr/include/doctest/doctest.h
    need clang-format-22 "clang-format 22, which tender fmt runs, in $llvm" test -x "$llvm/bin/clang-format"
    need clang-tidy-22 "clang-tidy 22, which tender tidy runs, in $llvm" test -x "$llvm/bin/clang-tidy"
    need libc++-22-dev "LLVM's C++ library with its modules, in $llvm" test -e "$llvm/lib/libc++.modules.json"
    need libc++abi-22-dev "the library below it" test -e "$llvm/lib/libc++abi.a" -o -e "$llvm/lib/libc++abi.so"
    need csmith "csmith, which makes up C programs" program csmith
    need libcsmith-dev "the headers of csmith's programs" test -e /usr/include/csmith/csmith.h
    # For tools/interop.sh and tools/torture.sh.
    need python3-pip "pip, which Kitware's ninja comes by" python3 -m pip --version
    need xz-utils "xz, which source packages are packed with" program xz
}

check() {
    packages= lacking=
    check_build
    if [ "${1:-}" = test ]; then
        check_test
    fi
}

if ! command -v cargo >/dev/null; then
    echo "error: cargo is missing; install Rust 1.88 or newer from https://rustup.rs" >&2
    exit 1
fi
check "$@"
if [ -z "$packages" ]; then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "error: missing on this system:$lacking" >&2
    echo "Install them with the system's package manager and run make again. An LLVM 22 in another place than" >&2
    echo "/usr/lib/llvm-22 is named by the environment variable LLVM_SYS_221_PREFIX." >&2
    exit 1
fi

root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "error: these packages are missing and installing them takes root; as root, run:" >&2
        echo "    apt-get update && apt-get install$packages" >&2
        exit 1
    fi
    root=sudo
fi
apt() { $root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"; }

echo "installing:$packages" >&2
apt update >&2 || echo "warning: apt-get update failed; going on with the package lists there are" >&2

unknown=
for package in $packages; do
    if [ -z "$(apt-cache --no-all-versions show "$package" 2>/dev/null)" ]; then
        unknown="$unknown $package"
    fi
done
if [ -n "$unknown" ]; then
    codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-CODENAME}")
    echo "error: this distribution has no package$unknown" >&2
    echo "LLVM 22 for Debian and Ubuntu is also at https://apt.llvm.org. Add this line to" >&2
    echo "/etc/apt/sources.list.d/llvm.list, with the key that page names, and run make again:" >&2
    echo "    deb https://apt.llvm.org/$codename/ llvm-toolchain-$codename-22 main" >&2
    exit 1
fi
# The recommended packages of clang and gdb are large, and nothing here uses them.
# shellcheck disable=SC2086 # one word per package
apt install --no-install-recommends $packages >&2

check "$@"
if [ -n "$packages" ]; then
    echo "error: still missing after installing:$lacking" >&2
    exit 1
fi
