//! What differs between two trees, found by walking only what they do not share. The cost is that of the difference,
//! times the depth of the paths in it.
//!
//! Inodes are compared by id, so a file that moved is a rename, not a removal and an addition; a file that was replaced by another of
//! the same path (as editors do) is a change.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::context::Context;
use crate::error::Result;
use crate::tree::inode::{Content, Foreign, Inode, Names, Record};
use crate::tree::streams::{NamedStream, Streams};
use crate::tree::table::{Difference, FrozenTable, Position};
use crate::types::{FileKind, InodeId};

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum DiffKind {
    /// It is new.
    Added = 1,
    /// It is gone.
    Removed = 2,
    /// It is there in both, and differs.
    Changed = 3,
    /// It was elsewhere before (`old_path`), and may differ besides.
    Renamed = 4,
}

/// In what an inode differs: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Aspects(pub u32);

impl Aspects {
    /// Bytes of a file, target of a symbolic link, number of a device, reparse point.
    pub const CONTENT: Aspects = Aspects(1);
    /// Permission bits.
    pub const MODE: Aspects = Aspects(1 << 1);
    /// Owner or group.
    pub const OWNER: Aspects = Aspects(1 << 2);
    /// Time of last modification (not of directories, where it follows from their entries).
    pub const TIMES: Aspects = Aspects(1 << 3);
    /// Extended attributes (those of Windows, too) or ACLs.
    pub const XATTRS: Aspects = Aspects(1 << 4);
    /// Flags and attributes of Windows.
    pub const FLAGS: Aspects = Aspects(1 << 5);
    /// Another kind of file.
    pub const KIND: Aspects = Aspects(1 << 6);
    /// Named streams: which there are, and their bytes.
    pub const STREAMS: Aspects = Aspects(1 << 7);
    /// The security descriptor.
    pub const SECURITY: Aspects = Aspects(1 << 8);

    /// Whether all of `other` are here.
    #[must_use]
    pub fn has(self, other: Aspects) -> bool {
        self.0 & other.0 == other.0
    }

    fn set(&mut self, aspect: Aspects, differs: bool) {
        if differs {
            self.0 |= aspect.0;
        }
    }
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffEntry {
    /// What became of it.
    pub kind: DiffKind,
    /// In what it differs; empty for what was added or removed, or moved unchanged.
    pub aspects: Aspects,
    /// The inode (that of the later tree, if it is there).
    pub inode: InodeId,
    /// What it is (in the later tree, if it is there).
    pub file_kind: FileKind,
    /// Its path from the root, without a leading slash: in the later tree, or the earlier one for what was removed.
    pub path: Vec<u8>,
    /// Its path in the earlier tree, where that differs.
    pub old_path: Option<Vec<u8>>,
}

/// The differences of two trees, one after another.
pub struct Diff {
    context: Arc<Context>,
    before: Arc<FrozenTable>,
    after: Arc<FrozenTable>,
    position: Position,
    ready: VecDeque<DiffEntry>,
}

type Name = (InodeId, u64);

/// How the names of one inode changed.
struct NameChanges {
    renamed: Vec<(Name, Name)>,
    lost: Vec<Name>,
    gained: Vec<Name>,
}

impl Diff {
    pub(crate) fn new(context: &Arc<Context>, before: Arc<FrozenTable>, after: Arc<FrozenTable>) -> Diff {
        let context = context.clone();
        Diff { context, before, after, position: Position::default(), ready: VecDeque::new() }
    }

    /// The next difference, in no particular order; `None` when there are no more.
    ///
    /// Errors: [`crate::Error::Io`] when content had to be compared and could not be read.
    pub fn next_entry(&mut self) -> Result<Option<DiffEntry>> {
        while self.ready.is_empty() {
            let Some((difference, position)) = self.before.next_difference(&self.after, self.position) else {
                return Ok(None);
            };
            self.examine(&difference)?;
            self.position = position;
        }
        Ok(self.ready.pop_front())
    }

