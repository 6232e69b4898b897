//! A directory's entries: a persistent map from names to inodes.
//!
//! A [`Directory`] is a value. A clone takes constant time and shares everything with its original; a change copies
//! what is shared on the way to it, and works in place where nothing is.
//!
//! Entries are ordered by a key, `hash << 7 | discriminator`: the hash of the name, and a small number that tells
//! entries of equal hash apart. An entry keeps its key as long as it lives, whatever comes and goes around it, so the key is
//! also the cookie of a listing: one that goes on after a cookie neither skips nor repeats what was there throughout.
//! Keys are at least [`FIRST_KEY`] and below 2^63, so hosts have room for cookies of `.` and `..`.
//!
//! Small directories are one [`leaf`], larger ones a B+tree of them ([`branch`]).
//! What a name may be and when two are the same is up to [`NameRules`]; link counts, times and locks to the inode.

mod beneath;
mod branch;
mod check;
mod leaf;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use beneath::Beneath;
use branch::{KEY_END, Node};
use leaf::Leaf;

use super::name::{HASH_BITS, Hashed, NameRules, is_base_key};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::reckoning::Reckoning;
use crate::types::{FileKind, InodeId};

/// Bits of a key that tell entries of equal hash apart.
pub(crate) const DISCRIMINATOR_BITS: u32 = 7;
/// Entries whose names have one hash.
pub(crate) const NAMES_OF_ONE_HASH: u64 = 1 << DISCRIMINATOR_BITS;

const _: () = assert!(HASH_BITS + DISCRIMINATOR_BITS == KEY_END.trailing_zeros());

/// One entry of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Its key, also its cookie in listings.
    pub(crate) key: u64,
    pub(crate) inode: InodeId,
    pub(crate) kind: FileKind,
    /// The name as it was given.
    pub(crate) name: &'a [u8],
}

/// What [`Directory::look`] found out about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look<'a> {
    /// There is such an entry.
    Taken(Entry<'a>),
    /// There is none. One would get this key, if there can be one.
    Free(Option<u64>),
}

/// The entries of one version of a directory.
#[derive(Clone)]
pub(crate) struct Directory {
    root: Node,
    subdirectories: u64,
    beneath: Option<Arc<Beneath>>,
}

impl Directory {
    /// An empty directory.
    pub(crate) fn new(ledger: Ledger) -> Directory {
        Directory { root: Node::empty(ledger), subdirectories: 0, beneath: None }
    }

    /// Counts what would go with this holder.
    pub(crate) fn count_sole(&self, reckoning: &mut Reckoning) {
        self.root.count_sole(reckoning);
        if let Some(beneath) = &self.beneath {
            Beneath::count_sole(beneath, reckoning);
        }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        self.root.entries()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entries that are directories.
    pub(crate) fn subdirectories(&self) -> u64 {
        self.subdirectories
    }

    /// Links of the directory: 2, and one more for each subdirectory.
    pub(crate) fn links(&self) -> u32 {
        match &self.beneath {
            None => 2_u32.saturating_add(u32::try_from(self.subdirectories).unwrap_or(u32::MAX)),
            Some(beneath) => beneath.links(self.subdirectories),
        }
    }

    /// What its attributes say about its size: the number of its entries; over a directory of the base what the host says.
    pub(crate) fn size(&self) -> u64 {
        self.beneath.as_ref().map_or(self.len(), |beneath| beneath.size())
    }

    /// The entry of this name.
    pub(crate) fn get(&self, rules: &NameRules, name: &[u8]) -> Option<Entry<'_>> {
        self.get_hashed(rules, rules.hashed(name))
    }

