//! The descriptor itself, and its self-relative form (\[MS-DTYP\] 2.4.6).

use super::super::bytes::{align, read_u8, read_u16, read_u32};
use super::acl::Acl;
use super::sid::Sid;
use crate::error::{Error, Result};
use crate::limits;

/// Bits that say more about a descriptor's parts.
pub(crate) mod control {
    /// There is a DACL. Without one, or with an empty place for one, everyone may do everything.
    pub(crate) const DACL_PRESENT: u16 = 0x0004;
    pub(crate) const DACL_DEFAULTED: u16 = 0x0008;
    pub(crate) const SACL_PRESENT: u16 = 0x0010;
    pub(crate) const SACL_DEFAULTED: u16 = 0x0020;
    pub(crate) const DACL_AUTO_INHERIT_REQ: u16 = 0x0100;
    pub(crate) const SACL_AUTO_INHERIT_REQ: u16 = 0x0200;
    pub(crate) const DACL_AUTO_INHERITED: u16 = 0x0400;
    pub(crate) const SACL_AUTO_INHERITED: u16 = 0x0800;
    pub(crate) const DACL_PROTECTED: u16 = 0x1000;
    pub(crate) const SACL_PROTECTED: u16 = 0x2000;
    pub(super) const SELF_RELATIVE: u16 = 0x8000;
}

const HEADER_BYTES: usize = 20;
const REVISION: u8 = 1;

/// Who owns a file, who may do what with it, and what of that is audited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Descriptor {
    /// [`control`] bits, without SELF_RELATIVE. A list is there only if its PRESENT bit is set.
    pub(crate) control: u16,
    /// Resource manager control bits, kept as they are.
    pub(crate) manager: u8,
    pub(crate) owner: Option<Sid>,
    pub(crate) group: Option<Sid>,
    /// `None` with DACL_PRESENT is the NULL DACL.
    pub(crate) dacl: Option<Acl>,
    pub(crate) sacl: Option<Acl>,
}

/// One of a descriptor's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Dacl,
    Sacl,
}

impl List {
    pub(crate) fn present(self) -> u16 {
        self.pick(control::DACL_PRESENT, control::SACL_PRESENT)
    }

    pub(crate) fn defaulted(self) -> u16 {
        self.pick(control::DACL_DEFAULTED, control::SACL_DEFAULTED)
    }

    pub(crate) fn auto_inherit_req(self) -> u16 {
        self.pick(control::DACL_AUTO_INHERIT_REQ, control::SACL_AUTO_INHERIT_REQ)
    }

    pub(crate) fn auto_inherited(self) -> u16 {
        self.pick(control::DACL_AUTO_INHERITED, control::SACL_AUTO_INHERITED)
    }

    pub(crate) fn protected(self) -> u16 {
        self.pick(control::DACL_PROTECTED, control::SACL_PROTECTED)
    }

    /// All bits that are about the list.
    pub(crate) fn bits(self) -> u16 {
        self.present() | self.defaulted() | self.auto_inherit_req() | self.auto_inherited() | self.protected()
    }

    fn pick(self, dacl: u16, sacl: u16) -> u16 {
        match self {
            List::Dacl => dacl,
            List::Sacl => sacl,
        }
    }
}

impl Descriptor {
    /// Reads the self-relative form.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Descriptor> {
        if bytes.len() > limits::SECURITY_BYTES {
            return Err(Error::BadSecurity("the descriptor is longer than 64 KiB"));
        }
        let short = Error::BadSecurity("the descriptor is shorter than its header");
        let (Some(revision), Some(manager), Some(control)) = (read_u8(bytes, 0), read_u8(bytes, 1), read_u16(bytes, 2))
        else {
            return Err(short);
        };
        if bytes.len() < HEADER_BYTES {
            return Err(short);
        }
        if revision != REVISION {
            return Err(Error::BadSecurity("the descriptor has an unknown revision"));
        }
        if control & control::SELF_RELATIVE == 0 {
            return Err(Error::BadSecurity("the descriptor is not self-relative"));
        }
        let list = |list: List, header_at| match control & list.present() {
            0 => Ok(None),
            _ => at(bytes, header_at)?.map(Acl::parse).transpose(),
        };
        Ok(Descriptor {
            control: control & !control::SELF_RELATIVE,
            manager,
            owner: at(bytes, 4)?.map(Sid::parse).transpose()?,
            group: at(bytes, 8)?.map(Sid::parse).transpose()?,
            sacl: list(List::Sacl, 12)?,
            dacl: list(List::Dacl, 16)?,
        })
    }

    /// The self-relative form. Fails for lists that are too long, as merging and inheriting can make them.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[0] = REVISION;
        bytes[1] = self.manager;
        bytes[2..4].copy_from_slice(&(self.control | control::SELF_RELATIVE).to_le_bytes());
        for (header_at, sid) in [(4, &self.owner), (8, &self.group)] {
            if let Some(sid) = sid {
                begin_part(&mut bytes, header_at);
                sid.write(&mut bytes);
            }
        }
        for (header_at, acl) in [(12, &self.sacl), (16, &self.dacl)] {
            if let Some(acl) = acl {
                begin_part(&mut bytes, header_at);
                acl.write(&mut bytes)?;
            }
        }
        if bytes.len() > limits::SECURITY_BYTES {
            return Err(Error::BadSecurity("the descriptor is longer than 64 KiB"));
        }
        Ok(bytes)
    }

    pub(crate) fn list(&self, list: List) -> Option<&Acl> {
        match list {
            List::Dacl => self.dacl.as_ref(),
            List::Sacl => self.sacl.as_ref(),
        }
    }

    /// Puts a list there with its control bits; others of its bits are cleared. `None` with the PRESENT bit is a NULL list.
    pub(crate) fn set_list(&mut self, list: List, acl: Option<Acl>, bits: u16) {
        debug_assert!(bits & !list.bits() == 0 && (acl.is_none() || bits & list.present() != 0));
        self.control = self.control & !list.bits() | bits;
        match list {
            List::Dacl => self.dacl = acl,
            List::Sacl => self.sacl = acl,
        }
    }

    pub(crate) fn has(&self, control: u16) -> bool {
        self.control & control != 0
    }
}

/// Notes in the header that a part begins at the end of what is there.
fn begin_part(bytes: &mut Vec<u8>, header_at: usize) {
    align(bytes);
    let offset = bytes.len() as u32;
    bytes[header_at..header_at + 4].copy_from_slice(&offset.to_le_bytes());
}

/// What lies where the header says; `None` where it says 0.
fn at(bytes: &[u8], header_at: usize) -> Result<Option<&[u8]>> {
    match read_u32(bytes, header_at).expect("invariant: the header is there") as usize {
        0 => Ok(None),
        offset if offset < HEADER_BYTES => Err(Error::BadSecurity("a part begins within the header")),
        offset => bytes.get(offset..).map(Some).ok_or(Error::BadSecurity("a part begins beyond the descriptor")),
    }
}

#[cfg(test)]
pub(super) mod tests;
