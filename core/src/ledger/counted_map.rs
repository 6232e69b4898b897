//! Maps whose tables are counted as they grow and shrink.

use std::hash::Hash;
use std::ops::Deref;

use hashbrown::HashMap;

use super::{Kind, Ledger, heap_bytes};

/// A map, counted as what its table takes of the heap. What keys and values have there beside is for themselves to count.
#[derive(Debug)]
pub(crate) struct CountedMap<K: Eq + Hash, V> {
    map: HashMap<K, V>,
    ledger: Ledger,
    kind: Kind,
}

impl<K: Eq + Hash, V> CountedMap<K, V> {
    pub(crate) fn new(ledger: Ledger, kind: Kind) -> Self {
        Self { map: HashMap::new(), ledger, kind }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.counted(|map| map.insert(key, value))
    }

    /// The value of `key`, made if there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let before = self.map.allocation_size();
        // By its parts, as the value is borrowed when the table is counted.
        let Self { map, ledger, kind } = self;
        map.reserve(1);
        ledger.recount(*kind, heap_bytes(before), heap_bytes(map.allocation_size()));
        map.entry(key).or_insert_with(make)
    }

    /// Forgets everything; the table goes, too.
    pub(crate) fn clear(&mut self) {
        self.counted(|map| *map = HashMap::new());
    }

    fn counted<R>(&mut self, change: impl FnOnce(&mut HashMap<K, V>) -> R) -> R {
        let before = self.map.allocation_size();
        let answer = change(&mut self.map);
        self.ledger.recount(self.kind, heap_bytes(before), heap_bytes(self.map.allocation_size()));
        answer
    }
}

impl<K: Eq + Hash, V> Deref for CountedMap<K, V> {
    type Target = HashMap<K, V>;

    fn deref(&self) -> &HashMap<K, V> {
        &self.map
    }
}

impl<K: Eq + Hash, V> Drop for CountedMap<K, V> {
    fn drop(&mut self) {
        self.ledger.sub(self.kind, heap_bytes(self.map.allocation_size()));
    }
}
