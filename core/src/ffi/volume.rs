//! Volumes: opening, closing, counters, the views there are.

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::Arc;

use super::boundary::*;
use super::results::fs_result;
use super::view::fs_view_record;
use crate::base::BaseConfig;
use crate::control::messages::fs_activity;
use crate::error::Error;
use crate::tree::name::NamePolicy;
use crate::volume::{Config, Volume};

/// A volume: a tree, its branches and snapshots.
pub struct fs_volume(pub(super) Arc<Volume>);

impl Handle for fs_volume {
    fn latch(&self) {
        self.0.latch_read_only();
    }
}

/// Names: up to 255 bytes, any but `/` and NUL; only equal bytes are equal names.
pub const FS_NAMES_POSIX: u32 = 0;
/// Names: as `FS_NAMES_POSIX`, but names that differ in case only are one and the same (Unicode simple case folding). Names keep
/// their case.
pub const FS_NAMES_POSIX_IGNORE_CASE: u32 = 1;
/// Names: as Windows programs can use them: up to 255 UTF-16 units as WTF-8, none of `< > : " / \ | ? *` nor control
/// characters, no device's name, no dot or space at the end. Names that differ in case only are one and the same.
pub const FS_NAMES_WINDOWS: u32 = 2;
/// Names: as on APFS: up to 255 bytes of UTF-8, any but `/` and NUL. Names that differ in case only, or in how their characters are
/// composed, are one and the same.
pub const FS_NAMES_MACOS: u32 = 3;

/// Config flag: without `spill_dir` content goes to the folder of temporary files (`TMPDIR`) or, where that is in memory
/// itself, to /var/tmp. If that is no disk either there is a warning in the log, and nothing is spilled.
pub const FS_CONFIG_SPILL: u32 = 1;

/// Base: a directory of the host, which is never written to. Linux only.
pub const FS_CONFIG_BASE_DIRECTORY: u32 = 1;
/// Base flag: other file systems that are mounted below the directory are shown. A mount point is an empty directory else.
pub const FS_CONFIG_BASE_CROSS_MOUNTS: u32 = 1;
/// Base flag: what is read is copied, so that a branch sees one state of it.
pub const FS_CONFIG_BASE_FREEZE: u32 = 2;

/// How to open a volume. All zero but for `size` is a good beginning.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_config {
    /// `sizeof(fs_config)`.
    pub size: u32,
    /// `FS_CONFIG_...` bits that are not of the base.
    pub flags: u32,
    /// What it is called, UTF-8, by the rules of branch names; NULL: "bough".
    pub name: *const c_char,
    /// Length of `name`.
    pub name_bytes: usize,
    /// Bytes that it may hold in memory, content and all else; 0: `memory_percent`.
    pub memory_bytes: u64,
    /// Directory for an unlinked file that content goes to when memory has no room for it; NULL: nowhere, or as
    /// `FS_CONFIG_SPILL` says.
    pub spill_dir: *const c_char,
    /// Length of `spill_dir`.
    pub spill_dir_bytes: usize,
    /// Where the host listens for control messages, UTF-8: handed on to who asks with `FS_CONTROL_INFO`; NULL: nowhere.
    pub endpoint: *const c_char,
    /// Length of `endpoint`.
    pub endpoint_bytes: usize,
    /// Owner of the root directory, who may also control the volume.
    pub root_uid: u32,
    /// Group of the root directory.
    pub root_gid: u32,
    /// Permission bits of the root directory; 0: 0755.
    pub root_mode: u32,
    /// `FS_NAMES_...`: which names there can be, and which are one and the same. For good.
    pub names: u32,
    /// What lies beneath the first tree: the path of a directory, of `base_kind`; NULL: nothing.
    pub base: *const c_char,
    /// Length of `base`.
    pub base_bytes: usize,
    /// `FS_CONFIG_BASE_...`.
    pub base_kind: u32,
    /// `FS_CONFIG_BASE_...` bits.
    pub base_flags: u32,
    /// Its label, UTF-8; NULL: its name, or as much of it as is a label everywhere.
    pub label: *const c_char,
    /// Length of `label`.
    pub label_bytes: usize,
    /// Its id, a UUID; all zero: a random one.
    pub id: [u8; 16],
    /// Hundredths of the memory that the machine, the process' groups and its limits allow, where `memory_bytes` is 0; 0: 25.
    pub memory_percent: u32,
    /// 0.
    pub reserved0: u32,
    /// The most bytes that are spilled; 0: what the disk has room for.
    pub spill_limit_bytes: u64,
    /// Free space of the disk that is left to others, in bytes; 0: 256 MiB.
    pub spill_reserve_bytes: u64,
    /// 0.
    pub reserved: [u64; 5],
}

