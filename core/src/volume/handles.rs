//! The open handles of a view.
//!
//! A handle opened the Windows way knows besides what it was granted, and what it has in the branch's table of opens. It ends once:
//! by [`Handle::clean_up`], or when it is dropped.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::operations::OpenOptions;
use crate::operations::attachment::Attachment;
use crate::operations::open_table::Opening;
use crate::operations::streams::Target;
use crate::operations::windows_locks::HandleLocks;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::types::{Attr, Caller, HandleId, HeldTimes, InodeId, Privileges, SetAttr, StreamId};

/// An open stream or directory.
pub(crate) struct Handle {
    pub(crate) at: Arc<Attachment>,
    pub(crate) id: InodeId,
    /// Which stream of the inode.
    pub(crate) stream: StreamId,
    pub(crate) options: OpenOptions,
    /// What a handle opened the Windows way is besides.
    pub(crate) windows: Option<Box<WindowsHandle>>,
    /// Times that operations through it leave alone: [`HeldTimes`].
    held: AtomicU8,
}

/// What only handles opened the Windows way have.
pub(crate) struct WindowsHandle {
    /// Rights that were granted, generic ones mapped.
    pub(crate) granted: u32,
    /// None on a snapshot.
    opening: Option<Opening>,
    /// The file, or stream, goes when the handle ends.
    pub(crate) delete_on_close: AtomicBool,
    /// If it is to go, its name goes when this handle ends.
    pub(crate) posix_delete: AtomicBool,
    pub(crate) locks: HandleLocks,
    /// It has ended: content can still be read and written.
    ended: AtomicBool,
}

impl WindowsHandle {
    pub(crate) fn new(
        granted: u32,
        opening: Option<Opening>,
        delete_on_close: bool,
        locks: HandleLocks,
    ) -> WindowsHandle {
        WindowsHandle {
            granted,
            opening,
            delete_on_close: AtomicBool::new(delete_on_close),
            posix_delete: AtomicBool::new(false),
            locks,
            ended: AtomicBool::new(false),
        }
    }

    /// What it has in the table of opens; on a snapshot nothing.
    pub(crate) fn opening(&self) -> Result<Option<&Opening>> {
        if self.ended.load(Ordering::Acquire) { Err(Error::BadHandle) } else { Ok(self.opening.as_ref()) }
    }

    /// As [`WindowsHandle::opening`], for what cannot be done on a snapshot.
    pub(crate) fn changing(&self) -> Result<&Opening> {
        self.opening()?.ok_or(Error::ReadOnly)
    }
}

/// The bytes that an operation touches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span {
    /// None: entries, say.
    None,
    /// So many from this one.
    At(u64, u64),
    /// So many at the end.
    End(u64),
}

impl WindowsHandle {
    /// Whether the handle may read or write there: what others have locked it may not.
    pub(crate) fn check_span(&self, handle: &Handle, span: Span, writes: bool) -> Result<()> {
        match span {
            Span::None => Ok(()),
            Span::At(offset, length) => self.locks.check(&handle.at, offset, length, writes),
            Span::End(length) => self.locks.check(
                &handle.at,
                handle.at.inode(handle.id)?.read().attr_of(handle.id, handle.stream).size,
                length,
                writes,
            ),
        }
    }

    /// Sets attributes as the rights of the handle allow, whoever the caller is.
    pub(crate) fn set_attr(&self, caller: &Caller<'_>, handle: &Handle, set: &SetAttr) -> Result<Attr> {
        handle.require(set.rights())?;
        let checked = Caller { privileges: caller.privileges.with(Privileges::CHECKED), ..*caller };
        handle.at.set_attr(&checked, handle.target(), set, true)
    }
}

impl Handle {
    /// The handle for an inode that the attachment holds already.
    pub(crate) fn of_held(at: Arc<Attachment>, id: InodeId, options: OpenOptions) -> Handle {
        Handle { at, id, stream: StreamId::DEFAULT, options, windows: None, held: AtomicU8::new(0) }
    }

