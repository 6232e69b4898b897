//! Threads that do operations at random on few names and files, or on directories that they hold, and what each was answered, for
//! `histories` to explain.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bough::{Config, NamePolicy, NodeId, PathAt, RefId, RenameMode, View, Volume};

use super::actor::{Actor, QUIET};
use super::histories::{Done, of_view};
use super::naive::{How, Model, Path, What};
use super::operations::{Entry, Io, Op, SLOTS, Within};
use super::oracle::{Answer, CALLERS, Oracle};

/// Each has a slot of its own for the file that it holds open.
pub(crate) const THREADS: usize = SLOTS;
const PATHS: [&str; 4] = ["a", "b", "d/a", "d/b"];
/// Names of snapshots, by thread and operation.
const SNAPSHOTS: [[&str; 8]; THREADS] = [
    ["s00", "s01", "s02", "s03", "s04", "s05", "s06", "s07"],
    ["s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17"],
    ["s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27"],
];
/// A write from here on reaches over the end of a chunk.
const ACROSS: usize = (64 << 10) - 20;

/// A small generator of numbers, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn path(&mut self) -> Path {
        Path { text: PATHS[self.below(PATHS.len())].into(), follow: true }
    }

    fn io(&mut self) -> Io {
        let fill = self.below(200) as u8;
        match self.below(8) {
            0..3 => Io::Read,
            3 => Io::Append { length: 1 + self.below(40), fill },
            4 => Io::Punch { offset: self.below(30), length: 10 },
            _ => Io::Write { offset: [0, 0, 30, ACROSS][self.below(4)], length: 1 + self.below(40), fill },
        }
    }

    fn mode(&mut self) -> RenameMode {
        let mode = [RenameMode::Replace, RenameMode::Replace, RenameMode::NoReplace, RenameMode::Exchange];
        mode[self.below(4)]
    }

    fn rename(&mut self) -> Op {
        let mode = self.mode();
        Op::Rename(self.path(), self.path(), mode)
    }

    fn entry(&mut self) -> Entry {
        (self.below(HELD.len()), NAMES[self.below(NAMES.len())])
    }

    fn within(&mut self) -> Within {
        match self.below(16) {
            0..2 => Within::Make(self.entry(), What::Directory),
            2 => Within::Make(self.entry(), What::File),
            3 => Within::Unlink(self.entry()),
            4..7 => Within::Rmdir(self.entry()),
            7..9 => Within::List(self.below(HELD.len())),
            _ => {
                let mode = self.mode();
                Within::Rename(self.entry(), self.entry(), mode)
            }
        }
    }
}

/// What is played with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Play {
    /// Files, by paths through directories that stand still.
    Files,
    /// Directories that move into each other and are removed, each held by all: a path through them would be several steps.
    Directories,
}

/// What a thread does: operations that the system promises to be one step each. Those by path that find a file first and then
/// change it are two, and left to others.
pub(crate) fn script(play: Play, thread: usize, seed: u64, count: usize) -> Vec<Op> {
    assert!(count <= SNAPSHOTS[thread].len());
    let mut dice = Dice::new(seed * THREADS as u64 + thread as u64 + 1);
    let names = SNAPSHOTS[thread].iter().take(count);
    match play {
        Play::Files => files(thread, &mut dice, names),
        Play::Directories => names
            .map(|name| match dice.below(8) {
                0 => Op::Snapshot { branch: "main", name: Some(name) },
                _ => Op::Within(dice.within()),
            })
            .collect(),
    }
}

fn files<'a>(thread: usize, dice: &mut Dice, names: impl Iterator<Item = &'a &'static str>) -> Vec<Op> {
    let how = How { read: true, write: true, create: Some(0o644), ..How::default() };
    let one = |(at, name): (usize, &&'static str)| match dice.below(16) {
        _ if at == 0 => Op::Open(thread, dice.path(), how),
        0 => Op::Make(dice.path(), 0o644, What::File),
        1..3 => Op::Unlink(dice.path()),
        3..6 => dice.rename(),
        6 => Op::Open(thread, dice.path(), How { create: None, ..how }),
        7 => Op::Open(thread, dice.path(), How { exclusive: dice.below(3) == 0, ..how }),
        8 => Op::Access(dice.path(), 0),
        9..11 => Op::Snapshot { branch: "main", name: Some(name) },
        _ => Op::On(thread, dice.io()),
    };
    names.enumerate().map(one).collect()
}

