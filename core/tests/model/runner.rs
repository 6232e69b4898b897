//! Does each operation twice, on a volume and on the model, and compares: answers, errors to the variant, and then
//! whole trees.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bough::{
    Allocation, BaseConfig, Caller, Clock, Config, Error, Follow, HandleId, ListOptions, Mask, NamePolicy, NewNode,
    NodeId, OpenOptions, PathAt, Privileges, RefId, Result, SetAttr, SetTime, Time, View, ViewOptions, Volume, WriteAt,
};

use super::compare::Comparison;
use super::differences;
use super::naive::{Held, How, Key, Model, Path, What};
use super::operations::{Io, Op, SLOTS};

/// Every so many operations all branches and snapshots are compared, not only the one that changed.
const ALL_EVERY: usize = 12;

const CALLERS: [Caller<'static>; 3] = [
    Caller::superuser(),
    Caller { uid: 1, gid: 1, groups: &[3], pid: 1, umask: 0o022, privileges: Privileges::NONE, token: None },
    Caller { uid: 2, gid: 2, groups: &[1], pid: 2, umask: 0o002, privileges: Privileges::NONE, token: None },
];
pub(crate) const QUIET: ViewOptions = ViewOptions { read_only: false, no_access_time: true, confined: false };

/// A clock that stands still until it is set.
struct Ticks(Arc<AtomicI64>);

impl Clock for Ticks {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }
}

/// What an operation answers, on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Bytes(Vec<u8>),
    Count(usize),
}

pub(crate) struct Runner {
    pub(crate) volume: Arc<Volume>,
    view: Arc<View>,
    model: Model,
    clock: Arc<AtomicI64>,
    ids: BTreeMap<Key, RefId>,
    inodes: super::compare::Identities,
    handles: [Option<HandleId>; SLOTS],
    held: [Option<Held>; SLOTS],
    done: usize,
}

impl Runner {
    /// `memory_bytes`: what the volume may hold in memory; the rest spills.
    pub(crate) fn new(names: NamePolicy, memory_bytes: u64) -> Runner {
        Runner::over(names, memory_bytes, None)
    }

