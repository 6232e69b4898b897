//! Differences of two branches or snapshots.

use std::ffi::c_char;
use std::sync::Arc;

use super::boundary::*;
use super::results::fs_result;
use super::types::fs_ref;
use super::volume::fs_volume;
use crate::history::diff::{Aspects, Diff, DiffEntry, DiffKind};
use crate::sync::Mutex;
use crate::volume::Volume;

/// The differences of two branches or snapshots, one after another.
pub struct fs_diff {
    under_way: Mutex<UnderWay>,
    volume: Arc<Volume>,
}

struct UnderWay {
    diff: Diff,
    /// Given last: C reads its paths until the next.
    given: Option<DiffEntry>,
}

impl Handle for fs_diff {
    fn latch(&self) {
        self.volume.latch_read_only();
    }
}

/// Difference: there is no more.
pub const FS_DIFF_END: u32 = 0;
/// Difference: the path is new.
pub const FS_DIFF_ADDED: u32 = 1;
/// Difference: the path is gone.
pub const FS_DIFF_REMOVED: u32 = 2;
/// Difference: the path is in both, and differs.
pub const FS_DIFF_CHANGED: u32 = 3;
/// Difference: it was elsewhere before (`old_path`), and may differ besides.
pub const FS_DIFF_RENAMED: u32 = 4;

/// Aspect: bytes of a file, target of a symbolic link, number of a device, reparse point.
pub const FS_ASPECT_CONTENT: u32 = 1;
/// Aspect: permission bits.
pub const FS_ASPECT_MODE: u32 = 2;
/// Aspect: owner or group.
pub const FS_ASPECT_OWNER: u32 = 4;
/// Aspect: time of last change of content; not of directories.
pub const FS_ASPECT_TIMES: u32 = 8;
/// Aspect: extended attributes (those of Windows, too) or ACLs.
pub const FS_ASPECT_XATTRS: u32 = 16;
/// Aspect: flags, and attributes of Windows.
pub const FS_ASPECT_FLAGS: u32 = 32;
/// Aspect: another kind of file.
pub const FS_ASPECT_KIND: u32 = 64;
/// Aspect: named streams: which there are, and their bytes.
pub const FS_ASPECT_STREAMS: u32 = 128;
/// Aspect: the security descriptor.
pub const FS_ASPECT_SECURITY: u32 = 256;

const _: () = {
    assert!(FS_DIFF_ADDED == DiffKind::Added as u32 && FS_DIFF_REMOVED == DiffKind::Removed as u32);
    assert!(FS_DIFF_CHANGED == DiffKind::Changed as u32 && FS_DIFF_RENAMED == DiffKind::Renamed as u32);
    assert!(FS_ASPECT_CONTENT == Aspects::CONTENT.0 && FS_ASPECT_MODE == Aspects::MODE.0);
    assert!(FS_ASPECT_OWNER == Aspects::OWNER.0 && FS_ASPECT_TIMES == Aspects::TIMES.0);
    assert!(FS_ASPECT_XATTRS == Aspects::XATTRS.0 && FS_ASPECT_FLAGS == Aspects::FLAGS.0);
    assert!(FS_ASPECT_KIND == Aspects::KIND.0 && FS_ASPECT_STREAMS == Aspects::STREAMS.0);
    assert!(FS_ASPECT_SECURITY == Aspects::SECURITY.0);
};

/// One path that differs.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_diff_entry {
    /// `sizeof(fs_diff_entry)`.
    pub size: u32,
    /// `FS_DIFF_...`.
    pub kind: u32,
    /// `FS_ASPECT_...` bits: in what it differs; 0 for what was added or removed, or moved unchanged.
    pub aspects: u32,
    /// `FS_KIND_...`: what it is, in the later tree if it is there.
    pub file_kind: u32,
    /// The inode: that of the later tree, if it is there.
    pub inode: u64,
    /// Its path from the root without a leading slash, not ended by a NUL: in the later tree, or the earlier one for what was removed.
    /// Empty for the root.
    pub path: *const c_char,
    /// Length of `path`.
    pub path_bytes: usize,
    /// Its path in the earlier tree where that differs, else NULL.
    pub old_path: *const c_char,
    /// Length of `old_path`.
    pub old_path_bytes: usize,
    /// 0.
    pub reserved: [u64; 3],
}

impl fs_diff_entry {
    fn of(entry: Option<&DiffEntry>) -> fs_diff_entry {
        let path = entry.map_or(&[][..], |entry| &entry.path);
        let old_path = entry.and_then(|entry| entry.old_path.as_deref());
        fs_diff_entry {
            size: size_of::<fs_diff_entry>() as u32,
            kind: entry.map_or(FS_DIFF_END, |entry| entry.kind as u32),
            aspects: entry.map_or(0, |entry| entry.aspects.0),
            file_kind: entry.map_or(0, |entry| entry.file_kind as u32),
            inode: entry.map_or(0, |entry| entry.inode.0),
            path: path.as_ptr().cast(),
            path_bytes: path.len(),
            old_path: old_path.map_or(std::ptr::null(), |path| path.as_ptr().cast()),
            old_path_bytes: old_path.map_or(0, <[u8]>::len),
            reserved: [0; 3],
        }
    }
}

/// Begins to compare two branches or snapshots, each as it is now. The cost is that of the difference, not of the trees.
///
/// `before`, `after`: which.
/// `diff`: the differences, by `fs_diff_next`; to be closed with `fs_diff_close`.
///
/// Results: `FS_OK`, `FS_NO_SUCH_REF`, `FS_INVALID` for an unknown kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_diff_open(
    volume: *const fs_volume,
    before: fs_ref,
    after: fs_ref,
    diff: *mut *mut fs_diff,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            let output = output(diff)?;
            let diff = volume.0.diff(before.id()?, after.id()?)?;
            let under_way = Mutex::new(UnderWay { diff, given: None });
            output.put(give(fs_diff { under_way, volume: volume.0.clone() }));
            Ok(())
        })
    }
}

/// The next difference, in no particular order. One thread at a time.
///
/// `entry`: the answer; its `size` must be set. Its kind is `FS_DIFF_END` when there is no more. Its paths live until the next call of
/// `fs_diff_next` or `fs_diff_close`.
///
/// Results: `FS_OK`, `FS_IO` when content had to be compared and could not be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_diff_next(diff: *const fs_diff, entry: *mut fs_diff_entry) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(diff, |diff| {
            let entry = output_structure(entry)?;
            let mut under_way = diff.under_way.lock();
            under_way.given = under_way.diff.next_entry()?;
            entry.put(fs_diff_entry::of(under_way.given.as_ref()));
            Ok(())
        })
    }
}

/// Closes a diff. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_diff_close(diff: *mut fs_diff) {
    // SAFETY: what the header asks of pointers.
    unsafe { close(diff) }
}
