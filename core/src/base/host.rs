//! A directory of the host as a base. Linux: every call is relative to a descriptor ([`calls`]), so nothing outside of the
//! directory is ever reached, and what is mounted over it later, a volume of ours on it included, is not seen.
//!
//! One descriptor for the root, a bounded number for the rest ([`descriptors`]). Which number each inode has, and where it
//! was seen: [`nodes`]. Nothing of the host is remembered otherwise: each question is asked when it is put.

mod calls;
mod descriptors;
mod nodes;
mod watch;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use calls::{Manner, of};
use descriptors::Descriptors;
use hashbrown::HashSet;
pub(crate) use nodes::NewId;
use nodes::{Nodes, Seen};
use watch::Watcher;

use super::{Base, BaseChange, BaseIdentity, Listed, Place, Sought, Status, Tell, Xattr};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::sync::Mutex;
use crate::types::{FileKind, InodeId};

pub(crate) struct HostDirectory {
    root: Arc<OwnedFd>,
    manner: Manner,
    nodes: Nodes,
    directories: Descriptors,
    files: Descriptors,
    watcher: OnceLock<Option<Arc<Watcher>>>,
    /// File systems below that others may change: nobody tells us of that.
    remotes: Mutex<HashSet<u64>>,
    tell: OnceLock<Tell>,
}

impl Drop for HostDirectory {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher() {
            watcher.stop();
        }
    }
}

impl HostDirectory {
    /// Opens a directory; its root is [`InodeId::ROOT`]. Nothing below it is looked at yet.
    pub(crate) fn open(path: &Path, cross_mounts: bool, ledger: Ledger, new_id: NewId) -> Result<HostDirectory> {
        let root = Arc::new(calls::open_root(path)?);
        let device = calls::status_of_open(of(&root))?.identity.device;
        let manner = Manner {
            cross_mounts,
            device,
            births_change: calls::births_change(of(&root)),
            tells_mounts: calls::tells_mounts(of(&root)),
            remote: calls::is_remote(of(&root)),
            openat2: calls::has_openat2(of(&root)),
        };
        let most = descriptors_allowed();
        Ok(HostDirectory {
            root,
            manner,
            nodes: Nodes::new(device, ledger, new_id),
            directories: Descriptors::new(most),
            files: Descriptors::new(most),
            watcher: OnceLock::new(),
            remotes: Mutex::default(),
            tell: OnceLock::new(),
        })
    }

    /// The descriptor of a directory, to find entries from. `None`: it is not where it was, or shows nothing.
    fn directory(&self, id: InodeId) -> Result<Option<Arc<OwnedFd>>> {
        // Upwards to one that is open, then down again.
        let mut way = Vec::new();
        let mut next = id;
        let mut here = loop {
            if next == InodeId::ROOT {
                break self.root.clone();
            }
            if let Some(open) = self.directories.get(next) {
                break open;
            }
            let Some(place) = self.nodes.place(next) else { return Ok(None) };
            way.push((next, place.name));
            next = place.parent;
            if way.len() > limits::BASE_DEPTH {
                return Err(Error::Limit("depth of directories in the base"));
            }
        };
        for (id, name) in way.into_iter().rev() {
            let Some(opened) = self.open_directory(&here, id, &name)? else { return Ok(None) };
            here = opened;
        }
        Ok(Some(here))
    }

    fn open_directory(&self, above: &Arc<OwnedFd>, id: InodeId, name: &[u8]) -> Result<Option<Arc<OwnedFd>>> {
        let opened = match self.manner.open_directory(of(above), name) {
            Err(Error::Io(_)) if self.is_covered(above, name)? => return Ok(None),
            answer => answer?,
        };
        let Some(opened) = opened.map(Arc::new) else { return Ok(None) };
        let BaseIdentity { device, inode, .. } = self.manner.status_of_open(of(&opened))?.identity;
        if self.nodes.host_number(id) != Some((device, inode)) || !self.is_shown(device) {
            return Ok(None);
        }
        self.directories.keep(id, opened.clone());
        Ok(Some(opened))
    }

    fn watcher(&self) -> Option<&Arc<Watcher>> {
        self.watcher.get()?.as_ref()
    }

