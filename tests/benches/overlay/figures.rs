//! The figures that Bough promises, each beside what it is held to.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::place::{Place, fill, fill_file, median, ms, number, wanted};
use crate::{disks, jobs};

/// How many run at once.
const AT_ONCE: usize = 100;

pub(crate) fn measure() {
    row("figure", "measured", "held to");
    let all: [(&str, fn()); 7] = [
        ("run, warm and cold", runs),
        ("100 runs at once", at_once),
        ("first write", first_write),
        ("read 1 MiB at a time", reading),
        ("accept of small files", accept_small),
        ("accept of one chunk", disks::accept_chunk),
        ("jobs", jobs::measure),
    ];
    for (_, measure) in all.into_iter().filter(|(name, _)| wanted(name)) {
        measure();
    }
}

pub(crate) fn row(what: &str, measured: &str, held_to: &str) {
    println!("{what:<64} {measured:>16}   {held_to}");
}

fn times(count: usize, mut once: impl FnMut() -> Duration) -> Duration {
    median(&(0..count).map(|_| once()).collect::<Vec<_>>())
}

/// How long `true` takes alone.
fn alone() -> Duration {
    times(101, || {
        let begun = Instant::now();
        Command::new("true").status().expect("true is there");
        begun.elapsed()
    })
}

fn runs() {
    let (files, count) = (number("BOUGH_BENCH_FILES", 100_000), number("BOUGH_BENCH_RUNS", 21));
    let place = Place::new();
    let base = place.make("base");
    fill(&base, files, b"some content\n");
    let base_text = place.text("base");
    let run = ["run", "--base", &base_text, "--", "true"];
    let alone = alone();
    let cold = times(count, || {
        place.end_volume(&base);
        place.timed(&run)
    });
    place.timed(&["run", "--base", &base_text, "--keep", "--branch", "held", "--", "true"]);
    let warm = times(count, || place.timed(&run));
    row("true, alone", &format!("{:.1} ms", ms(alone)), "");
    row(
        &format!("bough run -- true over {files} files, warm, longer by"),
        &format!("{:.1} ms", ms(warm - alone)),
        "15 ms",
    );
    row(&format!("bough run -- true over {files} files, cold"), &format!("{:.1} ms", ms(cold)), "40 ms");
}

/// Bytes that a process has in memory.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10
}

/// Each reads all of the base and changes 64 KiB of it. The first hundred find what any number shares: buffers, and the huge pages
/// that chunks lie in; by how much each of the next makes the daemon larger is what is asked.
fn at_once() {
    const NEXT: usize = 3;
    let place = Place::new();
    let base = place.make("base");
    fill(&base, 1000, &[b'x'; 4096]);
    fill_file(&base.join("large"), 8 << 20);
    let base_text = place.text("base");
    place.timed(&["run", "--base", &base_text, "--keep", "--branch", "held", "--", "true"]);
    let (_, pid) = place.daemon(&base).expect("it is kept");
    let alone = resident(pid);
    let took = hundred(&place, &base_text);
    let first = resident(pid);
    for _ in 0..NEXT {
        hundred(&place, &base_text);
    }
    let each = |bytes: u64, runs: usize| format!("{} KiB", (bytes / runs as u64) >> 10);
    row(&format!("{AT_ONCE} runs at once, all of them"), &format!("{:.1} s", took.as_secs_f64()), "");
    row("memory for each of them", &each(first.saturating_sub(alone), AT_ONCE), "");
    row(
        &format!("memory for each of {} further runs, kept", NEXT * AT_ONCE),
        &each(resident(pid).saturating_sub(first), NEXT * AT_ONCE),
        "64 KiB changed",
    );
}

fn hundred(place: &Place, base: &str) -> Duration {
    let script = format!(
        "cd {base} && cat d0/* large > /dev/null && dd if=/dev/zero of=large bs=64k count=1 conv=notrunc && sleep 1"
    );
    let begun = Instant::now();
    let run = |_| place.bough(&["run", "--base", base, "--keep", "--", "sh", "-ec", &script]).spawn().expect("bough");
    let children: Vec<_> = (0..AT_ONCE).map(run).collect();
    for mut child in children {
        assert!(child.wait().expect("it was begun").success());
    }
    begun.elapsed()
}

/// Content in chunks of the volume at `point`.
fn chunks(place: &Place, point: &str) -> u64 {
    let said = place.said(&["-C", point, "stats", "--json"]);
    let stats: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
    stats["chunks"].as_u64().unwrap_or(u64::MAX)
}

