//! Every operation by path, for programs. Nothing is counted: there is nothing to forget, but after `fs_path_lookup`.

use std::ffi::{c_char, c_void};

use super::attributes::{access_mask, fs_set_attr};
use super::boundary::*;
use super::content::{FS_OPEN_CREATE, FS_OPEN_EXCLUSIVE, OPENS, fs_open_options};
use super::names::{new_node, rename_mode};
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use super::xattrs::{joined, xattr_mode};
use crate::error::Error;
use crate::operations::{Follow, NewNode, OpenOptions};
use crate::types::{Caller, NodeId};
use crate::volume::view::View;
use crate::volume::view_paths::PathAt;

/// Path flag: if the last component is a symbolic link, the link itself is meant.
pub const FS_PATH_NO_FOLLOW: u32 = 1;

/// A path whose last component names what is to be made, removed or moved: a link there is never followed.
unsafe fn entry_at<'a>(start: fs_node, path: *const c_char, path_bytes: usize) -> Outcome<PathAt<'a>> {
    // SAFETY: the caller's promise is this function's own.
    unsafe { path_at(start, path, path_bytes, FS_PATH_NO_FOLLOW) }
}

unsafe fn path_at<'a>(start: fs_node, path: *const c_char, path_bytes: usize, flags: u32) -> Outcome<PathAt<'a>> {
    // SAFETY: the caller's promise is this function's own.
    let path = unsafe { name_in(path, path_bytes)? };
    let follow = match flags {
        0 => Follow::Yes,
        FS_PATH_NO_FOLLOW => Follow::No,
        _ => return Err(Error::Invalid("a path flag that this version does not know").into()),
    };
    Ok(PathAt { start: NodeId(start), path, follow })
}

/// The attributes of what a path leads to.
///
/// All operations by path take:
/// `start`: the directory where a relative path begins; `FS_NODE_ROOT`, as a rule.
/// `path`, `path_bytes`: components separated by `/`, 1 to 32,767 bytes. One that begins with `/` begins at the root. At most 40
/// symbolic links are followed.
/// `flags`: `FS_PATH_NO_FOLLOW` or 0. Functions without it never follow a link in the last component.
/// All answer what path_resolution(7) knows: `FS_NOT_FOUND`, `FS_NOT_A_DIRECTORY`, `FS_ACCESS_DENIED`, `FS_TOO_MANY_SYMLINKS`,
/// `FS_NAME_TOO_LONG`, `FS_INVALID`, `FS_STALE` for `start`; besides what the same operation by node answers.
///
/// `attr`: the answer; its `size` must be set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_getattr(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    attr: *mut fs_attr,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let attr = output_structure(attr)?;
            attr.put(view.0.path_attr(&who, path)?.into());
            Ok(())
        })
    }
}

/// Sets attributes by path; see `fs_path_getattr` and `fs_setattr`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_setattr(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    set: *const fs_set_attr,
    attr: *mut fs_attr,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let (set, attr) = (input(set)?, output_structure(attr)?);
            attr.put(view.0.path_set_attr(&who, path, &set.to_core()?)?.into());
            Ok(())
        })
    }
}

/// The node that a path leads to; see `fs_path_getattr`.
///
/// `entry`: the answer; its `size` must be set. Counts one reference, given back with `fs_forget`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_lookup(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    entry: *mut fs_entry,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let entry = output_structure(entry)?;
            entry.put(view.0.path_lookup(&who, path)?.into());
            Ok(())
        })
    }
}

/// Makes a file, named pipe, socket or device node by path; see `fs_path_getattr` and `fs_mknod`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_mknod(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    mode: u32,
    kind: u32,
    device: u64,
    attr: *mut fs_attr,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, entry_at(start, path, path_bytes)?);
            let attr = output_structure(attr)?;
            attr.put(view.0.path_make(&who, path, mode, new_node(kind, device)?)?.into());
            Ok(())
        })
    }
}

/// Makes a directory by path; see `fs_path_getattr` and `fs_mkdir`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_mkdir(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    mode: u32,
    attr: *mut fs_attr,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, entry_at(start, path, path_bytes)?);
            let attr = output_structure(attr)?;
            attr.put(view.0.path_make(&who, path, mode, NewNode::Directory)?.into());
            Ok(())
        })
    }
}

/// Makes a symbolic link by path; see `fs_path_getattr` and `fs_symlink`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_symlink(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    target: *const c_char,
    target_bytes: usize,
    attr: *mut fs_attr,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, entry_at(start, path, path_bytes)?);
            let (target, attr) = (name_in(target, target_bytes)?, output_structure(attr)?);
            attr.put(view.0.path_make(&who, path, 0o777, NewNode::Symlink(target))?.into());
            Ok(())
        })
    }
}

/// Removes a name of anything but a directory by path; see `fs_path_getattr` and `fs_unlink`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_unlink(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, entry_at(start, path, path_bytes)?);
            Ok(view.0.path_unlink(&who, path)?)
        })
    }
}

/// Removes an empty directory by path; see `fs_path_getattr` and `fs_rmdir`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_rmdir(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, entry_at(start, path, path_bytes)?);
            Ok(view.0.path_rmdir(&who, path)?)
        })
    }
}

