//! Named streams of files and directories.

use std::ffi::{c_char, c_void};

use super::boundary::*;
use super::content::{
    FS_OPEN_APPEND, FS_OPEN_CREATE, FS_OPEN_EXCLUSIVE, FS_OPEN_READ, FS_OPEN_TRUNCATE, FS_OPEN_WRITE,
};
use super::content::{fs_open_options, seek};
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::StreamInfo;
use crate::types::{HandleId, NodeId};

/// A named stream, as it is listed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_stream {
    /// `sizeof(fs_stream)`.
    pub size: u32,
    /// 0.
    pub reserved0: u32,
    /// Bytes of content.
    pub length: u64,
    /// Bytes of storage that it refers to.
    pub allocated: u64,
    /// Its name, without `:` or type; not ended by a NUL.
    pub name: *const c_char,
    /// Its length.
    pub name_bytes: usize,
    /// 0.
    pub reserved: [u64; 4],
}

/// Called for each named stream; `false` ends the listing. What it is given lasts until it returns.
pub type fs_stream_callback = Option<unsafe extern "C" fn(context: *mut c_void, stream: *const fs_stream) -> bool>;

/// Stream rename: one that has the new name already is replaced.
pub const FS_STREAM_REPLACE: u32 = 1;

const OPENS: u32 =
    FS_OPEN_READ | FS_OPEN_WRITE | FS_OPEN_APPEND | FS_OPEN_TRUNCATE | FS_OPEN_EXCLUSIVE | FS_OPEN_CREATE;

fn listed(stream: &StreamInfo) -> fs_stream {
    fs_stream {
        size: size_of::<fs_stream>() as u32,
        reserved0: 0,
        length: stream.size,
        allocated: stream.allocated,
        name: stream.name.as_ptr().cast(),
        name_bytes: stream.name.len(),
        reserved: [0; 4],
    }
}

/// Opens a named stream of a file or directory.
///
/// `name`, `name_bytes`: its name, without `:` or type: up to 255 UTF-16 units as WTF-8, none of `/ \ :` nor NUL. It is found as the
/// volume compares names, and keeps its first spelling.
/// `options`: `FS_OPEN_READ`, `_WRITE`, `_APPEND`, `_TRUNCATE`; `_CREATE`: it is made if it is not there, with `_EXCLUSIVE`: it must not be.
/// `handle`: the answer, to be closed with `fs_release`. `fs_read`, `fs_write`, `fs_setattr`, `fs_fallocate`, `fs_copy_range`, `fs_read_pin`
/// and the calls of handles then mean the stream. It works until then, whatever becomes of the stream's name.
///
/// Results: `FS_OK`, `FS_NOT_FOUND`, `FS_EXISTS`, `FS_BAD_NAME`, `FS_NAME_TOO_LONG`, `FS_BAD_UTF8`, `FS_ACCESS_DENIED`, `FS_NOT_PERMITTED` by flags,
/// `FS_NOT_SUPPORTED` for what is neither file nor directory, `FS_READ_ONLY`, `FS_INVALID`, `FS_LIMIT`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_stream_open(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
    options: *const fs_open_options,
    handle: *mut fs_handle,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name, options) = (caller_in(caller)?, name_in(name, name_bytes)?, input(options)?);
            let (handle, create) = (output(handle)?, options.flags & FS_OPEN_CREATE != 0);
            handle.put(view.0.open_stream(&who, NodeId(node), name, options.to_core(OPENS)?, create)?.0);
            Ok(())
        })
    }
}

/// Gives the named streams of a file or directory to `callback`, in the order of their making. A file's content without a name is not
/// among them.
///
/// `callback`: called by this thread before the function returns; it may use the volume.
/// `context`: handed to it; may be NULL.
///
/// Results: `FS_OK`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_stream_list(
    view: *const fs_view,
    node: fs_node,
    callback: fs_stream_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(view, |view| {
            let callback = callback.ok_or(Fault::NullPointer)?;
            for stream in view.0.list_streams(NodeId(node))? {
                if !callback(context, &listed(&stream)) {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Gives a named stream another name.
///
/// `how`: `FS_STREAM_REPLACE` or 0.
///
/// Results: `FS_OK`, `FS_NOT_FOUND`, `FS_EXISTS`, `FS_ACCESS_DENIED` also when the one to be replaced is open, and as `fs_stream_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_stream_rename(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
    new_name: *const c_char,
    new_name_bytes: usize,
    how: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name) = (caller_in(caller)?, name_in(name, name_bytes)?);
            let new_name = name_in(new_name, new_name_bytes)?;
            if how & !FS_STREAM_REPLACE != 0 {
                return Err(Error::Invalid("a way to rename that this version does not know").into());
            }
            Ok(view.0.rename_stream(&who, NodeId(node), name, new_name, how != 0)?)
        })
    }
}

/// Removes a named stream. Handles that are open on it go on reading and writing it.
///
/// Results: `FS_OK`, `FS_NOT_FOUND`, and as `fs_stream_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_stream_remove(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name) = (caller_in(caller)?, name_in(name, name_bytes)?);
            Ok(view.0.remove_stream(&who, NodeId(node), name)?)
        })
    }
}

/// The attributes of what a handle is open on, with the length of the stream that it is open on.
///
/// `attr`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_handle_getattr(view: *const fs_view, handle: fs_handle, attr: *mut fs_attr) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output_structure(attr)?.put(view.0.handle_attr(HandleId(handle))?.into());
            Ok(())
        })
    }
}

/// As `fs_lseek`, in the stream that a handle is open on.
///
/// Results: as `fs_lseek`; `FS_BAD_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_handle_lseek(
    view: *const fs_view,
    handle: fs_handle,
    offset: u64,
    what: u32,
    found: *mut u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let found = output(found)?;
            found.put(view.0.handle_seek(HandleId(handle), offset, seek(what)?)?);
            Ok(())
        })
    }
}
