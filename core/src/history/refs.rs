//! The branches and snapshots of a volume: names, ids, lineage. One name space for both: a name is a branch or a
//! snapshot, never both.
//!
//! Lineage: the parent of a snapshot is what its branch grew from before; afterwards the branch grows from the new snapshot.
//! When a parent is deleted its children take over its own parent.
//!
//! Each knows the moment at which it parted from its parent (`parting`), and by which number it has last begun to change (`Ref::changes`).

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::Tree;
use super::check::{Seen, SeenHead};
use super::gate::close_all;
use super::head::Head;
use super::holdings::{Held, Others};
use super::parting::{self, Lineage, Moment};
use crate::check::CheckReport;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ledger::{Charge, Kind, Ledger, arc_bytes, heap_bytes};
use crate::limits;
use crate::pending::Pending;
use crate::sync::{Mutex, MutexGuard, Ordered, Rank, ordered};
use crate::tree::table::FrozenTable;
use crate::types::{BranchId, RefId, SnapshotId, Time};

/// The branch that every volume begins with.
pub const FIRST_BRANCH: &str = "main";
/// The snapshot that shows nothing but the base, on a volume that has one.
pub const BASE_SNAPSHOT: &str = "base";

/// A branch or snapshot as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefInfo {
    /// Which.
    pub id: RefId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was made.
    pub created: Time,
    /// What it grew from.
    pub parent: Option<RefId>,
    /// How many branches and snapshots have it as their parent.
    pub children: u64,
    /// Views that show it now.
    pub views: u64,
    /// Inodes it holds.
    pub inodes: u64,
    /// A number that nothing in the volume had before, taken anew when it begins to change: when a view for writing begins to show it,
    /// and when something is done to it while none does. Who finds the same number again, and no view, finds what he saw before: also not
    /// another that has got its name since.
    pub changes: u64,
}

/// Other trees are few if they have no more inodes than one in so many of a tree's.
const FEW: u64 = 4;

enum State {
    /// Nobody views it: a table, as a snapshot's.
    Dormant(Arc<FrozenTable>),
    Active(Arc<Head>),
    Snapshot(Arc<FrozenTable>),
}

struct Ref {
    name: Arc<str>,
    created: Time,
    parent: Option<RefId>,
    children: BTreeSet<Order>,
    views: u64,
    /// Snapshots that were named by count.
    numbered: u64,
    /// See [`RefInfo::changes`].
    changes: u64,
    /// When it parted from its parent.
    parted: Moment,
    state: State,
    charge: Charge,
}

/// What a branch or snapshot takes of a registry.
fn ref_bytes(name: &str) -> usize {
    let entries = size_of::<(Order, Ref)>() + size_of::<(Arc<str>, RefId)>() + size_of::<Order>();
    entries * 4 / 3 + heap_bytes(name.len() + 16) + arc_bytes::<FrozenTable>()
}

/// Orders branches and snapshots by age of their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Order(u64, bool);

fn order(id: RefId) -> Order {
    match id {
        RefId::Branch(id) => Order(id.0, true),
        RefId::Snapshot(id) => Order(id.0, false),
    }
}

fn ref_of(order: Order) -> RefId {
    if order.1 { RefId::Branch(BranchId(order.0)) } else { RefId::Snapshot(SnapshotId(order.0)) }
}

#[derive(Default)]
struct Registry {
    by_id: std::collections::BTreeMap<Order, Ref>,
    by_name: HashMap<Arc<str>, RefId>,
    last_id: u64,
    /// The last number of [`RefInfo::changes`] that was given out.
    last_change: u64,
    branches: usize,
    snapshots: usize,
    /// The snapshot of nothing but the base.
    base: Option<RefId>,
}

/// The registry. Its lock is taken before any gate, and kept while a snapshot waits for the gate to close.
pub(crate) struct Refs {
    registry: Mutex<Registry>,
}

