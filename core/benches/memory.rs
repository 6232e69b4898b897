//! What a volume takes of memory, and that it holds its limit: `cargo bench -p bough --bench memory [NAME…]`.
//!
//! Each scene runs in a process of its own, so that its resident set is its own. A figure that misses what it should show
//! says so; with `BOUGH_BENCH_DEMAND` set that is a failure. Wrong bytes always are. Spilled content goes to the folder
//! named by `BOUGH_BENCH_DIR` (by default that of temporary files). `BOUGH_CHURN_SECONDS` is how long each churn lasts (by
//! default 60).

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

#[path = "../tests/support/pauses.rs"]
mod pauses;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bough::{Allocation, Caller, Config, NewNode, NodeId, PathAt, RefId, View, ViewOptions, Volume, WriteAt};

use pauses::{Control, timed_alone};

const ROOT: Caller<'static> = Caller::superuser();
const MIB: u64 = 1 << 20;
const FILES: u64 = 1_000_000;

const SCENES: [(&str, fn()); 11] = [
    ("limit", limit),
    ("disk", disk),
    ("reserve", reserve),
    ("small", small_files_past_the_limit),
    ("empty", empty_files),
    ("files", files_of_100_bytes),
    ("tmpfs", files_on_tmpfs),
    ("snapshots", thousand_snapshots),
    ("churn", churn),
    ("churn-spilled", churn_past_the_limit),
    ("leftovers", metadata_leaves_its_place),
];

/// How the process of a scene ends that missed a figure.
const MISSED: i32 = 3;
static HAS_MISSED: AtomicBool = AtomicBool::new(false);

fn main() {
    let what: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [scene, name] = &what[..]
        && scene == "scene"
    {
        SCENES.iter().find(|(other, _)| other == name).unwrap().1();
        std::process::exit(if HAS_MISSED.load(Relaxed) { MISSED } else { 0 });
    }
    let wanted = |name: &str| what.is_empty() || what.iter().any(|argument| argument == name);
    let run = |name: &str| Command::new(std::env::current_exe().unwrap()).args(["scene", name]).status().unwrap();
    let mut missed = Vec::new();
    for (name, _) in SCENES.iter().filter(|(name, _)| wanted(name)) {
        match run(name).code() {
            Some(0) => {}
            Some(MISSED) => missed.push(*name),
            code => panic!("{name} failed: {code:?}"),
        }
    }
    if !missed.is_empty() {
        println!("missed what they should show: {}", missed.join(", "));
        std::process::exit(i32::from(std::env::var_os("BOUGH_BENCH_DEMAND").is_some()));
    }
}

// ---- what scenes share ---------------------------------------------------------------------------------------------

struct Scene {
    volume: Arc<Volume>,
    view: Arc<View>,
}

impl Scene {
    fn new(memory_bytes: u64, spill_dir: Option<PathBuf>) -> Scene {
        let config = Config { memory_bytes: Some(memory_bytes), spill_dir, ..Config::default() };
        let volume = Volume::open(config).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "bench", ViewOptions::default()).unwrap();
        Scene { volume, view }
    }

    fn make(&self, parent: NodeId, name: &str, new: NewNode<'_>) -> NodeId {
        let node = self.view.make(&ROOT, parent, name.as_bytes(), 0o644, new).unwrap().node;
        self.view.forget(node, 1);
        node
    }

    /// Has the node known to the view, as long as it lives.
    fn held(&self, name: &str) -> NodeId {
        self.view.make(&ROOT, NodeId::ROOT, name.as_bytes(), 0o644, NewNode::File).unwrap().node
    }

    fn write(&self, node: NodeId, at: u64, bytes: &[u8]) {
        assert_eq!(self.view.write(&ROOT, node, None, WriteAt::Offset(at), bytes), Ok(bytes.len()));
    }

    fn snapshot(&self) -> RefId {
        RefId::Snapshot(self.volume.create_snapshot(self.volume.first_branch(), None).unwrap())
    }

    fn used(&self) -> u64 {
        self.volume.stats().used_bytes
    }
}