    fn examine(&mut self, difference: &Difference) -> Result<()> {
        let changes = name_changes(difference.before.as_deref(), difference.after.as_deref());
        let mut aspects = match (&difference.before, &difference.after) {
            (Some(before), Some(after)) => compare(&before.read_shared(), &after.read_shared())?,
            _ => Aspects::default(),
        };
        for (from, to) in changes.renamed {
            self.push(DiffKind::Renamed, aspects, difference, Some(from), Some(to));
            aspects = Aspects::default();
        }
        for lost in changes.lost {
            self.push_lost(difference, lost);
        }
        for gained in changes.gained {
            self.push_gained(difference, gained)?;
        }
        let kept = kept_name(difference);
        if aspects != Aspects::default() && kept.is_some() {
            self.push(DiffKind::Changed, aspects, difference, kept, kept);
        }
        if difference.id == InodeId::ROOT && aspects != Aspects::default() {
            self.push(DiffKind::Changed, aspects, difference, None, None);
        }
        Ok(())
    }

    /// A name gone: a removal, unless another inode has the path now, which then is reported as changed.
    fn push_lost(&mut self, difference: &Difference, lost: Name) {
        let path = path_of(&self.before, lost);
        if !self.in_place(lost) || self.find(&self.after, &path).is_none() {
            self.push(DiffKind::Removed, Aspects::default(), difference, Some(lost), None);
        }
    }

    /// A name new: an addition, unless another inode had the path before and has not moved elsewhere.
    fn push_gained(&mut self, difference: &Difference, gained: Name) -> Result<()> {
        let path = path_of(&self.after, gained);
        let replaced = self.find(&self.before, &path).filter(|old| self.was_replaced(old, &path));
        match (replaced, &difference.after) {
            (Some(old), Some(new)) => {
                let aspects = compare(&old.read_shared(), &new.read_shared())?;
                if aspects != Aspects::default() {
                    self.push(DiffKind::Changed, aspects, difference, None, Some(gained));
                }
            }
            _ => self.push(DiffKind::Added, Aspects::default(), difference, None, Some(gained)),
        }
        Ok(())
    }

    /// Whether an inode has lost the name that led to `path`, and not because it or a directory above it moved.
    fn was_replaced(&self, old: &Inode, path: &[u8]) -> bool {
        let now = self.after.get(old.id);
        let changes = name_changes(Some(old), now.as_deref());
        let lost = changes.lost.iter().find(|name| path_of(&self.before, **name) == path);
        lost.is_some_and(|name| self.in_place(*name))
    }

    /// Whether the directories above a name of the earlier tree are where they were, or are gone.
    fn in_place(&self, name: Name) -> bool {
        let mut above = Some(name);
        while let Some((parent, _)) = above {
            let was = name_in(&self.before, parent);
            if self.after.get(parent).is_some() {
                let now = name_in(&self.after, parent);
                return match (was, now) {
                    (Some(was), Some(now)) => path_of(&self.before, was) == path_of(&self.after, now),
                    _ => true,
                };
            }
            above = was;
        }
        true
    }

    fn push(
        &mut self,
        kind: DiffKind,
        aspects: Aspects,
        difference: &Difference,
        from: Option<Name>,
        to: Option<Name>,
    ) {
        let old_path = from.map(|name| path_of(&self.before, name));
        let new_path = to.map(|name| path_of(&self.after, name));
        let file_kind = difference.after.as_ref().or(difference.before.as_ref());
        let file_kind = file_kind.map_or(FileKind::File, |inode| inode.read_shared().kind);
        let (path, old_path) = match (new_path, old_path) {
            (Some(new), old) => {
                let old = old.filter(|old| *old != new);
                (new, old)
            }
            (None, old) => (old.unwrap_or_default(), None),
        };
        self.ready.push_back(DiffEntry { kind, aspects, inode: difference.id, file_kind, path, old_path });
    }