fn first_write() {
    let place = Place::new();
    let (base, point) = (place.make("base"), place.make("mnt"));
    fill_file(&base.join("large"), 1 << 30);
    let (base, point_text) = (place.text("base"), place.text("mnt"));
    let mut stored = 0;
    let took = times(number("BOUGH_BENCH_RUNS", 21), || {
        place.timed(&["mount", "--base", &base, &point_text]);
        let before = chunks(&place, &point_text);
        let begun = Instant::now();
        let file = fs::File::options().write(true).open(point.join("large")).expect("it shows");
        file.write_all_at(&[7; 4096], 512 << 20).expect("it can be written");
        drop(file);
        let took = begun.elapsed();
        sync(&point);
        stored = chunks(&place, &point_text).saturating_sub(before);
        place.timed(&["unmount", &point_text]);
        took
    });
    row("first 4 KiB written into a file of 1 GiB", &format!("{:.2} ms", ms(took)), "2 ms");
    row("chunks stored by it", &stored.to_string(), "1");
}

fn sync(point: &Path) {
    let _ = Command::new("sync").arg("-f").arg(point).status();
}

/// All of a file, 1 MiB at a time.
fn read_through(path: &Path) -> Duration {
    let file = fs::File::open(path).expect("it shows");
    let mut buffer = vec![0; 1 << 20];
    let begun = Instant::now();
    let mut at = 0;
    while let Ok(count @ 1..) = file.read_at(&mut buffer, at) {
        at += count as u64;
    }
    begun.elapsed()
}

fn reading() {
    let place = Place::new();
    let (base, point) = (place.make("base"), place.make("mnt"));
    fill_file(&base.join("large"), 1 << 30);
    let (base_text, point_text) = (place.text("base"), place.text("mnt"));
    read_through(&base.join("large"));
    let mut first = Vec::new();
    let mut again = Vec::new();
    for _ in 0..number("BOUGH_BENCH_ROUNDS", 5) {
        place.timed(&["mount", "--base", &base_text, &point_text]);
        let direct = read_through(&base.join("large"));
        let speed = |took: Duration| direct.as_secs_f64() / took.as_secs_f64();
        first.push(speed(read_through(&point.join("large"))));
        again.push(speed(read_through(&point.join("large"))));
        place.timed(&["unmount", &point_text]);
    }
    for (name, mut speeds) in [("the first time", first), ("again", again)] {
        speeds.sort_by(f64::total_cmp);
        let speed = speeds[speeds.len() / 2];
        row(&format!("reading 1 GiB of the base, of the directory's own speed, {name}"), &format!("{speed:.2}"), "0.9");
    }
}

fn accept_small() {
    let files = number("BOUGH_BENCH_FILES", 100_000);
    let place = Place::new();
    let (base, source) = (place.make("base"), place.make("source"));
    fill(&source, files, &[b'x'; 1000]);
    let base_text = place.text("base");
    let copy = |to: &Path| {
        let begun = Instant::now();
        let copied = Command::new("cp").arg("-a").arg(&source).arg(to).status().expect("cp is there");
        assert!(copied.success());
        begun.elapsed()
    };
    let mut ratios = Vec::new();
    let (mut copies, mut accepts) = (Vec::new(), Vec::new());
    for round in 0..number("BOUGH_BENCH_ROUNDS", 5) {
        let source = source.to_str().expect("our own path");
        let script = format!("cp -a {source} {base_text}/new{round}");
        let run =
            ["run", "--base", &base_text, "--branch", "b", "--read-only", source, "--keep", "--", "sh", "-ec", &script];
        place.timed(&run);
        let accepted = place.timed(&["accept", "--base", &base_text, "--branch", "b"]);
        assert!(base.join(format!("new{round}")).is_dir());
        let copied = copy(&place.at(&format!("copy{round}")));
        ratios.push(accepted.as_secs_f64() / copied.as_secs_f64());
        accepts.push(accepted);
        copies.push(copied);
        for gone in [base.join(format!("new{round}")), place.at(&format!("copy{round}"))] {
            fs::remove_dir_all(gone).expect("our own files");
        }
        let _ = Command::new("sync").status();
    }
    ratios.sort_by(f64::total_cmp);
    row(&format!("cp -a of {files} small files"), &format!("{:.2} s", median(&copies).as_secs_f64()), "");
    row(&format!("accept of {files} new small files"), &format!("{:.2} s", median(&accepts).as_secs_f64()), "");
    row("accept, of the time of cp -a", &format!("{:.2}", ratios[ratios.len() / 2]), "1.5");
}
