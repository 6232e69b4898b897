//! The naive model: what a volume means, said as plainly as can be. Files are vectors of bytes, directories ordered
//! maps, hard links equal ids, snapshots and branches whole copies. No sharing, no locks, nothing fast.
//!
//! What an operation changes and which error it answers is here; comparing it with a volume is the runner's.

use std::collections::BTreeMap;
use std::rc::Rc;

use bough::{Caller, Error, FileKind, RenameMode, Result, XattrMode, flags};

pub type Id = u64;
pub type Key = u64;

pub const ROOT: Id = 1;
const READ: u32 = 4;
const WRITE: u32 = 2;
const SEARCH: u32 = 1;

#[derive(Debug, Clone)]
pub struct Node {
    pub kind: FileKind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub flags: u32,
    pub device: u64,
    /// Content of a file, target of a symbolic link. Shared by copies only to spare memory.
    pub data: Rc<Vec<u8>>,
    /// By folded name: the name as it was given, and what it means.
    pub entries: BTreeMap<Vec<u8>, (Vec<u8>, Id)>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub accessed: i64,
    pub modified: i64,
    pub changed: i64,
    pub born: i64,
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
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        }
    }

    pub fn is_dir(&self) -> bool {
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
pub struct Tree {
    pub nodes: BTreeMap<Id, Node>,
}

#[derive(Debug, Clone)]
pub struct Ref {
    pub name: String,
    pub is_branch: bool,
    pub parent: Option<Key>,
    pub tree: Tree,
}

#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub at: Key,
    pub node: Id,
    pub read: bool,
    pub write: bool,
    pub append: bool,
}

/// A path, and whether a symbolic link at its end is followed.
#[derive(Clone)]
pub struct Path {
    pub text: String,
    pub follow: bool,
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}{}", self.text, if self.follow { "" } else { " itself" })
    }
}

#[derive(Debug, Clone, Copy)]
pub enum What {
    File,
    Directory,
    Symlink(&'static str),
    Fifo,
    Device(u64),
}

#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    pub read: bool,
    pub write: bool,
    pub append: bool,
    pub truncate: bool,
    pub exclusive: bool,
    pub create: Option<u32>,
}

pub struct Model {
    pub refs: BTreeMap<Key, Ref>,
    pub current: Key,
    pub now: i64,
    ignores_case: bool,
    last_key: Key,
    last_id: Id,
    numbered: BTreeMap<Key, u64>,
}

impl Model {
    pub fn new(now: i64, ignores_case: bool) -> Model {
        let root = Node::new(FileKind::Directory, 0o777, 0, 0, now);
        let tree = Tree { nodes: BTreeMap::from([(ROOT, root)]) };
        let main = Ref { name: "main".into(), is_branch: true, parent: None, tree };
        let refs = BTreeMap::from([(1, main)]);
        Model { refs, current: 1, now, ignores_case, last_key: 1, last_id: ROOT, numbered: BTreeMap::new() }
    }

    pub fn fold(&self, name: &[u8]) -> Vec<u8> {
        if self.ignores_case { name.to_ascii_lowercase() } else { name.to_vec() }
    }