    fn find(&self, table: &FrozenTable, path: &[u8]) -> Option<Arc<Inode>> {
        let mut inode = table.get(InodeId::ROOT)?;
        for name in path.split(|&byte| byte == b'/') {
            let next = inode.read_shared().directory().ok()?.get(&self.context.names, name)?.inode;
            inode = table.get(next)?;
        }
        Some(inode)
    }
}

fn names_of(inode: Option<&Inode>) -> Vec<Name> {
    inode.map_or_else(Vec::new, |inode| inode.read_shared().names.all())
}

/// The name of a directory.
fn name_in(table: &FrozenTable, id: InodeId) -> Option<Name> {
    table.get(id).and_then(|directory| directory.read_shared().names.first())
}

fn name_changes(before: Option<&Inode>, after: Option<&Inode>) -> NameChanges {
    let (old, new) = (names_of(before), names_of(after));
    let mut lost: Vec<Name> = old.iter().filter(|name| new.binary_search(name).is_err()).copied().collect();
    let mut gained: Vec<Name> = new.iter().filter(|name| old.binary_search(name).is_err()).copied().collect();
    let pairs = lost.len().min(gained.len());
    let renamed = lost.drain(..pairs).zip(gained.drain(..pairs)).collect();
    NameChanges { renamed, lost, gained }
}

/// A name that the inode has in both trees.
fn kept_name(difference: &Difference) -> Option<Name> {
    let new = names_of(difference.after.as_deref());
    names_of(difference.before.as_deref()).into_iter().find(|name| new.binary_search(name).is_ok())
}

/// The path of a name, without a leading slash.
pub(crate) fn path_of(table: &FrozenTable, name: Name) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut next = Some(name);
    while let Some((parent, key)) = next {
        let Some(directory) = table.get(parent) else { break };
        let record = directory.read_shared();
        let entry = record.directory().ok().and_then(|dir| dir.by_key(key));
        parts.push(entry.map_or_else(Vec::new, |entry| entry.name.to_vec()));
        next = match record.names {
            Names::None => None,
            _ => record.names.first(),
        };
    }
    parts.reverse();
    parts.join(&b'/')
}

fn compare(before: &Record, after: &Record) -> Result<Aspects> {
    let mut aspects = Aspects::default();
    aspects.set(Aspects::KIND, before.kind != after.kind);
    aspects.set(Aspects::CONTENT, before.kind == after.kind && content_differs(&before.content, &after.content)?);
    aspects.set(Aspects::MODE, before.mode != after.mode);
    aspects.set(Aspects::OWNER, (before.uid, before.gid) != (after.uid, after.gid));
    aspects.set(Aspects::TIMES, !after.is_directory() && before.modified != after.modified);
    aspects.set(Aspects::XATTRS, extras_differ(before, after));
    aspects.set(Aspects::FLAGS, before.flags != after.flags);
    aspects.set(Aspects::STREAMS, streams_differ(before.streams(), after.streams())?);
    aspects_of_foreign(before, after, &mut aspects);
    Ok(aspects)
}

/// What Windows programs set counts as what it is closest to.
fn aspects_of_foreign(before: &Record, after: &Record, aspects: &mut Aspects) {
    let none = Foreign::default();
    let (before, after) = (before.foreign().unwrap_or(&none), after.foreign().unwrap_or(&none));
    aspects.set(Aspects::CONTENT, before.reparse != after.reparse);
    aspects.set(Aspects::FLAGS, before.attributes != after.attributes);
    aspects.set(Aspects::XATTRS, before.eas != after.eas);
    aspects.set(Aspects::SECURITY, before.security != after.security);
}

fn content_differs(before: &Content, after: &Content) -> Result<bool> {
    Ok(match (before, after) {
        (Content::File(a), Content::File(b)) => !a.same(b) && !a.equal(b)?,
        (Content::Symlink(a), Content::Symlink(b)) => a != b,
        (Content::Device(a), Content::Device(b)) => a != b,
        // A directory's entries are reported one by one.
        (Content::Directory(_), Content::Directory(_)) | (Content::None, Content::None) => false,
        _ => true,
    })
}

fn extras_differ(before: &Record, after: &Record) -> bool {
    match (&before.extra, &after.extra) {
        (None, None) => false,
        (Some(a), Some(b)) => {
            !Arc::ptr_eq(a, b) && (&a.xattrs, &a.acl, &a.default_acl) != (&b.xattrs, &b.acl, &b.default_acl)
        }
        (Some(one), None) | (None, Some(one)) => {
            !one.xattrs.is_empty() || one.acl.is_some() || one.default_acl.is_some()
        }
    }
}

/// Whether there are others, by the bytes of their names, or the same with other bytes.
fn streams_differ(before: Option<&Streams>, after: Option<&Streams>) -> Result<bool> {
    let sorted = |streams: Option<&Streams>| {
        let mut all: Vec<NamedStream> = streams.into_iter().flat_map(Streams::named).cloned().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    };
    let (before, after) = match (before, after) {
        (None, None) => return Ok(false),
        (Some(a), Some(b)) if std::ptr::eq(a, b) => return Ok(false),
        (before, after) => (sorted(before), sorted(after)),
    };
    if before.len() != after.len() {
        return Ok(true);
    }
    for (a, b) in before.iter().zip(&after) {
        if a.name != b.name || !a.content.same(&b.content) && !a.content.equal(&b.content)? {
            return Ok(true);
        }
    }
    Ok(false)
}
