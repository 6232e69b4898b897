#!/bin/sh
# A short tour on a mounted volume: every command is printed before it runs, so that it can be repeated by hand.
# Usage: scripts/tour.sh MOUNTPOINT      (from the top of the repository, after `make build`)
set -eu

mnt=$1
shot=$mnt-snapshot
PATH=$PWD/target/release:$PATH

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
run() { printf '%s$ %s%s\n' "$bold" "$*" "$plain"; "$@"; }
shell() { printf '%s$ %s%s\n' "$bold" "$1" "$plain"; sh -c "$1"; }

mkdir -p "$mnt" "$shot"
scripts/stop.sh "$mnt" "$shot" || true
mkdir -p "$mnt" "$shot"

say "A volume, empty, at $mnt"
run bough mount "$mnt"

say "Real files: this project's own sources"
shell "git ls-files -z | xargs -0 cp --parents -t $mnt"
shell "du -sh --apparent-size $mnt; find $mnt -type f | wc -l"

say "A snapshot of all of it, and a branch grown from it"
run bough -C "$mnt" snapshot create first-look
run bough -C "$mnt" branch create experiment --from first-look

say "The branch main goes its way ..."
shell "echo 'a line on main' >> $mnt/README.md; rm $mnt/CHANGELOG.md"

say "... and the mount shows the branch experiment, which goes another"
run bough -C "$mnt" branch switch experiment
shell "tail -n 1 $mnt/README.md; ls $mnt/CHANGELOG.md"
shell "mkdir $mnt/notes; echo 'an idea' > $mnt/notes/idea.txt; mv $mnt/docs $mnt/documents; chmod +x $mnt/README.md"

say "What differs"
shell "bough -C $mnt diff first-look experiment --stat || true"
shell "bough -C $mnt diff first-look main || true"

say "The snapshot itself, mounted beside the branch, as it was and read-only"
run bough mount --attach "$mnt" --snapshot first-look "$shot"
shell "ls $shot | head -n 5; touch $shot/x 2>&1 || true"

say "And back: a branch from the snapshot, as if nothing had happened"
run bough -C "$mnt" branch create again --from first-look
run bough -C "$mnt" branch switch again
shell "ls -d $mnt/docs $mnt/CHANGELOG.md"
run bough -C "$mnt" log
run bough -C "$mnt" status

say "The volume stays mounted at $mnt (and its snapshot at $shot). To stop: make stop"