/// Counters of a volume.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_counters {
    /// `sizeof(fs_counters)`.
    pub size: u32,
    /// 0.
    pub reserved0: u32,
    /// Branches.
    pub branches: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Views.
    pub views: u64,
    /// Limit of what is in memory, in bytes.
    pub memory_bytes: u64,
    /// In use, content and all else, in memory and in the spill file, in bytes.
    pub used_bytes: u64,
    /// Content that can be stored in all, in bytes.
    pub capacity_bytes: u64,
    /// Chunks in use.
    pub chunks: u64,
    /// Bytes in small buffers.
    pub small_bytes: u64,
    /// Chunks allocated since the volume was opened.
    pub chunks_allocated: u64,
    /// Chunks copied because they were shared, since the volume was opened.
    pub chunks_copied: u64,
    /// Content in the spill file, in bytes.
    pub spill_bytes: u64,
    /// 0.
    pub reserved: [u64; 8],
}

impl fs_config {
    unsafe fn to_core(self) -> Outcome<Config> {
        let defaults = Config::default();
        if self.flags & !FS_CONFIG_SPILL != 0 {
            return Err(Error::Invalid("a config flag that this version does not know").into());
        }
        let names = names_policy(self.names)?;
        // SAFETY: the texts of a config are as the header asks.
        let (name, label, endpoint, spill_dir, base) = unsafe {
            (
                optional_text(self.name, self.name_bytes)?,
                optional_text(self.label, self.label_bytes)?,
                optional_text(self.endpoint, self.endpoint_bytes)?,
                optional_path(self.spill_dir, self.spill_dir_bytes)?,
                optional_path(self.base, self.base_bytes)?,
            )
        };
        Ok(Config {
            name: name.map_or(defaults.name, str::to_owned),
            memory_bytes: (self.memory_bytes > 0).then_some(self.memory_bytes),
            memory_percent: (self.memory_percent > 0).then_some(self.memory_percent),
            spill_dir,
            spill_by_default: self.flags & FS_CONFIG_SPILL != 0,
            spill_limit_bytes: (self.spill_limit_bytes > 0).then_some(self.spill_limit_bytes),
            spill_reserve_bytes: (self.spill_reserve_bytes > 0).then_some(self.spill_reserve_bytes),
            label: label.map(|label| label.as_bytes().to_vec()),
            id: (self.id != [0; 16]).then_some(self.id),
            names,
            root_uid: self.root_uid,
            root_gid: self.root_gid,
            root_mode: if self.root_mode == 0 { defaults.root_mode } else { self.root_mode },
            endpoint: endpoint.unwrap_or_default().to_owned(),
            clock: defaults.clock,
            base: base.map(|path| self.base_at(path)).transpose()?,
        })
    }
}

impl fs_config {
    fn base_at(&self, path: PathBuf) -> Outcome<BaseConfig> {
        let (kind, flags) = (self.base_kind, self.base_flags);
        if kind != FS_CONFIG_BASE_DIRECTORY || flags & !(FS_CONFIG_BASE_CROSS_MOUNTS | FS_CONFIG_BASE_FREEZE) != 0 {
            return Err(Error::Invalid("a kind or flag of a base that this version does not know").into());
        }
        let (cross_mounts, freeze) = (flags & FS_CONFIG_BASE_CROSS_MOUNTS != 0, flags & FS_CONFIG_BASE_FREEZE != 0);
        Ok(BaseConfig::HostDirectory { path, cross_mounts, freeze })
    }
}

fn names_policy(names: u32) -> Outcome<NamePolicy> {
    match names {
        FS_NAMES_POSIX => Ok(NamePolicy::Posix),
        FS_NAMES_POSIX_IGNORE_CASE => Ok(NamePolicy::PosixCaseInsensitive),
        FS_NAMES_WINDOWS => Ok(NamePolicy::Windows),
        FS_NAMES_MACOS => Ok(NamePolicy::MacOs),
        _ => Err(Error::Invalid("rules of names that this version does not know").into()),
    }
}

