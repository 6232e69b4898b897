//! What a command changed outside of its branch, in the paths that `--allow` gave it: a look before and one after.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diff::Change;

/// What is known of a path without reading it. Every change of content or metadata sets the time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    kind_and_mode: u32,
    owner: (u32, u32),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    directory: bool,
}

impl Stamp {
    fn of(found: &Metadata) -> Stamp {
        Stamp {
            inode: (found.dev(), found.ino()),
            kind_and_mode: found.mode(),
            owner: (found.uid(), found.gid()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            directory: found.is_dir(),
        }
    }

    fn change_to(&self, after: &Stamp) -> Option<Change> {
        let replaced = self.inode != after.inode || self.kind_and_mode >> 12 != after.kind_and_mode >> 12;
        let content = !after.directory && (self.size, self.modified) != (after.size, after.modified);
        let metadata = (self.kind_and_mode, self.owner) != (after.kind_and_mode, after.owner);
        match () {
            _ if replaced || content => Some(Change::Modified),
            // A directory's times follow from its entries, which are told one by one.
            _ if metadata || (!after.directory && self.changed != after.changed) => Some(Change::Metadata),
            _ => None,
        }
    }
}

/// How some paths are.
#[derive(Debug, Default)]
pub(super) struct Outside(BTreeMap<PathBuf, Stamp>);

/// A change outside of the branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct OutsideChange {
    pub(super) path: PathBuf,
    pub(super) change: Change,
}

impl Outside {
    /// Looks at these paths and all below them, but not at what is below `base`.
    pub(super) fn look(paths: &[PathBuf], base: &Path) -> Outside {
        let mut found = Outside::default();
        let mut left: Vec<PathBuf> = paths.to_vec();
        while let Some(path) = left.pop() {
            // What goes while we look is gone, and what cannot be read cannot be told of.
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if path == base {
                continue;
            }
            if metadata.is_dir() {
                let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
                left.extend(entries.map(|entry| entry.path()));
            }
            found.0.insert(path, Stamp::of(&metadata));
        }
        found
    }

    /// What is different now.
    pub(super) fn changes(&self, now: &Outside) -> Vec<OutsideChange> {
        let gone = self.0.keys().filter(|path| !now.0.contains_key(*path)).map(|path| (path, Change::Deleted));
        let there = now.0.iter().filter_map(|(path, after)| match self.0.get(path) {
            None => Some((path, Change::Added)),
            Some(before) => Some((path, before.change_to(after)?)),
        });
        let all = gone.chain(there).map(|(path, change)| OutsideChange { path: path.clone(), change });
        let mut all: Vec<OutsideChange> = all.collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_kind_of_change_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["same", "edited", "gone", "mode", "replaced"] {
            fs::write(at(name), "1").unwrap();
        }
        fs::create_dir(at("sub")).unwrap();
        fs::create_dir(at("base")).unwrap();
        let look = || Outside::look(&[directory.path().to_owned()], &at("base"));
        let before = look();
        assert!(before.changes(&look()).is_empty());
        fs::write(at("edited"), "22").unwrap();
        fs::remove_file(at("gone")).unwrap();
        fs::set_permissions(at("mode"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(at("other"), "1").unwrap();
        fs::rename(at("other"), at("replaced")).unwrap();
        fs::write(at("sub/new"), "").unwrap();
        fs::write(at("base/unseen"), "").unwrap();
        let changes: Vec<_> = before.changes(&look()).into_iter().map(|c| (c.path, c.change)).collect();
        let expected = [
            (at("edited"), Change::Modified),
            (at("gone"), Change::Deleted),
            (at("mode"), Change::Metadata),
            (at("replaced"), Change::Modified),
            (at("sub/new"), Change::Added),
        ];
        assert_eq!(changes, expected);
    }
}
