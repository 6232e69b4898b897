//! Through `bough::View`.

use std::sync::Arc;

use bough::{
    Caller, Config, Follow, HandleId, NewNode, NodeId, OpenOptions, PathAt, RefId, View, ViewOptions, Volume, WriteAt,
};

use super::{CONTENT, Names, known, unknown};
use crate::rows::{LARGE_BLOCK, LARGE_BLOCKS, PER_DIRECTORY, Side};

const ROOT: Caller<'static> = Caller::superuser();

pub(crate) struct InRust {
    view: Arc<View>,
    names: Names,
    directories: Vec<NodeId>,
    files: Vec<NodeId>,
    open: Vec<HandleId>,
    large: HandleId,
}

fn make(view: &View, parent: NodeId, name: &str, new: NewNode<'_>) -> NodeId {
    view.make(&ROOT, parent, name.as_bytes(), 0o755, new).unwrap().node
}

fn open(view: &View, node: NodeId) -> HandleId {
    view.open_node(&ROOT, node, OpenOptions { read: true, write: true, ..OpenOptions::default() }).unwrap()
}

impl InRust {
    pub(crate) fn filled(files: usize) -> InRust {
        let volume = Volume::open(Config { memory_bytes: Some(8 << 30), ..Config::default() }).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "bench", ViewOptions::default()).unwrap();
        let large = open(&view, make(&view, NodeId::ROOT, "large", NewNode::File));
        for block in 0..LARGE_BLOCKS {
            let at = WriteAt::Offset((block * LARGE_BLOCK) as u64);
            view.write(&ROOT, NodeId::ROOT, Some(large), at, &vec![5; LARGE_BLOCK]).unwrap();
        }
        let mut side =
            InRust { view, names: Names::of(files), directories: vec![], files: vec![], open: vec![], large };
        (0..files / PER_DIRECTORY).for_each(|directory| side.fill(directory));
        side
    }

    fn fill(&mut self, directory: usize) {
        let parent = make(&self.view, NodeId::ROOT, &format!("d{directory}"), NewNode::Directory);
        self.directories.push(parent);
        for file in 0..PER_DIRECTORY {
            let node = make(&self.view, parent, &self.names.files[file], NewNode::File);
            if self.files.len().is_multiple_of(self.names.step) {
                self.view.write(&ROOT, node, None, WriteAt::Offset(0), &CONTENT).unwrap();
                self.open.push(open(&self.view, node));
            }
            if unknown(file) == file {
                self.view.forget(node, 1);
            }
            self.files.push(node);
        }
    }

    fn parent(&self, file: usize) -> NodeId {
        self.directories[file / PER_DIRECTORY]
    }

    fn opened(&self, file: usize) -> Option<HandleId> {
        Some(self.open[file / self.names.step])
    }
}

impl Side for InRust {
    fn files(&self) -> usize {
        self.files.len()
    }

    fn lookup(&self, file: usize) {
        let file = known(file);
        let found = self.view.lookup(&ROOT, self.parent(file), self.names.file(file).as_bytes()).unwrap();
        assert_eq!(found.node, self.files[file]);
    }

    fn lookup_new(&self, file: usize) {
        let file = unknown(file);
        let found = self.view.lookup(&ROOT, self.parent(file), self.names.file(file).as_bytes()).unwrap();
        self.view.forget(found.node, 1);
    }

    fn stat(&self, file: usize) {
        let path = PathAt { start: self.parent(file), path: self.names.file(file).as_bytes(), follow: Follow::No };
        assert_eq!(self.view.path_attr(&ROOT, path).unwrap().links, 1);
    }

    fn getattr(&self, file: usize) {
        let attr = self.view.attr(self.files[file]).unwrap();
        assert_eq!(attr.links, 1);
    }

    fn create(&self, file: usize, name: usize) {
        let made = make(&self.view, self.parent(file), &self.names.new[name], NewNode::File);
        self.view.forget(made, 1);
    }

    fn remove(&self, file: usize, name: usize) {
        self.view.unlink(&ROOT, self.parent(file), self.names.new[name].as_bytes()).unwrap();
    }

    fn read(&self, file: usize, into: &mut [u8]) {
        let read = self.view.read(&ROOT, self.files[file], self.opened(file), 0, into).unwrap();
        assert_eq!(read, into.len());
    }

    fn write(&self, file: usize, from: &[u8]) {
        let at = WriteAt::Offset(0);
        self.view.write(&ROOT, self.files[file], self.opened(file), at, from).unwrap();
    }

    fn read_large(&self, block: usize, into: &mut [u8]) {
        let at = (block * LARGE_BLOCK) as u64;
        let read = self.view.read(&ROOT, NodeId::ROOT, Some(self.large), at, into).unwrap();
        assert_eq!(read, into.len());
    }
}
