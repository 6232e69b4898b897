//! Every operation by path, for programs: the path is resolved from a node (from the root if it begins with `/`) with at
//! most 40 symbolic links, then the operation is the one by node. Nothing is counted: there is nothing to forget.

use std::sync::Arc;

use super::handles::Handle;
use super::view::{View, same_attachment};
use crate::error::{Error, Result};
use crate::meter::Operation;
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::operations::path::{Follow, Parent};
use crate::operations::remove::Removal;
use crate::operations::rename::Place;
use crate::operations::{NewNode, OpenOptions, RenameMode, WriteAt, XattrMode};
use crate::types::{Attr, Caller, FileKind, HandleId, InodeId, NodeId, SetAttr};

/// A path, from a node.
#[derive(Debug, Clone, Copy)]
pub struct PathAt<'a> {
    /// Where a relative path begins.
    pub start: NodeId,
    /// Components separated by `/`; 1 to 32,767 bytes, no NUL.
    pub path: &'a [u8],
    /// Whether a symbolic link in the last component is followed.
    pub follow: Follow,
}

impl<'a> PathAt<'a> {
    /// A path from the root, symbolic links followed.
    #[must_use]
    pub fn root(path: &'a [u8]) -> PathAt<'a> {
        PathAt { start: NodeId::ROOT, path, follow: Follow::Yes }
    }

    /// The same, but a symbolic link in the last component itself is meant.
    #[must_use]
    pub fn no_follow(self) -> PathAt<'a> {
        PathAt { follow: Follow::No, ..self }
    }
}

impl View {
    /// Runs `with` on what the path leads to. When that has gone meanwhile (replaced by a rename, say) the path is walked
    /// anew, so a path that always leads somewhere is always found.
    fn at_path<R>(
        &self,
        caller: &Caller<'_>,
        path: PathAt<'_>,
        with: impl Fn(&Arc<Attachment>, InodeId) -> Result<R>,
    ) -> Result<R> {
        self.with(path.start, |at| {
            loop {
                let inode = at.resolve(caller, path.start.inode(), path.path, path.follow)?;
                match with(at, inode.id) {
                    Err(Error::Stale) => {}
                    answer => return answer,
                }
            }
        })
    }

    fn at_parent<R>(
        &self,
        caller: &Caller<'_>,
        path: PathAt<'_>,
        with: impl FnOnce(&Arc<Attachment>, Parent<'_>) -> Result<R>,
    ) -> Result<R> {
        self.with(path.start, |at| {
            let parent = at.resolve_parent(caller, path.start.inode(), path.path)?;
            gone_is_not_found(with(at, parent))
        })
    }

    /// The attributes of what a path leads to.
    ///
    /// Errors: those of path_resolution(7): [`Error::NotFound`], [`Error::NotADirectory`], [`Error::AccessDenied`], [`Error::TooManySymlinks`], [`Error::NameTooLong`].
    pub fn path_attr(&self, caller: &Caller<'_>, path: PathAt<'_>) -> Result<Attr> {
        let _timed = self.timed(Operation::Attributes);
        self.with(path.start, |at| Ok(at.attr_of(&*at.resolve(caller, path.start.inode(), path.path, path.follow)?)))
    }

    /// As [`View::set_attr`].
    ///
    /// Errors: as there, and of the path.
    pub fn path_set_attr(&self, caller: &Caller<'_>, path: PathAt<'_>, set: &SetAttr) -> Result<Attr> {
        let _timed = self.timed(Operation::SetAttributes);
        self.with_room(|| self.at_path(caller, path, |at, id| at.set_attr(caller, id.into(), set, false)))
    }

    /// The node that a path leads to, counted as one reference.
    ///
    /// Errors: of the path.
    pub fn path_lookup(&self, caller: &Caller<'_>, path: PathAt<'_>) -> Result<super::view::Entry> {
        let _timed = self.timed(Operation::Lookup);
        self.at_path(caller, path, |at, id| {
            if !at.reference(id) {
                return Err(Error::Stale);
            }
            let attr = at.attr(id).inspect_err(|_| at.forget(id, 1))?;
            Ok(super::view::Entry { node: at.node(id), attr })
        })
    }

    /// As [`View::make`], without the reference.
    ///
    /// Errors: as there, and of the path.
    pub fn path_make(&self, caller: &Caller<'_>, path: PathAt<'_>, mode: u32, new: NewNode<'_>) -> Result<Attr> {
        let _timed = self.timed(Operation::Create);
        self.with_room(|| {
            self.at_parent(caller, path, |at, parent| {
                if parent.name.is_empty() {
                    return Err(Error::Exists);
                }
                if !matches!(new, NewNode::Directory) {
                    check_new_name(at, &parent, path)?;
                }
                at.make(caller, parent.id, parent.name, mode, new)
            })
        })
    }

    /// As [`View::unlink`].
    ///
    /// Errors: as there, and of the path.
    pub fn path_unlink(&self, caller: &Caller<'_>, path: PathAt<'_>) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with_room(|| {
            self.at_parent(caller, path, |at, parent| {
                if parent.name.is_empty() {
                    return Err(Error::IsADirectory);
                }
                if path.path.ends_with(b"/") {
                    let found = at.peek(parent.id, parent.name)?.ok_or(Error::NotFound)?;
                    let is_directory = found.kind == FileKind::Directory;
                    return Err(if is_directory { Error::IsADirectory } else { Error::NotADirectory });
                }
                at.remove(caller, parent.id, parent.name, Removal::File)
            })
        })
    }