impl Refs {
    pub(crate) fn new(root: FrozenTable, now: Time) -> (Refs, BranchId) {
        let mut registry = Registry::begun(now);
        let state = State::Dormant(Arc::new(root));
        let id = registry.add(Arc::from(FIRST_BRANCH), now, Lineage::none(), state, true);
        let RefId::Branch(branch) = id else { unreachable!("invariant: added as a branch") };
        (Refs { registry: Mutex::new(registry) }, branch)
    }

    /// Over a base: the first branch has grown from a snapshot of nothing but the base, which is never deleted.
    pub(crate) fn over_base(ledger: Ledger, now: Time) -> (Refs, BranchId) {
        let mut registry = Registry::begun(now);
        let nothing = || Arc::new(FrozenTable::empty(ledger));
        let base = registry.add(Arc::from(BASE_SNAPSHOT), now, Lineage::none(), State::Snapshot(nothing()), false);
        let lineage = Lineage { parent: Some(base), parted: Moment::default() };
        let id = registry.add(Arc::from(FIRST_BRANCH), now, lineage, State::Dormant(nothing()), true);
        let RefId::Branch(branch) = id else { unreachable!("invariant: added as a branch") };
        registry.base = Some(base);
        (Refs { registry: Mutex::new(registry) }, branch)
    }

