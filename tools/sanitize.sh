#!/bin/sh
# Runs the worker's tests with the C++ shim under AddressSanitizer and UBSan; words are passed on to `cargo test`. Builds below
# target/sanitize, and leaves the programs there too: TENDER_TEST_BIN=target/sanitize/debug has the end-to-end tests use them.
# Debian's package libclang-rt-22-dev has the sanitizers' libraries.
set -eu
cd "$(dirname "$0")/.."

llvm=${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}
export TENDER_SHIM_SANITIZE=address,undefined
# The linker that knows where clang's sanitizers are; gcc would add its own.
CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=$llvm/bin/clang
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER
# As rustc has gcc link: what lld collects as garbage needs not be defined.
export RUSTFLAGS="-Clink-arg=-fuse-ld=lld"

# allow_user_poisoning: LLVM's headers poison what a BumpPtrAllocator has not given out. The copies of that code in the shim do, those
# in LLVM's own objects, which are not instrumented, do not take it back.
# detect_leaks: LLVM and clang keep what they set up once, and a worker ends by _exit(2).
export ASAN_OPTIONS="allow_user_poisoning=0:detect_leaks=0:abort_on_error=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1:abort_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"

# jemalloc would take malloc(3) away from AddressSanitizer.
cargo build --locked --target-dir target/sanitize -p tender-worker --no-default-features
cargo test --locked --target-dir target/sanitize -p tender-worker --no-default-features "$@"
