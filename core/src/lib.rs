//! Bough: a file system you can branch.
//!
//! A [`Volume`] keeps a whole tree in memory. It takes [snapshots](Volume::create_snapshot) in constant time and
//! grows writable [branches](Volume::create_branch) from any of them. A [`View`] shows one branch or snapshot and is
//! the entry to every operation, by node for hosts that mount it and by path for programs.
//!
//! The layers, each calling only downwards: `ffi`, [`volume`](Volume), `operations`, `history`, `tree`, `data`, `base`.

// The model of the tests speaks of the crate by its name.
#[cfg(test)]
extern crate self as bough;

mod base;
mod check;
mod context;
pub mod control;
mod data;
pub mod error;
#[doc(hidden)]
pub mod ffi;
pub mod flags;
mod history;
mod ledger;
pub mod limits;
mod machine;
mod meter;
#[cfg(test)]
#[path = "../tests/model/shared.rs"]
mod model;
mod operations;
mod pending;
mod radix;
mod reckoning;
#[cfg(all(test, feature = "shuttle"))]
mod schedules;
mod shed;
mod striped;
mod sync;
mod tree;
mod types;
mod volume;

pub use base::{BaseConfig, BaseIdentity};
pub use check::CheckReport;
/// Numbers of Windows that opens are asked with.
pub mod windows {
    pub use crate::operations::windows::{create_options, rights};
}

pub use context::{Clock, SystemClock};
pub use data::Pin;
pub use error::{Error, Result};
pub use history::diff::{Aspects, ChangedBy, Diff, DiffEntry, DiffKind};
pub use history::events::{Changes, Event, EventKind, Events, Next, Watch};
pub use history::holdings::{Exclusive, Holdings};
pub use history::refs::{BASE_SNAPSHOT, FIRST_BRANCH, RefInfo, check_name as check_ref_name};
pub use meter::{FIRST_BUCKET_NS, LATENCY_BUCKETS, OPERATIONS, Operation, OperationStats};
pub use operations::{
    Allocation, Conflict, DirEntry, FileInfo, Follow, ListFrom, ListOptions, Lock, LockKind, LockSpace, MacInfo, Mask,
    NewExtras, NewNode, NewSecurity, OpenOptions, RenameMode, Seek, SetFileInfo, SetMacInfo, StreamInfo, ViewOptions,
    WaitId, WriteAt, XattrMode,
};
// What opens as Windows makes them speak in.
pub use operations::{Disposal, Disposition, Group, OpenOutcome, Renaming, Sid, Token, TokenPrivileges, WindowsOpen};
pub use tree::name::NamePolicy;
pub use types::*;
pub use volume::view::{Entry, View};
pub use volume::view_paths::PathAt;
pub use volume::view_windows::{From as OpenFrom, RenameTo, WindowsInfo, WindowsOpened};
pub use volume::{Activity, Capabilities, Config, Origin, OwnRanges, ViewInfo, Volume, VolumeInfo, VolumeStats};
