//! The numbers that Bough promises. Those that measure time are for release builds:
//! `cargo test --release -p bough --test promises -- --nocapture`

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

#[path = "support/pauses.rs"]
mod pauses;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bough::{
    BranchId, Caller, Config, ListOptions, NewNode, NodeId, OpenOptions, PathAt, RefId, View, ViewOptions, Volume,
    WriteAt,
};

use pauses::{Control, Done, timed_alone};
use rustix::time::{ClockId, clock_gettime};

const ROOT: Caller<'static> = Caller::superuser();
const CHUNK_BYTES: usize = 64 << 10;

fn volume() -> (Arc<Volume>, Arc<View>) {
    let volume = Volume::open(Config { memory_bytes: Some(4 << 30), ..Config::default() }).unwrap();
    let view = view_of(&volume, RefId::Branch(volume.first_branch()));
    (volume, view)
}

fn view_of(volume: &Arc<Volume>, id: RefId) -> Arc<View> {
    volume.view(id, "promises", ViewOptions { no_access_time: true, ..ViewOptions::default() }).unwrap()
}

/// Makes files, spread over directories of `each` files.
fn fill(view: &View, files: usize, each: usize) {
    for directory in 0..files.div_ceil(each) {
        let name = format!("d{directory}");
        let parent = view.make(&ROOT, NodeId::ROOT, name.as_bytes(), 0o755, NewNode::Directory).unwrap().node;
        for file in 0..each.min(files - directory * each) {
            let made = view.make(&ROOT, parent, format!("f{file}").as_bytes(), 0o644, NewNode::File).unwrap();
            view.forget(made.node, 1);
        }
        view.forget(parent, 1);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(run: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    run();
    begin.elapsed()
}

/// How long this thread was at it, without what it waited for a processor: for what takes longer than a busy machine lets a thread run at a time.
fn worked(run: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it is not negative");
    let begin = now();
    run();
    now() - begin
}

/// Steps of a walk through memory in which each depends on the one before.
const STEPS: usize = 20_000;
/// What such a walk takes on the machine that the promises were made on, when nothing else is done there.
const WALK: Duration = Duration::from_micros(3_300);

/// How many times as long as there everything takes on this machine, and 1 at least.
fn slowness() -> f64 {
    // A step leads anywhere, and to where it has been only when it has been everywhere.
    let table = vec![1_u32; 1 << 24];
    let mut at = 0_usize;
    let mut walk = || {
        worked(|| {
            for _ in 0..STEPS {
                at = (at * 5 + std::hint::black_box(&table)[at] as usize) % table.len();
            }
        })
    };
    let quickest = (0..21).map(|_| walk()).min().expect("some");
    (quickest.as_secs_f64() / WALK.as_secs_f64()).max(1.0)
}

/// What is promised of time, a machine that is slower or has much else to do is given more of.
fn assert_at_most(what: &str, promised: Duration, mut measure: impl FnMut() -> Duration) {
    let mut tries = Vec::new();
    for _ in 0..5 {
        let (took, slowness) = (measure(), slowness());
        println!("{what}: {took:?}, where everything takes {slowness:.1} times as long as where it was promised");
        if took <= promised.mul_f64(slowness) {
            return;
        }
        tries.push((took, slowness));
    }
    panic!("{what}: promised are {promised:?}, and each time it takes longer: {tries:?}");
}

/// The resident set of this process, in bytes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[test]
#[cfg_attr(debug_assertions, ignore = "measures time")]
fn a_snapshot_of_a_million_inodes_takes_at_most_10_us() {
    let (volume, view) = volume();
    fill(&view, 1_000_000, 1_000);
    let touched = view.path_lookup(&ROOT, PathAt::root(b"d500/f500")).unwrap().node;
    let take = |_| {
        // Something has changed since the last one, as it has in life.
        view.write(&ROOT, touched, None, WriteAt::Offset(0), b"changed").unwrap();
        timed(|| _ = volume.create_snapshot(volume.first_branch(), None).unwrap())
    };
    assert_at_most("snapshot of 1,001,001 inodes", Duration::from_micros(10), || {
        median((0..1_001).map(take).collect())
    });
}

/// How many of the first branches are compared with as many of the last: where each has what it wrote in memory is chance, and may alone be worth
/// more than 5 % when one is compared with one.
const SIDE: usize = 8;

/// Files that each of them has of its own: few enough that all of them stay near the processor.
const OWN: usize = 8;

/// Branches, each grown from the one before, each with a write of its own: the first and the last of them.
fn nested_branches(volume: &Arc<Volume>, depth: usize) -> [Vec<BranchId>; 2] {
    let mut all = vec![volume.first_branch()];
    for level in 1..=depth {
        let grown = volume.create_branch(&format!("level-{level}"), RefId::Branch(all[level - 1])).unwrap();
        let view = view_of(volume, RefId::Branch(grown));
        view.path_write(&ROOT, PathAt::root(format!("d0/own-{level}").as_bytes()), b"own").unwrap();
        all.push(grown);
    }
    [all[1..=SIDE].to_vec(), all[depth - SIDE + 1..].to_vec()]
}

/// Medians of the same thing done by two sides, in turns, so that what disturbs the machine disturbs both. What is run is told the side, the branch
/// of it, and how often this branch has run it.
fn compare(mut run: impl FnMut(usize, usize, usize)) -> [f64; 2] {
    const PER_SAMPLE: u32 = 64;
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..4_000 {
        let (side, branch) = (turn % 2, turn / 2 % SIDE);
        times[side].push(timed(|| (0..PER_SAMPLE as usize).for_each(|again| run(side, branch, again))));
    }
    times.map(|times| median(times).as_nanos() as f64 / f64::from(PER_SAMPLE))
}

fn assert_within_5_percent(what: &str, mut measure: impl FnMut() -> [f64; 2]) {
    let mut tries = Vec::new();
    for _ in 0..5 {
        let [first, last] = measure();
        println!(
            "{what}: first branches {first:.0} ns, thousandth {last:.0} ns ({:+.1} %)",
            (last / first - 1.0) * 100.0
        );
        if last <= first * 1.05 {
            return;
        }
        tries.push((first, last));
    }
    panic!("{what}: the thousandth branch is slower each time: {tries:?}");
}

/// What the first and the last of many nested branches show, and files of theirs.
struct Sides {
    views: [Vec<Arc<View>>; 2],
    nodes: [Vec<Vec<NodeId>>; 2],
}

impl Sides {
    fn new() -> Sides {
        let (volume, view) = volume();
        fill(&view, 10_000, 1_000);
        for file in 0..64 {
            view.path_write(&ROOT, PathAt::root(format!("d3/f{file}").as_bytes()), &[7; 2 * CHUNK_BYTES]).unwrap();
        }
        let views = nested_branches(&volume, 1_000)
            .map(|side| side.into_iter().map(|branch| view_of(&volume, RefId::Branch(branch))).collect::<Vec<_>>());
        let files_of = |view: &View| -> Vec<NodeId> {
            let node = |file| view.path_lookup(&ROOT, PathAt::root(format!("d3/f{file}").as_bytes())).unwrap().node;
            (0..OWN).map(node).collect()
        };
        let nodes = [0, 1].map(|side: usize| views[side].iter().map(|view| files_of(view)).collect::<Vec<_>>());
        let sides = Sides { views, nodes };
        // Each has its own copy from here on, as after any first write.
        (0..2 * SIDE * OWN).for_each(|number| sides.run(number % 2, number / 2 % SIDE, number / 2 / SIDE, write_block));
        sides
    }

    fn run(&self, side: usize, branch: usize, file: usize, work: fn(&View, NodeId)) {
        work(&self.views[side][branch], self.nodes[side][branch][file % OWN]);
    }
}

fn read_block(view: &View, node: NodeId) {
    view.read(&ROOT, node, None, 0, &mut [0; 4096]).map(drop).unwrap();
}

fn write_block(view: &View, node: NodeId) {
    view.write(&ROOT, node, None, WriteAt::Offset(0), &[9; 4096]).map(drop).unwrap();
}

fn look_up(view: &View, _: NodeId) {
    view.path_attr(&ROOT, PathAt::root(b"d7/f700")).map(drop).unwrap();
}

#[test]
#[cfg_attr(debug_assertions, ignore = "measures time")]
fn the_thousandth_nested_branch_reads_and_writes_as_fast_as_the_first() {
    // Where it all lies stays as long as a volume does: each try has one of its own, beside those before.
    let mut kept = Vec::new();
    let works =
        [("read 4 KiB", read_block as fn(&View, NodeId)), ("write 4 KiB", write_block), ("look up a path", look_up)];
    for (what, work) in works {
        assert_within_5_percent(what, || {
            let sides = Sides::new();
            let times = compare(|side, branch, file| sides.run(side, branch, file, work));
            kept.push(sides);
            times
        });
    }
}

#[test]
fn the_first_write_into_a_shared_file_of_a_gibibyte_copies_one_chunk() {
    const FILE_BYTES: usize = 1 << 30;
    let (volume, view) = volume();
    let options = OpenOptions { read: true, write: true, ..OpenOptions::default() };
    let handle = view.path_open(&ROOT, PathAt::root(b"large"), options, Some(0o644)).unwrap();
    let write = |offset: usize, bytes: &[u8]| {
        view.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(offset as u64), bytes).unwrap()
    };
    let piece = vec![5; 4 << 20];
    for offset in (0..FILE_BYTES).step_by(piece.len()) {
        assert_eq!(write(offset, &piece), piece.len());
    }
    volume.create_snapshot(volume.first_branch(), None).unwrap();
    let before = volume.stats();
    assert_eq!(before.chunks, (FILE_BYTES / CHUNK_BYTES) as u64);
    write(FILE_BYTES / 2 + 8_192, &[6; 4_096]);
    let after = volume.stats();
    let made = (after.chunks_allocated - before.chunks_allocated, after.chunks - before.chunks);
    assert_eq!(made, (1, 1), "chunks allocated, chunks more in use");
    write(FILE_BYTES / 2 + 12_288, &[6; 4_096]);
    assert_eq!(volume.stats().chunks_allocated, after.chunks_allocated, "the next write there copies nothing");
    view.release(handle).unwrap();
}

#[test]
fn a_hundred_thousand_snapshots_and_as_many_branches_exist_at_once() {
    const COUNT: usize = 100_000;
    let (volume, view) = volume();
    fill(&view, 10_000, 1_000);
    let empty = resident_bytes();
    let file = view.path_lookup(&ROOT, PathAt::root(b"d5/f5")).unwrap().node;
    for number in 0..COUNT {
        view.write(&ROOT, file, None, WriteAt::Offset(0), &number.to_le_bytes()).unwrap();
        volume.create_snapshot(volume.first_branch(), None).unwrap();
    }
    let snapshots = resident_bytes();
    for number in 0..COUNT {
        volume.create_branch(&format!("branch-{number}"), RefId::Branch(volume.first_branch())).unwrap();
    }
    let branches = resident_bytes();
    let per = |from: u64, to: u64| to.saturating_sub(from) / COUNT as u64;
    println!(
        "per snapshot with one change: {} bytes; per branch: {} bytes",
        per(empty, snapshots),
        per(snapshots, branches)
    );
    let stats = volume.stats();
    assert_eq!((stats.snapshots, stats.branches), (COUNT as u64, COUNT as u64 + 1));
    for number in [0, COUNT / 2, COUNT - 1] {
        let then = view_of(&volume, volume.find(&format!("main@{}", number + 1)).unwrap());
        assert_eq!(then.path_read(&ROOT, PathAt::root(b"d5/f5")).unwrap(), number.to_le_bytes());
    }
    let branch = view_of(&volume, volume.find("branch-77777").unwrap());
    branch.path_write(&ROOT, PathAt::root(b"d5/f5"), b"its own").unwrap();
    assert_eq!(view.path_read(&ROOT, PathAt::root(b"d5/f5")).unwrap(), (COUNT - 1).to_le_bytes());
}

/// Lists a whole directory in pages, as a host does; answers how many entries there were.
fn list_all(view: &View, directory: NodeId) -> usize {
    let (mut entries, mut cookie) = (0, 0);
    loop {
        let mut page = 0;
        view.list(&ROOT, directory, None, cookie, ListOptions::default(), &mut |entry| {
            cookie = entry.cookie;
            page += 1;
            page < 100
        })
        .unwrap();
        if page == 0 {
            return entries;
        }
        // The entry at which a page ends was given, but not taken.
        entries += page;
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "measures time")]
fn a_directory_of_a_million_entries_is_looked_up_listed_and_snapshotted_quickly() {
    let (volume, view) = volume();
    let made = |name: &str, entries: usize| {
        let node = view.make(&ROOT, NodeId::ROOT, name.as_bytes(), 0o755, NewNode::Directory).unwrap().node;
        for entry in 0..entries {
            let file = view.make(&ROOT, node, format!("entry-{entry}").as_bytes(), 0o644, NewNode::File).unwrap();
            view.forget(file.node, 1);
        }
        node
    };
    let (small, large) = (made("small", 10_000), made("large", 1_000_000));
    let looked_up = |entry: usize| {
        let name = format!("entry-{}", entry * 7_919 % 1_000_000);
        timed(|| {
            let found = view.lookup(&ROOT, large, name.as_bytes()).unwrap();
            view.forget(found.node, 1);
        })
    };
    assert_at_most("lookup among 1,000,000 entries", Duration::from_micros(5), || {
        median((0..100_000).map(looked_up).collect())
    });
    let per_entry = |directory: NodeId, entries: usize| {
        let time = median((0..3).map(|_| worked(|| assert_eq!(list_all(&view, directory), entries))).collect());
        time.as_nanos() as f64 / entries as f64
    };
    let listing = || {
        let listing = [per_entry(small, 10_000), per_entry(large, 1_000_000)];
        println!("listing, per entry: {:.0} ns of 10,000, {:.0} ns of 1,000,000", listing[0], listing[1]);
        listing
    };
    let costs_more = |listing: [f64; 2]| listing[1] >= listing[0] * 8.0;
    assert!((0..5).any(|_| !costs_more(listing())), "a listing costs more per entry the more there are, each time");
    assert_at_most("snapshot of 1,000,000 entries", Duration::from_micros(10), || {
        median((0..101).map(|_| timed(|| _ = volume.create_snapshot(volume.first_branch(), None))).collect())
    });
}

/// Makes, looks up, writes, reads and removes a file; notes what of it took long.
fn live_once(view: &View, done: &mut Vec<Done>) {
    let mut buffer = [0; 4096];
    timed_alone(done, || {
        let made = view.make(&ROOT, NodeId::ROOT, b"new", 0o644, NewNode::File).unwrap();
        view.forget(made.node, 1);
    });
    let node = view.lookup(&ROOT, NodeId::ROOT, b"new").unwrap().node;
    timed_alone(done, || {
        assert!(view.write(&ROOT, node, None, WriteAt::Offset(0), &[7; CHUNK_BYTES]).is_ok());
    });
    timed_alone(done, || assert!(view.read(&ROOT, node, None, 0, &mut buffer).is_ok()));
    view.forget(node, 1);
    timed_alone(done, || view.unlink(&ROOT, NodeId::ROOT, b"new").unwrap());
}

/// Has files live and die until `volume` is back at `used` bytes; answers the longest of all that was done.
fn longest_until_freed(volume: &Volume, view: &View, used: u64) -> Duration {
    let begun = Instant::now();
    let (control, mut done) = (Control::start(), Vec::new());
    while volume.stats().used_bytes > used {
        assert!(begun.elapsed() < Duration::from_secs(1200), "never freed");
        live_once(view, &mut done);
    }
    control.longest(&done)
}

#[test]
#[cfg_attr(debug_assertions, ignore = "measures time")]
fn freeing_a_million_inodes_and_a_gibibyte_pauses_nobody_for_5_ms() {
    let (volume, view) = volume();
    let mut rounds = Vec::new();
    for round in 0..8 {
        let before = volume.stats().used_bytes;
        let id = RefId::Branch(volume.create_branch(&format!("big{round}"), volume.find("main").unwrap()).unwrap());
        let big = view_of(&volume, id);
        fill(&big, 1_000_000, 1000);
        let file = big.make(&ROOT, NodeId::ROOT, b"file", 0o644, NewNode::File).unwrap().node;
        for at in 0..1024 {
            big.write(&ROOT, file, None, WriteAt::Offset(at << 20), &[5; 1 << 20]).unwrap();
        }
        big.forget(file, 1);
        drop(big);
        let held = volume.holdings(id).unwrap();
        assert!(held.exclusive.bytes() > 1 << 30 && held.exclusive.inodes > 1_000_000, "{held:?}");
        volume.delete_ref(id).unwrap();
        // A directory that grew once keeps a little.
        let longest = longest_until_freed(&volume, &view, before + 4096);
        println!("the longest operation while {} MiB were freed: {longest:?}", held.exclusive.bytes() >> 20);
        rounds.push(longest);
    }
    // What a virtual machine takes to find memory for a first touch is in a round now and then: docs/performance.md.
    rounds.sort();
    let slowness = slowness();
    let promised = Duration::from_millis(5).mul_f64(slowness);
    assert!(rounds[rounds.len() / 2] < promised, "{rounds:?}, on a machine {slowness:.1} times as slow");
}
