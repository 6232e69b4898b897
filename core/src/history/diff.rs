//! What differs between two trees, found by walking only what they do not share. The cost is that of the difference,
//! times the depth of the paths in it.
//!
//! Inodes are compared by id, so a file that moved is a rename, not a removal and an addition; a file that was replaced by another of
//! the same path (as editors do) is a change.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::context::Context;
use crate::data::Stream;
use crate::error::{Error, Result};
use crate::tree::inode::{Content, Foreign, Inode, Record};
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

pub(super) mod side;

use side::{Name, Side};

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
            let difference = self.complete(difference)?;
            self.examine(&difference)?;
            self.examine_hidden(difference.id)?;
            self.position = position;
        }
        Ok(self.ready.pop_front())
    }

    /// A tree that holds nothing of an inode of the base shows what the base has.
    fn complete(&self, difference: Difference) -> Result<Difference> {
        let Difference { id, before, after } = difference;
        let side = |held: Option<Arc<Inode>>, tree: Side<'_>| match held {
            Some(inode) if !inode.is_gone() => Ok(Some(inode)),
            _ => tree.inode(id),
        };
        Ok(Difference { id, before: side(before, self.before())?, after: side(after, self.after())? })
    }

    fn before(&self) -> Side<'_> {
        Side { table: &self.before, context: &self.context }
    }

    fn after(&self) -> Side<'_> {
        Side { table: &self.after, context: &self.context }
    }

    /// How the names of an inode changed. A record of a base file that has several need not know them all.
    fn name_changes(&self, before: Option<&Inode>, after: Option<&Inode>) -> NameChanges {
        let (old, new) = (names_of(before), names_of(after));
        let there = |tree: Side<'_>, inode: Option<&Inode>, name: &Name| {
            inode.is_some_and(|inode| inode.is_of_base() && tree.shows(inode.id, *name))
        };
        let missing = |of: &[Name], from: &[Name]| -> Vec<Name> {
            of.iter().filter(|name| from.binary_search(name).is_err()).copied().collect()
        };
        let mut lost = missing(&old, &new);
        let mut gained = missing(&new, &old);
        lost.retain(|name| !there(self.after(), after, name));
        gained.retain(|name| !there(self.before(), before, name));
        let pairs = lost.len().min(gained.len());
        let renamed = lost.drain(..pairs).zip(gained.drain(..pairs)).collect();
        NameChanges { renamed, lost, gained }
    }

    fn examine(&mut self, difference: &Difference) -> Result<()> {
        let changes = self.name_changes(difference.before.as_deref(), difference.after.as_deref());
        let mut aspects = match (&difference.before, &difference.after) {
            (Some(before), Some(after)) => compare(&before.read_shared(), &after.read_shared())?,
            _ => Aspects::default(),
        };
        for (from, to) in changes.renamed {
            self.push(DiffKind::Renamed, aspects, difference, Some(from), Some(to));
            aspects = Aspects::default();
        }
        for lost in changes.lost {
            self.push_lost(difference, lost)?;
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

    /// Names that one tree hides lead in the base to what it has put there since: neither tree need hold anything of that.
    fn examine_hidden(&mut self, directory: InodeId) -> Result<()> {
        let context = self.context.clone();
        let Some(base) = &context.base else { return Ok(()) };
        let (before, after) = (self.before().hidden(directory), self.after().hidden(directory));
        for name in before.iter().chain(&after) {
            let Some((id, _)) = base.look(directory, name)? else { continue };
            if self.before.get(id).is_some() || self.after.get(id).is_some() {
                continue;
            }
            let entry = (directory, base.key(name));
            let shown = |tree: Side<'_>| if tree.shows(id, entry) { tree.inode(id) } else { Ok(None) };
            let difference = Difference { id, before: shown(self.before())?, after: shown(self.after())? };
            match (&difference.before, &difference.after) {
                (Some(_), None) => self.push_lost(&difference, entry)?,
                (None, Some(_)) => self.push_gained(&difference, entry)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A name gone: a removal, unless another inode has got the path, which then is reported as changed. One that moved
    /// there is reported as renamed, which says nothing of what it took the place of.
    fn push_lost(&mut self, difference: &Difference, lost: Name) -> Result<()> {
        let path = self.before().path_of(difference.id, lost);
        let replaced = match self.after().find(&path)? {
            Some(new) if self.in_place(lost) => self.has_gained(&new, &path)?,
            _ => false,
        };
        if !replaced {
            self.push(DiffKind::Removed, Aspects::default(), difference, Some(lost), None);
        }
        Ok(())
    }

    /// Whether an inode has the name that leads to `path` besides those it had.
    fn has_gained(&self, new: &Inode, path: &[u8]) -> Result<bool> {
        let was = self.before().inode(new.id)?;
        let changes = self.name_changes(was.as_deref(), Some(new));
        Ok(changes.gained.iter().any(|name| self.after().path_of(new.id, *name) == path))
    }

    /// A name new: an addition, unless another inode had the path before and has not moved elsewhere.
    fn push_gained(&mut self, difference: &Difference, gained: Name) -> Result<()> {
        let path = self.after().path_of(difference.id, gained);
        let replaced = match self.before().find(&path)? {
            Some(old) if self.was_replaced(&old, &path)? => Some(old),
            _ => None,
        };
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
    fn was_replaced(&self, old: &Inode, path: &[u8]) -> Result<bool> {
        let now = self.after().inode(old.id)?;
        let changes = self.name_changes(Some(old), now.as_deref());
        let lost = changes.lost.iter().find(|name| self.before().path_of(old.id, **name) == path);
        Ok(lost.is_some_and(|name| self.in_place(*name)))
    }

    /// Whether the directories above a name of the earlier tree are where they were, or are gone.
    fn in_place(&self, name: Name) -> bool {
        let (before, after) = (self.before(), self.after());
        let mut above = Some(name);
        while let Some((parent, _)) = above {
            let was = before.name_of(parent);
            if after.has(parent) {
                return match (was, after.name_of(parent)) {
                    (Some(was), Some(now)) => before.path_of(parent, was) == after.path_of(parent, now),
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
        let old_path = from.map(|name| self.before().path_of(difference.id, name));
        let new_path = to.map(|name| self.after().path_of(difference.id, name));
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
}

pub(super) fn names_of(inode: Option<&Inode>) -> Vec<Name> {
    inode.map_or_else(Vec::new, |inode| inode.read_shared().names.all())
}

/// A name that the inode has in both trees.
fn kept_name(difference: &Difference) -> Option<Name> {
    let new = names_of(difference.after.as_deref());
    names_of(difference.before.as_deref()).into_iter().find(|name| new.binary_search(name).is_ok())
}

pub(super) fn compare(before: &Record, after: &Record) -> Result<Aspects> {
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
        (Content::File(a), Content::File(b)) => contents_differ(a, b)?,
        (Content::Symlink(a), Content::Symlink(b)) => a != b,
        (Content::Device(a), Content::Device(b)) => a != b,
        // A directory's entries are reported one by one.
        (Content::Directory(_), Content::Directory(_)) | (Content::None, Content::None) => false,
        _ => true,
    })
}

/// A file that was copied up from another content than the base has now differs from it, whatever its bytes.
fn contents_differ(before: &Stream, after: &Stream) -> Result<bool> {
    if before.same(after) {
        return Ok(false);
    }
    match before.equal(after) {
        Err(Error::BaseChanged) => Ok(true),
        equal => equal.map(|equal| !equal),
    }
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
