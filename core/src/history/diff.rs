//! What differs between two trees, found by walking only what they do not share. The cost is that of the difference,
//! times the depth of the paths in it.
//!
//! Inodes are compared by id, so a file that moved is a rename, not a removal and an addition; a file that was replaced by another of
//! the same path (as editors do) is a change.

use std::collections::VecDeque;
use std::sync::Arc;

use super::parting::Moment;
use crate::context::Context;
use crate::data::Stream;
use crate::error::{Error, Result};
use crate::pending::Pending;
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
    /// Whose doing it is.
    pub changed_by: ChangedBy,
    /// The later tree has it under further names, which no difference tells of: nobody has looked at them in the base, or they lie outside.
    pub further_names: bool,
}

/// Which of two trees has changed what differs since they went ways of their own, as far as that is known: each of them, where what
/// they have in common is thousands of snapshots back, or gone. Not told by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangedBy {
    /// The earlier tree has.
    pub before: bool,
    /// The later tree has; of what was removed: it was there when they parted.
    pub after: bool,
}

/// The differences of two trees, one after another.
pub struct Diff {
    context: Arc<Context>,
    before: Arc<FrozenTable>,
    after: Arc<FrozenTable>,
    parted: Moment,
    /// Whether the base was asked what it has at names that are hidden.
    is_base_looked_at: bool,
    position: Position,
    ready: VecDeque<DiffEntry>,
    _holds_trees: Pending,
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
    pub(crate) fn new(
        context: &Arc<Context>,
        before: Arc<FrozenTable>,
        after: Arc<FrozenTable>,
        parted: Moment,
        holds_trees: Pending,
    ) -> Diff {
        let context = context.clone();
        let (position, ready) = (Position::default(), VecDeque::new());
        let _holds_trees = holds_trees;
        Diff { context, before, after, parted, is_base_looked_at: false, position, ready, _holds_trees }
    }

    pub(crate) fn tables(&self) -> [Arc<FrozenTable>; 2] {
        [self.before.clone(), self.after.clone()]
    }

