//! The whole tree that a view shows, looked at through the C API, against the model's: all but times, which are the system's.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;

use bough::FileKind;
use bough::ffi::names::*;
use bough::ffi::streams::{fs_stream, fs_stream_list};
use bough::ffi::types::*;
use bough::ffi::view::fs_view;
use bough::ffi::xattrs::{fs_xattr_get, fs_xattr_list};

use crate::hands::{ok, read_all, superuser};
use crate::naive::{Id, Node, ROOT, Tree};

struct Found {
    name: Vec<u8>,
    node: u64,
    attr: fs_attr,
}

unsafe extern "C" fn keep_entry(context: *mut c_void, entry: *const fs_dirent) -> bool {
    // SAFETY: the call hands over what it was given; entry, name and attributes, which were asked for, live until this returns.
    unsafe {
        let entry = &*entry;
        let name = std::slice::from_raw_parts(entry.name.cast::<u8>(), entry.name_bytes).to_vec();
        (*context.cast::<Vec<Found>>()).push(Found { name, node: entry.node, attr: *entry.attr });
    }
    true
}

unsafe extern "C" fn keep_stream(context: *mut c_void, stream: *const fs_stream) -> bool {
    // SAFETY: as above.
    unsafe {
        let stream = &*stream;
        let name = std::slice::from_raw_parts(stream.name.cast::<u8>(), stream.name_bytes).to_vec();
        (*context.cast::<Vec<(Vec<u8>, u64)>>()).push((name, stream.length));
    }
    true
}

struct Look<'a> {
    view: *const fs_view,
    tree: &'a Tree,
    links: BTreeMap<Id, u32>,
    /// Which inode each node of the model is.
    inodes: BTreeMap<Id, u64>,
}

/// Compares everything that a view shows with a tree of the model.
pub(crate) fn compare(view: *const fs_view, tree: &Tree) {
    let mut look = Look { view, tree, links: BTreeMap::new(), inodes: BTreeMap::new() };
    look.count_links(ROOT);
    look.directory(ROOT, FS_NODE_ROOT, "");
}

impl Look<'_> {
    fn count_links(&mut self, dir: Id) {
        let node = &self.tree.nodes[&dir];
        let below = node.entries.values().filter(|(_, id)| self.tree.nodes[id].is_dir()).count();
        self.links.insert(dir, 2 + below as u32);
        for (_, id) in node.entries.values() {
            if self.tree.nodes[id].is_dir() { self.count_links(*id) } else { *self.links.entry(*id).or_default() += 1 }
        }
    }

    fn directory(&mut self, id: Id, node: u64, path: &str) {
        let mut found: Vec<Found> = Vec::new();
        let context = ptr::from_mut(&mut found).cast();
        let flags = FS_READDIR_ATTRIBUTES;
        // SAFETY: all are alive.
        ok(unsafe { fs_readdir(self.view, &superuser(), node, 0, 0, flags, Some(keep_entry), context) }).unwrap();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let mut expected: Vec<(&Vec<u8>, Id)> =
            self.tree.nodes[&id].entries.values().map(|(name, id)| (name, *id)).collect();
        expected.sort();
        let names = |of: &[Found]| of.iter().map(|found| found.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found), expected.iter().map(|(name, _)| (*name).clone()).collect::<Vec<_>>(), "in {path}/");
        for (found, (name, id)) in found.iter().zip(expected) {
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            self.node(id, found, &path);
            if self.tree.nodes[&id].is_dir() {
                self.directory(id, found.node, &path);
            }
            // SAFETY: the view is alive.
            ok(unsafe { fs_forget(self.view, found.node, 1) }).unwrap();
        }
    }

    fn node(&mut self, id: Id, found: &Found, path: &str) {
        let (expected, attr) = (&self.tree.nodes[&id], &found.attr);
        assert_eq!(*self.inodes.entry(id).or_insert(attr.inode), attr.inode, "{path} is another inode elsewhere");
        let seen = (attr.kind, attr.mode, attr.uid, attr.gid, attr.flags, attr.device, attr.length, attr.links);
        let Node { mode, uid, gid, flags, device, .. } = *expected;
        let kind = match expected.kind {
            FileKind::File => FS_KIND_FILE,
            FileKind::Directory => FS_KIND_DIRECTORY,
            FileKind::Symlink => FS_KIND_SYMLINK,
            FileKind::Fifo => FS_KIND_FIFO,
            _ => FS_KIND_CHAR_DEVICE,
        };
        let length = if expected.is_dir() { expected.entries.len() } else { expected.data.len() } as u64;
        let wanted = (kind, mode, uid, gid, flags, device, length, self.links[&id]);
        assert_eq!(seen, wanted, "kind, mode, uid, gid, flags, device, length, links of {path}");
        assert!(attr.born <= attr.changed, "{path} was changed before it was born");
        self.content(expected, found.node, path);
        assert_eq!(self.xattrs(found.node), expected.xattrs, "extended attributes of {path}");
        let streams: Vec<_> =
            expected.streams.iter().map(|(name, content)| (name.clone(), content.len() as u64)).collect();
        assert_eq!(self.streams(found.node), streams, "streams of {path}");
    }

    fn content(&self, expected: &Node, node: u64, path: &str) {
        let same = match expected.kind {
            FileKind::File => read_all(self.view, &superuser(), node, FS_HANDLE_NONE).unwrap() == **expected.data,
            FileKind::Symlink => self.target(node) == **expected.data,
            _ => true,
        };
        assert!(same, "content of {path}");
    }

    fn target(&self, node: u64) -> Vec<u8> {
        let (mut into, mut length) = (vec![0_u8; 4096], 0);
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe { fs_readlink(self.view, node, into.as_mut_ptr().cast(), into.len(), &mut length) }).unwrap();
        into.truncate(length);
        into
    }

    fn streams(&self, node: u64) -> Vec<(Vec<u8>, u64)> {
        let mut found: Vec<(Vec<u8>, u64)> = Vec::new();
        // SAFETY: all are alive.
        ok(unsafe { fs_stream_list(self.view, node, Some(keep_stream), ptr::from_mut(&mut found).cast()) }).unwrap();
        found
    }

    fn xattrs(&self, node: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let (who, mut into, mut length) = (superuser(), vec![0_u8; 4096], 0);
        let place = into.as_mut_ptr().cast();
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe { fs_xattr_list(self.view, &who, node, place, into.len(), &mut length) }).unwrap();
        let names: Vec<Vec<u8>> = into[..length].split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        let value = |name: &Vec<u8>| {
            let (mut value, mut length) = (vec![0_u8; 4096], 0);
            let (at, bytes, room) = (name.as_ptr().cast(), name.len(), value.as_mut_ptr().cast());
            // SAFETY: all are alive, and as long as they say.
            ok(unsafe { fs_xattr_get(self.view, &who, node, at, bytes, room, value.len(), &mut length) }).unwrap();
            value.truncate(length);
            value
        };
        names.iter().filter(|name| !name.is_empty()).map(|name| (name.clone(), value(name))).collect()
    }
}
