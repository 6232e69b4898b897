//! Access control lists and their entries (\[MS-DTYP\] 2.4.4 and 2.4.5).

use super::super::bytes::{part, read_u8, read_u16, read_u32};
use super::sid::Sid;
use crate::error::{Error, Result};

/// Types of entries.
pub(crate) mod kind {
    pub(crate) const ALLOWED: u8 = 0x00;
    pub(crate) const DENIED: u8 = 0x01;
    pub(crate) const AUDIT: u8 = 0x02;
    pub(crate) const ALARM: u8 = 0x03;
    pub(crate) const ALLOWED_OBJECT: u8 = 0x05;
    pub(crate) const DENIED_OBJECT: u8 = 0x06;
    pub(crate) const AUDIT_OBJECT: u8 = 0x07;
    pub(crate) const ALARM_OBJECT: u8 = 0x08;
    pub(crate) const ALLOWED_CALLBACK: u8 = 0x09;
    pub(crate) const DENIED_CALLBACK: u8 = 0x0A;
    pub(crate) const ALLOWED_CALLBACK_OBJECT: u8 = 0x0B;
    pub(crate) const DENIED_CALLBACK_OBJECT: u8 = 0x0C;
    pub(crate) const AUDIT_CALLBACK: u8 = 0x0D;
    pub(crate) const ALARM_CALLBACK: u8 = 0x0E;
    pub(crate) const AUDIT_CALLBACK_OBJECT: u8 = 0x0F;
    pub(crate) const ALARM_CALLBACK_OBJECT: u8 = 0x10;
    pub(crate) const MANDATORY_LABEL: u8 = 0x11;
    pub(crate) const RESOURCE_ATTRIBUTE: u8 = 0x12;
    pub(crate) const SCOPED_POLICY: u8 = 0x13;
}

/// Flags of entries: how they are inherited.
pub(crate) mod flag {
    /// By files.
    pub(crate) const OBJECT_INHERIT: u8 = 0x01;
    /// By directories.
    pub(crate) const CONTAINER_INHERIT: u8 = 0x02;
    /// By what is made in the directory, and not by what is made in that.
    pub(crate) const NO_PROPAGATE: u8 = 0x04;
    /// It says nothing about the directory that has it.
    pub(crate) const INHERIT_ONLY: u8 = 0x08;
    /// It came from the directory above.
    pub(crate) const INHERITED: u8 = 0x10;
    /// All that say how it is passed on.
    pub(crate) const PASSING: u8 = OBJECT_INHERIT | CONTAINER_INHERIT | NO_PROPAGATE | INHERIT_ONLY;
}

const HEADER_BYTES: usize = 8;
const ENTRY_HEADER_BYTES: usize = 4;
const GUID_BYTES: usize = 16;
const REVISIONS: std::ops::RangeInclusive<u8> = 2..=4;
/// The revision of lists without entries for types of objects.
pub(crate) const REVISION: u8 = 2;
const OBJECT_PRESENT: u32 = 1;
const INHERITED_PRESENT: u32 = 2;

/// A list of entries, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acl {
    pub(crate) revision: u8,
    pub(crate) aces: Vec<Ace>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ace {
    /// What it does: [`kind`].
    pub(crate) kind: u8,
    /// How it is inherited: [`flag`]; and for audits, of what.
    pub(crate) flags: u8,
    pub(crate) body: Body,
}

/// What follows an entry's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Of a known type.
    Entry(Entry),
    /// Kept as it is, and without effect.
    Unknown(Vec<u8>),
}

/// To whom an entry of a known type gives or denies what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mask: u32,
    /// Of entries for types of objects, which files do not have.
    pub(crate) object: Option<ObjectTypes>,
    pub(crate) sid: Sid,
    /// A condition, a claim: kept as it is. A multiple of 4 bytes.
    pub(crate) data: Vec<u8>,
}

/// The types of objects that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectTypes {
    pub(crate) object: Option<[u8; GUID_BYTES]>,
    pub(crate) inherited: Option<[u8; GUID_BYTES]>,
}

impl Acl {
    pub(crate) fn new(aces: Vec<Ace>) -> Acl {
        Acl { revision: REVISION, aces }
    }

    /// The list that the bytes begin with.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Acl> {
        let short = Error::BadSecurity("a list ends beyond the descriptor");
        let (Some(revision), Some(size), Some(count)) = (read_u8(bytes, 0), read_u16(bytes, 2), read_u16(bytes, 4))
        else {
            return Err(short);
        };
        if !REVISIONS.contains(&revision) {
            return Err(Error::BadSecurity("a list has an unknown revision"));
        }
        let Some(mut rest) = bytes.get(HEADER_BYTES..usize::from(size)) else {
            return Err(short);
        };
        // The count is checked against what is there, not trusted for the memory it would take.
        let mut aces = Vec::with_capacity(usize::from(count).min(rest.len() / ENTRY_HEADER_BYTES));
        for _ in 0..count {
            let (ace, size) = Ace::parse(rest)?;
            rest = &rest[size..];
            aces.push(ace);
        }
        Ok(Acl { revision, aces })
    }

    /// Fails for a list that is longer than its own size can say.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        bytes.extend_from_slice(&[self.revision, 0, 0, 0]);
        bytes.extend_from_slice(&(self.aces.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        for ace in &self.aces {
            ace.write(bytes)?;
        }
        let size =
            u16::try_from(bytes.len() - start).map_err(|_| Error::BadSecurity("a list is longer than 64 KiB"))?;
        bytes[start + 2..start + 4].copy_from_slice(&size.to_le_bytes());
        Ok(())
    }
}

