#!/bin/sh
# What cargo-deny says of the dependencies: licences, bans and sources always, advisories where their database can be had.
# With --install it is installed for itself if it is missing, and an audit without advisories fails; without, both is said. Usage: scripts/audit.sh [--install]
set -eu
cd "$(dirname "$0")/.."

PATH=$PWD/target/tools/bin:$PATH
if ! command -v cargo-deny >/dev/null; then
    if [ "${1-}" != --install ]; then
        echo 'audit: cargo-deny is not installed (make audit installs it); licences and sources are checked by tests/tests/dependencies.rs, advisories are not'
        exit 0
    fi
    cargo install cargo-deny --locked --root target/tools
fi

cargo deny --all-features check licenses bans sources
# The database is a repository of its own, which not every machine reaches.
if told=$(cargo deny --all-features fetch db 2>&1); then
    cargo deny --all-features check advisories
    exit 0
fi
printf '%s\n' "$told" | tail -n 5
echo 'audit: ADVISORIES ARE NOT CHECKED: their database (https://github.com/RustSec/advisory-db) cannot be had from here, see above'
echo 'audit: licences, bans and sources are fine'
# Who asks for an audit is not to take half of one for a whole.
[ "${1-}" != --install ]
