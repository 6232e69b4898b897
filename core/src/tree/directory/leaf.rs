//! A leaf: up to [`CAPACITY`] entries in one allocation.
//!
//! Layout: a header (entries and slots: u8 each; bytes of names, and of those that are nobody's any more: 20 bits each), then the
//! slots, sorted by key, then the names, in any order. The gap that a name leaves is closed when the leaf is copied, as it is when there is
//! no room for a further name: to close it at once would mean to change most slots. A slot is the key (8 bytes), then in one word (8) the inode, the upper 3 bits of
//! where the name begins, the kind (3 bits) and the length of the name (10 bits), then the lower 16 bits of where the
//! name begins (2): what the longest names of Windows need, in no more room than short ones. One buffer and no padding, because most directories hold few entries, and in big
//! ones a lookup should touch few cache lines.
//!
//! Leaves of up to [`EXACT`] entries fit their content exactly; larger ones keep an eighth in reserve.
//! Where a leaf stands in the tree, and its smallest size, is left to [`super::branch`].

use super::Entry;
use super::search::{Range, lower_bound};
use crate::ledger::{Blob, Kind, Ledger};
use crate::limits;
use crate::reckoning::Reckoning;
use crate::types::{FileKind, InodeId};

/// Most entries of a leaf. Of 32, 64 and 128 the benchmark in `tests.rs` liked 128 best: lookups among a million entries, and the
/// first change after a clone, which copies reference counts of neighbours but a leaf's bytes at once.
pub(super) const CAPACITY: usize = 128;
/// Fewest entries of a leaf that is not the root.
pub(super) const MINIMUM: usize = CAPACITY / 4;
/// Up to so many entries a leaf has no reserve.
const EXACT: usize = 4;

const HEADER_BYTES: usize = 7;
/// Bits of each of the two counts of bytes in a header.
const COUNT_BITS: u32 = 20;
const SLOT_BYTES: usize = 18;
/// A buffer may be this much longer than twice what it must hold before it is replaced by a shorter one.
const SLACK_BYTES: usize = 64;

/// Bits of a slot's word: length of the name, kind, and what does not fit into 16 bits of where the name begins.
const LENGTH_BITS: u32 = 10;
const KIND_BITS: u32 = 3;
const OFFSET_BITS: u32 = 16 + 3;

/// Longest name that any policy allows, in bytes.
const LONGEST_NAME: usize = limits::NAME_UNITS * limits::UNIT_BYTES;
const _: () = assert!(limits::NAME_BYTES <= LONGEST_NAME && LONGEST_NAME < 1 << LENGTH_BITS);
const _: () = assert!(CAPACITY * LONGEST_NAME < 1 << OFFSET_BITS);
const _: () = assert!(CAPACITY <= u8::MAX as usize);
const _: () =
    assert!(with_reserve(CAPACITY, (CAPACITY + 1) * LONGEST_NAME) < 1 << OFFSET_BITS && OFFSET_BITS <= COUNT_BITS);
const _: () = assert!(FileKind::BlockDevice as u8 >> KIND_BITS == 0);
const _: () = assert!(LENGTH_BITS + KIND_BITS + OFFSET_BITS - 16 == 16);

/// Entries sorted by key. A clone shares them until one of the two changes.
#[derive(Clone)]
pub(super) struct Leaf {
    /// None: no entries.
    buffer: Option<Blob>,
    ledger: Ledger,
}

#[derive(Clone, Copy, Default)]
struct Header {
    entries: usize,
    slots: usize,
    names: usize,
    /// Bytes among the names that are nobody's any more.
    gone: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Header {
        // The empty leaf has no buffer.
        let Some(&[entries, slots, a, b, c, d, e]) = bytes.first_chunk() else {
            return Header::default();
        };
        let counts = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        let (names, gone) = (counts & ((1 << COUNT_BITS) - 1), counts >> COUNT_BITS);
        Header { entries: entries.into(), slots: slots.into(), names: names as usize, gone: gone as usize }
    }

