//! What fsx does, on a file that has content to begin with: fsx empties the file it is given, and so reads nothing of a base.
//!
//! Random reads, writes, mappings, truncations, holes, allocations and copies of one file, each also done to a vector; whatever
//! is read is compared. Every hundred operations a snapshot, and in the end each shows the file as it was. The same seed does the same.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::fixture::{USUAL, eventually, snapshot};
use crate::ground::{Ground, On};
use crate::kit::{Draw, noise};
use crate::{calls, sys};

const MOST: usize = 1 << 20;
const LONGEST: usize = 1 << 16;
const STEP: u64 = 100;

struct Exerciser<'a> {
    path: &'a Path,
    file: File,
    content: Vec<u8>,
    draw: Draw,
    /// What was done, for who must know.
    log: Vec<String>,
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

impl Exerciser<'_> {
    /// A range that begins in the file, and may reach past its end.
    fn range(&mut self) -> (usize, usize) {
        let at = self.draw.below((self.content.len() + LONGEST / 2).min(MOST));
        (at, 1 + self.draw.below(LONGEST.min(MOST - at)))
    }

    fn compare(&mut self, how: &str, at: usize, read: &[u8]) {
        let wanted = &self.content[at.min(self.content.len())..(at + read.len()).min(self.content.len())];
        if let Some(wrong) = (0..wanted.len().max(read.len())).find(|&i| wanted.get(i) != read.get(i)) {
            let last = self.log.len().saturating_sub(40);
            let (has, wants) = (read.get(wrong), wanted.get(wrong));
            panic!("{how}: byte {} is {has:?}, not {wants:?}\n{}", at + wrong, self.log[last..].join("\n"));
        }
    }

    fn read(&mut self) {
        let (at, length) = self.range();
        self.log.push(format!("read {length} at {at}"));
        let mut read = vec![0; length];
        let count = self.file.read_at(&mut read, at as u64).unwrap();
        assert_eq!(count, self.content.len().saturating_sub(at).min(length), "{:?}", self.log.last());
        self.compare("a read", at, &read[..count]);
    }

    fn write(&mut self) {
        let (at, length) = self.range();
        self.log.push(format!("write {length} at {at}"));
        let bytes = noise(self.log.len() as u64, length);
        self.file.write_all_at(&bytes, at as u64).unwrap();
        self.enter(at, &bytes);
    }

    fn enter(&mut self, at: usize, bytes: &[u8]) {
        self.content.resize(self.content.len().max(at + bytes.len()), 0);
        self.content[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn truncate(&mut self) {
        let length = self.draw.below(MOST);
        self.log.push(format!("truncate to {length}"));
        self.file.set_len(length as u64).unwrap();
        self.content.resize(length, 0);
    }

    fn map(&mut self, writes: bool) {
        if self.content.is_empty() {
            return;
        }
        let at = self.draw.below(self.content.len());
        let length = 1 + self.draw.below(LONGEST.min(self.content.len() - at));
        self.log.push(format!("map {length} at {at}, writing: {writes}"));
        let mut mapping = sys::Mapping::of(&self.file, self.content.len());
        let there = &mut mapping.bytes()[at..at + length];
        let bytes = there.to_vec();
        if writes {
            there.copy_from_slice(&noise(self.log.len() as u64, length));
        }
        drop(mapping);
        self.compare("a mapping", at, &bytes);
        if writes {
            let bytes = noise(self.log.len() as u64, length);
            self.enter(at, &bytes);
        }
    }

    fn punch(&mut self) {
        let (at, length) = self.range();
        self.log.push(format!("punch {length} at {at}"));
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        sys::allocate(&self.file, mode, at as u64, length as u64).unwrap();
        let end = (at + length).min(self.content.len());
        self.content[at.min(end)..end].fill(0);
    }

    fn allocate(&mut self) {
        let (at, length) = self.range();
        self.log.push(format!("allocate {length} at {at}"));
        sys::allocate(&self.file, 0, at as u64, length as u64).unwrap();
        self.content.resize(self.content.len().max(at + length), 0);
    }

    fn copy(&mut self) {
        if self.content.is_empty() {
            return;
        }
        let (from, to) = (self.draw.below(self.content.len()), self.draw.below(self.content.len()));
        let most = LONGEST.min(from.abs_diff(to)).min(self.content.len() - from);
        if most == 0 {
            return;
        }
        let length = 1 + self.draw.below(most);
        self.log.push(format!("copy {length} from {from} to {to}"));
        let copied = sys::copy_range(&self.file, from as i64, &self.file, to as i64, length).unwrap() as usize;
        let bytes = self.content[from..from + copied].to_vec();
        self.enter(to, &bytes);
    }

    fn open_anew(&mut self) {
        self.log.push("open".into());
        self.file = open(self.path);
        assert_eq!(self.file.metadata().unwrap().len(), self.content.len() as u64);
    }

    fn sync(&mut self) {
        self.log.push("sync, and forget pages".into());
        self.file.sync_all().unwrap();
        calls::forget_pages(&self.file);
    }

    fn step(&mut self) {
        match self.draw.below(40) {
            0..=10 => self.read(),
            11..=20 => self.write(),
            21..=24 => self.map(false),
            25..=28 => self.map(true),
            29 | 30 => self.truncate(),
            31..=33 => self.punch(),
            34 => self.allocate(),
            35 | 36 => self.copy(),
            37 => self.open_anew(),
            _ => self.sync(),
        }
    }
}

/// A file of the base for each seed, of some size.
fn original(seed: u64) -> Vec<u8> {
    noise(seed, (seed as usize * 190_003) % MOST)
}

fn exercise(ground: &Ground, seed: u64, operations: u64, snapshots: bool) {
    let path = ground.folder().join(format!("file-{seed}"));
    let (file, content) = (open(&path), original(seed));
    let mut exerciser =
        Exerciser { path: &path, file, content, draw: Draw::of(seed), log: vec![format!("seed {seed}")] };
    let mut copies = Vec::new();
    for step in 1..=operations {
        exerciser.step();
        if snapshots && step % STEP == 0 {
            snapshot(ground.point(), &format!("at-{step}"));
            copies.push((step, exerciser.content.clone()));
        }
    }
    let read = fs::read(&path).unwrap();
    exerciser.compare("the whole", 0, &read);
    drop(exerciser);
    for (step, content) in copies {
        let shown = ground.attach(&format!("at-{step}"), &format!("shown-{step}"));
        let same = fs::read(Ground::folder_at(&shown).join(format!("file-{seed}"))).unwrap() == content;
        assert!(same, "the snapshot after operation {step} of seed {seed} is another than the file was");
        eventually("the snapshot can be unmounted", || sys::unmount(&shown).is_ok());
        fs::remove_dir(&shown).unwrap();
    }
}

fn run_on(on: On, options: &str, seeds: std::ops::Range<u64>, operations: u64, snapshots: bool) {
    let make = |folder: &Path| {
        seeds.clone().for_each(|seed| fs::write(folder.join(format!("file-{seed}")), original(seed)).unwrap());
    };
    let Some(ground) = Ground::new(on, options, make) else { return };
    std::thread::scope(|scope| {
        for seed in seeds.clone() {
            let ground = &ground;
            scope.spawn(move || exercise(ground, seed, operations, snapshots));
        }
    });
    // A view that shows the base alone shows it as it was.
    for seed in seeds {
        let pure = (on == On::Base).then(|| ground.attach("base", &format!("pure-{seed}")));
        if let Some(pure) = pure {
            assert!(fs::read(Ground::folder_at(&pure).join(format!("file-{seed}"))).unwrap() == original(seed));
            eventually("it can be unmounted", || sys::unmount(&pure).is_ok());
        }
    }
    ground.end();
}

fn modes() -> [String; 4] {
    let spilling = format!("{USUAL},memory=2M,spill_dir={}", std::env::temp_dir().display());
    [USUAL.to_owned(), "default_permissions,no_writeback".to_owned(), spilling, format!("{USUAL},freeze")]
}

#[test]
fn files_of_the_base_hold_what_was_written_over_them() {
    for (number, options) in modes().iter().enumerate() {
        let first = 1 + number as u64 * 2;
        run_on(On::Base, options, first..first + 2, 500, false);
    }
    run_on(On::Base, USUAL, 9..10, 1_000, true);
}

#[test]
fn a_file_that_was_there_before_holds_what_was_written_over_it() {
    run_on(On::Nothing, USUAL, 1..3, 500, false);
}

#[test]
#[ignore = "minutes: make test-long"]
fn files_of_the_base_hold_what_was_written_over_them_in_many_operations() {
    for options in modes() {
        run_on(On::Base, &options, 1..11, 20_000, false);
    }
}

#[test]
#[ignore = "minutes: make test-long"]
fn many_snapshots_of_files_of_the_base_are_what_the_files_were() {
    for (number, options) in modes().iter().enumerate() {
        let seed = 20 + number as u64;
        run_on(On::Base, options, seed..seed + 1, 20_000, true);
    }
}
