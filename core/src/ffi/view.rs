//! Views: one host's attachment to a branch or snapshot each.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::boundary::*;
use super::results::fs_result;
use super::types::{fs_node, fs_ref};
use super::volume::fs_volume;
use crate::error::Error;
use crate::operations::ViewOptions;
use crate::types::RefId;
use crate::volume::ViewInfo;
use crate::volume::view::View;

/// A view: one attachment to a branch or snapshot. The entry to every operation on files.
pub struct fs_view(pub(super) Arc<View>);

impl Handle for fs_view {
    fn latch(&self) {
        self.0.volume().latch_read_only();
    }
}

/// View flag: refuse every change. Views of snapshots always do.
pub const FS_VIEW_READ_ONLY: u32 = 1;
/// View flag: leave access times alone.
pub const FS_VIEW_NO_ACCESS_TIME: u32 = 2;
/// View flag: refuse control messages, but for `FS_CONTROL_INFO`. For views that are shown to programs which shall reach nothing
/// else of the volume.
pub const FS_VIEW_CONFINED: u32 = 4;

/// A view as listings show it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_view_record {
    /// `sizeof(fs_view_record)`.
    pub size: u32,
    /// `FS_VIEW_READ_ONLY`, if it is.
    pub flags: u32,
    /// Its id in the volume.
    pub id: u64,
    /// What it shows now.
    pub shows: fs_ref,
    /// What its host calls it, not ended by a NUL.
    pub label: *const c_char,
    /// Length of `label`.
    pub label_bytes: usize,
    /// 0.
    pub reserved: [u64; 4],
}

impl fs_view_record {
    pub(super) fn of(info: &ViewInfo) -> fs_view_record {
        fs_view_record {
            size: size_of::<fs_view_record>() as u32,
            flags: if info.read_only { FS_VIEW_READ_ONLY } else { 0 },
            id: info.id.0,
            shows: info.shows.into(),
            label: info.label.as_ptr().cast(),
            label_bytes: info.label.len(),
            reserved: [0; 4],
        }
    }
}

fn options(flags: u32) -> Outcome<ViewOptions> {
    if flags & !(FS_VIEW_READ_ONLY | FS_VIEW_NO_ACCESS_TIME | FS_VIEW_CONFINED) != 0 {
        return Err(Error::Invalid("a view flag that this version does not know").into());
    }
    let (read_only, no_access_time) = (flags & FS_VIEW_READ_ONLY != 0, flags & FS_VIEW_NO_ACCESS_TIME != 0);
    Ok(ViewOptions { read_only, no_access_time, confined: flags & FS_VIEW_CONFINED != 0 })
}

/// Opens a view of a branch or snapshot.
///
/// `shows`: which; all zero: the branch that the volume was opened with.
/// `label`, `label_bytes`: what the host calls it, a mount point say, UTF-8; may be NULL.
/// `flags`: `FS_VIEW_...` bits.
/// `view`: the view, to be closed with `fs_view_close`. It keeps its volume alive.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_INVALID` for an unknown flag, `FS_BAD_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_view_open(
    volume: *const fs_volume,
    shows: fs_ref,
    label: *const c_char,
    label_bytes: usize,
    flags: u32,
    view: *mut *mut fs_view,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let view = output(view)?;
            let label = optional_text(label, label_bytes)?.unwrap_or_default();
            let shows = if shows == fs_ref::NONE { RefId::Branch(volume.0.first_branch()) } else { shows.id()? };
            view.put(give(fs_view(volume.0.view(shows, label, options(flags)?)?)));
            Ok(())
        })
    }
}

/// Closes a view with its handles and nodes. Its pins, diffs and events stay until they are closed. NULL is fine.
///
/// Waits for locks must be over: cancelled with `fs_lock_cancel` or `fs_lock_forget`. No other thread may use this handle during
/// the call or after.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_view_close(view: *mut fs_view) {
    // SAFETY: what the header asks of pointers.
    unsafe { close(view) }
}

/// What a view shows now, and how.
///
/// `record`: the answer; its `size` must be set. Its label lives until the view is closed.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_view_info(view: *const fs_view, record: *mut fs_view_record) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output_structure(record)?.put(fs_view_record::of(&view.0.info()));
            Ok(())
        })
    }
}

/// How many nodes of a view its host knows and has not forgotten.
///
/// `count`: the answer.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_view_nodes(view: *const fs_view, count: *mut u64) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output(count)?.put(view.0.reference_count());
            Ok(())
        })
    }
}

/// Is given one node at a time. True: go on; false: that was enough.
pub type fs_node_callback = Option<unsafe extern "C" fn(context: *mut c_void, node: fs_node) -> bool>;

/// Gives each of these nodes to `callback`, those from before a switch too, in no order. The root is known always, and not among them.
/// For a host that must look at everything anew: after `FS_EVENT_OVERFLOW`, say.
///
/// `callback`: called by this thread before the function returns; it may use the volume.
/// `context`: handed to it; may be NULL.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_view_each_node(
    view: *const fs_view,
    callback: fs_node_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(view, |view| {
            let callback = callback.ok_or(Fault::NullPointer)?;
            for node in view.0.known_nodes() {
                if !callback(context, node.0) {
                    break;
                }
            }
            Ok(())
        })
    }
}
