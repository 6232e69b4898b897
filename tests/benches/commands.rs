//! How long the commands take, process start included, on volumes of 10 and of many files: `cargo bench -p bough-tests`.
//! `BOUGH_BENCH_FILES` sets how many (default 1,000,000), `BOUGH_BENCH_RUNS` how often each is run (default 41).
//!
//! Wants `target/release/bough` and `bough-fuse` (`make build`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn binary() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/bough")
}

fn bough(arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let status = Command::new(binary()).args(arguments).stdout(Stdio::null()).status().expect("make build first");
    let took = start.elapsed();
    assert!(status.success(), "bough {arguments:?}");
    took
}

/// Median and worst.
fn report(what: &str, files: usize, mut times: Vec<Duration>) {
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1000.0;
    let worst = times[times.len() - 1].as_secs_f64() * 1000.0;
    println!("{what:<44} {files:>9} {median:>10.2} {worst:>10.2}");
}

/// The least that starting a process costs here, to be seen beside the rest.
fn process_start(runs: usize) {
    let times = (0..runs).map(|_| bough(&["--version"])).collect();
    report("bough --version", 0, times);
}

fn mounts(point: &str, runs: usize) {
    let once = |_| {
        let took = bough(&["mount", point]);
        bough(&["unmount", point]);
        took
    };
    report("bough mount (daemon started)", 0, (0..runs).map(once).collect());
}

fn fill(point: &Path, files: usize) {
    for n in 0..files {
        let directory = point.join(format!("d{}", n / 1000));
        if n % 1000 == 0 {
            fs::create_dir_all(&directory).unwrap();
        }
        fs::File::create(directory.join(format!("file{n}"))).unwrap();
    }
}

fn history(point: &str, other: &str, files: usize, runs: usize) {
    let touch = |n: usize| fs::write(Path::new(point).join("d0/file0"), n.to_string()).unwrap();
    let snapshot = |n| {
        touch(n);
        bough(&["-C", point, "snapshot", "create"])
    };
    report("bough snapshot create", files, (0..runs).map(snapshot).collect());
    let branch = |n: usize| {
        let name = format!("branch-{n}");
        touch(n);
        let took = bough(&["-C", point, "branch", "create", &name])
            + bough(&["mount", "--attach", point, "--branch", &name, other]);
        bough(&["unmount", other]);
        took
    };
    report("bough branch create + bough mount --attach", files, (0..runs).map(branch).collect());
    let both = |n: usize| {
        touch(n);
        let took = bough(&["-C", point, "branch", "create", &format!("both-{n}"), "--mount", other]);
        bough(&["unmount", other]);
        took
    };
    report("bough branch create --mount", files, (0..runs).map(both).collect());
}

fn main() {
    let (files, runs) = (number("BOUGH_BENCH_FILES", 1_000_000), number("BOUGH_BENCH_RUNS", 41));
    let place = tempfile::tempdir().unwrap();
    let [point, other] = ["one", "two"].map(|name| {
        let path = place.path().join(name);
        fs::create_dir(&path).unwrap();
        path.to_str().unwrap().to_owned()
    });
    println!("{:<44} {:>9} {:>10} {:>10}", "command", "files", "median ms", "worst ms");
    process_start(runs);
    mounts(&point, runs);
    for files in [10, files] {
        bough(&["mount", &point]);
        fill(Path::new(&point), files);
        history(&point, &other, files, runs);
        bough(&["unmount", &point]);
    }
}
