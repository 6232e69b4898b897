//! A lock that is biased to readers: who looks without taking it sees all of a change or nothing of it, and who writes is alone.

use std::sync::Arc;

use super::world::together;
use super::{check, demand_found};
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use crate::sync::{Biased, Concerns, Planted, glance, thread};

const ROUNDS: usize = 300;
/// Looks of a reader: enough that the bias comes back between changes.
const LOOKS: usize = 6;
const ID: u64 = 7;

/// Locks that glances at inodes of these numbers modulo two may read: as a shard's.
#[derive(Debug)]
enum Halves {}

impl Concerns for Halves {
    const CALM: u16 = 2;

    fn concerns(number: u32, id: u64) -> bool {
        id % 2 == u64::from(number)
    }
}

/// A value in two parts: one is changed after the other.
type Pair = Biased<[AtomicU64; 2], Halves>;

fn look(pair: &Pair, id: u64) {
    glance(id, |glance| {
        let Some(seen) = pair.look(glance) else { return };
        let first = seen[0].load(SeqCst);
        thread::yield_now();
        assert_eq!(seen[1].load(SeqCst), first, "half of a change");
    });
}

fn change(pair: &Pair) {
    let value = pair.write();
    let before = value[0].load(SeqCst);
    value[0].store(before + 1, SeqCst);
    thread::yield_now();
    value[1].store(before + 1, SeqCst);
}

fn looks_and_changes() {
    let pair = Arc::new(Pair::new(1, [const { AtomicU64::new(0) }; 2]));
    let mut actors: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
    // The last looks at what the lock has no word of.
    for id in [ID, ID + 2, ID + 1] {
        let pair = pair.clone();
        actors.push(Box::new(move || (0..LOOKS).for_each(|_| look(&pair, id))));
    }
    for _ in 0..2 {
        let pair = pair.clone();
        actors.push(Box::new(move || (0..2).for_each(|_| change(&pair))));
    }
    together(actors);
    assert_eq!(pair.read()[1].load(SeqCst), 4, "a change is lost");
}

#[test]
fn who_looks_sees_all_of_a_change_or_nothing() {
    check(ROUNDS, looks_and_changes);
}

#[test]
fn a_writer_that_does_not_wait_for_glances_is_found() {
    demand_found(Planted::WritesBesideAGlance, ROUNDS, looks_and_changes);
}