    /// Watches a directory from now on, if word comes of what changes in it.
    fn watch_directory(&self, id: InodeId, directory: &OwnedFd) {
        if let Some(watcher) = self.watcher() {
            watcher.watch(id, directory, || !self.is_remote(self.device_of(id), directory));
        }
    }

    /// Whether others may change the file system that a directory is on. The base's own they may not: there is no watcher else.
    fn is_remote(&self, device: u64, directory: &OwnedFd) -> bool {
        if device == self.manner.device {
            return false;
        }
        if self.remotes.lock().contains(&device) {
            return true;
        }
        // It may be that a server is asked.
        let is_remote = calls::is_remote(directory.as_fd());
        if is_remote {
            self.remotes.lock().insert(device);
        }
        is_remote
    }

    /// The file system of a directory.
    fn device_of(&self, id: InodeId) -> u64 {
        match id {
            InodeId::ROOT => self.manner.device,
            _ => self.nodes.host_number(id).map_or(self.manner.device, |(device, _)| device),
        }
    }

    /// Whether a change of an entry comes to be known where its directory is watched: one of a file with names elsewhere may not,
    /// nor one of what is mounted there.
    fn is_told_in(&self, parent: InodeId, status: &Status) -> bool {
        let device = if self.manner.cross_mounts { self.device_of(parent) } else { self.manner.device };
        let here = !status.mount_root && self.manner.is_on(device, status);
        here && (status.kind == FileKind::Directory || status.links == 1)
    }

    /// Tells of a change that shows in what was just looked at: so it comes to be known where no watch tells of it.
    fn notice(&self, id: InodeId, status: &Status) {
        if let Some(tell) = self.tell.get()
            && self.nodes.has_changed(id, &status.identity, status.watched)
        {
            tell(if status.kind == FileKind::File { BaseChange::Content(id) } else { BaseChange::Attributes(id) });
        }
    }

    fn is_shown(&self, device: u64) -> bool {
        self.manner.cross_mounts || device == self.manner.device
    }

    fn is_covered(&self, above: &Arc<OwnedFd>, name: &[u8]) -> Result<bool> {
        Ok(self.manner.status(of(above), name)?.is_some_and(|status| status.covered))
    }

    /// The first of the inode's places where it still is.
    fn find(&self, id: InodeId) -> Result<Option<(Arc<OwnedFd>, Place, Status)>> {
        let places = if self.nodes.has_many_places(id) {
            self.nodes.places(id)
        } else {
            self.nodes.place(id).into_iter().collect()
        };
        for place in places {
            let Some(directory) = self.directory(place.parent)? else { continue };
            // Asked first: what changes after that is told.
            let watched = self.is_watched(place.parent);
            if let Some(mut status) = self.manner.status(of(&directory), &place.name)?
                && self.nodes.is(id, &status.identity, status.kind)
            {
                status.watched = watched && self.is_told_in(place.parent, &status);
                self.notice(id, &status);
                return Ok(Some((directory, place, status)));
            }
        }
        self.directories.forget(id);
        Ok(None)
    }

    /// A descriptor to read a file by.
    fn file(&self, id: InodeId) -> Result<Option<Arc<OwnedFd>>> {
        if let Some(open) = self.files.get(id) {
            return Ok(Some(open));
        }
        let Some((directory, place, status)) = self.find(id)? else { return Ok(None) };
        if status.kind != FileKind::File || status.covered {
            return Ok(None);
        }
        let Some(opened) = self.manner.open_file(of(&directory), &place.name)?.map(Arc::new) else { return Ok(None) };
        let found = self.manner.status_of_open(of(&opened))?;
        if !found.identity.is_same_thing(&status.identity) || found.kind != FileKind::File {
            return Ok(None);
        }
        self.files.keep(id, opened.clone());
        Ok(Some(opened))
    }
}

impl Base for HostDirectory {
    fn watch(self: Arc<Self>, tell: Tell) {
        self.tell.get_or_init(|| tell.clone());
        // Others change what is remote, and nobody tells us.
        if !self.manner.remote {
            self.watcher.get_or_init(|| Watcher::start(Arc::downgrade(&self), tell));
        }
    }

    fn is_told(&self, id: InodeId) -> bool {
        self.nodes.is_told(id)
    }

    fn is_watched(&self, directory: InodeId) -> bool {
        self.watcher().is_some_and(|watcher| watcher.is_watched(directory))
    }

