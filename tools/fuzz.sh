#!/bin/sh
# Runs each fuzz target under libFuzzer until it has had so many inputs: `fuzz.sh COUNT [TARGET...]`. A run that was interrupted goes
# on where it was. Builds below target/fuzz; what libFuzzer finds stays there: `corpus`, and `found` with inputs that are a fault.
set -eu
cd "$(dirname "$0")/.."

count=$1
shift
wanted=${*:-}
cargo=${CARGO:-cargo}
triple=$(rustc -vV | sed -n 's/^host: //p')
dir=$PWD/target/fuzz
mkdir -p "$dir/corpus" "$dir/found" "$dir/done"

# Coverage counters and comparisons by LLVM's pass, as libFuzzer reads them; all of it is stable. With --target they are left out of
# build scripts.
RUSTFLAGS="--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTFLAGS

# fuzz PROGRAM TEST NAME: in steps, so that what was done counts when the last one is interrupted.
fuzz() {
    inputs=$(cat "$dir/done/$3" 2>/dev/null || echo 0)
    mkdir -p "$dir/corpus/$3"
    while [ "$inputs" -lt "$count" ]; do
        step=$((count - inputs))
        [ "$step" -le 500000 ] || step=500000
        BOLERO_LIBFUZZER_ARGS="-runs=$step -max_len=4096 -timeout=10 -rss_limit_mb=2048 -artifact_prefix=$dir/found/$3- \
$dir/corpus/$3 fuzz/corpora/$3" "$1" --exact "$2" --nocapture --test-threads 1 >"$dir/log-$3" 2>&1 || {
            tail -n 40 "$dir/log-$3" >&2
            echo "fuzz $3: a fault after $inputs inputs or a few more; what it was is in $dir/found" >&2
            return 1
        }
        inputs=$((inputs + step))
        echo "$inputs" >"$dir/done/$3"
    done
    echo "fuzz $3: $inputs inputs, no fault"
}

# run PACKAGE WORD...: its programs of tests, as cargo's WORDs choose them, and each target in them.
failed=0
run() {
    package=$1
    shift
    programs=$($cargo test --locked --profile fuzz --target "$triple" --target-dir "$dir/build" -p "$package" "$@" --no-run \
        --message-format json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
    for program in $programs; do
        for test in $("$program" --list --format terse | sed -n 's/: test$//p' | grep '\(^\|::\)fuzz_'); do
            name=${test##*fuzz_}
            case " ${wanted:-$name} " in
            *" $name "*) fuzz "$program" "$test" "$name" || failed=1 ;;
            esac
        done
    done
}

run tender --lib
run tender-jobclient --lib
run tender-protocol --lib
run tender-units --lib
run tender-tests --lib
run tender-worker --lib
exit $failed
