//! UTF-16: names and paths from and to programs of Windows. What is no text there (unpaired surrogates) survives, as WTF-8.

use std::borrow::Cow;
use std::ffi::c_char;

use super::boundary::*;
use super::results::fs_result;
use crate::error::Error;
use crate::tree::name::{windows_path, wtf8};

/// A name that a call takes: bytes, or with its flag UTF-16, whose length in bytes is even; it need not be aligned.
///
/// # Safety
/// As [`name_in`].
pub(super) unsafe fn name_of<'a>(name: *const c_char, name_bytes: usize, is_utf16: bool) -> Outcome<Cow<'a, [u8]>> {
    // SAFETY: the caller's promise is this function's own.
    let bytes = unsafe { name_in(name, name_bytes)? };
    if is_utf16 { Ok(wtf8::from_utf16(&units_of(bytes)?).into()) } else { Ok(bytes.into()) }
}

/// The units that bytes in memory are.
pub(super) fn units_of(bytes: &[u8]) -> Outcome<Vec<u16>> {
    let (units, []) = bytes.as_chunks() else {
        return Err(Error::Invalid("UTF-16 of an odd number of bytes").into());
    };
    Ok(units.iter().map(|&unit| u16::from_ne_bytes(unit)).collect())
}

/// The bytes of a name or path in UTF-16, by the size protocol: WTF-8, which is UTF-8 but for unpaired surrogates. Any units have some.
///
/// `units`, `count`: the UTF-16.
/// `into`, `capacity`: where the bytes go; a capacity of 0 asks for the size only, and `into` may be NULL then. At most 3 bytes for each
/// unit are needed.
/// `bytes`: how many they are. No NUL is added.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_utf16_to_bytes(
    units: *const u16,
    count: usize,
    into: *mut c_char,
    capacity: usize,
    bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    free_call(|| unsafe {
        if units.is_null() {
            return Err(Fault::NullPointer);
        }
        let (into, size) = (buffer_in(into.cast(), capacity)?, output(bytes)?);
        put_sized(&wtf8::from_utf16(items(units, count)?), into, size)
    })
}

/// The UTF-16 of a name or path in bytes, by the size protocol; what `fs_utf16_to_bytes` makes the same bytes of.
///
/// `bytes`, `count`: the bytes.
/// `into`, `capacity`: where the units go, and how many there is room for; a capacity of 0 asks for their number only, and `into` may
/// be NULL then. At most one unit for each byte is needed.
/// `units`: how many they are. No NUL is added.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`, `FS_BAD_UTF8` for bytes that no UTF-16 stands for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_utf16_from_bytes(
    bytes: *const c_char,
    count: usize,
    into: *mut u16,
    capacity: usize,
    units: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    free_call(|| unsafe {
        let (bytes, into, size) = (name_in(bytes, count)?, buffer_of(into, capacity)?, output(units)?);
        put_sized(&wtf8::to_utf16(bytes)?, into, size)
    })
}

/// Takes a path of Windows apart (`\\dir\\file:stream:$DATA`, in UTF-16), into a path as the calls by path take it (`/dir/file`) and the
/// name of a stream, by the size protocol.
///
/// `units`, `count`: the path.
/// `into`, `capacity`: where path and name go, the one right after the other; a capacity of 0 asks for the sizes only, and `into` may be NULL
/// then. At most 3 bytes for each unit are needed.
/// `path_bytes`, `stream_bytes`: how long each is; without a stream, or with that of the file's content (`::$DATA`), the latter is 0.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`; `FS_BAD_NAME` for a slash, two backslashes in a row, a stream of another type, or one that is
/// not named after the last component. Whether the components are names is not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_utf16_split_path(
    units: *const u16,
    count: usize,
    into: *mut c_char,
    capacity: usize,
    path_bytes: *mut usize,
    stream_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    free_call(|| unsafe {
        if units.is_null() {
            return Err(Fault::NullPointer);
        }
        let into = buffer_in(into.cast(), capacity)?;
        let (path_size, stream_size) = (output(path_bytes)?, output(stream_bytes)?);
        let found = windows_path::from_utf16(items(units, count)?)?;
        let both = [&found.path[..], &found.stream[..]].concat();
        if !into.is_empty() {
            into.get_mut(..both.len()).ok_or(Error::BufferTooSmall)?.copy_from_slice(&both);
        }
        path_size.put(found.path.len());
        stream_size.put(found.stream.len());
        Ok(())
    })
}
