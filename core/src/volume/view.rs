//! A view: one host's attachment to a branch or snapshot. The one entry to every operation, by node.
//!
//! Owns what is shown, and names, attributes and events. Content, locks, streams, what is for Windows and macOS, and the ways by path are in the files
//! beside it that begin with `view_`.
//!
//! A view can be switched. Nodes carry the number of the attachment they came from, so what was looked up before a
//! switch goes on meaning what it meant, until the host has forgotten it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashMap;

use super::handles::{Handles, Span};
use super::{ViewInfo, Volume};
use crate::error::{Error, Result};
use crate::history::events::{EventHub, Events, Watch};
use crate::meter::{Operation, Timed};
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::operations::remove::Removal;
use crate::operations::rename::Place;
use crate::operations::{DirEntry, ListFrom, ListOptions, NewNode, RenameMode, ViewOptions, XattrMode};
use crate::sync::RwLock;
use crate::types::{Attr, Caller, FsStats, HandleId, InodeId, NodeId, RefId, SetAttr, ViewId};

/// A node looked up or made, with its attributes. It counts as one reference that the host gives back with [`View::forget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The node.
    pub node: NodeId,
    /// Its attributes.
    pub attr: Attr,
}

/// So many nodes are forgotten in one go: many of a shard, and no lock is held for longer than they take.
const FORGOTTEN_AT_A_TIME: usize = 256;

/// One host's attachment to a branch or snapshot. Any thread may use it.
pub struct View {
    pub(crate) volume: Arc<Volume>,
    id: ViewId,
    label: Arc<str>,
    options: ViewOptions,
    current: ArcSwap<Attachment>,
    /// Attachments from before a switch that the host still knows nodes of.
    earlier: RwLock<HashMap<u16, Arc<Attachment>>>,
    pub(crate) handles: Handles,
}

impl View {
    pub(super) fn open(
        volume: &Arc<Volume>,
        id: ViewId,
        shows: RefId,
        label: &str,
        options: ViewOptions,
    ) -> Result<Arc<View>> {
        let attachment = Attachment::new(&volume.context, &volume.refs, shows, id, 0, options)?;
        Ok(Arc::new(View {
            volume: volume.clone(),
            id,
            label: Arc::from(label),
            options,
            current: ArcSwap::from_pointee(attachment),
            earlier: RwLock::default(),
            handles: Handles::default(),
        }))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ViewId {
        self.id
    }

    /// The volume it belongs to.
    #[must_use]
    pub fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }

    /// What it shows now, and how.
    #[must_use]
    pub fn info(&self) -> ViewInfo {
        let current = self.current.load();
        ViewInfo {
            id: self.id,
            label: self.label.clone(),
            shows: current.shows,
            read_only: current.is_read_only(),
            no_access_time: self.options.no_access_time,
            confined: self.options.confined,
        }
    }

    /// Shows another branch or snapshot from now on. Nodes and handles from before go on showing what they showed.
    ///
    /// Errors: [`Error::NoSuchRef`]; [`Error::Busy`] when 65,536 earlier attachments are still in use; [`Error::NoSpace`] when there is no
    /// memory for one more beside those.
    pub fn switch(&self, shows: RefId) -> Result<()> {
        let _timed = self.timed(Operation::Switch);
        self.drop_all_unused();
        // A first one may stay in use whatever room there is: so that who is to make some can go where that is.
        self.with_room(|| if self.earlier.read().is_empty() { Ok(()) } else { self.volume.context.store.admit_ref() })?;
        let mut earlier = self.earlier.write();
        let old = self.current.load_full();
        let generation = (1..=u16::MAX)
            .map(|step| old.generation.wrapping_add(step))
            .find(|generation| !earlier.contains_key(generation))
            .ok_or(Error::Busy("nodes from 65,535 earlier switches are still in use"))?;
        let volume = &self.volume;
        let new = Attachment::new(&volume.context, &volume.refs, shows, self.id, generation, self.options)?;
        let old_generation = old.generation;
        earlier.insert(old_generation, old);
        self.current.store(Arc::new(new));
        drop(earlier);
        // What nobody knows a node of shows nothing any more, and may be deleted.
        self.drop_unused(old_generation);
        Ok(())
    }

