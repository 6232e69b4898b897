#!/bin/sh
# Builds a libfuse of today for a system whose own is older than 3.17, from the source package of Debian's development
# distribution, into build/libfuse, as a static library. Nothing of the system changes but tools that apt installs for it.
# Usage: scripts/libfuse.sh      Where it cannot be had, bough-fuse is built with the system's libfuse; says so and answers 0.
set -eu
cd "$(dirname "$0")/.."
top=$PWD/build/libfuse
wanted=3.17

say() { printf 'libfuse: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
give_up() { say "$*; the system's libfuse will do"; exit 0; }

pkg-config --atleast-version "$wanted" fuse3 2>/dev/null && exit 0
[ -e "$top/lib/pkgconfig/fuse3.pc" ] && exit 0
# As long as it is not there, so that a machine without a network does not try again at every build.
[ -e "$top/unreachable" ] && exit 0
have apt-get || give_up "no apt-get here to fetch $wanted or newer with"

as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
[ -z "$as_root" ] || have sudo || give_up "building a newer one needs tools, and there is no sudo to install them with"

packages=
for tool in meson:meson ninja:ninja-build dpkg-source:dpkg-dev; do
    have "${tool%%:*}" || packages="$packages ${tool##*:}"
done
pkg-config --exists liburing 2>/dev/null || packages="$packages liburing-dev"
pkg-config --exists numa 2>/dev/null || packages="$packages libnuma-dev"

install_tools() {
    [ -n "$packages" ] || return 0
    say "installing$packages"
    # shellcheck disable=SC2086
    $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

# A list of sources of its own: the system's stays as it is.
mirror() { sed -n 's/^URIs: *\([^ ]*debian\)\/* *$/\1/p; s/^deb \(\[[^]]*\] \)*\([^ ]*debian\)\/* .*/\2/p' \
    /etc/apt/sources.list.d/* /etc/apt/sources.list 2>/dev/null | head -n 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fetch() {
    mkdir -p "$top/apt/parts" "$top/apt/lists/partial" "$top/apt/cache/archives/partial"
    printf 'Types: deb-src\nURIs: %s\nSuites: sid\nComponents: main\nSigned-By: %s\n' "$(mirror)" "$keyring" \
        > "$top/apt/parts/sid.sources"
    cd "$top"
    set -- -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$top/apt/parts" \
        -o Dir::State::lists="$top/apt/lists" -o Dir::Cache="$top/apt/cache" -o APT::Sandbox::User=root
    apt-get "$@" update && apt-get "$@" source fuse3 >/dev/null
}

build() {
    cd "$top"/fuse3-*/
    custom=
    ! grep -q enable-custom-io meson_options.txt || custom=-Denable-custom-io=true
    # shellcheck disable=SC2086 # nothing, or one word
    meson setup build $custom --prefix="$top" --bindir=/usr/bin --libdir=lib --buildtype=release -Ddefault_library=static \
        -Dexamples=false -Dutils=false -Dtests=false && ninja -C build install && build_peer
}

# One of libfuse's examples, for the benchmarks to stand beside; they do without it where it cannot be built.
build_peer() {
    mkdir -p "$top/bin"
    # shellcheck disable=SC2046
    c++ -O2 -std=c++17 -Iexample -Ibuild -o "$top/bin/passthrough_hp" example/passthrough_hp.cc \
        $(PKG_CONFIG_PATH=$top/lib/pkgconfig pkg-config --cflags --libs fuse3) || true
}

say "building a newer libfuse than the system's $(pkg-config --modversion fuse3 2>/dev/null || echo none)"
mkdir -p "$top"
if ! (install_tools && fetch && build) > "$top/log" 2>&1; then
    touch "$top/unreachable"
    give_up "could not be built (build/libfuse/log tells why; remove build/libfuse to try again)"
fi
rm -rf "$top/apt" "$top"/fuse3-* "$top"/fuse3_*
say "$(PKG_CONFIG_PATH=$top/lib/pkgconfig pkg-config --modversion fuse3) is in build/libfuse"
