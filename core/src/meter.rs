//! What a volume was asked to do, how often, and how long it took.
//!
//! Every operation is counted, in the stripe of its thread: no word is shared on the way. Of those that come often one in
//! [`SAMPLE`] of each thread is timed, beginning with its first; of the others all. Times go into buckets of powers of
//! two, so that a host can tell the usual from the worst without keeping each.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crossbeam_utils::CachePadded;

use crate::striped::{self, STRIPES};

/// Of so many operations of a kind one is timed, where they come often.
const SAMPLE: u64 = 64;
/// Times are kept in so many places: they are taken seldom.
const TIME_STRIPES: usize = 4;
/// Buckets of times.
pub const LATENCY_BUCKETS: usize = 24;
/// The first bucket holds times below this many nanoseconds, each next one times below twice as many.
pub const FIRST_BUCKET_NS: u64 = 128;

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// What a volume is asked to do, as it is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Operation {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Operation {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Operation] = &[$(Operation::$variant),*];

            /// Its name: a lower-case word or two, joined by `_`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Operation::$variant => $name,)*
                }
            }
        }
    };
}

operations! {
    /// A name looked up in a directory.
    Lookup = 0, "lookup";
    /// Attributes asked for.
    Attributes = 1, "attributes";
    /// Attributes set, the size among them.
    SetAttributes = 2, "set_attributes";
    /// Permission asked for.
    Access = 3, "access";
    /// The target of a symbolic link read.
    ReadLink = 4, "read_link";
    /// A directory listed, or a part of it.
    List = 5, "list";
    /// Something made, with or without opening it.
    Create = 6, "create";
    /// A further name given.
    Link = 7, "link";
    /// A name changed.
    Rename = 8, "rename";
    /// A name removed.
    Remove = 9, "remove";
    /// A file or directory opened.
    Open = 10, "open";
    /// A handle closed.
    Close = 11, "close";
    /// Content read or lent.
    Read = 12, "read";
    /// Content written.
    Write = 13, "write";
    /// Storage set aside, freed or zeroed.
    Allocate = 14, "allocate";
    /// Content copied from file to file.
    Copy = 15, "copy";
    /// Data or a hole looked for.
    Seek = 16, "seek";
    /// An extended attribute read.
    GetXattr = 17, "get_xattr";
    /// An extended attribute set or removed.
    SetXattr = 18, "set_xattr";
    /// The names of extended attributes listed.
    ListXattrs = 19, "list_xattrs";
    /// A lock tested, taken or given up.
    Lock = 20, "lock";
    /// A snapshot taken.
    Snapshot = 21, "snapshot";
    /// A branch grown.
    Branch = 22, "branch";
    /// A view switched.
    Switch = 23, "switch";
    /// A branch or snapshot deleted; what it held is freed later.
    Delete = 24, "delete";
    /// A diff begun.
    Diff = 25, "diff";
}

/// How many kinds there are.
pub const OPERATIONS: usize = Operation::ALL.len();

impl Operation {
    /// Whether it comes so often that timing each would be felt.
    const fn is_frequent(self) -> bool {
        (self as u32) < Operation::Snapshot as u32
    }
}

/// What is known about the operations of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationStats {
    /// How many began.
    pub count: u64,
    /// How many of them were timed: about one in 64 of what comes often, all of the rest.
    pub timed: u64,
    /// What those took together, in nanoseconds.
    pub total_ns: u64,
    /// What the slowest of those took, in nanoseconds.
    pub slowest_ns: u64,
    /// How many of those took how long: bucket i holds times below `128 << i` nanoseconds that the one before does not; the last holds
    /// all that are longer, too.
    pub buckets: [u64; LATENCY_BUCKETS],
}

#[derive(Debug, Default)]
struct Times {
    timed: AtomicU64,
    total_ns: AtomicU64,
    slowest_ns: AtomicU64,
    buckets: [AtomicU64; LATENCY_BUCKETS],
}

