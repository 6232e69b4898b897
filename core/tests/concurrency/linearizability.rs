//! Histories of random operations, each of which some order must explain; and histories that none does, which must be refused.

use std::hash::{BuildHasher, RandomState};

use bough::{Error, NamePolicy};

use crate::histories::{Done, explain};
use crate::naive::{How, Model, Path, What};
use crate::operations::{Io, Op};
use crate::oracle::{Answer, Oracle};
use crate::stage::{Play, Stage, THREADS, script};

const HISTORIES: u64 = 400;
/// Of each thread, in one history.
const OPERATIONS: usize = 7;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn some_order_explains_every_history() {
    explain_all("some_order_explains_every_history", Play::Files);
}

#[test]
fn some_order_explains_every_history_of_directories_that_move() {
    explain_all("some_order_explains_every_history_of_directories_that_move", Play::Directories);
}

fn explain_all(test: &str, play: Play) {
    let first = number_from("BOUGH_HISTORY_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 8);
    let count = HISTORIES * number_from("BOUGH_HISTORIES").unwrap_or(1);
    for seed in first..first + count {
        let stage = Stage::new(play);
        let begin = std::sync::Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (stage, begin) = (&stage, &begin);
                let ops = script(play, thread, seed, OPERATIONS);
                scope.spawn(move || {
                    begin.wait();
                    stage.play(&ops);
                });
            }
        });
        let replay = format!("cargo test -p bough --test concurrency linearizability::{test} -- --exact");
        if let Err(why) = stage.explain() {
            panic!("{why}the machine's schedule is part of it; try again with: BOUGH_HISTORY_SEED={seed} {replay}");
        }
        let report = stage.volume.check_invariants(true);
        assert!(report.is_sound(), "{:#?}", report.problems);
    }
}

fn path(text: &str) -> Path {
    Path { text: text.into(), follow: true }
}

fn done(op: Op, answer: bough::Result<Answer>, began: u64, ended: u64) -> Done {
    Done { op, answer, holds: None, began, ended }
}

fn explained(history: &[Done]) -> bool {
    explain(&Oracle::new(Model::new(1, NamePolicy::Posix)), history).is_ok()
}

/// A file is made and renamed; two look at both names while that goes on.
fn rename_seen(old: bough::Result<Answer>, new: bough::Result<Answer>, new_began: u64) -> Vec<Done> {
    vec![
        done(Op::Make(path("a"), 0o644, What::File), Ok(Answer::Done), 0, 1),
        done(Op::Rename(path("a"), path("b"), bough::RenameMode::Replace), Ok(Answer::Done), 2, 9),
        done(Op::Access(path("a"), 0), old, 3, 4),
        done(Op::Access(path("b"), 0), new, new_began, new_began + 1),
    ]
}

#[test]
fn half_of_a_rename_is_not_explained() {
    let (there, missing) = (|| Ok(Answer::Done), || Err(Error::NotFound));
    assert!(explained(&rename_seen(there(), there(), 5)), "the one before, the other after");
    assert!(explained(&rename_seen(missing(), there(), 5)));
    assert!(!explained(&rename_seen(missing(), missing(), 5)), "the file is nowhere");
    assert!(!explained(&rename_seen(missing(), missing(), 20)));
}

#[test]
fn a_read_of_two_writes_and_one_of_the_past_are_not_explained() {
    let how = How { read: true, write: true, create: Some(0o644), ..How::default() };
    let write = |fill: u8, began: u64, ended: u64| {
        done(Op::On(0, Io::Write { offset: 0, length: 2, fill }), Ok(Answer::Count(2)), began, ended)
    };
    let read = |bytes: &[u8], began: u64| done(Op::On(0, Io::Read), Ok(Answer::Bytes(bytes.into())), began, began + 1);
    let with =
        |seen: Done| [done(Op::Open(0, path("f"), how), Ok(Answer::Done), 0, 1), write(5, 2, 3), write(9, 4, 8), seen];
    assert!(explained(&with(read(&[5, 6], 5))), "before the second write");
    assert!(explained(&with(read(&[9, 10], 5))), "after it");
    assert!(!explained(&with(read(&[9, 6], 5))), "half of it");
    assert!(!explained(&with(read(&[5, 6], 10))), "when it had ended");
}
