//! What a name may be, and when two names are one.
//!
//! Names are bytes. A policy that ignores case compares them by Unicode simple case folding, one character to
//! one character; bytes that are no UTF-8 fold to themselves, so that every name that can be stored can be found.
//! Hashes are keyed: each volume draws a key of its own, so nobody can choose names that collide.
//! Which name is stored where is left to [`super::directory`].

use std::hash::Hasher;

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use siphasher::sip::SipHasher13;

use crate::error::{Error, Result};
use crate::limits;

/// Bits of a name's hash.
pub(crate) const HASH_BITS: u32 = 56;

/// Folded bytes that go to the hasher at once.
const PIECE_BYTES: usize = 64;

/// When two names mean the same entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NamePolicy {
    /// Names are bytes; only equal bytes are equal names.
    #[default]
    Posix,
    /// As [`NamePolicy::Posix`], but names that differ only in case are equal (Unicode simple case folding).
    PosixCaseInsensitive,
}

impl NamePolicy {
    fn ignores_case(self) -> bool {
        match self {
            NamePolicy::Posix => false,
            NamePolicy::PosixCaseInsensitive => true,
        }
    }
}

/// The rules for names of one volume: its policy, and the key of its hashes.
#[derive(Clone)]
pub(crate) struct NameRules {
    policy: NamePolicy,
    hash_key: (u64, u64),
    /// Tests force collisions with this.
    #[cfg(test)]
    hash_mask: u64,
}

impl NameRules {
    pub(crate) fn new(policy: NamePolicy, hash_key: (u64, u64)) -> NameRules {
        NameRules {
            policy,
            hash_key,
            #[cfg(test)]
            hash_mask: u64::MAX,
        }
    }

    /// Rules whose hashes have only so many bits.
    #[cfg(test)]
    pub(crate) fn colliding(policy: NamePolicy, bits: u32) -> NameRules {
        NameRules { hash_mask: (1 << bits) - 1, ..NameRules::new(policy, (1, 2)) }
    }

    pub(crate) fn policy(&self) -> NamePolicy {
        self.policy
    }

    /// Whether an entry may have this name.
    pub(crate) fn check(&self, name: &[u8]) -> Result<()> {
        match name {
            b"" => return Err(Error::Invalid("the name is empty")),
            b"." | b".." => {
                return Err(Error::Invalid("the names . and .. are taken by the system"));
            }
            _ => {}
        }
        if name.len() > limits::NAME_BYTES {
            return Err(Error::NameTooLong);
        }
        if name.iter().any(|&byte| byte == b'/' || byte == 0) {
            return Err(Error::Invalid("a name holds neither / nor NUL"));
        }
        Ok(())
    }

    /// Hash of the name, the same for names that are the same: 56 bits, never 0.
    pub(crate) fn hash(&self, name: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.hash_key.0, self.hash_key.1);
        if self.policy.ignores_case() {
            hash_folded(&mut hasher, name);
        } else {
            hasher.write(name);
        }
        self.reduce(hasher.finish())
    }

    /// Whether the two are one name.
    pub(crate) fn same(&self, a: &[u8], b: &[u8]) -> bool {
        a == b || self.policy.ignores_case() && same_folded(a, b)
    }

    #[cfg(not(test))]
    fn reduce(&self, hash: u64) -> u64 {
        (hash >> (u64::BITS - HASH_BITS)).max(1)
    }

    #[cfg(test)]
    fn reduce(&self, hash: u64) -> u64 {
        ((hash >> (u64::BITS - HASH_BITS)) & self.hash_mask).max(1)
    }
}

/// One unit of a folded name: a character, or a byte that is part of none.
#[derive(PartialEq, Eq)]
enum Unit {
    Char(char),
    Byte(u8),
}

const FOLDER: CaseMapperBorrowed<'static> = CaseMapper::new();

fn folded(name: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    name.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| Unit::Char(fold(c)));
        valid.chain(chunk.invalid().iter().map(|&byte| Unit::Byte(byte)))
    })
}

fn fold(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { FOLDER.simple_fold(c) }
}

fn same_folded(a: &[u8], b: &[u8]) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { folded(a).eq(folded(b)) }
}