    /// Runs `with` on the attachment that a node belongs to.
    #[inline]
    pub(crate) fn with<R>(&self, node: NodeId, with: impl FnOnce(&Arc<Attachment>) -> Result<R>) -> Result<R> {
        let current = self.current.load();
        if node == NodeId::ROOT || current.generation == node.generation() {
            return with(&current);
        }
        with(&self.earlier(node.generation())?)
    }

    /// An operation begins: counted, and timed if it is its turn.
    #[inline]
    pub(super) fn timed(&self, operation: Operation) -> Timed<'_> {
        self.volume.context.meters.begin(operation)
    }

    fn earlier(&self, generation: u16) -> Result<Arc<Attachment>> {
        self.earlier.read().get(&generation).cloned().ok_or(Error::Stale)
    }

    // ---- names -------------------------------------------------------------------------------------------------

    /// Finds the entry `name` of a directory; `.` and `..` too. Counts one reference.
    ///
    /// Errors: [`Error::NotFound`], [`Error::NotADirectory`], [`Error::AccessDenied`], [`Error::NameTooLong`], [`Error::Invalid`], [`Error::Stale`].
    pub fn lookup(&self, caller: &Caller<'_>, parent: NodeId, name: &[u8]) -> Result<Entry> {
        let _timed = self.timed(Operation::Lookup);
        self.with(parent, |at| {
            let (id, attr) = at.lookup_known(caller, parent.inode(), name)?;
            Ok(Entry { node: at.node(id), attr })
        })
    }

    /// Gives back `count` references. More than there are is all of them.
    pub fn forget(&self, node: NodeId, count: u64) {
        let current = self.current.load();
        if node == NodeId::ROOT || current.generation == node.generation() {
            return current.forget(node.inode(), count);
        }
        // A node that is stale already has nothing left to forget.
        if let Ok(at) = self.earlier(node.generation()) {
            at.forget(node.inode(), count);
            drop(at);
            self.drop_unused(node.generation());
        }
    }

    /// As [`View::forget`], of many nodes at a time: locks are taken once for many of them. A node may come more than once.
    pub fn forget_many(&self, forgotten: impl IntoIterator<Item = (NodeId, u64)>) {
        let current = self.current.load();
        let mut part = [(InodeId::ROOT, 0); FORGOTTEN_AT_A_TIME];
        let mut length = 0;
        for (node, count) in forgotten {
            if node != NodeId::ROOT && node.generation() != current.generation {
                self.forget(node, count);
                continue;
            }
            part[length] = (node.inode(), count);
            length += 1;
            if length == part.len() {
                current.forget_many(&mut part);
                length = 0;
            }
        }
        current.forget_many(&mut part[..length]);
        // There may have been a switch meanwhile.
        let generation = current.generation;
        drop(current);
        self.let_go(generation);
    }

    /// A handle on something of an attachment has gone: so may the attachment, unless the view shows it.
    pub(super) fn let_go(&self, generation: u16) {
        if generation != self.current.load().generation {
            self.drop_unused(generation);
        }
    }

    fn drop_unused(&self, generation: u16) {
        if !self.earlier.read().get(&generation).is_some_and(is_unused) {
            return;
        }
        let mut earlier = self.earlier.write();
        // Looked at again: somebody may have taken it up between the two locks.
        let gone = if earlier.get(&generation).is_some_and(is_unused) { earlier.remove(&generation) } else { None };
        drop(earlier);
        drop(gone);
    }

    /// Lets go of what it showed before and nobody uses any more. An operation that was under way during a switch may have
    /// been the last to use something, and does not look.
    pub(super) fn drop_all_unused(&self) {
        let mut earlier = self.earlier.write();
        let gone: Vec<_> = earlier.extract_if(|_, attachment| is_unused(attachment)).collect();
        drop(earlier);
        // Without the lock: what ends with them may run code of a host.
        drop(gone);
    }

    /// Makes a node under a name. `mode`: permission bits, before the caller's umask or the directory's default ACL. Counts one reference.
    ///
    /// Errors: [`Error::Exists`], [`Error::AccessDenied`], [`Error::NotPermitted`], [`Error::ReadOnly`], name errors.
    pub fn make(&self, caller: &Caller<'_>, parent: NodeId, name: &[u8], mode: u32, new: NewNode<'_>) -> Result<Entry> {
        let _timed = self.timed(Operation::Create);
        self.with_room(|| {
            self.with(parent, |at| {
                let attr = at.make_held(caller, parent.inode(), name, mode, new, |id| {
                    at.reference_new(id);
                    Ok(())
                })?;
                Ok(Entry { node: at.node(attr.inode), attr })
            })
        })
    }

    /// Removes a name of anything but a directory.
    ///
    /// Errors: [`Error::NotFound`], [`Error::IsADirectory`], [`Error::AccessDenied`], [`Error::NotPermitted`], [`Error::ReadOnly`], name errors.
    pub fn unlink(&self, caller: &Caller<'_>, parent: NodeId, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with_room(|| self.with(parent, |at| at.remove(caller, parent.inode(), name, Removal::File)))
    }

    /// Removes an empty directory.
    ///
    /// Errors: as [`View::unlink`], [`Error::NotEmpty`], [`Error::NotADirectory`].
    pub fn rmdir(&self, caller: &Caller<'_>, parent: NodeId, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with_room(|| self.with(parent, |at| at.remove(caller, parent.inode(), name, Removal::Directory)))
    }

    /// Gives a node a further name. Counts one reference.
    ///
    /// Errors: [`Error::Exists`], [`Error::NotPermitted`] for a directory, [`Error::TooManyLinks`], [`Error::CrossesVolumes`] when the two are of different switches.
    pub fn link(&self, caller: &Caller<'_>, node: NodeId, parent: NodeId, name: &[u8]) -> Result<Entry> {
        let _timed = self.timed(Operation::Link);
        self.with_room(|| {
            self.with(parent, |at| {
                same_attachment(self, at, parent, node)?;
                let attr = at.link(caller, node.inode(), parent.inode(), name)?;
                at.reference(attr.inode);
                Ok(Entry { node: at.node(attr.inode), attr })
            })
        })
    }

    /// Moves or renames an entry.
    ///
    /// Errors: those of rename(2) and renameat2(2); [`Error::IntoItself`], [`Error::CrossesVolumes`].
    pub fn rename(
        &self,
        caller: &Caller<'_>,
        parent: NodeId,
        name: &[u8],
        new_parent: NodeId,
        new_name: &[u8],
        mode: RenameMode,
    ) -> Result<()> {
        let _timed = self.timed(Operation::Rename);
        self.with_room(|| {
            self.with(parent, |at| {
                same_attachment(self, at, parent, new_parent)?;
                let from = Place { parent: parent.inode(), name };
                let to = Place { parent: new_parent.inode(), name: new_name };
                at.rename(caller, from, to, mode)
            })
        })
    }

    /// The target of a symbolic link.
    ///
    /// Errors: [`Error::Invalid`] when it is none.
    pub fn read_link(&self, node: NodeId) -> Result<Arc<[u8]>> {
        let _timed = self.timed(Operation::ReadLink);
        self.with(node, |at| at.read_link(node.inode()))
    }

    /// The entries of a directory after `cookie` (0: all), each given to `take` until it answers false.
    ///
    /// Errors: [`Error::NotADirectory`], [`Error::BadHandle`], [`Error::AccessDenied`] without a handle.
    pub fn list(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        cookie: u64,
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        self.list_from(caller, node, handle, ListFrom::Cookie(cookie), options, take).map(drop)
    }

    /// Says that a listing with attributes is about to go on after `cookie`, with about so many entries: what it will read is read now, so
    /// that it does not wait for memory. For the time in which nobody waits for an answer. Changes nothing, and answers nothing.
    pub fn list_ahead(&self, node: NodeId, cookie: u64, entries: usize) {
        let _ = self.with(node, |at| {
            at.list_ahead(node.inode(), cookie, entries);
            Ok(())
        });
    }

    /// The entries of a directory from a place on, each given to `take` until it answers false. Answers the directory's verifier:
    /// a number that changes whenever its entries do.
    ///
    /// Errors: as [`View::list`]; [`Error::BadCookie`] when the listing cannot go on there.
    pub fn list_from(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        from: ListFrom<'_>,
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<u64> {
        let _timed = self.timed(Operation::List);
        self.opened(caller, node, handle, Mask::READ, Span::None, |at, target| at.list(target.id, from, options, take))
    }

    /// The path of a node from the root, with a leading slash; of a file with several names, one of them.
    ///
    /// Errors: [`Error::NotFound`] for a node without a name, [`Error::Stale`].
    pub fn path_of(&self, node: NodeId) -> Result<Vec<u8>> {
        self.with(node, |at| at.path_of(node.inode()))
    }

    /// The one entry of this name, `.` and `..` among them, given to `take` with its name as it is stored.
    ///
    /// Errors: as [`View::lookup`].
    pub fn list_one(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        name: &[u8],
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let _timed = self.timed(Operation::Lookup);
        self.with(node, |at| at.list_one(caller, node.inode(), name, options, take))
    }

    // ---- attributes --------------------------------------------------------------------------------------------

    /// The attributes of a node.
    ///
    /// Errors: [`Error::Stale`].
    pub fn attr(&self, node: NodeId) -> Result<Attr> {
        let _timed = self.timed(Operation::Attributes);
        self.with(node, |at| at.attr(node.inode()))
    }

    /// Sets attributes, all of those named or none. With a handle open for writing a change of size needs no permission.
    ///
    /// Errors: [`Error::NotPermitted`], [`Error::AccessDenied`], [`Error::IsADirectory`], [`Error::NoSpace`], [`Error::FileTooLarge`], [`Error::ReadOnly`], [`Error::Invalid`].
    pub fn set_attr(&self, caller: &Caller<'_>, node: NodeId, handle: Option<HandleId>, set: &SetAttr) -> Result<Attr> {
        let _timed = self.timed(Operation::SetAttributes);
        self.with_room(|| match handle {
            None => self.with(node, |at| at.set_attr(caller, node.inode().into(), set, false)),
            Some(handle) => {
                let handle = self.handles.get(handle)?;
                if let Some(windows) = &handle.windows {
                    return windows.set_attr(caller, &handle, set);
                }
                handle.at.set_attr(caller, handle.target(), set, handle.options.write)
            }
        })
    }

    /// Whether the caller may do all of `want`; as access(2).
    ///
    /// Errors: [`Error::AccessDenied`], [`Error::ReadOnly`], [`Error::NotPermitted`].
    pub fn access(&self, caller: &Caller<'_>, node: NodeId, want: Mask) -> Result<()> {
        let _timed = self.timed(Operation::Access);
        self.with(node, |at| at.access(caller, node.inode(), want))
    }

    /// The value of an extended attribute.
    ///
    /// Errors: [`Error::NoAttribute`], [`Error::AccessDenied`], [`Error::NotSupported`], [`Error::ValueTooLarge`] for a resource fork beyond the size
    /// of any extended attribute: [`View::read_xattr`] reads that.
    pub fn get_xattr(&self, caller: &Caller<'_>, node: NodeId, name: &[u8]) -> Result<Arc<[u8]>> {
        let _timed = self.timed(Operation::GetXattr);
        self.with(node, |at| at.get_xattr(caller, node.inode(), name))
    }

    /// The names of the extended attributes that the caller may see.
    ///
    /// Errors: [`Error::Stale`].
    pub fn list_xattrs(&self, caller: &Caller<'_>, node: NodeId) -> Result<Vec<Box<[u8]>>> {
        let _timed = self.timed(Operation::ListXattrs);
        self.with(node, |at| at.list_xattrs(caller, node.inode()))
    }

    /// Sets an extended attribute.
    ///
    /// Errors: [`Error::Exists`], [`Error::NoAttribute`], [`Error::ValueTooLarge`], [`Error::TooManyAttributes`], [`Error::NotPermitted`], [`Error::AccessDenied`], [`Error::ReadOnly`].
    pub fn set_xattr(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
    ) -> Result<()> {
        let _timed = self.timed(Operation::SetXattr);
        self.with_room(|| self.with(node, |at| at.set_xattr(caller, node.inode(), name, value, mode)))
    }

    /// Removes an extended attribute.
    ///
    /// Errors: [`Error::NoAttribute`], and as [`View::set_xattr`].
    pub fn remove_xattr(&self, caller: &Caller<'_>, node: NodeId, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::SetXattr);
        self.with_room(|| self.with(node, |at| at.remove_xattr(caller, node.inode(), name)))
    }

    // ---- the whole ---------------------------------------------------------------------------------------------

    /// Space and inodes of the volume.
    #[must_use]
    pub fn fs_stats(&self) -> FsStats {
        self.volume.fs_stats()
    }

    /// Subscribes to the changes of the branch that the view shows now, and to those of the volume's base. With `others_only` changes made through this view are left out.
    ///
    /// Errors: [`Error::Invalid`] for a capacity of 0 or beyond [`crate::limits::EVENT_QUEUE`]; [`Error::NotSupported`] on a snapshot.
    pub fn events(&self, capacity: usize, others_only: bool) -> Result<Events> {
        self.watch(Watch { capacity, others_only, ..Watch::default() })
    }

    /// Subscribes to those changes of the branch that the view shows now which `watch` names.
    ///
    /// Errors: as [`View::events`]; [`Error::Invalid`] for a filter of nothing; [`Error::NotADirectory`], [`Error::Stale`].
    pub fn watch(&self, watch: Watch) -> Result<Events> {
        self.with(watch.directory.unwrap_or(NodeId::ROOT), |at| {
            if let Some(node) = watch.directory {
                at.inode(node.inode())?.read().directory()?;
            }
            let mut events = match (at.tree.head(), &at.context.base) {
                (Some(head), _) => head.events.subscribe(head, watch, self.id, &at.context.store)?,
                (None, Some(_)) => EventHub::of_nothing(watch, &at.context.store)?,
                (None, None) => return Err(Error::NotSupported),
            };
            if let Some(base) = &at.context.base {
                events.over(&at.context);
                base.follow(&events);
            }
            Ok(events)
        })
    }

    /// What it shows, and what it showed before and is still held.
    pub(super) fn attachments(&self) -> Vec<Arc<Attachment>> {
        std::iter::once(self.current.load_full()).chain(self.earlier.read().values().cloned()).collect()
    }

    /// The nodes that the host knows and has not forgotten, those from before a switch too, in no order. The root is known always, and
    /// not among them.
    #[must_use]
    pub fn known_nodes(&self) -> Vec<NodeId> {
        let attachments = self.attachments();
        let nodes = attachments.iter().flat_map(|at| at.referenced().into_iter().map(|id| at.node(id)));
        nodes.collect()
    }

    /// How many they are.
    #[must_use]
    pub fn reference_count(&self) -> u64 {
        let earlier: u64 = self.earlier.read().values().map(|at| at.reference_count()).sum();
        self.current.load().reference_count() + earlier
    }

    /// How many references to a node were not given back; 0 for the root, which is never counted.
    #[must_use]
    pub fn references(&self, node: NodeId) -> u64 {
        self.with(node, |at| Ok(at.references_to(node.inode()))).unwrap_or(0)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.volume.view_ended(self.id);
    }
}

fn is_unused(attachment: &Arc<Attachment>) -> bool {
    Arc::strong_count(attachment) == 1 && !attachment.is_in_use()
}

/// Both nodes must be of one attachment: what was looked up before a switch is of another tree. `at` is the attachment that `node`
/// was found to belong to; a switch meanwhile changes nothing about that.
pub(super) fn same_attachment(view: &View, at: &Attachment, node: NodeId, other: NodeId) -> Result<()> {
    let same = match (node, other) {
        (NodeId::ROOT, NodeId::ROOT) => true,
        (_, NodeId::ROOT) => at.generation == view.current.load().generation,
        _ => at.generation == other.generation(),
    };
    if same { Ok(()) } else { Err(Error::CrossesVolumes) }
}
