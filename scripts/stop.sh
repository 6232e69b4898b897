#!/bin/sh
# Unmounts what the tour mounted. Usage: scripts/stop.sh MOUNTPOINT…
set -eu
PATH=$PWD/target/release:$PATH
for mnt in "$@"; do
    if mountpoint -q "$mnt" 2>/dev/null || ! ls "$mnt" >/dev/null 2>&1; then
        [ ! -e "$mnt" ] && ! mountpoint -q "$mnt" 2>/dev/null && continue
        printf '$ bough unmount %s\n' "$mnt"
        bough unmount "$mnt"
    fi
    [ ! -d "$mnt" ] || rmdir "$mnt"
done
