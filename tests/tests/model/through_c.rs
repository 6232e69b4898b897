//! Operations on a volume through the C API and on the naive model, side by side.

use bough::NamePolicy;
use bough::error::tables::code;

use crate::decode;
use crate::hands::Hands;
use crate::look;
use crate::naive::Model;
use crate::operations::{Op, step};
use crate::oracle::Oracle;

/// Every so many operations all branches and snapshots are compared, not only the one in view.
const ALL_EVERY: usize = 12;

/// The most operations that a fuzzer's bytes stand for.
const MOST: usize = 120;

pub(crate) fn run_bytes(data: &[u8]) {
    run(&decode::many(data, MOST, &step(NamePolicy::Posix)), NamePolicy::Posix);
}

pub(crate) fn run(steps: &[(usize, Op)], names: NamePolicy) {
    let (mut hands, mut oracle) = (Hands::new(names), Oracle::new(Model::new(0, names)));
    for (at, (by, op)) in steps.iter().enumerate() {
        oracle.model.now += 1;
        let expected = oracle.perform(*by, op).map_err(|error| code(&error));
        let answer = hands.perform(*by, op);
        assert_eq!(answer, expected, "{op:?} by {by}: left: the C API, right: the model");
        look::compare(hands.view, oracle.model.tree());
        if at % ALL_EVERY == 0 {
            compare_all(&hands, &oracle.model);
        }
    }
    compare_all(&hands, &oracle.model);
}

fn compare_all(hands: &Hands, model: &Model) {
    let mut expected: Vec<&str> = model.refs.values().map(|found| &*found.name).collect();
    expected.sort_unstable();
    assert_eq!(hands.refs(), expected, "branches and snapshots");
    for found in model.refs.values() {
        let view = hands.view_of(&found.name);
        look::compare(view.0, &found.tree);
    }
}
