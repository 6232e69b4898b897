//! What is measured, and the clock. A side does one operation when it is told to; everything around it is the same for all.

use std::hint::black_box;
use std::sync::{Barrier, LazyLock};
use std::time::Instant;

pub(crate) const PER_DIRECTORY: usize = 1_000;
/// Files that have content and are open: some systems allow 20,000 descriptors and no more.
pub(crate) const MOST_WITH_CONTENT: usize = 10_000;
pub(crate) const BLOCK: usize = 4096;
pub(crate) const LARGE_BLOCK: usize = 1 << 20;
/// The large file, in blocks.
pub(crate) const LARGE_BLOCKS: usize = 64;

/// Somebody who has a tree of so many files, `d0/f0` and so on, and a large one, and does one operation when told to. Of all
/// threads at once.
pub(crate) trait Side: Sync {
    /// How many files there are.
    fn files(&self) -> usize;
    /// Finds a file by its name in its directory, with its attributes: one that is known already, as a host's kernel asks.
    fn lookup(&self, file: usize);
    /// The same of a file that is not known, and lets go of it again.
    fn lookup_new(&self, file: usize);
    /// The attributes of a file by its name in its directory: nothing is counted.
    fn stat(&self, file: usize);
    /// The attributes of a file that is known.
    fn getattr(&self, file: usize);
    /// Makes an empty file of this name in the directory of that file.
    fn create(&self, file: usize, name: usize);
    /// Removes it.
    fn remove(&self, file: usize, name: usize);
    /// Reads the 4 KiB of a file that is open.
    fn read(&self, file: usize, into: &mut [u8]);
    /// Writes them.
    fn write(&self, file: usize, from: &[u8]);
    /// Reads 1 MiB of the large file.
    fn read_large(&self, block: usize, into: &mut [u8]);
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Operations of one thread in one round.
    calls: usize,
    /// Measured with many threads too.
    pub(crate) scales: bool,
    /// It is little more than a copy of memory, and is compared with one.
    pub(crate) is_copy: bool,
    /// It copies 4 KiB.
    pub(crate) is_of_content: bool,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Lookup,
    LookupNew,
    Stat,
    Getattr,
    Create,
    Remove,
    Read,
    Write,
    ReadLarge,
}

const fn row(name: &'static str, calls: usize, what: What) -> Row {
    let is_copy = matches!(what, What::ReadLarge);
    let is_of_content = matches!(what, What::Read | What::Write);
    Row { name, calls, scales: !is_copy, is_copy, is_of_content, what }
}

pub(crate) const ROWS: &[Row] = &[
    row("lookup", 50_000, What::Lookup),
    row("lookup and forget", 50_000, What::LookupNew),
    row("stat by name", 50_000, What::Stat),
    row("getattr", 100_000, What::Getattr),
    row("create", 20_000, What::Create),
    row("unlink", 20_000, What::Remove),
    row("read 4 KiB", 50_000, What::Read),
    row("write 4 KiB", 50_000, What::Write),
    row("read 1 MiB", 500, What::ReadLarge),
];

/// Names of files that come and go, of all threads.
pub(crate) const NEW_NAMES: usize = 8 * 20_000;

/// Numbers that look random, and are the same in every run.
pub(crate) struct Order(u64);

impl Order {
    pub(crate) fn of(thread: usize, round: usize) -> Order {
        Order((thread as u64 + 1) << 32 | (round as u64 + 1) << 8 | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// What each thread does: answers the nanoseconds of its operations alone.
fn work(row: &Row, side: &dyn Side, thread: usize, round: usize, begin: &Barrier) -> (Instant, Instant) {
    let (mut order, files) = (Order::of(thread, round), side.files());
    let mut small = vec![7; BLOCK];
    let mut large = vec![7; if row.what == What::ReadLarge { LARGE_BLOCK } else { 0 }];
    let places: Vec<usize> = (0..row.calls).map(|_| order.below(files)).collect();
    let names = thread * row.calls..(thread + 1) * row.calls;
    let each = |call: &mut dyn FnMut(usize, usize)| places.iter().zip(names.clone()).for_each(|(at, n)| call(*at, n));
    if row.what == What::Remove {
        each(&mut |at, name| side.create(at, name));
    }
    begin.wait();
    let begun = Instant::now();
    match row.what {
        What::Lookup => each(&mut |at, _| side.lookup(at)),
        What::LookupNew => each(&mut |at, _| side.lookup_new(at)),
        What::Stat => each(&mut |at, _| side.stat(at)),
        What::Getattr => each(&mut |at, _| side.getattr(at)),
        What::Create => each(&mut |at, name| side.create(at, name)),
        What::Remove => each(&mut |at, name| side.remove(at, name)),
        What::Read => each(&mut |at, _| side.read(at, &mut small)),
        What::Write => each(&mut |at, _| side.write(at, &small)),
        What::ReadLarge => each(&mut |at, _| side.read_large(at % LARGE_BLOCKS, &mut large)),
    }
    let ended = Instant::now();
    if row.what == What::Create {
        each(&mut |at, name| side.remove(at, name));
    }
    black_box((&small, &large));
    (begun, ended)
}

/// Nanoseconds of one operation: what passes for all threads together, from the first's beginning to the last's end.
pub(crate) fn run(row: &Row, side: &dyn Side, threads: usize, round: usize) -> f64 {
    let begin = Barrier::new(threads);
    let times: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn({
                    let begin = &begin;
                    move || work(row, side, thread, round, begin)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let begun = times.iter().map(|(begun, _)| *begun).min().unwrap();
    let ended = times.iter().map(|(_, ended)| *ended).max().unwrap();
    ended.duration_since(begun).as_nanos() as f64 / (row.calls * threads) as f64
}

/// Nanoseconds of a copy of 1 MiB from among as much memory as the large file has.
pub(crate) fn copy_memory() -> f64 {
    static MEMORY: LazyLock<Vec<u8>> = LazyLock::new(|| vec![5; LARGE_BLOCKS * LARGE_BLOCK]);
    let (mut order, mut into) = (Order::of(0, 0), vec![7; LARGE_BLOCK]);
    let memory = &*MEMORY;
    let begun = Instant::now();
    for _ in 0..500 {
        let at = order.below(LARGE_BLOCKS) * LARGE_BLOCK;
        black_box(&mut into).copy_from_slice(&memory[at..at + LARGE_BLOCK]);
    }
    begun.elapsed().as_nanos() as f64 / 500.0
}
