//! What history costs by command, process start included, on trees of many files: `cargo bench -p bough-tests --bench history`, as root,
//! after `make build`. Beside Bough: subvolumes of btrfs on a disk in memory, and `sandfs` (cargo package sandfs-cli) over a folder, where
//! this machine has them.
//!
//! Rounds are interleaved. Before each snapshot and branch a file is written, so that there is something to take. A peer does what comes closest:
//! a diff of btrfs is a `send` without data; a branch of btrfs or sandfs can be worked in at once, so that of Bough is made and mounted.
//!
//! `BOUGH_BENCH_FILES`: numbers of files (default `1000,100000`); `BOUGH_BENCH_ROUNDS` (default 7). JSON goes to `target/bench/history.json`.

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

mod peers;

use std::fs;
use std::path::Path;
use std::time::Instant;

use peers::Peer;

const PER_DIRECTORY: usize = 1_000;

/// What is timed: the name, and what a peer does for it in the round of this number.
type Step = (&'static str, fn(&Peer, usize) -> bool);

const STEPS: &[Step] = &[
    ("snapshot", Peer::snapshot),
    ("branch, to work in", Peer::branch),
    ("diff of one change", Peer::diff),
    ("switch, and back", Peer::switch),
    ("branch deleted", Peer::delete_branch),
    ("snapshot deleted", Peer::delete_snapshot),
];

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn fill(tree: &Path, files: usize) {
    for file in 0..files {
        let directory = tree.join(format!("d{}", file / PER_DIRECTORY));
        if file.is_multiple_of(PER_DIRECTORY) {
            fs::create_dir(&directory).unwrap();
        }
        fs::File::create(directory.join(format!("f{file}"))).unwrap();
    }
}

/// Milliseconds; `None` where a peer has no such thing.
fn time(peer: &Peer, step: Step, round: usize) -> Option<f64> {
    let begun = Instant::now();
    let done = step.1(peer, round);
    done.then(|| begun.elapsed().as_secs_f64() * 1e3)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn measure(files: usize, rounds: usize) -> serde_json::Value {
    let place = tempfile::tempdir().unwrap();
    let peers = peers::start_all(place.path(), |tree| fill(tree, files));
    let mut costs = vec![vec![Vec::new(); peers.len()]; STEPS.len()];
    for round in 0..rounds {
        for at in (0..peers.len()).map(|at| (at + round) % peers.len()) {
            peers[at].change(round);
            for (step, costs) in STEPS.iter().zip(&mut costs) {
                costs[at].extend(time(&peers[at], *step, round));
            }
        }
    }
    let mut rows = Vec::new();
    for ((name, _), costs) in STEPS.iter().zip(&costs) {
        print!("{name:<22}{files:>10}");
        for costs in costs {
            print!("{:>12}", median(costs).map_or("-".into(), |cost| format!("{cost:.2}")));
        }
        println!();
        let of = |at: usize| (peers[at].name().to_owned(), serde_json::json!(costs[at]));
        let milliseconds: serde_json::Map<_, _> = (0..peers.len()).map(of).collect();
        rows.push(serde_json::json!({ "row": name, "files": files, "milliseconds": milliseconds }));
    }
    serde_json::Value::Array(rows)
}

fn main() {
    let rounds = setting("BOUGH_BENCH_ROUNDS", "7").parse().expect("BOUGH_BENCH_ROUNDS is a number");
    println!("medians in milliseconds: {}", peers::NAMES.join(", "));
    let sizes = setting("BOUGH_BENCH_FILES", "1000,100000");
    let sizes = sizes.split(',').map(|size| size.trim().parse().expect("BOUGH_BENCH_FILES are numbers"));
    let all: Vec<_> = sizes.map(|files| measure(files, rounds)).collect();
    let target = peers::programs().join("../bench");
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("history.json"), serde_json::json!(all).to_string()).unwrap();
}
