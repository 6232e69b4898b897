//! Compares the whole tree that a view shows with the model's.

use std::collections::BTreeMap;

use bough::{Attr, Caller, FileKind, InodeId, NodeId, OpenOptions, View};

use super::actor::{EVERYTHING, read_all};
use super::naive::{Id, Node, ROOT, Tree};

/// Which inode of the volume each node of the model is, in every branch and snapshot.
#[derive(Clone, Default)]
pub(crate) struct Identities {
    inode_of: BTreeMap<Id, InodeId>,
    id_of: BTreeMap<InodeId, Id>,
}

impl Identities {
    fn check(&mut self, id: Id, inode: InodeId) {
        assert_eq!(*self.inode_of.entry(id).or_insert(inode), inode, "node {id} is another inode now");
        assert_eq!(*self.id_of.entry(inode).or_insert(id), id, "{inode:?} was used for two files");
    }
}

pub(crate) struct Comparison<'a> {
    view: &'a View,
    tree: &'a Tree,
    identities: &'a mut Identities,
    links: BTreeMap<Id, u32>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(view: &'a View, tree: &'a Tree, identities: &'a mut Identities) -> Comparison<'a> {
        Comparison { view, tree, identities, links: BTreeMap::new() }
    }

    /// Compares everything; answers how many inodes there are.
    pub(crate) fn run(&mut self) -> usize {
        self.count_links(ROOT);
        let attr = self.view.attr(NodeId::ROOT).unwrap();
        self.node(ROOT, NodeId::ROOT, &attr, "/");
        self.directory(ROOT, ROOT, NodeId::ROOT, "");
        assert_eq!(self.view.reference_count(), 0, "every reference was given back");
        self.links.len()
    }

    fn count_links(&mut self, dir: Id) {
        let node = &self.tree.nodes[&dir];
        let below = node.entries.values().filter(|(_, id)| self.tree.nodes[id].is_dir()).count();
        self.links.insert(dir, 2 + below as u32);
        for (_, id) in node.entries.values() {
            if self.tree.nodes[id].is_dir() { self.count_links(*id) } else { *self.links.entry(*id).or_default() += 1 }
        }
    }

    fn directory(&mut self, id: Id, above: Id, node: NodeId, path: &str) {
        let mut listed = Vec::new();
        let all = Caller::superuser();
        self.view
            .list(&all, node, None, 0, EVERYTHING, &mut |entry| {
                listed.push((entry.name.to_vec(), entry.node, entry.attr.expect("attributes were asked for")));
                true
            })
            .unwrap();
        let dots: Vec<_> = listed.drain(..2).collect();
        assert_eq!((&*dots[0].0, &*dots[1].0), (&b"."[..], &b".."[..]));
        self.identities.check(id, dots[0].2.inode);
        self.identities.check(above, dots[1].2.inode);
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        let mut expected: Vec<(&[u8], Id)> =
            self.tree.nodes[&id].entries.values().map(|(name, id)| (&**name, *id)).collect();
        expected.sort();
        let names = |of: &[(Vec<u8>, NodeId, Attr)]| of.iter().map(|entry| entry.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&listed), expected.iter().map(|entry| entry.0.to_vec()).collect::<Vec<_>>(), "in {path}/");
        for ((name, node, attr), (_, below)) in listed.iter().zip(expected) {
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            self.node(below, *node, attr, &path);
            if attr.kind == FileKind::Directory {
                self.directory(below, id, *node, &path);
            }
            self.view.forget(*node, 1);
        }
    }

    fn node(&mut self, id: Id, node: NodeId, attr: &Attr, path: &str) {
        let expected = &self.tree.nodes[&id];
        self.identities.check(id, attr.inode);
        let seen = (attr.kind, attr.mode, attr.uid, attr.gid, attr.flags, attr.device, attr.size, attr.links);
        let Node { kind, mode, uid, gid, flags, device, .. } = *expected;
        let size = if expected.is_dir() { expected.entries.len() } else { expected.data.len() } as u64;
        let wanted = (kind, mode, uid, gid, flags, device, size, self.links[&id]);
        assert_eq!(seen, wanted, "kind, mode, uid, gid, flags, device, size, links of {path}");
        let times = [attr.accessed, attr.modified, attr.changed, attr.born].map(|time| time.0);
        let Node { accessed, modified, changed, born, .. } = *expected;
        assert_eq!(times, [accessed, modified, changed, born], "times of {path}: access, content, attributes, birth");
        self.content(expected, node, path);
        self.xattrs(expected, node, path);
        self.streams(expected, node, path);
    }

    fn content(&self, expected: &Node, node: NodeId, path: &str) {
        let same = match expected.kind {
            FileKind::File => read_all(self.view, &Caller::superuser(), node, None).unwrap() == **expected.data,
            FileKind::Symlink => *self.view.read_link(node).unwrap() == **expected.data,
            _ => true,
        };
        assert!(same, "content of {path}");
    }

    fn streams(&self, expected: &Node, node: NodeId, path: &str) {
        let all = Caller::superuser();
        let listed = self.view.list_streams(node).unwrap();
        let names = listed.iter().map(|stream| &*stream.name);
        assert!(names.eq(expected.streams.iter().map(|(name, _)| &**name)), "names of streams of {path}");
        for (stream, (name, content)) in listed.iter().zip(&expected.streams) {
            let read = OpenOptions { read: true, ..OpenOptions::default() };
            let handle = self.view.open_stream(&all, node, name, read, false).unwrap();
            let data = read_all(self.view, &all, NodeId::ROOT, Some(handle)).unwrap();
            self.view.release(handle).unwrap();
            assert!(data == **content && stream.size == data.len() as u64, "stream {name:?} of {path}");
        }
    }

    fn xattrs(&self, expected: &Node, node: NodeId, path: &str) {
        let all = Caller::superuser();
        let names = self.view.list_xattrs(&all, node).unwrap();
        let held: BTreeMap<Vec<u8>, Vec<u8>> =
            names.iter().map(|name| (name.to_vec(), self.view.get_xattr(&all, node, name).unwrap().to_vec())).collect();
        assert_eq!(held, expected.xattrs, "extended attributes of {path}");
    }
}
