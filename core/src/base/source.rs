//! The content of one base file, for a stream that stores only what differs from it.
//!
//! Two kinds. A live one reads what is there now. A recorded one belongs to a file that was copied up: it remembers what the
//! file was then, and refuses to read once it has changed, so that old and new are never mixed.

use std::sync::Arc;

use super::{Base, BaseIdentity, Sought};
use crate::error::{Error, Result};
use crate::ledger::{Counted, Kind, Ledger, Tally, arc_bytes};
use crate::reckoning::Reckoning;
use crate::types::InodeId;

pub(crate) struct Source {
    base: Arc<dyn Base>,
    id: InodeId,
    identity: BaseIdentity,
    allocated: u64,
    recorded: bool,
    tally: Tally<Source>,
}

impl Counted for Source {
    const KIND: Kind = Kind::Streams;
    /// Wherever it is for longer, it is in an `Arc`.
    const BYTES: usize = arc_bytes::<Source>();
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("id", &self.id).field("recorded", &self.recorded).finish_non_exhaustive()
    }
}

impl Source {
    /// What is there now, whatever becomes of it.
    pub(crate) fn live(
        ledger: Ledger,
        base: &Arc<dyn Base>,
        id: InodeId,
        identity: BaseIdentity,
        allocated: u64,
    ) -> Source {
        Source { base: base.clone(), id, identity, allocated, recorded: false, tally: Tally::new(ledger) }
    }

    /// What it is now, and nothing else.
    pub(crate) fn recorded(&self) -> Source {
        let Source { id, identity, allocated, .. } = *self;
        Source { base: self.base.clone(), id, identity, allocated, recorded: true, tally: self.tally.clone() }
    }

    /// Who counts it.
    pub(crate) fn ledger(&self) -> Ledger {
        self.tally.ledger()
    }

    /// Counts it, if it would go with this holder.
    pub(crate) fn count_sole(this: &Arc<Self>, reckoning: &mut Reckoning) {
        reckoning.lets_metadata_go(Arc::as_ptr(this), Arc::strong_count(this), Self::BYTES);
    }

    /// Whether it reads what the base has of this inode.
    pub(crate) fn is_of(&self, id: InodeId) -> bool {
        self.id == id
    }

    /// Whether both read the same bytes.
    pub(crate) fn is_same(&self, other: &Source) -> bool {
        self.id == other.id && self.identity == other.identity
    }

    /// Bytes of content that it had when it was looked at.
    pub(crate) fn size(&self) -> u64 {
        self.identity.size
    }

    /// Bytes of storage that the host has given it.
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Fills `into` from `offset` on; zeros past the end.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let Some((count, identity)) = self.base.read(self.id, offset, into, self.recorded)? else {
            return Err(Error::BaseChanged);
        };
        if identity.is_some_and(|now| now != self.identity) {
            return Err(Error::BaseChanged);
        }
        into[count..].fill(0);
        Ok(())
    }

    /// The first data or hole at or after `offset`. Refuses what [`Source::read`] refuses: what has gone or changed would else be
    /// taken for a hole, and read as zeros.
    pub(crate) fn seek(&self, offset: u64, what: Sought) -> Result<Option<u64>> {
        let found = self.base.seek(self.id, offset, what)?;
        // Asked afterwards, so that it is true of what was found.
        self.read(0, &mut [])?;
        Ok(found)
    }
}