impl Times {
    fn add(&self, ns: u64) {
        self.timed.fetch_add(1, Relaxed);
        self.total_ns.fetch_add(ns, Relaxed);
        self.slowest_ns.fetch_max(ns, Relaxed);
        self.buckets[bucket_of(ns)].fetch_add(1, Relaxed);
    }

    fn add_to(&self, stats: &mut OperationStats) {
        stats.timed += self.timed.load(Relaxed);
        stats.total_ns += self.total_ns.load(Relaxed);
        stats.slowest_ns = stats.slowest_ns.max(self.slowest_ns.load(Relaxed));
        for (sum, bucket) in stats.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
    }
}

fn bucket_of(ns: u64) -> usize {
    let above_first = (ns / FIRST_BUCKET_NS).checked_ilog2().map_or(0, |power| power + 1);
    (above_first as usize).min(LATENCY_BUCKETS - 1)
}

type Counts = CachePadded<[AtomicU64; OPERATIONS]>;

/// The meters of one volume.
#[derive(Debug)]
pub(crate) struct Meters {
    counts: Box<[Counts; STRIPES]>,
    times: [CachePadded<[Times; OPERATIONS]>; TIME_STRIPES],
}

impl Default for Meters {
    fn default() -> Self {
        let counts = || CachePadded::new([const { AtomicU64::new(0) }; OPERATIONS]);
        Self { counts: Box::new(std::array::from_fn(|_| counts())), times: Default::default() }
    }
}

/// An operation under way: ends when this goes.
pub(crate) struct Timed<'a> {
    timing: Option<(&'a Times, Instant)>,
}

impl Meters {
    /// An operation begins.
    #[inline]
    pub(crate) fn begin(&self, operation: Operation) -> Timed<'_> {
        let stripe = striped::stripe();
        let before = striped::add_in(stripe, &self.counts[stripe][operation as usize], 1);
        if operation.is_frequent() && !before.is_multiple_of(SAMPLE) {
            return Timed { timing: None };
        }
        Timed { timing: Some((&self.times[stripe % TIME_STRIPES][operation as usize], Instant::now())) }
    }

    /// What is known, in the order of [`Operation::ALL`].
    pub(crate) fn stats(&self) -> [OperationStats; OPERATIONS] {
        std::array::from_fn(|at| {
            let count = self.counts.iter().map(|counts| counts[at].load(Relaxed)).sum();
            let mut stats = OperationStats { count, ..OperationStats::default() };
            self.times.iter().for_each(|times| times[at].add_to(&mut stats));
            stats
        })
    }
}

impl Drop for Timed<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some((times, begun)) = self.timing {
            finish(times, begun);
        }
    }
}

#[cold]
fn finish(times: &Times, begun: Instant) {
    times.add(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_list() {
        assert!(Operation::ALL.iter().enumerate().all(|(at, operation)| *operation as usize == at));
    }

    #[test]
    fn buckets_double_from_128_nanoseconds_and_the_last_takes_all_the_rest() {
        assert_eq!([0, 127, 128, 255, 256, 511, 512].map(bucket_of), [0, 0, 1, 1, 2, 2, 3]);
        let last = FIRST_BUCKET_NS << (LATENCY_BUCKETS - 2);
        assert_eq!([last - 1, last, u64::MAX].map(bucket_of), [22, 23, 23]);
    }

    #[test]
    fn all_are_counted_and_one_in_so_many_of_the_frequent_timed() {
        let meters = Meters::default();
        for _ in 0..2 * SAMPLE + 1 {
            drop(meters.begin(Operation::Read));
            drop(meters.begin(Operation::Snapshot));
        }
        let stats = meters.stats();
        let read = stats[Operation::Read as usize];
        assert_eq!((read.count, read.timed), (129, 3));
        assert_eq!(read.buckets.iter().sum::<u64>(), 3);
        assert!(read.slowest_ns <= read.total_ns && read.total_ns <= 3 * read.slowest_ns);
        assert_eq!((stats[Operation::Snapshot as usize].count, stats[Operation::Snapshot as usize].timed), (129, 129));
        assert_eq!(stats[Operation::Write as usize], OperationStats::default());
    }
}
