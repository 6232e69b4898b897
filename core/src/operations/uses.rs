//! Who may use what an inode carries besides names and content: the one place that is asked, whatever kind of caller asks.

use crate::error::Result;
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::tree::inode::Record;
use crate::types::Caller;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Read a named stream.
    ReadStream,
    /// Write, make, rename or remove a named stream.
    WriteStream,
}

impl Attachment {
    /// Whether the caller may. Callers with uid and gids by mode and ACL.
    pub(crate) fn permit_use(&self, caller: &Caller<'_>, record: &Record, what: Use) -> Result<()> {
        match what {
            Use::ReadStream => self.permit(caller, record, Mask::READ),
            Use::WriteStream => self.permit(caller, record, Mask::WRITE),
        }
    }
}
