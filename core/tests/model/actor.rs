//! Does the operations of the list on a volume, as one who uses it: through a view, with files that he holds open.

use std::sync::Arc;

use bough::{
    Allocation, Caller, Error, Follow, HandleId, ListOptions, Mask, NewNode, NodeId, OpenOptions, PathAt, RefId,
    Result, SetAttr, SetTime, Time, View, ViewOptions, Volume, WriteAt,
};

use super::naive::{How, Path, What};
use super::operations::{Entry, Io, Op, SLOTS, Within};
use super::oracle::{Answer, CALLERS, listed, pattern};

pub(crate) const QUIET: ViewOptions = ViewOptions { read_only: false, no_access_time: true, confined: false };
pub(crate) const EVERYTHING: ListOptions =
    ListOptions { attributes: true, only_news: false, dots: true, dots_below_root: false };

/// Not aligned to anything.
const PIECE_BYTES: usize = 100_000;

pub(crate) struct Actor {
    pub(crate) volume: Arc<Volume>,
    pub(crate) view: Arc<View>,
    pub(crate) handles: [Option<HandleId>; SLOTS],
    /// Directories that are held, for [`Op::Within`].
    pub(crate) directories: Vec<NodeId>,
}

impl Actor {
    pub(crate) fn new(volume: Arc<Volume>, view: Arc<View>) -> Actor {
        Actor { volume, view, handles: [None; SLOTS], directories: Vec::new() }
    }

    /// An operation on the volume.
    pub(crate) fn perform(&mut self, by: usize, op: &Op) -> Result<Answer> {
        let (view, by) = (self.view.clone(), &CALLERS[by]);
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
            Op::WriteStream(path, name, offset, length, fill) => {
                return at_node(&view, by, path, |node| {
                    let how = OpenOptions { write: true, ..OpenOptions::default() };
                    let handle = view.open_stream(by, node, name.as_bytes(), how, true)?;
                    let answer =
                        volume_io(&view, by, handle, Io::Write { offset: *offset, length: *length, fill: *fill });
                    view.release(handle)?;
                    answer
                });
            }
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
            Op::Within(within) => return self.within(by, *within),
            _ => self.history(op),
        }
        .map(|()| Answer::Done)
    }

    fn within(&self, by: &Caller<'_>, within: Within) -> Result<Answer> {
        let view = &self.view;
        let at = |(directory, name): Entry| (self.directories[directory], name.as_bytes());
        match within {
            Within::Make(entry, what) => {
                let made = view.make(by, at(entry).0, at(entry).1, 0o777, new_node(what));
                made.map(|made| view.forget(made.node, 1))
            }
            Within::Unlink(entry) => view.unlink(by, at(entry).0, at(entry).1),
            Within::Rmdir(entry) => view.rmdir(by, at(entry).0, at(entry).1),
            Within::Rename(from, to, mode) => view.rename(by, at(from).0, at(from).1, at(to).0, at(to).1, mode),
            Within::List(directory) => {
                let (mut names, node) = (Vec::new(), self.directories[directory]);
                view.list(by, node, None, 0, ListOptions::default(), &mut |entry| {
                    names.push(entry.name.to_vec());
                    true
                })?;
                return Ok(Answer::Bytes(listed(names)));
            }
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

    fn history(&mut self, op: &Op) -> Result<()> {
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
                let mut diff = volume.diff(volume.find(a)?, volume.find(b)?)?;
                while diff.next_entry()?.is_some() {}
                Ok(())
            }
            _ => unreachable!("every other operation is done"),
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
fn at_node<T>(view: &View, by: &Caller<'_>, path: &Path, run: impl FnOnce(NodeId) -> Result<T>) -> Result<T> {
    let node = view.path_lookup(by, at(path))?.node;
    let answer = run(node);
    view.forget(node, 1);
    answer
}

fn volume_io(view: &View, by: &Caller<'_>, handle: HandleId, io: Io) -> Result<Answer> {
    // With a handle the node says nothing.
    let node = NodeId::ROOT;
    let write = |place: WriteAt, length: usize, fill: u8| {
        view.write(by, node, Some(handle), place, &pattern(length, fill)).map(Answer::Count)
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

/// In pieces: a file of less than one is read at one moment. A read is short at the end of the file alone.
pub(crate) fn read_all(view: &View, by: &Caller<'_>, node: NodeId, handle: Option<HandleId>) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = view.read(by, node, handle, data.len() as u64, &mut piece)?;
        data.extend_from_slice(&piece[..count]);
        if count < piece.len() {
            return Ok(data);
        }
    }
}
