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
