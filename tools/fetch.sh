#!/bin/sh
# Unpacks the sources that workspace-examples/real-world and workspace-examples/rocksdb build, as their lock files pin them;
# `fetch.sh EXAMPLE...` only those of these examples. Does nothing if they are there already; a fetch that was interrupted
# is done again.
set -eu
cd "$(dirname "$0")/../workspace-examples"

# fetch EXAMPLE NAMES: fills EXAMPLE/vendor, whose sources are those of NAMES.
fetch() {
    if cmp -s "$1/fetch/Cargo.lock" "$1/vendor/.fetched"; then
        return
    fi
    echo "fetching the sources of $2" >&2
    rm -f "$1/vendor/.fetched"
    if ! log=$(cd "$1" &&
        ${CARGO:-cargo} vendor --locked --quiet --manifest-path fetch/Cargo.toml vendor 2>&1 >/dev/null); then
        printf '%s\n' "$log" >&2
        echo "error: cannot fetch the sources; they come from the package registry that cargo is set up to use" >&2
        exit 1
    fi
    cp "$1/fetch/Cargo.lock" "$1/vendor/.fetched"
}

for example in ${*:-real-world rocksdb}; do
    case $example in
    real-world) fetch real-world "Lua, zlib, zstd and SQLite" ;;
    rocksdb) fetch rocksdb "RocksDB" ;;
    *)
        echo "error: no sources are fetched for $example; only for real-world and rocksdb" >&2
        exit 2
        ;;
    esac
done
