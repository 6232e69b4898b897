//! Options of an open, with Windows' own numbers (\[MS-SMB2\] 2.2.13, CreateOptions). Those that are not named here are
//! hints, and have no effect.

use crate::error::{Error, Result};

/// It must be a directory.
pub const DIRECTORY_FILE: u32 = 0x1;
/// What is written is as safe when the write returns as it will be: always so here.
pub const WRITE_THROUGH: u32 = 0x2;
/// It must not be a directory.
pub const NON_DIRECTORY_FILE: u32 = 0x40;
/// It is deleted when the handle is closed.
pub const DELETE_ON_CLOSE: u32 = 0x1000;
/// The name is a file's number.
pub const OPEN_BY_FILE_ID: u32 = 0x2000;
/// To back up or restore: privileges for that count.
pub const OPEN_FOR_BACKUP_INTENT: u32 = 0x4000;
/// A link at the end of the path is opened itself.
pub const OPEN_REPARSE_POINT: u32 = 0x20_0000;

const KNOWN: u32 = 0x00FF_FFFF;

/// Whether the options make sense together; what depends on the file is [`super::disposition`]'s to say.
pub(crate) fn check(options: u32) -> Result<()> {
    if options & !KNOWN != 0 {
        return Err(Error::Invalid("create options: an unknown bit is set"));
    }
    if options & OPEN_BY_FILE_ID != 0 {
        return Err(Error::NotSupported);
    }
    Ok(())
}
