//! `bough diff`: reads the differences of two trees from the volume, and prints them sorted by path.

mod patch;
mod record;
mod scope;

use bough::control::message;
use bough::control::messages::{fs_control_diff_close, fs_control_diff_open, fs_control_diff_read};
use serde::Serialize;

use std::path::Path;

use crate::args::DiffArgs;
use crate::attach::Attached;
use crate::errors::{Exit, Failure, Result};
use crate::flush::flush;
use crate::home::Home;
use crate::output::{Colour, Out, printable};
use crate::refs::{self, Subject};
use crate::volume::Volume;
use crate::wire::Channel;

pub(crate) use record::{Change, Difference};
pub(crate) use scope::Scope;

use record::Decoder;
#[cfg(test)]
pub(crate) use record::tests::difference;

/// How many differences there are of each kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    added: u64,
    deleted: u64,
    modified: u64,
    metadata: u64,
    renamed: u64,
}

/// The names of the two trees.
pub(crate) struct Ends {
    pub(crate) before: String,
    pub(crate) after: String,
}

pub(crate) fn run(args: &DiffArgs) -> Result<Exit> {
    let (home, ends, mut differences) = match Volume::here() {
        Ok(volume) if !volume.endpoint().as_os_str().is_empty() => of_mount(volume, args)?,
        Err(failure) if failure.exit() != Exit::NoVolume => return Err(failure),
        found => of_base(args)
            .map_err(|failure| found.err().filter(|_| failure.exit() == Exit::NoVolume).unwrap_or(failure))?,
    };
    let scope = Scope::of(&args.paths, &home.base)?;
    differences.sort();
    if args.patch {
        print_patch(&home, &ends, &differences, &scope)?;
    }
    differences.retain(|difference| scope.holds(difference));
    if !args.patch {
        print(&ends, &differences, args)?;
    }
    Ok(if differences.is_empty() { Exit::Done } else { Exit::Refused })
}

fn of_mount(mut volume: Volume, args: &DiffArgs) -> Result<(Home, Ends, Vec<Difference>)> {
    let ends = ends(&mut volume, &args.refs)?;
    let differences = read(&mut volume, &ends)?;
    Ok((Home::of_volume(&volume), ends, differences))
}

/// Of a directory with a volume in the background: from the base to a branch, the only one if none is named.
fn of_base(args: &DiffArgs) -> Result<(Home, Ends, Vec<Difference>)> {
    let home = Home::of(Path::new("."), false)?;
    let ends = match args.refs.as_slice() {
        [before, after, ..] => Ends { before: before.clone(), after: after.clone() },
        few => Ends { before: home.trunk.clone(), after: home.chosen(few.first().map(String::as_str))? },
    };
    let differences = between(&mut home.connect()?, &ends)?;
    Ok((home, ends, differences))
}

fn print_patch(home: &Home, ends: &Ends, all: &[Difference], scope: &Scope) -> Result<()> {
    let (before, after) = (Attached::to(home, &ends.before, true)?, Attached::to(home, &ends.after, true)?);
    let mut out = Out::new();
    let wanted = all.iter().filter(|difference| scope.holds(difference));
    let written = patch::write_all(out.writer(), wanted, all, before.place(), after.place());
    before.end()?;
    after.end()?;
    written?;
    out.end()
}

fn ends(volume: &mut Volume, refs: &[String]) -> Result<Ends> {
    match refs {
        [before, after, ..] => Ok(Ends { before: before.clone(), after: after.clone() }),
        [before] => Ok(Ends { before: before.clone(), after: volume.shows() }),
        [] => from_parent(volume)?.ok_or_else(|| nothing_before(&volume.shows())),
    }
}

/// What is mounted here grew from, and what is mounted here; `None` when it grew from nothing.
pub(crate) fn from_parent(volume: &mut Volume) -> Result<Option<Ends>> {
    let shown = refs::by_id(volume, volume.shows_id())?;
    let Some(parent) = shown.parent else { return Ok(None) };
    let before = refs::by_id(volume, parent)?.name;
    Ok(Some(Ends { before, after: shown.name }))
}

fn nothing_before(name: &str) -> Failure {
    Failure::refused(format!("`{name}` grew from nothing to compare it with: take a snapshot first, or name two"))
}

/// The differences, in no particular order.
fn read(volume: &mut Volume, ends: &Ends) -> Result<Vec<Difference>> {
    flush(volume, &[&ends.before, &ends.after])?;
    between(volume, ends)
}

/// The differences as the volume has them: what kernels hold back must have been written before.
pub(crate) fn between(volume: &mut impl Channel, ends: &Ends) -> Result<Vec<Difference>> {
    let mut open: fs_control_diff_open = message();
    open.before = refs::field(&ends.before)?;
    open.after = refs::field(&ends.after)?;
    let asked = volume.ask(&mut open);
    let subject = Subject { existing: &[&ends.before, &ends.after], new: None };
    asked.map_err(|failure| refs::explain(volume, &subject, failure))?;
    let differences = read_all(volume, open.id);
    let mut close: fs_control_diff_close = message();
    close.id = open.id;
    volume.ask(&mut close)?;
    differences
}

