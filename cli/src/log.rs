//! `bough log`: the lineage of a volume, and over a directory of the host what was accepted and rejected.

use std::path::Path;

use serde::Serialize;

use crate::args::Format;
use crate::chronicle::Entry;
use crate::errors::{Exit, Result};
use crate::home::Home;
use crate::output::{Colour, Out, local_time};
use crate::refs::{self, Kind, Ref, RefJson};
use crate::tree::{self, Line};
use crate::views::{self, Mount, mount_points_of};
use crate::volume::Volume;

/// Names wider than this, indentation included, push their columns to the right.
const NAME_COLUMNS: usize = 40;

pub(crate) fn run(format: &Format) -> Result<Exit> {
    let decided = Home::decided(Path::new("."));
    let (refs, mounts, here) = match Volume::here() {
        Ok(mut volume) => (refs::all(&mut volume)?, views::all(&mut volume)?, volume.shows_id()),
        // A directory with a volume in the background is as good, and one that had a volume, too.
        Err(failure) if failure.exit() == Exit::NoVolume => match Home::of(Path::new("."), false) {
            Ok(home) => {
                let mut socket = home.connect()?;
                (refs::all(&mut socket)?, views::all(&mut socket)?, (0, Kind::Branch))
            }
            Err(_) if !decided.is_empty() => (Vec::new(), Vec::new(), (0, Kind::Branch)),
            Err(_) => return Err(failure),
        },
        Err(failure) => return Err(failure),
    };
    let mut out = Out::new();
    if format.json {
        let refs = refs::as_json(&refs, &mounts).into_iter().map(LineJson::Ref);
        out.json(&refs.chain(decided.iter().map(LineJson::Decided)).collect::<Vec<_>>())?;
    } else {
        print(&mut out, &refs, &mounts, here)?;
        print_decided(&mut out, &decided)?;
    }
    out.end()?;
    Ok(Exit::Done)
}

/// A line of the log. The fields are documented in `docs/cli.md`.
#[derive(Serialize)]
#[serde(untagged)]
enum LineJson<'a> {
    Ref(RefJson<'a>),
    Decided(&'a Entry),
}

/// What was accepted and rejected, oldest first.
fn print_decided(out: &mut Out, decided: &[Entry]) -> Result<()> {
    let name = |entry: &Entry| match &entry.into {
        Some(into) => format!("{} into {into}", entry.name),
        None => entry.name.clone(),
    };
    let width = decided.iter().map(|entry| name(entry).chars().count()).max().unwrap_or(0).min(NAME_COLUMNS);
    for entry in decided {
        let (verdict, name) = (entry.verdict.word(), name(entry));
        let rest = format!("{}  by {}  {}", local_time(entry.time_ns), entry.user, entry.summary);
        let rest = out.paint(Colour::Faint, &rest);
        out.line(&format!("{verdict}  {name:width$}  {rest}"))?;
    }
    Ok(())
}

fn print(out: &mut Out, refs: &[Ref], mounts: &[Mount], here: (u64, Kind)) -> Result<()> {
    let lines = tree::draw(refs);
    let width = lines.iter().map(|line| columns(line, refs)).filter(|&width| width <= NAME_COLUMNS).max().unwrap_or(0);
    for line in &lines {
        let found = &refs[line.index];
        let space = " ".repeat(width.saturating_sub(columns(line, refs)));
        let colour = if found.key() == here { Colour::Strong } else { Colour::Plain };
        let name = out.paint(colour, &found.name);
        let rest = out.paint(Colour::Faint, &details(found, mounts));
        out.line(&format!("{}{name}{space}  {rest}", line.lead))?;
    }
    Ok(())
}

fn columns(line: &Line, refs: &[Ref]) -> usize {
    line.lead.chars().count() + refs[line.index].name.chars().count()
}

fn details(found: &Ref, mounts: &[Mount]) -> String {
    let kind = found.kind.noun();
    let mut text = format!("{kind:8} #{:<4} {}", found.id, local_time(found.created));
    for mount_point in mount_points_of(mounts, found.key()) {
        text.push_str("  at ");
        text.push_str(&mount_point);
    }
    text
}
