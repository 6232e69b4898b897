//! A base directory's entries in the order of their keys, as they were when they were listed.
//!
//! Reading a directory and sorting it costs what it has entries; a host asks for a listing piece by piece. So listings are
//! kept: as long as the directory's times say that it has not changed, and of the largest only the latest.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::{Base, BaseIdentity};
use crate::error::Result;
use crate::ledger::{Charge, Kind, Ledger, arc_bytes, heap_bytes};
use crate::limits::BASE_LISTED_BYTES;
use crate::sync::Mutex;
use crate::tree::directory::Entry;
use crate::tree::name::NameRules;
use crate::types::{FileKind, InodeId, Time};

/// Times of the host may be as coarse as this: a directory listed sooner after its last change may change again unseen.
const COARSE_NS: i64 = 50_000_000;

/// Whether any later change of what has this identity shows in its times.
pub(super) fn is_settled(identity: &BaseIdentity, now: Time) -> bool {
    let newest = identity.changed.max(identity.modified);
    now.0.saturating_sub(newest.0) > COARSE_NS
}

struct Item {
    key: u64,
    id: InodeId,
    kind: FileKind,
    length: u16,
    at: u32,
}

/// The entries of a directory at one time.
pub(crate) struct Listing {
    identity: BaseIdentity,
    /// Whether the identity tells of every later change.
    settled: bool,
    items: Vec<Item>,
    names: Vec<u8>,
    charge: Charge,
}

impl Listing {
    pub(super) fn read(
        ledger: Ledger,
        base: &dyn Base,
        rules: &NameRules,
        directory: InodeId,
        identity: BaseIdentity,
        now: Time,
    ) -> Result<Listing> {
        let settled = is_settled(&identity, now);
        let mut listing = Listing {
            identity,
            settled,
            items: Vec::new(),
            names: Vec::new(),
            charge: Charge::new(ledger, Kind::References, 0),
        };
        base.list(directory, &mut |entry| {
            // Names that cannot be asked for are not shown.
            if rules.check(entry.name).is_ok() {
                listing.add(rules, entry.name, entry.id, entry.kind);
            }
        })?;
        listing.items.sort_unstable_by_key(|item| item.key);
        listing.charge = Charge::new(ledger, Kind::References, listing.heap_bytes());
        Ok(listing)
    }

    fn add(&mut self, rules: &NameRules, name: &[u8], id: InodeId, kind: FileKind) {
        let (at, length) = (self.names.len() as u32, name.len() as u16);
        self.names.extend_from_slice(name);
        self.items.push(Item { key: rules.base_key(name), id, kind, length, at });
    }

    fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<Item>() + self.names.capacity()
    }

    /// What is charged for it: all, up to where a charge ends.
    fn heap_bytes(&self) -> usize {
        let held = heap_bytes(self.items.capacity() * size_of::<Item>()) + heap_bytes(self.names.capacity());
        (arc_bytes::<Listing>() + held).min(u32::MAX as usize)
    }

    /// The entries whose keys are greater.
    pub(crate) fn iter_after(&self, key: u64) -> impl Iterator<Item = Entry<'_>> {
        let from = self.items.partition_point(|item| item.key <= key);
        self.items[from..].iter().map(|item| Entry {
            key: item.key,
            inode: item.id,
            kind: item.kind,
            name: &self.names[item.at as usize..][..usize::from(item.length)],
        })
    }
}

/// The latest listings.
#[derive(Default)]
pub(super) struct Listings {
    kept: Mutex<VecDeque<(InodeId, Arc<Listing>)>>,
}

impl Listings {
    /// The listing kept of a directory, if it is of this state of it. One that is being gone through may be older than the last change.
    pub(super) fn get(&self, directory: InodeId, identity: &BaseIdentity, goes_on: bool) -> Option<Arc<Listing>> {
        let mut kept = self.kept.lock();
        let at = kept.iter().position(|(id, _)| *id == directory)?;
        let found = kept[at].1.clone();
        if found.identity == *identity && (found.settled || goes_on) {
            let entry = kept.remove(at)?;
            kept.push_back(entry);
            return Some(found);
        }
        None
    }

    pub(super) fn keep(&self, directory: InodeId, listing: &Arc<Listing>) {
        let mut gone = Vec::new();
        let mut kept = self.kept.lock();
        kept.retain(|(id, _)| *id != directory);
        kept.push_back((directory, listing.clone()));
        let mut bytes: usize = kept.iter().map(|(_, listing)| listing.bytes()).sum();
        while bytes > BASE_LISTED_BYTES && kept.len() > 1 {
            let oldest = kept.pop_front();
            bytes -= oldest.as_ref().map_or(0, |(_, listing)| listing.bytes());
            gone.push(oldest);
        }
        if kept.len() > MOST {
            gone.push(kept.pop_front());
        }
        drop(kept);
        drop(gone);
    }
}

/// Listings that are kept, however short they are.
const MOST: usize = 64;