impl Ace {
    /// An entry without conditions.
    pub(crate) fn plain(kind: u8, flags: u8, mask: u32, sid: Sid) -> Ace {
        Ace { kind, flags, body: Body::Entry(Entry { mask, object: None, sid, data: Vec::new() }) }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What it says, if its type is known.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        match &self.body {
            Body::Entry(entry) => Some(entry),
            Body::Unknown(_) => None,
        }
    }

    fn parse(bytes: &[u8]) -> Result<(Ace, usize)> {
        let short = Error::BadSecurity("an entry ends beyond its list");
        let (Some(kind), Some(flags), Some(size)) = (read_u8(bytes, 0), read_u8(bytes, 1), read_u16(bytes, 2)) else {
            return Err(short);
        };
        let size = usize::from(size);
        if size < ENTRY_HEADER_BYTES || !size.is_multiple_of(4) {
            return Err(Error::BadSecurity("an entry's size is less than its header's, or no multiple of 4"));
        }
        let body = bytes.get(ENTRY_HEADER_BYTES..size).ok_or(short)?;
        let body = match shape(kind) {
            Shape::Plain => Body::Entry(Entry::parse(body, false)?),
            Shape::Object => Body::Entry(Entry::parse(body, true)?),
            Shape::Unknown => Body::Unknown(body.to_vec()),
        };
        Ok((Ace { kind, flags, body }, size))
    }

    fn write(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        bytes.extend_from_slice(&[self.kind, self.flags, 0, 0]);
        match &self.body {
            Body::Entry(entry) => entry.write(bytes),
            Body::Unknown(body) => bytes.extend_from_slice(body),
        }
        let size =
            u16::try_from(bytes.len() - start).map_err(|_| Error::BadSecurity("an entry is longer than 64 KiB"))?;
        debug_assert!(size.is_multiple_of(4));
        bytes[start + 2..start + 4].copy_from_slice(&size.to_le_bytes());
        Ok(())
    }
}

impl Entry {
    fn parse(body: &[u8], for_objects: bool) -> Result<Entry> {
        let short = Error::BadSecurity("an entry is too short for its type");
        let mask = read_u32(body, 0).ok_or(short.clone())?;
        let (object, sid_at) = if for_objects { ObjectTypes::parse(body).ok_or(short.clone())? } else { (None, 4) };
        let sid = Sid::parse(body.get(sid_at..).ok_or(short)?)?;
        let data = body[sid_at + sid.written_bytes()..].to_vec();
        Ok(Entry { mask, object, sid, data })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.mask.to_le_bytes());
        if let Some(object) = &self.object {
            object.write(bytes);
        }
        self.sid.write(bytes);
        bytes.extend_from_slice(&self.data);
    }
}

impl ObjectTypes {
    /// The types, and where the identifier begins after them.
    fn parse(body: &[u8]) -> Option<(Option<ObjectTypes>, usize)> {
        let present = read_u32(body, 4)?;
        let mut at = 8;
        let mut guid = |flag: u32| {
            if present & flag == 0 {
                return Some(None);
            }
            at += GUID_BYTES;
            part(body, at - GUID_BYTES, GUID_BYTES)?.first_chunk().copied().map(Some)
        };
        let types = ObjectTypes { object: guid(OBJECT_PRESENT)?, inherited: guid(INHERITED_PRESENT)? };
        Some((Some(types), at))
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let flag = |there: bool, flag: u32| if there { flag } else { 0 };
        let present = flag(self.object.is_some(), OBJECT_PRESENT) | flag(self.inherited.is_some(), INHERITED_PRESENT);
        bytes.extend_from_slice(&present.to_le_bytes());
        for guid in [self.object, self.inherited].iter().flatten() {
            bytes.extend_from_slice(guid);
        }
    }
}

enum Shape {
    Plain,
    Object,
    Unknown,
}

fn shape(kind: u8) -> Shape {
    use kind::*;
    match kind {
        ALLOWED | DENIED | AUDIT | ALARM | ALLOWED_CALLBACK | DENIED_CALLBACK | AUDIT_CALLBACK | ALARM_CALLBACK => {
            Shape::Plain
        }
        MANDATORY_LABEL | RESOURCE_ATTRIBUTE | SCOPED_POLICY => Shape::Plain,
        ALLOWED_OBJECT | DENIED_OBJECT | AUDIT_OBJECT | ALARM_OBJECT => Shape::Object,
        ALLOWED_CALLBACK_OBJECT | DENIED_CALLBACK_OBJECT | AUDIT_CALLBACK_OBJECT | ALARM_CALLBACK_OBJECT => {
            Shape::Object
        }
        _ => Shape::Unknown,
    }
}
