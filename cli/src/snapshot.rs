//! `bough snapshot`, and what it has in common with `bough branch`: listing, renaming and deleting.

use bough::control::message;
use bough::control::messages::{fs_control_delete, fs_control_rename, fs_control_snapshot};
use serde::Serialize;

use crate::args::{DeleteArgs, Format, RenameArgs, SnapshotVerb};
use crate::errors::{Exit, Result};
use crate::flush::flush;
use crate::home::trials;
use crate::output::{Out, local_time};
use crate::refs::{self, Kind, Ref, Subject};
use crate::views::{self, Mount, mount_points_of};
use crate::volume::Volume;
use crate::wire::Channel;

pub(crate) fn run(verb: SnapshotVerb) -> Result<Exit> {
    let mut volume = Volume::here()?;
    match verb {
        SnapshotVerb::Create { name, format } => create(&mut volume, name.as_deref(), &format),
        SnapshotVerb::List(format) => list(&mut volume, Kind::Snapshot, &format),
        SnapshotVerb::Rename(args) => rename(&mut volume, Kind::Snapshot, &args),
        SnapshotVerb::Delete(args) => delete(&mut volume, Kind::Snapshot, &args),
    }
}

fn create(volume: &mut Volume, name: Option<&str>, format: &Format) -> Result<Exit> {
    let branch = volume.shows();
    let mut snapshot: fs_control_snapshot = message();
    snapshot.name = refs::field(name.unwrap_or_default())?;
    flush(volume, &[&branch])?;
    let asked = volume.ask(&mut snapshot);
    asked.map_err(|failure| refs::explain(volume, &Subject { existing: &[&branch], new: name }, failure))?;
    let name = bough::control::text_of(&snapshot.name.bytes);
    print_created(&name, snapshot.id, Kind::Snapshot, format)
}

#[derive(Serialize)]
struct Created<'a> {
    name: &'a str,
    kind: Kind,
    id: u64,
}

/// Prints what was made.
pub(crate) fn print_created(name: &str, id: u64, kind: Kind, format: &Format) -> Result<Exit> {
    let mut out = Out::new();
    match format.json {
        true => out.json(&Created { name, kind, id })?,
        false => out.line(name)?,
    }
    out.end()?;
    Ok(Exit::Done)
}

/// Lists the branches or the snapshots.
pub(crate) fn list(volume: &mut Volume, kind: Kind, format: &Format) -> Result<Exit> {
    let refs = refs::all(volume)?;
    let mounts = views::all(volume)?;
    let mut out = Out::new();
    if format.json {
        let all = refs::as_json(&refs, &mounts);
        let chosen: Vec<_> =
            all.into_iter().zip(&refs).filter(|(_, found)| found.kind == kind).map(|(json, _)| json).collect();
        out.json(&chosen)?;
    } else {
        out.table(&["NAME", "GREW FROM", "CREATED", "INODES", "MOUNTED AT"], &rows(&refs, &mounts, kind))?;
    }
    out.end()?;
    Ok(Exit::Done)
}

fn rows(refs: &[Ref], mounts: &[Mount], kind: Kind) -> Vec<Vec<String>> {
    let names = refs::names_by_key(refs);
    let row = |found: &Ref| {
        let parent = found.parent.and_then(|key| names.get(&key).copied()).unwrap_or("-");
        let mounted = mount_points_of(mounts, found.key()).join(", ");
        vec![found.name.clone(), parent.to_owned(), local_time(found.created), found.inodes.to_string(), mounted]
    };
    refs.iter().filter(|found| found.kind == kind).map(row).collect()
}

/// Renames a branch or snapshot.
pub(crate) fn rename(volume: &mut Volume, kind: Kind, args: &RenameArgs) -> Result<Exit> {
    trials::check_free(&args.new)?;
    let mut message: fs_control_rename = message();
    message.from = refs::field(&args.old)?;
    message.to = refs::field(&args.new)?;
    message.kind = kind.number();
    let asked = volume.ask(&mut message);
    asked
        .map_err(|failure| refs::explain(volume, &Subject { existing: &[&args.old], new: Some(&args.new) }, failure))?;
    Ok(Exit::Done)
}

/// Deletes branches or snapshots: each that can be, and says why for each that cannot.
pub(crate) fn delete(volume: &mut Volume, kind: Kind, args: &DeleteArgs) -> Result<Exit> {
    let mut exit = Exit::Done;
    for name in &args.names {
        if let Err(failure) = delete_one(volume, kind, name) {
            exit = failure.report();
        }
    }
    Ok(exit)
}

fn delete_one(volume: &mut Volume, kind: Kind, name: &str) -> Result<()> {
    let mut message: fs_control_delete = message();
    message.name = refs::field(name)?;
    message.kind = kind.number();
    let asked = volume.ask(&mut message);
    asked.map_err(|failure| refs::explain(volume, &Subject { existing: &[name], new: None }, failure))
}
