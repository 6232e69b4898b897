//! A volume and a naive model of it, side by side: files are vectors of bytes, snapshots and branches whole copies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::data::ChunkStore;
use crate::data::tests::bytes;
use crate::error::{Error, Result};
use crate::operations::{Allocation, ListOptions, NewNode, OpenOptions, RenameMode, ViewOptions, WriteAt, XattrMode};
use crate::types::{BranchId, Caller, FileKind, NodeId, RefId, SetAttr};
use crate::volume::view::View;
use crate::volume::view_paths::PathAt;
use crate::volume::{Config, Volume};

const BY: Caller<'static> = Caller::superuser();
const QUIET: ViewOptions = ViewOptions { read_only: false, no_access_time: true, confined: false };

/// One operation. All of them can be done where they are tried.
#[derive(Debug, Clone)]
pub(super) enum Op {
    File(&'static str),
    Directory(&'static str),
    Symlink(&'static str, &'static str),
    Link(&'static str, &'static str),
    Rename(&'static str, &'static str),
    Exchange(&'static str, &'static str),
    Remove(&'static str),
    Write { to: &'static str, at: usize, len: usize },
    Append { to: &'static str, len: usize },
    Resize(&'static str, usize),
    Punch { of: &'static str, at: usize, len: usize },
    Zero { of: &'static str, at: usize, len: usize },
    Reserve { of: &'static str, at: usize, len: usize },
    Copy { from: &'static str, at: usize, to: &'static str, to_at: usize, len: usize },
    Read(&'static str),
    Lend(&'static str),
    SetXattr(&'static str, &'static str, u8),
    RemoveXattr(&'static str, &'static str),
    Mode(&'static str, u32),
    WriteStream { of: &'static str, len: usize },
    Snapshot(&'static str),
    Branch(&'static str, &'static str),
    Switch(&'static str),
    RenameRef(&'static str, &'static str),
    Delete(&'static str),
    Diff(&'static str, &'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: FileKind,
    mode: u32,
    /// Content of a file, target of a symbolic link.
    data: Vec<u8>,
    stream: Vec<u8>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Names lead to nodes by numbers, so that hard links are equal numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree {
    names: BTreeMap<String, u64>,
    nodes: BTreeMap<u64, Node>,
}

#[derive(Debug, Clone)]
struct Model {
    trees: BTreeMap<String, Tree>,
    shows: String,
    last: u64,
}

/// How much an operation did.
type Done = Option<usize>;

impl Tree {
    fn node(&mut self, path: &str) -> &mut Node {
        self.nodes.get_mut(&self.names[path]).unwrap()
    }

    fn put(&mut self, path: &str, at: usize, data: &[u8]) {
        let content = &mut self.node(path).data;
        if content.len() < at + data.len() {
            content.resize(at + data.len(), 0);
        }
        content[at..at + data.len()].copy_from_slice(data);
    }

    fn rename(&mut self, from: &str, to: &str) {
        let below = format!("{from}/");
        let moved: Vec<String> =
            self.names.keys().filter(|name| *name == from || name.starts_with(&below)).cloned().collect();
        for name in moved {
            let id = self.names.remove(&name).unwrap();
            self.names.insert(name.replacen(from, to, 1), id);
        }
    }

    /// Nodes that no name leads to are gone.
    fn tidy(&mut self) {
        let named: Vec<u64> = self.names.values().copied().collect();
        self.nodes.retain(|id, _| named.contains(id));
    }
}

impl Model {
    fn tree(&mut self) -> &mut Tree {
        self.trees.get_mut(&self.shows).unwrap()
    }

    fn make(&mut self, path: &str, kind: FileKind, data: &[u8]) {
        self.last += 1;
        let mode = if kind == FileKind::Symlink { 0o777 } else { 0o755 };
        let node = Node { kind, mode, data: data.to_vec(), stream: Vec::new(), xattrs: BTreeMap::new() };
        let id = self.last;
        self.tree().names.insert(path.into(), id);
        self.tree().nodes.insert(id, node);
    }

    fn apply(&mut self, op: &Op, seed: u64, done: Done) {
        match op {
            Op::File(path) => self.make(path, FileKind::File, &[]),
            Op::Directory(path) => self.make(path, FileKind::Directory, &[]),
            Op::Symlink(target, path) => self.make(path, FileKind::Symlink, target.as_bytes()),
            Op::Snapshot(name) => drop(self.trees.insert((*name).into(), self.trees[&self.shows].clone())),
            Op::Branch(name, from) => drop(self.trees.insert((*name).into(), self.trees[*from].clone())),
            Op::Switch(name) => self.shows = (*name).into(),
            Op::RenameRef(from, to) => {
                let tree = self.trees.remove(*from).unwrap();
                self.trees.insert((*to).into(), tree);
            }
            Op::Delete(name) => drop(self.trees.remove(*name)),
            _ => self.tree().apply(op, seed, done),
        }
        self.tree().tidy();
    }
}

impl Tree {
    fn apply(&mut self, op: &Op, seed: u64, done: Done) {
        match op {
            Op::Link(path, new) => drop(self.names.insert((*new).into(), self.names[*path])),
            Op::Rename(from, to) => self.rename(from, to),
            Op::Exchange(a, b) => {
                let (one, other) = (self.names[*a], self.names[*b]);
                self.names.insert((*a).into(), other);
                self.names.insert((*b).into(), one);
            }
            Op::Remove(path) => drop(self.names.remove(*path)),
            Op::Write { to, at, len } => self.put(to, *at, &bytes(*len, seed)[..done.unwrap_or(*len)]),
            Op::Append { to, len } => {
                let end = self.node(to).data.len();
                self.put(to, end, &bytes(*len, seed)[..done.unwrap_or(*len)]);
            }
            Op::Resize(path, size) => self.node(path).data.resize(*size, 0),
            Op::Punch { of, at, len } => {
                let data = &mut self.node(of).data;
                let end = (at + len).min(data.len());
                data[(*at).min(end)..end].fill(0);
            }
            Op::Zero { of, at, len } => self.put(of, *at, &vec![0; *len]),
            Op::Reserve { of, at, len } => {
                let data = &mut self.node(of).data;
                data.resize(data.len().max(at + len), 0);
            }
            Op::Copy { from, at, to, to_at, len } => {
                let source = self.node(from).data.clone();
                let end = (at + done.unwrap_or(*len)).min(source.len());
                self.put(to, *to_at, &source[(*at).min(end)..end]);
            }
            Op::SetXattr(path, name, value) => {
                self.node(path).xattrs.insert(name.as_bytes().into(), vec![*value; 900]);
            }
            Op::RemoveXattr(path, name) => drop(self.node(path).xattrs.remove(name.as_bytes())),
            Op::Mode(path, mode) => self.node(path).mode = *mode,
            Op::WriteStream { of, len } => {
                let data = bytes(*len, seed);
                let stream = &mut self.node(of).stream;
                let done = done.unwrap_or(*len);
                stream.resize(stream.len().max(done), 0);
                stream[..done].copy_from_slice(&data[..done]);
            }
            _ => {}
        }
    }
}

pub(super) struct World {
    pub(super) volume: Arc<Volume>,
    pub(super) store: Arc<ChunkStore>,
    view: Arc<View>,
    model: Model,
}

impl World {
    pub(super) fn over(store: Arc<ChunkStore>) -> World {
        let volume = Volume::over(store.clone(), Config { root_mode: 0o755, ..Config::default() }).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "test", QUIET).unwrap();
        let trees = BTreeMap::from([("main".to_owned(), Tree::default())]);
        World { volume, store, view, model: Model { trees, shows: "main".into(), last: 0 } }
    }

    /// Does an operation. If it fails it has done nothing, or all, and the model knows which.
    pub(super) fn apply(&mut self, op: &Op, seed: u64) -> Result<()> {
        let answer = self.on_volume(op, seed);
        let mut after = self.model.clone();
        if let Ok(done) = answer {
            after.apply(op, seed, done);
            self.model = after;
            return Ok(());
        }
        after.apply(op, seed, None);
        let shown = read_tree(&self.view);
        if shown != numbered(self.model.tree()) {
            assert!(shown == numbered(after.tree()), "{op:?} is half done");
            self.model = after;
        }
        answer.map(drop)
    }

    /// All that is stored is as the model has it.
    pub(super) fn check(&self) {
        let refs = self.volume.list_refs(None, usize::MAX);
        assert!(refs.iter().map(|info| &*info.name).eq(sorted_by_age(&refs, &self.model)));
        for info in refs {
            let view = self.volume.view(info.id, "check", QUIET).unwrap();
            let same = read_tree(&view) == numbered(&self.model.trees[&*info.name]);
            assert!(same, "`{}` is not what it was", info.name);
        }
    }

    /// Deletes everything.
    pub(super) fn empty(&self) {
        let main = self.volume.find("main").unwrap();
        self.view.switch(main).unwrap();
        for info in self.volume.list_refs(None, usize::MAX) {
            if info.id != main {
                self.volume.delete_ref(info.id).unwrap();
            }
        }
        let names: Vec<String> = read_tree(&self.view).names.into_keys().rev().collect();
        for name in names {
            self.remove(&name).unwrap();
        }
    }

    fn node(&self, path: &str) -> Result<NodeId> {
        let found = self.view.path_lookup(&BY, at(path))?;
        self.view.forget(found.node, 1);
        // Held by nobody, and nobody else removes anything.
        Ok(found.node)
    }

    fn remove(&self, path: &str) -> Result<()> {
        match self.view.path_attr(&BY, at(path))?.kind {
            FileKind::Directory => self.view.path_rmdir(&BY, at(path)),
            _ => self.view.path_unlink(&BY, at(path)),
        }
    }

    fn find(&self, name: &str) -> RefId {
        self.volume.find(name).unwrap()
    }

    fn shown(&self) -> BranchId {
        match self.view.info().shows {
            RefId::Branch(branch) => branch,
            RefId::Snapshot(_) => unreachable!("branches are shown"),
        }
    }

    fn on_volume(&mut self, op: &Op, seed: u64) -> Result<Done> {
        let view = &self.view;
        match op {
            Op::File(path) => view.path_make(&BY, at(path), 0o755, NewNode::File).map(drop),
            Op::Directory(path) => view.path_make(&BY, at(path), 0o755, NewNode::Directory).map(drop),
            Op::Symlink(target, path) => {
                view.path_make(&BY, at(path), 0o777, NewNode::Symlink(target.as_bytes())).map(drop)
            }
            Op::Link(path, new) => view.path_link(&BY, at(path), at(new)).map(drop),
            Op::Rename(from, to) => view.path_rename(&BY, at(from), at(to), RenameMode::Replace),
            Op::Exchange(a, b) => view.path_rename(&BY, at(a), at(b), RenameMode::Exchange),
            Op::Remove(path) => self.remove(path),
            Op::Resize(path, size) => {
                let set = SetAttr { size: Some(*size as u64), ..SetAttr::default() };
                view.path_set_attr(&BY, at(path), &set).map(drop)
            }
            Op::SetXattr(path, name, value) => {
                view.path_set_xattr(&BY, at(path), name.as_bytes(), &[*value; 900], XattrMode::Set)
            }
            Op::RemoveXattr(path, name) => view.path_remove_xattr(&BY, at(path), name.as_bytes()),
            Op::Mode(path, mode) => {
                let set = SetAttr { mode: Some(*mode), ..SetAttr::default() };
                view.path_set_attr(&BY, at(path), &set).map(drop)
            }
            Op::Snapshot(name) => self.volume.create_snapshot(self.shown(), Some(name)).map(drop),
            Op::Branch(name, from) => self.volume.create_branch(name, self.find(from)).map(drop),
            Op::Switch(name) => view.switch(self.find(name)),
            Op::RenameRef(from, to) => self.volume.rename_ref(self.find(from), to),
            Op::Delete(name) => self.volume.delete_ref(self.find(name)),
            Op::Diff(before, after) => self.diff(before, after),
            _ => return self.content(op, seed),
        }
        .map(|()| None)
    }

    /// The operations on content.
    fn content(&self, op: &Op, seed: u64) -> Result<Done> {
        let view = &self.view;
        let allocate = |path: &str, at: usize, len: usize, how| {
            view.allocate(&BY, self.node(path)?, None, at as u64, len as u64, how).map(|()| None)
        };
        match op {
            Op::Write { to, at, len } => {
                let place = WriteAt::Offset(*at as u64);
                view.write(&BY, self.node(to)?, None, place, &bytes(*len, seed)).map(Some)
            }
            Op::Append { to, len } => view.write(&BY, self.node(to)?, None, WriteAt::End, &bytes(*len, seed)).map(Some),
            Op::Punch { of, at, len } => allocate(of, *at, *len, Allocation::Punch),
            Op::Zero { of, at, len } => allocate(of, *at, *len, Allocation::Zero { keep_size: false }),
            Op::Reserve { of, at, len } => allocate(of, *at, *len, Allocation::Reserve { keep_size: false }),
            Op::Copy { from, at, to, to_at, len } => {
                let (from, to) = (self.node(from)?, self.node(to)?);
                let copied = view.copy_range(&BY, from, None, *at as u64, to, None, *to_at as u64, *len as u64)?;
                Ok(Some(copied as usize))
            }
            Op::Read(path) => {
                let data = read_all(view, self.node(path)?)?;
                assert!(data == self.model.trees[&self.model.shows].clone().node(path).data, "{path} reads otherwise");
                Ok(None)
            }
            Op::Lend(path) => {
                let pin = view.read_pin(&BY, self.node(path)?, None, 0, 1 << 20)?;
                let data: Vec<u8> = pin.ranges().flatten().copied().collect();
                assert!(
                    data == self.model.trees[&self.model.shows].clone().node(path).data,
                    "{path} is lent otherwise"
                );
                Ok(None)
            }
            Op::WriteStream { of, len } => {
                let options = OpenOptions { write: true, ..OpenOptions::default() };
                let handle = view.open_stream(&BY, self.node(of)?, b"stream", options, true)?;
                let written = view.write(&BY, NodeId::ROOT, Some(handle), WriteAt::Offset(0), &bytes(*len, seed));
                view.release(handle)?;
                written.map(Some)
            }
            _ => unreachable!("every other operation is done"),
        }
    }

    fn diff(&self, before: &str, after: &str) -> Result<()> {
        let mut diff = self.volume.diff(self.find(before), self.find(after))?;
        while diff.next_entry()?.is_some() {}
        Ok(())
    }
}

fn sorted_by_age<'a>(refs: &'a [crate::history::refs::RefInfo], model: &'a Model) -> impl Iterator<Item = &'a str> {
    assert_eq!(refs.len(), model.trees.len());
    refs.iter().map(|info| &*info.name).filter(|name| model.trees.contains_key(*name))
}

fn at(path: &str) -> PathAt<'_> {
    PathAt::root(path.as_bytes()).no_follow()
}

/// The same tree, its nodes numbered in the order of their first names.
fn numbered(tree: &Tree) -> Tree {
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    for id in tree.names.values() {
        let next = numbers.len() as u64 + 1;
        numbers.entry(*id).or_insert(next);
    }
    Tree {
        names: tree.names.iter().map(|(name, id)| (name.clone(), numbers[id])).collect(),
        nodes: tree.nodes.iter().filter_map(|(id, node)| Some((*numbers.get(id)?, node.clone()))).collect(),
    }
}

/// Everything that a view shows.
fn read_tree(view: &View) -> Tree {
    let mut tree = Tree::default();
    let mut open = vec![(NodeId::ROOT, String::new())];
    while let Some((directory, above)) = open.pop() {
        for name in names_in(view, directory) {
            let path = format!("{above}{name}");
            let found = view.path_lookup(&BY, at(&path)).unwrap();
            let attr = found.attr;
            tree.names.insert(path.clone(), attr.inode.0);
            tree.nodes.insert(attr.inode.0, read_node(view, found.node, attr.kind, attr.mode));
            if attr.kind == FileKind::Directory {
                open.push((found.node, format!("{path}/")));
            }
            view.forget(found.node, 1);
        }
    }
    numbered(&tree)
}

fn names_in(view: &View, directory: NodeId) -> Vec<String> {
    let mut names = Vec::new();
    view.list(&BY, directory, None, 0, ListOptions::default(), &mut |entry| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        true
    })
    .unwrap();
    names
}

fn read_node(view: &View, node: NodeId, kind: FileKind, mode: u32) -> Node {
    let data = match kind {
        FileKind::File => read_all(view, node).unwrap(),
        FileKind::Symlink => view.read_link(node).unwrap().to_vec(),
        _ => Vec::new(),
    };
    let names = view.list_xattrs(&BY, node).unwrap();
    let value = |name: &[u8]| view.get_xattr(&BY, node, name).unwrap().to_vec();
    let xattrs = names.iter().map(|name| (name.to_vec(), value(name))).collect();
    Node { kind, mode, data, stream: read_stream(view, node), xattrs }
}

fn read_stream(view: &View, node: NodeId) -> Vec<u8> {
    let options = OpenOptions { read: true, ..OpenOptions::default() };
    let Ok(handle) = view.open_stream(&BY, node, b"stream", options, false) else { return Vec::new() };
    let mut data = vec![0; 1 << 20];
    let read = view.read(&BY, NodeId::ROOT, Some(handle), 0, &mut data).unwrap();
    view.release(handle).unwrap();
    data.truncate(read);
    data
}

fn read_all(view: &View, node: NodeId) -> Result<Vec<u8>> {
    let size = view.attr(node)?.size as usize;
    let mut data = vec![0xAA; size + 1];
    let read = view.read(&BY, node, None, 0, &mut data)?;
    if read != size {
        return Err(Error::Internal);
    }
    data.truncate(read);
    Ok(data)
}
