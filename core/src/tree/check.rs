//! What must hold of a tree: each record of its inode, and names both ways: every entry leads to an inode that knows
//! it, and every inode that an entry leads to is there.
//!
//! A tree is looked at as the difference from one that was looked at before, so that many snapshots of a large tree
//! cost what differs. From an empty table that is everything.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::directory::Directory;
use super::inode::{Content, Inode, Names, Record};
use super::name::{NameRules, is_base_key};
use super::table::{Difference, FrozenTable, Position};
use crate::check::{CheckReport, Visited};
use crate::data::Holdings;
use crate::ledger::Ledger;
use crate::types::{FileKind, InodeId};

/// What is carried from tree to tree.
pub(crate) struct Walk<'a> {
    pub(crate) rules: &'a NameRules,
    /// Nobody uses the volume meanwhile.
    pub(crate) still: bool,
    pub(crate) ledger: Ledger,
    /// What a tree does not hold may be the base's.
    pub(crate) over_base: bool,
    /// No inode has an epoch from here on.
    pub(crate) next_epoch: u64,
    /// Epochs of heads: only the head itself has inodes of its own.
    pub(crate) epochs: BTreeSet<u64>,
    pub(crate) visited: Visited,
    /// Versions of inodes, those too that only say that one has gone.
    pub(crate) versions: u64,
    pub(crate) holdings: Holdings,
    pub(crate) report: CheckReport,
}

/// An entry of a directory: where it is, its key, and what it means.
type Edge = (InodeId, u64, InodeId);

impl Walk<'_> {
    /// Looks at what `table` has and `base`, which was looked at, has not. `own`: the epoch of the head that it is of.
    pub(crate) fn tree(&mut self, what: &str, table: &FrozenTable, base: &FrozenTable, own: Option<u64>) {
        self.report.trees += 1;
        table.check(what, &mut self.visited, &mut self.report);
        let mut upwards = HashSet::from([InodeId::ROOT]);
        let mut position = Position::default();
        while let Some((Difference { id, before, after }, next)) = base.next_difference(table, position) {
            position = next;
            if let Some(gone) = after.as_ref().filter(|inode| inode.is_gone()) {
                self.versions += u64::from(self.visited.is_new(Arc::as_ptr(gone)));
            }
            if let Some(inode) = after.as_ref().filter(|inode| !inode.is_gone()) {
                let says = inode.id;
                self.report.ensure(says == id, || format!("{what}: {says:?} stands in the place of {id:?}"));
                self.inode(what, inode, own);
                self.way_up(what, table, id, &mut upwards);
            }
            let mut edges = BTreeSet::new();
            for inode in [&before, &after].into_iter().flatten() {
                edges_of(id, &inode.read_shared(), &mut edges);
            }
            edges.into_iter().for_each(|edge| self.edge(what, table, edge));
        }
        let rooted = self.over_base || table.get(InodeId::ROOT).is_some();
        self.report.ensure(rooted, || format!("{what}: there is no root"));
    }

    /// Looks at an inode that has no name, and is held.
    pub(crate) fn orphan(&mut self, what: &str, inode: &Inode, own: u64) {
        self.inode(what, inode, Some(own));
        let record = inode.read_shared();
        let nameless = record.links == 0 && record.names.first().is_none();
        self.report.ensure(nameless, || format!("{what}: {:?} has a name, and is not in the table", inode.id));
    }

    fn inode(&mut self, what: &str, inode: &Inode, own: Option<u64>) {
        let (id, epoch) = (inode.id, inode.epoch);
        let fits = epoch < self.next_epoch && (own == Some(epoch) || !self.epochs.contains(&epoch));
        self.report.ensure(fits, || format!("{what}: {id:?} is of epoch {epoch}, which is of another branch"));
        if !self.visited.is_new(inode) {
            return;
        }
        self.report.inodes += 1;
        self.versions += 1;
        let record = inode.read_shared();
        let what = format!("{what}: {id:?}");
        check_record(inode, &record, &what, &mut self.report);
        if let Content::Directory(entries) = &record.content {
            entries.check(self.rules, &what, &mut self.report);
        }
        for stream in record.all_streams() {
            stream.check(&what, self.still, &mut self.holdings, &mut self.report);
        }
    }

    /// From a directory up there is a way to the root.
    fn way_up(&mut self, what: &str, table: &FrozenTable, from: InodeId, known: &mut HashSet<InodeId>) {
        let mut way = HashSet::new();
        let mut at = from;
        while !known.contains(&at) {
            if self.over_base && table.get(at).is_none_or(|inode| is_known_in_part(&inode)) {
                break;
            }
            let above = table.get(at).and_then(|inode| inode.read_shared().names.first()).map(|(parent, _)| parent);
            match above {
                Some(above) if way.insert(at) => at = above,
                _ => return self.report.tell(format!("{what}: from {from:?} no way leads up to the root")),
            }
        }
        known.extend(way);
    }

    /// What the directory says of an entry, the inode says too.
    fn edge(&mut self, what: &str, table: &FrozenTable, (parent, key, id): Edge) {
        let (above, below) = (table.get(parent), table.get(id));
        if self.over_base && shows_through(above.as_deref(), key) {
            return;
        }
        let shown = above.and_then(|inode| {
            let record = inode.read_shared();
            let entry = record.directory().ok()?.by_key(key)?;
            (entry.inode == id).then_some(entry.kind)
        });
        let known = below.and_then(|inode| {
            let record = inode.read_shared();
            record.names.has(parent, key).then_some(record.kind)
        });
        self.report.ensure(shown == known, || {
            format!("{what}: entry {key:x} of {parent:?} means {id:?} as {shown:?}, which says {known:?}")
        });
    }
}