/// The number of rules of names.
pub(super) fn names_number(names: NamePolicy) -> u32 {
    match names {
        NamePolicy::Posix => FS_NAMES_POSIX,
        NamePolicy::PosixCaseInsensitive => FS_NAMES_POSIX_IGNORE_CASE,
        NamePolicy::Windows => FS_NAMES_WINDOWS,
        NamePolicy::MacOs => FS_NAMES_MACOS,
    }
}

/// A path of the host's own file system: bytes where paths are bytes, else UTF-8.
unsafe fn optional_path(path: *const c_char, length: usize) -> Outcome<Option<PathBuf>> {
    if path.is_null() {
        return Ok(None);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: the caller's promise is this function's own.
        let bytes = unsafe { name_in(path, length)? };
        Ok(Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes))))
    }
    #[cfg(not(unix))]
    // SAFETY: the caller's promise is this function's own.
    Ok(Some(PathBuf::from(unsafe { text_in(path, length)? })))
}

/// Opens an empty volume with one branch, "main".
///
/// `config`: how; may be NULL for a volume with default settings.
/// `volume`: the volume, to be closed with `fs_volume_close`.
///
/// Results: `FS_OK`; `FS_BAD_REF_NAME` and `FS_BAD_UTF8` for the name; `FS_INVALID` for an unknown flag or a memory limit that is
/// too small; `FS_IO` when the spill directory cannot be used; `FS_BAD_BASE` for a base that is missing, no directory or unreadable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_open(config: *const fs_config, volume: *mut *mut fs_volume) -> fs_result {
    // SAFETY: what the header asks of pointers.
    free_call(|| unsafe {
        let volume = output(volume)?;
        let config = if config.is_null() { Config::default() } else { input(config)?.to_core()? };
        volume.put(give(fs_volume(Volume::open(config)?)));
        Ok(())
    })
}

/// Closes a volume. It ends when its views, diffs and events are closed too; its content is gone then. NULL is fine.
///
/// No other thread may use this handle during the call or after.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_close(volume: *mut fs_volume) {
    // SAFETY: what the header asks of pointers.
    unsafe { close(volume) }
}

/// Counters of a volume.
///
/// `counters`: the answer; its `size` must be set.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_stats(volume: *const fs_volume, counters: *mut fs_counters) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            output_structure(counters)?.put(volume.counters());
            Ok(())
        })
    }
}

/// What a volume did since it was opened: counts, hit rates, times of operations. Costs the same whatever the volume holds.
///
/// `activity`: the answer; its `size` must be set.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_activity(volume: *const fs_volume, activity: *mut fs_activity) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            output_structure(activity)?.put(fs_activity::of(&volume.0.activity()));
            Ok(())
        })
    }
}

impl fs_volume {
    fn counters(&self) -> fs_counters {
        let stats = self.0.stats();
        fs_counters {
            size: size_of::<fs_counters>() as u32,
            reserved0: 0,
            branches: stats.branches,
            snapshots: stats.snapshots,
            views: stats.views,
            memory_bytes: stats.memory_bytes,
            used_bytes: stats.used_bytes,
            capacity_bytes: stats.capacity_bytes,
            chunks: stats.chunks,
            small_bytes: stats.small_bytes,
            chunks_allocated: stats.chunks_allocated,
            chunks_copied: stats.chunks_copied,
            spill_bytes: stats.spill_bytes,
            reserved: [0; 8],
        }
    }
}

/// Makes a volume read-only for good; what is stored stays readable. For hosts that met a fault of their own.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_latch(volume: *const fs_volume) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(volume, |volume| {
            volume.0.latch_read_only();
            Ok(())
        })
    }
}

/// Is given one view at a time; `record` and what it points to live until it returns. True: go on; false: that was enough.
pub type fs_view_callback = Option<unsafe extern "C" fn(context: *mut c_void, record: *const fs_view_record) -> bool>;

/// Gives the views of a volume to `callback`, in order of id.
///
/// `callback`: called by this thread before the function returns; it may use the volume.
/// `context`: handed to it; may be NULL.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_volume_views(
    volume: *const fs_volume,
    callback: fs_view_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(volume, |volume| {
            let callback = callback.ok_or(Fault::NullPointer)?;
            for info in volume.0.views() {
                if !callback(context, &fs_view_record::of(&info)) {
                    break;
                }
            }
            Ok(())
        })
    }
}
