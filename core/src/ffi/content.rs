//! Content: opening, reading, writing, holes, copying, by node.

use std::ffi::{c_char, c_void};
#[cfg(unix)]
use std::os::fd::IntoRawFd;

use super::boundary::*;
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::{Allocation, OpenOptions, Seek, WriteAt};
use crate::types::NodeId;

/// Open: read content or entries.
pub const FS_OPEN_READ: u32 = 1;
/// Open: write content.
pub const FS_OPEN_WRITE: u32 = 2;
/// Open: every write goes to the end.
pub const FS_OPEN_APPEND: u32 = 4;
/// Open: content is emptied first.
pub const FS_OPEN_TRUNCATE: u32 = 8;
/// Open: it must be a directory.
pub const FS_OPEN_DIRECTORY: u32 = 16;
/// Open, where a file is made: it must not exist.
pub const FS_OPEN_EXCLUSIVE: u32 = 32;
/// Open by path: a file is made there if there is none.
pub const FS_OPEN_CREATE: u32 = 64;

/// An offset for `fs_write`: the end of the file, wherever that is then; nobody else's write comes between.
pub const FS_OFFSET_END: u64 = u64::MAX;

/// fallocate: reserve storage; holes become zeros that are stored.
pub const FS_ALLOCATE_RESERVE: u32 = 1;
/// fallocate: free storage; the range reads as zeros, the size of the file stays.
pub const FS_ALLOCATE_PUNCH: u32 = 2;
/// fallocate: the range reads as zeros and has storage.
pub const FS_ALLOCATE_ZERO: u32 = 3;
/// fallocate, added to reserve or zero: the size of the file stays even if the range ends beyond it.
pub const FS_ALLOCATE_KEEP_SIZE: u32 = 256;

/// lseek: the next byte that has storage, at or after the offset.
pub const FS_SEEK_DATA: u32 = 1;
/// lseek: the next hole, at or after the offset; the end of the file counts as one.
pub const FS_SEEK_HOLE: u32 = 2;

/// flush: give up the range locks of `owner`.
pub const FS_FLUSH_UNLOCK: u32 = 1;

/// How a file or directory is opened.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_open_options {
    /// `sizeof(fs_open_options)`.
    pub size: u32,
    /// `FS_OPEN_...` bits.
    pub flags: u32,
    /// Where a file is made: its permission bits, before the caller's umask or the directory's default ACL.
    pub mode: u32,
    /// 0.
    pub reserved0: u32,
    /// 0. Kept for named streams, access and share modes.
    pub reserved: [u64; 10],
}

impl fs_open_options {
    pub(super) fn to_core(self, allowed: u32) -> Outcome<OpenOptions> {
        if self.flags & !allowed != 0 {
            return Err(Error::Invalid("an open flag that does not belong here").into());
        }
        let set = |flag: u32| self.flags & flag != 0;
        Ok(OpenOptions {
            read: set(FS_OPEN_READ),
            write: set(FS_OPEN_WRITE),
            append: set(FS_OPEN_APPEND),
            truncate: set(FS_OPEN_TRUNCATE),
            directory: set(FS_OPEN_DIRECTORY),
            exclusive: set(FS_OPEN_EXCLUSIVE),
        })
    }
}

pub(super) const OPENS: u32 = FS_OPEN_READ | FS_OPEN_WRITE | FS_OPEN_APPEND | FS_OPEN_TRUNCATE | FS_OPEN_DIRECTORY;
const CREATES: u32 = FS_OPEN_READ | FS_OPEN_WRITE | FS_OPEN_APPEND | FS_OPEN_TRUNCATE | FS_OPEN_EXCLUSIVE;

fn allocation(how: u32) -> Outcome<Allocation> {
    let keep_size = how & FS_ALLOCATE_KEEP_SIZE != 0;
    match how & !FS_ALLOCATE_KEEP_SIZE {
        FS_ALLOCATE_RESERVE => Ok(Allocation::Reserve { keep_size }),
        FS_ALLOCATE_PUNCH => Ok(Allocation::Punch),
        FS_ALLOCATE_ZERO => Ok(Allocation::Zero { keep_size }),
        _ => Err(Error::Invalid("a way to allocate that this version does not know").into()),
    }
}

pub(super) fn seek(what: u32) -> Outcome<Seek> {
    match what {
        FS_SEEK_DATA => Ok(Seek::Data),
        FS_SEEK_HOLE => Ok(Seek::Hole),
        _ => Err(Error::Invalid("lseek: neither data nor hole").into()),
    }
}

/// Opens a file or directory, checking the caller's permission.
///
/// `options`: how: `FS_OPEN_READ`, `_WRITE`, `_APPEND`, `_TRUNCATE`, `_DIRECTORY`.
/// `handle`: the answer, to be closed with `fs_release`. It works until then, whatever becomes of the file's names.
///
/// Results: `FS_OK`, `FS_ACCESS_DENIED`, `FS_IS_A_DIRECTORY` for writing, `FS_NOT_A_DIRECTORY`, `FS_TOO_MANY_SYMLINKS` for a symbolic link,
/// `FS_NOT_PERMITTED` by flags, `FS_READ_ONLY`, `FS_INVALID`, `FS_LIMIT`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_open(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    options: *const fs_open_options,
    handle: *mut fs_handle,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, options, handle) = (caller_in(caller)?, input(options)?, output(handle)?);
            handle.put(view.0.open_node(&who, NodeId(node), options.to_core(OPENS)?)?.0);
            Ok(())
        })
    }
}

