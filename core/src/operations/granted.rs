//! What a caller is granted of a file, as the rights of Windows: by the file's security descriptor for a caller with a
//! token, by mode, ACL and privileges for one without.
//!
//! A caller with a token was told so by a program that has no operating system in between; every check of permission
//! bits asks here then ([`permit`]). A caller with [`Privileges::CHECKED`] is granted all it asks for.

use crate::error::{Error, Result};
use crate::operations::access::{self, Mask, Subject};
use crate::operations::security::descriptor;
use crate::operations::windows::access as by_token;
use crate::operations::windows::rights::{self, map_generic};
use crate::tree::inode::Record;
use crate::types::{Caller, FileKind, Privileges};

/// Rights that everybody has who reached the file.
const EVERYBODYS: u32 = rights::READ_ATTRIBUTES | rights::READ_CONTROL | rights::SYNCHRONIZE;
/// Rights that go with owning it.
const OWNERS: u32 = rights::WRITE_ATTRIBUTES | rights::WRITE_DAC | rights::WRITE_OWNER;
const READS: u32 = rights::READ_DATA | rights::READ_EA;
const WRITES: u32 = rights::WRITE_DATA | rights::APPEND_DATA | rights::WRITE_EA | rights::DELETE_CHILD;

/// As [`access::check`], for a caller with a token.
#[cold]
pub(crate) fn permit(caller: &Caller<'_>, record: &Record, want: Mask) -> Result<()> {
    let Some(token) = caller.token else {
        return access::check(Subject::of(record), caller, want);
    };
    if caller.may(Privileges::CHECKED) {
        return Ok(());
    }
    let bit = |mask: Mask, right: u32| if want.has(mask) { right } else { 0 };
    let desired = bit(Mask::READ, rights::READ_DATA)
        | bit(Mask::WRITE, rights::WRITE_DATA | rights::APPEND_DATA)
        | bit(Mask::EXECUTE, rights::EXECUTE);
    let held = descriptor(record);
    if want == Mask::EXECUTE && record.is_directory() {
        return by_token::check_traverse(Some(&held), token);
    }
    match desired {
        0 => Ok(()),
        _ => by_token::check(Some(&held), token, desired, false).map(drop),
    }
}

/// What is granted of `desired` on a file in `parent` (`None` for the root, and for what is opened without its
/// directory): all of it, or an error. With [`rights::MAXIMUM_ALLOWED`] all that can be had besides.
pub(crate) fn granted(
    caller: &Caller<'_>,
    parent: Option<&Record>,
    record: &Record,
    desired: u32,
    backup_intent: bool,
) -> Result<u32> {
    by_token::check_desired(desired)?;
    if caller.may(Privileges::CHECKED) {
        let maximum = if desired & rights::MAXIMUM_ALLOWED != 0 { rights::FILE_ALL } else { 0 };
        return Ok(map_generic(desired) & !rights::MAXIMUM_ALLOWED | maximum);
    }
    let Some(token) = caller.token else {
        return by_mode(caller, parent, record, desired);
    };
    let held = descriptor(record);
    match parent.map(descriptor) {
        Some(parent) => by_token::check_within(Some(&parent), Some(&held), token, desired, backup_intent),
        None => by_token::check(Some(&held), token, desired, backup_intent),
    }
}

/// Whether the caller may make a file or directory in `directory`.
pub(crate) fn may_create(caller: &Caller<'_>, directory: &Record, makes_directory: bool) -> Result<()> {
    let Some(token) = caller.token.filter(|_| !caller.may(Privileges::CHECKED)) else {
        return access::check(Subject::of(directory), caller, Mask::WRITE.with(Mask::EXECUTE));
    };
    let right = by_token::right_to_create(makes_directory);
    by_token::check(Some(&descriptor(directory)), token, right, false).map(drop)
}

/// Permission bits, owners and privileges of POSIX said in rights.
fn by_mode(caller: &Caller<'_>, parent: Option<&Record>, record: &Record, desired: u32) -> Result<u32> {
    let desired = map_generic(desired);
    let wanted = desired & !rights::MAXIMUM_ALLOWED;
    if wanted & rights::SYSTEM_SECURITY != 0 && !caller.may(Privileges::ADMIN) {
        return Err(Error::PrivilegeNotHeld);
    }
    let may = |mask: Mask| access::check(Subject::of(record), caller, mask).is_ok();
    let bits = |rights: u32, held: bool| if held { rights } else { 0 };
    let owns = caller.owns(record.uid);
    let had = EVERYBODYS
        | bits(READS, may(Mask::READ))
        | bits(WRITES, may(Mask::WRITE))
        | bits(rights::EXECUTE, may(Mask::EXECUTE) || caller.may(Privileges::DAC_OVERRIDE))
        | bits(OWNERS, owns)
        | bits(rights::WRITE_OWNER, caller.may(Privileges::CHOWN))
        | bits(rights::DELETE, may_delete(caller, parent, record))
        | bits(rights::SYSTEM_SECURITY & wanted, caller.may(Privileges::ADMIN));
    if wanted & !had != 0 {
        return Err(Error::AccessDenied);
    }
    Ok(if desired & rights::MAXIMUM_ALLOWED != 0 { had } else { wanted })
}

/// Deleting is a change of the directory: unlink(2). What is opened without its directory can be deleted by its owner.
fn may_delete(caller: &Caller<'_>, parent: Option<&Record>, record: &Record) -> bool {
    let Some(parent) = parent else { return caller.owns(record.uid) };
    let change = Mask::WRITE.with(Mask::EXECUTE);
    access::check(Subject::of(parent), caller, change).is_ok()
        && !access::sticky_forbids(caller, parent.mode.into(), parent.uid, record.uid)
}

/// Whether a handle that was granted `granted` reads and writes content, and whether it only appends.
pub(crate) fn open_options(granted: u32, kind: FileKind) -> crate::operations::OpenOptions {
    let has = |right: u32| granted & right != 0;
    let directory = kind == FileKind::Directory;
    crate::operations::OpenOptions {
        read: has(rights::READ_DATA),
        write: !directory && has(rights::WRITE_DATA | rights::APPEND_DATA),
        append: !directory && has(rights::APPEND_DATA) && !has(rights::WRITE_DATA),
        ..Default::default()
    }
}
