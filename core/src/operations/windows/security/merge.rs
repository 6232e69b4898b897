//! Setting and asking for parts of a descriptor: SECURITY_INFORMATION (\[MS-DTYP\] 2.4.7; \[MS-FSA\] 2.1.5.17, Server Requests
//! Setting of Security Information).

use super::super::rights;
use super::acl::{Ace, Acl, Body, kind};
use super::descriptor::{Descriptor, List};
use crate::error::{Error, Result};

/// Which parts: the bits of SECURITY_INFORMATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts(u32);

impl Parts {
    pub(crate) const OWNER: Parts = Parts(0x1);
    pub(crate) const GROUP: Parts = Parts(0x2);
    pub(crate) const DACL: Parts = Parts(0x4);
    pub(crate) const SACL: Parts = Parts(0x8);
    /// The SACL's mandatory labels.
    pub(crate) const LABEL: Parts = Parts(0x10);
    /// The SACL's resource attributes.
    pub(crate) const ATTRIBUTE: Parts = Parts(0x20);
    /// The SACL's central policies.
    pub(crate) const SCOPE: Parts = Parts(0x40);
    /// Everything.
    pub(crate) const BACKUP: Parts = Parts(0x1_0000);
    pub(crate) const UNPROTECTED_SACL: Parts = Parts(0x1000_0000);
    pub(crate) const UNPROTECTED_DACL: Parts = Parts(0x2000_0000);
    pub(crate) const PROTECTED_SACL: Parts = Parts(0x4000_0000);
    pub(crate) const PROTECTED_DACL: Parts = Parts(0x8000_0000);

    /// From the bits. Protecting and not protecting exclude each other; unknown bits are refused.
    pub(crate) fn from_bits(bits: u32) -> Result<Parts> {
        let parts = Parts(bits);
        if bits & !0xF001_007F != 0 {
            return Err(Error::Invalid("security information has unknown bits"));
        }
        for (one, other) in
            [(Parts::PROTECTED_DACL, Parts::UNPROTECTED_DACL), (Parts::PROTECTED_SACL, Parts::UNPROTECTED_SACL)]
        {
            if parts.any(one) && parts.any(other) {
                return Err(Error::Invalid("a list cannot be protected and unprotected at once"));
            }
        }
        Ok(parts)
    }

    pub(crate) const fn with(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }

    /// Whether one of `other` is there.
    pub(crate) fn any(self, other: Parts) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether audits are among them, which only those who administer may see.
    pub(crate) fn names_audits(self) -> bool {
        let audits = Parts::SACL.with(Parts::SCOPE).with(Parts::BACKUP);
        self.any(audits.with(Parts::PROTECTED_SACL).with(Parts::UNPROTECTED_SACL))
    }

    /// What a handle must be allowed to ask for them.
    pub(crate) fn rights_to_query(self) -> u32 {
        let control = Parts::OWNER.with(Parts::GROUP).with(Parts::DACL).with(Parts::LABEL).with(Parts::ATTRIBUTE);
        self.needs(control.with(Parts::BACKUP), rights::READ_CONTROL)
            | self.needs(Parts::SACL.with(Parts::SCOPE).with(Parts::BACKUP), rights::SYSTEM_SECURITY)
    }

    /// What a handle must be allowed to set them.
    pub(crate) fn rights_to_set(self) -> u32 {
        let owner = Parts::OWNER.with(Parts::GROUP).with(Parts::LABEL).with(Parts::BACKUP);
        let dacl = Parts::DACL.with(Parts::ATTRIBUTE).with(Parts::BACKUP);
        let dacl = dacl.with(Parts::PROTECTED_DACL).with(Parts::UNPROTECTED_DACL);
        let sacl = Parts::SACL.with(Parts::SCOPE).with(Parts::BACKUP);
        let sacl = sacl.with(Parts::PROTECTED_SACL).with(Parts::UNPROTECTED_SACL);
        self.needs(owner, rights::WRITE_OWNER)
            | self.needs(dacl, rights::WRITE_DAC)
            | self.needs(sacl, rights::SYSTEM_SECURITY)
    }

    fn needs(self, parts: Parts, right: u32) -> u32 {
        if self.any(parts) { right } else { 0 }
    }

    fn protection(self, list: List) -> Option<bool> {
        let (on, off) = match list {
            List::Dacl => (Parts::PROTECTED_DACL, Parts::UNPROTECTED_DACL),
            List::Sacl => (Parts::PROTECTED_SACL, Parts::UNPROTECTED_SACL),
        };
        if self.any(on) { Some(true) } else { self.any(off).then_some(false) }
    }

    /// Whether an entry of the SACL belongs to them.
    fn covers(self, ace: &Ace) -> bool {
        self.any(Parts::BACKUP.with(match ace.kind {
            kind::MANDATORY_LABEL => Parts::LABEL,
            kind::RESOURCE_ATTRIBUTE => Parts::ATTRIBUTE,
            kind::SCOPED_POLICY => Parts::SCOPE,
            _ => Parts::SACL,
        }))
    }
}

