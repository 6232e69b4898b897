//! Programs that cargo installs, and what the suites share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::fixture::{PATIENCE, root, sound};
use crate::sys;

/// A program of a crate, in `target/tools`; built the first time. `None`: it cannot be had here.
pub(crate) fn cargo_program(name: &'static str, version: &str) -> Option<PathBuf> {
    static TRIED: Mutex<BTreeMap<&'static str, bool>> = Mutex::new(BTreeMap::new());
    let folder = root().join("target/tools");
    let program = folder.join("bin").join(name);
    let mut tried = TRIED.lock().unwrap();
    let here = *tried.entry(name).or_insert_with(|| {
        program.is_file() || {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["install", name, "--version", version, "--locked", "--quiet", "--root"]).arg(&folder);
            cargo.env_remove("CARGO_TARGET_DIR").status().is_ok_and(|status| status.success())
        }
    });
    if !here {
        eprintln!("SKIPPED: {name} {version} is not here, and cargo cannot install it");
    }
    here.then_some(program)
}

/// A check of the volume while it is used: what it holds must fit at any moment.
#[track_caller]
pub(crate) fn sound_in_use(point: &Path) {
    sound(point, false);
}

/// Numbers that are the same for the same seed.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn of(seed: u64) -> Draw {
        Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }
}

/// Bytes that differ from place to place and from seed to seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut draw = Draw::of(seed);
    (0..length).map(|_| draw.next() as u8).collect()
}

/// A process that leads a group of its own, and ends with all of it: what a shell has just started, too. Whoever is in the middle of a call has done
/// it when this has gone.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let group = self.0.id();
        let _ = Command::new("kill").args(["-9", "--", &format!("-{group}")]).status();
        let _ = self.0.wait();
        let begun = Instant::now();
        while is_group_alive(group) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether a process of a group runs still: proc_pid_stat(5).
fn is_group_alive(group: u32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    stats.any(|stat| {
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect::<Vec<_>>());
        fields.is_some_and(|fields| fields[2] == group.to_string() && !matches!(fields[0], "Z" | "X"))
    })
}

/// A tmpfs of so many bytes; unmounted at the end.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`: mounting takes root.
    pub(crate) fn new(point: PathBuf, size: &str) -> Option<SmallDisk> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&point);
        mount.output().is_ok_and(|output| output.status.success()).then_some(SmallDisk(point))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = sys::unmount_lazily(&self.0);
    }
}