    fn write(self, bytes: &mut [u8]) {
        bytes[0] = self.entries as u8;
        bytes[1] = self.slots as u8;
        let counts = (self.gone as u64) << COUNT_BITS | self.names as u64;
        bytes[2..HEADER_BYTES].copy_from_slice(&counts.to_le_bytes()[..HEADER_BYTES - 2]);
    }

    /// Where the names begin.
    fn names_at(self) -> usize {
        HEADER_BYTES + self.slots * SLOT_BYTES
    }

    /// Bytes of the names of entries.
    fn named(self) -> usize {
        self.names - self.gone
    }

    /// Bytes that the content takes.
    fn needed(self) -> usize {
        HEADER_BYTES + self.entries * SLOT_BYTES + self.named()
    }
}

/// Bytes of an entry apart from its name.
#[derive(Clone, Copy)]
struct Slot {
    key: u64,
    inode: InodeId,
    kind: FileKind,
    length: u16,
    offset: u32,
}

impl Slot {
    fn pack(self) -> [u8; SLOT_BYTES] {
        debug_assert!(self.inode.0 <= limits::INODE_ID);
        debug_assert!(self.length >> LENGTH_BITS == 0 && self.offset >> OFFSET_BITS == 0);
        let upper = u64::from(self.offset >> 16) << (LENGTH_BITS + KIND_BITS);
        let word = self.inode.0 << 16 | upper | (self.kind as u64) << LENGTH_BITS | u64::from(self.length);
        let mut bytes = [0; SLOT_BYTES];
        bytes[..8].copy_from_slice(&self.key.to_le_bytes());
        bytes[8..16].copy_from_slice(&word.to_le_bytes());
        bytes[16..].copy_from_slice(&(self.offset as u16).to_le_bytes());
        bytes
    }

    fn unpack(bytes: &[u8; SLOT_BYTES]) -> Slot {
        let word = word(bytes, 8);
        Slot {
            key: word_of_key(bytes),
            inode: InodeId(word >> 16),
            kind: kind((word >> LENGTH_BITS) as u8 & ((1 << KIND_BITS) - 1)),
            length: length(bytes),
            offset: offset(bytes),
        }
    }

    fn name(self, names: &[u8]) -> &[u8] {
        &names[self.offset as usize..][..usize::from(self.length)]
    }
}

fn word(bytes: &[u8; SLOT_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("invariant: words lie within the slot"))
}

fn length(bytes: &[u8; SLOT_BYTES]) -> u16 {
    u16::from_le_bytes([bytes[8], bytes[9]]) & ((1 << LENGTH_BITS) - 1)
}

fn offset(bytes: &[u8; SLOT_BYTES]) -> u32 {
    let upper = bytes[9] >> (LENGTH_BITS + KIND_BITS - 8);
    u32::from_le_bytes([bytes[16], bytes[17], upper, 0])
}

fn set_offset(bytes: &mut [u8; SLOT_BYTES], offset: u32) {
    let [low, middle, upper, _] = offset.to_le_bytes();
    let kept = bytes[9] & ((1 << (LENGTH_BITS + KIND_BITS - 8)) - 1);
    bytes[9] = upper << (LENGTH_BITS + KIND_BITS - 8) | kept;
    [bytes[16], bytes[17]] = [low, middle];
}

fn word_of_key(bytes: &[u8; SLOT_BYTES]) -> u64 {
    word(bytes, 0)
}

fn kind(byte: u8) -> FileKind {
    match byte {
        1 => FileKind::File,
        2 => FileKind::Directory,
        3 => FileKind::Symlink,
        4 => FileKind::Fifo,
        5 => FileKind::Socket,
        6 => FileKind::CharDevice,
        7 => FileKind::BlockDevice,
        _ => unreachable!("invariant: slots hold kinds that pack() wrote"),
    }
}