    fn registry(&self) -> Ordered<MutexGuard<'_, Registry>> {
        ordered(Rank::Registry, || self.registry.lock())
    }

    pub(crate) fn find(&self, name: &str) -> Result<RefId> {
        self.registry().by_name.get(name).copied().ok_or(Error::NoSuchRef)
    }

    pub(crate) fn info(&self, id: RefId) -> Result<RefInfo> {
        let registry = self.registry();
        registry.get(id).map(|found| found.info(id))
    }

    /// Those after `after` in order of age, at most `limit` of them.
    pub(crate) fn list(&self, after: Option<RefId>, limit: usize) -> Vec<RefInfo> {
        use std::ops::Bound::{Excluded, Unbounded};
        let registry = self.registry();
        let from = after.map_or(Unbounded, |id| Excluded(order(id)));
        let page = registry.by_id.range((from, Unbounded)).take(limit);
        page.map(|(id, found)| found.info(ref_of(*id))).collect()
    }

    /// How many branches and snapshots there ever were.
    pub(crate) fn ever_made(&self) -> u64 {
        self.registry().last_id
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        let registry = self.registry();
        (registry.branches, registry.snapshots)
    }

    /// A view begins to show it, one that `writes` maybe. A dormant branch wakes.
    pub(crate) fn attach(&self, id: RefId, writes: bool, context: &Context) -> Result<Tree> {
        let mut registry = self.registry();
        let change = if writes { Some(registry.next_change()) } else { None };
        let found = registry.get_mut(id)?;
        found.views += 1;
        found.changes = change.unwrap_or(found.changes);
        Ok(found.wake(context))
    }

    /// A view has ended. A branch that nobody views any more goes dormant.
    pub(crate) fn detach(&self, id: RefId) {
        let mut registry = self.registry();
        let Ok(found) = registry.get_mut(id) else { return };
        found.views -= 1;
        if found.views > 0 {
            return;
        }
        if let State::Active(head) = &found.state {
            head.events.close();
            found.state = State::Dormant(Arc::new(head.table.freeze()));
        }
    }

    /// The tree, which may go on changing.
    pub(crate) fn tree(&self, id: RefId) -> Result<Tree> {
        let registry = self.registry();
        Ok(match &registry.get(id)?.state {
            State::Active(head) => Tree::Head(head.clone()),
            State::Dormant(table) | State::Snapshot(table) => Tree::Frozen(table.clone()),
        })
    }

    /// The tree as it is now, immutable from here on.
    pub(crate) fn frozen(&self, id: RefId, context: &Context) -> Result<Arc<FrozenTable>> {
        let registry = self.registry();
        Ok(registry.get(id)?.frozen(context))
    }

    /// Shows `with` every branch and snapshot as it is at one moment. `still`: every gate stays closed meanwhile;
    /// otherwise branches that are viewed get new epochs, as if snapshots had been taken of them.
    pub(crate) fn observe<R>(
        &self,
        context: &Context,
        still: bool,
        report: &mut CheckReport,
        with: impl FnOnce(Vec<Seen>, &mut CheckReport) -> R,
    ) -> R {
        let registry = self.registry();
        registry.check(report);
        let closed = close_all(registry.heads().map(|head| head.gate()));
        let seen = registry.by_id.iter().map(|(id, found)| found.seen(ref_of(*id))).collect();
        if still {
            return with(seen, report);
        }
        registry.heads().for_each(|head| head.renew_epoch(context));
        drop(closed);
        drop(registry);
        with(seen, report)
    }

    /// A tree, all others if they are few beside it, and what it takes of the registry.
    pub(crate) fn held(&self, id: RefId) -> Result<(Held, Others, usize)> {
        self.held_beside(id, |inodes| inodes / FEW)
    }

    /// Has all that a tree holds change no more; answers the epoch of what does. No branch parts from it meanwhile.
    pub(crate) fn settle(&self, held: &Held, context: &Context) -> u64 {
        let _registry = self.registry();
        match held {
            Held::Frozen(_) => 0,
            Held::Live(head) => head.settle(context),
        }
    }

    /// As [`Refs::held`], with the others however many they are.
    pub(crate) fn held_beside_all(&self, id: RefId) -> Result<(Held, Others, usize)> {
        self.held_beside(id, |_| u64::MAX)
    }

    /// `most`: how many inodes the others may have, of how many the tree has.
    fn held_beside(&self, id: RefId, most: impl FnOnce(u64) -> u64) -> Result<(Held, Others, usize)> {
        let registry = self.registry();
        let found = registry.get(id)?;
        let others = registry.few_beside(order(id), most(found.inodes()));
        Ok((found.held(), others, found.charge.bytes()))
    }

    pub(crate) fn snapshot(&self, branch: BranchId, name: Option<&str>, context: &Context) -> Result<SnapshotId> {
        let mut registry = self.registry();
        if registry.snapshots >= limits::SNAPSHOTS {
            return Err(Error::Limit("snapshots of one volume: 1,048,576"));
        }
        let name = registry.name_for_snapshot(branch, name)?;
        let now = Moment::now(context);
        let source = registry.get_mut(RefId::Branch(branch))?;
        let lineage = Lineage { parent: source.parent, parted: std::mem::replace(&mut source.parted, now) };
        let state = State::Snapshot(source.copy(context));
        let id = registry.add(name, context.clock.exactly(), lineage, state, false);
        registry.set_parent(RefId::Branch(branch), Some(id));
        let RefId::Snapshot(snapshot) = id else { unreachable!("invariant: added as a snapshot") };
        Ok(snapshot)
    }

    pub(crate) fn branch(&self, name: &str, from: RefId, context: &Context) -> Result<BranchId> {
        let mut registry = self.registry();
        if registry.branches >= limits::BRANCHES {
            return Err(Error::Limit("branches of one volume: 1,048,576"));
        }
        let name = registry.free_name(name)?;
        let lineage = Lineage { parent: Some(from), parted: Moment::now(context) };
        let state = State::Dormant(registry.get(from)?.copy(context));
        let id = registry.add(name, context.clock.exactly(), lineage, state, true);
        let RefId::Branch(branch) = id else { unreachable!("invariant: added as a branch") };
        Ok(branch)
    }

    /// The tree of a branch that no view shows; refused for every other, and for one that has begun to change since there were `changes`.
    pub(crate) fn at_rest(&self, id: RefId, changes: Option<u64>) -> Result<Arc<FrozenTable>> {
        let registry = self.registry();
        let found = registry.get(id)?;
        match &found.state {
            State::Dormant(table) => found.check_unchanged(changes).map(|()| table.clone()),
            State::Active(_) => Err(Error::Busy("a view shows it: unmount it or switch it first")),
            State::Snapshot(_) => Err(Error::ReadOnly),
        }
    }

    /// Gives a branch that no view shows another tree, unless it has changed since it had `seen`. Answers what its number of changes
    /// is then.
    pub(crate) fn replace(&self, id: RefId, seen: &Arc<FrozenTable>, new: FrozenTable) -> Result<u64> {
        let mut registry = self.registry();
        let change = registry.next_change();
        let found = registry.get_mut(id)?;
        match &mut found.state {
            State::Dormant(table) if Arc::ptr_eq(table, seen) => *table = Arc::new(new),
            _ => return Err(Error::Busy("it has been changed meanwhile")),
        }
        found.changes = change;
        Ok(change)
    }

    /// Since when two of them have gone ways of their own.
    pub(crate) fn parted(&self, one: RefId, other: RefId) -> Moment {
        let registry = self.registry();
        parting::parted(one, other, |id| registry.get(id).ok().map(|found| found.lineage()))
    }

    pub(crate) fn rename(&self, id: RefId, name: &str) -> Result<()> {
        let mut registry = self.registry();
        if *registry.get(id)?.name == *name {
            return Ok(());
        }
        let name = registry.free_name(name)?;
        let found = registry.get_mut(id)?;
        found.charge = Charge::new(found.state.ledger(), Kind::History, ref_bytes(&name));
        let old = std::mem::replace(&mut found.name, name.clone());
        registry.by_name.remove(&old);
        registry.by_name.insert(name, id);
        Ok(())
    }

    /// Refused while a view shows it, for the last branch, and for one that has begun to change since there were `changes`. Branches
    /// grown from it stay: a tree is complete in itself. Answers its table, to be dropped in the background.
    pub(crate) fn delete(&self, id: RefId, changes: Option<u64>, pending: &Pending) -> Result<Arc<FrozenTable>> {
        let mut registry = self.registry();
        let found = registry.get(id)?;
        if found.views > 0 {
            return Err(Error::Busy("a view shows it: unmount it or switch it first"));
        }
        found.check_unchanged(changes)?;
        if registry.base == Some(id) {
            return Err(Error::Busy("it is the volume's base"));
        }
        if matches!(id, RefId::Branch(_)) && registry.branches == 1 {
            return Err(Error::Busy("it is the last branch of the volume"));
        }
        Ok(registry.remove(id)?.state.give_up(pending))
    }
}

