//! Mounted file systems side by side: `cargo bench -p bough-tests --bench filesystems`, as root, after `make build`.
//!
//! Every round measures every row on every file system that this machine has, in an order that changes from round to round, so that
//! what else the machine does meets all of them alike. Ratios are taken within a round; the table shows their medians.
//!
//! `BOUGH_BENCH_ROUNDS` (default 5); `BOUGH_BENCH_ROWS`, `BOUGH_BENCH_FILESYSTEMS`: comma-separated parts of names, only these;
//! `BOUGH_BENCH_BUSY`: so many threads that do nothing but take processor time meanwhile (default none); `BOUGH_BENCH_AWAKE=1`: idle
//! processors look for work instead of sleeping, as what waking one costs is the machine's; `BOUGH_BENCH_CHARTS`: a folder for
//! SVG charts (without the mounts that have snapshots). JSON goes to `target/bench/filesystems.json`, after each round.

mod contestants;
mod data;
mod jobs;
mod metadata;
mod report;
mod rows;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contestants::Running;
use report::Figures;
use rows::Row;

fn chosen(variable: &str, name: &str) -> bool {
    std::env::var(variable).map_or(true, |list| list.split(',').any(|part| name.contains(part)))
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Threads that take processor time until this goes.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn with(threads: usize) -> Busy {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..threads {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Busy(over)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keeps idle processors awake for as long as the file is open: the kernel's documents, `power/pm_qos_interface`.
fn awake() -> Option<fs::File> {
    std::env::var_os("BOUGH_BENCH_AWAKE")?;
    let mut file =
        fs::File::options().write(true).open("/dev/cpu_dma_latency").expect("root may say how fast processors wake");
    file.write_all(&0i32.to_ne_bytes()).expect("0 microseconds are taken");
    Some(file)
}

fn start_all(place: &Path) -> Vec<Running> {
    let mut running = Vec::new();
    for contestant in contestants::ALL.iter().filter(|one| chosen("BOUGH_BENCH_FILESYSTEMS", one.name)) {
        match contestant.start(place) {
            Some(one) => running.push(one),
            None => eprintln!("{}: not on this machine", contestant.name),
        }
    }
    running
}

fn measure(row: &Row, on: &Running) -> Option<f64> {
    let place = on.point().join("row");
    fs::create_dir(&place).expect("the last row was cleared away");
    let cost = (row.measure)(&place);
    fs::remove_dir_all(&place).expect("what a row makes can be removed");
    cost
}

fn measure_round(round: usize, rows: &[Row], running: &[Running], figures: &mut [Figures]) {
    for (row, figures) in rows.iter().zip(figures) {
        eprintln!("{}: {}", row.group, row.name);
        for step in 0..running.len() {
            let index = (step + round) % running.len();
            match measure(row, &running[index]) {
                Some(cost) => figures.costs[index].1.push(cost),
                None => eprintln!("{}: cannot do {}", running[index].name, row.name),
            }
        }
    }
}

/// What there is so far, so that a run that is cut short leaves something.
fn note(figures: &[Figures]) {
    let target = contestants::programs().join("../bench");
    fs::create_dir_all(&target).expect("target can be written");
    fs::write(target.join("filesystems.json"), report::json(figures).to_string()).expect("target can be written");
}

/// Bough with a history, which the charts leave out.
fn is_a_later_state(name: &str) -> bool {
    name.strip_prefix("bough-").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn main() {
    let rows: Vec<Row> = rows::all();
    let rows: Vec<Row> =
        rows.into_iter().filter(|row| chosen("BOUGH_BENCH_ROWS", &format!("{}: {}", row.group, row.name))).collect();
    let place = tempfile::tempdir().expect("a folder for mount points");
    let running = start_all(place.path());
    let names: Vec<&'static str> = running.iter().map(|one| one.name).collect();
    let empty = |row: &Row| Figures {
        group: row.group,
        name: row.name.clone(),
        unit: row.unit,
        costs: names.iter().map(|name| (*name, Vec::new())).collect(),
    };
    let mut figures: Vec<Figures> = rows.iter().map(empty).collect();
    let rounds = number("BOUGH_BENCH_ROUNDS", 5);
    let beside = (awake(), Busy::with(number("BOUGH_BENCH_BUSY", 0)));
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        measure_round(round, &rows, &running, &mut figures);
        note(&figures);
    }
    drop((beside, running));
    jobs::clean_up();
    println!("speed, with {} for 1 (its own figures in full)", names.first().copied().unwrap_or("nothing"));
    println!("{}", report::table(&figures, &names));
    if let Ok(folder) = std::env::var("BOUGH_BENCH_CHARTS") {
        let drawn: Vec<&'static str> = names.iter().copied().filter(|name| !is_a_later_state(name)).collect();
        report::charts(Path::new(&folder), &figures, &drawn).expect("the charts' folder can be written");
    }
}
