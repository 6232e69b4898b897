//! What a volume says of itself: label, serial number, birth, space, and what it can do.

use std::ffi::c_char;

use super::boundary::*;
use super::refs::bytes_of_name;
use super::results::fs_result;
use super::types::fs_caller;
use super::utf16::name_of;
use super::view::fs_view;
use super::volume::names_number;
use crate::error::Error;
use crate::limits;
use crate::tree::name::wtf8;
use crate::volume::{Capabilities, VolumeInfo};

/// Capability: names that differ in case are two.
pub const FS_CAN_CASE_SENSITIVE: u64 = 0x1;
/// Capability: names keep their case.
pub const FS_CAN_CASE_PRESERVED: u64 = 0x2;
/// Capability: names are Unicode text; other bytes are refused.
pub const FS_CAN_UNICODE: u64 = 0x4;
/// Capability: names that differ in how characters are composed are one.
pub const FS_CAN_NORMALIZATION_INSENSITIVE: u64 = 0x8;
/// Capability: access control lists and security descriptors are kept.
pub const FS_CAN_PERSISTENT_ACLS: u64 = 0x10;
/// Capability: files and directories have named streams.
pub const FS_CAN_NAMED_STREAMS: u64 = 0x20;
/// Capability: extended attributes of Windows.
pub const FS_CAN_EAS: u64 = 0x40;
/// Capability: extended attributes as Linux and macOS have them.
pub const FS_CAN_XATTRS: u64 = 0x80;
/// Capability: reparse points.
pub const FS_CAN_REPARSE_POINTS: u64 = 0x100;
/// Capability: symbolic links.
pub const FS_CAN_SYMLINKS: u64 = 0x200;
/// Capability: several names of one file.
pub const FS_CAN_HARD_LINKS: u64 = 0x400;
/// Capability: holes take no storage.
pub const FS_CAN_SPARSE_FILES: u64 = 0x800;
/// Capability: content that was never written reads as zeros.
pub const FS_CAN_ZERO_RUNS: u64 = 0x1000;
/// Capability: copies of ranges share storage.
pub const FS_CAN_BLOCK_SHARING: u64 = 0x2000;
/// Capability: a file may be removed or replaced while it is open.
pub const FS_CAN_POSIX_UNLINK_RENAME: u64 = 0x4000;
/// Capability: opens may deny others to read, write or delete.
pub const FS_CAN_OPEN_DENY_MODES: u64 = 0x8000;
/// Capability: inode ids are the same as long as the volume lives, and never used again.
pub const FS_CAN_PERSISTENT_IDS: u64 = 0x10000;
/// Capability: inode ids need more than 32 bits.
pub const FS_CAN_IDS_OF_64_BITS: u64 = 0x20000;
/// Capability: files may be larger than 2 TB.
pub const FS_CAN_LARGE_FILES: u64 = 0x40000;
/// Capability: a flag hides files from people.
pub const FS_CAN_HIDDEN_FILES: u64 = 0x80000;
/// Capability: a flag makes files immutable.
pub const FS_CAN_IMMUTABLE_FILES: u64 = 0x100000;
/// Capability: permission bits can be set.
pub const FS_CAN_SETTABLE_PERMISSIONS: u64 = 0x200000;
/// Capability: the root directory's times can be relied on.
pub const FS_CAN_ROOT_TIMES: u64 = 0x400000;
/// Capability: space is known, and asking for it is cheap.
pub const FS_CAN_FAST_SPACE: u64 = 0x800000;
/// Capability, or rather none: the view refuses every change.
pub const FS_CAN_READ_ONLY: u64 = 0x8000000000000000;

/// Room for a label: at most 255 bytes and a NUL.
pub const FS_LABEL_BYTES: usize = 256;
/// Room for a label in UTF-16.
pub const FS_LABEL_UNITS: usize = 32;

/// Label flag: it is UTF-16, its length in bytes as ever.
pub const FS_LABEL_UTF16: u32 = 1;

const _: () = {
    assert!(FS_LABEL_BYTES == limits::LABEL_BYTES + 1 && FS_LABEL_UNITS == limits::LABEL_UNITS);
    assert!(FS_CAN_CASE_SENSITIVE == Capabilities::CASE_SENSITIVE.0);
    assert!(FS_CAN_CASE_PRESERVED == Capabilities::CASE_PRESERVED.0 && FS_CAN_UNICODE == Capabilities::UNICODE.0);
    assert!(FS_CAN_NORMALIZATION_INSENSITIVE == Capabilities::NORMALIZATION_INSENSITIVE.0);
    assert!(FS_CAN_PERSISTENT_ACLS == Capabilities::PERSISTENT_ACLS.0);
    assert!(FS_CAN_NAMED_STREAMS == Capabilities::NAMED_STREAMS.0 && FS_CAN_XATTRS == Capabilities::XATTRS.0);
    assert!(FS_CAN_EAS == Capabilities::EXTENDED_ATTRIBUTES.0);
    assert!(FS_CAN_REPARSE_POINTS == Capabilities::REPARSE_POINTS.0 && FS_CAN_SYMLINKS == Capabilities::SYMLINKS.0);
    assert!(FS_CAN_HARD_LINKS == Capabilities::HARD_LINKS.0 && FS_CAN_SPARSE_FILES == Capabilities::SPARSE_FILES.0);
    assert!(FS_CAN_ZERO_RUNS == Capabilities::ZERO_RUNS.0 && FS_CAN_BLOCK_SHARING == Capabilities::BLOCK_SHARING.0);
    assert!(FS_CAN_POSIX_UNLINK_RENAME == Capabilities::POSIX_UNLINK_RENAME.0);
    assert!(FS_CAN_OPEN_DENY_MODES == Capabilities::OPEN_DENY_MODES.0);
    assert!(FS_CAN_PERSISTENT_IDS == Capabilities::PERSISTENT_IDS.0);
    assert!(FS_CAN_IDS_OF_64_BITS == Capabilities::IDS_OF_64_BITS.0);
    assert!(FS_CAN_LARGE_FILES == Capabilities::LARGE_FILES.0 && FS_CAN_HIDDEN_FILES == Capabilities::HIDDEN_FILES.0);
    assert!(FS_CAN_IMMUTABLE_FILES == Capabilities::IMMUTABLE_FILES.0);
    assert!(FS_CAN_SETTABLE_PERMISSIONS == Capabilities::SETTABLE_PERMISSIONS.0);
    assert!(FS_CAN_ROOT_TIMES == Capabilities::ROOT_TIMES.0 && FS_CAN_FAST_SPACE == Capabilities::FAST_SPACE.0);
    assert!(FS_CAN_READ_ONLY == Capabilities::READ_ONLY.0);
};

