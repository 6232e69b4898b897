//! The references that a host holds, counted at a glance: none is lost and none is left, whoever looks a file up, forgets it or removes it meanwhile.

use std::sync::Arc;

use super::world::{BY, World, together};
use super::{check, demand_found};
use crate::error::Error;
use crate::sync::Planted;
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use crate::types::NodeId;

const ROUNDS: usize = 100;
/// How often the file was looked up before: so often that references are counted without a lock.
const BEFORE: u64 = 5;

/// A file that was looked up, and how often.
struct Known {
    world: World,
    node: NodeId,
    times: AtomicU64,
}

impl Known {
    fn new() -> Arc<Known> {
        let world = World::new();
        world.file("f", b"");
        let nodes = [(); BEFORE as usize].map(|()| world.view.lookup(&BY, NodeId::ROOT, b"f").unwrap().node);
        Arc::new(Known { world, node: nodes[0], times: AtomicU64::new(BEFORE) })
    }

    fn look_up(&self) {
        match self.world.view.lookup(&BY, NodeId::ROOT, b"f") {
            Ok(entry) => {
                assert_eq!(entry.node, self.node);
                self.times.fetch_add(1, SeqCst);
                assert!(self.world.view.attr(self.node).is_ok(), "known, and gone");
            }
            Err(error) => assert_eq!(error, Error::NotFound),
        }
    }

    fn forget(&self, times: u64) {
        self.world.view.forget(self.node, times);
        self.times.fetch_sub(times, SeqCst);
    }

    /// Ends it: every reference was counted, and when all are given back nothing is left.
    fn check(&self) {
        let times = self.times.load(SeqCst);
        assert_eq!(self.world.view.references(self.node), times, "a reference is lost");
        self.world.view.forget(self.node, times);
        assert!(self.world.view.known_nodes().is_empty());
        self.world.check();
    }
}

type Actor = Box<dyn FnOnce() + Send>;

fn actor(known: &Arc<Known>, acts: impl FnOnce(&Known) + Send + 'static) -> Actor {
    let known = known.clone();
    Box::new(move || acts(&known))
}

fn lookups_and_forgets() {
    let known = Known::new();
    let looks = actor(&known, |known| (0..2).for_each(|_| known.look_up()));
    let forgets = actor(&known, |known| known.forget(BEFORE));
    let passes = actor(&known, |known| {
        known.look_up();
        known.forget(1);
    });
    together(vec![looks, forgets, passes]);
    known.check();
}

fn lookups_of_what_is_removed() {
    let known = Known::new();
    let looks = || actor(&known, |known| (0..2).for_each(|_| known.look_up()));
    let forgets = actor(&known, |known| known.forget(BEFORE));
    let removes = actor(&known, |known| known.world.view.unlink(&BY, NodeId::ROOT, b"f").unwrap());
    together(vec![looks(), looks(), forgets, removes]);
    let gone = known.world.view.lookup(&BY, NodeId::ROOT, b"f");
    assert_eq!(gone.map(|entry| entry.node), Err(Error::NotFound));
    known.check();
}

#[test]
fn every_reference_is_counted_once() {
    check(ROUNDS, lookups_and_forgets);
}

#[test]
fn what_is_known_stays_though_its_name_goes() {
    check(ROUNDS, lookups_of_what_is_removed);
}

#[test]
fn a_count_that_goes_while_somebody_adds_to_it_is_found() {
    demand_found(Planted::WritesBesideAGlance, ROUNDS, lookups_and_forgets);
}
