//! Advisory locks.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::boundary::*;
use super::results::{FS_CANCELLED, FS_OK, fs_result};
use super::types::*;
use super::view::fs_view;
use crate::error::{Error, tables};
use crate::operations::{Conflict, Lock, LockKind, LockSpace, WaitId};
use crate::types::NodeId;

/// Locks of byte ranges, as fcntl(2) has them.
pub const FS_LOCK_RANGE: u32 = 1;
/// Locks of whole files, as flock(2) has them. The two kinds know nothing of each other.
pub const FS_LOCK_WHOLE: u32 = 2;

/// No lock.
pub const FS_LOCK_NONE: u32 = 0;
/// A lock shared with other readers.
pub const FS_LOCK_READ: u32 = 1;
/// An exclusive lock.
pub const FS_LOCK_WRITE: u32 = 2;

/// A lock, asked for or held.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_lock {
    /// `sizeof(fs_lock)`.
    pub size: u32,
    /// `FS_LOCK_RANGE` or `FS_LOCK_WHOLE`.
    pub space: u32,
    /// `FS_LOCK_READ` or `FS_LOCK_WRITE`.
    pub kind: u32,
    /// The process that asks, for reports.
    pub pid: u32,
    /// Whose it is: a number that the host chooses.
    pub owner: u64,
    /// First byte.
    pub start: u64,
    /// Last byte; UINT64_MAX: all to come.
    pub end: u64,
    /// 0.
    pub reserved: [u64; 2],
}

/// A wait for a lock, to cancel it by. Filled in by `fs_lock_wait`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_wait {
    /// `sizeof(fs_wait)`.
    pub size: u32,
    /// Kind of lock.
    pub space: u32,
    /// The node.
    pub node: fs_node,
    /// Its number; 0: there is no wait, the lock was taken at once.
    pub number: u64,
    /// 0.
    pub reserved: [u64; 2],
}

/// Is told once how a wait ended: `FS_OK`: the lock is taken; `FS_CANCELLED`; `FS_DEADLOCK`.
pub type fs_lock_callback = Option<unsafe extern "C" fn(context: *mut c_void, result: fs_result)>;

fn space_in(space: u32) -> Outcome<LockSpace> {
    match space {
        FS_LOCK_RANGE => Ok(LockSpace::Range),
        FS_LOCK_WHOLE => Ok(LockSpace::Whole),
        _ => Err(Error::Invalid("a kind of lock that this version does not know").into()),
    }
}

impl fs_lock {
    fn to_core(self) -> Outcome<(LockSpace, Lock)> {
        let kind = match self.kind {
            FS_LOCK_READ => LockKind::Read,
            FS_LOCK_WRITE => LockKind::Write,
            _ => return Err(Error::Invalid("a lock is for reading or writing").into()),
        };
        Ok((space_in(self.space)?, Lock { kind, start: self.start, end: self.end, pid: self.pid }))
    }

    /// What stands in the way, or `FS_LOCK_NONE`.
    fn of(space: u32, conflict: Option<Conflict>) -> fs_lock {
        let size = size_of::<fs_lock>() as u32;
        let none = fs_lock { size, space, kind: FS_LOCK_NONE, pid: 0, owner: 0, start: 0, end: 0, reserved: [0; 2] };
        let Some(Conflict { owner, lock }) = conflict else { return none };
        let kind = match lock.kind {
            LockKind::Read => FS_LOCK_READ,
            LockKind::Write => FS_LOCK_WRITE,
        };
        fs_lock { kind, pid: lock.pid, owner, start: lock.start, end: lock.end, ..none }
    }
}

/// Who waits, in C. Tells it exactly once, if it ever has to wait: should the lock table go away first, that is a cancellation.
pub(super) struct Waiter {
    /// Taken when it is told.
    callback: fs_lock_callback,
    context: *mut c_void,
    waits: Arc<AtomicBool>,
}

// SAFETY: the header says that any thread may call the callback with its context.
unsafe impl Send for Waiter {}

impl Waiter {
    /// `waits`: whether it has to wait; set when that is known.
    pub(super) fn new(callback: fs_lock_callback, context: *mut c_void, waits: Arc<AtomicBool>) -> Waiter {
        Waiter { callback, context, waits }
    }

    pub(super) fn ended(mut self, result: crate::error::Result<()>) {
        self.tell(result.map_or_else(|error| tables::code(&error), |()| FS_OK));
    }

