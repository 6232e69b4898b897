//! What opening a file checks.

use crate::error::{Error, Result};
use crate::operations::access::Mask;
use crate::operations::attachment::{Attachment, check_flags};
use crate::types::{Caller, FileKind, InodeId};

/// How a file or directory is opened. Share modes and dispositions of Windows belong here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// Read its content or entries.
    pub read: bool,
    /// Write its content.
    pub write: bool,
    /// Every write goes to the end (O_APPEND).
    pub append: bool,
    /// Its content is emptied first (O_TRUNC).
    pub truncate: bool,
    /// It must be a directory (O_DIRECTORY).
    pub directory: bool,
    /// With create: it must not exist (O_EXCL).
    pub exclusive: bool,
}

impl Attachment {
    /// The host's own file, if what the inode holds is what lies there, and nothing done through the volume will ever change
    /// that: the base's, untouched, in a snapshot. In a branch the first write would have to change what is open.
    #[cfg(unix)]
    pub(crate) fn host_file(&self, id: InodeId) -> Result<std::os::fd::OwnedFd> {
        let inode = self.inode(id)?;
        let is_settled = self.tree.head().is_none() && inode.is_untouched();
        let Some(base) = self.context.base.as_ref().filter(|_| is_settled) else { return Err(Error::NotSupported) };
        inode.read().stream()?;
        base.host_file(id)?.ok_or(Error::NotSupported)
    }

    /// Whether the caller may open the inode so (open(2)).
    pub(crate) fn check_open(&self, caller: &Caller<'_>, id: InodeId, options: OpenOptions) -> Result<()> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let writes = options.write || options.append || options.truncate;
        match record.kind {
            FileKind::Symlink => return Err(Error::TooManySymlinks),
            FileKind::Directory if writes => return Err(Error::IsADirectory),
            kind if options.directory && kind != FileKind::Directory => return Err(Error::NotADirectory),
            _ => {}
        }
        let read = if options.read { Mask::READ } else { Mask::default() };
        let write = if writes { Mask::WRITE } else { Mask::default() };
        self.permit(caller, &record, read.with(write))?;
        if writes && self.is_read_only() {
            return Err(Error::ReadOnly);
        }
        if !writes {
            return Ok(());
        }
        check_flags(&record, options.append && !options.truncate)
    }
}
