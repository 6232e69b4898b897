//! The gate: who closes it is alone, who passes it stays until he is done, and nobody waits for ever.

use std::sync::Arc;

use super::world::together;
use super::{check, demand_found};
use crate::history::gate::Gate;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::sync::{Planted, thread};

const ROUNDS: usize = 300;

fn changes_and_closings() {
    let (gate, inside) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    let mut actors: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
    for _ in 0..3 {
        let (gate, inside) = (gate.clone(), inside.clone());
        actors.push(Box::new(move || {
            for _ in 0..2 {
                let _passage = gate.enter();
                inside.fetch_add(1, SeqCst);
                thread::yield_now();
                inside.fetch_sub(1, SeqCst);
            }
        }));
    }
    for _ in 0..2 {
        let (gate, inside) = (gate.clone(), inside.clone());
        actors.push(Box::new(move || {
            let _closed = gate.close();
            assert_eq!(inside.fetch_add(100, SeqCst), 0, "somebody is inside");
            thread::yield_now();
            assert_eq!(inside.fetch_sub(100, SeqCst), 100, "somebody came in");
        }));
    }
    together(actors);
}

#[test]
fn who_closes_a_gate_is_alone() {
    check(ROUNDS, changes_and_closings);
}

#[test]
fn a_gate_that_leaves_a_stripe_open_is_found() {
    demand_found(Planted::GateLeavesAStripeOpen, ROUNDS, changes_and_closings);
}
