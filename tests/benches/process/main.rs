//! What an operation costs in process, through Rust and through the C API, beside the same call on tmpfs:
//! `cargo bench -p bough-tests --bench process`.
//!
//! Rounds are interleaved, and each ratio is taken within a round, so that a machine whose speed drifts shows it as spread. Random
//! order is the same in every run. One thread first, then eight. Beside each row stands how many waits for memory it takes as long as:
//! loads in random order of which each needs the one before, over as many bytes as a volume takes for the names and attributes of so
//! many files. Content is compared with a bare copy of 4 KiB from a random place, behind as many waits as a read has.
//!
//! | variable | meaning |
//! |---|---|
//! | `BOUGH_BENCH_ROUNDS` | rounds, of which the median counts; 9 |
//! | `BOUGH_BENCH_FILES` | numbers of files, with commas; `10000,1000000` |
//! | `BOUGH_BENCH_ROWS` | only rows whose name contains this |
//! | `BOUGH_BENCH_TMPFS` | a folder on tmpfs; `/dev/shm` |
//! | `BOUGH_BENCH_JSON` | where all figures go, as JSON |

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

mod memory;
mod rows;
mod sides;

use std::fmt::Write as _;

use memory::{Memory, PLACES};
use rows::{ROWS, Row, Side};
use sides::{InC, InRust, OnTmpfs};

/// Nanoseconds of one operation, round by round.
struct Figures {
    files: usize,
    row: &'static Row,
    threads: usize,
    /// Of each side, in the order of [`NAMES`].
    costs: [Vec<f64>; 3],
    memory_copy: Vec<f64>,
    /// What the machine took in the same rounds, for memory of the volume's size: a wait for it, a copy of 4 KiB, and one behind so many
    /// waits as a read has.
    waits: Vec<f64>,
    copies: Vec<f64>,
    copies_behind: Vec<f64>,
}

impl Figures {
    fn of(files: usize, row: &'static Row, threads: usize) -> Figures {
        let (costs, memory_copy) = (Default::default(), Vec::new());
        let (waits, copies, copies_behind) = (Vec::new(), Vec::new(), Vec::new());
        Figures { files, row, threads, costs, memory_copy, waits, copies, copies_behind }
    }
}

const NAMES: [&str; 3] = ["rust", "c", "tmpfs"];
const THREADS: usize = 8;

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(&of.iter().zip(to).map(|(of, to)| of / to).collect::<Vec<_>>())
}

fn measure(files: usize, rounds: usize, wanted: &str) -> Vec<Figures> {
    let sides: [Box<dyn Side>; 3] = [
        Box::new(InRust::filled(files)),
        Box::new(InC::filled(files)),
        Box::new(OnTmpfs::filled(setting("BOUGH_BENCH_TMPFS", "/dev/shm").as_ref(), files)),
    ];
    let chosen = ROWS.iter().filter(|row| row.name.contains(wanted));
    let mut all: Vec<Figures> = chosen
        .flat_map(|row| [1, THREADS].map(|threads| (row, threads)))
        .filter(|(row, threads)| *threads == 1 || row.scales)
        .map(|(row, threads)| Figures::of(files, row, threads))
        .collect();
    let mut memory = Memory::of(files);
    for round in 0..rounds {
        for figures in &mut all {
            // Whose turn is first changes, so that nobody always comes after the same.
            for at in (0..sides.len()).map(|at| (at + round) % sides.len()) {
                figures.costs[at].push(rows::run(figures.row, &*sides[at], figures.threads, round));
            }
            if figures.row.is_copy {
                figures.memory_copy.push(rows::copy_memory());
            }
            figures.waits.push(memory.wait());
            figures.copies.push(memory.copy_behind(0, round));
            figures.copies_behind.push(memory.copy_behind(PLACES, round));
        }
    }
    all
}

/// A line: what each side costs, and how many times as fast as tmpfs Rust and C are.
fn line(figures: &Figures, alone: Option<&Figures>) -> String {
    let [rust, c, tmpfs] = &figures.costs;
    let mut text = format!("{:<26}{:>9}{:>9}", figures.row.name, figures.files, figures.threads);
    for costs in &figures.costs {
        let _ = write!(text, "{:>10.0}", median(costs));
    }
    let _ = write!(text, "{:>8.1}{:>8.1}", ratio(tmpfs, rust), ratio(tmpfs, c));
    if figures.row.is_copy {
        let _ = write!(text, "   {:.2} of memcpy", ratio(&figures.memory_copy, rust));
    }
    if figures.threads == 1 && !figures.row.is_copy {
        let _ = write!(text, "   {:.1} waits", ratio(rust, &figures.waits));
    }
    if figures.threads == 1 && figures.row.is_of_content {
        let _ = write!(text, ", {:.2} copies behind {PLACES}", ratio(rust, &figures.copies_behind));
    }
    if let Some(alone) = alone {
        let _ = write!(text, "   {:.2} of one thread", ratio(&alone.costs[0], rust));
    }
    text
}

/// What the machine took for memory of a volume of so many files: median and best.
fn machine(measured: &[Figures]) -> String {
    let told = |of: fn(&Figures) -> &Vec<f64>| {
        let all: Vec<f64> = measured.iter().flat_map(of).copied().collect();
        format!("{:.0} ({:.0} at best)", median(&all), all.iter().copied().fold(f64::INFINITY, f64::min))
    };
    let (wait, copy) = (told(|figures| &figures.waits), told(|figures| &figures.copies));
    let behind = told(|figures| &figures.copies_behind);
    format!(
        "a wait for memory: {wait}; a copy of 4 KiB from a random place: {copy}; one behind {PLACES} waits: {behind}"
    )
}

fn json(all: &[Figures]) -> serde_json::Value {
    let row = |figures: &Figures| {
        let costs: serde_json::Map<String, serde_json::Value> =
            NAMES.iter().zip(&figures.costs).map(|(name, costs)| ((*name).into(), serde_json::json!(costs))).collect();
        serde_json::json!({
            "row": figures.row.name, "files": figures.files, "threads": figures.threads, "nanoseconds": costs,
            "memcpy_nanoseconds": figures.memory_copy, "wait_nanoseconds": figures.waits,
            "copy_nanoseconds": figures.copies, "copy_behind_waits_nanoseconds": figures.copies_behind,
        })
    };
    serde_json::json!({ "rows": all.iter().map(row).collect::<Vec<_>>() })
}

fn main() {
    let rounds = setting("BOUGH_BENCH_ROUNDS", "9").parse().expect("BOUGH_BENCH_ROUNDS is a number");
    let wanted = setting("BOUGH_BENCH_ROWS", "");
    let mut all = Vec::new();
    println!("nanoseconds of one operation; x: times as fast as tmpfs");
    println!(
        "{:<26}{:>9}{:>9}{:>10}{:>10}{:>10}{:>8}{:>8}",
        "", "files", "threads", "rust", "c", "tmpfs", "rust x", "c x"
    );
    for files in setting("BOUGH_BENCH_FILES", "10000,1000000").split(',') {
        let measured = measure(files.trim().parse().expect("BOUGH_BENCH_FILES are numbers"), rounds, &wanted);
        for (at, figures) in measured.iter().enumerate() {
            println!("{}", line(figures, (figures.threads > 1).then(|| &measured[at - 1])));
        }
        println!("{}", machine(&measured));
        all.extend(measured);
    }
    if let Ok(path) = std::env::var("BOUGH_BENCH_JSON") {
        std::fs::write(path, json(&all).to_string()).expect("the place for JSON can be written to");
    }
}
