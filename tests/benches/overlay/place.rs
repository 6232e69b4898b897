//! Where things are measured: a folder on a disk, commands in it with a limit of time, and the middle of several figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Whether one of a list is a part of `name`.
pub(crate) fn part(list: &str, name: &str) -> bool {
    list.split(',').any(|part| name.contains(part))
}

pub(crate) fn wanted(row: &str) -> bool {
    std::env::var("BOUGH_BENCH_ROWS").map_or(true, |list| part(&list, row))
}

/// Where the release build puts programs.
fn programs() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    std::env::var_os("BOUGH_BIN").map_or_else(|| top.join("target/release"), PathBuf::from)
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Took(Duration),
    Failed(String),
    /// It was ended after so many seconds.
    Hung(u64),
}

/// A folder of its own, gone at the end with the volumes over what is in it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        let within = std::env::var_os("BOUGH_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Place(tempfile::tempdir_in(within).expect("a folder to measure in"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.at(name).to_str().expect("our own path").to_owned()
    }

    pub(crate) fn make(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.at(name)).expect("our own folder");
        self.at(name)
    }

    fn within(&self, mut command: Command) -> Command {
        command.current_dir(self.0.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("BOUGH_STATE_DIR", self.at("state")).env("BOUGH_FUSE", programs().join("bough-fuse"));
        command
            .env("SANDFS_HOME", self.at("sandfs"))
            .env("PLACE", self.0.path())
            .env("BOUGH", programs().join("bough"));
        command
    }

    pub(crate) fn bough(&self, words: &[&str]) -> Command {
        let mut command = self.within(Command::new(programs().join("bough")));
        command.args(words);
        command
    }

    /// Runs a command of Bough's that must succeed; answers how long it took.
    pub(crate) fn timed(&self, words: &[&str]) -> Duration {
        let begun = Instant::now();
        let status = self.bough(words).status().expect("`make build` first");
        assert!(status.success(), "bough {words:?}: {status}");
        begun.elapsed()
    }

    /// What a command of Bough's prints.
    pub(crate) fn said(&self, words: &[&str]) -> String {
        let output = self.bough(words).stdout(Stdio::piped()).output().expect("`make build` first");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The daemon over a directory of the host.
    pub(crate) fn daemon(&self, base: &Path) -> Option<(String, u32)> {
        let listed: serde_json::Value = serde_json::from_str(&self.said(&["list", "--json"])).ok()?;
        let base = base.canonicalize().ok()?;
        let found = listed.as_array()?.iter().find(|one| one["base"].as_str() == base.to_str())?;
        Some((found["volume"].as_str()?.to_owned(), found["pid"].as_u64()? as u32))
    }

    pub(crate) fn end_volume(&self, base: &Path) {
        if let Some((volume, pid)) = self.daemon(base) {
            self.timed(&["unmount", "--volume", &volume]);
            while Path::new(&format!("/proc/{pid}")).exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Runs a shell script, at most so many seconds. What it leaves running is not waited for.
    pub(crate) fn shell(&self, script: &str, seconds: u64) -> Outcome {
        let log = fs::File::create(self.at("log")).expect("our own file");
        let limit = seconds.to_string();
        let mut command = self.within(Command::new("timeout"));
        command.args(["-k", "5", &limit, "sh", "-ec", script]).stderr(log);
        let begun = Instant::now();
        let status = command.status().expect("timeout(1) is there");
        let took = begun.elapsed();
        match status.code() {
            Some(0) => Outcome::Took(took),
            Some(124 | 137) | None => Outcome::Hung(seconds),
            Some(_) => Outcome::Failed(self.last_line()),
        }
    }

    fn last_line(&self) -> String {
        let said = fs::read(self.at("log")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("without a word").trim().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let listed: serde_json::Value = serde_json::from_str(&self.said(&["list", "--json"])).unwrap_or_default();
        for volume in listed.as_array().into_iter().flatten().filter_map(|one| one["volume"].as_str()) {
            let _ = self.bough(&["unmount", "--volume", volume]).status();
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for point in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(point).starts_with(self.0.path()) {
                let _ = Command::new("umount").args(["-l", point]).stderr(Stdio::null()).status();
            }
        }
    }
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Small files, a thousand in each folder.
pub(crate) fn fill(root: &Path, files: usize, content: &[u8]) {
    for number in 0..files {
        let folder = root.join(format!("d{}", number / 1000));
        if number % 1000 == 0 {
            fs::create_dir_all(&folder).expect("our own folder");
        }
        fs::write(folder.join(format!("file{number}")), content).expect("room for small files");
    }
    // What the disk has still to do is not to be measured.
    Command::new("sync").status().expect("sync is there");
}

/// A file of real bytes.
pub(crate) fn fill_file(path: &Path, bytes: u64) {
    use std::io::Write;
    let mut file = fs::File::create(path).expect("our own file");
    let mut piece: Vec<u8> = (0..1 << 20).map(|at: u64| at as u8).collect();
    for number in 0..bytes >> 20 {
        for (page, bytes) in piece.chunks_mut(4096).enumerate() {
            bytes[..16].copy_from_slice(&[number.to_ne_bytes(), page.to_ne_bytes()].concat());
        }
        file.write_all(&piece).expect("room for a large file");
    }
    file.sync_all().expect("the disk takes it");
}