impl State {
    fn ledger(&self) -> Ledger {
        match self {
            State::Dormant(table) | State::Snapshot(table) => table.ledger(),
            State::Active(head) => head.ledger(),
        }
    }

    /// Whoever holds it still, it is pending until they let go.
    fn give_up(self, pending: &Pending) -> Arc<FrozenTable> {
        let table = match self {
            State::Dormant(table) | State::Snapshot(table) => table,
            State::Active(head) => Arc::new(head.table.freeze()),
        };
        table.given_up.set(pending);
        table
    }
}

impl Ref {
    fn info(&self, id: RefId) -> RefInfo {
        RefInfo {
            id,
            name: self.name.clone(),
            created: self.created,
            parent: self.parent,
            children: self.children.len() as u64,
            views: self.views,
            inodes: self.inodes(),
            changes: self.changes,
        }
    }

    fn inodes(&self) -> u64 {
        match &self.state {
            State::Dormant(table) | State::Snapshot(table) => table.len(),
            State::Active(head) => head.table.len(),
        }
    }

    fn held(&self) -> Held {
        match &self.state {
            State::Dormant(table) | State::Snapshot(table) => Held::Frozen(table.clone()),
            State::Active(head) => Held::Live(head.clone()),
        }
    }

    fn lineage(&self) -> Lineage {
        Lineage { parent: self.parent, parted: self.parted }
    }

    fn check_unchanged(&self, changes: Option<u64>) -> Result<()> {
        if changes.is_none_or(|changes| changes == self.changes) { Ok(()) } else { Err(Error::Stale) }
    }

    fn frozen(&self, context: &Context) -> Arc<FrozenTable> {
        match &self.state {
            State::Dormant(table) | State::Snapshot(table) => table.clone(),
            State::Active(head) => Arc::new(head.freeze(context)),
        }
    }

