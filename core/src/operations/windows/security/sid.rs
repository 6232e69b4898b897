//! Security identifiers: who (\[MS-DTYP\] 2.4.2).

use std::fmt;

use super::super::bytes::{part, read_u32};
use crate::error::{Error, Result};

/// Most numbers after the authority.
const MOST_PARTS: usize = 15;
/// Revision, how many parts, authority.
const HEADER_BYTES: usize = 8;
const REVISION: u8 = 1;

/// One account, group or other principal: `S-1-authority-part-part…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid {
    /// 48 bits.
    authority: u64,
    count: u8,
    /// Those from `count` on are 0.
    parts: [u32; MOST_PARTS],
}

/// The principals that every Windows knows (\[MS-DTYP\] 2.4.2.4).
pub(crate) mod well_known {
    use super::Sid;

    #[cfg(test)]
    pub(crate) const NULL: Sid = Sid::new(0, &[0]);
    pub(crate) const WORLD: Sid = Sid::new(1, &[0]);
    pub(crate) const CREATOR_OWNER: Sid = Sid::new(3, &[0]);
    pub(crate) const CREATOR_GROUP: Sid = Sid::new(3, &[1]);
    pub(crate) const OWNER_RIGHTS: Sid = Sid::new(3, &[4]);
    pub(crate) const AUTHENTICATED_USERS: Sid = Sid::new(5, &[11]);
    pub(crate) const SYSTEM: Sid = Sid::new(5, &[18]);
    pub(crate) const LOCAL_SERVICE: Sid = Sid::new(5, &[19]);
    pub(crate) const NETWORK_SERVICE: Sid = Sid::new(5, &[20]);
    pub(crate) const ADMINISTRATORS: Sid = Sid::new(5, &[32, 544]);
    #[cfg(test)]
    pub(crate) const USERS: Sid = Sid::new(5, &[32, 545]);
}

impl Sid {
    /// From its numbers.
    ///
    /// # Panics
    /// With more than 15 parts, or an authority beyond 48 bits.
    #[must_use]
    pub const fn new(authority: u64, parts: &[u32]) -> Sid {
        assert!(parts.len() <= MOST_PARTS && authority >> 48 == 0);
        let mut sid = Sid { authority, count: parts.len() as u8, parts: [0; MOST_PARTS] };
        let mut index = 0;
        while index < parts.len() {
            sid.parts[index] = parts[index];
            index += 1;
        }
        sid
    }

    /// The identifier that the bytes begin with.
    ///
    /// Errors: [`Error::BadSecurity`].
    pub fn parse(bytes: &[u8]) -> Result<Sid> {
        let short = Error::BadSecurity("an identifier ends beyond its place");
        let Some(&[revision, count, a, b, c, d, e, f]) = bytes.first_chunk() else {
            return Err(short);
        };
        if revision != REVISION {
            return Err(Error::BadSecurity("an identifier has an unknown revision"));
        }
        if usize::from(count) > MOST_PARTS {
            return Err(Error::BadSecurity("an identifier has more than 15 parts"));
        }
        let Some(numbers) = part(bytes, HEADER_BYTES, usize::from(count) * 4) else {
            return Err(short);
        };
        let mut parts = [0; MOST_PARTS];
        for (index, number) in parts.iter_mut().enumerate().take(count.into()) {
            *number = read_u32(numbers, index * 4).expect("invariant: so many numbers are there");
        }
        Ok(Sid { authority: u64::from_be_bytes([0, 0, a, b, c, d, e, f]), count, parts })
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&[REVISION, self.count]);
        bytes.extend_from_slice(&self.authority.to_be_bytes()[2..]);
        for part in self.parts() {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
    }

    /// How long it is when written.
    pub(crate) fn written_bytes(&self) -> usize {
        HEADER_BYTES + self.parts().len() * 4
    }

    pub(crate) fn authority(&self) -> u64 {
        self.authority
    }

    pub(crate) fn parts(&self) -> &[u32] {
        &self.parts[..usize::from(self.count)]
    }
}

/// As Windows writes it: authorities beyond 32 bits in hexadecimal.
impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authority {
            0..=0xFFFF_FFFF => write!(f, "S-1-{}", self.authority)?,
            _ => write!(f, "S-1-0x{:012X}", self.authority)?,
        }
        self.parts().iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_the_layout_of_sid_and_is_written_as_windows_does() {
        let mut bytes = Vec::new();
        well_known::ADMINISTRATORS.write(&mut bytes);
        assert_eq!(bytes, [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0]);
        assert_eq!(bytes.len(), well_known::ADMINISTRATORS.written_bytes());
        assert_eq!(Sid::parse(&bytes), Ok(well_known::ADMINISTRATORS));
        assert_eq!(well_known::ADMINISTRATORS.to_string(), "S-1-5-32-544");
        assert_eq!(Sid::new(1 << 40, &[]).to_string(), "S-1-0x010000000000");
    }

    #[test]
    fn malformed_identifiers_say_what_is_wrong() {
        let why = |bytes: &[u8]| match Sid::parse(bytes) {
            Err(Error::BadSecurity(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(why(&[]).contains("beyond"));
        assert!(why(&[1, 1, 0, 0, 0, 0, 0, 5, 0, 0, 0]).contains("beyond"));
        assert!(why(&[2, 0, 0, 0, 0, 0, 0, 5]).contains("revision"));
        assert!(why(&[1, 16, 0, 0, 0, 0, 0, 5]).contains("15 parts"));
        assert!(Sid::parse(&[1, 0, 0, 0, 0, 0, 0, 5]).is_ok());
    }
}