    fn look(&self, directory: InodeId, name: &[u8]) -> Result<Option<(InodeId, Status)>> {
        let Some(above) = self.directory(directory)? else { return Ok(None) };
        self.watch_directory(directory, &above);
        // Asked first: what changes after that is told.
        let watched = self.is_watched(directory);
        let Some(mut status) = self.manner.status(of(&above), name)? else { return Ok(None) };
        let (identity, kind, links) = (&status.identity, status.kind, status.links);
        let id = self.nodes.note(&Seen { identity, kind, links, parent: directory, name })?;
        status.watched = watched && self.is_told_in(directory, &status);
        self.notice(id, &status);
        Ok(Some((id, status)))
    }

    fn knows(&self, id: InodeId) -> bool {
        self.nodes.knows(id)
    }

    fn status(&self, id: InodeId) -> Result<Option<Status>> {
        if id == InodeId::ROOT {
            return self.manner.status_of_open(of(&self.root)).map(Some);
        }
        Ok(self.find(id)?.map(|(_, _, status)| status))
    }

    fn places(&self, id: InodeId) -> Vec<Place> {
        self.nodes.places(id)
    }

    fn keep_place(&self, id: InodeId) {
        self.nodes.keep_place(id);
    }

    fn list(&self, directory: InodeId, each: &mut dyn FnMut(Listed<'_>)) -> Result<()> {
        let Some(open) = self.directory(directory)? else { return Ok(()) };
        self.watch_directory(directory, &open);
        let device = self.device_of(directory);
        calls::list(&open, &mut |name, inode, kind| {
            let listed = match (self.nodes.number(device, inode), kind) {
                (Some(id), Some(kind)) => Some((id, kind)),
                _ => self.look(directory, name)?.map(|(id, status)| (id, status.kind)),
            };
            if let Some((id, kind)) = listed {
                each(Listed { name, id, kind });
            }
            Ok(())
        })
    }

    fn read_link(&self, id: InodeId) -> Result<Option<Arc<[u8]>>> {
        match self.find(id)? {
            Some((directory, place, status)) if !status.covered => calls::read_link(of(&directory), &place.name),
            _ => Ok(None),
        }
    }

    fn xattrs(&self, id: InodeId, seen: bool) -> Result<Vec<Xattr>> {
        if id == InodeId::ROOT {
            return calls::xattrs(of(&self.root), None);
        }
        // Of several places it is seen at one only.
        if seen && !self.nodes.has_many_places(id) {
            let Some(place) = self.nodes.place(id) else { return Ok(Vec::new()) };
            let Some(directory) = self.directory(place.parent)? else { return Ok(Vec::new()) };
            return calls::xattrs(of(&directory), Some(&place.name));
        }
        match self.find(id)? {
            Some((directory, place, status)) if !status.covered => calls::xattrs(of(&directory), Some(&place.name)),
            _ => Ok(Vec::new()),
        }
    }

    fn read(
        &self,
        id: InodeId,
        offset: u64,
        into: &mut [u8],
        identify: bool,
    ) -> Result<Option<(usize, Option<BaseIdentity>)>> {
        let Some(file) = self.file(id)? else { return Ok(None) };
        let count = calls::read(of(&file), offset, into)?;
        let identity = if identify { Some(self.manner.status_of_open(of(&file))?.identity) } else { None };
        Ok(Some((count, identity)))
    }

    fn host_file(&self, id: InodeId) -> Result<Option<OwnedFd>> {
        let file = self.file(id)?.map(|file| file.try_clone()).transpose();
        file.map_err(|error| Error::Io(format!("the base: a further descriptor: {error}")))
    }

    fn seek(&self, id: InodeId, offset: u64, what: Sought) -> Result<Option<u64>> {
        match self.file(id)? {
            Some(file) => calls::seek(of(&file), offset, what),
            None => Ok(None),
        }
    }
}

/// Descriptors of each of two kinds: the limit, or less where a process may have few.
fn descriptors_allowed() -> usize {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let share = allowed.map_or(limits::BASE_DESCRIPTORS, |allowed| usize::try_from(allowed / 8).unwrap_or(usize::MAX));
    share.min(limits::BASE_DESCRIPTORS)
}

#[cfg(test)]
mod tests;