    /// The same.
    pub(crate) fn get_hashed(&self, rules: &NameRules, Hashed { name, hash }: Hashed<'_>) -> Option<Entry<'_>> {
        self.of_hash(hash).find(|entry| rules.same(entry.name, name))
    }

    /// Whether there is an entry of this name, or what [`Directory::add`] needs to make it: so the name is hashed and looked for once.
    pub(crate) fn look(&self, rules: &NameRules, Hashed { name, hash }: Hashed<'_>) -> Look<'_> {
        let (first, mut free) = (hash << DISCRIMINATOR_BITS, 0);
        for entry in self.of_hash(hash) {
            if rules.same(entry.name, name) {
                return Look::Taken(entry);
            }
            free += u64::from(entry.key == first + free);
        }
        // Over a directory of the base names may have keys from there.
        let known = self.beneath.is_none() && free < NAMES_OF_ONE_HASH;
        Look::Free(known.then_some(first + free))
    }

    /// As [`Directory::insert`], after [`Directory::look`] at the same version has answered that the name is free.
    pub(crate) fn add(
        &mut self,
        rules: &NameRules,
        name: &[u8],
        inode: InodeId,
        kind: FileKind,
        free: Option<u64>,
    ) -> Result<u64> {
        debug_assert!(free.is_none_or(|free| self.key_for(rules, name) == Ok(free)), "looked at another version");
        let Some(key) = free else { return self.insert(rules, name, inode, kind) };
        self.put(Entry { key, inode, kind, name });
        Ok(key)
    }

    /// The entry with this key.
    pub(crate) fn by_key(&self, key: u64) -> Option<Entry<'_>> {
        self.range(key, key.saturating_add(1)).next()
    }

    /// The key of the entry of this name; without one, a key after which the entries come that would come after it. (Others of the
    /// same hash are among those: it cannot be known any more on which side of them it was.)
    pub(crate) fn place_of(&self, rules: &NameRules, name: &[u8]) -> u64 {
        let before = (rules.hash(name) << DISCRIMINATOR_BITS) - 1;
        self.get(rules, name).map_or(before, |entry| entry.key)
    }

    /// Adds an entry and answers with its key. The name must have passed [`NameRules::check`] and must not be taken.
    pub(crate) fn insert(&mut self, rules: &NameRules, name: &[u8], inode: InodeId, kind: FileKind) -> Result<u64> {
        debug_assert!(rules.check(name).is_ok() && self.get(rules, name).is_none());
        let key = self.key_for(rules, name)?;
        self.put(Entry { key, inode, kind, name });
        Ok(key)
    }

    /// Adds an entry under the key that it has in another version of the directory, or under another when that is taken.
    /// Answers the key. The name must not be taken.
    pub(crate) fn put_back(&mut self, rules: &NameRules, entry: Entry<'_>) -> Result<u64> {
        if self.by_key(entry.key).is_some() {
            return self.insert(rules, entry.name, entry.inode, entry.kind);
        }
        if let Some(beneath) = self.beneath.as_mut().filter(|_| is_base_key(entry.key)) {
            Arc::make_mut(beneath).cover(entry.kind);
        }
        self.put(entry);
        Ok(entry.key)
    }

    fn put(&mut self, entry: Entry<'_>) {
        self.root.insert_at_root(entry);
        self.subdirectories += counts(entry.kind);
    }

    /// Removes the entry with this key and answers with what it meant.
    pub(crate) fn remove(&mut self, key: u64) -> Option<(InodeId, FileKind)> {
        let (inode, kind) = self.root.remove_at_root(key)?;
        self.subdirectories -= counts(kind);
        Some((inode, kind))
    }

    /// Lets the entry with this key mean another inode; its name stays. Answers with what it meant before.
    pub(crate) fn replace(&mut self, key: u64, inode: InodeId, kind: FileKind) -> Option<(InodeId, FileKind)> {
        let old = self.by_key(key).map(|entry| (entry.inode, entry.kind))?;
        self.root.update_at_root(key, |leaf, index| leaf.replace(index, inode, kind));
        self.subdirectories = self.subdirectories - counts(old.1) + counts(kind);
        Some(old)
    }

    /// Spells the name of the entry with this key differently: both must be the same by the volume's rules.
    /// Answers whether there is such an entry.
    pub(crate) fn rename_in_place(&mut self, key: u64, name: &[u8]) -> bool {
        let found = self.by_key(key).is_some();
        if found {
            self.root.update_at_root(key, |leaf, index| leaf.rename(index, name));
        }
        found
    }

    /// The entries whose keys are greater, in the order of their keys; 0 begins at the start.
    pub(crate) fn iter_after(&self, key: u64) -> Entries<'_> {
        self.range(key.saturating_add(1), KEY_END)
    }

    /// What the entries take on the heap, whether shared with other versions or not. In constant time.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.root.heap_bytes()
    }

    /// Nodes that the entries are spread over.
    #[cfg(test)]
    pub(crate) fn node_count(&self) -> usize {
        self.root.count()
    }

    fn of_hash(&self, hash: u64) -> Entries<'_> {
        let first = hash << DISCRIMINATOR_BITS;
        self.range(first, first + NAMES_OF_ONE_HASH)
    }

    /// A name of the base has the key that it has there, so that what comes back to it is where it was.
    fn key_for(&self, rules: &NameRules, name: &[u8]) -> Result<u64> {
        match &self.beneath {
            Some(beneath) if beneath.hides(rules, name) => self.unused(rules.base_key(name)),
            _ => self.free_key(rules.hash(name)),
        }
    }

    /// The key, if no entry has it.
    fn unused(&self, key: u64) -> Result<u64> {
        match self.by_key(key) {
            Some(_) => Err(Error::Limit("names of one hash")),
            None => Ok(key),
        }
    }

    /// The smallest key of this hash that no entry has.
    fn free_key(&self, hash: u64) -> Result<u64> {
        let first = hash << DISCRIMINATOR_BITS;
        let taken = self.of_hash(hash).zip(first..).take_while(|(entry, key)| entry.key == *key);
        // The upper half belongs to names of the base.
        let most = if self.beneath.is_some() { NAMES_OF_ONE_HASH / 2 } else { NAMES_OF_ONE_HASH };
        match taken.count() as u64 {
            taken if taken >= most => Err(Error::Limit("names of one hash")),
            discriminator => Ok(first + discriminator),
        }
    }

    /// Entries with keys from `first` to below `end`.
    fn range(&self, first: u64, end: u64) -> Entries<'_> {
        let end = end.min(KEY_END);
        let place = self.root.seek(first.min(KEY_END - 1));
        let index = place.leaf.position(first, place.range);
        Entries { root: &self.root, leaf: place.leaf, index, leaf_end: place.range.high, end }
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn counts(kind: FileKind) -> u64 {
    u64::from(kind == FileKind::Directory)
}

/// Entries of a directory in the order of their keys. Allocates nothing: it looks for the next leaf from the root, once
/// per leaf.
pub(crate) struct Entries<'a> {
    root: &'a Node,
    leaf: &'a Leaf,
    index: usize,
    /// The keys of the leaf are below this, those of the next one are not.
    leaf_end: u64,
    /// Where to stop.
    end: u64,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some(entry) = self.leaf.entry(self.index) {
                self.index += 1;
                return (entry.key < self.end).then_some(entry);
            }
            if self.leaf_end >= self.end {
                return None;
            }
            let place = self.root.seek(self.leaf_end);
            (self.leaf, self.index, self.leaf_end) = (place.leaf, 0, place.range.high);
        }
    }
}
