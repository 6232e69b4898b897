//! Branches and snapshots.

use std::ffi::{c_char, c_void};

use super::boundary::*;
use super::results::fs_result;
use super::types::fs_ref;
use super::view::fs_view;
use super::volume::fs_volume;
use crate::control::filled;
use crate::control::messages::{FS_CONTROL_NAME_BYTES, fs_holdings};
use crate::history::refs::RefInfo;
use crate::types::RefId;

/// Branches and snapshots asked of the core at a time.
const PAGE: usize = 256;

/// A branch or snapshot as listings show it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_ref_record {
    /// `sizeof(fs_ref_record)`.
    pub size: u32,
    /// Length of `name`.
    pub name_bytes: u32,
    /// Which.
    pub id: fs_ref,
    /// What it grew from; all zero: nothing.
    pub parent: fs_ref,
    /// When it was made: nanoseconds since 1970-01-01 00:00 UTC.
    pub created: i64,
    /// How many branches and snapshots have it as their parent.
    pub children: u64,
    /// Views that show it now.
    pub views: u64,
    /// Inodes it holds.
    pub inodes: u64,
    /// Its name: UTF-8, ended by a NUL.
    pub name: [c_char; FS_CONTROL_NAME_BYTES],
    /// 0.
    pub reserved: [u64; 4],
}

impl fs_ref_record {
    fn of(info: &RefInfo) -> fs_ref_record {
        fs_ref_record {
            size: size_of::<fs_ref_record>() as u32,
            name_bytes: info.name.len() as u32,
            id: info.id.into(),
            parent: info.parent.map_or(fs_ref::NONE, fs_ref::from),
            created: info.created.0,
            children: info.children,
            views: info.views,
            inodes: info.inodes,
            name: bytes_of_name(info.name.as_bytes()),
            reserved: [0; 4],
        }
    }
}

/// A name, ended by a NUL and filled up with more.
pub(super) fn bytes_of_name<const ROOM: usize>(name: &[u8]) -> [c_char; ROOM] {
    filled::<ROOM>(name).map(|byte| byte as c_char)
}

/// Is given one branch or snapshot at a time; `record` lives until it returns. True: go on; false: that was enough.
pub type fs_ref_callback = Option<unsafe extern "C" fn(context: *mut c_void, record: *const fs_ref_record) -> bool>;

/// Finds a branch or snapshot by name. No two have the same.
///
/// `name`, `name_bytes`: the name, UTF-8.
/// `found`: the answer.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_BAD_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ref_find(
    volume: *const fs_volume,
    name: *const c_char,
    name_bytes: usize,
    found: *mut fs_ref,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let (name, found) = (text_in(name, name_bytes)?, output(found)?);
            found.put(volume.0.find(name)?.into());
            Ok(())
        })
    }
}

/// What is known about a branch or snapshot.
///
/// `id`: which.
/// `record`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_INVALID` for an unknown kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ref_info(volume: *const fs_volume, id: fs_ref, record: *mut fs_ref_record) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let record = output_structure(record)?;
            record.put(fs_ref_record::of(&volume.0.ref_info(id.id()?)?));
            Ok(())
        })
    }
}

/// What a branch or snapshot holds, and what deleting it would free. Takes as long as freeing that would, or as a look at all that others
/// hold where that is less by far, and at what has changed since somebody asked last. Nobody waits for it meanwhile, but for
/// an instant as for a snapshot; what others do meanwhile may be counted or not.
///
/// `id`: which.
/// `holdings`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_INVALID` for an unknown kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ref_holdings(
    volume: *const fs_volume,
    id: fs_ref,
    holdings: *mut fs_holdings,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let holdings = output_structure(holdings)?;
            holdings.put(fs_holdings::of(&volume.0.holdings(id.id()?)?));
            Ok(())
        })
    }
}

impl fs_volume {
    /// Gives those that `wanted` lets pass to the callback until it answers false.
    ///
    /// # Safety
    /// The callback is as the header asks.
    unsafe fn list(
        &self,
        wanted: impl Fn(RefId) -> bool,
        callback: fs_ref_callback,
        context: *mut c_void,
    ) -> Outcome<()> {
        let callback = callback.ok_or(Fault::NullPointer)?;
        let mut after = None;
        loop {
            let page = self.0.list_refs(after, PAGE);
            for info in page.iter().filter(|info| wanted(info.id)) {
                // SAFETY: the caller's promise is this function's own.
                if !unsafe { callback(context, &fs_ref_record::of(info)) } {
                    return Ok(());
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id),
                _ => return Ok(()),
            }
        }
    }
}