const fn with_reserve(entries: usize, amount: usize) -> usize {
    if entries <= EXACT { amount } else { amount + amount / 8 + 1 }
}

impl Leaf {
    /// No entries.
    pub(super) fn new(ledger: Ledger) -> Leaf {
        Leaf { buffer: None, ledger }
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Counts the buffer, if it would go with this holder.
    pub(super) fn count_sole(&self, reckoning: &mut Reckoning) {
        if let Some(buffer) = &self.buffer {
            buffer.count_sole(reckoning);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_deref().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        Header::read(self.bytes()).entries
    }

    pub(super) fn key(&self, index: usize) -> u64 {
        word_of_key(&self.slots()[index])
    }

    /// The entry at an index, which may be one past the last.
    pub(super) fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let header = Header::read(self.bytes());
        let (slots, names) = self.bytes().get(HEADER_BYTES..)?.split_at(header.slots * SLOT_BYTES);
        let slot = Slot::unpack(slots.as_chunks().0[..header.entries].get(index)?);
        Some(Entry { key: slot.key, inode: slot.inode, kind: slot.kind, name: slot.name(names) })
    }

    /// Index of the first entry with this key or a greater one. `range` is where the leaf's keys lie.
    pub(super) fn position(&self, key: u64, range: Range) -> usize {
        let slots = self.slots();
        lower_bound(slots.len(), key, range, |index| word_of_key(&slots[index]))
    }

    /// Puts an entry where [`Leaf::position`] says it belongs. A full leaf splits; the answer is its right half.
    pub(super) fn insert(&mut self, index: usize, entry: Entry<'_>) -> Option<Leaf> {
        if self.len() < CAPACITY {
            self.insert_unfull(index, entry);
            return None;
        }
        let mut right = self.split_off(CAPACITY / 2);
        match index.checked_sub(CAPACITY / 2) {
            Some(index) => right.insert_unfull(index, entry),
            None => self.insert_unfull(index, entry),
        }
        Some(right)
    }

    /// Removes the entry with this key and answers with what it meant. `range` is where the leaf's keys lie.
    pub(super) fn take_out(&mut self, key: u64, range: Range) -> Option<(InodeId, FileKind)> {
        let index = self.position(key, range);
        let entry = self.entry(index).filter(|entry| entry.key == key)?;
        let meant = (entry.inode, entry.kind);
        self.remove(index);
        Some(meant)
    }

    fn remove(&mut self, index: usize) {
        let header = Header::read(self.bytes());
        let bytes = self.writable(0, 0);
        forget_name(bytes, index);
        let at = HEADER_BYTES + index * SLOT_BYTES;
        bytes.copy_within(at + SLOT_BYTES..HEADER_BYTES + header.entries * SLOT_BYTES, at);
        let mut header = Header::read(bytes);
        header.entries -= 1;
        header.write(bytes);
        self.release_slack();
    }

    /// Lets an entry mean another inode.
    pub(super) fn replace(&mut self, index: usize, inode: InodeId, kind: FileKind) {
        let bytes = self.writable(0, 0);
        let slot = slot_mut(bytes, index);
        *slot = Slot { inode, kind, ..Slot::unpack(slot) }.pack();
    }

    /// Spells an entry's name differently.
    pub(super) fn rename(&mut self, index: usize, name: &[u8]) {
        let bytes = self.writable(0, name.len());
        forget_name(bytes, index);
        let offset = append_name(bytes, name);
        let slot = slot_mut(bytes, index);
        *slot = Slot { offset, length: name.len() as u16, ..Slot::unpack(slot) }.pack();
    }

    /// Takes in the entries of its right neighbour. If they are too many for one leaf, half of all of them is the answer.
    pub(super) fn absorb(&mut self, right: &Leaf) -> Option<Leaf> {
        let total = self.len() + right.len();
        let kept = if total <= CAPACITY { total } else { total / 2 };
        let all = || self.entries().chain(right.entries());
        let rest = (kept < total).then(|| Leaf::collect(self.ledger, total - kept, || all().skip(kept)));
        *self = Leaf::collect(self.ledger, kept, || all().take(kept));
        rest
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..).map_while(|index| self.entry(index))
    }