/// Makes a file and opens it, or opens the one that is there unless `FS_OPEN_EXCLUSIVE`.
///
/// `parent`, `name`, `name_bytes`: the directory and the name.
/// `options`: how, and the `mode` of a new file.
/// `entry`: the file; its `size` must be set. Counts one reference.
/// `handle`: the handle, to be closed with `fs_release`.
///
/// Results: as `fs_mknod` and `fs_open`; `FS_EXISTS` with `FS_OPEN_EXCLUSIVE` only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_create(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    options: *const fs_open_options,
    entry: *mut fs_entry,
    handle: *mut fs_handle,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name, options) = (caller_in(caller)?, name_in(name, name_bytes)?, input(options)?);
            let (entry, handle) = (output_structure(entry)?, output(handle)?);
            let made = view.0.create(&who, NodeId(parent), name, options.mode, options.to_core(CREATES)?)?;
            entry.put(made.0.into());
            handle.put(made.1.0);
            Ok(())
        })
    }
}

/// Makes a file without a name and opens it. It goes with its last handle and reference unless `fs_link` names it.
///
/// `parent`: the directory whose group and default ACL it takes.
/// `options`, `entry`, `handle`: as `fs_create`.
///
/// Results: as `fs_mknod` and `fs_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_tmpfile(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    options: *const fs_open_options,
    entry: *mut fs_entry,
    handle: *mut fs_handle,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, options) = (caller_in(caller)?, input(options)?);
            let (entry, handle) = (output_structure(entry)?, output(handle)?);
            let made = view.0.create_unnamed(&who, NodeId(parent), options.mode, options.to_core(CREATES)?)?;
            entry.put(made.0.into());
            handle.put(made.1.0);
            Ok(())
        })
    }
}

/// Closes a handle. Locks that belong to it go by `fs_lock_forget`.
///
/// Results: `FS_OK`, `FS_BAD_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_release(view: *const fs_view, handle: fs_handle) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.release(crate::types::HandleId(handle))?)) }
}

/// The host's own file that holds all of what a handle is open on, so that a kernel may read there by itself (FUSE's passthrough).
///
/// Only of files in a snapshot that are the base directory's, unchanged: nothing done through the volume can change what is read
/// there. What others do to the base shows, as it does otherwise.
/// `descriptor`: the answer, open for reading; the caller's to close(2).
///
/// Results: `FS_OK`; `FS_NOT_SUPPORTED` for any other file, and where the system has no descriptors; `FS_BAD_HANDLE`, `FS_STALE`, `FS_IO`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_host_file(view: *const fs_view, handle: fs_handle, descriptor: *mut i32) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let descriptor = output(descriptor)?;
            #[cfg(unix)]
            descriptor.put(view.0.host_file(crate::types::HandleId(handle))?.into_raw_fd());
            #[cfg(not(unix))]
            return Err(Error::NotSupported.into());
            #[cfg(unix)]
            Ok(())
        })
    }
}

/// Reads: all of a write is seen, or nothing of it.
///
/// `handle`: open for reading, or `FS_HANDLE_NONE`: the caller's permission is checked then. With a handle its file is meant,
/// whatever `node` is.
/// `offset`: where to begin, in bytes.
/// `into`, `capacity`: where the bytes go, and how many are wanted; `into` may be NULL for none.
/// `read_bytes`: how many came; 0 at and past the end.
///
/// Results: `FS_OK`, `FS_IS_A_DIRECTORY`, `FS_BAD_HANDLE`, `FS_ACCESS_DENIED`, `FS_INVALID`, `FS_IO`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_read(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    offset: u64,
    into: *mut c_void,
    capacity: usize,
    read_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, into) = (caller_in(caller)?, buffer_in(into.cast(), capacity)?);
            let read_bytes = output(read_bytes)?;
            read_bytes.put(view.0.read(&who, NodeId(node), handle_in(handle), offset, into)?);
            Ok(())
        })
    }
}

