//! Paths: path_resolution(7), with a limit of 40 symbolic links.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::limits;
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::tree::inode::{Inode, Names};
use crate::types::{Caller, FileKind, InodeId};

/// Whether the last component is followed if it is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// It is followed.
    Yes,
    /// The link itself is meant.
    No,
}

/// Where a path leads short of its last component.
pub(crate) struct Parent<'p> {
    pub(crate) id: InodeId,
    /// Empty when the path names the directory itself (`/`, `.` or `..` last).
    pub(crate) name: &'p [u8],
}

/// A walk under way. Link targets are put before what is left of the path.
struct Walk<'a> {
    at: &'a Attachment,
    caller: &'a Caller<'a>,
    links: u32,
}

impl Attachment {
    /// The inode that `path` leads to from `start` (from the root if it begins with `/`).
    pub(crate) fn resolve(
        &self,
        caller: &Caller<'_>,
        start: InodeId,
        path: &[u8],
        follow: Follow,
    ) -> Result<Arc<Inode>> {
        self.check_path(path)?;
        let mut walk = Walk { at: self, caller, links: 0 };
        walk.resolve(start, path, follow)
    }

    /// The directory that holds the last component of `path`, which the caller may search, and that component.
    pub(crate) fn resolve_parent<'p>(&self, caller: &Caller<'_>, start: InodeId, path: &'p [u8]) -> Result<Parent<'p>> {
        self.check_path(path)?;
        let trimmed = trim_slashes(path);
        let cut = trimmed.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        let (above, name) = trimmed.split_at(cut);
        let start = if path.starts_with(b"/") { InodeId::ROOT } else { start };
        let mut walk = Walk { at: self, caller, links: 0 };
        let name = if matches!(name, b"." | b"..") { &b""[..] } else { name };
        let within = if name.is_empty() { trimmed } else { above };
        let directory = walk.resolve(start, within, Follow::Yes)?;
        let record = directory.read();
        if record.kind != FileKind::Directory {
            return Err(Error::NotADirectory);
        }
        if !name.is_empty() {
            self.permit(caller, &record, Mask::EXECUTE)?;
        }
        drop(record);
        Ok(Parent { id: directory.id, name })
    }

    /// A path of the inode from the root, with a leading slash, its names as they are stored. No two directories are looked at
    /// at once: when one moves meanwhile, the way up is begun anew.
    pub(crate) fn path_of(&self, id: InodeId) -> Result<Vec<u8>> {
        loop {
            if let Some(names) = self.names_above(id)? {
                let mut path = Vec::new();
                for name in names.iter().rev() {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
                return Ok(if path.is_empty() { b"/".to_vec() } else { path });
            }
        }
    }

    /// The inode's name and those of the directories above it; nothing when one of them moved meanwhile.
    fn names_above(&self, id: InodeId) -> Result<Option<Vec<Box<[u8]>>>> {
        let (mut names, mut below) = (Vec::new(), id);
        while below != InodeId::ROOT {
            let Some(inode) = self.find(below)? else {
                return if below == id { Err(Error::Stale) } else { Ok(None) };
            };
            let (places, version) = {
                let record = inode.read();
                (record.names.clone(), record.version)
            };
            if places.first().is_none() {
                return if below == id || !names.is_empty() { Err(Error::NotFound) } else { Ok(None) };
            }
            let Some((above, name)) = self.name_in_one_of(&places, below)? else {
                // It had these names all the time, and none of them leads to it: to begin anew would find the same.
                let is_as_it_was = self.find(below)?.is_some_and(|inode| inode.read().version == version);
                return if is_as_it_was { Err(Error::NotFound) } else { Ok(None) };
            };
            names.push(name);
            below = above;
        }
        Ok(Some(names))
    }

    /// The first of an inode's names that leads to it, and the directory that it is in.
    fn name_in_one_of(&self, places: &Names, id: InodeId) -> Result<Option<(InodeId, Box<[u8]>)>> {
        let Some(first) = places.first() else { return Ok(None) };
        if let Some(name) = self.name_at(first, id)? {
            return Ok(Some((first.0, name)));
        }
        // A file of the base may have lost a name there that it had when it was copied up.
        for place in places.all().into_iter().skip(1) {
            if let Some(name) = self.name_at(place, id)? {
                return Ok(Some((place.0, name)));
            }
        }
        Ok(None)
    }

    /// What the entry of this key is called, if it leads to the inode.
    fn name_at(&self, (above, key): (InodeId, u64), id: InodeId) -> Result<Option<Box<[u8]>>> {
        let Some(directory) = self.find(above)? else { return Ok(None) };
        let record = directory.read();
        let entry = record.directory()?.by_key(key).filter(|entry| entry.inode == id);
        Ok(entry.map(|entry| Box::from(entry.name)).or_else(|| self.name_in_base(id, above, key)))
    }

    fn check_path(&self, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            return Err(Error::NotFound);
        }
        if path.contains(&0) {
            return Err(Error::Invalid("a path contains NUL"));
        }
        self.context.names.check_path_length(path)
    }
}

impl Walk<'_> {
    fn resolve(&mut self, start: InodeId, path: &[u8], follow: Follow) -> Result<Arc<Inode>> {
        let must_be_directory = path.ends_with(b"/") || path.ends_with(b"/.");
        let mut here = if path.starts_with(b"/") { InodeId::ROOT } else { start };
        let mut rest = path;
        let mut last = None;
        loop {
            let (name, after) = next_component(rest);
            if name.is_empty() {
                return self.finish(here, last, must_be_directory);
            }
            let found = match self.at.lookup(self.caller, here, name) {
                // A directory on the way has gone since it was found.
                Err(Error::Stale) if last.is_some() => return Err(Error::NotFound),
                found => found?,
            };
            let is_last = after.iter().all(|&byte| byte == b'/');
            let follows = !is_last || follow == Follow::Yes || must_be_directory;
            if follows && found.read().kind == FileKind::Symlink {
                let target = self.target(found.id)?;
                let path = if after.is_empty() { target.to_vec() } else { [&target[..], after].concat() };
                self.at.context.names.check_path_length(&path)?;
                return self.resolve(here, &path, follow);
            }
            here = found.id;
            last = Some(found);
            rest = after;
        }
    }

    fn target(&mut self, id: InodeId) -> Result<Arc<[u8]>> {
        self.links += 1;
        if self.links > limits::SYMLINKS {
            return Err(Error::TooManySymlinks);
        }
        self.at.read_link(id)
    }

    /// `found`: what the last component showed; none when there was no component.
    fn finish(&self, id: InodeId, found: Option<Arc<Inode>>, must_be_directory: bool) -> Result<Arc<Inode>> {
        let inode = match found {
            Some(inode) => inode,
            None => self.at.inode(id).map_err(|_| Error::NotFound)?,
        };
        if must_be_directory && inode.read().kind != FileKind::Directory {
            return Err(Error::NotADirectory);
        }
        Ok(inode)
    }
}

fn next_component(path: &[u8]) -> (&[u8], &[u8]) {
    let begin = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    let path = &path[begin..];
    let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    path.split_at(end)
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    &path[..end]
}
