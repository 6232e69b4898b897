//! What a name may be, and when two names are one.
//!
//! Names are bytes. What bytes, and what else than equal bytes makes two names one, is the volume's [`NamePolicy`]:
//! [`check`] refuses what it does not allow, [`fold`] compares and hashes. Bytes that are no UTF-8 fold to
//! themselves, so that every name that can be stored can be found. [`wtf8`] turns names of Windows into bytes and back.
//! Hashes are keyed: each volume draws a key of its own, so nobody can choose names that collide.
//! Which name is stored where is left to [`super::directory`].

mod check;
mod fold;
pub(crate) mod windows_path;
pub(crate) mod wtf8;

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::directory::DISCRIMINATOR_BITS;
use crate::error::Result;
use crate::limits;

/// Bits of a name's hash.
pub(crate) const HASH_BITS: u32 = 56;
/// Set in the keys of entries that the base has.
const BASE_KEY: u64 = 1 << (DISCRIMINATOR_BITS - 1);

/// Whether an entry of a directory over one of the base has its key from there.
pub(crate) fn is_base_key(key: u64) -> bool {
    key & BASE_KEY != 0
}

/// A name, and what a volume's rules make of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashed<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) hash: u64,
}

/// Which names there can be, and when two mean the same entry. Fixed when the volume is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NamePolicy {
    /// Names are up to 255 bytes, any but `/` and NUL; only equal bytes are equal names.
    #[default]
    Posix,
    /// As [`NamePolicy::Posix`], but names that differ only in case are equal (Unicode simple case folding).
    PosixCaseInsensitive,
    /// Names that Windows programs can use: up to 255 UTF-16 units as WTF-8, none of `< > : " / \ | ? *` nor control
    /// characters, no device's name, no dot or space at the end; names that differ only in case are equal (Unicode
    /// simple case folding).
    Windows,
    /// Names as on APFS: up to 255 bytes of UTF-8, any but `/` and NUL; names that differ only in case (Unicode simple
    /// case folding) or are spelled with other but canonically equivalent characters are equal.
    MacOs,
}

impl NamePolicy {
    /// The longest name, in the policy's own units (see [`NamePolicy::counts_utf16`]).
    #[must_use]
    pub fn longest(self) -> usize {
        if self.counts_utf16() { limits::NAME_UNITS } else { limits::NAME_BYTES }
    }

    /// The longest name in bytes.
    #[must_use]
    pub fn longest_bytes(self) -> usize {
        if self.counts_utf16() { limits::NAME_UNITS * limits::UNIT_BYTES } else { limits::NAME_BYTES }
    }

    /// Whether the length of a name is counted in UTF-16 units; in bytes otherwise.
    #[must_use]
    pub fn counts_utf16(self) -> bool {
        match self {
            NamePolicy::Windows => true,
            NamePolicy::Posix | NamePolicy::PosixCaseInsensitive | NamePolicy::MacOs => false,
        }
    }

    /// Whether other bytes than those of a name can find it.
    #[must_use]
    pub fn folds(self) -> bool {
        self.fold() != fold::Fold::Exact
    }

    /// Whether an entry that a rename replaces gives its place to the new name as it is spelled, as Windows and macOS have it;
    /// otherwise the spelling that was there stays, as Linux has it.
    pub(crate) fn respells_what_it_replaces(self) -> bool {
        matches!(self, NamePolicy::Windows | NamePolicy::MacOs)
    }

    fn fold(self) -> fold::Fold {
        match self {
            NamePolicy::Posix => fold::Fold::Exact,
            NamePolicy::PosixCaseInsensitive | NamePolicy::Windows => fold::Fold::Case,
            NamePolicy::MacOs => fold::Fold::CaseAndSpelling,
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
        check::check(self.policy, name)
    }

    /// Whether a path may be this long. Every UTF-16 unit takes at least a byte, so that short paths are not counted.
    pub(crate) fn check_path_length(&self, path: &[u8]) -> Result<()> {
        let fits = path.len() <= limits::PATH_BYTES || {
            let most = limits::PATH_UNITS * limits::UNIT_BYTES;
            self.policy.counts_utf16() && path.len() <= most && wtf8::units(path)? <= limits::PATH_UNITS
        };
        if fits { Ok(()) } else { Err(crate::error::Error::NameTooLong) }
    }

    /// The name with its hash: for who looks for it more than once.
    pub(crate) fn hashed<'a>(&self, name: &'a [u8]) -> Hashed<'a> {
        Hashed { name, hash: self.hash(name) }
    }

    /// Hash of the name, the same for names that are the same: 56 bits, never 0.
    pub(crate) fn hash(&self, name: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.hash_key.0, self.hash_key.1);
        self.policy.fold().hash(&mut hasher, name);
        self.reduce(hasher.finish())
    }

    /// The key of an entry of the base. Made of more bits than [`NameRules::hash`], as nobody keeps two of them apart; it is never
    /// one that a directory gives to a name that the base does not have.
    pub(crate) fn base_key(&self, name: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.hash_key.0, self.hash_key.1);
        self.policy.fold().hash(&mut hasher, name);
        let hash = hasher.finish();
        self.reduce(hash) << DISCRIMINATOR_BITS | BASE_KEY | (hash & (BASE_KEY - 1))
    }

    /// Whether the two are one name.
    pub(crate) fn same(&self, a: &[u8], b: &[u8]) -> bool {
        a == b || self.policy.fold().same(a, b)
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

#[cfg(test)]
mod tests;
