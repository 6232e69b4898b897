//! What a host may do about the base by itself: read its files, and rely on what it knows of its names.

use super::view::View;
#[cfg(unix)]
use crate::error::Error;
use crate::error::Result;
use crate::types::NodeId;
#[cfg(unix)]
use crate::types::{HandleId, StreamId};

impl View {
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

    /// Whether what is known of the names in a directory holds until an event says otherwise: always, but for a directory over
    /// one of the base that nobody can watch.
    ///
    /// Errors: [`crate::Error::Stale`], [`crate::Error::NotADirectory`].
    pub fn names_hold(&self, node: NodeId) -> Result<bool> {
        self.with(node, |at| {
            let Some(base) = &at.context.base else { return Ok(true) };
            let inode = at.inode(node.inode())?;
            let record = inode.read();
            Ok(record.directory()?.beneath().is_none_or(|beneath| base.is_watched(beneath.id)))
        })
    }
}
