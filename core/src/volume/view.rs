//! A view: one host's attachment to a branch or snapshot. The one entry to every operation, by node.
//!
//! A view can be switched. Nodes carry the number of the attachment they came from, so what was looked up before a
//! switch goes on meaning what it meant, until the host has forgotten it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashMap;

use super::handles::{Handle, Handles, Span};
use super::{ViewInfo, Volume};
use crate::data::Pin;
use crate::error::{Error, Result};
use crate::history::events::{EventHub, Events, Watch};
use crate::meter::{Operation, Timed};
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::operations::copy::check_overlap;
use crate::operations::lock_table::{Conflict, Lock, LockSpace, WaitId};
use crate::operations::remove::Removal;
use crate::operations::rename::Place;
use crate::operations::streams::Target;
use crate::operations::{
    Allocation, DirEntry, ListFrom, ListOptions, NewNode, OpenOptions, RenameMode, Seek, ViewOptions, WriteAt,
    XattrMode,
};
use crate::sync::RwLock;
use crate::types::{Attr, Caller, FsStats, HandleId, NodeId, Privileges, RefId, SetAttr, StreamId, ViewId};

/// A node looked up or made, with its attributes. It counts as one reference that the host gives back with [`View::forget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The node.
    pub node: NodeId,
    /// Its attributes.
    pub attr: Attr,
}

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
    /// Errors: [`Error::NoSuchRef`]; [`Error::Busy`] when 65,536 earlier attachments are still in use.
    pub fn switch(&self, shows: RefId) -> Result<()> {
        let _timed = self.timed(Operation::Switch);
        self.drop_all_unused();
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
            let inode = at.lookup_known(caller, parent.inode(), name)?;
            Ok(Entry { node: at.node(inode.id), attr: at.attr_of(&inode) })
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
        self.with(parent, |at| {
            let attr = at.make_held(caller, parent.inode(), name, mode, new, |id| {
                at.reference_new(id);
                Ok(())
            })?;
            Ok(Entry { node: at.node(attr.inode), attr })
        })
    }

    /// Removes a name of anything but a directory.
    ///
    /// Errors: [`Error::NotFound`], [`Error::IsADirectory`], [`Error::AccessDenied`], [`Error::NotPermitted`], [`Error::ReadOnly`], name errors.
    pub fn unlink(&self, caller: &Caller<'_>, parent: NodeId, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with(parent, |at| at.remove(caller, parent.inode(), name, Removal::File))
    }

    /// Removes an empty directory.
    ///
    /// Errors: as [`View::unlink`], [`Error::NotEmpty`], [`Error::NotADirectory`].
    pub fn rmdir(&self, caller: &Caller<'_>, parent: NodeId, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with(parent, |at| at.remove(caller, parent.inode(), name, Removal::Directory))
    }

    /// Gives a node a further name. Counts one reference.
    ///
    /// Errors: [`Error::Exists`], [`Error::NotPermitted`] for a directory, [`Error::TooManyLinks`], [`Error::CrossesVolumes`] when the two are of different switches.
    pub fn link(&self, caller: &Caller<'_>, node: NodeId, parent: NodeId, name: &[u8]) -> Result<Entry> {
        let _timed = self.timed(Operation::Link);
        self.with(parent, |at| {
            same_attachment(self, at, parent, node)?;
            let attr = at.link(caller, node.inode(), parent.inode(), name)?;
            at.reference(attr.inode);
            Ok(Entry { node: at.node(attr.inode), attr })
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
        self.with(parent, |at| {
            same_attachment(self, at, parent, new_parent)?;
            let from = Place { parent: parent.inode(), name };
            let to = Place { parent: new_parent.inode(), name: new_name };
            at.rename(caller, from, to, mode)
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
        match handle {
            None => self.with(node, |at| at.set_attr(caller, node.inode().into(), set, false)),
            Some(handle) => {
                let handle = self.handles.get(handle)?;
                if let Some(windows) = &handle.windows {
                    return windows.set_attr(caller, &handle, set);
                }
                handle.at.set_attr(caller, handle.target(), set, handle.options.write)
            }
        }
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
        self.with(node, |at| at.set_xattr(caller, node.inode(), name, value, mode))
    }

    /// Removes an extended attribute.
    ///
    /// Errors: [`Error::NoAttribute`], and as [`View::set_xattr`].
    pub fn remove_xattr(&self, caller: &Caller<'_>, node: NodeId, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::SetXattr);
        self.with(node, |at| at.remove_xattr(caller, node.inode(), name))
    }

    // ---- content -----------------------------------------------------------------------------------------------

    /// Opens a file or directory.
    ///
    /// Errors: [`Error::AccessDenied`], [`Error::IsADirectory`] for writing, [`Error::NotADirectory`], [`Error::NotPermitted`] by flags, [`Error::ReadOnly`], [`Error::Limit`].
    pub fn open_node(&self, caller: &Caller<'_>, node: NodeId, options: OpenOptions) -> Result<HandleId> {
        let _timed = self.timed(Operation::Open);
        self.with(node, |at| self.open_at(at, caller, node.inode(), options))
    }

    /// Makes a file and opens it, or opens the one that is there unless `options.exclusive`. Counts one reference.
    ///
    /// Errors: as [`View::make`] and [`View::open_node`].
    pub fn create(
        &self,
        caller: &Caller<'_>,
        parent: NodeId,
        name: &[u8],
        mode: u32,
        options: OpenOptions,
    ) -> Result<(Entry, HandleId)> {
        let _timed = self.timed(Operation::Create);
        self.with(parent, |at| {
            let (attr, handle) = self.create_at(at, caller, parent.inode(), name, mode, options)?;
            at.reference(attr.inode);
            Ok((Entry { node: at.node(attr.inode), attr }, handle))
        })
    }

    /// Makes a file without a name (O_TMPFILE) and opens it. With `options.exclusive` it can never be linked. Counts one reference.
    ///
    /// Errors: as [`View::make`].
    pub fn create_unnamed(
        &self,
        caller: &Caller<'_>,
        parent: NodeId,
        mode: u32,
        options: OpenOptions,
    ) -> Result<(Entry, HandleId)> {
        let _timed = self.timed(Operation::Create);
        self.with(parent, |at| {
            let attr = at.make_unnamed(caller, parent.inode(), mode, !options.exclusive)?;
            at.count_handle();
            let handle = self.handles.insert(Handle::of_held(at.clone(), attr.inode, options))?;
            at.reference(attr.inode);
            Ok((Entry { node: at.node(attr.inode), attr }, handle))
        })
    }

    /// Closes a handle. Its locks by flock and open file description go with it if the host releases their owner.
    ///
    /// Errors: [`Error::BadHandle`].
    pub fn release(&self, handle: HandleId) -> Result<()> {
        let _timed = self.timed(Operation::Close);
        let handle = self.handles.remove(handle)?;
        handle.clean_up();
        let generation = handle.at.generation;
        drop(handle);
        if generation != self.current.load().generation {
            self.drop_unused(generation);
        }
        Ok(())
    }

    /// A descriptor of the host's own file that holds all of what a handle is open on, to read from: a host may let its kernel read
    /// there. Only of files in a snapshot that are the base's, unchanged; nothing done through the volume can change what it reads.
    ///
    /// Errors: [`Error::NotSupported`] for any other; [`Error::BadHandle`], [`Error::Stale`], [`Error::Io`].
    #[cfg(unix)]
    pub fn host_file(&self, handle: HandleId) -> Result<std::os::fd::OwnedFd> {
        let handle = self.handles.get(handle)?;
        if handle.stream != StreamId::DEFAULT {
            return Err(Error::NotSupported);
        }
        handle.at.host_file(handle.id)
    }

    /// Runs `with` on an open handle's inode, or on the node itself after checking the caller's permission.
    pub(super) fn opened<R>(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        want: Mask,
        span: Span,
        with: impl FnOnce(&Arc<Attachment>, Target) -> Result<R>,
    ) -> Result<R> {
        match handle {
            Some(handle) => through(&*self.handles.get(handle)?, want, span, with),
            None => self.unopened(caller, node, want, with),
        }
    }

    /// Runs `with` on a node after checking the caller's permission.
    fn unopened<R>(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        want: Mask,
        with: impl FnOnce(&Arc<Attachment>, Target) -> Result<R>,
    ) -> Result<R> {
        self.with(node, |at| {
            // What the host has checked is not looked at: that is a look for each 4 KiB that it reads.
            if !caller.may(Privileges::CHECKED) || caller.token.is_some() {
                at.may_access_content(caller, node.inode(), want)?;
            }
            with(at, node.inode().into())
        })
    }

    /// Reads at `offset` into `buffer`; answers how many bytes, 0 at or past the end.
    ///
    /// Errors: [`Error::IsADirectory`], [`Error::BadHandle`], [`Error::AccessDenied`] without a handle, [`Error::Io`].
    pub fn read(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let _timed = self.timed(Operation::Read);
        self.opened(caller, node, handle, Mask::READ, Span::At(offset, buffer.len() as u64), |at, target| {
            at.read(target, offset, buffer)
        })
    }

    /// Lends up to `length` bytes at `offset` instead of copying them. They stay as they are until the pin is dropped.
    ///
    /// Errors: as [`View::read`].
    pub fn read_pin(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        offset: u64,
        length: usize,
    ) -> Result<Pin> {
        let _timed = self.timed(Operation::Read);
        self.opened(caller, node, handle, Mask::READ, Span::At(offset, length as u64), |at, target| {
            at.read_pin(target, offset, length)
        })
    }

    /// Writes `data`; answers how many bytes, fewer only when space runs out after some, and with [`WriteAt::Within`] when the file ends before.
    /// A handle opened to append writes at the end unless `at` is [`WriteAt::Within`]; neither are locks asked for that: they were when the
    /// pages were written that now come back.
    ///
    /// Errors: [`Error::NoSpace`], [`Error::FileTooLarge`], [`Error::ReadOnly`], [`Error::NotPermitted`], [`Error::BadHandle`], [`Error::AccessDenied`] without a handle.
    pub fn write(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        at: WriteAt,
        data: &[u8],
    ) -> Result<usize> {
        let _timed = self.timed(Operation::Write);
        let handle = handle.map(|handle| self.handles.get(handle)).transpose()?;
        let appends = handle.as_ref().is_some_and(|handle| handle.options.append);
        let place = if appends && !matches!(at, WriteAt::Within(_)) { WriteAt::End } else { at };
        let span = match place {
            WriteAt::Offset(offset) => Span::At(offset, data.len() as u64),
            WriteAt::End => Span::End(data.len() as u64),
            WriteAt::Within(_) => Span::None,
        };
        match handle {
            Some(handle) => through(&handle, Mask::WRITE, span, |at, target| at.write(caller, target, place, data)),
            None => self.unopened(caller, node, Mask::WRITE, |at, target| at.write(caller, target, place, data)),
        }
    }

    /// Called at each close of a descriptor; content needs nothing then. Range locks of `owner` go, as POSIX asks (fcntl(2)).
    ///
    /// Errors: [`Error::Stale`].
    pub fn flush(&self, node: NodeId, owner: Option<u64>) -> Result<()> {
        self.with(node, |at| {
            if let (Some(head), Some(owner)) = (at.tree.head(), owner) {
                head.locks.release_owner(node.inode(), LockSpace::Range, owner);
            }
            Ok(())
        })
    }

    /// A volume lives in memory: what was written is as safe as it will be. Checks that the node exists.
    ///
    /// Errors: [`Error::Stale`].
    pub fn fsync(&self, node: NodeId) -> Result<()> {
        self.with(node, |at| at.inode(node.inode()).map(drop))
    }

    /// fallocate(2).
    ///
    /// Errors: [`Error::NoSpace`], [`Error::FileTooLarge`], [`Error::Invalid`], [`Error::ReadOnly`], [`Error::NotPermitted`], [`Error::BadHandle`].
    pub fn allocate(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        offset: u64,
        length: u64,
        how: Allocation,
    ) -> Result<()> {
        let _timed = self.timed(Operation::Allocate);
        self.opened(caller, node, handle, Mask::WRITE, Span::At(offset, length), |at, target| {
            at.allocate(caller, target, offset, length, how)
        })
    }

    /// lseek(2) for data and holes.
    ///
    /// Errors: [`Error::NoSuchOffset`].
    pub fn seek(&self, node: NodeId, offset: u64, what: Seek) -> Result<u64> {
        let _timed = self.timed(Operation::Seek);
        self.with(node, |at| at.seek(node.inode().into(), offset, what))
    }

    /// copy_file_range(2) between two files of the volume; whole chunks are shared. Answers how many bytes were copied.
    ///
    /// Errors: as [`View::read`] of the one and [`View::write`] of the other; [`Error::Invalid`] when ranges of one file overlap.
    #[allow(clippy::too_many_arguments)]
    pub fn copy_range(
        &self,
        caller: &Caller<'_>,
        source: NodeId,
        source_handle: Option<HandleId>,
        source_offset: u64,
        node: NodeId,
        handle: Option<HandleId>,
        offset: u64,
        length: u64,
    ) -> Result<u64> {
        let _timed = self.timed(Operation::Copy);
        let content =
            self.opened(caller, source, source_handle, Mask::READ, Span::At(source_offset, length), |at, source| {
                at.content(source)
            })?;
        // What lies past the end is not copied, and so overlaps nothing.
        let length = length.min(content.size().saturating_sub(source_offset));
        if self.is_one_file(source, source_handle, node, handle)? {
            check_overlap(source_offset, offset, length)?;
        }
        self.opened(caller, node, handle, Mask::WRITE, Span::At(offset, length), |at, target| {
            at.copy_from(caller, &content, source_offset, target, offset, length)
        })
    }

    /// Whether two nodes, or what two handles are open on, are the same stream of the same tree.
    fn is_one_file(
        &self,
        a: NodeId,
        a_handle: Option<HandleId>,
        b: NodeId,
        b_handle: Option<HandleId>,
    ) -> Result<bool> {
        let place = |node: NodeId, handle: Option<HandleId>| match handle {
            Some(handle) => self.handles.get(handle).map(|handle| (handle.at.node(handle.id), handle.stream)),
            None => Ok((node, StreamId::DEFAULT)),
        };
        Ok(place(a, a_handle)? == place(b, b_handle)?)
    }

    // ---- locks -------------------------------------------------------------------------------------------------

    fn locking<R>(&self, node: NodeId, with: impl FnOnce(&crate::history::head::Head) -> Result<R>) -> Result<R> {
        self.with(node, |at| match at.tree.head() {
            Some(head) => with(head),
            // Nobody can change a snapshot, so whoever reads it needs no lock against anybody.
            None => Err(Error::NotSupported),
        })
    }

    /// As [`View::locking`], for a node that must be there: locks on what is gone would never go.
    fn locking_known<R>(&self, node: NodeId, with: impl FnOnce(&crate::history::head::Head) -> Result<R>) -> Result<R> {
        self.with(node, |at| if at.exists(node.inode()) { Ok(()) } else { Err(Error::Stale) })?;
        self.locking(node, |head| with(head))
    }

    /// As [`View::locking_known`], for who takes a lock: that takes memory.
    fn locking_more<R>(&self, node: NodeId, with: impl FnOnce(&crate::history::head::Head) -> Result<R>) -> Result<R> {
        self.with(node, |at| at.context.admit_lock())?;
        self.locking_known(node, with)
    }

    /// A lock of somebody else that stands in the way of `lock`, if there is one (F_GETLK).
    ///
    /// Errors: [`Error::NotSupported`] on a snapshot, [`Error::Stale`].
    pub fn test_lock(&self, node: NodeId, space: LockSpace, owner: u64, lock: Lock) -> Result<Option<Conflict>> {
        let _timed = self.timed(Operation::Lock);
        self.locking_known(node, |head| Ok(head.locks.test(node.inode(), space, owner, lock)))
    }

    /// Takes a lock, changes one, or says that another owner is in the way.
    ///
    /// Errors: [`Error::WouldBlock`], [`Error::Limit`], [`Error::NotSupported`] on a snapshot.
    pub fn set_lock(&self, node: NodeId, space: LockSpace, owner: u64, lock: Lock) -> Result<()> {
        let _timed = self.timed(Operation::Lock);
        self.locking_more(node, |head| head.locks.set(node.inode(), space, owner, lock))
    }

    /// Takes a lock as soon as nobody is in the way. `None`: it is taken; else `done` is called once, by another thread, when it is or
    /// when the wait was cancelled.
    ///
    /// Errors: [`Error::Deadlock`], [`Error::Limit`], [`Error::NotSupported`] on a snapshot; `done` is not called then.
    pub fn wait_lock(
        &self,
        node: NodeId,
        space: LockSpace,
        owner: u64,
        lock: Lock,
        done: Box<dyn FnOnce(Result<()>) + Send>,
    ) -> Result<Option<WaitId>> {
        let _timed = self.timed(Operation::Lock);
        self.locking_more(node, |head| head.locks.wait(node.inode(), space, owner, lock, done))
    }

    /// Cancels a wait; false when it is over already.
    #[must_use]
    pub fn cancel_wait(&self, node: NodeId, wait: WaitId) -> bool {
        self.locking(node, |head| Ok(head.locks.cancel(wait))).unwrap_or(false)
    }

    /// Gives up an owner's locks on a range of bytes (`start..=end`).
    ///
    /// Errors: [`Error::NotSupported`] on a snapshot, [`Error::Stale`].
    pub fn unlock(&self, node: NodeId, space: LockSpace, owner: u64, start: u64, end: u64) -> Result<()> {
        let _timed = self.timed(Operation::Lock);
        self.locking(node, |head| head.locks.unlock(node.inode(), space, owner, start, end))
    }

    /// An owner is gone: gives up all its locks of this kind on the node and cancels its waits. For flock(2) a host calls it when the
    /// open file description is released.
    ///
    /// Errors: [`Error::Stale`]; a snapshot has no locks to give up.
    pub fn forget_owner(&self, node: NodeId, space: LockSpace, owner: u64) -> Result<()> {
        self.with(node, |at| {
            if let Some(head) = at.tree.head() {
                head.locks.forget_owner(node.inode(), space, owner);
            }
            Ok(())
        })
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

    /// Whether what is known of the names in a directory holds until an event says otherwise: always, but for a directory over
    /// one of the base that nobody can watch.
    ///
    /// Errors: [`Error::Stale`], [`Error::NotADirectory`].
    pub fn names_hold(&self, node: NodeId) -> Result<bool> {
        self.with(node, |at| {
            let Some(base) = &at.context.base else { return Ok(true) };
            let inode = at.inode(node.inode())?;
            let record = inode.read();
            Ok(record.directory()?.beneath().is_none_or(|beneath| base.is_watched(beneath.id)))
        })
    }

    /// Nodes that the host knows and has not forgotten.
    #[must_use]
    pub fn reference_count(&self) -> u64 {
        let earlier: u64 = self.earlier.read().values().map(|at| at.reference_count()).sum();
        self.current.load().reference_count() + earlier
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

/// Runs `with` on what a handle is open on, if it may do so.
fn through<R>(
    handle: &Handle,
    want: Mask,
    span: Span,
    with: impl FnOnce(&Arc<Attachment>, Target) -> Result<R>,
) -> Result<R> {
    let allowed = if want == Mask::WRITE { handle.options.write } else { handle.options.read };
    if !allowed {
        return Err(if handle.windows.is_some() { Error::AccessDenied } else { Error::BadHandle });
    }
    if let Some(windows) = &handle.windows {
        // Who may only append changes nothing that is there; pages that come back are asked for nothing.
        if want == Mask::WRITE && handle.options.append && matches!(span, Span::At(..)) {
            return Err(Error::AccessDenied);
        }
        windows.check_span(handle, span, want == Mask::WRITE)?;
    }
    with(&handle.at, handle.target())
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
