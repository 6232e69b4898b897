//! The small values that every layer speaks in: ids, kinds, times, attributes, callers.

mod attr;
mod caller;
mod ids;

pub(crate) use attr::HeldTimes;
pub use attr::{Attr, BaseState, FileKind, FsStats, SetAttr, SetTime, Time};
pub use caller::{Caller, Privileges};
pub use ids::{BranchId, HandleId, InodeId, NodeId, RefId, SnapshotId, StreamId, ViewId};