fn folder() -> PathBuf {
    std::env::var_os("BOUGH_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

/// The most memory of this process that was ever resident, by the system's own account.
fn most_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.expect("a system that tells") << 10
}

/// Every number below `count`, each once, in no order.
fn shuffled(count: u64) -> impl Iterator<Item = u64> {
    let size = count.next_power_of_two();
    let mut at = 1;
    let next = move |_| {
        // Goes round all numbers below a power of two (Hull and Dobell).
        at = 6_364_136_223_846_793_005_u64.wrapping_mul(at).wrapping_add(1_442_695_040_888_963_407) & (size - 1);
        at
    };
    (0..size).map(next).filter(move |&at| at < count)
}

fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// The eight bytes at an offset, as a round writes them: others than anywhere else, and than in any other round.
fn word(at: u64, round: u64) -> [u8; 8] {
    ((at + 8).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (round + 1).wrapping_mul(0xD1B5_4A32_D192_ED03)).to_le_bytes()
}

/// Makes every byte what it is to be at this offset in this round.
fn fill(bytes: &mut [u8], at: u64, round: u64) {
    bytes.chunks_exact_mut(8).zip((at..).step_by(8)).for_each(|(bytes, at)| bytes.copy_from_slice(&word(at, round)));
}

/// Looks at every byte.
fn verify(bytes: &[u8], at: u64, round: u64) {
    let wrong = bytes.chunks_exact(8).zip((at..).step_by(8)).find(|(bytes, at)| **bytes != word(*at, round));
    assert_eq!(wrong.map(|(_, at)| at), None, "other bytes than round {round} wrote");
}

/// Makes each page differ from every other, and from itself in another round. For where time is measured.
fn mark(bytes: &mut [u8], at: u64, round: u64) {
    for (page, bytes) in bytes.chunks_mut(4096).enumerate() {
        bytes[..8].copy_from_slice(&(at + page as u64 * 4096 + 1).to_le_bytes());
        bytes[8..16].copy_from_slice(&round.to_le_bytes());
    }
}

fn check(bytes: &[u8], at: u64, round: u64) {
    for (page, bytes) in bytes.chunks(4096).enumerate() {
        assert_eq!(bytes[..8], (at + page as u64 * 4096 + 1).to_le_bytes());
        assert_eq!(bytes[8..16], round.to_le_bytes());
    }
}

/// Says a figure, and if it is more than it may be.
fn told(what: &str, figure: f64, most: f64, unit: &str) {
    let fits = figure <= most;
    println!("{what:58} {figure:10.3} {unit} (at most {most}){}", if fits { "" } else { ": MISSED" });
    HAS_MISSED.fetch_or(!fits, Relaxed);
}

// ---- scenes --------------------------------------------------------------------------------------------------------

/// Ten times the limit written with eight snapshots between, and all of it, of each, read back in no order.
fn limit() {
    const LIMIT: u64 = 256 * MIB;
    const SNAPSHOTS: u64 = 8;
    const BLOCK: u64 = 256 << 10;
    const EACH: u64 = 10 * LIMIT / SNAPSHOTS / BLOCK;
    let scene = Scene::new(LIMIT, Some(folder()));
    let node = scene.held("file");
    let mut bytes = vec![0; BLOCK as usize];
    let mut snapshots = Vec::new();
    for round in 0..SNAPSHOTS {
        // Half of what each round writes is new, half is over what the last snapshot holds.
        for block in 0..EACH {
            let at = (round * EACH / 2 + block) * BLOCK;
            fill(&mut bytes, at, round);
            scene.write(node, at, &bytes);
        }
        snapshots.push(scene.snapshot());
    }
    let mut read = 0;
    for (last, &snapshot) in (0..).zip(&snapshots) {
        let view = scene.volume.view(snapshot, "snapshot", ViewOptions::default()).unwrap();
        let file = view.lookup(&ROOT, NodeId::ROOT, b"file").unwrap().node;
        for block in shuffled(last * EACH / 2 + EACH) {
            assert_eq!(view.read(&ROOT, file, None, block * BLOCK, &mut bytes), Ok(bytes.len()));
            verify(&bytes, block * BLOCK, (block / (EACH / 2)).min(last));
            read += 1;
        }
    }
    assert_eq!(read, (0..SNAPSHOTS).map(|last| last * EACH / 2 + EACH).sum::<u64>(), "every block of each");
    let stats = scene.volume.stats();
    println!("{:58} {:10} MiB spilled", "10 times the limit, 8 snapshots", stats.spill_bytes / MIB);
    told("  most resident", most_resident_bytes() as f64 / LIMIT as f64, 1.05, "of the limit");
}

/// Writing past the limit, and reading that in order, against `dd` with the same block size on the same disk: the best of some
/// rounds each, and of `dd` the better of two ways.
fn disk() {
    const LIMIT: u64 = 128 * MIB;
    const SIZE: u64 = 12 * LIMIT;
    const ROUNDS: usize = 3;
    let file = folder().join(format!("bough-bench-dd-{}", std::process::id()));
    for block in [64 << 10, 1 << 20] {
        let [mut theirs, mut ours] = [[f64::MAX; 2]; 2];
        for _ in 0..ROUNDS {
            let (name, count) = (file.display(), SIZE / block);
            let dd = |words: String| seconds(|| assert!(dd(&words).success(), "dd {words}"));
            let buffered = dd(format!("if=/dev/zero of={name} bs={block} count={count} conv=fdatasync"));
            let direct = dd(format!("if=/dev/zero of={name} bs={block} count={count} oflag=direct conv=notrunc"));
            let read = dd(format!("if={name} of=/dev/null bs={block} iflag=direct"));
            std::fs::remove_file(&file).unwrap();
            theirs = [theirs[0].min(buffered).min(direct), theirs[1].min(read)];
            let times = written_and_read(LIMIT, SIZE, block);
            ours = [ours[0].min(times[0]), ours[1].min(times[1])];
        }
        for (what, at) in [("write", 0), ("read in order", 1)] {
            let speed = |times: [f64; 2]| (SIZE / MIB) as f64 / times[at];
            println!(
                "{:58} {:10.0} MiB/s (dd {:.0})",
                format!("{what}, {} KiB", block >> 10),
                speed(ours),
                speed(theirs)
            );
            told("  time, of that of dd", ours[at] / theirs[at], 1.25, "");
        }
    }
}

fn seconds(with: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    with();
    begun.elapsed().as_secs_f64()
}

fn dd(words: &str) -> std::process::ExitStatus {
    Command::new("dd").args(words.split(' ')).arg("status=none").status().unwrap()
}

fn written_and_read(limit: u64, size: u64, block: u64) -> [f64; 2] {
    let scene = Scene::new(limit, Some(folder()));
    let node = scene.held("file");
    let mut bytes = vec![0; block as usize];
    let each = |mut with: Box<dyn FnMut(u64) + '_>| seconds(|| (0..size).step_by(block as usize).for_each(&mut with));
    let write = each(Box::new(|at| {
        mark(&mut bytes, at, 0);
        scene.write(node, at, &bytes);
    }));
    let mut bytes = vec![0; block as usize];
    let read = each(Box::new(|at| {
        assert_eq!(scene.view.read(&ROOT, node, None, at, &mut bytes), Ok(bytes.len()));
        check(&bytes, at, 0);
    }));
    [write, read]
}

/// Space reserved far past the limit: nothing is written for it, and a snapshot does not wait for it.
fn reserve() {
    const LIMIT: u64 = 128 * MIB;
    let scene = Scene::new(LIMIT, Some(folder()));
    let node = scene.held("file");
    let ended = AtomicBool::new(false);
    let (taken, longest) = std::thread::scope(|scope| {
        let snapshots = scope.spawn(|| {
            let (control, mut done) = (Control::start(), Vec::new());
            while !ended.load(Relaxed) {
                timed_alone(&mut done, || _ = scene.snapshot());
                std::thread::sleep(Duration::from_millis(1));
            }
            control.longest(&done)
        });
        let reserve = Allocation::Reserve { keep_size: false };
        let taken = seconds(|| scene.view.allocate(&ROOT, node, None, 0, 2 << 30, reserve).unwrap());
        ended.store(true, Relaxed);
        (taken, snapshots.join().unwrap())
    });
    told("2 GiB reserved, 16 times the limit", taken * 1e3, 250.0, "ms");
    told("  spilled for it", scene.volume.activity().spill_written_bytes as f64, 0.0, "bytes");
    told("  longest snapshot meanwhile", longest.as_secs_f64() * 1e3, 5.0, "ms");
}

/// Many times the limit in files of 4 KB.
fn small_files_past_the_limit() {
    const LIMIT: u64 = 128 * MIB;
    const SMALL: u64 = 100_000;
    let scene = Scene::new(LIMIT, Some(folder()));
    let mut bytes = [0; 4096];
    let nodes: Vec<NodeId> = (0..SMALL)
        .map(|number| {
            let node = scene.make(NodeId::ROOT, &format!("file-{number}"), NewNode::File);
            fill(&mut bytes, number * 4096, 0);
            scene.write(node, 0, &bytes);
            node
        })
        .collect();
    scene.snapshot();
    for number in shuffled(SMALL) {
        assert_eq!(scene.view.read(&ROOT, nodes[number as usize], None, 0, &mut bytes), Ok(4096));
        verify(&bytes, number * 4096, 0);
    }
    let most = most_resident_bytes() as f64 / LIMIT as f64;
    told("100,000 files of 4 KiB, 3 times the limit: most resident", most, 1.05, "of the limit");
}

fn filled(bytes: &[u8]) -> (Scene, u64) {
    let scene = Scene::new(4 << 30, None);
    let before = resident_bytes();
    for directory in 0..1000 {
        let parent = scene.make(NodeId::ROOT, &format!("directory-{directory}"), NewNode::Directory);
        for file in 0..FILES / 1000 {
            let node = scene.make(parent, &format!("name-{file:07}"), NewNode::File);
            if !bytes.is_empty() {
                scene.write(node, 0, bytes);
            }
        }
    }
    (scene, resident_bytes().saturating_sub(before))
}

fn empty_files() {
    let (scene, grown) = filled(&[]);
    told("an empty file with a name of 12 bytes", grown as f64 / FILES as f64, 350.0, "bytes");
    told("  what is counted for it, of that", scene.used() as f64 / grown as f64, 1.1, "");
}

fn files_of_100_bytes() {
    let (scene, grown) = filled(&[7; 100]);
    told("a file of 100 bytes, all in", grown as f64 / FILES as f64, 600.0, "bytes");
    told("  what is counted for it, of that", scene.used() as f64 / grown as f64, 1.1, "");
}

/// What the machine has in page cache of tmpfs and in the kernel's own memory, in bytes.
fn kernel_bytes() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
    };
    (field("Shmem:") + field("Slab:")) * 1024
}

