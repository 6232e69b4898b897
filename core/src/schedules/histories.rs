//! Whole histories under schedules of the scheduler's choice: threads do operations at random on few names and files while
//! snapshots are taken, and some order must explain what each was answered and what each snapshot holds.

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};

use super::world::together;
use super::{check, demand_found};
use crate::model::stage::{Play, Stage, THREADS, script};
use crate::sync::Planted;

const ROUNDS: usize = 60;
/// Of each thread, in one history.
const OPERATIONS: usize = 5;

fn operations_at_random() {
    operations_on(Play::Files);
}

fn directories_at_random() {
    operations_on(Play::Directories);
}

fn operations_on(play: Play) {
    let stage = Arc::new(Stage::new(play));
    // Drawn from the schedule, so that it replays.
    let seed = thread_rng().r#gen::<u32>();
    let actor = |thread: usize| {
        let (stage, ops) = (stage.clone(), script(play, thread, seed.into(), OPERATIONS));
        Box::new(move || stage.play(&ops)) as Box<dyn FnOnce() + Send>
    };
    together((0..THREADS).map(actor).collect());
    if let Err(why) = stage.explain() {
        panic!("{why}");
    }
    let report = stage.volume.check_invariants(true);
    assert!(report.is_sound(), "{:#?}", report.problems);
}

#[test]
fn some_order_explains_every_history_of_every_schedule() {
    check(ROUNDS, operations_at_random);
}

#[test]
fn some_order_explains_every_history_of_directories_of_every_schedule() {
    check(ROUNDS, directories_at_random);
}

#[test]
fn histories_with_snapshots_that_do_not_close_the_gate_are_not_explained() {
    demand_found(Planted::SnapshotPassesTheGate, 3 * ROUNDS, operations_at_random);
}