const OF_SACL: Parts = Parts::SACL.with(Parts::LABEL).with(Parts::ATTRIBUTE).with(Parts::SCOPE).with(Parts::BACKUP);

impl Descriptor {
    /// This descriptor with those parts of `new` in place of its own. Generic rights become what they mean for files.
    /// Whether the caller may name that owner is for [`crate::operations::windows::access`] to say.
    pub(crate) fn merged(&self, new: &Descriptor, parts: Parts) -> Result<Descriptor> {
        let mut merged = self.clone();
        if parts.any(Parts::OWNER.with(Parts::BACKUP)) {
            merged.owner = Some(new.owner.ok_or(Error::BadOwner)?);
        }
        if parts.any(Parts::GROUP.with(Parts::BACKUP)) {
            merged.group = Some(new.group.ok_or(Error::BadSecurity("the group to set is missing"))?);
        }
        if parts.any(Parts::DACL.with(Parts::BACKUP)) {
            let acl = new.dacl.as_ref().map(|acl| mapped(acl, |_| true));
            merged.set_list(List::Dacl, acl, set_bits(new, List::Dacl) | List::Dacl.present());
        }
        if parts.any(OF_SACL) {
            self.merge_sacl(new, parts, &mut merged);
        }
        for list in [List::Dacl, List::Sacl] {
            match parts.protection(list) {
                Some(true) => merged.control |= list.protected(),
                Some(false) => merged.control &= !list.protected(),
                None => {}
            }
        }
        Ok(merged)
    }

    /// Only the parts asked for, as a program gets them.
    pub(crate) fn only(&self, parts: Parts) -> Descriptor {
        let mut only = Descriptor { manager: self.manager, ..Descriptor::default() };
        only.owner = self.owner.filter(|_| parts.any(Parts::OWNER.with(Parts::BACKUP)));
        only.group = self.group.filter(|_| parts.any(Parts::GROUP.with(Parts::BACKUP)));
        if parts.any(Parts::DACL.with(Parts::BACKUP)) {
            only.set_list(List::Dacl, self.dacl.clone(), self.control & List::Dacl.bits());
        }
        if parts.any(OF_SACL) {
            let acl = self.sacl.as_ref().map(|acl| filtered(acl, |ace| parts.covers(ace)));
            only.set_list(List::Sacl, acl, self.control & List::Sacl.bits());
        }
        only
    }

    /// Entries that the parts cover come from `new`, the others stay; the list's bits come along with its audits.
    fn merge_sacl(&self, new: &Descriptor, parts: Parts, merged: &mut Descriptor) {
        let whole = parts.any(Parts::SACL.with(Parts::BACKUP));
        let kept = self.sacl.as_ref().map(|acl| filtered(acl, |ace| !parts.covers(ace)));
        let come = new.sacl.as_ref().map(|acl| mapped(acl, |ace| parts.covers(ace)));
        let acl = match (kept, come) {
            (Some(kept), Some(come)) => Some(joined(come, kept)),
            (Some(only), None) if only.aces.is_empty() => None,
            (kept, come) => come.or(kept),
        };
        let bits = if whole { set_bits(new, List::Sacl) } else { self.control & List::Sacl.bits() };
        let there = new.has(List::Sacl.present()) || self.has(List::Sacl.present()) || acl.is_some();
        merged.set_list(List::Sacl, acl, bits | if there { List::Sacl.present() } else { 0 });
    }
}

/// The bits of a list that is set: that it was inherited is believed of a program that asks for inheritance only.
fn set_bits(new: &Descriptor, list: List) -> u16 {
    let auto = if new.has(list.auto_inherit_req()) { list.auto_inherited() } else { 0 };
    new.control & (list.protected() | list.defaulted() | auto)
}

fn filtered(acl: &Acl, keep: impl Fn(&Ace) -> bool) -> Acl {
    Acl { revision: acl.revision, aces: acl.aces.iter().filter(|ace| keep(ace)).cloned().collect() }
}

fn mapped(acl: &Acl, keep: impl Fn(&Ace) -> bool) -> Acl {
    let mut acl = filtered(acl, keep);
    acl.aces.iter_mut().for_each(map_generic);
    acl
}

/// Generic rights become what they mean, but in entries that are only there to be inherited: heirs map them.
pub(super) fn map_generic(ace: &mut Ace) {
    if !ace.has(super::flag::INHERIT_ONLY)
        && let Body::Entry(entry) = &mut ace.body
        && ace.kind != kind::MANDATORY_LABEL
    {
        entry.mask = rights::map_generic(entry.mask);
    }
}

/// The entries of both, one list after the other.
pub(super) fn joined(mut first: Acl, second: Acl) -> Acl {
    first.revision = first.revision.max(second.revision);
    first.aces.extend(second.aces);
    first
}

#[cfg(test)]
mod tests;