/// The same files on a tmpfs, for comparison. A tenth of them, as each takes a page.
fn files_on_tmpfs() {
    let folder = Path::new("/dev/shm").join(format!("bough-bench-{}", std::process::id()));
    if std::fs::create_dir(&folder).is_err() {
        return println!("no tmpfs at /dev/shm to compare with");
    }
    let files = FILES / 10;
    let before = kernel_bytes();
    for file in 0..files {
        std::fs::write(folder.join(format!("name-{file:07}")), [7; 100]).unwrap();
    }
    let grown = kernel_bytes().saturating_sub(before);
    println!("{:58} {:10.3} bytes", "a file of 100 bytes on tmpfs, to compare", grown as f64 / files as f64);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A thousand snapshots with a hundred changed files between each, deleted again; several times over.
fn thousand_snapshots() {
    const LIMIT: u64 = 4 << 30;
    const ROUNDS: u32 = 3;
    let scene = Scene::new(LIMIT, None);
    let nodes: Vec<NodeId> = (0..10_000)
        .map(|number| {
            let node = scene.make(NodeId::ROOT, &format!("file-{number}"), NewNode::File);
            scene.write(node, 0, &[1; CHANGED_BYTES]);
            node
        })
        .collect();
    let (used, resident) = (scene.used(), resident_bytes());
    let mut longest = Duration::ZERO;
    for round in 0..ROUNDS {
        let snapshots = changed_snapshots(&scene, &nodes, round == 0);
        let begun = Instant::now();
        snapshots.iter().for_each(|&snapshot| scene.volume.delete_ref(snapshot).unwrap());
        longest = longest.max(settle(&scene));
        println!("{:58} {:10.3} s", "  deleted again", begun.elapsed().as_secs_f64() - SETTLED.as_secs_f64());
    }
    told("  longest operation meanwhile, of all rounds", longest.as_secs_f64() * 1e3, 5.0, "ms");
    told("  counted then, of what was counted before", scene.used() as f64 / used as f64, 1.05, "");
    // Frames are kept warm, and the allocator keeps what metadata has left until it is needed.
    let kept = resident_bytes().saturating_sub(resident + scene.used() - used);
    told("  resident then beside what is counted", kept as f64 / LIMIT as f64, 1.0 / 32.0, "of the limit");
}

const CHANGED_BYTES: usize = 4096;

/// Takes the snapshots; the first time what they take is told.
fn changed_snapshots(scene: &Scene, nodes: &[NodeId], tells: bool) -> Vec<RefId> {
    const CHANGED: u64 = 100;
    const SNAPSHOTS: u64 = 1000;
    let (used, resident) = (scene.used(), resident_bytes());
    let mut state = 1;
    let take = |_| {
        for _ in 0..CHANGED {
            scene.write(nodes[random(&mut state, nodes.len() as u64) as usize], 0, &[2; CHANGED_BYTES]);
        }
        scene.snapshot()
    };
    let snapshots = (0..SNAPSHOTS).map(take).collect();
    if tells {
        let most = (CHANGED * SNAPSHOTS * (2 * CHANGED_BYTES as u64 + 1024)) as f64;
        let grown = (scene.used() - used) as f64 / most;
        told("1,000 snapshots, 100 files of 4 KiB changed between: counted", grown, 1.0, "of 2x + 1 KiB a file");
        told("  resident", (resident_bytes() - resident) as f64 / most, 1.0, "of 2x + 1 KiB a file");
    }
    snapshots
}

/// How long nothing must have changed.
const SETTLED: Duration = Duration::from_millis(300);

/// Waits until what was given up is gone; answers the longest that an operation took meanwhile.
fn settle(scene: &Scene) -> Duration {
    let mut last = (scene.used(), Instant::now());
    let (control, mut done) = (Control::start(), Vec::new());
    while last.1.elapsed() < SETTLED {
        timed_alone(&mut done, || {
            let file = scene.view.make(&ROOT, NodeId::ROOT, b"meanwhile", 0o644, NewNode::File).unwrap().node;
            scene.write(file, 0, b"something");
            scene.view.unlink(&ROOT, NodeId::ROOT, b"meanwhile").unwrap();
            scene.view.forget(file, 1);
        });
        let now = scene.used();
        // Our own file comes and goes.
        if now.abs_diff(last.0) > 1 << 16 {
            last = (now, Instant::now());
        }
    }
    control.longest(&done)
}

/// How many names there are for files in a churn.
const NAMES: u64 = 20_000;

/// Files made, written over and deleted, snapshots taken and deleted, for as long as it is told, with `sample` taken at the end of each
/// eighth. Ends with the branch alone.
fn churned<T>(scene: &Scene, sample: impl Fn() -> T) -> Vec<T> {
    let seconds = std::env::var("BOUGH_CHURN_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut state = 7;
    let mut snapshots = std::collections::VecDeque::new();
    let mut samples = Vec::new();
    let data = vec![3; 200_000];
    let begun = Instant::now();
    for eighth in 1..=8 {
        while begun.elapsed().as_secs_f64() < seconds as f64 * f64::from(eighth) / 8.0 {
            for _ in 0..1000 {
                step(scene, &mut state, &data, NAMES);
            }
            snapshots.push_back(scene.snapshot());
            if snapshots.len() > 4 {
                let at = random(&mut state, snapshots.len() as u64) as usize;
                scene.volume.delete_ref(snapshots.remove(at).unwrap()).unwrap();
            }
        }
        samples.push(sample());
    }
    snapshots.drain(..).for_each(|snapshot| scene.volume.delete_ref(snapshot).unwrap());
    settle(scene);
    samples
}

/// Says what the content at the end of a churn takes, wherever it is.
fn told_of_content(scene: &Scene) {
    let stats = scene.volume.stats();
    let held = scene.volume.holdings(RefId::Branch(scene.volume.first_branch())).unwrap();
    let content = stats.chunks * 65_536 + stats.small_bytes;
    let taken = stats.used_bytes - held.exclusive.metadata_bytes;
    println!("{:58} {:10.3} MiB", "  content at the end", content as f64 / MIB as f64);
    told("  taken for it", taken as f64 / content as f64, 1.2, "of that");
}

fn churn() {
    // Which snapshots go is chance, and one that has stayed for long holds as much as the branch does.
    const LIMIT: u64 = 1536 * MIB;
    let scene = Scene::new(LIMIT, None);
    let samples = churned(&scene, || (scene.used(), resident_bytes()));
    let (middle, last) = (samples[3], samples[7]);
    told("churn: counted at its end, of that half way", last.0 as f64 / middle.0 as f64, 1.1, "");
    told("  resident at its end, of what is counted", last.1 as f64 / last.0 as f64, 1.2, "");
    told_of_content(&scene);
}

/// The same with a limit that a part of the content goes beyond, so that slots of the spill file come and go, too.
fn churn_past_the_limit() {
    const LIMIT: u64 = 64 * MIB;
    let scene = Scene::new(LIMIT, Some(folder()));
    let samples = churned(&scene, || (scene.used(), spill_file_bytes()));
    let (middle, last) = (samples[3], samples[7]);
    told("churn past the limit: counted at its end, of that half way", last.0 as f64 / middle.0 as f64, 1.1, "");
    told("  taken of the disk, of that half way", last.1 as f64 / middle.1 as f64, 1.1, "");
    // Beside so small a limit the process itself, and what the heap keeps, show: as fragmentation, of which a fifth is allowed.
    told("  most resident", most_resident_bytes() as f64 / LIMIT as f64, 1.2, "of the limit");
    told_of_content(&scene);
}

/// Many files made and all but one in 64 removed, several times over, beside a writer far past the limit: what the heap keeps of
/// them is in the limit, and has its place when it comes back: nobody waits for it then.
fn metadata_leaves_its_place() {
    const LIMIT: u64 = 1 << 30;
    const ROUNDS: u64 = 6;
    let scene = Scene::new(LIMIT, Some(folder()));
    let file = scene.held("written");
    let ended = AtomicBool::new(false);
    let mut blocks = 0..;
    // However slow it is afterwards, it is past the limit.
    blocks
        .by_ref()
        .take((LIMIT / WRITTEN as u64) as usize)
        .for_each(|block| write_round(&scene, file, block, 2 * LIMIT));
    let longest = std::thread::scope(|scope| {
        scope.spawn(|| {
            let blocks = blocks.take_while(|_| !ended.load(Relaxed));
            blocks.for_each(|block| write_round(&scene, file, block, 2 * LIMIT));
        });
        made_and_removed(&scene, "round-0", 500_000);
        let meanwhile = scope.spawn(|| names_come_and_go(&scene, &ended));
        // A few less, so that with those that stay there are never more than in the first round.
        (1..ROUNDS).for_each(|round| made_and_removed(&scene, &format!("round-{round}"), 400_000));
        ended.store(true, Relaxed);
        meanwhile.join().unwrap()
    });
    let most = most_resident_bytes() as f64 / LIMIT as f64;
    assert!(scene.volume.activity().evictions > 0, "content is past the limit");
    told("files made and removed beside a writer: most resident", most, 1.05, "of the limit");
    told("  longest operation meanwhile, after the first round", longest.as_secs_f64() * 1e3, 5.0, "ms");
}

/// Makes so many files in a directory of their own, and removes all but one in 64.
fn made_and_removed(scene: &Scene, directory: &str, count: u64) {
    const STAYS: u64 = 64;
    let parent = scene.view.make(&ROOT, NodeId::ROOT, directory.as_bytes(), 0o755, NewNode::Directory).unwrap().node;
    let names: Vec<String> = (0..count).map(|number| format!("file-{number:07}")).collect();
    names.iter().for_each(|name| _ = scene.make(parent, name, NewNode::File));
    let goes = (0..).zip(&names).filter(|(number, _)| number % STAYS != 0);
    goes.for_each(|(_, name)| scene.view.unlink(&ROOT, parent, name.as_bytes()).unwrap());
}

/// Bytes of a block of a file that is written round and round.
const WRITTEN: usize = 256 << 10;

fn write_round(scene: &Scene, file: NodeId, block: u64, size: u64) {
    scene.write(file, block * WRITTEN as u64 % size, &[block as u8; WRITTEN]);
}

/// Makes and removes a file until it is told to end; answers the longest that this took.
fn names_come_and_go(scene: &Scene, ended: &AtomicBool) -> Duration {
    let (control, mut done) = (Control::start(), Vec::new());
    while !ended.load(Relaxed) {
        timed_alone(&mut done, || {
            scene.make(NodeId::ROOT, "meanwhile", NewNode::File);
            scene.view.unlink(&ROOT, NodeId::ROOT, b"meanwhile").unwrap();
        });
        std::thread::sleep(Duration::from_micros(200));
    }
    control.longest(&done)
}

/// What files without names that this process has open take of their disk: the spill file.
fn spill_file_bytes() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let open = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let files = open.filter_map(|path| std::fs::metadata(path).ok());
    files.filter(|file| file.is_file() && file.nlink() == 0).map(|file| file.blocks() * 512).sum()
}

fn step(scene: &Scene, state: &mut u64, data: &[u8], names: u64) {
    let name = format!("file-{}", random(state, names));
    let path = PathAt::root(name.as_bytes());
    if random(state, 4) == 0 {
        // It may not be there.
        let _ = scene.view.path_unlink(&ROOT, path);
        return;
    }
    let most = 1 << (4 + random(state, 14));
    let len = 1 + random(state, most) as usize;
    scene.view.path_write(&ROOT, path, &data[..len]).unwrap();
}
