//! What every part of one volume uses: chunk store, name rules, clock, counters. Handed in at opening, never reached for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::data::ChunkStore;
use crate::error::{Error, Result};
use crate::limits;
use crate::meter::Meters;
use crate::tree::name::NameRules;
use crate::tree::table::ID_BLOCK;
use crate::types::{InodeId, Time};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Time;
}

/// The system's clock. On Linux the coarse one, which is the one that kernels stamp files with: so times given
/// by the kernel and by the volume are in order.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Time {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Time::new(now.tv_sec, now.tv_nsec as u32)
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Time {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Time::new(since.as_secs() as i64, since.subsec_nanos())
    }
}

pub(crate) struct Context {
    pub(crate) store: Arc<ChunkStore>,
    pub(crate) names: NameRules,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) meters: Meters,
    next_epoch: AtomicU64,
    next_block: AtomicU64,
    latched: AtomicBool,
}

impl Context {
    pub(crate) fn new(store: Arc<ChunkStore>, names: NameRules, clock: Box<dyn Clock>) -> Context {
        Context {
            store,
            names,
            clock,
            meters: Meters::default(),
            next_epoch: AtomicU64::new(1),
            next_block: AtomicU64::new(1),
            latched: AtomicBool::new(false),
        }
    }

    /// An epoch that no branch has had.
    pub(crate) fn new_epoch(&self) -> u64 {
        self.next_epoch.fetch_add(1, Ordering::Relaxed)
    }

    /// The epoch that comes next: none was given out from here on.
    pub(crate) fn next_epoch(&self) -> u64 {
        self.next_epoch.load(Ordering::Relaxed)
    }

    /// The first of [`ID_BLOCK`] inode ids that nobody has had.
    pub(crate) fn new_id_block(&self) -> Result<InodeId> {
        let first = self.next_block.fetch_add(1, Ordering::Relaxed) * ID_BLOCK;
        if first + ID_BLOCK > limits::INODE_ID {
            return Err(Error::Limit("inode ids of one volume"));
        }
        Ok(InodeId(first))
    }

    /// Inode ids handed out so far, in whole blocks.
    pub(crate) fn ids_used(&self) -> u64 {
        self.next_block.load(Ordering::Relaxed) * ID_BLOCK
    }

    /// From now on nothing changes any more: after an internal fault.
    pub(crate) fn latch_read_only(&self) {
        self.latched.store(true, Ordering::Release);
    }

    pub(crate) fn is_latched(&self) -> bool {
        self.latched.load(Ordering::Acquire)
    }
}
