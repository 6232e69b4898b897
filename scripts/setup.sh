#!/bin/sh
# Installs what building, running and testing Bough need and this machine lacks. Says what it does; changes nothing
# that is there already. Usage: scripts/setup.sh
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# Debian and Ubuntu package names; the list at the end names them for the others.
packages=
need() { packages="$packages $1"; }

have cc || need gcc
have c++ || need g++
have make || need make
have pkg-config || need pkg-config
have git || need git
have fusermount3 || need fuse3
pkg-config --exists fuse3 2>/dev/null || need libfuse3-dev
pkg-config --exists liburing 2>/dev/null || need liburing-dev
# For the tests.
have rsync || need rsync
have setfacl || need acl
have setfattr || need attr
have sqlite3 || need sqlite3
have valgrind || need valgrind
have stress-ng || need stress-ng
have curl || need curl
have python3 || need python3
have ip || need iproute2
# What rustup and cargo know servers by; curl only recommends it.
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] || need ca-certificates

install_packages() {
    if ! have apt-get; then
        say "this is no Debian or Ubuntu: please install what they call:$packages"
        say "  Fedora: dnf install gcc gcc-c++ make pkgconf git fuse3 fuse3-devel liburing-devel rsync acl attr sqlite valgrind stress-ng curl python3 iproute"
        say "  Arch:   pacman -S base-devel git fuse3 liburing rsync acl attr sqlite valgrind stress-ng curl python iproute2"
        exit 1
    fi
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || { say "installing$packages needs root, and there is no sudo here"; exit 1; }
        as_root=sudo
    fi
    say "installing$packages"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

[ -z "$packages" ] || install_packages

PATH=$HOME/.cargo/bin:$PATH
needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# Whether the first of two versions is not older than the second.
not_older() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }
recent_rust() { have cargo && not_older "$(cargo --version | cut -d ' ' -f 2)" "$needed"; }

if ! recent_rust && have rustup; then
    say "updating Rust: $needed or newer is needed"
    rustup update stable
elif ! recent_rust; then
    say "installing Rust for this user with rustup (https://rustup.rs): $needed or newer is needed"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain stable
fi
# A download that failed is an empty script to sh, which is content with that.
recent_rust || { say "Rust $needed or newer is not here: see above, or install it by hand"; exit 1; }

scripts/libfuse.sh

[ -e /dev/fuse ] || say "note: there is no /dev/fuse here; mounts need it (modprobe fuse)"
# What some tests use where it is there, and skip elsewhere with a line: too large, or not for a script to start.
{ have rustup && rustup run "${BOUGH_NIGHTLY:-nightly}" rustc -V >/dev/null 2>&1; } ||
    say "note: no nightly compiler: tests under ThreadSanitizer are skipped (rustup toolchain install nightly --profile minimal)"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
    say "note: no PostgreSQL: its part of test-long is skipped (the package postgresql, which starts a server of its own)"
say "everything needed is here"
