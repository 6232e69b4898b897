//! What content costs, in memory and past it: `cargo bench -p bough --bench data [hot|spill]`.
//!
//! Hot: the best of several rounds, so that runs of two versions can be laid side by side. Spill: ten times the limit
//! written and read back, each beside `dd` with the same block size on the same disk, in the folder named by
//! `BOUGH_BENCH_DIR` (by default that of temporary files).

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bough::{Caller, Config, NewNode, NodeId, RefId, SetAttr, View, ViewOptions, Volume, WriteAt};

const ROOT: Caller<'static> = Caller::superuser();
const MIB: u64 = 1 << 20;
const HOT_BYTES: u64 = 256 * MIB;
const ROUNDS: usize = 7;
const LIMIT_BYTES: u64 = 256 * MIB;
const SPILL_BYTES: u64 = 10 * LIMIT_BYTES;

struct Scene {
    volume: Arc<Volume>,
    view: Arc<View>,
    node: NodeId,
}

impl Scene {
    fn new(memory_bytes: u64, spill_dir: Option<PathBuf>) -> Scene {
        let config = Config { memory_bytes: Some(memory_bytes), spill_dir, ..Config::default() };
        let volume = Volume::open(config).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "bench", ViewOptions::default()).unwrap();
        let node = view.make(&ROOT, NodeId::ROOT, b"file", 0o644, NewNode::File).unwrap().node;
        Scene { volume, view, node }
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let written = self.view.write(&ROOT, self.node, None, WriteAt::Offset(at), bytes);
        assert_eq!(written, Ok(bytes.len()));
    }

    fn read(&self, at: u64, into: &mut [u8]) {
        assert_eq!(self.view.read(&ROOT, self.node, None, at, into), Ok(into.len()));
    }

    fn fill(&self, size: u64, block: usize) {
        let mut bytes = vec![0; block];
        for at in (0..size).step_by(block) {
            mark(&mut bytes, at);
            self.write(at, &bytes);
        }
    }
}

/// Makes each page differ from every other, at little cost.
fn mark(bytes: &mut [u8], at: u64) {
    for (page, bytes) in bytes.chunks_mut(4096).enumerate() {
        bytes[..8].copy_from_slice(&(at + page as u64 * 4096 + 1).to_le_bytes());
    }
}

fn check(bytes: &[u8], at: u64) {
    for (page, bytes) in bytes.chunks(4096).enumerate() {
        assert_eq!(bytes[..8], (at + page as u64 * 4096 + 1).to_le_bytes());
    }
}

fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// The time of one call of `with`, in the best of the rounds.
fn best(name: &str, calls: u64, mut with: impl FnMut(&mut u64)) {
    let mut state = 1;
    let mut round = || {
        let begun = Instant::now();
        (0..calls).for_each(|_| with(&mut state));
        begun.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap();
    println!("{name:34} {:>12.1} ns", best.as_nanos() as f64 / calls as f64);
}

fn hot() {
    let scene = Scene::new(4 << 30, None);
    scene.fill(HOT_BYTES, 1 << 20);
    for (name, size, calls) in [("4-KiB", 4096_usize, 200_000), ("1-MiB", 1 << 20, 400)] {
        let mut bytes = vec![7; size];
        let blocks = HOT_BYTES / size as u64;
        best(&format!("{name} read, one place"), calls, |_| scene.read(0, &mut bytes));
        best(&format!("{name} read, anywhere"), calls, |state| {
            scene.read(random(state, blocks) * size as u64, &mut bytes);
        });
        best(&format!("{name} write, one place"), calls, |_| scene.write(0, &bytes));
        best(&format!("{name} write, anywhere"), calls, |state| {
            scene.write(random(state, blocks) * size as u64, &bytes);
        });
    }
    fresh(&scene);
    shared(&scene);
    threads(&scene);
}

fn fresh(scene: &Scene) {
    let bytes = vec![7; 1 << 20];
    let empty = SetAttr { size: Some(0), ..SetAttr::default() };
    best("1-MiB write, 64 times, and truncate", 10, |_| {
        (0..64).for_each(|at| scene.write(at * MIB, &bytes));
        scene.view.set_attr(&ROOT, scene.node, None, &empty).unwrap();
    });
    scene.fill(HOT_BYTES, 1 << 20);
}

fn shared(scene: &Scene) {
    let mut number = 0;
    best("4-KiB write after a snapshot", 2_000, |state| {
        let snapshot = scene.volume.create_snapshot(scene.volume.first_branch(), Some(&format!("s{number}"))).unwrap();
        scene.write(random(state, HOT_BYTES / 4096) * 4096, &[8; 4096]);
        scene.volume.delete_ref(RefId::Snapshot(snapshot)).unwrap();
        number += 1;
    });
}

fn threads(scene: &Scene) {
    best("4-KiB read, anywhere, two threads", 1, |_| {
        std::thread::scope(|scope| {
            for mut state in 1..=2 {
                scope.spawn(move || {
                    let mut bytes = [0; 4096];
                    (0..200_000).for_each(|_| scene.read(random(&mut state, HOT_BYTES / 4096) * 4096, &mut bytes));
                });
            }
        });
    });
}

/// The most memory of this process that was resident while `with` ran.
fn watched<T>(with: impl FnOnce() -> T) -> (T, u64) {
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                most.fetch_max(resident_bytes(), Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let answer = with();
        done.store(true, Relaxed);
        answer
    });
    (answer, most.into_inner())
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

fn mib_per_s(bytes: u64, with: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    with();
    (bytes / MIB) as f64 / begun.elapsed().as_secs_f64()
}

fn dd(arguments: &[String]) -> f64 {
    mib_per_s(SPILL_BYTES, || {
        let done = Command::new("dd").args(arguments).arg("status=none").status().unwrap();
        assert!(done.success());
    })
}

fn dd_write(file: &Path, block: usize, how: &str) -> f64 {
    let count = SPILL_BYTES / block as u64;
    dd(&[
        "if=/dev/zero".into(),
        format!("of={}", file.display()),
        format!("bs={block}"),
        format!("count={count}"),
        how.into(),
    ])
}

fn dd_read(file: &Path, block: usize) -> f64 {
    dd(&[format!("if={}", file.display()), "of=/dev/null".into(), format!("bs={block}"), "iflag=direct".into()])
}

fn spill() {
    let folder = std::env::var_os("BOUGH_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let file = folder.join("bough-bench-dd");
    for block in [64 << 10, 1 << 20] {
        println!("blocks of {} KiB", block >> 10);
        println!("  dd write, direct          {:8.0} MiB/s", dd_write(&file, block, "oflag=direct"));
        println!("  dd read, direct           {:8.0} MiB/s", dd_read(&file, block));
        println!("  dd write, then fdatasync  {:8.0} MiB/s", dd_write(&file, block, "conv=fdatasync"));
        std::fs::remove_file(&file).unwrap();
        let (_, most) = watched(|| spill_with(&folder, block));
        println!("  most resident             {:8.3} of the limit", most as f64 / LIMIT_BYTES as f64);
    }
}

fn spill_with(folder: &Path, block: usize) {
    let scene = Scene::new(LIMIT_BYTES, Some(folder.to_owned()));
    println!("  write                     {:8.0} MiB/s", mib_per_s(SPILL_BYTES, || scene.fill(SPILL_BYTES, block)));
    let mut bytes = vec![0; block];
    let in_order = mib_per_s(SPILL_BYTES, || {
        for at in (0..SPILL_BYTES).step_by(block) {
            scene.read(at, &mut bytes);
            check(&bytes, at);
        }
    });
    println!("  read in order             {in_order:8.0} MiB/s");
    let (mut state, mut page) = (1, [0; 4096]);
    let begun = Instant::now();
    for _ in 0..5_000 {
        let at = random(&mut state, SPILL_BYTES / 4096) * 4096;
        scene.read(at, &mut page);
        check(&page, at);
    }
    println!("  read 4 KiB anywhere       {:8.1} us", begun.elapsed().as_micros() as f64 / 5_000.0);
    let begun = Instant::now();
    for _ in 0..5_000 {
        let at = random(&mut state, SPILL_BYTES / 4096) * 4096;
        mark(&mut page, at);
        scene.write(at, &page);
    }
    println!("  write 4 KiB anywhere      {:8.1} us", begun.elapsed().as_micros() as f64 / 5_000.0);
}

fn main() {
    let what: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |name: &str| what.is_empty() || what.iter().any(|argument| argument == name);
    if wanted("hot") {
        hot();
    }
    if wanted("spill") {
        spill();
    }
}