/// Gives branches and snapshots to `callback`, oldest first.
///
/// `callback`: called by this thread before the function returns; it may use the volume.
/// `context`: handed to it; may be NULL.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ref_list(
    volume: *const fs_volume,
    callback: fs_ref_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe { call(volume, |volume| volume.list(|_| true, callback, context)) }
}

/// Gives snapshots to `callback`, oldest first; otherwise as `fs_ref_list`. `context` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_snapshot_list(
    volume: *const fs_volume,
    callback: fs_ref_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe { call(volume, |volume| volume.list(|id| matches!(id, RefId::Snapshot(_)), callback, context)) }
}

/// Gives branches to `callback`, oldest first; otherwise as `fs_ref_list`. `context` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_branch_list(
    volume: *const fs_volume,
    callback: fs_ref_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe { call(volume, |volume| volume.list(|id| matches!(id, RefId::Branch(_)), callback, context)) }
}

/// Takes a snapshot of a branch as it is now, in constant time.
///
/// `branch`: of which.
/// `name`, `name_bytes`: its name: 1 to 255 bytes of UTF-8 without `/` and control characters, no space at either end, not `.` or
/// `..`, not beginning with `-`. May be NULL: BRANCH@N.
/// `snapshot`: the answer.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_REF_EXISTS`, `FS_BAD_REF_NAME`, `FS_BAD_UTF8`, `FS_LIMIT`, `FS_NO_SPACE`, `FS_INVALID` when `branch` is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_snapshot_create(
    volume: *const fs_volume,
    branch: fs_ref,
    name: *const c_char,
    name_bytes: usize,
    snapshot: *mut fs_ref,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let (name, snapshot) = (optional_text(name, name_bytes)?, output(snapshot)?);
            snapshot.put(RefId::Snapshot(volume.0.create_snapshot(branch.branch()?, name)?).into());
            Ok(())
        })
    }
}

/// Grows a branch from a snapshot, or from a branch as it is now, in constant time.
///
/// `name`, `name_bytes`: its name; see `fs_snapshot_create`.
/// `from`: what it grows from.
/// `branch`: the answer.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_REF_EXISTS`, `FS_BAD_REF_NAME`, `FS_BAD_UTF8`, `FS_LIMIT`, `FS_NO_SPACE`, `FS_INVALID` for an unknown kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_branch_create(
    volume: *const fs_volume,
    name: *const c_char,
    name_bytes: usize,
    from: fs_ref,
    branch: *mut fs_ref,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let (name, branch) = (text_in(name, name_bytes)?, output(branch)?);
            branch.put(RefId::Branch(volume.0.create_branch(name, from.id()?)?).into());
            Ok(())
        })
    }
}

/// Makes a view show another branch or snapshot from now on. Nodes and handles from before go on showing what they showed.
///
/// `to`: which.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_BUSY` when 65,535 earlier switches are still in use, `FS_NO_SPACE` when there is no memory
/// for one more beside those, `FS_INVALID` for an unknown kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_branch_switch(view: *const fs_view, to: fs_ref) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.switch(to.id()?)?)) }
}

/// Gives a branch or snapshot another name.
///
/// `id`: which.
/// `name`, `name_bytes`: the new name; see `fs_snapshot_create`.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_REF_EXISTS`, `FS_BAD_REF_NAME`, `FS_BAD_UTF8`, `FS_NO_SPACE` for a longer name, `FS_INVALID` for an
/// unknown kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ref_rename(
    volume: *const fs_volume,
    id: fs_ref,
    name: *const c_char,
    name_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let name = text_in(name, name_bytes)?;
            Ok(volume.0.rename_ref(id.id()?, name)?)
        })
    }
}

/// Deletes a branch or snapshot. What has grown from it stays, and counts as grown from its parent then.
///
/// `id`: which.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_BUSY` while a view shows it or when it is the last branch, `FS_INVALID` for an unknown kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ref_delete(volume: *const fs_volume, id: fs_ref) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(volume, |volume| Ok(volume.0.delete_ref(id.id()?)?)) }
}