    fn slots(&self) -> &[[u8; SLOT_BYTES]] {
        let bytes = self.bytes().get(HEADER_BYTES..).unwrap_or_default();
        &bytes.as_chunks().0[..self.len()]
    }

    fn split_off(&mut self, kept: usize) -> Leaf {
        let right = Leaf::collect(self.ledger, self.len() - kept, || self.entries().skip(kept));
        *self = Leaf::collect(self.ledger, kept, || self.entries().take(kept));
        right
    }

    /// A leaf of these sorted entries; `entries` is asked twice, the first time for the length of the names.
    fn collect<'a, I: Iterator<Item = Entry<'a>>>(ledger: Ledger, count: usize, entries: impl Fn() -> I) -> Leaf {
        let names = entries().map(|entry| entry.name.len()).sum();
        let mut leaf = Leaf { buffer: Some(buffer(ledger, count, names)), ledger };
        let bytes = leaf.writable(0, 0);
        for (index, entry) in entries().enumerate() {
            put(bytes, index, entry);
        }
        leaf
    }

    fn insert_unfull(&mut self, index: usize, entry: Entry<'_>) {
        let bytes = self.writable(1, entry.name.len());
        put(bytes, index, entry);
    }

    /// The buffer, unshared and with room for so many more entries and bytes of names.
    fn writable(&mut self, entries: usize, names: usize) -> &mut [u8] {
        let header = Header::read(self.bytes());
        let room =
            header.entries + entries <= header.slots && header.names_at() + header.names + names <= self.bytes().len();
        if !room || self.buffer.as_mut().is_some_and(|buffer| buffer.get_mut().is_none()) {
            self.copy(header.entries + entries, header.named() + names);
        }
        self.buffer.as_mut().and_then(Blob::get_mut).expect("invariant: found or made unshared above")
    }

    fn release_slack(&mut self) {
        let header = Header::read(self.bytes());
        if header.entries == 0 {
            self.buffer = None;
        } else if header.entries <= EXACT || self.bytes().len() > 2 * header.needed() + SLACK_BYTES {
            self.copy(header.entries, header.named());
        }
    }

    /// Moves to a buffer with room for so many entries and bytes of names.
    fn copy(&mut self, entries: usize, names: usize) {
        self.buffer = Some(copied(self.ledger, self.bytes(), entries, names));
    }
}

/// An empty buffer for so many entries and bytes of names, and what reserve is due to them.
fn buffer(ledger: Ledger, entries: usize, names: usize) -> Blob {
    let header = Header { entries: 0, slots: with_reserve(entries, entries).min(CAPACITY), names: 0, gone: 0 };
    let length = header.names_at() + with_reserve(entries, names);
    let mut bytes = Blob::zeroed(ledger, Kind::Directories, length);
    header.write(bytes.get_mut().expect("invariant: new, so unshared"));
    bytes
}

fn copied(ledger: Ledger, from: &[u8], entries: usize, names: usize) -> Blob {
    let old = Header::read(from);
    let mut to = buffer(ledger, entries, names);
    let bytes = to.get_mut().expect("invariant: new, so unshared");
    let new = Header { slots: Header::read(bytes).slots, names: old.named(), gone: 0, ..old };
    if old.entries > 0 {
        let slots = HEADER_BYTES..HEADER_BYTES + old.entries * SLOT_BYTES;
        bytes[slots.clone()].copy_from_slice(&from[slots]);
        let (head, into) = bytes.split_at_mut(new.names_at());
        let from = &from[old.names_at()..][..old.names];
        match old.gone {
            0 => into[..old.names].copy_from_slice(from),
            _ => close_gaps(&mut head[HEADER_BYTES..].as_chunks_mut().0[..old.entries], from, into),
        }
    }
    new.write(bytes);
    to
}

