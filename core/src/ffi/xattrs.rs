//! Extended attributes, by node.

use std::ffi::{c_char, c_void};

use super::boundary::*;
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::XattrMode;
use crate::types::NodeId;

/// Setting an attribute: whether it exists does not matter.
pub const FS_XATTR_SET: u32 = 0;
/// Setting an attribute: it must not exist.
pub const FS_XATTR_CREATE: u32 = 1;
/// Setting an attribute: it must exist.
pub const FS_XATTR_REPLACE: u32 = 2;

pub(super) fn xattr_mode(how: u32) -> Outcome<XattrMode> {
    match how {
        FS_XATTR_SET => Ok(XattrMode::Set),
        FS_XATTR_CREATE => Ok(XattrMode::Create),
        FS_XATTR_REPLACE => Ok(XattrMode::Replace),
        _ => Err(Error::Invalid("a way to set an attribute that this version does not know").into()),
    }
}

/// The names one after another, each ended by a NUL, as listxattr(2) has them.
pub(super) fn joined(names: &[Box<[u8]>]) -> Vec<u8> {
    let mut all = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum());
    for name in names {
        all.extend_from_slice(name);
        all.push(0);
    }
    all
}

/// Sets an extended attribute. POSIX ACLs are `system.posix_acl_access` and `system.posix_acl_default`, in Linux' form.
///
/// `name`, `name_bytes`: its name, 1 to 255 bytes.
/// `value`, `value_bytes`: its value, at most 65,536 bytes; `value` may be NULL for none.
/// `how`: `FS_XATTR_...`.
///
/// Results: `FS_OK`, `FS_EXISTS`, `FS_NO_ATTRIBUTE`, `FS_VALUE_TOO_LARGE`, `FS_TOO_MANY_ATTRIBUTES`, `FS_NOT_PERMITTED`, `FS_ACCESS_DENIED`,
/// `FS_NOT_SUPPORTED`, `FS_READ_ONLY`, `FS_INVALID`, `FS_NAME_TOO_LONG`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_xattr_set(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
    value: *const c_void,
    value_bytes: usize,
    how: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, value) = (caller_in(caller)?, bytes_in(value.cast(), value_bytes)?);
            let (name, how) = (name_in(name, name_bytes)?, xattr_mode(how)?);
            Ok(view.0.set_xattr(&who, NodeId(node), name, value, how)?)
        })
    }
}

/// The value of an extended attribute, by the size protocol. A resource fork of more than 65,536 bytes is read with `fs_xattr_read`.
///
/// `into`, `capacity`: where it goes; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `value_bytes`: how long it is.
///
/// Results: `FS_OK`, `FS_NO_ATTRIBUTE`, `FS_BUFFER_TOO_SMALL`, `FS_VALUE_TOO_LARGE`, `FS_ACCESS_DENIED`, `FS_NOT_SUPPORTED`, `FS_INVALID`,
/// `FS_NAME_TOO_LONG`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_xattr_get(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
    into: *mut c_void,
    capacity: usize,
    value_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name) = (caller_in(caller)?, name_in(name, name_bytes)?);
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(value_bytes)?);
            put_sized(&view.0.get_xattr(&who, NodeId(node), name)?, into, size)
        })
    }
}

/// The names of the extended attributes that the caller may see, each ended by a NUL, by the size protocol.
///
/// `into`, `capacity`: where they go; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `names_bytes`: how long they are together.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_xattr_list(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    into: *mut c_char,
    capacity: usize,
    names_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let who = caller_in(caller)?;
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(names_bytes)?);
            put_sized(&joined(&view.0.list_xattrs(&who, NodeId(node))?), into, size)
        })
    }
}

/// Removes an extended attribute.
///
/// Results: `FS_OK`, `FS_NO_ATTRIBUTE`, and as `fs_xattr_set`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_xattr_remove(
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
            Ok(view.0.remove_xattr(&who, NodeId(node), name)?)
        })
    }
}
