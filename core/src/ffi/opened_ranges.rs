//! Ranges of bytes that handles lock the Windows way. The locks of POSIX are in [`super::locks`].

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::boundary::*;
use super::locks::{FS_LOCK_RANGE, Waiter, fs_lock_callback, fs_wait};
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::{LockSpace, WaitId};
use crate::types::{HandleId, InodeId};

/// Range lock flag: exclusive; without it: shared.
pub const FS_RANGE_EXCLUSIVE: u32 = 1;

fn exclusive(flags: u32) -> Outcome<bool> {
    if flags & !FS_RANGE_EXCLUSIVE != 0 {
        return Err(Error::Invalid("a flag of a range lock that this version does not know").into());
    }
    Ok(flags & FS_RANGE_EXCLUSIVE != 0)
}

/// Locks a range of bytes for a handle, at once or not at all (LockFileEx with LOCKFILE_FAIL_IMMEDIATELY).
///
/// Handles of `fs_windows_open` are kept from reading and writing what others have locked so, or with `fs_lock_set`: `FS_LOCK_CONFLICT`. A shared lock keeps its
/// own handle from writing too. Other handles are not kept from anything. The handle needs `FS_RIGHT_READ_DATA` or `FS_RIGHT_WRITE_DATA`.
///
/// `start`, `length`: the range; one of no bytes excludes nobody.
/// `flags`: `FS_RANGE_EXCLUSIVE` or 0.
/// `pid`: the process that asks, for reports.
///
/// Results: `FS_OK`; `FS_WOULD_BLOCK` when another owner is in the way, or the handle itself for an exclusive lock; `FS_ACCESS_DENIED`; `FS_LIMIT`;
/// `FS_NOT_SUPPORTED` on a snapshot; `FS_BAD_HANDLE`; `FS_INVALID` for a directory, a range that ends beyond 2^64-1, unknown flags, a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_lock(
    view: *const fs_view,
    handle: fs_handle,
    start: u64,
    length: u64,
    flags: u32,
    pid: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_lock(HandleId(handle), start, length, exclusive(flags)?, pid)?)) }
}

/// As `fs_windows_lock`, but waits: the callback is called once when the range is locked or the wait ended.
///
/// `callback`, `context`: called once unless the range was locked at once, by any thread, perhaps before this returns; with `FS_OK`, `FS_DEADLOCK`, or `FS_CANCELLED` when
/// the wait was cancelled or the handle ended. `context` is handed to it; may be NULL.
/// `wait`: the answer, to cancel by with `fs_windows_lock_cancel`; its `size` must be set. Its `number` is 0 when the range was locked at once.
///
/// Results: as `fs_windows_lock`, but `FS_WOULD_BLOCK` only when the handle itself is in the way; `FS_DEADLOCK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_lock_wait(
    view: *const fs_view,
    handle: fs_handle,
    start: u64,
    length: u64,
    flags: u32,
    callback: fs_lock_callback,
    context: *mut c_void,
    wait: *mut fs_wait,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (exclusive, wait) = (exclusive(flags)?, output_structure(wait)?);
            callback.ok_or(Fault::NullPointer)?;
            let waits = Arc::new(AtomicBool::new(false));
            let waiter = Waiter::new(callback, context, waits.clone());
            let done = Box::new(move |result| waiter.ended(result));
            let id = view.0.windows_wait_lock(HandleId(handle), start, length, exclusive, done)?;
            waits.store(id.is_some(), Ordering::Release);
            let (node, number) = id.map_or((0, 0), |id| (id.on().0, id.number()));
            let size = size_of::<fs_wait>() as u32;
            wait.put(fs_wait { size, space: FS_LOCK_RANGE, node, number, reserved: [0; 2] });
            Ok(())
        })
    }
}

/// Cancels a wait of `fs_windows_lock_wait`: its callback is called with `FS_CANCELLED` before this returns.
///
/// Results: `FS_OK`; `FS_NOT_FOUND` when it is over already, and its callback was called or is being called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_lock_cancel(
    view: *const fs_view,
    handle: fs_handle,
    wait: *const fs_wait,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let wait = input(wait)?;
            let id = WaitId::from_number(InodeId(wait.node), LockSpace::Range, wait.number);
            match view.0.windows_cancel_wait(HandleId(handle), id) {
                true => Ok(()),
                false => Err(Error::NotFound.into()),
            }
        })
    }
}

/// Gives up a range that a handle locked: exactly as it was locked; of two the exclusive one first (UnlockFileEx).
///
/// Results: `FS_OK`, `FS_RANGE_NOT_LOCKED`, `FS_NOT_SUPPORTED` on a snapshot, `FS_BAD_HANDLE`, `FS_ACCESS_DENIED`, `FS_LIMIT`; `FS_INVALID` as `fs_windows_lock`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_unlock(
    view: *const fs_view,
    handle: fs_handle,
    start: u64,
    length: u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_unlock(HandleId(handle), start, length)?)) }
}

/// Gives up all that a handle locked, and cancels its waits.
///
/// Results: `FS_OK`, `FS_NOT_SUPPORTED` on a snapshot, `FS_BAD_HANDLE`, `FS_ACCESS_DENIED`; `FS_INVALID` for a directory and a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_unlock_all(view: *const fs_view, handle: fs_handle) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_unlock_all(HandleId(handle))?)) }
}
