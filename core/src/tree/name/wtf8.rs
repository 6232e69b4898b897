//! Names and paths between UTF-16 and bytes, without loss.
//!
//! Windows names are any sequence of 16-bit units, unpaired surrogates among them. WTF-8 writes those as UTF-8 would
//! if it allowed them, and all else as UTF-8, so that a name's bytes are the ones that every other system sees.
//! Each sequence of units has one spelling: bytes that write a pair of surrogates as two are refused, as are those
//! that no units stand for. (The WTF-8 encoding, <https://simonsapin.github.io/wtf-8/>.)

use crate::error::{Error, Result};

/// First unit of the range of surrogates.
const SURROGATES: u16 = 0xD800;
/// First unit of the second half: those that end a pair.
const LOW_SURROGATES: u16 = 0xDC00;
const SURROGATE_BYTES: usize = 3;

/// What WTF-8 consists of.
enum Piece<'a> {
    Text(&'a str),
    /// A surrogate that has no partner.
    Lone(u16),
}

/// Splits bytes into pieces; an error ends them.
struct Pieces<'a> {
    rest: &'a [u8],
    /// Whether the piece before was a surrogate that could begin a pair.
    after_high: bool,
}

fn pieces(bytes: &[u8]) -> Pieces<'_> {
    Pieces { rest: bytes, after_high: false }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>>;

    fn next(&mut self) -> Option<Result<Piece<'a>>> {
        let text = valid_prefix(self.rest);
        if !text.is_empty() {
            self.rest = &self.rest[text.len()..];
            self.after_high = false;
            return Some(Ok(Piece::Text(text)));
        }
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        if let Some(unit) = bytes.first_chunk().and_then(surrogate)
            && !(self.after_high && unit >= LOW_SURROGATES)
        {
            self.rest = &bytes[SURROGATE_BYTES..];
            self.after_high = unit < LOW_SURROGATES;
            return Some(Ok(Piece::Lone(unit)));
        }
        Some(Err(Error::BadUtf8))
    }
}

/// The longest beginning that is UTF-8.
fn valid_prefix(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("invariant: valid up to there, it was just said")
        }
    }
}

/// The surrogate that three bytes stand for.
fn surrogate(bytes: &[u8; SURROGATE_BYTES]) -> Option<u16> {
    match *bytes {
        [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF] => {
            Some(0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F))
        }
        _ => None,
    }
}

/// How many UTF-16 units the bytes stand for; an error if they stand for none.
pub(crate) fn units(bytes: &[u8]) -> Result<usize> {
    if bytes.is_ascii() {
        return Ok(bytes.len());
    }
    pieces(bytes).try_fold(0, |units, piece| {
        Ok(units
            + match piece? {
                Piece::Text(text) => text.chars().map(char::len_utf16).sum(),
                Piece::Lone(_) => 1,
            })
    })
}

/// The UTF-16 units that the bytes stand for.
pub(crate) fn to_utf16(bytes: &[u8]) -> Result<Vec<u16>> {
    let mut units = Vec::with_capacity(bytes.len());
    extend_utf16(bytes, &mut units)?;
    Ok(units)
}

/// Adds the UTF-16 units that the bytes stand for.
pub(crate) fn extend_utf16(bytes: &[u8], units: &mut Vec<u16>) -> Result<()> {
    for piece in pieces(bytes) {
        match piece? {
            Piece::Text(text) => units.extend(text.encode_utf16()),
            Piece::Lone(unit) => units.push(unit),
        }
    }
    Ok(())
}

/// The bytes that stand for the units. Any units have some.
pub(crate) fn from_utf16(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => bytes.extend_from_slice(&surrogate_bytes(lone.unpaired_surrogate())),
        }
    }
    bytes
}

fn surrogate_bytes(unit: u16) -> [u8; SURROGATE_BYTES] {
    debug_assert!(unit >= SURROGATES);
    [0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_utf8_and_counts_as_windows_counts() {
        for (text, length) in [("", 0), ("abc", 3), ("Grüße", 5), ("名前", 2), ("🌲x", 3)] {
            let utf16: Vec<u16> = text.encode_utf16().collect();
            assert_eq!(from_utf16(&utf16), text.as_bytes());
            assert_eq!(to_utf16(text.as_bytes()), Ok(utf16));
            assert_eq!(units(text.as_bytes()), Ok(length), "{text}");
        }
    }

    #[test]
    fn an_unpaired_surrogate_is_kept() {
        for utf16 in [&[0xD800_u16][..], &[0xDFFF, 0xD800], &[0x61, 0xDBFF, 0x62], &[0xDC00, 0xDC00], &[0xD800, 0xD800]]
        {
            let bytes = from_utf16(utf16);
            assert!(std::str::from_utf8(&bytes).is_err());
            assert_eq!(to_utf16(&bytes).as_deref(), Ok(utf16));
            assert_eq!(units(&bytes), Ok(utf16.len()));
        }
        assert_eq!(from_utf16(&[0xD800]), b"\xED\xA0\x80");
        assert_eq!(from_utf16(&[0xDFFF]), b"\xED\xBF\xBF");
    }

    #[test]
    fn a_pair_of_surrogates_has_only_its_utf8_spelling() {
        assert_eq!(from_utf16(&[0xD83C, 0xDF32]), "🌲".as_bytes());
        assert_eq!(to_utf16(b"\xED\xA0\xBC\xED\xBC\xB2"), Err(Error::BadUtf8));
        assert_eq!(units(b"x\xED\xA0\xBC\xED\xBC\xB2"), Err(Error::BadUtf8));
    }

    #[test]
    fn bytes_that_no_units_stand_for_are_refused() {
        for bytes in [&b"\xFF"[..], b"a\x80", b"\xC3", b"\xED\xA0", b"\xED\xA0x", b"\xC0\x80", b"\xF4\x90\x80\x80"] {
            assert_eq!(to_utf16(bytes), Err(Error::BadUtf8), "{bytes:x?}");
            assert_eq!(units(bytes), Err(Error::BadUtf8), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_units_come_back(utf16 in proptest::collection::vec(
            prop_oneof![any::<u16>(), 0xD800_u16..0xE000, 0x20_u16..0x7F], 0..40))
        {
            let bytes = from_utf16(&utf16);
            prop_assert_eq!(units(&bytes), Ok(utf16.len()));
            prop_assert_eq!(to_utf16(&bytes), Ok(utf16));
        }

        #[test]
        fn any_bytes_that_are_taken_come_back(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0xED_u8), 0xA0_u8..0xC0, 0x80_u8..0xA0], 0..12))
        {
            match to_utf16(&bytes) {
                Ok(utf16) => {
                    prop_assert_eq!(units(&bytes), Ok(utf16.len()));
                    prop_assert_eq!(from_utf16(&utf16), bytes);
                }
                Err(error) => {
                    prop_assert_eq!(&error, &Error::BadUtf8);
                    prop_assert_eq!(units(&bytes), Err(Error::BadUtf8));
                }
            }
        }
    }
}