fn read_all(volume: &mut impl Channel, id: u64) -> Result<Vec<Difference>> {
    let mut decoder = Decoder::default();
    let mut differences = Vec::new();
    loop {
        let mut part: fs_control_diff_read = message();
        part.id = id;
        volume.ask(&mut part)?;
        if part.count == 0 {
            decoder.end()?;
            return Ok(differences);
        }
        decoder.feed(&part.data[..(part.count as usize).min(part.data.len())]);
        while let Some(difference) = decoder.take()? {
            differences.push(difference);
        }
    }
}

/// How many differences there are.
pub(crate) fn count(volume: &mut Volume, ends: &Ends) -> Result<Counts> {
    Ok(Counts::of(&read(volume, ends)?))
}

impl Counts {
    pub(crate) fn of(differences: &[Difference]) -> Counts {
        let mut counts = Counts::default();
        for difference in differences {
            *counts.of_change(difference.change()) += 1;
        }
        counts
    }

    fn of_change(&mut self, change: Change) -> &mut u64 {
        match change {
            Change::Added => &mut self.added,
            Change::Deleted => &mut self.deleted,
            Change::Modified => &mut self.modified,
            Change::Metadata => &mut self.metadata,
            Change::Renamed => &mut self.renamed,
        }
    }

    /// In words: `3 added, 1 renamed`.
    pub(crate) fn words(&self) -> String {
        let all = [
            (self.added, "added"),
            (self.deleted, "deleted"),
            (self.modified, "modified"),
            (self.metadata, "metadata only"),
            (self.renamed, "renamed"),
        ];
        let some: Vec<String> =
            all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        if some.is_empty() { "no difference".into() } else { some.join(", ") }
    }
}

#[derive(Serialize)]
struct DiffJson<'a> {
    before: &'a str,
    after: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<record::DifferenceJson>>,
    counts: Counts,
}

fn print(ends: &Ends, differences: &[Difference], args: &DiffArgs) -> Result<()> {
    let mut out = Out::new();
    let counts = Counts::of(differences);
    if args.json {
        let changes = (!args.stat).then(|| differences.iter().map(Difference::as_json).collect());
        out.json(&DiffJson { before: &ends.before, after: &ends.after, changes, counts })?;
    } else if args.stat {
        out.line(&counts.words())?;
    } else {
        print_lines(&mut out, differences)?;
    }
    out.end()
}

fn print_lines(out: &mut Out, differences: &[Difference]) -> Result<()> {
    for difference in differences {
        let line = out.paint(colour_of(difference.change()), &line_of(difference));
        out.line(&line)?;
    }
    Ok(())
}

/// A difference as a line: a letter and its path.
pub(crate) fn line_of(difference: &Difference) -> String {
    let letter = difference.change().letter();
    let path = printable(difference.shown_path());
    let further = if difference.has_further_names() { " (and under further names)" } else { "" };
    match (difference.change(), &difference.old_path) {
        (Change::Renamed, Some(old)) => format!("{letter} {} -> {path}{further}", printable(old)),
        _ => format!("{letter} {path}{further}"),
    }
}

fn colour_of(change: Change) -> Colour {
    match change {
        Change::Added => Colour::Added,
        Change::Deleted => Colour::Removed,
        Change::Modified | Change::Metadata => Colour::Changed,
        Change::Renamed => Colour::Renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_a_letter_and_a_path() {
        let lines: Vec<String> = [
            difference(1, 0, "new", None),
            difference(2, 0, "gone", None),
            difference(3, 1 | 8, "edited", None),
            difference(3, 64, "was a link", None),
            difference(3, 2, "chmodded", None),
            difference(3, 2, "", None),
            difference(4, 0, "to", Some("from")),
        ]
        .iter()
        .map(line_of)
        .collect();
        let expected = ["A new", "D gone", "M edited", "M was a link", "m chmodded", "m .", "R from -> to"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn counts_read_as_a_sentence() {
        let all = [difference(1, 0, "a", None), difference(1, 0, "b", None), difference(4, 0, "c", Some("d"))];
        assert_eq!(Counts::of(&all).words(), "2 added, 1 renamed");
        assert_eq!(Counts::default().words(), "no difference");
    }

    #[test]
    fn json_has_the_fields_that_are_documented() {
        let changes = Some(vec![difference(4, 3, "to", Some("from")).as_json()]);
        let json = DiffJson { before: "main@1", after: "main", changes, counts: Counts::default() };
        let expected = serde_json::json!({
            "before": "main@1", "after": "main",
            "changes": [{
                "change": "renamed", "path": "to", "old_path": "from", "file_kind": "file",
                "aspects": ["content", "mode"], "inode": 7
            }],
            "counts": {"added": 0, "deleted": 0, "modified": 0, "metadata": 0, "renamed": 0}
        });
        assert_eq!(serde_json::to_value(json).unwrap(), expected);
    }
}
