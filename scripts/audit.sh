#!/bin/sh
# What cargo-deny says of the dependencies: licences, bans and sources always, advisories where their database can be had.
# With --install cargo-deny is installed into target/tools if it is missing. With --advisories it fails where anything is not asked, cargo-deny
# or the advisories missing; without, what is not asked is said. Usage: scripts/audit.sh [--install] [--advisories]
set -eu
cd "$(dirname "$0")/.."

install= advisories=
for word; do
    case $word in
    --install) install=yes ;;
    --advisories) advisories=yes ;;
    *) echo "audit: what is $word?" >&2; exit 2 ;;
    esac
done

PATH=$PWD/target/tools/bin:$PATH
if ! command -v cargo-deny >/dev/null && [ -n "$install" ]; then
    # Not optimized: it is run once, and to build it so takes a third of the time.
    cargo install cargo-deny --version 0.20.2 --locked --debug --root target/tools || echo 'audit: cargo-deny cannot be installed, see above' >&2
fi
if ! command -v cargo-deny >/dev/null; then
    echo 'audit: SKIPPED, AND THAT IS NO SUCCESS: cargo-deny is not installed (make audit installs it). Of licences and sources' >&2
    echo 'audit: only what tests/tests/dependencies.rs asks is checked; bans and advisories are not' >&2
    [ -z "$advisories" ]
    exit
fi

cargo deny --all-features --log-level error check licenses bans sources
# The database is a repository of its own, which not every machine reaches.
if told=$(cargo deny --all-features fetch db 2>&1); then
    cargo deny --all-features --log-level error check advisories
    exit 0
fi
printf '%s\n' "$told" | tail -n 5
echo 'audit: ADVISORIES ARE NOT CHECKED: their database (https://github.com/RustSec/advisory-db) cannot be had from here, see above'
echo 'audit: licences, bans and sources are fine'
# Who asks for all of an audit is not to take half of one for a whole.
[ -z "$advisories" ]