/// Gives what a path leads to a further name; see `fs_path_getattr` and `fs_link`.
///
/// `new_start`, `new_path`, `new_path_bytes`: the new name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_link(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    new_start: fs_node,
    new_path: *const c_char,
    new_path_bytes: usize,
    attr: *mut fs_attr,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let (new, attr) = (entry_at(new_start, new_path, new_path_bytes)?, output_structure(attr)?);
            attr.put(view.0.path_link(&who, path, new)?.into());
            Ok(())
        })
    }
}

/// Moves or renames by path; see `fs_path_getattr` and `fs_rename`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_rename(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    new_start: fs_node,
    new_path: *const c_char,
    new_path_bytes: usize,
    how: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, entry_at(start, path, path_bytes)?);
            let new = entry_at(new_start, new_path, new_path_bytes)?;
            Ok(view.0.path_rename(&who, path, new, rename_mode(how)?)?)
        })
    }
}

/// The target of a symbolic link by path, by the size protocol; see `fs_path_getattr` and `fs_readlink`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_readlink(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    into: *mut c_char,
    capacity: usize,
    target_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, entry_at(start, path, path_bytes)?);
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(target_bytes)?);
            put_sized(&view.0.path_read_link(&who, path)?, into, size)
        })
    }
}

/// Whether the caller may do all of `want`, by path; see `fs_path_getattr` and `fs_access`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_access(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    want: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            Ok(view.0.path_access(&who, path, access_mask(want)?)?)
        })
    }
}

/// Sets an extended attribute by path; see `fs_path_getattr` and `fs_xattr_set`. `value` may be NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_xattr_set(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    name: *const c_char,
    name_bytes: usize,
    value: *const c_void,
    value_bytes: usize,
    how: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let (name, value) = (name_in(name, name_bytes)?, bytes_in(value.cast(), value_bytes)?);
            Ok(view.0.path_set_xattr(&who, path, name, value, xattr_mode(how)?)?)
        })
    }
}

/// The value of an extended attribute by path, by the size protocol; see `fs_path_getattr` and `fs_xattr_get`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_xattr_get(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    name: *const c_char,
    name_bytes: usize,
    into: *mut c_void,
    capacity: usize,
    value_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let (name, into) = (name_in(name, name_bytes)?, buffer_in(into.cast(), capacity)?);
            let size = output(value_bytes)?;
            put_sized(&view.0.path_get_xattr(&who, path, name)?, into, size)
        })
    }
}

/// The names of the extended attributes by path, by the size protocol; see `fs_path_getattr` and `fs_xattr_list`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_xattr_list(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    into: *mut c_char,
    capacity: usize,
    names_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(names_bytes)?);
            put_sized(&joined(&view.0.path_list_xattrs(&who, path)?), into, size)
        })
    }
}

/// Removes an extended attribute by path; see `fs_path_getattr` and `fs_xattr_remove`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_xattr_remove(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    name: *const c_char,
    name_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let name = name_in(name, name_bytes)?;
            Ok(view.0.path_remove_xattr(&who, path, name)?)
        })
    }
}

/// Opens what a path leads to; see `fs_path_getattr` and `fs_open`.
///
/// `options`: as for `fs_open`; with `FS_OPEN_CREATE` a file of its `mode` is made there if there is none, and `FS_OPEN_EXCLUSIVE` asks that there is none. A
/// dangling symbolic link is followed and its target made, as open(2) does.
/// `handle`: the answer, to be closed with `fs_release`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_open(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    options: *const fs_open_options,
    handle: *mut fs_handle,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let (options, handle) = (input(options)?, output(handle)?);
            let create = (options.flags & FS_OPEN_CREATE != 0).then_some(options.mode);
            let open = options.to_core(OPENS | FS_OPEN_CREATE | FS_OPEN_EXCLUSIVE)?;
            handle.put(view.0.path_open(&who, path, open, create)?.0);
            Ok(())
        })
    }
}

/// Makes `data` the whole content of the file at a path: made if it is not there, emptied if it is. See `fs_path_getattr` and `fs_write`. `data` may be
/// NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_write(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    data: *const c_void,
    data_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let data = bytes_in(data.cast(), data_bytes)?;
            Ok(view.0.path_write(&who, path, data)?)
        })
    }
}

/// Reads from the file at a path; see `fs_path_getattr` and `fs_read`.
///
/// `offset`: where to begin, in bytes.
/// `into`, `capacity`: where the bytes go, and how many are wanted; `into` may be NULL for none.
/// `read_bytes`: how many came; 0 at and past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_path_read(
    view: *const fs_view,
    caller: *const fs_caller,
    start: fs_node,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
    offset: u64,
    into: *mut c_void,
    capacity: usize,
    read_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, path_at(start, path, path_bytes, flags)?);
            let (into, read_bytes) = (buffer_in(into.cast(), capacity)?, output(read_bytes)?);
            read_bytes.put(read(&view.0, &who, path, offset, into)?);
            Ok(())
        })
    }
}

fn read(view: &View, who: &Caller<'_>, path: PathAt<'_>, offset: u64, into: &mut [u8]) -> Outcome<usize> {
    let handle = view.path_open(who, path, OpenOptions { read: true, ..OpenOptions::default() }, None)?;
    let read = view.read(who, path.start, Some(handle), offset, into);
    view.release(handle)?;
    Ok(read?)
}
