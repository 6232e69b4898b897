//! Opens the Windows way, and what their handles can do besides reading and writing.
//!
//! Paths are resolved as others are; what is missing on the way is told from what is missing at its end. On a volume with Windows names `\`
//! separates names as `/` does, and what follows a colon is the name of a stream.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::handles::{Handle, WindowsHandle};
use super::view::View;
use crate::error::{Error, Result};
use crate::history::head::Head;
use crate::limits;
use crate::meter::Operation;
use crate::operations::attachment::Attachment;
use crate::operations::granted;
use crate::operations::lock_table::{LockSpace, WaitId};
use crate::operations::path::Parent;
use crate::operations::rename::Place;
use crate::operations::windows::create_options as options;
use crate::operations::windows::disposition::{Disposition, Outcome};
use crate::operations::windows::ranges::Range;
use crate::operations::windows::rights;
use crate::operations::windows_delete::Disposal;
use crate::operations::windows_locks::HandleLocks;
use crate::operations::windows_open::{Target, WindowsOpen, gone_on_the_way};
use crate::operations::windows_rename::Renaming;
use crate::tree::name::{NamePolicy, windows_path, wtf8};
use crate::types::{Attr, Caller, FileKind, HandleId, InodeId, NodeId, Privileges, StreamId};

/// Where a path begins.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// At a node; a path that begins with a separator begins at the root.
    Node(NodeId),
    /// At what a handle has open: a directory, or anything with an empty path, which opens it once more.
    Handle(HandleId),
}

/// A handle opened the Windows way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowsOpened {
    /// The handle, to be closed with [`View::release`].
    pub handle: HandleId,
    /// What the open did.
    pub outcome: Outcome,
    /// Rights that were granted.
    pub granted: u32,
    /// The node. It is not counted as a reference.
    pub node: NodeId,
    /// Its attributes.
    pub attr: Attr,
}

/// Where a new name is.
#[derive(Debug, Clone, Copy)]
pub struct RenameTo<'a> {
    /// Where the path begins; `None`: in the directory that what is renamed is in, or at the root if it begins with a separator.
    pub from: Option<From>,
    /// The new name, with the directories before it.
    pub path: &'a [u8],
}

/// What a handle opened the Windows way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowsInfo {
    /// Rights that were granted.
    pub granted: u32,
    /// What it has open is to be deleted, or is.
    pub delete_pending: bool,
    /// It deletes what it has open when it ends.
    pub delete_on_close: bool,
    /// The node.
    pub node: NodeId,
}

impl View {
    /// Opens or makes a file or directory as Windows does.
    ///
    /// Errors: [`Error::NotFound`] for the last component and [`Error::PathNotFound`] for those before, [`Error::Exists`], [`Error::IsADirectory`],
    /// [`Error::NotADirectory`], [`Error::AccessDenied`], [`Error::PrivilegeNotHeld`], [`Error::SharingViolation`], [`Error::DeletePending`], [`Error::CannotDelete`],
    /// [`Error::UserMapped`], [`Error::ReadOnly`], [`Error::NotPermitted`] by flags, [`Error::Invalid`] for options that exclude each other,
    /// [`Error::NotSupported`] for an open by number, [`Error::Limit`], name errors.
    pub fn windows_open(
        &self,
        caller: &Caller<'_>,
        from: From,
        path: &[u8],
        open: &WindowsOpen<'_>,
    ) -> Result<WindowsOpened> {
        let _timed = self.timed(Operation::Open);
        let work = || match from {
            From::Node(node) => self.with(node, |at| self.windows_open_at(at, caller, node.inode(), None, path, open)),
            From::Handle(handle) => {
                let handle = self.handles.get(handle)?;
                if is_separated(self.policy(), path) {
                    return Err(Error::BadName("a path from a handle begins with a separator"));
                }
                self.windows_open_at(&handle.at, caller, handle.id, Some(&handle), path, open)
            }
        };
        // A file made for a stream is made only where there is room for both: who finds none has made nothing. What is there needs none.
        self.with_room(work)
    }