    pub(crate) fn over(names: NamePolicy, memory_bytes: u64, base: Option<BaseConfig>) -> Runner {
        let clock = Arc::new(AtomicI64::new(1_000));
        let (memory_bytes, spill_dir) = (Some(memory_bytes), Some(std::env::temp_dir()));
        let ticks = Box::new(Ticks(clock.clone()));
        let config =
            Config { names, root_mode: 0o777, clock: ticks, memory_bytes, spill_dir, base, ..Config::default() };
        let volume = Volume::open(config).unwrap();
        let main = RefId::Branch(volume.first_branch());
        let view = volume.view(main, "model", QUIET).unwrap();
        Runner {
            volume,
            view,
            model: Model::new(1_000, names),
            clock,
            ids: BTreeMap::from([(1, main)]),
            inodes: super::compare::Identities::default(),
            handles: [None; SLOTS],
            held: [None; SLOTS],
            done: 0,
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// An operation on the volume alone.
    #[cfg(target_os = "linux")]
    pub(crate) fn perform(&mut self, by: usize, op: &Op) -> Result<Answer> {
        self.clock.fetch_add(1_000, Ordering::Relaxed);
        self.on_volume(&CALLERS[by], op)
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn check(&self) {
        let report = self.volume.check_invariants(true);
        assert!(report.is_sound(), "{:#?}", report.problems);
    }

    pub(crate) fn step(&mut self, by: usize, op: &Op) {
        self.done += 1;
        self.model.now += 1_000;
        self.clock.store(self.model.now, Ordering::Relaxed);
        let by = &CALLERS[by];
        let expected = self.on_model(by, op);
        let answer = self.on_volume(by, op);
        let agree = match (&expected, &answer) {
            (Ok(a), Ok(b)) => a == b,
            (Err(a), Err(b)) => discriminant(a) == discriminant(b),
            _ => false,
        };
        assert!(agree, "{op:?} by uid {}: the model answers {expected:?}, the volume {answer:?}", by.uid);
        self.settle(op, answer.is_ok());
        self.compare_view();
        let report = self.volume.check_invariants(true);
        assert!(report.is_sound(), "after {op:?}: {:#?}", report.problems);
        if self.done.is_multiple_of(ALL_EVERY) {
            self.compare_all();
        }
    }

    pub(crate) fn finish(mut self) {
        self.compare_all();
        self.compare_differences();
        for handle in self.handles.into_iter().flatten() {
            self.view.release(handle).unwrap();
        }
        assert_eq!(self.view.reference_count(), 0);
    }

    // ---- the two sides -----------------------------------------------------------------------------------------

    fn on_model(&mut self, by: &Caller<'_>, op: &Op) -> Result<Answer> {
        let model = &mut self.model;
        match op {
            Op::Make(path, mode, what) => model.make(by, path, *mode, *what),
            Op::Unlink(path) => model.unlink(by, path),
            Op::Rmdir(path) => model.rmdir(by, path),
            Op::Link(path, new) => model.link(by, path, new),
            Op::Rename(from, to, mode) => model.rename(by, from, to, *mode),
            Op::Chmod(path, mode) => model.chmod(by, path, *mode),
            Op::Chown(path, uid, gid) => model.chown(by, path, *uid, *gid),
            Op::SetTimes(path, time) => model.set_times(by, path, *time),
            Op::SetFlags(path, flags) => model.set_flags(by, path, *flags),
            Op::Truncate(path, size) => model.truncate(by, path, *size),
            Op::SetXattr(path, name, value, mode) => model.set_xattr(by, path, name, &[*value; 9], *mode),
            Op::RemoveXattr(path, name) => model.remove_xattr(by, path, name),
            Op::WriteStream(path, name, offset, length, fill) => {
                model.write_stream(by, path, name, *offset, &pattern(*length, *fill))
            }
            Op::RenameStream(path, name, new, replace) => model.rename_stream(by, path, name, new, *replace),
            Op::RemoveStream(path, name) => model.remove_stream(by, path, name),
            Op::Access(path, want) => model.access(by, path, *want),
            Op::ReadLink(path) => return model.read_link(by, path).map(Answer::Bytes),
            Op::With(path, how, io) => {
                let held = model.open(by, path, *how)?;
                return model_io(model, by, held, *io);
            }
            Op::Copy { from, from_offset, to, to_offset, length } => {
                let source = model.open(by, from, How { read: true, ..How::default() })?;
                let target = model.open(by, to, How { write: true, ..How::default() })?;
                return model.copy(by, (source, *from_offset), (target, *to_offset), *length).map(Answer::Count);
            }
            Op::Open(slot, path, how) => {
                let held = model.open(by, path, *how)?;
                self.held[*slot] = Some(held);
                Ok(())
            }
            Op::On(slot, io) => {
                let held = self.held[*slot].ok_or(Error::BadHandle)?;
                return model_io(model, by, held, *io);
            }
            Op::Close(slot) => self.held[*slot].take().map(drop).ok_or(Error::BadHandle),
            _ => self.history_on_model(op),
        }
        .map(|()| Answer::Done)
    }

    fn history_on_model(&mut self, op: &Op) -> Result<()> {
        let model = &mut self.model;
        match op {
            Op::Snapshot { branch, name } => {
                let branch = model.find(branch)?;
                if !model.refs[&branch].is_branch {
                    return Err(Error::NotSupported);
                }
                model.snapshot(branch, *name).map(drop)
            }
            Op::Branch { name, from } => model.branch(name, model.find(from)?).map(drop),
            Op::Switch(name) => {
                model.current = model.find(name)?;
                Ok(())
            }
            Op::RenameRef(name, new) => model.rename_ref(model.find(name)?, new),
            Op::DeleteRef(name) => model.delete_ref(model.find(name)?, &self.held),
            Op::Diff(a, b) => model.find(a).and(model.find(b)).map(drop),
            _ => unreachable!("every other operation is done"),
        }
    }

    fn on_volume(&mut self, by: &Caller<'_>, op: &Op) -> Result<Answer> {
        let view = self.view.clone();
        let set = |path: &Path, set: SetAttr| view.path_set_attr(by, at(path), &set).map(drop);
        match op {
            Op::Make(path, mode, what) => view.path_make(by, at(path), *mode, new_node(*what)).map(drop),
            Op::Unlink(path) => view.path_unlink(by, at(path)),
            Op::Rmdir(path) => view.path_rmdir(by, at(path)),
            Op::Link(path, new) => view.path_link(by, at(path), at(new)).map(drop),
            Op::Rename(from, to, mode) => view.path_rename(by, at(from), at(to), *mode),
            Op::Chmod(path, mode) => set(path, SetAttr { mode: Some(*mode), ..SetAttr::default() }),
            Op::Chown(path, uid, gid) => set(path, SetAttr { uid: *uid, gid: *gid, ..SetAttr::default() }),
            Op::SetTimes(path, time) => {
                let time = Some(time.map_or(SetTime::Now, |time| SetTime::At(Time(time))));
                set(path, SetAttr { accessed: time, modified: time, ..SetAttr::default() })
            }
            Op::SetFlags(path, flags) => set(path, SetAttr { flags: Some(*flags), ..SetAttr::default() }),
            Op::Truncate(path, size) => set(path, SetAttr { size: Some(*size as u64), ..SetAttr::default() }),
            Op::SetXattr(path, name, value, mode) => {
                view.path_set_xattr(by, at(path), name.as_bytes(), &[*value; 9], *mode)
            }
            Op::RemoveXattr(path, name) => view.path_remove_xattr(by, at(path), name.as_bytes()),
            Op::WriteStream(path, name, offset, length, fill) => at_node(&view, by, path, |node| {
                let how = OpenOptions { write: true, ..OpenOptions::default() };
                let handle = view.open_stream(by, node, name.as_bytes(), how, true)?;
                let answer = volume_io(&view, by, handle, Io::Write { offset: *offset, length: *length, fill: *fill });
                view.release(handle)?;
                answer.map(drop)
            }),
            Op::RenameStream(path, name, new, replace) => {
                at_node(&view, by, path, |node| view.rename_stream(by, node, name.as_bytes(), new.as_bytes(), *replace))
            }
            Op::RemoveStream(path, name) => {
                at_node(&view, by, path, |node| view.remove_stream(by, node, name.as_bytes()))
            }
            Op::Access(path, want) => view.path_access(by, at(path), Mask::from_bits(*want).unwrap()),
            Op::ReadLink(path) => return view.path_read_link(by, at(path)).map(|bytes| Answer::Bytes(bytes.to_vec())),
            Op::With(path, how, io) => {
                return with_open(&view, by, path, *how, |handle| volume_io(&view, by, handle, *io));
            }
            Op::Copy { from, from_offset, to, to_offset, length } => {
                return self.copy(by, (from, *from_offset), (to, *to_offset), *length);
            }
            Op::Open(slot, path, how) => {
                let handle = view.path_open(by, at(path), options(*how), how.create)?;
                if let Some(old) = self.handles[*slot].replace(handle) {
                    view.release(old)?;
                }
                Ok(())
            }
            Op::On(slot, io) => return volume_io(&view, by, self.handles[*slot].unwrap_or(HandleId(u64::MAX)), *io),
            Op::Close(slot) => view.release(self.handles[*slot].take().unwrap_or(HandleId(u64::MAX))),
            _ => self.history_on_volume(op),
        }
        .map(|()| Answer::Done)
    }

    fn copy(&self, by: &Caller<'_>, from: (&Path, usize), to: (&Path, usize), length: usize) -> Result<Answer> {
        let view = &self.view;
        let read = How { read: true, ..How::default() };
        let write = How { write: true, ..How::default() };
        with_open(view, by, from.0, read, |source| {
            with_open(view, by, to.0, write, |target| {
                let a = view.path_lookup(by, at(from.0))?.node;
                let b = view.path_lookup(by, at(to.0))?.node;
                let offsets = (from.1 as u64, to.1 as u64);
                let copied = view.copy_range(by, a, Some(source), offsets.0, b, Some(target), offsets.1, length as u64);
                view.forget(a, 1);
                view.forget(b, 1);
                copied.map(|count| Answer::Count(count as usize))
            })
        })
    }

    fn history_on_volume(&mut self, op: &Op) -> Result<()> {
        let volume = self.volume.clone();
        match op {
            Op::Snapshot { branch, name } => match volume.find(branch)? {
                RefId::Branch(branch) => volume.create_snapshot(branch, *name).map(drop),
                RefId::Snapshot(_) => Err(Error::NotSupported),
            },
            Op::Branch { name, from } => volume.create_branch(name, volume.find(from)?).map(drop),
            Op::Switch(name) => self.view.switch(volume.find(name)?),
            Op::RenameRef(name, new) => volume.rename_ref(volume.find(name)?, new),
            Op::DeleteRef(name) => volume.delete_ref(volume.find(name)?),
            Op::Diff(a, b) => {
                let diff = volume.diff(volume.find(a)?, volume.find(b)?)?;
                let (a, b) = (self.model.find(a)?, self.model.find(b)?);
                differences::check(diff, &self.model, a, b);
                Ok(())
            }
            _ => unreachable!("every other operation is done"),
        }
    }

    // ---- comparing ---------------------------------------------------------------------------------------------

    /// Notes which branch or snapshot of the volume a new one of the model is.
    fn settle(&mut self, op: &Op, succeeded: bool) {
        if !succeeded || !matches!(op, Op::Snapshot { .. } | Op::Branch { .. } | Op::DeleteRef(_)) {
            return;
        }
        self.ids.retain(|key, _| self.model.refs.contains_key(key));
        for (key, found) in &self.model.refs {
            if !self.ids.contains_key(key) {
                let id = self.volume.find(&found.name).expect("a new branch or snapshot has its name");
                self.ids.insert(*key, id);
            }
        }
    }

    fn compare_view(&mut self) {
        let tree = &self.model.refs[&self.model.current].tree;
        Comparison::new(&self.view, tree, &mut self.inodes).run();
    }

    fn compare_all(&mut self) {
        let listed = self.volume.list_refs(None, usize::MAX);
        assert_eq!(listed.len(), self.model.refs.len());
        for (key, expected) in &self.model.refs {
            let id = self.ids[key];
            let info = self.volume.ref_info(id).unwrap();
            assert_eq!((&*info.name, info.parent), (&*expected.name, expected.parent.map(|key| self.ids[&key])));
            let children = self.model.refs.values().filter(|found| found.parent == Some(*key)).count();
            assert_eq!(info.children, children as u64, "children of {}", info.name);
            let view = self.volume.view(id, "compare", QUIET).unwrap();
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
                differences::check(self.volume.diff(*a, *b).unwrap(), &self.model, *before, *after);
            }
        }
    }
}

fn at(path: &Path) -> PathAt<'_> {
    let follow = if path.follow { Follow::Yes } else { Follow::No };
    PathAt { start: NodeId::ROOT, path: path.text.as_bytes(), follow }
}

fn new_node(what: What) -> NewNode<'static> {
    match what {
        What::File => NewNode::File,
        What::Directory => NewNode::Directory,
        What::Symlink(target) => NewNode::Symlink(target.as_bytes()),
        What::Fifo => NewNode::Fifo,
        What::Device(number) => NewNode::CharDevice(number),
    }
}