    /// The caller has closed the gate, if it has one.
    fn seen(&self, id: RefId) -> Seen {
        let (table, head) = match &self.state {
            State::Dormant(table) | State::Snapshot(table) => (table.clone(), None),
            State::Active(head) => (Arc::new(head.table.freeze()), Some(SeenHead::of(head))),
        };
        Seen { id, name: self.name.clone(), table, views: self.views, head }
    }

    /// As [`Ref::frozen`], but a table of its own: so that what trees share is counted at their nodes, and nowhere else.
    fn copy(&self, context: &Context) -> Arc<FrozenTable> {
        match &self.state {
            State::Dormant(table) | State::Snapshot(table) => Arc::new(FrozenTable::clone(table)),
            State::Active(head) => Arc::new(head.freeze(context)),
        }
    }

    fn wake(&mut self, context: &Context) -> Tree {
        if let State::Dormant(table) = &self.state {
            self.state = State::Active(Arc::new(Head::grow(table, context.new_epoch())));
        }
        match &self.state {
            State::Active(head) => Tree::Head(head.clone()),
            State::Dormant(table) | State::Snapshot(table) => Tree::Frozen(table.clone()),
        }
    }
}

impl Registry {
    /// Numbers of changes go on from the time, so that those of a volume that had this one's name before do not come again.
    fn begun(now: Time) -> Registry {
        Registry { last_change: u64::try_from(now.0).unwrap_or(0), ..Registry::default() }
    }

    fn next_change(&mut self) -> u64 {
        self.last_change += 1;
        self.last_change
    }

    fn get(&self, id: RefId) -> Result<&Ref> {
        self.by_id.get(&order(id)).ok_or(Error::NoSuchRef)
    }

    fn get_mut(&mut self, id: RefId) -> Result<&mut Ref> {
        self.by_id.get_mut(&order(id)).ok_or(Error::NoSuchRef)
    }

    fn add(&mut self, name: Arc<str>, created: Time, lineage: Lineage, state: State, is_branch: bool) -> RefId {
        self.last_id += 1;
        let at = Order(self.last_id, is_branch);
        let id = ref_of(at);
        let charge = Charge::new(state.ledger(), Kind::History, ref_bytes(&name));
        let Lineage { parent, parted } = lineage;
        let new = Ref {
            name: name.clone(),
            created,
            parent,
            children: BTreeSet::new(),
            views: 0,
            numbered: 0,
            changes: self.next_change(),
            parted,
            state,
            charge,
        };
        self.by_id.insert(at, new);
        self.by_name.insert(name, id);
        if let Some(parent) = parent.and_then(|parent| self.get_mut(parent).ok()) {
            parent.children.insert(at);
        }
        if is_branch {
            self.branches += 1
        } else {
            self.snapshots += 1
        }
        id
    }

    fn set_parent(&mut self, id: RefId, parent: Option<RefId>) {
        let old = self.get_mut(id).ok().and_then(|found| std::mem::replace(&mut found.parent, parent));
        if let Some(old) = old.and_then(|old| self.get_mut(old).ok()) {
            old.children.remove(&order(id));
        }
        if let Some(new) = parent.and_then(|new| self.get_mut(new).ok()) {
            new.children.insert(order(id));
        }
    }

    fn remove(&mut self, id: RefId) -> Result<Ref> {
        let gone = self.by_id.remove(&order(id)).ok_or(Error::NoSuchRef)?;
        self.by_name.remove(&gone.name);
        for &child in &gone.children {
            self.set_parent(ref_of(child), gone.parent);
            if let Ok(child) = self.get_mut(ref_of(child)) {
                child.parted = child.parted.min(gone.parted);
            }
        }
        if let Some(parent) = gone.parent.and_then(|parent| self.get_mut(parent).ok()) {
            parent.children.remove(&order(id));
        }
        match id {
            RefId::Branch(_) => self.branches -= 1,
            RefId::Snapshot(_) => self.snapshots -= 1,
        }
        Ok(gone)
    }