    /// The same handle on a named stream, which is counted as open already ([`Attachment::open_stream`]).
    pub(crate) fn on(mut self, stream: StreamId) -> Handle {
        self.stream = stream;
        self
    }

    /// What it reads and writes.
    #[inline]
    pub(crate) fn target(&self) -> Target {
        Target { id: self.id, stream: self.stream, held: HeldTimes(self.held.load(Ordering::Relaxed)) }
    }

    /// From now on operations leave the times in `hold` alone, and those in `release` no more.
    pub(crate) fn hold_times(&self, hold: HeldTimes, release: HeldTimes) {
        self.held.fetch_or(hold.0, Ordering::Relaxed);
        self.held.fetch_and(!release.0, Ordering::Relaxed);
    }

    /// What only a handle opened the Windows way can do.
    pub(crate) fn windows(&self) -> Result<&WindowsHandle> {
        self.windows.as_deref().ok_or(Error::Invalid("the handle was not opened the Windows way"))
    }

    /// Whether the handle was granted all of these rights; one that was not opened the Windows way has no rights to ask for.
    pub(crate) fn require(&self, rights: u32) -> Result<()> {
        match &self.windows {
            Some(windows) if windows.granted & rights != rights => Err(Error::AccessDenied),
            _ => Ok(()),
        }
    }

    /// Ends what the handle excludes and locks, and deletes what it was the last to hold. It can be read and written until it is closed.
    pub(crate) fn clean_up(&self) {
        let Some(windows) = &self.windows else { return };
        if windows.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(opening) = &windows.opening else { return };
        let delete = windows.delete_on_close.load(Ordering::Relaxed);
        let posix = windows.posix_delete.load(Ordering::Relaxed);
        if let Some(head) = self.at.tree.head() {
            windows.locks.unlock_all(&head.locks);
        }
        self.at.windows_close(opening, delete, posix);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.clean_up();
        if self.stream != StreamId::DEFAULT {
            self.at.close_stream(self.target());
        }
        self.at.unhold(self.id);
    }
}

const SHARDS: usize = 16;

pub(crate) struct Handles {
    shards: [RwLock<HashMap<HandleId, Arc<Handle>>>; SHARDS],
    next: AtomicU64,
    open: AtomicU64,
}

impl Default for Handles {
    fn default() -> Handles {
        Handles { shards: Default::default(), next: AtomicU64::new(1), open: AtomicU64::new(0) }
    }
}

impl Handles {
    fn shard(&self, id: HandleId) -> &RwLock<HashMap<HandleId, Arc<Handle>>> {
        &self.shards[(id.0 % SHARDS as u64) as usize]
    }

    pub(crate) fn insert(&self, handle: Handle) -> Result<HandleId> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= crate::limits::HANDLES as u64 {
            self.open.fetch_sub(1, Ordering::Relaxed);
            // An open that failed deletes nothing.
            handle.windows.iter().for_each(|windows| windows.delete_on_close.store(false, Ordering::Relaxed));
            return Err(Error::Limit("open handles of one view: 16,777,216"));
        }
        let id = HandleId(self.next.fetch_add(1, Ordering::Relaxed));
        self.shard(id).write().insert(id, Arc::new(handle));
        Ok(id)
    }

    /// Every open handle.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.shards.iter().flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>()).collect()
    }

    pub(crate) fn get(&self, id: HandleId) -> Result<Arc<Handle>> {
        self.shard(id).read().get(&id).cloned().ok_or(Error::BadHandle)
    }

    pub(crate) fn remove(&self, id: HandleId) -> Result<Arc<Handle>> {
        let handle = self.shard(id).write().remove(&id).ok_or(Error::BadHandle)?;
        self.open.fetch_sub(1, Ordering::Relaxed);
        Ok(handle)
    }
}
