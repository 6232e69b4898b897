#!/bin/sh
# What cargo-deny says of the dependencies: licences, bans and sources always, advisories where their database can be had.
# With --install it is installed for itself if it is missing; without, that is said. Usage: scripts/audit.sh [--install]
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
if cargo deny --all-features fetch db >/dev/null 2>&1; then
    cargo deny --all-features check advisories
else
    echo 'audit: the database of advisories cannot be reached from here: advisories are not checked'
fi