fn options(how: How) -> OpenOptions {
    let How { read, write, append, truncate, exclusive, .. } = how;
    OpenOptions { read, write, append, truncate, exclusive, directory: false }
}

fn with_open(
    view: &View,
    by: &Caller<'_>,
    path: &Path,
    how: How,
    run: impl FnOnce(HandleId) -> Result<Answer>,
) -> Result<Answer> {
    let handle = view.path_open(by, at(path), options(how), how.create)?;
    let answer = run(handle);
    view.release(handle)?;
    answer
}

/// Does it to what a path leads to.
fn at_node(view: &View, by: &Caller<'_>, path: &Path, run: impl FnOnce(NodeId) -> Result<()>) -> Result<()> {
    let node = view.path_lookup(by, at(path))?.node;
    let answer = run(node);
    view.forget(node, 1);
    answer
}

fn model_io(model: &mut Model, by: &Caller<'_>, held: Held, io: Io) -> Result<Answer> {
    match io {
        Io::Read => return model.read(held).map(Answer::Bytes),
        Io::Punch { length: 0, .. } | Io::Zero { length: 0, .. } | Io::Reserve { length: 0, .. } if held.write => {
            Err(Error::Invalid(""))
        }
        Io::Write { length: 0, .. } | Io::Append { length: 0, .. } => return model_write_nothing(model, held, io),
        Io::Write { offset, length, fill } => model.write(by, held, Some(offset), &pattern(length, fill)),
        Io::Append { length, fill } => model.write(by, held, None, &pattern(length, fill)),
        Io::Punch { offset, length } => model.punch(by, held, offset, length),
        Io::Zero { offset, length, keep } => model.zero(by, held, offset, length, keep),
        Io::Reserve { offset, length, keep } => model.reserve(by, held, offset, length, keep),
    }
    .map(|()| Answer::Done)
}