    /// The next difference, in no particular order; `None` when there are no more.
    ///
    /// Errors: [`crate::Error::Io`] when content had to be compared and could not be read.
    pub fn next_entry(&mut self) -> Result<Option<DiffEntry>> {
        self.look_at_base()?;
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

    /// What the base has put at hidden names since may be an inode that is told of otherwise: that is to be known before the first is.
    fn look_at_base(&mut self) -> Result<()> {
        let context = self.context.clone();
        let Some(base) = context.base.as_ref().filter(|_| !self.is_base_looked_at) else { return Ok(()) };
        let mut position = Position::default();
        while let Some((difference, next)) = self.before.next_difference(&self.after, position) {
            for side in [self.before(), self.after()] {
                side.hidden(difference.id).iter().try_for_each(|name| base.look(difference.id, name).map(drop))?;
            }
            position = next;
        }
        self.is_base_looked_at = true;
        Ok(())
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
        let aspects = match (&difference.before, &difference.after) {
            (Some(before), Some(after)) => compare(&before.read_shared(), &after.read_shared())?,
            _ => Aspects::default(),
        };
        let kept = if aspects == Aspects::default() { Vec::new() } else { self.kept_names(difference)? };
        let told = self.ready.len();
        let names = changes.renamed.len() + changes.gained.len() + kept.len();
        for (from, to) in changes.renamed {
            self.push(DiffKind::Renamed, aspects, difference, Some(from), Some(to));
        }
        for lost in changes.lost {
            self.push_lost(difference, lost)?;
        }
        for gained in changes.gained {
            self.push_gained(difference, gained)?;
        }
        for name in kept {
            self.push(DiffKind::Changed, aspects, difference, Some(name), Some(name));
        }
        let further = difference.after.as_ref().is_some_and(|after| after.has_more_names_than(names));
        for entry in self.ready.range_mut(told..).filter(|entry| entry.aspects != Aspects::default()) {
            entry.further_names = further;
        }
        if difference.id == InodeId::ROOT && aspects != Aspects::default() {
            self.push(DiffKind::Changed, aspects, difference, None, None);
        }
        Ok(())
    }

    /// The names that the inode has in both trees. A record of a base file need not know all that lead to it, and what it knows may by
    /// now lead elsewhere.
    fn kept_names(&self, difference: &Difference) -> Result<Vec<Name>> {
        let (Some(before), Some(after)) = (&difference.before, &difference.after) else { return Ok(Vec::new()) };
        let new = names_of(Some(after));
        let mut both = names_of(Some(before));
        both.retain(|name| new.binary_search(name).is_ok());
        let Some(base) = self.context.base.as_ref().filter(|_| after.is_of_base()) else {
            return Ok(both);
        };
        both.extend(base.places(after.id).into_iter().map(|place| (place.parent, base.key(&place.name))));
        both.sort_unstable();
        both.dedup();
        let mut kept = Vec::with_capacity(both.len());
        for name in both {
            if self.before().leads_to(before.id, name)? && self.after().leads_to(after.id, name)? {
                kept.push(name);
            }
        }
        Ok(kept)
    }

    /// Names that one tree hides lead in the base to what it has put there since: neither tree need hold anything of that.
    fn examine_hidden(&mut self, directory: InodeId) -> Result<()> {
        let context = self.context.clone();
        let Some(base) = &context.base else { return Ok(()) };
        let (before, after) = (self.before().hidden(directory), self.after().hidden(directory));
        for name in before.iter().chain(&after) {
            let Some((id, _)) = base.look(directory, name)? else { continue };
            let entry = (directory, base.key(name));
            if self.is_examined(id, entry)? {
                continue;
            }
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

    /// Whether a name is one of those that an inode has in either tree, and these are compared.
    fn is_examined(&self, id: InodeId, name: Name) -> Result<bool> {
        let differs = match (self.before.get(id), self.after.get(id)) {
            (None, None) => false,
            (Some(before), Some(after)) => !Arc::ptr_eq(&before, &after),
            _ => true,
        };
        let has = |tree: Side<'_>| Ok::<_, Error>(names_of(tree.inode(id)?.as_deref()).contains(&name));
        Ok(differs && (has(self.before())? || has(self.after())?))
    }

    /// A name gone: a removal, unless another inode has got the path, which then is reported as changed. One that moved
    /// there is reported as renamed, which says nothing of what it took the place of.
    fn push_lost(&mut self, difference: &Difference, lost: Name) -> Result<()> {
        let path = self.before().path_of(difference.id, lost);
        let replaced = match self.after().find(&path)? {
            Some(new) if in_place(lost, self.before(), self.after()) => self.has_gained(&new, &path)?,
            _ => false,
        };
        if !replaced {
            self.push(DiffKind::Removed, Aspects::default(), difference, Some(lost), None);
        }
        Ok(())
    }

    /// Whether an inode has the name that leads to `path` besides those it had, and not because a directory above it moved.
    fn has_gained(&self, new: &Inode, path: &[u8]) -> Result<bool> {
        let was = self.before().inode(new.id)?;
        let changes = self.name_changes(was.as_deref(), Some(new));
        let gained = changes.gained.iter().find(|name| self.after().path_of(new.id, **name) == path);
        Ok(gained.is_some_and(|name| in_place(*name, self.after(), self.before())))
    }

    /// A name new: an addition, unless another inode had the path before and has not moved elsewhere. Below a directory that moved there
    /// all was where that came from.
    fn push_gained(&mut self, difference: &Difference, gained: Name) -> Result<()> {
        let path = self.after().path_of(difference.id, gained);
        let replaced = match self.before().find(&path)? {
            Some(old) if in_place(gained, self.after(), self.before()) && self.was_replaced(&old, &path)? => Some(old),
            _ => None,
        };
        match (replaced, &difference.after) {
            (Some(old), Some(new)) => {
                let aspects = compare(&old.read_shared(), &new.read_shared())?;
                if aspects != Aspects::default() {
                    let replaced = Difference { id: difference.id, before: Some(old), after: Some(new.clone()) };
                    self.push(DiffKind::Changed, aspects, &replaced, None, Some(gained));
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
        Ok(lost.is_some_and(|name| in_place(*name, self.before(), self.after())))
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
        let changed_by = self.changed_by(kind, difference);
        let (inode, further_names) = (difference.id, false);
        self.ready.push_back(DiffEntry { kind, aspects, inode, file_kind, path, old_path, changed_by, further_names });
    }

    fn changed_by(&self, kind: DiffKind, difference: &Difference) -> ChangedBy {
        let changed =
            |version: &Option<Arc<Inode>>| version.as_ref().is_some_and(|it| self.parted.is_before_change(it));
        let was_there = difference.before.as_ref().is_none_or(|it| self.parted.is_after_birth(it));
        ChangedBy {
            before: changed(&difference.before),
            after: if kind == DiffKind::Removed { was_there } else { changed(&difference.after) },
        }
    }
}

/// Whether the directories above a name of one tree are in the same places of the other, or not in it at all.
fn in_place(name: Name, of: Side<'_>, other: Side<'_>) -> bool {
    let mut above = Some(name);
    while let Some((parent, _)) = above {
        let here = of.name_of(parent);
        if other.has(parent) {
            return match (here, other.name_of(parent)) {
                (Some(here), Some(there)) => of.path_of(parent, here) == other.path_of(parent, there),
                _ => true,
            };
        }
        above = here;
    }
    true
}

pub(super) fn names_of(inode: Option<&Inode>) -> Vec<Name> {
    inode.map_or_else(Vec::new, |inode| inode.read_shared().names.all())
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