    fn windows_open_at(
        &self,
        at: &Arc<Attachment>,
        caller: &Caller<'_>,
        start: InodeId,
        within: Option<&Handle>,
        path: &[u8],
        open: &WindowsOpen<'_>,
    ) -> Result<WindowsOpened> {
        let head = at.tree.head().cloned();
        let _names = head.as_ref().map(|head| head.opens.hold_names());
        let (path, stream) = split(self.policy(), path)?;
        let in_path = WindowsOpen { stream: stream.as_deref().unwrap_or(open.stream), ..*open };
        let open = &in_path;
        let opened = match &path[..] {
            b"" => {
                let opening = within.and_then(|handle| handle.windows.as_ref()).map(|windows| windows.opening());
                at.windows_open(caller, Target::Inode(start, opening.transpose()?.flatten().copied()), open)
            }
            path => open_path(at, caller, start, path, open),
        }?;
        let kind = if opened.stream == StreamId::DEFAULT { opened.kind } else { FileKind::File };
        let options = granted::open_options(opened.granted, kind);
        let delete_on_close = open.options & options::DELETE_ON_CLOSE != 0;
        let owner = head.as_ref().map_or(0, |head| head.opens.new_owner());
        let locks_on = opened.opening.map_or(opened.inode, |opening| opening.locks_on);
        let locks = HandleLocks::new(locks_on, owner, self.volume.context.store.ledger());
        let windows = WindowsHandle::new(opened.granted, opened.opening, delete_on_close, locks);
        let mut handle = Handle::of_held(at.clone(), opened.inode, options).on(opened.stream);
        handle.windows = Some(Box::new(windows));
        let attr = at.inode(opened.inode)?.read().attr_of(opened.inode, opened.stream);
        Ok(WindowsOpened {
            handle: self.handles.insert(handle)?,
            outcome: opened.outcome,
            granted: opened.granted,
            node: at.node(opened.inode),
            attr,
        })
    }

    fn policy(&self) -> NamePolicy {
        self.volume.context.names.policy()
    }

    /// Empties what a handle has open, as an open that overwrites or supersedes does: for hosts whose framework asks for that by itself after opening.
    /// Of the request attributes, extended attributes, allocation and whether its disposition supersedes count. The handle needs WRITE_DATA, to
    /// supersede DELETE, unless the caller has [`Privileges::CHECKED`].
    ///
    /// Errors: [`Error::AccessDenied`], also for a hidden or system file without these attributes, [`Error::IsADirectory`], [`Error::BadEaList`], [`Error::BadEaName`],
    /// [`Error::NoSpace`], [`Error::ReadOnly`], [`Error::NotPermitted`] by flags, [`Error::BadHandle`], [`Error::Invalid`] for a handle of another kind.
    pub fn windows_overwrite(&self, caller: &Caller<'_>, handle: HandleId, how: &WindowsOpen<'_>) -> Result<()> {
        let _timed = self.timed(Operation::SetAttributes);
        self.with_room(|| {
            let handle = self.handles.get(handle)?;
            let opening = *handle.windows()?.changing()?;
            let supersede = how.disposition == Disposition::Supersede;
            if !caller.may(Privileges::CHECKED) {
                handle.require(if supersede { rights::DELETE } else { rights::WRITE_DATA })?;
            }
            match opening.stream {
                None => handle.at.overwrite(caller, handle.id, how, supersede),
                Some(_) => handle.at.empty_stream(caller, handle.target()),
            }
        })
    }

