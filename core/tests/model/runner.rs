//! Does each operation twice, on a volume and on the model (the oracle), and compares: answers, errors to the variant, and
//! then whole trees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bough::{BaseConfig, Clock, Config, NamePolicy, RefId, Result, Time, View, Volume};

use super::actor::{Actor, QUIET};
use super::compare::{Comparison, Identities};
use super::differences;
use super::naive::{Key, Model};
use super::operations::Op;
use super::oracle::{Answer, CALLERS, Oracle, agree};

/// Every so many operations all branches and snapshots are compared, not only the one that changed.
const ALL_EVERY: usize = 12;

/// When every volume begins.
const BEGINNING: i64 = 1_000;

/// A clock that stands still until it is set. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Ticks(Arc<AtomicI64>);

impl Ticks {
    pub(crate) fn new() -> Ticks {
        Ticks(Arc::new(AtomicI64::new(BEGINNING)))
    }
}

impl Clock for Ticks {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct Runner {
    pub(crate) actor: Actor,
    pub(crate) oracle: Oracle,
    clock: Ticks,
    ids: BTreeMap<Key, RefId>,
    inodes: Identities,
    done: usize,
}

impl Runner {
    /// `memory_bytes`: what the volume may hold in memory; the rest spills.
    pub(crate) fn new(names: NamePolicy, memory_bytes: u64) -> Runner {
        Runner::over(names, memory_bytes, None)
    }

    pub(crate) fn over(names: NamePolicy, memory_bytes: u64, base: Option<BaseConfig>) -> Runner {
        let clock = Ticks::new();
        let (memory_bytes, spill_dir) = (Some(memory_bytes), Some(std::env::temp_dir()));
        let config = Config { memory_bytes, spill_dir, base, ..config(names, &clock) };
        Runner::on(Volume::open(config).unwrap(), names, clock)
    }

    /// On a volume that was opened with [`config`] and this clock.
    pub(crate) fn on(volume: Arc<Volume>, names: NamePolicy, clock: Ticks) -> Runner {
        let main = RefId::Branch(volume.first_branch());
        let view = volume.view(main, "model", QUIET).unwrap();
        Runner {
            actor: Actor::new(volume, view),
            oracle: Oracle::new(Model::new(BEGINNING, names)),
            clock,
            ids: BTreeMap::from([(1, main)]),
            inodes: Identities::default(),
            done: 0,
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn view(&self) -> &View {
        &self.actor.view
    }

    /// An operation on the volume alone.
    #[cfg(target_os = "linux")]
    pub(crate) fn perform(&mut self, by: usize, op: &Op) -> Result<Answer> {
        self.clock.0.fetch_add(1_000, Ordering::Relaxed);
        self.actor.perform(by, op)
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn check(&self) {
        let report = self.actor.volume.check_invariants(true);
        assert!(report.is_sound(), "{:#?}", report.problems);
    }

    pub(crate) fn step(&mut self, by: usize, op: &Op) {
        self.tick();
        let expected = self.oracle.perform(by, op);
        let answer = self.actor.perform(by, op);
        let uid = CALLERS[by].uid;
        let agree = agree(&expected, &answer);
        assert!(agree, "{op:?} by uid {uid}: the model answers {expected:?}, the volume {answer:?}");
        self.settle(op, answer.is_ok());
        self.compare_after(op);
        if self.done.is_multiple_of(ALL_EVERY) {
            self.compare_all();
        }
    }

    /// The time of the next operation.
    pub(crate) fn tick(&mut self) {
        self.done += 1;
        let model = &mut self.oracle.model;
        model.now += 1_000;
        self.clock.0.store(model.now, Ordering::Relaxed);
    }

    /// Compares what the operation may have changed, and what it must not have.
    pub(crate) fn compare_after(&mut self, op: &Op) {
        self.compare_view();
        if let Op::Diff(a, b) = op {
            self.compare_diff(a, b);
        }
        let report = self.actor.volume.check_invariants(true);
        assert!(report.is_sound(), "after {op:?}: {:#?}", report.problems);
    }

    pub(crate) fn finish(mut self) {
        self.compare_all();
        self.compare_differences();
        for handle in self.actor.handles.into_iter().flatten() {
            self.actor.view.release(handle).unwrap();
        }
        assert_eq!(self.actor.view.reference_count(), 0);
    }

    // ---- comparing ---------------------------------------------------------------------------------------------

    /// Notes which branch or snapshot of the volume a new one of the model is.
    pub(crate) fn settle(&mut self, op: &Op, succeeded: bool) {
        if !succeeded || !matches!(op, Op::Snapshot { .. } | Op::Branch { .. } | Op::DeleteRef(_)) {
            return;
        }
        let model = &self.oracle.model;
        self.ids.retain(|key, _| model.refs.contains_key(key));
        for (key, found) in &model.refs {
            if !self.ids.contains_key(key) {
                let id = self.actor.volume.find(&found.name).expect("a new branch or snapshot has its name");
                self.ids.insert(*key, id);
            }
        }
    }

    fn compare_diff(&self, before: &str, after: &str) {
        let model = &self.oracle.model;
        if let (Ok(before), Ok(after)) = (model.find(before), model.find(after)) {
            let diff = self.actor.volume.diff(self.ids[&before], self.ids[&after]).unwrap();
            differences::check(diff, model, before, after);
        }
    }

    fn compare_view(&mut self) {
        Comparison::new(&self.actor.view, self.oracle.model.tree(), &mut self.inodes).run();
    }

    /// Whether what is in view is what the model has.
    #[allow(dead_code, reason = "for those who do not know what there is after a fault")]
    pub(crate) fn shows(&self) -> bool {
        let (model, mut inodes) = (&self.oracle.model, self.inodes.clone());
        // A view of its own, which takes with it what a comparison that ends early has not given back.
        let view = self.actor.volume.view(self.ids[&model.current], "look", QUIET).unwrap();
        let compare = || Comparison::new(&view, model.tree(), &mut inodes).run();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).is_ok()
    }

    pub(crate) fn compare_all(&mut self) {
        let listed = self.actor.volume.list_refs(None, usize::MAX);
        let refs = &self.oracle.model.refs;
        assert_eq!(listed.len(), refs.len());
        for (key, expected) in refs {
            let id = self.ids[key];
            let info = self.actor.volume.ref_info(id).unwrap();
            assert_eq!((&*info.name, info.parent), (&*expected.name, expected.parent.map(|key| self.ids[&key])));
            let children = refs.values().filter(|found| found.parent == Some(*key)).count();
            assert_eq!(info.children, children as u64, "children of {}", info.name);
            let view = self.actor.volume.view(id, "compare", QUIET).unwrap();
            let inodes = Comparison::new(&view, &expected.tree, &mut self.inodes).run();
            assert_eq!(info.inodes, inodes as u64, "inodes of {}", info.name);
        }
    }
}

impl Runner {
    /// The diff of every pair there is.
    fn compare_differences(&self) {
        for (before, a) in &self.ids {
            for (after, b) in &self.ids {
                differences::check(self.actor.volume.diff(*a, *b).unwrap(), &self.oracle.model, *before, *after);
            }
        }
    }
}

/// How a volume is opened that is to be compared.
pub(crate) fn config(names: NamePolicy, clock: &Ticks) -> Config {
    Config { names, root_mode: 0o777, clock: Box::new(clock.clone()), ..Config::default() }
}
