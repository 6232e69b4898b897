//! Named streams, by node and by handle.

use super::handles::Handle;
use super::view::View;
use crate::error::Result;
use crate::meter::Operation;
use crate::operations::{OpenOptions, Seek, StreamInfo};
use crate::types::{Attr, Caller, HandleId, NodeId};

impl View {
    /// Opens a named stream of a file or directory; with `create` it is made if it is not there, and with `options.exclusive` it must
    /// not be there. Reading, writing, resizing and the rest are by the handle.
    ///
    /// Errors: [`crate::Error::NotFound`], [`crate::Error::Exists`], [`crate::Error::BadName`], [`crate::Error::NameTooLong`],
    /// [`crate::Error::BadUtf8`], [`crate::Error::AccessDenied`], [`crate::Error::NotPermitted`] by flags, [`crate::Error::NotSupported`] for
    /// what is neither file nor directory, [`crate::Error::Limit`], [`crate::Error::ReadOnly`].
    pub fn open_stream(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        name: &[u8],
        options: OpenOptions,
        create: bool,
    ) -> Result<HandleId> {
        let _timed = self.timed(Operation::Open);
        self.with_room(|| {
            self.with(node, |at| {
                at.hold(node.inode())?;
                // Lets go of the inode if what follows fails.
                let held = Handle::of_held(at.clone(), node.inode(), options);
                let target = at.open_stream(caller, node.inode(), name, options, create)?;
                self.handles.insert(held.on(target.stream))
            })
        })
    }

    /// The named streams of a file or directory, in the order of their making.
    ///
    /// Errors: [`crate::Error::Stale`].
    pub fn list_streams(&self, node: NodeId) -> Result<Vec<StreamInfo>> {
        let _timed = self.timed(Operation::List);
        self.with(node, |at| at.list_streams(node.inode()))
    }

    /// Gives a named stream another name. One that has the name already is replaced if `replace` says so.
    ///
    /// Errors: [`crate::Error::NotFound`], [`crate::Error::Exists`], [`crate::Error::AccessDenied`] also when the one to be replaced is open,
    /// and of names as [`View::open_stream`].
    pub fn rename_stream(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        name: &[u8],
        new_name: &[u8],
        replace: bool,
    ) -> Result<()> {
        let _timed = self.timed(Operation::Rename);
        self.with_room(|| self.with(node, |at| at.rename_stream(caller, node.inode(), name, new_name, replace)))
    }

    /// Removes a named stream. Handles that are open on it go on reading and writing it.
    ///
    /// Errors: [`crate::Error::NotFound`], and as [`View::open_stream`].
    pub fn remove_stream(&self, caller: &Caller<'_>, node: NodeId, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with_room(|| self.with(node, |at| at.remove_stream(caller, node.inode(), name)))
    }

    /// The attributes of what a handle is open on, with the size of the stream that it is open on.
    ///
    /// Errors: [`crate::Error::BadHandle`], [`crate::Error::Stale`].
    pub fn handle_attr(&self, handle: HandleId) -> Result<Attr> {
        let _timed = self.timed(Operation::Attributes);
        let handle = self.handles.get(handle)?;
        let inode = handle.at.inode(handle.id)?;
        let attr = inode.read().attr_of(handle.id, handle.stream);
        Ok(attr)
    }

    /// As [`View::seek`], in the stream that a handle is open on.
    ///
    /// Errors: [`crate::Error::NoSuchOffset`], [`crate::Error::BadHandle`].
    pub fn handle_seek(&self, handle: HandleId, offset: u64, what: Seek) -> Result<u64> {
        let _timed = self.timed(Operation::Seek);
        let handle = self.handles.get(handle)?;
        handle.at.seek(handle.target(), offset, what)
    }
}