/// Whether it is a file of the base that has names of which none was looked at.
fn is_known_in_part(inode: &Inode) -> bool {
    let record = inode.read_shared();
    record.is_of_base() && !record.is_directory() && record.links > 0 && record.names.first().is_none()
}

/// Whether an entry is not the directory's own but the base's, of which a file knows those that were looked at.
fn shows_through(above: Option<&Inode>, key: u64) -> bool {
    let Some(above) = above else { return true };
    let record = above.read_shared();
    is_base_key(key)
        && record.directory().is_ok_and(|entries| entries.beneath().is_some() && entries.by_key(key).is_none())
}

/// All entries that the inode is in, and that are in it.
fn edges_of(id: InodeId, record: &Record, into: &mut BTreeSet<Edge>) {
    into.extend(record.names.all().into_iter().map(|(parent, key)| (parent, key, id)));
    if let Content::Directory(entries) = &record.content {
        into.extend(entries.iter_after(0).map(|entry| (id, entry.key, entry.inode)));
    }
}

fn check_record(inode: &Inode, record: &Record, what: &str, report: &mut CheckReport) {
    let fits = match &record.content {
        Content::File(_) => record.kind == FileKind::File,
        Content::Directory(_) => record.kind == FileKind::Directory,
        Content::Symlink(_) => record.kind == FileKind::Symlink,
        Content::Device(_) => matches!(record.kind, FileKind::CharDevice | FileKind::BlockDevice),
        Content::None => matches!(record.kind, FileKind::Fifo | FileKind::Socket),
    };
    report.ensure(fits, || format!("{what} is a {:?} with the content of something else", record.kind));
    report.ensure(record.mode <= 0o7777, || format!("{what} has mode {:o}", record.mode));
    let (links, names) = (record.links, record.names.all().len());
    let is_root = inode.id == InodeId::ROOT && (links, names) == (1, 0);
    // Of a file of the base only those names are known that were looked at.
    let known_in_part = record.is_of_base() && !record.is_directory() && links as usize > names;
    let counted = links as usize == names || is_root || known_in_part;
    report.ensure(counted, || format!("{what} counts {links} links, and has {names} names"));
    report.ensure(!record.is_directory() || links < 2, || format!("{what} is a directory with {links} names"));
    report.ensure(!record.linkable || links == 0, || format!("{what} has a name, and waits for its first"));
    let empty = record.directory().map_or(true, Directory::is_empty);
    report.ensure(links > 0 || empty, || format!("{what} was removed with entries in it"));
    let several = !matches!(&record.names, Names::Many(set) if set.len() < 2);
    report.ensure(several, || format!("{what} keeps a set of names for one"));
    report.ensure(record.extra.as_deref().is_none_or(|extra| !extra.is_empty()), || {
        format!("{what} has extras of nothing")
    });
}
