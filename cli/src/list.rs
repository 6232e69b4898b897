//! `bough list`: the volumes whose daemons listen, found by their sockets.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bough::control::messages::{fs_control_base, fs_control_info, fs_control_stats};
use bough::control::{message, text_of};
use serde::Serialize;

use crate::args::Format;
use crate::daemon::{SOCKET_SUFFIX, StateDirectory};
use crate::errors::{Context, Exit, Result};
use crate::output::{self, Out, printable};
use crate::refs::{self, Kind};
use crate::size::human;
use crate::views::{self, Mount};
use crate::volume::path_in;
use crate::wire::{Channel, Socket};

/// What is said where branches are kept.
const NO_STORE: &str = "kept branches live in memory, and end with that process; a store that lasts is the next step, and there is none yet";

/// A volume that is alive. The fields are documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Alive {
    volume: String,
    pid: u32,
    endpoint: String,
    branches: u64,
    snapshots: u64,
    used_bytes: u64,
    memory_bytes: u64,
    mounts: Vec<MountJson>,
    /// The directory that it lies over.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    /// Branches over a base that nothing runs in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MountJson {
    mount_point: String,
    shows: String,
    kind: Kind,
    read_only: bool,
}

pub(crate) fn run(format: &Format) -> Result<Exit> {
    let directory = StateDirectory::find()?;
    let alive: Vec<Alive> = sockets(directory.path())?.iter().filter_map(|socket| look(socket)).collect();
    if alive.is_empty() {
        output::say(&format!("no volume of yours is alive (looked in {})", directory.path().display()));
        if !format.json {
            return Ok(Exit::Done);
        }
    }
    let mut out = Out::new();
    match format.json {
        true => out.json(&alive)?,
        false => out.table(&["VOLUME", "PROCESS", "CONTENT", "SHOWS", "MOUNTED AT"], &rows(&alive))?,
    }
    out.end()?;
    if !format.json && alive.iter().any(|volume| !volume.kept.is_empty()) {
        output::say(NO_STORE);
    }
    Ok(Exit::Done)
}

/// The sockets in the directory, by name. A directory that is not there holds none.
fn sockets(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.context(format_args!("cannot read {}", directory.display()))?,
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut sockets: Vec<PathBuf> =
        paths.filter(|path| path.to_str().is_some_and(|text| text.ends_with(SOCKET_SUFFIX))).collect();
    sockets.sort();
    Ok(sockets)
}

/// What is behind a socket; a daemon that is gone or does not answer is talked of and left out.
fn look(path: &Path) -> Option<Alive> {
    let Ok(mut socket) = Socket::connect(path) else {
        output::say(&format!("{} is left of a daemon that died: ignored", path.display()));
        return None;
    };
    match ask(&mut socket, path) {
        Ok(alive) => Some(alive),
        Err(failure) => {
            failure.context(path.display()).report();
            None
        }
    }
}

fn ask(socket: &mut Socket, path: &Path) -> Result<Alive> {
    let mut info: fs_control_info = message();
    socket.ask(&mut info)?;
    let mut stats: fs_control_stats = message();
    socket.ask(&mut stats)?;
    let mounts = views::all(socket)?;
    let (base, kept) = kept(socket, &mounts)?;
    Ok(Alive {
        volume: text_of(&info.volume.bytes),
        pid: info.pid,
        endpoint: path.display().to_string(),
        branches: stats.branches,
        snapshots: stats.snapshots,
        used_bytes: stats.used_bytes,
        memory_bytes: stats.memory_bytes,
        mounts: mounts.iter().map(as_json).collect(),
        base,
        kept,
    })
}

/// The base, if there is one, and the branches over it that are only kept.
fn kept(socket: &mut Socket, mounts: &[Mount]) -> Result<(Option<String>, Vec<String>)> {
    let mut base: fs_control_base = message();
    socket.ask(&mut base)?;
    if base.kind == 0 {
        return Ok((None, Vec::new()));
    }
    let shown = |name: &str| mounts.iter().any(|mount| mount.shows == name);
    let all = refs::all(socket)?;
    let branches = all.iter().filter(|found| found.kind == Kind::Branch && found.name != bough::FIRST_BRANCH);
    let kept = branches.filter(|found| !shown(&found.name)).map(|found| found.name.clone()).collect();
    Ok((Some(printable(path_in(&base.path.bytes).as_os_str().as_bytes())), kept))
}

fn as_json(mount: &Mount) -> MountJson {
    MountJson {
        mount_point: mount.mount_point_text(),
        shows: mount.shows.clone(),
        kind: mount.shows_id.1,
        read_only: mount.read_only,
    }
}

/// A row for each mount point; the volume stands in its first.
fn rows(alive: &[Alive]) -> Vec<Vec<String>> {
    alive.iter().flat_map(rows_of).collect()
}

fn rows_of(volume: &Alive) -> Vec<Vec<String>> {
    let head = [volume.volume.clone(), volume.pid.to_string(), human(volume.used_bytes)];
    if volume.mounts.is_empty() && volume.kept.is_empty() {
        return vec![head.into_iter().chain(["-".into(), "-".into()]).collect()];
    }
    let mounted = volume.mounts.iter().map(|mount| [mount.shows.clone(), mount.mount_point.clone()]);
    let base = volume.base.as_deref().unwrap_or("-");
    // Nothing of it is on a disk, and whoever counts on it should know.
    let until = format!("(of {base}; lives as long as process {})", volume.pid);
    let kept = volume.kept.iter().map(|name| [name.clone(), until.clone()]);
    let row = |(at, row): (usize, [String; 2])| {
        let head = if at == 0 { head.clone() } else { Default::default() };
        head.into_iter().chain(row).collect()
    };
    mounted.chain(kept).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(mounts: Vec<MountJson>) -> Alive {
        Alive {
            volume: "v".into(),
            pid: 7,
            endpoint: "/run/bough/v.sock".into(),
            branches: 1,
            snapshots: 0,
            used_bytes: 0,
            memory_bytes: 1,
            mounts,
            base: None,
            kept: Vec::new(),
        }
    }

    fn mount(mount_point: &str) -> MountJson {
        MountJson { mount_point: mount_point.into(), shows: "main".into(), kind: Kind::Branch, read_only: false }
    }

    #[test]
    fn a_volume_has_a_row_for_each_mount_point_and_one_when_it_has_none() {
        assert_eq!(rows(&[alive(Vec::new())]), [["v", "7", "0 B", "-", "-"]]);
        let two = rows(&[alive(vec![mount("/a"), mount("/b")])]);
        assert_eq!(two, [["v", "7", "0 B", "main", "/a"], ["", "", "", "main", "/b"]]);
    }

    #[test]
    fn a_kept_branch_says_how_long_it_lives() {
        let kept = Alive { base: Some("/base".into()), kept: vec!["try".into()], ..alive(Vec::new()) };
        assert_eq!(rows(&[kept]), [["v", "7", "0 B", "try", "(of /base; lives as long as process 7)"]]);
    }

    #[test]
    fn a_state_directory_that_is_not_there_holds_no_volume() {
        let directory = tempfile::tempdir().unwrap();
        assert!(sockets(&directory.path().join("missing")).unwrap().is_empty());
        std::fs::write(directory.path().join("b.sock"), "").unwrap();
        std::fs::write(directory.path().join("other"), "").unwrap();
        assert_eq!(sockets(directory.path()).unwrap(), [directory.path().join("b.sock")]);
        assert!(look(&directory.path().join("b.sock")).is_none());
    }
}
