//! Who may use what an inode carries besides names and content: the one place that is asked, whatever kind of caller asks.

use crate::error::{Error, Result};
use crate::operations::access::{self, Mask};
use crate::operations::attachment::Attachment;
use crate::operations::granted;
use crate::operations::windows::rights;
use crate::operations::windows::security::Parts;
use crate::tree::inode::Record;
use crate::types::{Caller, Privileges};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Read a named stream.
    ReadStream,
    /// Write, make, rename or remove a named stream.
    WriteStream,
    /// Set attributes and times of Windows or macOS.
    WriteAttributes,
    /// Read extended attributes of Windows.
    ReadEas,
    /// Write those.
    WriteEas,
    /// Read these parts of the security descriptor.
    ReadSecurity(Parts),
    /// Set these parts; the ids that owner and group then have, where they change.
    WriteSecurity(Parts, Option<u32>, Option<u32>),
    /// Set or delete a reparse point.
    WriteReparse,
}

impl Use {
    /// What a handle, or a caller with a token, must be granted for it.
    pub(crate) fn rights(self) -> u32 {
        match self {
            Use::ReadStream => rights::READ_DATA,
            Use::WriteStream | Use::WriteReparse => rights::WRITE_DATA,
            Use::WriteAttributes => rights::WRITE_ATTRIBUTES,
            Use::ReadEas => rights::READ_EA,
            Use::WriteEas => rights::WRITE_EA,
            Use::ReadSecurity(parts) => parts.rights_to_query(),
            Use::WriteSecurity(parts, ..) => parts.rights_to_set(),
        }
    }
}

impl Attachment {
    /// Whether the caller may. Callers with uid and gids by mode, ACL and ownership: what chmod and chown need, the parts
    /// of a descriptor need as well; its audits are for those who administer.
    pub(crate) fn permit_use(&self, caller: &Caller<'_>, record: &Record, what: Use) -> Result<()> {
        if caller.token.is_some() {
            return granted::granted(caller, None, record, what.rights(), false).map(drop);
        }
        match what {
            Use::ReadStream | Use::ReadEas => self.permit(caller, record, Mask::READ),
            Use::WriteStream | Use::WriteEas | Use::WriteReparse => self.permit(caller, record, Mask::WRITE),
            Use::WriteAttributes => owner_only(caller, record),
            Use::ReadSecurity(parts) => audits(caller, parts),
            Use::WriteSecurity(parts, uid, gid) => {
                audits(caller, parts)?;
                if parts.any(Parts::DACL.with(Parts::PROTECTED_DACL).with(Parts::UNPROTECTED_DACL)) {
                    owner_only(caller, record)?;
                }
                let may = access::may_chown(caller, record.uid, record.gid, uid, gid);
                if may { Ok(()) } else { Err(Error::NotPermitted) }
            }
        }
    }
}

fn owner_only(caller: &Caller<'_>, record: &Record) -> Result<()> {
    let may = caller.owns(record.uid) || caller.may(Privileges::CHECKED);
    if may { Ok(()) } else { Err(Error::NotPermitted) }
}

fn audits(caller: &Caller<'_>, parts: Parts) -> Result<()> {
    let may = !parts.names_audits() || caller.may(Privileges::ADMIN) || caller.may(Privileges::CHECKED);
    if may { Ok(()) } else { Err(Error::PrivilegeNotHeld) }
}
