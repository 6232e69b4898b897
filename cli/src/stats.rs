//! `bough stats`: the counters of a volume, once or each second.

use std::io::IsTerminal;
use std::time::Duration;

use bough::control::message;
use bough::control::messages::fs_control_stats;
use serde::Serialize;

use crate::args::StatsArgs;
use crate::errors::{Exit, Result};
use crate::output::{Out, count_of};
use crate::size::human;
use crate::volume::Volume;
use crate::wire::Channel;

const INTERVAL: Duration = Duration::from_secs(1);

/// The fields are documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Stats {
    branches: u64,
    snapshots: u64,
    views: u64,
    nodes: u64,
    memory_bytes: u64,
    used_bytes: u64,
    capacity_bytes: u64,
    spill_bytes: u64,
    small_bytes: u64,
    chunks: u64,
    chunks_allocated: u64,
    chunks_copied: u64,
}

pub(crate) fn run(args: &StatsArgs) -> Result<Exit> {
    let mut volume = Volume::here()?;
    let mut out = Out::new();
    if !args.watch {
        let stats = ask(&mut volume)?;
        match args.format.json {
            true => out.json(&stats)?,
            false => out.fields(&fields(&stats))?,
        }
        out.end()?;
        return Ok(Exit::Done);
    }
    loop {
        let stats = ask(&mut volume)?;
        print_again(&mut out, &stats, args.format.json)?;
        std::thread::sleep(INTERVAL);
    }
}

fn print_again(out: &mut Out, stats: &Stats, json: bool) -> Result<()> {
    if json {
        out.json_line(stats)?;
    } else if std::io::stdout().is_terminal() {
        out.wipe()?;
        out.fields(&fields(stats))?;
    } else {
        out.line(&line(stats))?;
    }
    out.flush()
}

fn ask(volume: &mut Volume) -> Result<Stats> {
    let mut stats: fs_control_stats = message();
    volume.ask(&mut stats)?;
    Ok(Stats {
        branches: stats.branches,
        snapshots: stats.snapshots,
        views: stats.views,
        nodes: stats.nodes,
        memory_bytes: stats.memory_bytes,
        used_bytes: stats.used_bytes,
        capacity_bytes: stats.capacity_bytes,
        spill_bytes: stats.spill_bytes,
        small_bytes: stats.small_bytes,
        chunks: stats.chunks,
        chunks_allocated: stats.chunks_allocated,
        chunks_copied: stats.chunks_copied,
    })
}

fn fields(stats: &Stats) -> Vec<(&'static str, String)> {
    vec![
        ("branches", stats.branches.to_string()),
        ("snapshots", stats.snapshots.to_string()),
        ("mount points", stats.views.to_string()),
        ("nodes in use here", stats.nodes.to_string()),
        ("content", human(stats.used_bytes)),
        ("  of it spilled", human(stats.spill_bytes)),
        ("  of it in small files", human(stats.small_bytes)),
        ("memory limit", human(stats.memory_bytes)),
        ("room in all", human(stats.capacity_bytes)),
        ("chunks", stats.chunks.to_string()),
        ("  allocated so far", stats.chunks_allocated.to_string()),
        ("  copied so far", stats.chunks_copied.to_string()),
    ]
}

/// All that changes from second to second, on one line.
fn line(stats: &Stats) -> String {
    format!(
        "{} content, {} spilled, {}, {} copied, {}",
        human(stats.used_bytes),
        human(stats.spill_bytes),
        count_of(stats.chunks, "chunk"),
        stats.chunks_copied,
        count_of(stats.nodes, "node"),
    )
}
