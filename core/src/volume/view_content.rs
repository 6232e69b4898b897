//! Content, by node and by handle: opening, reading, writing, holes and copying.

use std::sync::Arc;

use super::handles::{Handle, Span};
use super::view::{Entry, View};
use crate::data::Pin;
use crate::error::{Error, Result};
use crate::meter::Operation;
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::operations::copy::check_overlap;
use crate::operations::lock_table::LockSpace;
use crate::operations::streams::Target;
use crate::operations::{Allocation, OpenOptions, Seek, WriteAt};
use crate::types::{Caller, HandleId, NodeId, Privileges, StreamId};

impl View {
    /// Opens a file or directory.
    ///
    /// Errors: [`Error::AccessDenied`], [`Error::IsADirectory`] for writing, [`Error::NotADirectory`], [`Error::NotPermitted`] by flags, [`Error::ReadOnly`], [`Error::Limit`].
    pub fn open_node(&self, caller: &Caller<'_>, node: NodeId, options: OpenOptions) -> Result<HandleId> {
        let _timed = self.timed(Operation::Open);
        self.with_room(|| self.with(node, |at| self.open_at(at, caller, node.inode(), options)))
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
        self.with_room(|| {
            self.with(parent, |at| {
                let (attr, handle) = self.create_at(at, caller, parent.inode(), name, mode, options)?;
                at.reference(attr.inode);
                Ok((Entry { node: at.node(attr.inode), attr }, handle))
            })
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
        self.with_room(|| {
            self.with(parent, |at| {
                let attr = at.make_unnamed(caller, parent.inode(), mode, !options.exclusive)?;
                at.count_handle();
                let handle = self.handles.insert(Handle::of_held(at.clone(), attr.inode, options))?;
                at.reference(attr.inode);
                Ok((Entry { node: at.node(attr.inode), attr }, handle))
            })
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
        self.let_go(generation);
        Ok(())
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
        self.with_room(|| {
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
        })
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
        self.with_room(|| {
            self.opened(caller, node, handle, Mask::WRITE, Span::At(offset, length), |at, target| {
                at.allocate(caller, target, offset, length, how)
            })
        })
    }

    /// lseek(2) for data and holes.
    ///
    /// Errors: [`Error::NoSuchOffset`].
    pub fn seek(&self, node: NodeId, offset: u64, what: Seek) -> Result<u64> {
        let _timed = self.timed(Operation::Seek);
        self.with(node, |at| at.seek(node.inode().into(), offset, what))
    }

    /// copy_file_range(2) between two files of the volume; whole chunks are shared, what a base has is copied. Answers how many bytes were
    /// copied, which may be fewer than asked.
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
        self.with_room(|| {
            let content = self.opened(
                caller,
                source,
                source_handle,
                Mask::READ,
                Span::At(source_offset, length),
                |at, source| at.content(source),
            )?;
            // What lies past the end is not copied, and so overlaps nothing.
            let length = length.min(content.size().saturating_sub(source_offset));
            if self.is_one_file(source, source_handle, node, handle)? {
                check_overlap(source_offset, offset, length)?;
            }
            self.opened(caller, node, handle, Mask::WRITE, Span::At(offset, length), |at, target| {
                at.copy_from(caller, &content, source_offset, target, offset, length)
            })
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
