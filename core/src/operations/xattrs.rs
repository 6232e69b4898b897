//! Extended attributes, ACLs among them (xattr(7), acl(5)).

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::history::events::{Changes, EventKind};
use crate::limits;
use crate::operations::access::{self, Mask};
use crate::operations::acl::Acl;
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::macos::Special;
use crate::operations::security;
use crate::tree::inode::{Extra, Record};
use crate::types::{Caller, FileKind, InodeId, Privileges};

/// File capabilities: lost at every change of content.
pub(crate) const CAPABILITY: &[u8] = b"security.capability";
pub(crate) const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
pub(crate) const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// What setting an attribute expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XattrMode {
    /// Either.
    Set,
    /// It must not exist (XATTR_CREATE).
    Create,
    /// It must exist (XATTR_REPLACE).
    Replace,
}

/// What setting or removing it touches.
fn changes_of(name: &[u8]) -> Changes {
    match name {
        ACCESS_ACL | DEFAULT_ACL => Changes::SECURITY,
        b"com.apple.FinderInfo" => Changes::XATTRS.with(Changes::FINDER_INFO),
        _ => Changes::XATTRS,
    }
}

impl Attachment {
    pub(crate) fn get_xattr(&self, caller: &Caller<'_>, id: InodeId, name: &[u8]) -> Result<Arc<[u8]>> {
        check_name(name)?;
        let inode = self.inode(id)?;
        let record = inode.read();
        self.may_use(caller, &record, name, Mask::READ)?;
        match name {
            ACCESS_ACL => acl_bytes(record.acl()),
            DEFAULT_ACL => acl_bytes(record.default_acl()),
            _ => match self.special(name) {
                None => find(&record, name).ok_or(Error::NoAttribute),
                Some(special) => self.get_special(&record, special),
            },
        }
    }

    /// The names, in order of their bytes; those the caller may not see are left out.
    pub(crate) fn list_xattrs(&self, caller: &Caller<'_>, id: InodeId) -> Result<Vec<Box<[u8]>>> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let special = self.list_special(&record);
        let Some(extra) = &record.extra else { return Ok(special) };
        let acls = [(extra.acl.is_some(), ACCESS_ACL), (extra.default_acl.is_some(), DEFAULT_ACL)];
        let acls = acls.into_iter().filter(|(there, _)| *there).map(|(_, name)| Box::from(name));
        let others = extra.xattrs.iter().map(|(name, _)| name.clone());
        let mut names: Vec<Box<[u8]>> = acls.chain(others).chain(special).collect();
        names.retain(|name| caller.may(Privileges::ADMIN) || !name.starts_with(b"trusted."));
        names.sort_unstable();
        Ok(names)
    }

    pub(crate) fn set_xattr(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
    ) -> Result<()> {
        check_name(name)?;
        let special = self.special(name);
        if value.len() > limits::XATTR_VALUE_BYTES && special != Some(Special::ResourceFork) {
            return Err(Error::ValueTooLarge);
        }
        // Outlives the locks and the gate: to free it may take long.
        let mut _replaced = None;
        let change = self.change_to_add()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        self.may_use(caller, &record, name, Mask::WRITE)?;
        check_flags(&record, false)?;
        match name {
            ACCESS_ACL => set_access_acl(caller, &mut record, value, mode)?,
            DEFAULT_ACL => set_default_acl(&mut record, value, mode)?,
            _ => match special {
                None => store(&mut record, name, value, mode)?,
                Some(special) => _replaced = self.set_special(&mut record, special, value, mode)?,
            },
        }
        record.touch(change.now);
        change.tell_record(EventKind::Attributes, id, &record, changes_of(name));
        Ok(())
    }

    pub(crate) fn remove_xattr(&self, caller: &Caller<'_>, id: InodeId, name: &[u8]) -> Result<()> {
        check_name(name)?;
        // Outlives the locks and the gate: to free it may take long.
        let mut _removed = None;
        let change = self.change_to_free()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        self.may_use(caller, &record, name, Mask::WRITE)?;
        check_flags(&record, false)?;
        if let Some(special) = self.special(name) {
            _removed = self.remove_special(&change, id, &mut record, special)?;
        } else if !record.change_extra(|extra| take(extra, name)) {
            return Err(Error::NoAttribute);
        }
        record.touch(change.now);
        change.tell_record(EventKind::Attributes, id, &record, changes_of(name));
        Ok(())
    }

