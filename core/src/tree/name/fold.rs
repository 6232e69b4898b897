//! When two names are one: comparison and hash of folded names, a character at a time, without memory of their own.
//!
//! Case is folded by Unicode simple case folding, one character to one character. NTFS maps each UTF-16 unit to its
//! upper case by a table on the volume instead; the two agree but for a few characters that Unicode has learnt to fold
//! since (the Kelvin sign, the long s, scripts beyond the first 65,536 characters), where ours finds more names equal.
//!
//! APFS compares names by their canonical decomposition (NFD), then folded (Apple File System Reference,
//! `j_drec_hashed_key_t`); we fold simply there as well, so that `ß` and `ss` stay two names. Folding what is decomposed
//! needs no second decomposition: no fold of a decomposed character can be decomposed further, as a test shows for
//! every character there is. Bytes that are no UTF-8 stand for themselves.

use std::hash::Hasher;

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{DecomposingNormalizer, DecomposingNormalizerBorrowed};
use siphasher::sip::SipHasher13;

const FOLDER: CaseMapperBorrowed<'static> = CaseMapper::new();
const DECOMPOSER: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizer::new_nfd();

/// Folded bytes that go to the hasher at once.
const PIECE_BYTES: usize = 64;

/// What is left aside when names are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Exact,
    Case,
    /// Case, and how characters are composed.
    CaseAndSpelling,
}

impl Fold {
    pub(super) fn same(self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Fold::Exact => a == b,
            _ if a.is_ascii() && b.is_ascii() => a.eq_ignore_ascii_case(b),
            Fold::Case => units(a).eq(units(b)),
            Fold::CaseAndSpelling => decomposed_units(a).eq(decomposed_units(b)),
        }
    }

    pub(super) fn hash(self, hasher: &mut SipHasher13, name: &[u8]) {
        match self {
            Fold::Exact => hasher.write(name),
            _ if name.is_ascii() => hash_ascii(hasher, name),
            Fold::Case => hash_units(hasher, units(name)),
            Fold::CaseAndSpelling => hash_units(hasher, decomposed_units(name)),
        }
    }
}

/// One unit of a folded name: a character, or a byte that is part of none.
#[derive(PartialEq, Eq)]
enum Unit {
    Char(char),
    Byte(u8),
}

fn units(name: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    name.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| Unit::Char(fold(c)));
        valid.chain(chunk.invalid().iter().map(|&byte| Unit::Byte(byte)))
    })
}

fn decomposed_units(name: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    name.utf8_chunks().flat_map(|chunk| {
        let valid = DECOMPOSER.normalize_iter(chunk.valid().chars()).map(|c| Unit::Char(fold(c)));
        valid.chain(chunk.invalid().iter().map(|&byte| Unit::Byte(byte)))
    })
}

pub(super) fn fold(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { FOLDER.simple_fold(c) }
}

fn hash_units(hasher: &mut SipHasher13, units: impl Iterator<Item = Unit>) {
    for unit in units {
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
    use super::*;

    #[test]
    fn folding_what_is_decomposed_needs_no_second_decomposition() {
        for c in '\0'..=char::MAX {
            for part in DECOMPOSER.normalize_iter([c].into_iter()) {
                let folded = fold(part);
                assert!(DECOMPOSER.normalize_iter([folded].into_iter()).eq([folded]), "{c:?}: {folded:?}");
                assert_eq!(fold(folded), folded, "{c:?}");
            }
        }
    }
}