/// What a volume says of itself through one view.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_volume_info {
    /// `sizeof(fs_volume_info)`.
    pub size: u32,
    /// Its serial number, as Windows has one; never 0.
    pub serial: u32,
    /// Its id: a UUID.
    pub id: [u8; 16],
    /// When it was opened: nanoseconds since 1970-01-01 UTC.
    pub created: i64,
    /// Bytes that it can hold.
    pub total_bytes: u64,
    /// Bytes that it can still take.
    pub free_bytes: u64,
    /// `FS_CAN_...` bits.
    pub capabilities: u64,
    /// The same as the `FILE_...` flags of Windows' GetVolumeInformation.
    pub windows_flags: u32,
    /// `FS_NAMES_...`.
    pub names: u32,
    /// Longest name, in bytes.
    pub name_bytes: u32,
    /// Longest name in the units that the volume counts names in: UTF-16 units with `FS_NAMES_WINDOWS`, else bytes.
    pub name_units: u32,
    /// Most names of one file.
    pub links: u32,
    /// Longest value of an extended attribute, in bytes.
    pub xattr_bytes: u32,
    /// Largest file, in bytes.
    pub file_bytes: u64,
    /// Length of `label`.
    pub label_bytes: u32,
    /// Length of `label_utf16`.
    pub label_units: u32,
    /// Its label, ended by a NUL.
    pub label: [c_char; FS_LABEL_BYTES],
    /// Its label in UTF-16, of a longer one the beginning, filled up with NULs.
    pub label_utf16: [u16; FS_LABEL_UNITS],
    /// 0.
    pub reserved: [u64; 4],
}

impl fs_volume_info {
    fn of(info: &VolumeInfo) -> fs_volume_info {
        let mut label_utf16 = [0; FS_LABEL_UNITS];
        // A label is text: checked when it was set.
        let units = wtf8::to_utf16(&info.label).unwrap_or_default();
        let label_units = units.len().min(FS_LABEL_UNITS);
        label_utf16[..label_units].copy_from_slice(&units[..label_units]);
        fs_volume_info {
            size: size_of::<fs_volume_info>() as u32,
            serial: info.serial,
            id: info.id,
            created: info.created.0,
            total_bytes: info.total_bytes,
            free_bytes: info.free_bytes,
            capabilities: info.capabilities.0,
            windows_flags: info.capabilities.windows_flags(),
            names: names_number(info.names),
            name_bytes: info.names.longest_bytes() as u32,
            name_units: info.names.longest() as u32,
            links: limits::LINKS,
            xattr_bytes: limits::XATTR_VALUE_BYTES as u32,
            file_bytes: limits::FILE_BYTES,
            label_bytes: info.label.len() as u32,
            label_units: label_units as u32,
            label: bytes_of_name(&info.label),
            label_utf16,
            reserved: [0; 4],
        }
    }
}

/// What the volume of a view says of itself, and what it can do as the view shows it.
///
/// `info`: the answer; its `size` must be set.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_info_get(view: *const fs_view, info: *mut fs_volume_info) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output_structure(info)?.put(fs_volume_info::of(&view.0.volume_info()));
            Ok(())
        })
    }
}

/// Gives the volume of a view another label, in every view. Who watches any branch of it is told (`FS_EVENT_LABEL`).
///
/// `label`, `label_bytes`: the label, without control characters, at most 255 bytes; with `FS_NAMES_WINDOWS` at most 32 UTF-16 units.
/// `flags`: `FS_LABEL_UTF16` or 0.
///
/// Results: `FS_OK`, `FS_READ_ONLY`, `FS_NOT_PERMITTED` for anybody but the volume's owner and administrators, `FS_NAME_TOO_LONG`,
/// `FS_BAD_NAME`, `FS_BAD_UTF8`, `FS_INVALID` for an unknown flag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_label_set(
    view: *const fs_view,
    caller: *const fs_caller,
    label: *const c_char,
    label_bytes: usize,
    flags: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let who = caller_in(caller)?;
            if flags & !FS_LABEL_UTF16 != 0 {
                return Err(Error::Invalid("a label flag that this version does not know").into());
            }
            let label = name_of(label, label_bytes, flags != 0)?;
            Ok(view.0.set_label(&who, &label)?)
        })
    }
}
