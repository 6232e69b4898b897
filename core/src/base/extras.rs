//! Extended attributes of the base, remembered for as long as an inode's time of change stands: asking for them costs more than
//! all else about an inode, and few have any.

use std::sync::Arc;

use super::BaseIdentity;
use super::listing::is_settled;
use crate::ledger::{CountedMap, Entered, Kind, Ledger};
use crate::limits::BASE_EXTRAS;
use crate::sync::Mutex;
use crate::tree::inode::Extra;
use crate::types::{InodeId, Time};

const SHARDS: usize = 16;

type Known = Option<Arc<Entered<Extra>>>;

type Shard = Mutex<CountedMap<InodeId, (BaseIdentity, Known)>>;

pub(super) struct Extras {
    shards: [Shard; SHARDS],
}

impl Extras {
    pub(super) fn new(ledger: Ledger) -> Extras {
        Extras { shards: std::array::from_fn(|_| Mutex::new(CountedMap::new(ledger, Kind::References))) }
    }

    fn shard(&self, id: InodeId) -> &Shard {
        &self.shards[(id.0 % SHARDS as u64) as usize]
    }

    /// What is remembered of the inode in this state.
    pub(super) fn get(&self, id: InodeId, identity: &BaseIdentity) -> Option<Known> {
        let shard = self.shard(id).lock();
        let (of, known) = shard.get(&id)?;
        (of == identity).then(|| known.clone())
    }

    /// Remembers what was asked for at `now`, unless a change right after would not show in the times.
    pub(super) fn keep(&self, id: InodeId, identity: &BaseIdentity, now: Time, known: &Known) {
        if !is_settled(identity, now) {
            return;
        }
        let mut shard = self.shard(id).lock();
        // Anything is found again by asking; which is forgotten does not matter much.
        if shard.len() >= BASE_EXTRAS / SHARDS {
            shard.clear();
        }
        shard.insert(id, (*identity, known.clone()));
    }
}