    pub fn tree(&self) -> &Tree {
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

    // ---- paths -------------------------------------------------------------------------------------------------

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

    pub fn above(&self, dir: Id) -> Id {
        let holds = |node: &Node| node.entries.values().any(|(_, id)| *id == dir);
        self.reachable().into_iter().find(|id| holds(self.node(*id))).unwrap_or(ROOT)
    }

    pub fn reachable(&self) -> Vec<Id> {
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

    fn resolve(&self, by: &Caller<'_>, path: &Path) -> Result<Id> {
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

    // ---- names -------------------------------------------------------------------------------------------------

    fn may_add(&self, by: &Caller<'_>, dir: Id) -> Result<()> {
        permit(by, self.node(dir), WRITE | SEARCH)?;
        if self.node(dir).flags & flags::IMMUTABLE != 0 { Err(Error::NotPermitted) } else { Ok(()) }
    }

    fn may_take(&self, by: &Caller<'_>, dir: Id, id: Id) -> Result<()> {
        let (directory, node) = (self.node(dir), self.node(id));
        permit(by, directory, WRITE | SEARCH)?;
        let sticky = directory.mode & 0o1000 != 0 && by.uid != directory.uid && owner(by, node).is_err();
        if directory.is_frozen() || node.is_frozen() || sticky { Err(Error::NotPermitted) } else { Ok(()) }
    }

    fn add_entry(&mut self, dir: Id, name: &str, id: Id) {
        let (key, now) = (self.fold(name.as_bytes()), self.now);
        let directory = self.node_mut(dir);
        directory.touch_content(now);
        directory.entries.insert(key, (name.as_bytes().to_vec(), id));
    }

    fn take_entry(&mut self, dir: Id, name: &str) {
        let (key, now) = (self.fold(name.as_bytes()), self.now);
        let directory = self.node_mut(dir);
        directory.touch_content(now);
        directory.entries.remove(&key);
    }

    pub fn make(&mut self, by: &Caller<'_>, path: &Path, mode: u32, what: What) -> Result<()> {
        let (dir, name) = self.parent(by, ROOT, &path.text)?;
        let is_dir = matches!(what, What::Directory);
        self.check_new_name(dir, name, if is_dir { "" } else { &path.text })?;
        self.make_in(by, dir, name, mode, what).map(drop)
    }

    fn make_in(&mut self, by: &Caller<'_>, dir: Id, name: &str, mode: u32, what: What) -> Result<Id> {
        self.changeable()?;
        if self.entry(dir, name).is_some() {
            return Err(Error::Exists);
        }
        self.may_add(by, dir)?;
        let kind = match what {
            What::File => FileKind::File,
            What::Directory => FileKind::Directory,
            What::Symlink(_) => FileKind::Symlink,
            What::Fifo => FileKind::Fifo,
            What::Device(_) if by.uid != 0 => return Err(Error::NotPermitted),
            What::Device(_) => FileKind::CharDevice,
        };
        let (gid, mode) = inherited(by, self.node(dir), kind, mode);
        let mut node = Node::new(kind, mode, by.uid, gid, self.now);
        match what {
            What::Symlink(target) => node.data = Rc::new(target.into()),
            What::Device(number) => node.device = number,
            _ => {}
        }
        self.last_id += 1;
        let id = self.last_id;
        let current = self.current;
        self.refs.get_mut(&current).unwrap().tree.nodes.insert(id, node);
        self.add_entry(dir, name, id);
        Ok(id)
    }

    /// `.`, `..` and `/` are taken, and a path that ends in `/` names no new file.
    fn check_new_name(&self, dir: Id, name: &str, path: &str) -> Result<()> {
        match (name, path.ends_with('/')) {
            ("", _) => Err(Error::Exists),
            (_, false) => Ok(()),
            _ if self.entry(dir, name).is_some() => Err(Error::Exists),
            _ => Err(Error::NotFound),
        }
    }

    pub fn unlink(&mut self, by: &Caller<'_>, path: &Path) -> Result<()> {
        let (dir, name) = self.parent(by, ROOT, &path.text)?;
        if name.is_empty() {
            return Err(Error::IsADirectory);
        }
        let found = self.entry(dir, name).ok_or(Error::NotFound);
        if !path.text.ends_with('/') {
            self.changeable()?;
        }
        let id = found?;
        if self.node(id).is_dir() {
            return Err(Error::IsADirectory);
        }
        if path.text.ends_with('/') {
            return Err(Error::NotADirectory);
        }
        self.remove(by, dir, name, id)
    }

    pub fn rmdir(&mut self, by: &Caller<'_>, path: &Path) -> Result<()> {
        let (dir, name) = self.parent(by, ROOT, &path.text)?;
        if name.is_empty() {
            let trimmed = path.text.trim_end_matches('/');
            return Err(match trimmed.rsplit('/').next() {
                Some("..") => Error::NotEmpty,
                Some(".") => Error::Invalid(""),
                _ => Error::Busy(""),
            });
        }
        self.changeable()?;
        let id = self.entry(dir, name).ok_or(Error::NotFound)?;
        if !self.node(id).is_dir() {
            return Err(Error::NotADirectory);
        }
        self.remove(by, dir, name, id)
    }

    fn remove(&mut self, by: &Caller<'_>, dir: Id, name: &str, id: Id) -> Result<()> {
        self.may_take(by, dir, id)?;
        if !self.node(id).entries.is_empty() {
            return Err(Error::NotEmpty);
        }
        self.take_entry(dir, name);
        let now = self.now;
        self.node_mut(id).touch(now);
        Ok(())
    }

    pub fn link(&mut self, by: &Caller<'_>, path: &Path, new: &Path) -> Result<()> {
        let id = self.resolve(by, path)?;
        let (dir, name) = self.parent(by, ROOT, &new.text)?;
        self.check_new_name(dir, name, &new.text)?;
        self.changeable()?;
        if self.entry(dir, name).is_some() {
            return Err(Error::Exists);
        }
        self.may_add(by, dir)?;
        if self.node(id).is_dir() || self.node(id).is_frozen() {
            return Err(Error::NotPermitted);
        }
        self.add_entry(dir, name, id);
        let now = self.now;
        self.node_mut(id).touch(now);
        Ok(())
    }

    pub fn rename(&mut self, by: &Caller<'_>, from: &Path, to: &Path, mode: RenameMode) -> Result<()> {
        let (from_dir, old) = self.parent(by, ROOT, &from.text)?;
        let (to_dir, new) = self.parent(by, ROOT, &to.text)?;
        if old.is_empty() || new.is_empty() {
            return Err(Error::Busy(""));
        }
        let source = self.entry(from_dir, old).ok_or(Error::NotFound)?;
        if (from.text.ends_with('/') || to.text.ends_with('/')) && !self.node(source).is_dir() {
            return Err(Error::NotADirectory);
        }
        self.changeable()?;
        let target = self.entry(to_dir, new);
        let respells = from_dir == to_dir && old != new && self.fold(old.as_bytes()) == self.fold(new.as_bytes());
        match (mode, target) {
            (RenameMode::NoReplace, Some(_)) if !respells => return Err(Error::Exists),
            (RenameMode::Exchange, None) => return Err(Error::NotFound),
            _ => {}
        }
        self.check_loops(from_dir, to_dir, source, target, mode)?;
        if target == Some(source) {
            return if respells { self.respell(by, from_dir, new, source) } else { Ok(()) };
        }
        self.may_rename(by, (from_dir, to_dir), source, target, mode)?;
        self.move_entry((from_dir, old), (to_dir, new), source, target, mode);
        Ok(())
    }

    fn is_below(&self, mut id: Id, ancestor: Id) -> bool {
        while id != ancestor && id != ROOT {
            id = self.above(id);
        }
        id == ancestor
    }

    fn check_loops(&self, from: Id, to: Id, source: Id, target: Option<Id>, mode: RenameMode) -> Result<()> {
        if from == to {
            return Ok(());
        }
        if self.node(source).is_dir() && self.is_below(to, source) {
            return Err(Error::IntoItself);
        }
        match target {
            Some(target) if self.node(target).is_dir() && self.is_below(from, target) => {
                Err(if mode == RenameMode::Exchange { Error::IntoItself } else { Error::NotEmpty })
            }
            _ => Ok(()),
        }
    }

    fn respell(&mut self, by: &Caller<'_>, dir: Id, name: &str, id: Id) -> Result<()> {
        self.may_take(by, dir, id)?;
        self.add_entry(dir, name, id);
        let now = self.now;
        self.node_mut(id).touch(now);
        Ok(())
    }

    fn may_rename(
        &self,
        by: &Caller<'_>,
        dirs: (Id, Id),
        source: Id,
        target: Option<Id>,
        mode: RenameMode,
    ) -> Result<()> {
        self.may_take(by, dirs.0, source)?;
        self.may_add(by, dirs.1)?;
        let moves =
            |id: Id| if dirs.0 != dirs.1 && self.node(id).is_dir() { permit(by, self.node(id), WRITE) } else { Ok(()) };
        moves(source)?;
        let Some(target) = target else { return Ok(()) };
        self.may_take(by, dirs.1, target)?;
        if mode == RenameMode::Exchange {
            return moves(target);
        }
        match (self.node(source).is_dir(), self.node(target).is_dir()) {
            (true, false) => Err(Error::NotADirectory),
            (false, true) => Err(Error::IsADirectory),
            _ if !self.node(target).entries.is_empty() => Err(Error::NotEmpty),
            _ => Ok(()),
        }
    }

    fn move_entry(&mut self, from: (Id, &str), to: (Id, &str), source: Id, target: Option<Id>, mode: RenameMode) {
        let now = self.now;
        let spelled = |model: &Model, dir: Id, name: &str| {
            let held = model.node(dir).entries.get(&model.fold(name.as_bytes()));
            held.map_or(name.to_string(), |(name, _)| String::from_utf8(name.clone()).unwrap())
        };
        let (old, new) = (spelled(self, from.0, from.1), spelled(self, to.0, to.1));
        self.take_entry(from.0, from.1);
        self.add_entry(to.0, &new, source);
        self.node_mut(source).touch(now);
        if let Some(target) = target {
            self.node_mut(target).touch(now);
            if mode == RenameMode::Exchange {
                self.add_entry(from.0, &old, target);
            }
        }
    }

    // ---- attributes --------------------------------------------------------------------------------------------

    pub fn chmod(&mut self, by: &Caller<'_>, path: &Path, mode: u32) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        if node.is_frozen() {
            return Err(Error::NotPermitted);
        }
        owner(by, node)?;
        let keeps = by.uid == 0 || by.in_group(node.gid);
        let now = self.now;
        let node = self.node_mut(id);
        node.mode = if keeps { mode } else { mode & !0o2000 };
        node.touch(now);
        Ok(())
    }

    pub fn chown(&mut self, by: &Caller<'_>, path: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        let nothing = uid.is_none() && gid.is_none();
        let owns = by.uid == node.uid;
        let uid_fits = uid.is_none_or(|new| owns && new == node.uid);
        let gid_fits = gid.is_none_or(|new| owns && (new == node.gid || by.in_group(new)));
        let immutable = node.flags & flags::IMMUTABLE != 0 && !nothing;
        if immutable || !nothing && node.is_frozen() || by.uid != 0 && !(uid_fits && gid_fits) {
            return Err(Error::NotPermitted);
        }
        let now = self.now;
        let node = self.node_mut(id);
        if !nothing && !node.is_dir() {
            node.drop_setid();
        }
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        node.touch(now);
        Ok(())
    }

    /// Access and modification times: to what is given, or to now.
    pub fn set_times(&mut self, by: &Caller<'_>, path: &Path, time: Option<i64>) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        let immutable = node.flags & flags::IMMUTABLE != 0;
        if immutable || time.is_some() && node.flags & flags::APPEND != 0 {
            return Err(Error::NotPermitted);
        }
        match (owner(by, node), time) {
            (Ok(()), _) => {}
            (refused, Some(_)) => return refused,
            (_, None) => permit(by, node, WRITE)?,
        }
        let now = self.now;
        let node = self.node_mut(id);
        (node.accessed, node.modified) = (time.unwrap_or(now), time.unwrap_or(now));
        node.touch(now);
        Ok(())
    }

    pub fn set_flags(&mut self, by: &Caller<'_>, path: &Path, new: u32) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        owner(by, self.node(id))?;
        if by.uid != 0 && (new ^ self.node(id).flags) & flags::PRIVILEGED != 0 {
            return Err(Error::NotPermitted);
        }
        let now = self.now;
        let node = self.node_mut(id);
        node.flags = new;
        node.touch(now);
        Ok(())
    }

    pub fn truncate(&mut self, by: &Caller<'_>, path: &Path, size: usize) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        node.file()?;
        if node.is_frozen() {
            return Err(Error::NotPermitted);
        }
        permit(by, node, WRITE)?;
        let (current, now) = (self.current, self.now);
        self.resize(by, current, id, size, now);
        Ok(())
    }

    fn resize(&mut self, by: &Caller<'_>, at: Key, id: Id, size: usize, now: i64) {
        let node = self.node_of(at, id);
        Rc::make_mut(&mut node.data).resize(size, 0);
        node.lose_setid(by);
        node.touch_content(now);
    }

    fn may_xattr(&self, by: &Caller<'_>, node: &Node, name: &str) -> Result<()> {
        if name.starts_with("trusted.") {
            return if by.uid == 0 { Ok(()) } else { Err(Error::NotPermitted) };
        }
        let sticky = node.is_dir() && node.mode & 0o1000 != 0 && owner(by, node).is_err();
        if sticky || !matches!(node.kind, FileKind::File | FileKind::Directory) {
            return Err(Error::NotPermitted);
        }
        permit(by, node, WRITE)
    }

    pub fn set_xattr(&mut self, by: &Caller<'_>, path: &Path, name: &str, value: &[u8], mode: XattrMode) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        self.may_xattr(by, self.node(id), name)?;
        let node = self.node(id);
        if node.is_frozen() {
            return Err(Error::NotPermitted);
        }
        match (mode, node.xattrs.contains_key(name.as_bytes())) {
            (XattrMode::Create, true) => return Err(Error::Exists),
            (XattrMode::Replace, false) => return Err(Error::NoAttribute),
            _ => {}
        }
        let now = self.now;
        let node = self.node_mut(id);
        node.xattrs.insert(name.into(), value.into());
        node.touch(now);
        Ok(())
    }

    pub fn remove_xattr(&mut self, by: &Caller<'_>, path: &Path, name: &str) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        self.may_xattr(by, self.node(id), name)?;
        if self.node(id).is_frozen() {
            return Err(Error::NotPermitted);
        }
        let now = self.now;
        let node = self.node_mut(id);
        node.xattrs.remove(name.as_bytes()).ok_or(Error::NoAttribute)?;
        node.touch(now);
        Ok(())
    }

    pub fn access(&self, by: &Caller<'_>, path: &Path, want: u32) -> Result<()> {
        let node = self.node(self.resolve(by, path)?);
        let writes = want & WRITE != 0;
        if writes && matches!(node.kind, FileKind::File | FileKind::Directory | FileKind::Symlink) {
            self.changeable()?;
        }
        if writes && node.flags & flags::IMMUTABLE != 0 {
            return Err(Error::NotPermitted);
        }
        permit(by, node, want)
    }

    pub fn read_link(&self, by: &Caller<'_>, path: &Path) -> Result<Vec<u8>> {
        let node = self.node(self.resolve(by, &Path { follow: false, ..path.clone() })?);
        if node.kind == FileKind::Symlink { Ok(node.data.to_vec()) } else { Err(Error::Invalid("")) }
    }

    // ---- content -----------------------------------------------------------------------------------------------

    pub fn open(&mut self, by: &Caller<'_>, path: &Path, how: How) -> Result<Held> {
        let node = match (how.create, how.exclusive) {
            (None, _) => self.open_existing(by, path, how)?,
            (Some(mode), true) => self.create(by, ROOT, &path.text, how, mode)?,
            (Some(mode), false) => match self.open_existing(by, path, how) {
                Err(Error::NotFound) => self.create_through_links(by, path, how, mode)?,
                answer => answer?,
            },
        };
        Ok(Held { at: self.current, node, read: how.read, write: how.write, append: how.append })
    }

    fn open_existing(&mut self, by: &Caller<'_>, path: &Path, how: How) -> Result<Id> {
        let id = self.resolve(by, path)?;
        self.open_node(by, id, how)
    }

    fn open_node(&mut self, by: &Caller<'_>, id: Id, how: How) -> Result<Id> {
        let node = self.node(id);
        let writes = how.write || how.append || how.truncate || how.create.is_some() && node.is_dir();
        match node.kind {
            FileKind::Symlink => return Err(Error::TooManySymlinks),
            FileKind::Directory if writes => return Err(Error::IsADirectory),
            _ => {}
        }
        permit(by, node, if how.read { READ } else { 0 } | if writes { WRITE } else { 0 })?;
        if !writes {
            return Ok(id);
        }
        self.changeable()?;
        let appends_only = how.append && !how.truncate;
        if node.flags & flags::IMMUTABLE != 0 || node.flags & flags::APPEND != 0 && !appends_only {
            return Err(Error::NotPermitted);
        }
        if how.truncate {
            node.file()?;
            let (current, now) = (self.current, self.now);
            self.resize(by, current, id, 0, now);
        }
        Ok(id)
    }

    fn create(&mut self, by: &Caller<'_>, start: Id, path: &str, how: How, mode: u32) -> Result<Id> {
        let (dir, name) = self.parent(by, start, path)?;
        if name.is_empty() || path.ends_with('/') {
            return Err(Error::IsADirectory);
        }
        match (self.make_in(by, dir, name, mode, What::File), self.entry(dir, name)) {
            (Err(Error::Exists), Some(id)) if !how.exclusive => self.open_node(by, id, how),
            (made, _) => made,
        }
    }

    fn create_through_links(&mut self, by: &Caller<'_>, path: &Path, how: How, mode: u32) -> Result<Id> {
        let (mut start, mut text) = (ROOT, path.text.clone());
        loop {
            let (dir, name) = self.parent(by, start, &text)?;
            let link = self.entry(dir, name).map(|id| self.node(id)).filter(|node| node.kind == FileKind::Symlink);
            match link {
                Some(link) if path.follow && !text.ends_with('/') => {
                    text = String::from_utf8(link.data.to_vec()).unwrap();
                    start = dir;
                }
                _ => return self.create(by, start, &text, how, mode),
            }
        }
    }

    pub fn read(&self, held: Held) -> Result<Vec<u8>> {
        if !held.read {
            return Err(Error::BadHandle);
        }
        let node = &self.refs[&held.at].tree.nodes[&held.node];
        node.file()?;
        Ok(node.data.to_vec())
    }

    /// Runs `change` on the content of an open file, if that may be written at `offset`.
    fn changing(
        &mut self,
        by: &Caller<'_>,
        held: Held,
        offset: Option<usize>,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        if !held.write {
            return Err(Error::BadHandle);
        }
        let now = self.now;
        let node = self.node_of(held.at, held.node);
        node.file()?;
        node.writable(offset.unwrap_or(node.data.len()))?;
        change(Rc::make_mut(&mut node.data));
        node.lose_setid(by);
        node.touch_content(now);
        Ok(())
    }

    /// Whether something may be written there.
    pub fn check_write(&self, held: Held, offset: Option<usize>) -> Result<()> {
        if !held.write {
            return Err(Error::BadHandle);
        }
        let node = &self.refs[&held.at].tree.nodes[&held.node];
        node.file()?;
        let offset = if held.append { None } else { offset };
        node.writable(offset.unwrap_or(node.data.len()))
    }

    pub fn write(&mut self, by: &Caller<'_>, held: Held, offset: Option<usize>, bytes: &[u8]) -> Result<()> {
        let offset = if held.append { None } else { offset };
        self.changing(by, held, offset, |data| put(data, offset.unwrap_or(data.len()), bytes))
    }

    pub fn punch(&mut self, by: &Caller<'_>, held: Held, offset: usize, length: usize) -> Result<()> {
        self.changing(by, held, Some(offset), |data| {
            let end = data.len().min(offset + length);
            data[offset.min(end)..end].fill(0);
        })
    }

    pub fn zero(&mut self, by: &Caller<'_>, held: Held, offset: usize, length: usize, keep: bool) -> Result<()> {
        self.changing(by, held, Some(offset), |data| {
            grow(data, offset + length, keep);
            let end = data.len().min(offset + length);
            data[offset.min(end)..end].fill(0);
        })
    }

    pub fn reserve(&mut self, by: &Caller<'_>, held: Held, offset: usize, length: usize, keep: bool) -> Result<()> {
        self.changing(by, held, None, |data| grow(data, offset + length, keep))
    }

    pub fn copy(&mut self, by: &Caller<'_>, from: (Held, usize), to: (Held, usize), length: usize) -> Result<usize> {
        let overlaps = from.1 < to.1 + length && to.1 < from.1 + length;
        if from.0.node == to.0.node && overlaps {
            return Err(Error::Invalid(""));
        }
        let source = self.read(from.0)?;
        let begin = from.1.min(source.len());
        let piece = &source[begin..source.len().min(begin + length)];
        if piece.is_empty() {
            let node = self.node(to.0.node);
            node.file()?;
            return node.writable(to.1).map(|()| 0);
        }
        self.changing(by, to.0, Some(to.1), |data| put(data, to.1, piece))?;
        Ok(piece.len())
    }

    // ---- branches and snapshots --------------------------------------------------------------------------------

    pub fn find(&self, name: &str) -> Result<Key> {
        self.refs.iter().find(|(_, found)| found.name == name).map(|(key, _)| *key).ok_or(Error::NoSuchRef)
    }

    fn free(&self, name: &str) -> Result<()> {
        if self.find(name).is_ok() { Err(Error::RefExists) } else { Ok(()) }
    }

    fn grow_ref(&mut self, name: String, is_branch: bool, parent: Option<Key>, tree: Tree) -> Key {
        self.last_key += 1;
        self.refs.insert(self.last_key, Ref { name, is_branch, parent, tree });
        self.last_key
    }

    pub fn snapshot(&mut self, branch: Key, name: Option<&str>) -> Result<Key> {
        let name = match name {
            Some(name) => name.to_string(),
            None => self.numbered_name(branch),
        };
        self.free(&name)?;
        let (tree, parent) = (self.refs[&branch].tree.clone(), self.refs[&branch].parent);
        let key = self.grow_ref(name, false, parent, tree);
        self.refs.get_mut(&branch).unwrap().parent = Some(key);
        Ok(key)
    }

    fn numbered_name(&mut self, branch: Key) -> String {
        loop {
            let number = self.numbered.entry(branch).or_default();
            *number += 1;
            let name = format!("{}@{number}", self.refs[&branch].name);
            if self.free(&name).is_ok() {
                return name;
            }
        }
    }

    pub fn branch(&mut self, name: &str, from: Key) -> Result<Key> {
        self.free(name)?;
        let tree = self.refs[&from].tree.clone();
        Ok(self.grow_ref(name.into(), true, Some(from), tree))
    }

    pub fn rename_ref(&mut self, key: Key, name: &str) -> Result<()> {
        if self.refs[&key].name != name {
            self.free(name)?;
        }
        self.refs.get_mut(&key).unwrap().name = name.into();
        Ok(())
    }

    pub fn delete_ref(&mut self, key: Key, handles: &[Option<Held>]) -> Result<()> {
        let branches = self.refs.values().filter(|found| found.is_branch).count();
        let viewed = key == self.current || handles.iter().flatten().any(|held| held.at == key);
        if viewed || self.refs[&key].is_branch && branches == 1 {
            return Err(Error::Busy(""));
        }
        let gone = self.refs.remove(&key).unwrap();
        for child in self.refs.values_mut().filter(|found| found.parent == Some(key)) {
            child.parent = gone.parent;
        }
        Ok(())
    }
}

/// Group and mode of a new node.
fn inherited(by: &Caller<'_>, dir: &Node, kind: FileKind, mode: u32) -> (u32, u32) {
    let (gid, mut mode) = if dir.mode & 0o2000 == 0 { (by.gid, mode) } else { (dir.gid, mode) };
    if dir.mode & 0o2000 != 0 {
        if kind == FileKind::Directory {
            mode |= 0o2000;
        } else if mode & 0o010 != 0 && by.uid != 0 && !by.in_group(gid) {
            mode &= !0o2000;
        }
    }
    (gid, if kind == FileKind::Symlink { 0o777 } else { mode & !by.umask })
}

fn put(data: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    grow(data, offset + bytes.len(), false);
    data[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn grow(data: &mut Vec<u8>, size: usize, keep: bool) {
    if !keep && data.len() < size {
        data.resize(size, 0);
    }
}
