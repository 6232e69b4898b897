#!/bin/sh
# Fuzzes each target of fuzz/ with coverage as a guide, for so many seconds each. Needs a nightly compiler and cargo-fuzz, which it
# installs for itself; BOUGH_NIGHTLY names another than `nightly`. New inputs go to target/fuzz/, what fails to fuzz/artifacts/. Usage: scripts/fuzz.sh SECONDS [TARGET...]
set -eu
cd "$(dirname "$0")/.."

seconds=${1:?how many seconds each}
shift
[ $# -gt 0 ] || set -- calls control names operations values

nightly=${BOUGH_NIGHTLY:-nightly}
command -v rustup >/dev/null || { echo 'fuzz: needs rustup, for a nightly compiler'; exit 1; }
rustup run "$nightly" rustc -V >/dev/null 2>&1 || rustup toolchain install "$nightly" --profile minimal
PATH=$PWD/target/tools/bin:$PATH
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked --root target/tools

# Unoptimized strategies take more stack than is usual.
ulimit -s 65536 2>/dev/null || true

for target; do
    echo "fuzz: $target for $seconds s"
    mkdir -p "target/fuzz/$target"
    # Leaks are looked for once, when the run ends.
    cargo "+$nightly" fuzz build --fuzz-dir fuzz "$target"
    # libFuzzer learns the names of variables that a program looks through, and writes them into inputs: it gets none but these.
    env -i "PATH=$PATH" "HOME=$HOME" "CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}" "RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}" \
        cargo "+$nightly" fuzz run --fuzz-dir fuzz "$target" "target/fuzz/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -detect_leaks=0 -max_len=8192
done
