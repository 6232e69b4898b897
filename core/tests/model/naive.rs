//! The naive model: what a volume means, said as plainly as can be. Files are vectors of bytes, directories ordered
//! maps, hard links equal ids, snapshots and branches whole copies. No sharing, no locks, nothing fast.
//!
//! What an operation changes and which error it answers is here; comparing it with a volume is the runner's.

#[path = "naive/attributes.rs"]
mod attributes;
#[path = "naive/content.rs"]
mod content;
#[path = "naive/names.rs"]
mod names;
#[path = "naive/refs.rs"]
mod refs;
#[path = "naive/streams.rs"]
mod streams;

use std::collections::BTreeMap;
use std::rc::Rc;

use bough::{Caller, Error, FileKind, NamePolicy, Result, flags};

pub(crate) type Id = u64;
pub(crate) type Key = u64;

pub(crate) const ROOT: Id = 1;
const READ: u32 = 4;
const WRITE: u32 = 2;
const SEARCH: u32 = 1;

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: FileKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) flags: u32,
    pub(crate) device: u64,
    /// Content of a file, target of a symbolic link. Shared by copies only to spare memory.
    pub(crate) data: Rc<Vec<u8>>,
    /// By folded name: the name as it was given, and what it means.
    pub(crate) entries: BTreeMap<Vec<u8>, (Vec<u8>, Id)>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Named streams in the order of their making: name and content.
    pub(crate) streams: Vec<(Vec<u8>, Rc<Vec<u8>>)>,
    pub(crate) accessed: i64,
    pub(crate) modified: i64,
    pub(crate) changed: i64,
    #[allow(dead_code, reason = "nobody whom times do not concern looks")]
    pub(crate) born: i64,
}

impl Node {
    fn new(kind: FileKind, mode: u32, uid: u32, gid: u32, now: i64) -> Node {
        Node {
            kind,
            mode,
            uid,
            gid,
            flags: 0,
            device: 0,
            data: Rc::default(),
            entries: BTreeMap::new(),
            xattrs: BTreeMap::new(),
            streams: Vec::new(),
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        }
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }

    fn is_frozen(&self) -> bool {
        self.flags & (flags::IMMUTABLE | flags::APPEND) != 0
    }

    fn touch(&mut self, now: i64) {
        self.changed = now;
    }

    fn touch_content(&mut self, now: i64) {
        self.modified = now;
        self.changed = now;
    }

    /// What a write does to the set-id bits.
    fn lose_setid(&mut self, caller: &Caller<'_>) {
        if self.kind == FileKind::File && caller.uid != 0 {
            self.drop_setid();
        }
    }

    fn drop_setid(&mut self) {
        self.mode &= !0o4000;
        if self.mode & 0o010 != 0 {
            self.mode &= !0o2000;
        }
    }

    fn file(&self) -> Result<()> {
        match self.kind {
            FileKind::File => Ok(()),
            FileKind::Directory => Err(Error::IsADirectory),
            _ => Err(Error::Invalid("")),
        }
    }

    fn writable(&self, offset: usize) -> Result<()> {
        let overwrites = self.flags & flags::APPEND != 0 && offset < self.data.len();
        if self.flags & flags::IMMUTABLE != 0 || overwrites { Err(Error::NotPermitted) } else { Ok(()) }
    }
}

fn permit(caller: &Caller<'_>, node: &Node, want: u32) -> Result<()> {
    let class = if caller.uid == node.uid {
        node.mode >> 6
    } else if caller.in_group(node.gid) {
        node.mode >> 3
    } else {
        node.mode
    };
    let runnable = node.is_dir() || want & SEARCH == 0 || node.mode & 0o111 != 0;
    if class & want == want || caller.uid == 0 && runnable { Ok(()) } else { Err(Error::AccessDenied) }
}

fn owner(caller: &Caller<'_>, node: &Node) -> Result<()> {
    if caller.uid == 0 || caller.uid == node.uid { Ok(()) } else { Err(Error::NotPermitted) }
}

/// Everything that one branch or snapshot holds. Nodes that nothing leads to any more stay: handles may have them.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) nodes: BTreeMap<Id, Node>,
}

#[derive(Debug, Clone)]
pub(crate) struct Ref {
    pub(crate) name: String,
    pub(crate) is_branch: bool,
    pub(crate) parent: Option<Key>,
    pub(crate) tree: Tree,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) at: Key,
    pub(crate) node: Id,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
}

/// A path, and whether a symbolic link at its end is followed.
#[derive(Clone)]
pub(crate) struct Path {
    pub(crate) text: String,
    pub(crate) follow: bool,
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}{}", self.text, if self.follow { "" } else { " itself" })
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    File,
    Directory,
    Symlink(&'static str),
    Fifo,
    Device(u64),
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) exclusive: bool,
    pub(crate) create: Option<u32>,
}

#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) refs: BTreeMap<Key, Ref>,
    pub(crate) current: Key,
    pub(crate) now: i64,
    pub(super) names: NamePolicy,
    last_key: Key,
    last_id: Id,
    numbered: BTreeMap<Key, u64>,
}