fn hash_folded(hasher: &mut SipHasher13, name: &[u8]) {
    if name.is_ascii() {
        hash_ascii(hasher, name);
        return;
    }
    for unit in folded(name) {
        match unit {
            Unit::Char(c) => hasher.write(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unit::Byte(byte) => hasher.write(&[byte]),
        }
    }
}

fn hash_ascii(hasher: &mut SipHasher13, name: &[u8]) {
    let mut buffer = [0; PIECE_BYTES];
    for piece in name.chunks(PIECE_BYTES) {
        let lower = &mut buffer[..piece.len()];
        lower.copy_from_slice(piece);
        lower.make_ascii_lowercase();
        hasher.write(lower);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact() -> NameRules {
        NameRules::new(NamePolicy::Posix, (3, 4))
    }

    fn folding() -> NameRules {
        NameRules::new(NamePolicy::PosixCaseInsensitive, (3, 4))
    }

    fn one_name(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
        let (a, b) = (a.as_ref(), b.as_ref());
        let same = folding().same(a, b);
        assert_eq!(same, folding().same(b, a));
        assert!(!same || folding().hash(a) == folding().hash(b));
        same
    }

    #[test]
    fn names_that_no_entry_can_have_are_refused() {
        for rules in [exact(), folding()] {
            for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0", b"\0"] {
                assert!(matches!(rules.check(name), Err(Error::Invalid(_))), "{name:?}");
            }
            for name in [&b"..."[..], b".a", b"a.", b" ", b"\xff\xfe", b"\\", b"a:b"] {
                assert_eq!(rules.check(name), Ok(()), "{name:?}");
            }
        }
    }

    #[test]
    fn a_name_of_255_bytes_passes_and_one_of_256_does_not() {
        assert_eq!(exact().check(&[b'a'; limits::NAME_BYTES]), Ok(()));
        assert_eq!(exact().check(&[b'a'; limits::NAME_BYTES + 1]), Err(Error::NameTooLong));
    }

    #[test]
    fn posix_names_are_compared_byte_by_byte() {
        assert!(exact().same(b"a", b"a"));
        assert!(!exact().same(b"a", b"A"));
        assert_ne!(exact().hash(b"a"), exact().hash(b"A"));
    }

    #[test]
    fn hashes_have_56_bits_are_never_0_and_depend_on_the_key() {
        for i in 0..1000_u32 {
            let hash = exact().hash(&i.to_le_bytes());
            assert!(hash != 0 && hash >> HASH_BITS == 0);
        }
        assert_eq!(exact().reduce(0), 1);
        assert_eq!(exact().reduce(u64::MAX), (1 << HASH_BITS) - 1);
        let other = NameRules::new(NamePolicy::Posix, (3, 5));
        assert_ne!(exact().hash(b"name"), other.hash(b"name"));
    }

    #[test]
    fn case_is_ignored_in_every_script_that_has_it() {
        assert!(one_name("README.md", "readme.MD"));
        assert!(one_name("ÄÖÜ", "äöü"));
        assert!(one_name("ЖУК", "жук"));
        assert!(one_name("ẞ", "ß"));
        assert!(one_name("ΟΔΟΣ", "οδος") && one_name("οδος", "οδοσ"));
        assert!(one_name("\u{212a}elvin", "Kelvin"), "the Kelvin sign is longer than k");
        assert!(one_name("\u{23a}", "\u{2c65}"), "folding may lengthen a name");
        assert!(one_name("a".repeat(200), "A".repeat(200)));
        assert!(one_name(format!("{}ſ", "a".repeat(200)), format!("{}S", "A".repeat(200))));
    }

    #[test]
    fn simple_folding_keeps_one_character_one_character() {
        assert!(!one_name("ß", "ss"));
        assert!(!one_name("İ", "i"));
        assert!(!one_name("İ", "ı"));
        assert!(!one_name("ı", "I"));
        assert!(one_name("I", "i"));
        assert!(!one_name("ﬀ", "ff"));
    }

    #[test]
    fn bytes_that_are_no_utf8_fold_to_themselves() {
        assert!(one_name(b"A\xff\xc3Z", b"a\xff\xc3z"));
        assert!(!one_name(b"a\xff", b"a\xfe"));
        assert!(!one_name(b"\xc3", b"\xe3"));
        assert!(!one_name(b"\xe2\x84", b"\xe2\x84\xaa"));
        assert!(one_name(b"\xe2\x84\xe2\x84\xaa", b"\xe2\x84k"));
    }

    proptest! {
        #[test]
        fn the_upper_case_of_ascii_is_the_same_name(name in proptest::collection::vec(any::<u8>(), 1..100)) {
            prop_assert!(one_name(&name, name.to_ascii_uppercase()));
        }

        #[test]
        fn names_that_fold_alike_are_the_same_and_hash_alike(name in "\\PC{1,40}") {
            let folded: String = name.chars().map(fold).collect();
            prop_assert!(one_name(&name, folded));
        }
    }
}