    fn tell(&mut self, result: fs_result) {
        if let Some(callback) = self.callback.take() {
            // SAFETY: what the header asks of callbacks.
            unsafe { callback(self.context, result) }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.waits.load(Ordering::Acquire) {
            self.tell(FS_CANCELLED);
        }
    }
}

/// A lock of somebody else that stands in the way of `lock` (F_GETLK).
///
/// `conflict`: the answer; its `size` must be set. Its `kind` is `FS_LOCK_NONE` when there is none.
///
/// Results: `FS_OK`, `FS_NOT_SUPPORTED` on a snapshot, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lock_test(
    view: *const fs_view,
    node: fs_node,
    lock: *const fs_lock,
    conflict: *mut fs_lock,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (wanted, conflict) = (*input(lock)?, output_structure(conflict)?);
            let (space, lock) = wanted.to_core()?;
            let found = view.0.test_lock(NodeId(node), space, wanted.owner, lock)?;
            conflict.put(fs_lock::of(wanted.space, found));
            Ok(())
        })
    }
}

/// Takes a lock, or changes one that the owner has, without waiting for other owners (F_SETLK, LOCK_NB).
///
/// Results: `FS_OK`, `FS_WOULD_BLOCK`, `FS_LIMIT`, `FS_NOT_SUPPORTED` on a snapshot, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lock_set(view: *const fs_view, node: fs_node, lock: *const fs_lock) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let wanted = input(lock)?;
            let (space, lock) = wanted.to_core()?;
            Ok(view.0.set_lock(NodeId(node), space, wanted.owner, lock)?)
        })
    }
}

/// Takes a lock as soon as nobody is in the way (F_SETLKW, flock(2)). Does not wait for other owners itself.
///
/// `callback`: called exactly once when the answer's `number` is not 0, else never. Any thread may call it, perhaps
/// before this function returns; it may use the volume.
/// `context`: handed to it; may be NULL.
/// `wait`: the answer, to cancel by; its `size` must be set. Its `number` is 0 when the lock was taken at once.
///
/// Results: `FS_OK`: taken, or waiting; `FS_DEADLOCK`, `FS_LIMIT`, `FS_NOT_SUPPORTED` on a snapshot, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lock_wait(
    view: *const fs_view,
    node: fs_node,
    lock: *const fs_lock,
    callback: fs_lock_callback,
    context: *mut c_void,
    wait: *mut fs_wait,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (wanted, wait) = (input(lock)?, output_structure(wait)?);
            callback.ok_or(Fault::NullPointer)?;
            let (space, lock) = wanted.to_core()?;
            let waits = Arc::new(AtomicBool::new(false));
            let waiter = Waiter::new(callback, context, waits.clone());
            let done = Box::new(move |result| waiter.ended(result));
            let id = view.0.wait_lock(NodeId(node), space, wanted.owner, lock, done)?;
            waits.store(id.is_some(), Ordering::Release);
            let number = id.map_or(0, |id| id.number());
            wait.put(fs_wait {
                size: size_of::<fs_wait>() as u32,
                space: wanted.space,
                node,
                number,
                reserved: [0; 2],
            });
            Ok(())
        })
    }
}

/// Cancels a wait: its callback is called with `FS_CANCELLED` before this returns.
///
/// Results: `FS_OK`; `FS_NOT_FOUND` when it is over already, and its callback was called or is being called; `FS_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lock_cancel(view: *const fs_view, wait: *const fs_wait) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let wait = input(wait)?;
            let node = NodeId(wait.node);
            let id = WaitId::from_number(node.inode(), space_in(wait.space)?, wait.number);
            if view.0.cancel_wait(node, id) { Ok(()) } else { Err(Error::NotFound.into()) }
        })
    }
}

/// Gives up an owner's locks on a range of bytes (F_UNLCK, LOCK_UN).
///
/// `space`: `FS_LOCK_RANGE` or `FS_LOCK_WHOLE`.
/// `owner`: whose.
/// `start`, `end`: the first and the last byte.
///
/// Results: `FS_OK`, also when there was none; `FS_NOT_SUPPORTED` on a snapshot, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lock_unlock(
    view: *const fs_view,
    node: fs_node,
    space: u32,
    owner: u64,
    start: u64,
    end: u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.unlock(NodeId(node), space_in(space)?, owner, start, end)?)) }
}

/// An owner is gone: gives up all its locks of one kind on a node, and cancels its waits there. For flock(2) a host calls it
/// when the open file description is released.
///
/// Results: `FS_OK`, also when there was none; `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lock_forget(view: *const fs_view, node: fs_node, space: u32, owner: u64) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.forget_owner(NodeId(node), space_in(space)?, owner)?)) }
}
