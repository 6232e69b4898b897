#!/bin/sh
# Builds sqlite's speedtest1 from the source package of this Debian or Ubuntu, linked with its library, for a test.
# Changes nothing of the system: lists and sources stay in a folder that goes. Usage: scripts/speedtest.sh PROGRAM
set -eu
program=$1
[ -e /usr/include/sqlite3.h ] || { echo 'speedtest: libsqlite3-dev is not installed' >&2; exit 1; }
. /etc/os-release
case $ID in
debian) archive=http://deb.debian.org/debian key=/usr/share/keyrings/debian-archive-keyring.gpg ;;
ubuntu) archive=http://archive.ubuntu.com/ubuntu key=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;;
*) echo 'speedtest: this is no Debian or Ubuntu' >&2; exit 1 ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p lists/partial
echo "deb-src [signed-by=$key] $archive $VERSION_CODENAME main" > sources.list
apt() {
    timeout 120 apt-get -qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$folder/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
apt source --download-only sqlite3
tar -xf sqlite3_*.orig.tar.* --wildcards '*/test/speedtest1.c'
mkdir -p "$(dirname "$program")"
cc -O2 -o "$program" ./*/test/speedtest1.c -lsqlite3 -lm -lpthread
