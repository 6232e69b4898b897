//! Checks a diff against the two trees of the model. What it says must be so, and nothing may be left out: every path
//! of the later tree that it does not name is, where it was before (moved directories counted), the same as before.

use std::collections::{BTreeMap, BTreeSet};

use bough::{Aspects, Diff, DiffEntry, DiffKind};

use super::naive::{Id, Key, Model, Node, ROOT, Tree};

type Paths = BTreeMap<Vec<u8>, Id>;

struct Check<'a> {
    trees: [&'a Tree; 2],
    before: Paths,
    after: Paths,
    entries: Vec<DiffEntry>,
}

pub(crate) fn check(mut diff: Diff, model: &Model, before: Key, after: Key) {
    let trees = [&model.refs[&before].tree, &model.refs[&after].tree];
    let mut entries = Vec::new();
    while let Some(mut entry) = diff.next_entry().unwrap() {
        entry.path = model.fold(&entry.path);
        entry.old_path = entry.old_path.map(|path| model.fold(&path));
        entries.push(entry);
    }
    let paths = trees.map(|tree| {
        let mut paths = Paths::new();
        collect(tree, ROOT, b"", &mut paths);
        paths
    });
    let [before, after] = paths;
    let check = Check { trees, before, after, entries };
    check.what_is_said();
    check.what_is_left_out();
}

fn collect(tree: &Tree, dir: Id, path: &[u8], into: &mut Paths) {
    into.insert(path.to_vec(), dir);
    for (key, (_, id)) in &tree.nodes[&dir].entries {
        let below = if path.is_empty() { key.clone() } else { [path, b"/", key].concat() };
        collect(tree, *id, &below, into);
    }
}

impl Check<'_> {
    /// Every entry is true.
    fn what_is_said(&self) {
        for entry in &self.entries {
            let (was, is) = (self.before.get(&entry.path), self.after.get(&entry.path));
            let old = entry.old_path.as_ref().map(|old| self.before.get(old));
            let fits = match entry.kind {
                DiffKind::Added => is.is_some() && old.is_none(),
                DiffKind::Removed => was.is_some() && is != was && old.is_none(),
                // No old path: only the directories above it have moved, and it from one to the other.
                DiffKind::Renamed => is.is_some() && old.unwrap_or(was) == is,
                DiffKind::Changed => is.is_some() && entry.aspects != Aspects::default(),
            };
            assert!(fits, "the diff says {entry:?}, {}", self.story());
        }
        let mut said: Vec<_> =
            self.entries.iter().map(|entry| (&entry.path, entry.kind == DiffKind::Removed)).collect();
        said.sort();
        let unique = said.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(unique, "the diff names a path twice, {}", self.story());
    }

    fn what_is_left_out(&self) {
        let of = |kind: DiffKind| self.entries.iter().filter(move |entry| entry.kind == kind);
        let added: BTreeSet<&[u8]> = of(DiffKind::Added).map(|entry| &*entry.path).collect();
        let removed: BTreeSet<&[u8]> = of(DiffKind::Removed).map(|entry| &*entry.path).collect();
        let moves: Vec<(&[u8], &[u8])> = of(DiffKind::Renamed)
            .map(|entry| (entry.old_path.as_deref().unwrap_or(&entry.path), &*entry.path))
            .collect();
        let changed: BTreeSet<Id> = self
            .entries
            .iter()
            .filter(|entry| entry.aspects != Aspects::default())
            .map(|entry| self.after[&entry.path])
            .collect();
        for (path, id) in &self.after {
            let new = added.contains(&**path);
            // Below a new directory all is new, but for what has moved there.
            let moved_at = prefixes(path).filter(|above| moves.iter().any(|(_, to)| to == above)).last();
            let new_at = prefixes(path).filter(|above| added.contains(above)).last();
            let below_new = new_at.map_or(0, <[u8]>::len) > moved_at.map_or(0, <[u8]>::len);
            let origin = follow(path, moves.iter().map(|(from, to)| (*to, *from)));
            let same = self.before.get(&origin).is_some_and(|old| self.same(*old, *id) || changed.contains(id));
            let moved = moves.iter().any(|(_, to)| *to == &**path);
            assert!(new || moved || same && !below_new, "the diff leaves out {}, {}", text(path), self.story());
        }
        for path in self.before.keys() {
            let now = follow(path, moves.iter().copied());
            let found = self.after.contains_key(&now) || self.after.contains_key(path);
            assert!(
                found || removed.contains(&**path),
                "the diff leaves out that {} is gone, {}",
                text(path),
                self.story()
            );
        }
    }

    fn same(&self, before: Id, after: Id) -> bool {
        let (a, b) = (&self.trees[0].nodes[&before], &self.trees[1].nodes[&after]);
        let face = |node: &Node| (node.kind, node.mode, node.uid, node.gid, node.flags, node.device);
        let times = a.is_dir() || a.modified == b.modified;
        let streams = |node: &Node| node.streams.iter().cloned().collect::<BTreeMap<_, _>>();
        face(a) == face(b) && times && a.data == b.data && a.xattrs == b.xattrs && streams(a) == streams(b)
    }

    fn story(&self) -> String {
        let list =
            |paths: &Paths| paths.iter().map(|(path, id)| format!("{}={id}", text(path))).collect::<Vec<_>>().join(" ");
        let said: Vec<String> = self
            .entries
            .iter()
            .map(|entry| {
                let old = entry.old_path.as_deref().map_or(String::new(), |old| format!(" from {}", text(old)));
                format!("{:?} {}{old} {:?}", entry.kind, text(&entry.path), entry.aspects)
            })
            .collect();
        format!("before: {}\nafter: {}\ndiff: {}", list(&self.before), list(&self.after), said.join("; "))
    }
}

fn text(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

/// The directories above a path, but for the root.
fn prefixes(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at])
}

/// Where a path leads when the directories above it have moved: the longest of them decides.
fn follow<'a>(path: &[u8], moves: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let above = |from: &[u8]| path == from || path.starts_with(from) && path.get(from.len()) == Some(&b'/');
    match moves.filter(|(from, _)| above(from)).max_by_key(|(from, _)| from.len()) {
        Some((from, to)) => [to, &path[from.len()..]].concat(),
        None => path.to_vec(),
    }
}