    /// Who may read and write which name space (xattr(7)).
    fn may_use(&self, caller: &Caller<'_>, record: &Record, name: &[u8], want: Mask) -> Result<()> {
        let writes = want == Mask::WRITE;
        if name == ACCESS_ACL || name == DEFAULT_ACL {
            return may_use_acl(caller, record, name, writes);
        }
        if name.starts_with(b"trusted.") {
            let refusal = if writes { Error::NotPermitted } else { Error::NoAttribute };
            return if caller.may(Privileges::ADMIN) { Ok(()) } else { Err(refusal) };
        }
        if caller.may(Privileges::CHECKED) {
            return Ok(());
        }
        if name.starts_with(b"security.") {
            let allowed = !writes || caller.may(Privileges::ADMIN);
            return if allowed { Ok(()) } else { Err(Error::NotPermitted) };
        }
        if name.starts_with(b"user.") && !matches!(record.kind, FileKind::File | FileKind::Directory) {
            return Err(if writes { Error::NotPermitted } else { Error::NoAttribute });
        }
        let sticky = record.is_directory() && record.mode & 0o1000 != 0;
        if writes && sticky && !caller.owns(record.uid) {
            return Err(Error::NotPermitted);
        }
        self.permit(caller, record, want)
    }
}

fn may_use_acl(caller: &Caller<'_>, record: &Record, name: &[u8], writes: bool) -> Result<()> {
    if record.kind == FileKind::Symlink {
        return Err(Error::NotSupported);
    }
    if writes && name == DEFAULT_ACL && !record.is_directory() {
        return Err(Error::AccessDenied);
    }
    if writes && !caller.owns(record.uid) && !caller.may(Privileges::CHECKED) {
        return Err(Error::NotPermitted);
    }
    Ok(())
}

fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name.contains(&0) {
        return Err(Error::Invalid("the name of an extended attribute is empty or contains NUL"));
    }
    // ERANGE is what Linux answers here (xattr(7)).
    if name.len() > limits::XATTR_NAME_BYTES { Err(Error::BufferTooSmall) } else { Ok(()) }
}

pub(crate) fn find(record: &Record, name: &[u8]) -> Option<Arc<[u8]>> {
    let xattrs = &record.extra.as_ref()?.xattrs;
    let at = xattrs.binary_search_by(|(held, _)| (**held).cmp(name)).ok()?;
    Some(xattrs[at].1.clone())
}

pub(crate) fn check_mode(there: bool, mode: XattrMode) -> Result<()> {
    match (mode, there) {
        (XattrMode::Create, true) => Err(Error::Exists),
        (XattrMode::Replace, false) => Err(Error::NoAttribute),
        _ => Ok(()),
    }
}

pub(crate) fn store(record: &mut Record, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
    let held = find(record, name);
    check_mode(held.is_some(), mode)?;
    let extra_bytes = |extra: &Extra| extra.xattrs.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
    let total = record.extra.as_ref().map_or(0, |extra| extra_bytes(extra));
    let replaced = held.map_or(0, |value| name.len() + value.len());
    if total - replaced + name.len() + value.len() > limits::XATTR_TOTAL_BYTES {
        return Err(Error::TooManyAttributes);
    }
    record.change_extra(|extra| match extra.xattrs.binary_search_by(|(held, _)| (**held).cmp(name)) {
        Ok(at) => extra.xattrs[at].1 = Arc::from(value),
        Err(at) => extra.xattrs.insert(at, (Box::from(name), Arc::from(value))),
    });
    Ok(())
}

pub(crate) fn take(extra: &mut Extra, name: &[u8]) -> bool {
    match name {
        ACCESS_ACL => extra.acl.take().is_some(),
        DEFAULT_ACL => extra.default_acl.take().is_some(),
        _ => match extra.xattrs.binary_search_by(|(held, _)| (**held).cmp(name)) {
            Ok(at) => {
                extra.xattrs.remove(at);
                true
            }
            Err(_) => false,
        },
    }
}

fn acl_bytes(acl: Option<&Acl>) -> Result<Arc<[u8]>> {
    acl.map(|acl| Arc::from(acl.to_bytes())).ok_or(Error::NoAttribute)
}

/// An access ACL sets the mode's group bits; one that says no more than a mode is a mode.
fn set_access_acl(caller: &Caller<'_>, record: &mut Record, value: &[u8], mode: XattrMode) -> Result<()> {
    check_mode(record.acl().is_some(), mode)?;
    let acl = Acl::parse(value)?;
    if acl.is_empty() {
        record.change_extra(|extra| extra.acl = None);
        return Ok(());
    }
    let new_mode = acl.apply_to_mode(record.mode.into());
    record.mode = access::acl_mode(caller, record.gid, new_mode) as u16;
    security::follow_mode(record);
    let kept = acl.equivalent_mode().is_none().then(|| Arc::new(acl));
    record.change_extra(|extra| extra.acl = kept);
    Ok(())
}

/// A default ACL without entries takes the one there is away, as setfacl -k does.
fn set_default_acl(record: &mut Record, value: &[u8], mode: XattrMode) -> Result<()> {
    check_mode(record.default_acl().is_some(), mode)?;
    let acl = Acl::parse(value)?;
    let kept = (!acl.is_empty()).then(|| Arc::new(acl));
    record.change_extra(|extra| extra.default_acl = kept);
    Ok(())
}
