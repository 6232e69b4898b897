//! `bough debug check`: whether everything in a volume is as it must be. Core looks; this asks and tells.

use std::time::Duration;

use bough::control::messages::{FS_CONTROL_STILL, fs_control_check};
use bough::control::{message, text_of};
use serde::Serialize;

use crate::args::CheckArgs;
use crate::errors::{Exit, Result};
use crate::output::Out;
use crate::volume::Volume;
use crate::wire::Channel;

/// A kernel forgets nodes and closes files when it comes to it: so counts of a still volume are looked at again, this often.
const LOOKS: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

#[derive(Debug, Serialize)]
struct Check {
    trees: u64,
    inodes: u64,
    entries: u64,
    chunks: u64,
    small_buffers: u64,
    problem_count: u64,
    problems: Vec<String>,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Exit> {
    let mut volume = Volume::here()?;
    let mut check = ask(&mut volume, args.still)?;
    for _ in 1..if args.still { LOOKS } else { 1 } {
        if check.problem_count == 0 {
            break;
        }
        std::thread::sleep(BETWEEN_LOOKS);
        check = ask(&mut volume, true)?;
    }
    let mut out = Out::new();
    match args.format.json {
        true => out.json(&check)?,
        false => print(&mut out, &check)?,
    }
    out.end()?;
    Ok(if check.problem_count == 0 { Exit::Done } else { Exit::Refused })
}

fn ask(volume: &mut Volume, still: bool) -> Result<Check> {
    let mut check = fs_control_check { flags: if still { FS_CONTROL_STILL } else { 0 }, ..message() };
    volume.ask(&mut check)?;
    Ok(Check {
        trees: check.trees,
        inodes: check.inodes,
        entries: check.entries,
        chunks: check.chunks,
        small_buffers: check.small_buffers,
        problem_count: check.problem_count,
        problems: text_of(&check.problems).lines().map(str::to_owned).collect(),
    })
}

fn print(out: &mut Out, check: &Check) -> Result<()> {
    check.problems.iter().try_for_each(|problem| out.line(problem))?;
    let verdict = if check.problem_count == 0 { "sound".into() } else { format!("{} problems", check.problem_count) };
    let Check { trees, inodes, entries, chunks, small_buffers, .. } = check;
    out.line(&format!(
        "{verdict}: {trees} trees, {inodes} versions of inodes, {entries} entries, {chunks} chunks, {small_buffers} small buffers"
    ))
}
