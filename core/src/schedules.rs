//! What threads meet in, under a scheduler that is in charge of every switch (shuttle): the gate, locks that are biased to readers, copying up an inode that a
//! snapshot shares, the references of a host, the locks of a rename, eviction against readers, writers and pins, snapshots against writers, opens among deletions the Windows way; and whole
//! histories, checked against the naive model. The code under test is the code that ships, with locks from `sync::modelled`.
//!
//! Each scenario is run under schedules drawn at random and under such with few switches (PCT), which find other faults. To
//! each belongs a fault that is planted, and must be found by no more than a hundred times as many.
//!
//! `BOUGH_SCHEDULES` multiplies how many are tried. What fails prints its schedule, and the seed of one drawn at random; with
//! `BOUGH_SCHEDULE` or `BOUGH_SCHEDULE_SEED` set to it, the one test that is named runs that schedule alone.

#![allow(clippy::unwrap_used)]

mod biased;
mod copy_up;
mod eviction;
mod gate;
mod histories;
mod references;
mod rename;
mod snapshots;
mod windows;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{FailurePersistence, Runner};

use crate::sync::{Planted, plant};

/// Debug builds of the core take more than shuttle expects.
const STACK_BYTES: usize = 1 << 20;
/// Switches that a schedule of few switches has at places of the scheduler's choice.
const SWITCHES: usize = 3;

fn number_from(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

fn config(told: FailurePersistence) -> shuttle::Config {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = told;
    config.silence_warnings = true;
    config
}

fn run(scheduler: impl Scheduler + 'static, told: FailurePersistence, scenario: fn()) {
    Runner::new(scheduler, config(told)).run(scenario);
}

fn run_all(rounds: usize, told: &FailurePersistence, scenario: fn()) {
    run(RandomScheduler::new(rounds), told.clone(), scenario);
    run(PctScheduler::new(SWITCHES, rounds), told.clone(), scenario);
}

/// Runs a scenario under `rounds` schedules of each kind.
fn check(rounds: usize, scenario: fn()) {
    if let Some(seed) = number_from("BOUGH_SCHEDULE_SEED") {
        let random = RandomScheduler::new_from_seed(seed as u64, 1);
        return run(random, FailurePersistence::Print, scenario);
    }
    if let Ok(schedule) = std::env::var("BOUGH_SCHEDULE") {
        let replay = shuttle::scheduler::ReplayScheduler::new_from_encoded(&schedule);
        return run(replay, FailurePersistence::None, scenario);
    }
    run_all(rounds * number_from("BOUGH_SCHEDULES").unwrap_or(1), &FailurePersistence::Print, scenario);
}

/// How often a planted fault gets the schedules of a scenario before it counts as not found. Most are found by the first.
const PLANTED_TRIES: usize = 100;

/// Demands that a planted fault is found.
fn demand_found(fault: Planted, rounds: usize, scenario: fn()) {
    plant(Some(fault));
    let found = catch_unwind(AssertUnwindSafe(|| {
        (0..PLANTED_TRIES).for_each(|_| run_all(rounds, &FailurePersistence::None, scenario));
    }));
    plant(None);
    assert!(found.is_err(), "{fault:?} is not found by {PLANTED_TRIES} times {rounds} schedules of each kind");
}
