//! After a random sequence of operations in a branch, paths of it go back to what it grew from: what a diff says afterwards, and
//! what is shown, must fit what it said before.

use std::collections::BTreeSet;
use std::sync::Arc;

use bough::{BaseConfig, BranchId, DiffKind, Error, NamePolicy, RefId, Volume};

use super::actor::QUIET;
use super::operations::Op;
use super::over_base::{fill, shown};
use super::runner::Runner;

/// A difference: what, where it was, where it is.
type Line = (DiffKind, Option<Vec<u8>>, Vec<u8>);

fn differences(volume: &Volume, before: RefId, after: RefId) -> BTreeSet<Line> {
    let mut diff = volume.diff(before, after).unwrap();
    let entries = std::iter::from_fn(|| diff.next_entry().unwrap());
    entries.map(|entry| (entry.kind, entry.old_path, entry.path)).collect()
}

fn is_below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || above.is_empty())
}

fn touches(line: &Line, path: &[u8]) -> bool {
    is_below(&line.2, path) || line.1.as_deref().is_some_and(|old| is_below(old, path))
}

/// A branch that is reverted, again and again from what it is: each time a copy of it.
struct Case {
    volume: Arc<Volume>,
    branch: RefId,
    to: RefId,
    /// What differs before.
    before: BTreeSet<Line>,
    tried: usize,
}

impl Case {
    fn new(volume: &Arc<Volume>, branch: RefId, to: RefId) -> Case {
        let before = differences(volume, to, branch);
        Case { volume: volume.clone(), branch, to, before, tried: 0 }
    }

    fn shown(&self, of: RefId) -> Vec<String> {
        shown(&self.volume.view(of, "reverts", QUIET).unwrap())
    }

    /// What a tree shows at a path and below it.
    fn shown_at(&self, of: RefId, path: &[u8]) -> Vec<String> {
        let all = self.shown(of).into_iter();
        all.filter(|line| is_below(line.split(' ').next().unwrap().trim_start_matches('/').as_bytes(), path)).collect()
    }

    /// A copy of the branch with paths taken back; `None` when that is refused, with nothing changed.
    fn reverted(&mut self, paths: &[Vec<u8>]) -> Option<BranchId> {
        self.tried += 1;
        let copy = self.volume.create_branch(&format!("copy-{}", self.tried), self.branch).unwrap();
        let answer = self.volume.revert(copy, self.to, paths);
        let report = self.volume.check_invariants(true);
        assert!(report.is_sound(), "after {paths:?} went back: {:#?}", report.problems);
        match answer {
            Ok(()) => Some(copy),
            Err(Error::Busy(_)) => {
                assert_eq!(differences(&self.volume, self.to, RefId::Branch(copy)), self.before);
                None
            }
            Err(error) => panic!("{paths:?}: {error}"),
        }
    }

    /// One path: it is as it was, nothing else differs that did not, and without moves and second names all else differs as it did.
    fn one(&mut self, path: &[u8], plain: bool) {
        let Some(copy) = self.reverted(&[path.to_vec()]) else { return };
        let copy = RefId::Branch(copy);
        let after = differences(&self.volume, self.to, copy);
        let story = || format!("{path:?} of {:#?} went back, now {after:#?}", self.before);
        assert!(!after.iter().any(|line| touches(line, path)), "{}", story());
        if !self.lies_in_moved(path) {
            assert_eq!(self.shown_at(copy, path), self.shown_at(self.to, path), "{}", story());
        }
        if plain {
            let expected: BTreeSet<Line> = self.before.iter().filter(|line| !touches(line, path)).cloned().collect();
            assert_eq!(after, expected, "{}", story());
        }
    }

    /// Whether a directory above has moved: that stays where it is.
    fn lies_in_moved(&self, path: &[u8]) -> bool {
        let moved = self.before.iter().filter(|line| line.0 == DiffKind::Renamed);
        let mut ends = moved.flat_map(|line| line.1.iter().chain([&line.2]));
        ends.any(|end| end != path && is_below(path, end))
    }

    fn all(&mut self, paths: &[Vec<u8>], leaves_nothing: bool) {
        let copy = self.reverted(paths).expect("all that is in the way goes back too");
        let copy = RefId::Branch(copy);
        assert_eq!(differences(&self.volume, self.to, copy), BTreeSet::new());
        if leaves_nothing {
            assert_eq!(self.volume.ref_info(copy).unwrap().inodes, 0, "{:#?} went back", self.before);
        }
        assert_eq!(self.shown(copy), self.shown(self.to));
    }

    fn paths(&self) -> Vec<Vec<u8>> {
        self.before.iter().flat_map(|line| line.1.iter().chain([&line.2]).cloned()).collect()
    }

    fn check(mut self, over_base: bool) {
        let has_links = self.shown(self.branch).iter().chain(&self.shown(self.to)).any(|line| has_second_name(line));
        let plain = !has_links && self.before.iter().all(|line| line.0 != DiffKind::Renamed);
        for path in self.paths() {
            self.one(&path, plain);
        }
        self.all(&self.paths(), false);
        self.all(&[Vec::new()], over_base);
    }
}

/// `line` is one of [`shown`]: kind, owner, then size and links.
fn has_second_name(line: &str) -> bool {
    !line.contains(" Directory ") && !line.contains(", 1) [")
}

fn is_history(op: &Op) -> bool {
    matches!(
        op,
        Op::Snapshot { .. } | Op::Branch { .. } | Op::Switch(_) | Op::RenameRef(..) | Op::DeleteRef(_) | Op::Diff(..)
    )
}

fn perform(runner: &mut Runner, steps: &[(usize, Op)]) {
    for (by, op) in steps.iter().filter(|(_, op)| !is_history(op)) {
        let _ = runner.perform(*by, op);
    }
}

pub(super) fn over_a_base(steps: &[(usize, Op)]) {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let path = directory.path().to_owned();
    let base = BaseConfig::HostDirectory { path, cross_mounts: false, freeze: false };
    let mut runner = Runner::over(NamePolicy::Posix, 1 << 30, Some(base));
    perform(&mut runner, steps);
    let volume = runner.actor.volume.clone();
    let (branch, to) = (RefId::Branch(volume.first_branch()), volume.find("base").unwrap());
    Case::new(&volume, branch, to).check(true);
}

pub(super) fn over_nothing(steps: &[(usize, Op)]) {
    let mut runner = Runner::over(NamePolicy::Posix, 1 << 30, None);
    let (first, second) = steps.split_at(steps.len() / 2);
    perform(&mut runner, first);
    let volume = runner.actor.volume.clone();
    let to = volume.create_snapshot(volume.first_branch(), Some("then")).unwrap();
    perform(&mut runner, second);
    Case::new(&volume, RefId::Branch(volume.first_branch()), RefId::Snapshot(to)).check(false);
}