    /// As [`View::rmdir`].
    ///
    /// Errors: as there, and of the path; [`Error::Busy`] for the root.
    pub fn path_rmdir(&self, caller: &Caller<'_>, path: PathAt<'_>) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with_room(|| {
            self.at_parent(caller, path, |at, parent| {
                if parent.name.is_empty() {
                    return Err(last_is_a_dot(path.path));
                }
                at.remove(caller, parent.id, parent.name, Removal::Directory)
            })
        })
    }

    /// As [`View::link`]: gives what `path` leads to the name `new`.
    ///
    /// Errors: as there, and of both paths; [`Error::CrossesVolumes`] when they begin at nodes of different switches.
    pub fn path_link(&self, caller: &Caller<'_>, path: PathAt<'_>, new: PathAt<'_>) -> Result<Attr> {
        let _timed = self.timed(Operation::Link);
        self.with_room(|| {
            self.with(path.start, |at| {
                same_attachment(self, at, path.start, new.start)?;
                let id = at.resolve(caller, path.start.inode(), path.path, path.follow)?.id;
                let parent = at.resolve_parent(caller, new.start.inode(), new.path)?;
                if parent.name.is_empty() {
                    return Err(Error::Exists);
                }
                gone_is_not_found(check_new_name(at, &parent, new))?;
                gone_is_not_found(at.link(caller, id, parent.id, parent.name))
            })
        })
    }

    /// As [`View::rename`].
    ///
    /// Errors: as there, and of both paths; [`Error::Busy`] for the root.
    pub fn path_rename(&self, caller: &Caller<'_>, from: PathAt<'_>, to: PathAt<'_>, mode: RenameMode) -> Result<()> {
        let _timed = self.timed(Operation::Rename);
        self.with_room(|| {
            self.at_parent(caller, from, |at, old| {
                same_attachment(self, at, from.start, to.start)?;
                let new = at.resolve_parent(caller, to.start.inode(), to.path)?;
                if old.name.is_empty() || new.name.is_empty() {
                    return Err(Error::Busy("the root, `.` and `..` cannot be renamed"));
                }
                let needs_directory = from.path.ends_with(b"/") || to.path.ends_with(b"/");
                let found = at.peek(old.id, old.name)?.ok_or(Error::NotFound)?;
                if needs_directory && found.kind != FileKind::Directory {
                    return Err(Error::NotADirectory);
                }
                let from = Place { parent: old.id, name: old.name };
                at.rename(caller, from, Place { parent: new.id, name: new.name }, mode)
            })
        })
    }

    /// As [`View::read_link`]; the last component is never followed.
    ///
    /// Errors: as there, and of the path.
    pub fn path_read_link(&self, caller: &Caller<'_>, path: PathAt<'_>) -> Result<Arc<[u8]>> {
        let _timed = self.timed(Operation::ReadLink);
        self.at_path(caller, path.no_follow(), |at, id| at.read_link(id))
    }

    /// As [`View::access`].
    ///
    /// Errors: as there, and of the path.
    pub fn path_access(&self, caller: &Caller<'_>, path: PathAt<'_>, want: Mask) -> Result<()> {
        let _timed = self.timed(Operation::Access);
        self.at_path(caller, path, |at, id| at.access(caller, id, want))
    }

    /// As [`View::get_xattr`].
    ///
    /// Errors: as there, and of the path.
    pub fn path_get_xattr(&self, caller: &Caller<'_>, path: PathAt<'_>, name: &[u8]) -> Result<Arc<[u8]>> {
        let _timed = self.timed(Operation::GetXattr);
        self.at_path(caller, path, |at, id| at.get_xattr(caller, id, name))
    }

    /// As [`View::list_xattrs`].
    ///
    /// Errors: as there, and of the path.
    pub fn path_list_xattrs(&self, caller: &Caller<'_>, path: PathAt<'_>) -> Result<Vec<Box<[u8]>>> {
        let _timed = self.timed(Operation::ListXattrs);
        self.at_path(caller, path, |at, id| at.list_xattrs(caller, id))
    }

    /// As [`View::set_xattr`].
    ///
    /// Errors: as there, and of the path.
    pub fn path_set_xattr(
        &self,
        caller: &Caller<'_>,
        path: PathAt<'_>,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
    ) -> Result<()> {
        let _timed = self.timed(Operation::SetXattr);
        self.with_room(|| self.at_path(caller, path, |at, id| at.set_xattr(caller, id, name, value, mode)))
    }

    /// As [`View::remove_xattr`].
    ///
    /// Errors: as there, and of the path.
    pub fn path_remove_xattr(&self, caller: &Caller<'_>, path: PathAt<'_>, name: &[u8]) -> Result<()> {
        let _timed = self.timed(Operation::SetXattr);
        self.with_room(|| self.at_path(caller, path, |at, id| at.remove_xattr(caller, id, name)))
    }

    /// Opens what a path leads to; with `create`, a file is made there with that mode if there is none. A dangling symbolic link in
    /// the last component is followed and its target made, as open(2) does.
    ///
    /// Errors: as [`View::open_node`] and [`View::create`], and of the path.
    pub fn path_open(
        &self,
        caller: &Caller<'_>,
        path: PathAt<'_>,
        options: OpenOptions,
        create: Option<u32>,
    ) -> Result<HandleId> {
        let _timed = self.timed(if create.is_some() { Operation::Create } else { Operation::Open });
        self.with_room(|| {
            let existing = || self.at_path(caller, path, |at, id| self.open_at(at, caller, id, options));
            match (create, options.exclusive) {
                (None, _) => existing(),
                (Some(mode), true) => self.create_named(caller, path, options, mode),
                (Some(mode), false) => {
                    match self.at_path(caller, path, |at, id| self.open_made(at, caller, id, options)) {
                        Err(Error::NotFound) => self.create_through_links(caller, path, options, mode),
                        answer => answer,
                    }
                }
            }
        })
    }

    /// Opens what O_CREAT found: anything but a directory (open(2)).
    fn open_made(
        &self,
        at: &Arc<Attachment>,
        caller: &Caller<'_>,
        id: InodeId,
        options: OpenOptions,
    ) -> Result<HandleId> {
        if at.inode(id)?.read().kind == FileKind::Directory {
            return Err(Error::IsADirectory);
        }
        self.open_at(at, caller, id, options)
    }

    fn create_named(&self, caller: &Caller<'_>, path: PathAt<'_>, options: OpenOptions, mode: u32) -> Result<HandleId> {
        self.at_parent(caller, path, |at, parent| {
            if parent.name.is_empty() || path.path.ends_with(b"/") {
                return Err(Error::IsADirectory);
            }
            Ok(self.create_at(at, caller, parent.id, parent.name, mode, options)?.1)
        })
    }

    fn create_through_links(
        &self,
        caller: &Caller<'_>,
        path: PathAt<'_>,
        options: OpenOptions,
        mode: u32,
    ) -> Result<HandleId> {
        let mut start = path.start;
        let mut here = path.path.to_vec();
        for _ in 0..=crate::limits::SYMLINKS {
            let step = PathAt { start, path: &here, follow: Follow::No };
            if path.follow == Follow::No || here.ends_with(b"/") {
                return self.create_named(caller, step, options, mode);
            }
            // From the directory that this path leads to: the link may have names in others.
            let link = self.at_parent(caller, step, |at, parent| {
                let found = at.peek(parent.id, parent.name)?.filter(|found| found.kind == FileKind::Symlink);
                let target = found.map(|found| at.read_link(found.id)).transpose()?;
                Ok(target.map(|target| (at.node(parent.id), target)))
            })?;
            let Some((above, target)) = link else { return self.create_named(caller, step, options, mode) };
            start = above;
            here = target.to_vec();
        }
        Err(Error::TooManySymlinks)
    }

    /// Opens an inode of an attachment, checking what open(2) checks.
    pub(super) fn open_at(
        &self,
        at: &Arc<Attachment>,
        caller: &Caller<'_>,
        id: InodeId,
        options: OpenOptions,
    ) -> Result<HandleId> {
        at.check_open(caller, id, options)?;
        at.hold(id)?;
        let handle = Handle::of_held(at.clone(), id, options);
        if options.truncate {
            at.set_attr(caller, id.into(), &SetAttr { size: Some(0), ..SetAttr::default() }, true)?;
        }
        self.handles.insert(handle)
    }

    /// Makes a file and opens it, or opens the one that is there.
    pub(super) fn create_at(
        &self,
        at: &Arc<Attachment>,
        caller: &Caller<'_>,
        parent: InodeId,
        name: &[u8],
        mode: u32,
        options: OpenOptions,
    ) -> Result<(Attr, HandleId)> {
        loop {
            let made = at.make_held(caller, parent, name, mode, NewNode::File, |id| at.hold(id));
            match made {
                Ok(attr) => {
                    let handle = Handle::of_held(at.clone(), attr.inode, options);
                    return Ok((attr, self.handles.insert(handle)?));
                }
                Err(Error::Exists) if !options.exclusive => {}
                Err(error) => return Err(error),
            }
            let Some(found) = at.peek(parent, name)? else { continue };
            match self.open_made(at, caller, found.id, options) {
                Err(Error::Stale) => {}
                Ok(handle) => match at.attr(found.id) {
                    Ok(attr) => return Ok((attr, handle)),
                    // The base has lost it meanwhile, and nobody is told of the handle.
                    Err(gone) => {
                        drop(self.handles.remove(handle));
                        if gone != Error::Stale {
                            return Err(gone);
                        }
                    }
                },
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a whole file's worth at a path: made if it is not there, emptied if it is. For programs and tests.
    ///
    /// Errors: as [`View::path_open`] and [`View::write`].
    pub fn path_write(&self, caller: &Caller<'_>, path: PathAt<'_>, data: &[u8]) -> Result<()> {
        let options = OpenOptions { write: true, truncate: true, ..OpenOptions::default() };
        let handle = self.path_open(caller, path, options, Some(0o666))?;
        let mut done = 0;
        let answer = loop {
            match self.write(caller, NodeId::ROOT, Some(handle), WriteAt::Offset(done as u64), &data[done..]) {
                Ok(count) if done + count < data.len() && count > 0 => done += count,
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.release(handle)?;
        answer
    }

    /// Reads a whole file at a path. For programs and tests.
    ///
    /// Errors: as [`View::path_open`] and [`View::read`]; [`Error::FileTooLarge`] when memory has no room for it.
    pub fn path_read(&self, caller: &Caller<'_>, path: PathAt<'_>) -> Result<Vec<u8>> {
        let handle = self.path_open(caller, path, OpenOptions { read: true, ..OpenOptions::default() }, None)?;
        let size = self.handles.get(handle).and_then(|handle| handle.at.attr(handle.id)).map_or(0, |attr| attr.size);
        let mut data = Vec::new();
        // Holes cost the file nothing, but would cost the reader.
        let room = usize::try_from(size).is_ok_and(|size| data.try_reserve_exact(size).is_ok());
        let read = if room {
            data.resize(size as usize, 0);
            self.read(caller, NodeId::ROOT, Some(handle), 0, &mut data)
        } else {
            Err(Error::FileTooLarge)
        };
        self.release(handle)?;
        data.truncate(read?);
        Ok(data)
    }
}

/// A path that ends in `/` names no new file: as open(2), mknod(2) and link(2) answer.
fn check_new_name(at: &Attachment, parent: &Parent<'_>, path: PathAt<'_>) -> Result<()> {
    if !path.path.ends_with(b"/") {
        return Ok(());
    }
    let there = at.peek(parent.id, parent.name)?.is_some();
    Err(if there { Error::Exists } else { Error::NotFound })
}

/// By path there are no stale nodes: what went away while the path was walked is not found.
fn gone_is_not_found<R>(answer: Result<R>) -> Result<R> {
    answer.map_err(|error| if error == Error::Stale { Error::NotFound } else { error })
}

fn last_is_a_dot(path: &[u8]) -> Error {
    match path.strip_suffix(b"/").unwrap_or(path) {
        path if path.ends_with(b"..") => Error::NotEmpty,
        path if path.ends_with(b".") => Error::Invalid("rmdir: the last component is `.`"),
        _ => Error::Busy("the root cannot be removed"),
    }
}