    /// All but one, unless that are more than so many: each counts as one, and its inodes. So this costs no more than they are.
    fn few_beside(&self, one: Order, most: u64) -> Others {
        let mut left = most;
        let mut others = Vec::new();
        for (_, found) in self.by_id.iter().filter(|(at, _)| **at != one) {
            left = left.checked_sub(1 + found.inodes())?;
            others.push(found.held());
        }
        Some(others)
    }

    fn heads(&self) -> impl Iterator<Item = &Arc<Head>> {
        self.by_id.values().filter_map(|found| match &found.state {
            State::Active(head) => Some(head),
            State::Dormant(_) | State::Snapshot(_) => None,
        })
    }

    /// Looks whether names, lineage and counts fit.
    fn check(&self, report: &mut CheckReport) {
        let branches = self.by_id.keys().filter(|id| id.1).count();
        let counted = (self.branches, self.snapshots) == (branches, self.by_id.len() - branches);
        report.ensure(counted && branches > 0, || "branches and snapshots are miscounted".into());
        report.ensure(self.by_name.len() == self.by_id.len(), || "names without branches or snapshots".into());
        for (&at, found) in &self.by_id {
            let (id, name) = (ref_of(at), &found.name);
            report.ensure(self.by_name.get(name) == Some(&id), || format!("`{name}` is not found by its name"));
            report.ensure(at.0 <= self.last_id, || format!("`{name}` has an id that is still to be given out"));
            let above = found.parent.map(|parent| self.get(parent).is_ok_and(|parent| parent.children.contains(&at)));
            report.ensure(above != Some(false), || format!("`{name}` is unknown to what it grew from"));
            let below = |child: &Order| self.by_id.get(child).is_some_and(|child| child.parent == Some(id));
            report.ensure(found.children.iter().all(below), || format!("`{name}` has children that deny it"));
            let sleeps = matches!(found.state, State::Dormant(_)) && found.views > 0;
            let wakes = matches!(found.state, State::Active(_)) && found.views == 0;
            report.ensure(!sleeps && !wakes, || format!("`{name}` is awake for {} views", found.views));
        }
    }

    fn free_name(&self, name: &str) -> Result<Arc<str>> {
        check_name(name)?;
        if self.by_name.contains_key(name) {
            return Err(Error::RefExists);
        }
        Ok(Arc::from(name))
    }

    /// The name asked for, or the next free one of the form BRANCH@N.
    fn name_for_snapshot(&mut self, branch: BranchId, name: Option<&str>) -> Result<Arc<str>> {
        if let Some(name) = name {
            self.get(RefId::Branch(branch))?;
            return self.free_name(name);
        }
        loop {
            let source = self.get_mut(RefId::Branch(branch))?;
            source.numbered += 1;
            let suffix = format!("@{}", source.numbered);
            let stem = shorten(&source.name, limits::REF_NAME_BYTES - suffix.len());
            let name = format!("{stem}{suffix}");
            if !self.by_name.contains_key(name.as_str()) {
                return Ok(Arc::from(name));
            }
        }
    }
}

/// At most `bytes` of `name`, cut between characters.
fn shorten(name: &str, bytes: usize) -> &str {
    let cut = (0..=bytes.min(name.len())).rev().find(|&at| name.is_char_boundary(at));
    &name[..cut.unwrap_or(0)]
}

/// The rules for names of branches and snapshots: 1 to 255 bytes of UTF-8; no `/`, no control characters, no
/// space at either end; not `.`, `..`; not beginning with `-`.
pub fn check_name(name: &str) -> Result<()> {
    let bad = |why| Err(Error::BadRefName(why));
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.len() > limits::REF_NAME_BYTES {
        return bad("it is longer than 255 bytes");
    }
    if name == "." || name == ".." {
        return bad("`.` and `..` name directories");
    }
    if name.starts_with('-') {
        return bad("it begins with `-`, as options do");
    }
    if name.contains('/') {
        return bad("it contains `/`");
    }
    if name.chars().any(char::is_control) {
        return bad("it contains a control character");
    }
    if name.trim() != name {
        return bad("it begins or ends with a space");
    }
    Ok(())
}
