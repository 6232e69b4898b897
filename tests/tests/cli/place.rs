//! Where the tests of the command happen: a directory of its own with mount points and a state directory, and what a command
//! that ran there said.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) talk: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.code, self.talk.as_str()), (0, ""), "{self:?}");
        self.out
    }

    /// It ended with `code`, and said one line with all of `words` in it.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        assert_eq!(self.talk.lines().count(), 1, "{self:?}");
        words.iter().for_each(|word| assert!(self.talk.contains(word), "no `{word}` in {self:?}"));
    }

    /// It ended with `code`; how many lines a name with line breaks in it makes is not the question.
    #[track_caller]
    pub(crate) fn refused_anyhow(self, code: i32) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn refused_with_talk(self) {
        assert!(self.code > 0 && self.out.is_empty() && !self.talk.is_empty(), "{self:?}");
    }
}

/// A place with mount points; everything is unmounted at its end.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

pub(crate) fn programs() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    std::env::var_os("BOUGH_BIN").map_or_else(|| root.join("target/release"), PathBuf::from)
}

impl Place {
    pub(crate) fn new() -> Place {
        for program in ["bough", "bough-fuse"] {
            let path = programs().join(program);
            assert!(path.is_file(), "{} is missing: run `make build` first", path.display());
        }
        let place = Place { directory: tempfile::tempdir().unwrap() };
        ["mnt", "other", "third"].iter().for_each(|name| fs::create_dir(place.at(name)).unwrap());
        place
    }

    /// With a new volume at `mnt`.
    pub(crate) fn mounted() -> Place {
        let place = Place::new();
        place.run(&["mount", "mnt"]).done();
        place
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.at(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).env("BOUGH_STATE_DIR", self.at("state")).stdin(Stdio::null());
        command.env("BOUGH_FUSE", programs().join("bough-fuse")).env_remove("BOUGH_LOG").env("TZ", "UTC");
        command
    }

    pub(crate) fn bough(&self, words: &[&str]) -> Command {
        let mut command = self.command(programs().join("bough"));
        command.args(words);
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        ran(&mut self.bough(words))
    }

    /// A process that another test starts holds, between fork and exec, what this one has open: in use for that long is no failure.
    #[track_caller]
    pub(crate) fn unmount(&self, point: &str) {
        wait_until("it can be unmounted", || {
            let ran = self.run(&["unmount", point]);
            let is_busy = ran.code == 1 && ran.talk.contains("in use");
            if !is_busy {
                ran.done();
            }
            !is_busy
        });
    }

    /// In the volume at `mnt`.
    pub(crate) fn here(&self, words: &[&str]) -> Ran {
        ran(self.bough(words).current_dir(self.at("mnt")))
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let ran = self.here(words);
        assert!(ran.code <= 1 && ran.talk.is_empty(), "{ran:?}");
        serde_json::from_str(&ran.out).unwrap()
    }

    pub(crate) fn daemon(&self) -> i32 {
        self.json(&["status", "--json"])["pid"].as_i64().unwrap() as i32
    }

    /// The daemon of `mnt` dies without a chance to clean up.
    pub(crate) fn kill_daemon(&self) {
        let pid = self.daemon();
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        wait_until("the mount is dead", || !is_running(pid) && fs::metadata(self.at("mnt")).is_err());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let inside = self.directory.path().canonicalize().unwrap_or_default();
        for point in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(point).starts_with(&inside) {
                let _ = Command::new("umount").args(["-l", point]).status();
            }
        }
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), talk: text(output.stderr) }
}

#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    // Longer than anything takes that ends at all: a machine may be slow, and busy with much else.
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a thread of a process is: the last one closes its files.
pub(crate) fn is_running(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    stats.any(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

pub(crate) fn ran_in(place: &Place, directory: &str, words: &[&str]) -> Ran {
    ran(place.bough(words).current_dir(place.at(directory)))
}

/// Writes back what the kernel holds.
pub(crate) fn write_back(path: &Path) {
    assert!(Command::new("sync").arg("-f").arg(path).status().unwrap().success());
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0)
}
