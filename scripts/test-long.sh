#!/bin/sh
# The tests that take minutes: each part to its end, whatever became of the one before, with the seconds that it took and may take at
# most. The model's operations are counted, and too few of them are a failure. Part of `make test-long`.
# Usage: scripts/test-long.sh [PART...]; parts: core, c-api, schedules, suites; without any: all.
set -eu
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
[ $# -gt 0 ] || set -- core c-api schedules suites
for name; do
    case $name in
    core | c-api | schedules | suites) ;;
    *) echo "test-long: $name is no part" >&2; exit 2 ;;
    esac
done
wanted=" $* "
total=0 bound=0 failed=
counted=$(mktemp)
trap 'rm -f "$counted"' EXIT

# part NAME SECONDS SETTINGS WORDS CARGO-WORDS...: tests with these settings and words of their own. To build them is not counted.
part() {
    name=$1 most=$2 settings=$3 words=$4
    shift 4
    case $wanted in *" $name "*) ;; *) return 0 ;; esac
    bound=$((bound + most))
    echo "test-long: $name, at most $most s"
    "$cargo" test --locked --no-run "$@" || { failed="$failed $name"; return 0; }
    since=$(date +%s)
    # shellcheck disable=SC2086 # several words each
    env $settings timeout --kill-after=30 "$most" "$cargo" test --locked --no-fail-fast "$@" -- $words || failed="$failed $name"
    took=$(($(date +%s) - since))
    total=$((total + took))
    echo "test-long: $name took $took s of at most $most"
}

# What the tests in core/tests/model.rs did; those with faults, and those through the C API, are not among it.
operations() {
    case $wanted in *" core "*) ;; *) return 0 ;; esac
    did=$(awk '/ cargo test -p bough --test model / { did += $1 } END { print did + 0 }' "$counted")
    echo "test-long: the model did $did operations, of at least 1000000"
    [ "$did" -ge 1000000 ] || failed="$failed operations"
}

# What is not here is skipped: told before, for a line among many is not seen.
missing() {
    case $wanted in *" suites "*) ;; *) return 0 ;; esac
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo 'test-long: no PostgreSQL here: its tests will be skipped'
    for program in stress-ng npm python3 git rsync sqlite3; do
        command -v "$program" >/dev/null || echo "test-long: no $program here: its tests will be skipped"
    done
    rustup run "${BOUGH_NIGHTLY:-nightly}" rustc -V >/dev/null 2>&1 || echo 'test-long: no nightly compiler here: ThreadSanitizer will be skipped'
}

missing
# The bounds are a few times what each took on two processors with other work to do.
part core 5400 "BOUGH_MODEL_CASES=4000 BOUGH_HISTORIES=25 BOUGH_FAULTS=all BOUGH_MODEL_COUNTED=$counted" --include-ignored --release -p bough
operations
part c-api 3600 'BOUGH_MODEL_CASES=1000 BOUGH_FUZZ_CASES=10' '' -p bough-tests --test model --test fuzz
part schedules 3600 'BOUGH_SCHEDULES=25' schedules:: -p bough --features shuttle --lib
part suites 10800 '' '--ignored --test-threads=1' -p bough-tests --test suites

echo "test-long: $total s in all, of at most $bound"
[ -z "$failed" ] || { echo "test-long: FAILED:$failed"; exit 1; }
