//! `bough status`: what is mounted here, what has changed since it grew from its parent, and what there is room for.

use std::os::unix::ffi::OsStrExt;

use bough::control::message;
use bough::control::messages::fs_control_stats;
use serde::Serialize;

use crate::args::Format;
use crate::diff::{self, Counts};
use crate::errors::{Exit, Result};
use crate::holdings::{self, Holding};
use crate::output::{Out, local_time, printable};
use crate::refs::{self, Kind, Ref};
use crate::size::human;
use crate::volume::Volume;
use crate::wire::Channel;

/// The fields are documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Status {
    volume: String,
    pid: u32,
    mount_point: String,
    shows: String,
    kind: Kind,
    read_only: bool,
    case_insensitive: bool,
    parent: Option<String>,
    changes: Option<Counts>,
    inodes: u64,
    used_bytes: u64,
    memory_bytes: u64,
    spill_bytes: u64,
    capacity_bytes: u64,
    free_bytes: u64,
    /// The branches and snapshots that hold most alone.
    holders: Vec<Holding>,
    #[serde(skip)]
    created: i64,
}

/// So many holders are named.
const HOLDERS: usize = 5;

pub(crate) fn run(format: &Format) -> Result<Exit> {
    let mut volume = Volume::here()?;
    let status = look(&mut volume)?;
    let mut out = Out::new();
    match format.json {
        true => out.json(&status)?,
        false => print(&mut out, &status)?,
    }
    out.end()?;
    Ok(Exit::Done)
}

fn print(out: &mut Out, status: &Status) -> Result<()> {
    out.fields(&fields(status))?;
    if !status.holders.is_empty() {
        out.line("")?;
        out.table(&["LARGEST HOLDERS", "KIND", "DELETING FREES", "METADATA", "SPILLED"], &holders(status))?;
    }
    Ok(())
}

fn holders(status: &Status) -> Vec<Vec<String>> {
    let row = |holder: &Holding| {
        let bytes = [holder.exclusive_bytes, holder.exclusive_metadata_bytes, holder.exclusive_spilled_bytes];
        [holder.name.clone(), holder.kind.noun().to_owned()].into_iter().chain(bytes.map(human)).collect()
    };
    status.holders.iter().map(row).collect()
}

fn look(volume: &mut Volume) -> Result<Status> {
    let ends = diff::from_parent(volume)?;
    let changes = ends.as_ref().map(|ends| diff::count(volume, ends)).transpose()?;
    let shown: Ref = refs::by_id(volume, volume.shows_id())?;
    let mut stats: fs_control_stats = message();
    volume.ask(&mut stats)?;
    Ok(Status {
        volume: volume.name(),
        pid: volume.pid(),
        mount_point: printable(volume.mount_point().as_os_str().as_bytes()),
        shows: shown.name,
        kind: shown.kind,
        read_only: volume.is_read_only(),
        case_insensitive: volume.ignores_case(),
        parent: ends.map(|ends| ends.before),
        changes,
        inodes: shown.inodes,
        used_bytes: stats.used_bytes,
        memory_bytes: stats.memory_bytes,
        spill_bytes: stats.spill_bytes,
        capacity_bytes: stats.capacity_bytes,
        free_bytes: stats.capacity_bytes.saturating_sub(stats.used_bytes),
        holders: holdings::largest(holdings::all(volume)?, HOLDERS),
        created: shown.created,
    })
}

fn fields(status: &Status) -> Vec<(&'static str, String)> {
    let kind = status.kind.noun();
    let read_only = if status.read_only { ", read-only" } else { "" };
    vec![
        ("volume", format!("{} (process {})", status.volume, status.pid)),
        ("mount point", status.mount_point.clone()),
        ("shows", format!("{kind} {}, {}{read_only}", status.shows, local_time(status.created))),
        ("grew from", status.parent.clone().unwrap_or_else(|| "nothing".into())),
        ("changes", status.changes.map_or_else(|| "-".into(), |counts| counts.words())),
        ("inodes", status.inodes.to_string()),
        (
            "content",
            format!(
                "{} of {} in memory",
                human(status.used_bytes - status.spill_bytes.min(status.used_bytes)),
                human(status.memory_bytes)
            ),
        ),
        ("spilled", human(status.spill_bytes)),
        ("room left", format!("{} of {}", human(status.free_bytes), human(status.capacity_bytes))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holdings::tests::holding;

    fn status() -> Status {
        Status {
            volume: "vol-1".into(),
            pid: 1,
            mount_point: "/mnt".into(),
            shows: "main".into(),
            kind: Kind::Branch,
            read_only: false,
            case_insensitive: false,
            parent: None,
            changes: None,
            inodes: 3,
            used_bytes: 3 << 20,
            memory_bytes: 1 << 30,
            spill_bytes: 1 << 20,
            capacity_bytes: 3 << 30,
            free_bytes: 2 << 30,
            holders: vec![holding("old", 2 << 20)],
            created: 0,
        }
    }

    #[test]
    fn content_in_memory_is_what_is_not_spilled() {
        let fields = fields(&status());
        assert!(fields.contains(&("content", "2.0 MiB of 1.0 GiB in memory".into())));
        assert!(fields.contains(&("grew from", "nothing".into())));
        assert!(fields.contains(&("room left", "2.0 GiB of 3.0 GiB".into())));
        assert_eq!(holders(&status()), [["old", "snapshot", "2.0 MiB", "512 KiB", "1.0 MiB"]]);
    }

    #[test]
    fn json_has_the_fields_that_are_documented() {
        let json = serde_json::to_value(status()).unwrap();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), 16);
        assert!(names.contains(&"memory_bytes") && json["parent"].is_null());
    }
}
