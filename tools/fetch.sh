#!/bin/sh
# Unpacks the sources that workspace-examples/real-world builds, as its lock file pins them. Does nothing if they are
# there already; a fetch that was interrupted is done again.
set -eu
cd "$(dirname "$0")/../workspace-examples/real-world"

stamp=vendor/.fetched
if cmp -s fetch/Cargo.lock "$stamp"; then
    exit 0
fi
echo "fetching the sources of Lua, zlib, zstd and SQLite" >&2
rm -f "$stamp"
if ! log=$(${CARGO:-cargo} vendor --locked --quiet --manifest-path fetch/Cargo.toml vendor 2>&1 >/dev/null); then
    printf '%s\n' "$log" >&2
    echo "error: cannot fetch the sources; they come from the package registry that cargo is set up to use" >&2
    exit 1
fi
cp fetch/Cargo.lock "$stamp"
