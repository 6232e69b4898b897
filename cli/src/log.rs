//! `bough log`: the lineage of a volume.

use std::path::Path;

use crate::args::Format;
use crate::errors::{Exit, Result};
use crate::home::Home;
use crate::output::{Colour, Out, local_time};
use crate::refs::{self, Kind, Ref};
use crate::tree::{self, Line};
use crate::views::{self, Mount, mount_points_of};
use crate::volume::Volume;

/// Names wider than this, indentation included, push their columns to the right.
const NAME_COLUMNS: usize = 40;

pub(crate) fn run(format: &Format) -> Result<Exit> {
    let (refs, mounts, here) = match Volume::here() {
        Ok(mut volume) => (refs::all(&mut volume)?, views::all(&mut volume)?, volume.shows_id()),
        // A directory with a volume in the background is as good.
        Err(failure) if failure.exit() == Exit::NoVolume => {
            let mut socket = Home::of(Path::new("."), false).map_err(|_| failure)?.connect()?;
            (refs::all(&mut socket)?, views::all(&mut socket)?, (0, Kind::Branch))
        }
        Err(failure) => return Err(failure),
    };
    let mut out = Out::new();
    if format.json {
        out.json(&refs::as_json(&refs, &mounts))?;
    } else {
        print(&mut out, &refs, &mounts, here)?;
    }
    out.end()?;
    Ok(Exit::Done)
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