/// A write of nothing changes nothing, but is refused where one of something would be.
fn model_write_nothing(model: &mut Model, held: Held, io: Io) -> Result<Answer> {
    let offset = match io {
        Io::Write { offset, .. } => Some(offset),
        _ => None,
    };
    model.check_write(held, offset).map(|()| Answer::Done)
}

fn volume_io(view: &View, by: &Caller<'_>, handle: HandleId, io: Io) -> Result<Answer> {
    // With a handle the node says nothing.
    let node = NodeId::ROOT;
    let write = |place: WriteAt, length: usize, fill: u8| {
        let count = view.write(by, node, Some(handle), place, &pattern(length, fill))?;
        assert_eq!(count, length, "a write with room enough is whole");
        Ok(Answer::Done)
    };
    let allocate = |offset: usize, length: usize, how: Allocation| {
        view.allocate(by, node, Some(handle), offset as u64, length as u64, how).map(|()| Answer::Done)
    };
    match io {
        Io::Read => read_all(view, by, node, Some(handle)).map(Answer::Bytes),
        Io::Write { offset, length, fill } => write(WriteAt::Offset(offset as u64), length, fill),
        Io::Append { length, fill } => write(WriteAt::End, length, fill),
        Io::Punch { offset, length } => allocate(offset, length, Allocation::Punch),
        Io::Zero { offset, length, keep } => allocate(offset, length, Allocation::Zero { keep_size: keep }),
        Io::Reserve { offset, length, keep } => allocate(offset, length, Allocation::Reserve { keep_size: keep }),
    }
}

/// Bytes that tell where they are: a shift by one is seen.
fn pattern(length: usize, fill: u8) -> Vec<u8> {
    (0..length).map(|at| fill.wrapping_add((at % 251) as u8)).collect()
}

pub(crate) fn read_all(view: &View, by: &Caller<'_>, node: NodeId, handle: Option<HandleId>) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut piece = vec![0; 70_000];
    loop {
        match view.read(by, node, handle, data.len() as u64, &mut piece)? {
            0 => return Ok(data),
            count => data.extend_from_slice(&piece[..count]),
        }
    }
}

pub(crate) const EVERYTHING: ListOptions = ListOptions { attributes: true, dots: true, dots_below_root: false };