/// Copies the names of these slots, without what lies between them.
fn close_gaps(slots: &mut [[u8; SLOT_BYTES]], from: &[u8], into: &mut [u8]) {
    let mut end = 0;
    for slot in slots {
        let (at, length) = (offset(slot) as usize, usize::from(length(slot)));
        into[end..][..length].copy_from_slice(&from[at..][..length]);
        set_offset(slot, end as u32);
        end += length;
    }
}

fn slot_mut(bytes: &mut [u8], index: usize) -> &mut [u8; SLOT_BYTES] {
    &mut bytes[HEADER_BYTES..].as_chunks_mut().0[index]
}

/// Writes an entry at an index; those from there on move up. There must be room.
fn put(bytes: &mut [u8], index: usize, entry: Entry<'_>) {
    let mut header = Header::read(bytes);
    let end = HEADER_BYTES + header.entries * SLOT_BYTES;
    let at = HEADER_BYTES + index * SLOT_BYTES;
    bytes.copy_within(at..end, at + SLOT_BYTES);
    header.entries += 1;
    header.write(bytes);
    let offset = append_name(bytes, entry.name);
    let Entry { key, inode, kind, name } = entry;
    *slot_mut(bytes, index) = Slot { key, inode, kind, length: name.len() as u16, offset }.pack();
}

fn append_name(bytes: &mut [u8], name: &[u8]) -> u32 {
    let mut header = Header::read(bytes);
    let offset = header.names;
    bytes[header.names_at() + offset..][..name.len()].copy_from_slice(name);
    header.names += name.len();
    header.write(bytes);
    offset as u32
}

/// An entry's name is nobody's from then on; where the slot says it begins means nothing.
fn forget_name(bytes: &mut [u8], index: usize) {
    let mut header = Header::read(bytes);
    let slot = slot_mut(bytes, index);
    let (at, length) = (offset(slot) as usize, usize::from(length(slot)));
    match at + length == header.names {
        true => header.names = at,
        false => header.gone += length,
    }
    header.write(bytes);
}

#[cfg(test)]
impl Leaf {
    pub(super) fn heap_bytes(&self) -> u64 {
        self.buffer.as_ref().map_or(0, Blob::heap_bytes) as u64
    }
}

impl Leaf {
    /// Why this is no leaf for keys in this range: its entries must be sorted, and each own bytes of the names, but for those that are gone.
    pub(super) fn fault(&self, range: Range, root: bool) -> Option<&'static str> {
        let header = Header::read(self.bytes());
        if header.entries > header.slots || header.slots > with_reserve(CAPACITY, CAPACITY) {
            return Some("more entries than a leaf has slots");
        }
        if !root && header.entries < MINIMUM {
            return Some("a leaf with too few entries");
        }
        if !self.entries().all(|entry| entry.key >= range.low && entry.key < range.high) {
            return Some("an entry in the wrong leaf");
        }
        if !self.slots().is_sorted_by(|a, b| word_of_key(a) < word_of_key(b)) {
            return Some("entries out of order");
        }
        let mut names: Vec<_> = self.slots().iter().map(|slot| (offset(slot), length(slot))).collect();
        names.sort_unstable();
        let named: usize = names.iter().map(|&(_, length)| usize::from(length)).sum();
        let end =
            names.iter().try_fold(0, |end, &(offset, length)| (offset >= end).then_some(offset + u32::from(length)));
        (header.names.checked_sub(header.gone) != Some(named) || end.is_none_or(|end| end as usize > header.names))
            .then_some("names that overlap or were lost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Range = Range { low: 0, high: 1 << 63 };

    fn entry(key: u64, name: &[u8]) -> Entry<'_> {
        Entry { key, inode: InodeId(key), kind: FileKind::File, name }
    }

