//! The operations of the model on a volume whose disk fails, or that gets no memory, now and then: an operation that fails has
//! done nothing, or all; one that says how much it did has done that much; and everything before it is as the model has it.

use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use crate::data::ChunkStore;
use crate::data::tests::device::{CALLS, Call, Disk};
use crate::data::tests::store_on;
use crate::error::{Error, Result};
use crate::model::harness;
use crate::model::operations::{Io, Op, SLOTS, sequence};
use crate::model::oracle::{Answer, agree};
use crate::model::runner::{Runner, Ticks, config};
use crate::tree::name::NamePolicy;
use crate::volume::Volume;

const CASES: u32 = 120;
/// Memory for so few chunks that most content goes to the disk.
const FRAMES: u64 = 12;
/// Of those who call, one who is not the superuser.
const USER: usize = 1;
const NEVER: u64 = u64::MAX / 2;

/// What fails during an operation.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The n-th call of the disk from its beginning on.
    Disk(Call, u64, ErrorKind),
    /// The n-th frame of memory.
    Memory(u64),
}

type Step = ((usize, Op), Option<Fault>);

fn fault() -> impl Strategy<Value = Fault> {
    let kind = select(&[ErrorKind::Other, ErrorKind::StorageFull][..]);
    prop_oneof![
        6 => (select(&CALLS[..]), 0..4u64, kind).prop_map(|(call, nth, kind)| Fault::Disk(call, nth, kind)),
        2 => (0..4u64).prop_map(Fault::Memory),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let faults = prop::collection::vec(prop::option::weighted(0.4, fault()), 120);
    (sequence(NamePolicy::Posix), faults).prop_map(|(steps, faults)| steps.into_iter().zip(faults).collect())
}

struct Faulty {
    disk: Disk,
    store: Arc<ChunkStore>,
    runner: Runner,
    failed: usize,
}

impl Faulty {
    fn new() -> Faulty {
        let disk = Disk::default();
        let (store, clock) = (store_on(&disk, FRAMES), Ticks::new());
        let volume = Volume::over(store.clone(), config(NamePolicy::Posix, &clock)).unwrap();
        Faulty { disk, store, runner: Runner::on(volume, NamePolicy::Posix, clock), failed: 0 }
    }

    fn arm(&self, fault: Option<Fault>) {
        match fault {
            Some(Fault::Disk(call, nth, kind)) => self.disk.fail(call, nth, kind),
            Some(Fault::Memory(nth)) => self.store.fail_frame(nth),
            None => {
                self.disk.fail(Call::Read, NEVER, ErrorKind::Other);
                self.store.fail_frame(NEVER);
            }
        }
    }

    /// Opening, using and closing are three: the first is done though the second fails.
    fn step(&mut self, by: usize, op: &Op, fault: Option<Fault>) {
        let slot = SLOTS - 1;
        match op {
            Op::With(path, how, io) => {
                self.one(by, &Op::Open(slot, path.clone(), *how), fault);
                self.one(by, &Op::On(slot, *io), fault);
                self.one(by, &Op::Close(slot), None);
            }
            _ => self.one(by, op, fault),
        }
    }

    fn one(&mut self, by: usize, op: &Op, fault: Option<Fault>) {
        self.runner.tick();
        let before = self.runner.oracle.clone();
        self.arm(fault);
        let answer = self.runner.actor.perform(by, op);
        self.arm(None);
        let expected = self.runner.oracle.perform(by, op);
        let done = agree(&expected, &answer) || self.explained(by, op, &answer, before);
        assert!(done, "{op:?} with {fault:?}: the model answers {expected:?}, the volume {answer:?}");
        self.runner.settle(op, answer.is_ok());
        self.runner.compare_after(op);
    }

    /// Whether an answer is what a fault makes of the operation; the model goes on with what was done.
    fn explained(&mut self, by: usize, op: &Op, answer: &Result<Answer>, before: crate::model::oracle::Oracle) -> bool {
        let oracle = &mut self.runner.oracle;
        match answer {
            Ok(Answer::Count(count)) => {
                *oracle = before;
                shorter(op, *count).is_some_and(|op| agree(&oracle.perform(by, &op), answer))
            }
            Err(Error::Io(_) | Error::NoSpace) => {
                self.failed += 1;
                let after = std::mem::replace(oracle, before.clone());
                let made = begun(op).map(|op| {
                    let mut made = before;
                    let _ = made.perform(by, &op);
                    made
                });
                self.runner.shows()
                    || [Some(after), made].into_iter().flatten().any(|other| {
                        self.runner.oracle = other;
                        self.runner.shows()
                    })
            }
            _ => false,
        }
    }
}

/// The operation that does so much of another and no more.
fn shorter(op: &Op, count: usize) -> Option<Op> {
    Some(match op.clone() {
        Op::On(slot, Io::Write { offset, fill, .. }) => Op::On(slot, Io::Write { offset, length: count, fill }),
        Op::On(slot, Io::Append { fill, .. }) => Op::On(slot, Io::Append { length: count, fill }),
        Op::Copy { from, from_offset, to, to_offset, .. } => {
            Op::Copy { from, from_offset, to, to_offset, length: count }
        }
        Op::WriteStream(path, name, offset, _, fill) => Op::WriteStream(path, name, offset, count, fill),
        _ => return None,
    })
}

/// What is done of it before its bytes are: the stream is made.
fn begun(op: &Op) -> Option<Op> {
    match op {
        Op::WriteStream(path, name, _, _, fill) => Some(Op::WriteStream(path.clone(), name, 0, 0, *fill)),
        _ => None,
    }
}

fn run(steps: &[Step]) -> usize {
    let mut faulty = Faulty::new();
    for ((by, op), fault) in steps {
        faulty.step(*by, op, *fault);
    }
    let failed = faulty.failed;
    faulty.runner.finish();
    failed
}

#[test]
fn whatever_fails_on_the_way_everything_before_is_as_the_model_has_it() {
    let test = "whatever_fails_on_the_way_everything_before_is_as_the_model_has_it";
    harness::check("cargo test -p bough --lib", test, CASES, steps, |steps| _ = run(steps));
}

/// A write takes the set-id bits of a file, and the making of a stream does not.
#[test]
fn a_stream_that_is_made_and_gets_no_bytes_leaves_the_set_id_bits() {
    let path = || crate::model::naive::Path { text: "f".into(), follow: true };
    let make = Op::Make(path(), 0o777, crate::model::naive::What::File);
    let write = Op::WriteStream(path(), "s", 16_354, 31, 7);
    let steps = [(make, None), (Op::Chmod(path(), 0o4755), None), (write, Some(Fault::Memory(0)))];
    assert_eq!(run(&steps.map(|(op, fault)| ((USER, op), fault))), 1);
}

#[test]
fn operations_meet_the_faults_that_are_drawn() {
    let path = crate::model::naive::Path { text: "f".into(), follow: true };
    let how = crate::model::naive::How { write: true, create: Some(0o644), ..Default::default() };
    let write = Op::With(path, how, Io::Write { offset: 0, length: 200_000, fill: 1 });
    assert_eq!(run(&[((0, write.clone()), None)]), 0);
    assert!(run(&[((0, write), Some(Fault::Memory(0)))]) > 0);
}