/// What there is before anybody plays.
fn beginning(play: Play) -> Vec<Op> {
    let make = |&(path, what): &(&str, What)| Op::Make(path_of(path), 0o777, what);
    let (directory, file) = (What::Directory, What::File);
    match play {
        Play::Files => [("d", directory), ("a", file), ("d/b", file)].iter().map(make).collect(),
        Play::Directories => {
            [("p", directory), ("q", directory), ("p/r", directory), ("q/x", file)].iter().map(make).collect()
        }
    }
}

/// Those of the directories in the beginning that all hold, and names in them.
const HELD: [&str; 4] = ["/", "p", "q", "p/r"];
const NAMES: [&str; 4] = ["p", "q", "r", "x"];

fn path_of(text: &str) -> Path {
    Path { text: text.into(), follow: false }
}

/// What threads share while they play.
pub(crate) struct Stage {
    play: Play,
    directories: Vec<NodeId>,
    pub(crate) volume: Arc<Volume>,
    pub(crate) view: Arc<View>,
    time: AtomicU64,
    done: Mutex<Vec<Done>>,
}

impl Stage {
    pub(crate) fn new(play: Play) -> Stage {
        let config = Config { memory_bytes: Some(64 << 20), root_mode: 0o777, ..Config::default() };
        let volume = Volume::open(config).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "stage", QUIET).unwrap();
        let mut actor = Actor::new(volume.clone(), view.clone());
        beginning(play).iter().for_each(|op| assert_eq!(actor.perform(0, op), Ok(Answer::Done)));
        let hold = |path: &&str| view.path_lookup(&CALLERS[0], PathAt::root(path.as_bytes())).unwrap().node;
        let directories = if play == Play::Directories { HELD.iter().map(hold).collect() } else { Vec::new() };
        Stage { play, directories, volume, view, time: AtomicU64::new(0), done: Mutex::default() }
    }

    fn tick(&self) -> u64 {
        self.time.fetch_add(1, Ordering::SeqCst)
    }

    /// One thread's part.
    pub(crate) fn play(&self, ops: &[Op]) {
        let mut actor = Actor::new(self.volume.clone(), self.view.clone());
        actor.directories.clone_from(&self.directories);
        for op in ops {
            let began = self.tick();
            let answer = actor.perform(0, op);
            let ended = self.tick();
            let done = Done { op: op.clone(), answer, holds: None, began, ended };
            self.done.lock().unwrap().push(done);
        }
        actor.handles.into_iter().flatten().for_each(|handle| self.view.release(handle).unwrap());
    }

    /// When all have played: whether some order explains what they were answered, what the snapshots hold, and what there is.
    pub(crate) fn explain(&self) -> Result<(), String> {
        self.play(&[Op::Snapshot { branch: "main", name: Some("at the end") }]);
        let mut history = self.done.lock().unwrap().clone();
        for done in &mut history {
            let Op::Snapshot { name: Some(name), .. } = done.op else { continue };
            let view = self.volume.view(self.volume.find(name).unwrap(), "then", QUIET).unwrap();
            done.holds = Some(of_view(&view));
        }
        let mut start = Oracle::new(Model::new(1, NamePolicy::Posix));
        beginning(self.play).iter().for_each(|op| assert_eq!(start.perform(0, op), Ok(Answer::Done)));
        if self.play == Play::Directories {
            let hold = |path: &&str| start.model.resolve(&CALLERS[0], &path_of(path)).unwrap();
            start.directories = HELD.iter().map(hold).collect();
        }
        super::histories::explain(&start, &history)
    }
}
