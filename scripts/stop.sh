#!/bin/sh
# Unmounts what the tour mounted, also when its daemon has died. Usage: scripts/stop.sh MOUNTPOINT…
set -eu
PATH=$PWD/target/release:$PATH
command -v bough >/dev/null || { echo "there is no bough: make build" >&2; exit 1; }
for mnt in "$@"; do
    status=0
    said=$(bough unmount "$mnt" 2>&1) || status=$?
    case $status in
        0) printf '$ bough unmount %s\n' "$mnt" ;;
        3) said= ;; # nothing of ours is mounted there
    esac
    [ -z "$said" ] || printf '%s\n' "$said" >&2
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || exit "$status"
    [ ! -d "$mnt" ] || rmdir "$mnt"
done