/// Writes: in one step to every reader.
///
/// `handle`: open for writing, or `FS_HANDLE_NONE`: the caller's permission is checked then. With a handle its file is meant,
/// whatever `node` is; one opened with `FS_OPEN_APPEND` always writes at the end.
/// `offset`: where to begin, in bytes, or `FS_OFFSET_END`.
/// `data`, `data_bytes`: what; `data` may be NULL for none.
/// `written_bytes`: how many were written; fewer than asked only when space ran out after them.
///
/// Results: `FS_OK`, `FS_NO_SPACE`, `FS_FILE_TOO_LARGE`, `FS_READ_ONLY`, `FS_NOT_PERMITTED`, `FS_IS_A_DIRECTORY`, `FS_BAD_HANDLE`, `FS_ACCESS_DENIED`,
/// `FS_INVALID`, `FS_IO`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_write(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    offset: u64,
    data: *const c_void,
    data_bytes: usize,
    written_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, data) = (caller_in(caller)?, bytes_in(data.cast(), data_bytes)?);
            let written_bytes = output(written_bytes)?;
            let at = if offset == FS_OFFSET_END { WriteAt::End } else { WriteAt::Offset(offset) };
            written_bytes.put(view.0.write(&who, NodeId(node), handle_in(handle), at, data)?);
            Ok(())
        })
    }
}

/// Writes back what a cache or a mapping holds: as `fs_write`, but the file never grows. What would lie beyond its end, wherever that is
/// then, is not written (WinFsp: ConstrainedIo).
///
/// `handle`: as for `fs_write`; one opened to append writes at `offset` too, and what others have locked is written: locks kept from
/// changing the pages, not from writing them back.
/// `offset`: where to begin, in bytes.
/// `written_bytes`: how many were written; 0 at and past the end.
///
/// Results: as `fs_write`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_write_within(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    offset: u64,
    data: *const c_void,
    data_bytes: usize,
    written_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, data) = (caller_in(caller)?, bytes_in(data.cast(), data_bytes)?);
            let written_bytes = output(written_bytes)?;
            let at = WriteAt::Within(offset);
            written_bytes.put(view.0.write(&who, NodeId(node), handle_in(handle), at, data)?);
            Ok(())
        })
    }
}

/// To be called at each close of a descriptor. Content needs nothing then; locks may.
///
/// `flags`: `FS_FLUSH_UNLOCK`: the range locks of `owner` on the node go, as POSIX asks of close(2); or 0.
///
/// Results: `FS_OK`, `FS_INVALID` for an unknown flag, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_flush(view: *const fs_view, node: fs_node, flags: u32, owner: u64) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| match flags {
            0 => Ok(view.0.flush(NodeId(node), None)?),
            FS_FLUSH_UNLOCK => Ok(view.0.flush(NodeId(node), Some(owner))?),
            _ => Err(Error::Invalid("a flush flag that this version does not know").into()),
        })
    }
}

/// Does nothing but find out that the node is there: a volume lives in memory, and what was written is as safe as it will be.
///
/// Results: `FS_OK`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_fsync(view: *const fs_view, node: fs_node) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.fsync(NodeId(node))?)) }
}

/// Reserves, frees or zeroes a range of a file, as fallocate(2).
///
/// `handle`: as for `fs_write`.
/// `offset`, `length`: the range, in bytes.
/// `how`: `FS_ALLOCATE_RESERVE` or `_ZERO`, each alone or with `FS_ALLOCATE_KEEP_SIZE`; `FS_ALLOCATE_PUNCH`.
///
/// Results: as `fs_write`; `FS_INVALID` for a length of 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_fallocate(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    offset: u64,
    length: u64,
    how: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let who = caller_in(caller)?;
            Ok(view.0.allocate(&who, NodeId(node), handle_in(handle), offset, length, allocation(how)?)?)
        })
    }
}

/// Finds data or a hole, as lseek(2).
///
/// `offset`: where to begin, in bytes.
/// `what`: `FS_SEEK_DATA` or `FS_SEEK_HOLE`.
/// `found`: the offset.
///
/// Results: `FS_OK`, `FS_NO_SUCH_OFFSET`, `FS_IS_A_DIRECTORY`, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lseek(
    view: *const fs_view,
    node: fs_node,
    offset: u64,
    what: u32,
    found: *mut u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let found = output(found)?;
            found.put(view.0.seek(NodeId(node), offset, seek(what)?)?);
            Ok(())
        })
    }
}

/// Copies from one file of the volume to another, or within one; whole chunks that line up are shared, not copied. The rest, and what a
/// base has, is copied a part at a time, and of very large files a part is shared at a time: go on from where it ended.
///
/// `source`, `source_handle`, `source_offset`: from where; the handle as for `fs_read`.
/// `node`, `handle`, `offset`: to where; the handle as for `fs_write`.
/// `length`: how many bytes at most.
/// `copied`: how many were copied, which may be fewer; 0 at and past the end of the source.
///
/// Results: as `fs_read` of the one and `fs_write` of the other; `FS_INVALID` when ranges of one file overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_copy_range(
    view: *const fs_view,
    caller: *const fs_caller,
    source: fs_node,
    source_handle: fs_handle,
    source_offset: u64,
    node: fs_node,
    handle: fs_handle,
    offset: u64,
    length: u64,
    copied: *mut u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, copied) = (caller_in(caller)?, output(copied)?);
            let (source, source_handle) = (NodeId(source), handle_in(source_handle));
            let (node, handle) = (NodeId(node), handle_in(handle));
            copied.put(view.0.copy_range(&who, source, source_handle, source_offset, node, handle, offset, length)?);
            Ok(())
        })
    }
}