    #[test]
    fn every_kind_and_the_largest_inode_id_survive_packing() {
        for byte in 1..=7 {
            let slot = Slot {
                key: (1 << 63) - 1,
                inode: InodeId(limits::INODE_ID),
                kind: kind(byte),
                length: LONGEST_NAME as u16,
                offset: (1 << OFFSET_BITS) - 1,
            };
            let back = Slot::unpack(&slot.pack());
            assert_eq!(
                (back.key, back.inode, back.kind, back.length, back.offset),
                (slot.key, slot.inode, slot.kind, slot.length, slot.offset)
            );
            assert_eq!(back.kind as u8, byte);
        }
    }

    #[test]
    fn a_leaf_of_up_to_four_entries_has_no_slack() {
        let mut leaf = Leaf::new(Ledger::of_tests());
        for key in 1..=4 {
            leaf.insert(leaf.len(), entry(key, b"twelve bytes"));
            assert_eq!(leaf.bytes().len(), HEADER_BYTES + leaf.len() * (SLOT_BYTES + 12));
        }
        leaf.remove(0);
        assert_eq!(leaf.bytes().len(), HEADER_BYTES + 3 * (SLOT_BYTES + 12));
    }

    #[test]
    fn a_full_leaf_of_the_longest_names_splits_at_one_more() {
        for extra in [0, CAPACITY / 2 * 10, CAPACITY / 2 * 10 + 5, CAPACITY * 10 + 5] {
            let mut leaf = Leaf::new(Ledger::of_tests());
            for n in 1..=CAPACITY as u64 {
                assert!(leaf.insert(leaf.len(), entry(n * 10, &[n as u8; LONGEST_NAME])).is_none());
            }
            let key = extra as u64 + 1;
            let right = leaf.insert(leaf.position(key, ALL), entry(key, b"x")).expect("a split");
            assert_eq!(leaf.len() + right.len(), CAPACITY + 1);
            assert_eq!(leaf.fault(Range { low: 0, high: right.key(0) }, false), None);
            assert_eq!(right.fault(Range { low: right.key(0), high: ALL.high }, false), None);
        }
    }

    #[test]
    fn names_that_come_and_go_take_no_more_room_than_those_that_stay() {
        const ENTRIES: usize = 100;
        let name = |n: u64| [n as u8; 12];
        let mut leaf = Leaf::new(Ledger::of_tests());
        let mut named: Vec<[u8; 12]> = (0..ENTRIES as u64).map(name).collect();
        (0..ENTRIES as u64).for_each(|n| assert!(leaf.insert(leaf.len(), entry(n, &name(n))).is_none()));
        let most = HEADER_BYTES + with_reserve(ENTRIES, ENTRIES) * SLOT_BYTES + with_reserve(ENTRIES, ENTRIES * 12);
        for n in 0..10 * ENTRIES as u64 {
            let key = n * 37 % ENTRIES as u64;
            leaf.remove(key as usize);
            assert_eq!(leaf.fault(ALL, true), None);
            leaf.insert(key as usize, entry(key, &name(n)));
            named[key as usize] = name(n);
            assert!(leaf.entries().map(|entry| entry.name).eq(named.iter()), "round {n}");
            assert_eq!(leaf.fault(ALL, true), None);
            assert!(leaf.bytes().len() <= most, "{} of {most}", leaf.bytes().len());
        }
    }

    #[test]
    fn a_leaf_gives_memory_back_as_it_empties() {
        let mut leaf = Leaf::new(Ledger::of_tests());
        for n in 0..100 {
            leaf.insert(leaf.len(), entry(n, &[n as u8; 100][..1 + n as usize % 3 * 40]));
        }
        while leaf.len() > 0 {
            leaf.remove(leaf.len() / 2);
            assert_eq!(leaf.fault(ALL, true), None);
            let needed = Header::read(leaf.bytes()).needed();
            assert!(leaf.bytes().len() <= 2 * needed + SLACK_BYTES);
        }
        assert_eq!(leaf.heap_bytes(), 0);
    }
}
