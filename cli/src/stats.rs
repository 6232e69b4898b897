//! `bough stats`: what a volume holds, what it does, and how long that takes; once, or again and again.

mod activity;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use bough::control::message;
use bough::control::messages::{fs_control_activity, fs_control_stats};
use serde::Serialize;

use self::activity::Activity;
use crate::args::StatsArgs;
use crate::errors::{Exit, Result};
use crate::holdings;
use crate::output::{Out, count_of};
use crate::size::human;
use crate::volume::Volume;
use crate::wire::Channel;

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
    #[serde(flatten)]
    activity: Activity,
}

pub(crate) fn run(args: &StatsArgs) -> Result<Exit> {
    let mut volume = Volume::here()?;
    let mut out = Out::new();
    if args.watch {
        return watch(&mut volume, &mut out, args.interval, args.format.json);
    }
    if args.refs {
        return refs(&mut volume, out, args.format.json);
    }
    let stats = ask(&mut volume)?;
    match args.format.json {
        true => out.json(&stats)?,
        false => print(&mut out, &stats, None)?,
    }
    out.end()?;
    Ok(Exit::Done)
}

/// What each branch and snapshot holds.
fn refs(volume: &mut Volume, mut out: Out, json: bool) -> Result<Exit> {
    let all = holdings::all(volume)?;
    match json {
        true => out.json(&all)?,
        false => out.table(&holdings::HEADINGS, &all.iter().map(holdings::row).collect::<Vec<_>>())?,
    }
    out.end()?;
    Ok(Exit::Done)
}

/// Until somebody ends it, or the reader leaves.
fn watch(volume: &mut Volume, out: &mut Out, interval: Duration, json: bool) -> Result<Exit> {
    let mut last: Option<(Stats, Instant)> = None;
    loop {
        let (stats, now) = (ask(volume)?, Instant::now());
        let since = last.as_ref().map(|(stats, then)| (&stats.activity, now.duration_since(*then)));
        if json {
            out.json_line(&stats)?;
        } else if std::io::stdout().is_terminal() {
            out.wipe()?;
            print(out, &stats, since)?;
        } else {
            out.line(&line(&stats, since))?;
        }
        out.flush()?;
        last = Some((stats, now));
        std::thread::sleep(interval);
    }
}

fn ask(volume: &mut Volume) -> Result<Stats> {
    let mut stats: fs_control_stats = message();
    volume.ask(&mut stats)?;
    let mut activity: fs_control_activity = message();
    volume.ask(&mut activity)?;
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
        activity: Activity::of(&activity.activity),
    })
}

fn print(out: &mut Out, stats: &Stats, since: Option<(&Activity, Duration)>) -> Result<()> {
    out.fields(&fields(stats))?;
    let rows = stats.activity.rows(since);
    if !rows.is_empty() {
        out.line("")?;
        out.table(&activity::headings(since.is_some()), &rows)?;
    }
    Ok(())
}

fn fields(stats: &Stats) -> Vec<(&'static str, String)> {
    let mut fields = vec![
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
    ];
    fields.extend(stats.activity.fields());
    fields
}

/// All that changes from time to time, on one line.
fn line(stats: &Stats, since: Option<(&Activity, Duration)>) -> String {
    format!(
        "{} content, {} spilled, {}, {} copied, {}, {}",
        human(stats.used_bytes),
        human(stats.spill_bytes),
        count_of(stats.chunks, "chunk"),
        stats.chunks_copied,
        count_of(stats.nodes, "node"),
        stats.activity.line(since),
    )
}
