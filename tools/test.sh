#!/bin/bash
# Runs `cargo test` with the words that are given, and shows how far it is: tools/test.sh RECORD WORDS...
# Says first how long it will take, which it knows by the file RECORD from the run before, and at the end which tests were
# skipped and why (tests/src/features.rs). Its exit status is cargo's.
set -uo pipefail

if [ $# -lt 1 ]; then
    echo "usage: $0 RECORD WORDS..." >&2
    exit 2
fi
record=$1
shift
cargo=${CARGO:-cargo}
skips=$(mktemp)
trap 'rm -f "$skips"' EXIT
trap 'exit 130' INT TERM HUP
export TENDER_TEST_SKIPS=$skips

# First all is built, with cargo's own bar. It names each program that it will run.
"$cargo" test "$@" --no-run || exit
total=$("$cargo" test "$@" --no-run 2>&1 | grep -c '^  Executable ')

minutes() { echo $((($1 + 59) / 60)); }
SECONDS=0
last=$(cat "$record" 2>/dev/null)
if [ -n "$last" ]; then
    expect=" of about $(minutes "$last")"
    echo "$total programs of tests; the last run took $(minutes "$last") min"
else
    expect=
    echo "$total programs of tests; the first run here, so how long they take is not known (CONTRIBUTING.md has a guess)"
fi

"$cargo" test --no-fail-fast "$@" 2>&1 | {
    number=0
    while IFS= read -r line; do
        case $line in
        "     Running "*)
            number=$((number + 1))
            echo "[$number of $total, minute $(minutes $SECONDS)$expect]${line#    }"
            ;;
        *) printf '%s\n' "$line" ;;
        esac
    done
}
status=$?

if [ -s "$skips" ]; then
    echo
    echo "skipped, as FEATURE: WHY (PROGRAM TEST):"
    sort -u "$skips" | sed 's/^/    /'
else
    echo
    echo 'no test was skipped'
fi
echo "the tests took $(minutes $SECONDS) min"
if [ "$status" -eq 0 ]; then
    echo $SECONDS >"$record"
fi
exit "$status"