impl Model {
    pub(crate) fn new(now: i64, names: NamePolicy) -> Model {
        let root = Node::new(FileKind::Directory, 0o777, 0, 0, now);
        let tree = Tree { nodes: BTreeMap::from([(ROOT, root)]) };
        let main = Ref { name: "main".into(), is_branch: true, parent: None, tree };
        let refs = BTreeMap::from([(1, main)]);
        Model { refs, current: 1, now, names, last_key: 1, last_id: ROOT, numbered: BTreeMap::new() }
    }

    pub(crate) fn fold(&self, name: &[u8]) -> Vec<u8> {
        let text = || String::from_utf8(name.to_vec()).unwrap();
        match self.names {
            NamePolicy::PosixCaseInsensitive => name.to_ascii_lowercase(),
            // Each of the names that are drawn has one lower case, which is its fold.
            NamePolicy::Windows => text().to_lowercase().into_bytes(),
            NamePolicy::MacOs => text().to_lowercase().replace("e\u{301}", "\u{e9}").into_bytes(),
            _ => name.to_vec(),
        }
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.refs[&self.current].tree
    }

    fn node(&self, id: Id) -> &Node {
        &self.tree().nodes[&id]
    }

    fn node_mut(&mut self, id: Id) -> &mut Node {
        let current = self.current;
        self.node_of(current, id)
    }

    fn node_of(&mut self, at: Key, id: Id) -> &mut Node {
        self.refs.get_mut(&at).unwrap().tree.nodes.get_mut(&id).unwrap()
    }

    fn changeable(&self) -> Result<()> {
        if self.refs[&self.current].is_branch { Ok(()) } else { Err(Error::ReadOnly) }
    }

    fn lookup(&self, by: &Caller<'_>, dir: Id, name: &str) -> Result<Id> {
        let node = self.node(dir);
        if !node.is_dir() {
            return Err(Error::NotADirectory);
        }
        permit(by, node, SEARCH)?;
        match name {
            "." => Ok(dir),
            ".." => Ok(self.above(dir)),
            _ => self.entry(dir, name).ok_or(Error::NotFound),
        }
    }

    fn entry(&self, dir: Id, name: &str) -> Option<Id> {
        self.node(dir).entries.get(&self.fold(name.as_bytes())).map(|(_, id)| *id)
    }

    pub(crate) fn above(&self, dir: Id) -> Id {
        let holds = |node: &Node| node.entries.values().any(|(_, id)| *id == dir);
        self.reachable().into_iter().find(|id| holds(self.node(*id))).unwrap_or(ROOT)
    }

    pub(crate) fn reachable(&self) -> Vec<Id> {
        let mut found = vec![ROOT];
        let mut next = 0;
        while next < found.len() {
            let below: Vec<Id> = self.node(found[next]).entries.values().map(|(_, id)| *id).collect();
            found.extend(below.into_iter().filter(|id| self.node(*id).is_dir()));
            next += 1;
        }
        found
    }

    fn resolve_from(&self, by: &Caller<'_>, start: Id, path: &str, follow: bool, links: &mut u32) -> Result<Id> {
        let mut here = if path.starts_with('/') { ROOT } else { start };
        let to_directory = path.ends_with('/') || path.ends_with("/.");
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for (i, part) in parts.iter().enumerate() {
            let found = self.lookup(by, here, part)?;
            let last = i + 1 == parts.len();
            let is_link = self.node(found).kind == FileKind::Symlink;
            if is_link && (!last || follow || to_directory) {
                *links += 1;
                if *links > 40 {
                    return Err(Error::TooManySymlinks);
                }
                let target = String::from_utf8(self.node(found).data.to_vec()).unwrap();
                let rest = if last {
                    if to_directory { "/".into() } else { String::new() }
                } else {
                    format!("/{}", parts[i + 1..].join("/"))
                };
                let slash = if !last && to_directory { "/" } else { "" };
                return self.resolve_from(by, here, &format!("{target}{rest}{slash}"), follow, links);
            }
            here = found;
        }
        if to_directory && !self.node(here).is_dir() { Err(Error::NotADirectory) } else { Ok(here) }
    }

    pub(crate) fn resolve(&self, by: &Caller<'_>, path: &Path) -> Result<Id> {
        self.resolve_from(by, ROOT, &path.text, path.follow, &mut 0)
    }

    /// The directory that holds the last name of a path, and the name; no name when it ends in `/`, `.` or `..`.
    fn parent<'p>(&self, by: &Caller<'_>, start: Id, path: &'p str) -> Result<(Id, &'p str)> {
        let trimmed = path.trim_end_matches('/');
        let cut = trimmed.rfind('/').map_or(0, |at| at + 1);
        let (above, name) = trimmed.split_at(cut);
        let start = if path.starts_with('/') { ROOT } else { start };
        let whole = matches!(name, "" | "." | "..");
        let within = if whole { trimmed } else { above };
        let dir = self.resolve_from(by, start, within, true, &mut 0)?;
        if !self.node(dir).is_dir() {
            return Err(Error::NotADirectory);
        }
        if !whole {
            permit(by, self.node(dir), SEARCH)?;
        }
        Ok((dir, if whole { "" } else { name }))
    }
}