    /// Marks what the handle has open for deletion, or clears the mark; or sets whether the handle deletes it when it ends. The handle needs
    /// DELETE.
    ///
    /// Errors: [`Error::CannotDelete`] for the root and for what is read-only or mapped, [`Error::NotEmpty`], [`Error::Deleted`] for what has been deleted,
    /// [`Error::AccessDenied`], [`Error::NotPermitted`] by flags, [`Error::ReadOnly`], [`Error::BadHandle`].
    pub fn windows_dispose(&self, handle: HandleId, how: Disposal) -> Result<()> {
        let _timed = self.timed(Operation::Remove);
        self.with_room(|| {
            let handle = self.handles.get(handle)?;
            let windows = handle.windows()?;
            handle.require(rights::DELETE)?;
            handle.at.windows_dispose(windows.changing()?, how)?;
            if how.on_close {
                windows.delete_on_close.store(how.delete, Ordering::Relaxed);
            }
            windows.posix_delete.store(how.delete && how.posix, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Gives what the handle has open another name: in the directory it is in, or, where `from` and the path lead to another. The handle needs DELETE.
    ///
    /// Errors: [`Error::Exists`], [`Error::AccessDenied`] for what may not be renamed or replaced, [`Error::SharingViolation`] with POSIX semantics,
    /// [`Error::DeletePending`] in a directory that is to be deleted, [`Error::Invalid`] for the root, [`Error::NotEmpty`], [`Error::IntoItself`],
    /// [`Error::PathNotFound`], [`Error::CrossesVolumes`], [`Error::ReadOnly`], [`Error::NotPermitted`] by flags, name errors.
    pub fn windows_rename(&self, caller: &Caller<'_>, handle: HandleId, to: RenameTo<'_>, how: Renaming) -> Result<()> {
        let _timed = self.timed(Operation::Rename);
        self.with_room(|| {
            let handle = self.handles.get(handle)?;
            let opening = *handle.windows()?.changing()?;
            handle.require(rights::DELETE)?;
            if opening.stream.is_some() || to.path.starts_with(b":") {
                return rename_stream(caller, &handle, to, how.replace);
            }
            self.at_new_name(caller, &handle, to, |at, place| at.windows_rename(caller, &opening, place, how))
        })
    }

    /// Gives what the handle has open a further name.
    ///
    /// Errors: as [`View::windows_rename`]; [`Error::IsADirectory`] for a directory, [`Error::TooManyLinks`].
    pub fn windows_link(&self, caller: &Caller<'_>, handle: HandleId, to: RenameTo<'_>, how: Renaming) -> Result<()> {
        let _timed = self.timed(Operation::Link);
        self.with_room(|| {
            let handle = self.handles.get(handle)?;
            let opening = *handle.windows()?.changing()?;
            if opening.stream.is_some() {
                return Err(Error::Invalid("a stream has one name"));
            }
            self.at_new_name(caller, &handle, to, |at, place| at.windows_link(caller, &opening, place, how))
        })
    }

    fn at_new_name(
        &self,
        caller: &Caller<'_>,
        handle: &Handle,
        to: RenameTo<'_>,
        with: impl Fn(&Arc<Attachment>, Place<'_>) -> Result<()>,
    ) -> Result<()> {
        let policy = self.policy();
        let at = &handle.at;
        let start = match to.from {
            None if is_separated(policy, to.path) => InodeId::ROOT,
            None => at.parent_of(handle.id)?,
            Some(From::Node(node)) => self.with(node, |of| same(at, of).map(|()| node.inode()))?,
            Some(From::Handle(within)) => {
                let within = self.handles.get(within)?;
                same(at, &within.at)?;
                within.id
            }
        };
        let path = separators(policy, to.path);
        // NTFS takes a separator at the end of the new name, whatever is renamed.
        let parent = at.resolve_parent(caller, start, &path).map_err(missing_on_the_way)?;
        if parent.name.is_empty() {
            return Err(Error::AccessDenied);
        }
        with(at, Place { parent: parent.id, name: parent.name })
    }

    /// Locks a range of bytes for the handle, at once or not at all. The handle needs READ_DATA or WRITE_DATA.
    ///
    /// Errors: [`Error::WouldBlock`] when another owner, or the handle itself, is in the way, [`Error::Invalid`] for a directory or a range that ends
    /// beyond 2^64-1, [`Error::AccessDenied`], [`Error::Limit`], [`Error::BadHandle`], [`Error::NotSupported`] on a snapshot.
    pub fn windows_lock(&self, handle: HandleId, start: u64, length: u64, exclusive: bool, pid: u32) -> Result<()> {
        let _timed = self.timed(Operation::Lock);
        let range = self.range_with_room(handle, start, length, exclusive)?;
        self.locking_range(handle, |handle, head| handle.windows()?.locks.lock(&head.locks, range, pid))
    }

    /// As [`View::windows_lock`], but waits: `None`: it is taken; else `done` is called once, by another thread, when it is or when the handle ended.
    ///
    /// Errors: as there, but [`Error::WouldBlock`] only for what the handle itself stands in the way of, which a wait of it does for every range that
    /// overlaps; [`Error::Deadlock`].
    pub fn windows_wait_lock(
        &self,
        handle: HandleId,
        start: u64,
        length: u64,
        exclusive: bool,
        done: Box<dyn FnOnce(Result<()>) + Send>,
    ) -> Result<Option<WaitId>> {
        let _timed = self.timed(Operation::Lock);
        let range = self.range_with_room(handle, start, length, exclusive)?;
        self.locking_range(handle, |handle, head| {
            let locks = &handle.windows()?.locks;
            let Some((reservation, lock)) = locks.reserve(range)? else {
                return locks.lock(&head.locks, range, 0).map(|()| None);
            };
            let of = Arc::downgrade(handle);
            let told = Box::new(move |result: Result<()>| {
                let handle = of.upgrade();
                let windows = handle.iter().filter_map(|handle| handle.windows.as_ref());
                windows.for_each(|windows| windows.locks.settle(reservation, result.is_ok()));
                done(result);
            });
            let wait = head.locks.wait(locks.on(), LockSpace::Range, locks.owner(), lock, told);
            if !matches!(wait, Ok(Some(_))) {
                locks.settle(reservation, wait.is_ok());
            }
            wait
        })
    }

    /// Cancels a wait of [`View::windows_wait_lock`]; false when it is over already.
    #[must_use]
    pub fn windows_cancel_wait(&self, handle: HandleId, wait: WaitId) -> bool {
        self.locking_range(handle, |_, head| Ok(head.locks.cancel(wait))).unwrap_or(false)
    }

    /// Gives up a range that the handle locked: exactly as it was locked, exclusive before shared.
    ///
    /// Errors: [`Error::RangeNotLocked`], [`Error::BadHandle`], [`Error::NotSupported`] on a snapshot.
    pub fn windows_unlock(&self, handle: HandleId, start: u64, length: u64) -> Result<()> {
        let _timed = self.timed(Operation::Lock);
        self.locking_range(handle, |handle, head| handle.windows()?.locks.unlock(&head.locks, start, length))
    }

    /// Gives up all that the handle locked, and ends its waits.
    ///
    /// Errors: [`Error::BadHandle`], [`Error::NotSupported`] on a snapshot.
    pub fn windows_unlock_all(&self, handle: HandleId) -> Result<()> {
        let _timed = self.timed(Operation::Lock);
        self.locking_range(handle, |handle, head| {
            handle.windows()?.locks.unlock_all(&head.locks);
            Ok(())
        })
    }

    /// The range, if it is one that can be locked and there is memory for that, which may be waited for.
    fn range_with_room(&self, handle: HandleId, start: u64, length: u64, exclusive: bool) -> Result<Range> {
        let range = self.locking_range(handle, |_, _| Range::new(start, length, exclusive))?;
        self.with_room_for_lock(|| self.volume.context.store.admit())?;
        Ok(range)
    }

    fn locking_range<R>(&self, handle: HandleId, with: impl FnOnce(&Arc<Handle>, &Head) -> Result<R>) -> Result<R> {
        let handle = self.handles.get(handle)?;
        let windows = handle.windows()?;
        windows.opening()?;
        let head = handle.at.tree.head().ok_or(Error::NotSupported)?;
        if handle.stream == StreamId::DEFAULT && handle.at.inode(handle.id)?.read().is_directory() {
            return Err(Error::Invalid("a directory has no bytes to lock"));
        }
        if windows.granted & (rights::READ_DATA | rights::WRITE_DATA) == 0 {
            return Err(Error::AccessDenied);
        }
        let done = with(&handle, head);
        // Another thread may have cleaned up the handle meanwhile: nobody else would give up what was locked since.
        windows.opening().inspect_err(|_| windows.locks.unlock_all(&head.locks))?;
        done
    }

    /// What a handle is.
    ///
    /// Errors: [`Error::BadHandle`], [`Error::Invalid`] for one that was not opened the Windows way.
    pub fn windows_info(&self, handle: HandleId) -> Result<WindowsInfo> {
        let handle = self.handles.get(handle)?;
        let windows = handle.windows()?;
        let opening = windows.opening().unwrap_or_default();
        let pending = opening.map_or(Ok(false), |opening| handle.at.is_deleted(opening))?;
        Ok(WindowsInfo {
            granted: windows.granted,
            delete_pending: pending,
            delete_on_close: windows.delete_on_close.load(Ordering::Relaxed),
            node: handle.at.node(handle.id),
        })
    }

    /// Ends a handle's part in sharing, its locks, and what is to be deleted with it, as IRP_MJ_CLEANUP does; content can be read and written by it until
    /// [`View::release`], which does the same if nobody did.
    ///
    /// Errors: [`Error::BadHandle`].
    pub fn windows_clean_up(&self, handle: HandleId) -> Result<()> {
        let _timed = self.timed(Operation::Close);
        self.handles.get(handle).map(|handle| handle.clean_up())
    }
}

/// What is renamed or linked stays in its tree.
fn same(at: &Arc<Attachment>, other: &Arc<Attachment>) -> Result<()> {
    if Arc::ptr_eq(at, other) { Ok(()) } else { Err(Error::CrossesVolumes) }
}

fn is_separator(policy: NamePolicy, byte: u8) -> bool {
    byte == b'/' || byte == b'\\' && policy == NamePolicy::Windows
}

fn is_separated(policy: NamePolicy, path: &[u8]) -> bool {
    path.first().is_some_and(|&byte| is_separator(policy, byte))
}

/// A path, and the name of a stream of what it leads to.
type Split<'a> = (Cow<'a, [u8]>, Option<Vec<u8>>);

/// A path with `/` between its names, and the name of the stream in it, if it says one. On a volume with Windows names only; elsewhere a
/// colon is a character of a name.
fn split(policy: NamePolicy, path: &[u8]) -> Result<Split<'_>> {
    if policy != NamePolicy::Windows || !path.iter().any(|byte| matches!(byte, b'\\' | b':')) {
        return Ok((Cow::Borrowed(path), None));
    }
    let backslashes: Vec<u8> = path.iter().map(|&byte| if byte == b'/' { b'\\' } else { byte }).collect();
    let parts = windows_path::from_utf16(&wtf8::to_utf16(&backslashes)?)?;
    Ok((Cow::Owned(parts.path), path.contains(&b':').then_some(parts.stream)))
}

/// A stream gets another name in its file: `:name` or `:name:$DATA`. Its file's own content has none to change.
fn rename_stream(caller: &Caller<'_>, handle: &Handle, to: RenameTo<'_>, replace: bool) -> Result<()> {
    let (path, new) = split(NamePolicy::Windows, to.path)?;
    let new = new.filter(|new| path.is_empty() && !new.is_empty() && to.from.is_none());
    match new {
        Some(new) if handle.stream != StreamId::DEFAULT => {
            let name = handle.at.stream_name(handle.id, handle.stream)?;
            // The handle was granted it.
            let checked = Caller { privileges: caller.privileges.with(Privileges::CHECKED), ..*caller };
            handle.at.rename_stream(&checked, handle.id, &name, &new, replace)
        }
        _ => Err(Error::Invalid("a stream is renamed within its file, to a name after a colon")),
    }
}

/// The path with `/` between its names.
fn separators(policy: NamePolicy, path: &[u8]) -> Cow<'_, [u8]> {
    if policy != NamePolicy::Windows || !path.contains(&b'\\') {
        return Cow::Borrowed(path);
    }
    path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect()
}

fn open_path(
    at: &Arc<Attachment>,
    caller: &Caller<'_>,
    mut start: InodeId,
    path: &[u8],
    open: &WindowsOpen<'_>,
) -> Result<crate::operations::windows_open::WindowsOpened> {
    let mut here = Cow::Borrowed(path);
    for _ in 0..=limits::SYMLINKS {
        let parent = at.resolve_parent(caller, start, &here).map_err(missing_on_the_way)?;
        if parent.name.is_empty() {
            return at.windows_open(caller, Target::Inode(parent.id, None), open);
        }
        let Some(target) = link_at_end(at, &parent, &here, open).map_err(gone_on_the_way)? else {
            check_trailing(at, &parent, &here, open).map_err(gone_on_the_way)?;
            return at.windows_open(caller, Target::Name(parent.id, parent.name), open);
        };
        start = parent.id;
        here = Cow::Owned(target);
    }
    Err(Error::TooManySymlinks)
}

/// The target of the link that a path ends in, if it is to be followed.
fn link_at_end(
    at: &Arc<Attachment>,
    parent: &Parent<'_>,
    path: &[u8],
    open: &WindowsOpen<'_>,
) -> Result<Option<Vec<u8>>> {
    if open.options & options::OPEN_REPARSE_POINT != 0 && !path.ends_with(b"/") {
        return Ok(None);
    }
    match at.peek(parent.id, parent.name)? {
        Some(found) if found.kind == FileKind::Symlink => Ok(Some(at.read_link(found.id)?.to_vec())),
        _ => Ok(None),
    }
}

/// A path that ends in a separator means a directory (\[MS-FSA\] 2.1.5.1, "PathName contains a trailing backslash").
fn check_trailing(at: &Arc<Attachment>, parent: &Parent<'_>, path: &[u8], open: &WindowsOpen<'_>) -> Result<()> {
    if !path.ends_with(b"/") {
        return Ok(());
    }
    let file_there = at.peek(parent.id, parent.name)?.is_some_and(|found| found.kind != FileKind::Directory);
    if file_there || open.options & options::DIRECTORY_FILE == 0 && open.options & options::NON_DIRECTORY_FILE != 0 {
        return Err(Error::BadName("a path that ends in a separator means a directory"));
    }
    Ok(())
}

/// What is missing, or no directory, before the last component (the reference, section 2).
fn missing_on_the_way(error: Error) -> Error {
    match error {
        Error::NotFound | Error::NotADirectory | Error::Stale => Error::PathNotFound,
        other => other,
    }
}
