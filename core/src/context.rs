//! What every part of one volume uses: chunk store, name rules, clock, counters. Handed in at opening, never reached for.

use std::sync::Arc;

use crate::base::{BaseConfig, Layer};
use crate::data::ChunkStore;
use crate::error::{Error, Result};
use crate::limits;
use crate::meter::Meters;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::tree::name::{NamePolicy, NameRules};
use crate::tree::table::ID_BLOCK;
use crate::types::{InodeId, Time};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Time;

    /// The time now, and not before anything that the system has stamped until now: of branches and snapshots, which are compared with
    /// what a base says. As [`Clock::now`], unless that goes by ticks. Called by any thread, as that is.
    fn exactly(&self) -> Time {
        self.now()
    }
}

/// The system's clock. On Linux the coarse one, which kernels stamp files with, too: so times given by the kernel and by the
/// volume are in order, but for less than a tick since Linux 6.13 ([`Clock::exactly`]).
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Time {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Time::new(now.tv_sec, now.tv_nsec as u32)
    }

    /// Since Linux 6.13 kernels stamp a file that is looked at between two ticks with the time to the nanosecond.
    #[cfg(target_os = "linux")]
    fn exactly(&self) -> Time {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        Time::new(now.tv_sec, now.tv_nsec as u32)
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Time {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Time::new(since.as_secs() as i64, since.subsec_nanos())
    }
}

/// Numbers for inodes, a block at a time.
struct IdBlocks {
    first: u64,
    next: AtomicU64,
}

impl IdBlocks {
    /// Over a base the numbers below [`limits::BASE_INODE_ID`] are the host's.
    fn new(over_base: bool) -> IdBlocks {
        let first = if over_base { limits::BASE_INODE_ID / ID_BLOCK } else { 1 };
        IdBlocks { first, next: AtomicU64::new(first) }
    }

    fn take(&self) -> Result<InodeId> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) * ID_BLOCK;
        if first + ID_BLOCK > limits::INODE_ID {
            return Err(Error::Limit("inode ids of one volume"));
        }
        Ok(InodeId(first))
    }
}

/// Numbers for what the base has no number for, one by one.
fn ids_of_base(ids: &Arc<IdBlocks>) -> Box<dyn Fn() -> Result<InodeId> + Send + Sync> {
    let (ids, block) = (ids.clone(), Mutex::new(0..0));
    Box::new(move || {
        let mut block = block.lock();
        if block.is_empty() {
            let first = ids.take()?.0;
            *block = first..first + ID_BLOCK;
        }
        block.next().map(InodeId).ok_or(Error::Limit("inode ids of one volume"))
    })
}

pub(crate) struct Context {
    /// What lies beneath every tree, if anything does.
    pub(crate) base: Option<Layer>,
    pub(crate) store: Arc<ChunkStore>,
    pub(crate) names: NameRules,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) meters: Meters,
    next_epoch: AtomicU64,
    ids: Arc<IdBlocks>,
    latched: AtomicBool,
}

impl Context {
    pub(crate) fn new(
        store: Arc<ChunkStore>,
        names: NameRules,
        clock: Box<dyn Clock>,
        base: Option<BaseConfig>,
    ) -> Result<Context> {
        let ids = Arc::new(IdBlocks::new(base.is_some()));
        let base = match base {
            None => None,
            Some(_) if names.policy() != NamePolicy::Posix => {
                return Err(Error::Invalid("a base needs names as POSIX has them"));
            }
            Some(config) => Some(Layer::open(config, names.clone(), &store, ids_of_base(&ids))?),
        };
        Ok(Context {
            base,
            store,
            names,
            clock,
            meters: Meters::default(),
            next_epoch: AtomicU64::new(1),
            ids,
            latched: AtomicBool::new(false),
        })
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
        self.ids.take()
    }

    /// Inode ids handed out so far, in whole blocks.
    pub(crate) fn ids_used(&self) -> u64 {
        (self.ids.next.load(Ordering::Relaxed) - self.ids.first + 1) * ID_BLOCK
    }

    /// From now on nothing changes any more: after an internal fault.
    pub(crate) fn latch_read_only(&self) {
        self.latched.store(true, Ordering::Release);
    }

    pub(crate) fn is_latched(&self) -> bool {
        self.latched.load(Ordering::Acquire)
    }
}

#[cfg(all(test, target_os = "linux", not(feature = "shuttle")))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn what_the_kernel_has_stamped_is_not_younger_than_the_time_now_exactly() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for mode in (0..2000).map(|round| 0o600 + round % 2) {
            // Looked at, so that the next stamp is another.
            let found = file.as_file().metadata().expect("it is there");
            let changed = Time::new(found.ctime(), found.ctime_nsec() as u32);
            assert!(SystemClock.exactly() >= changed);
            file.as_file().set_permissions(PermissionsExt::from_mode(mode)).expect("it is ours");
        }
    }
}
