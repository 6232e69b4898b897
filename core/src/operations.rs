//! What each operation on inodes means: POSIX semantics on one attachment. Every operation takes a caller, checks all
//! it has to check before it changes anything, and is one step to every observer.

pub(crate) mod access;
pub(crate) mod acl;
pub(crate) mod attachment;
mod attributes;
pub(crate) mod copy;
mod copy_up;
pub(crate) mod create;
pub(crate) mod extended_attributes;
pub(crate) mod file_info;
pub(crate) mod granted;
mod io;
mod link;
pub(crate) mod lock_table;
mod locked;
mod lookup;
pub(crate) mod macos;
mod open;
pub(crate) mod open_table;
pub(crate) mod path;
mod readdir;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod reparse;
pub(crate) mod security;
mod space;
pub(crate) mod streams;
pub(crate) mod uses;
#[allow(dead_code, unused_imports, reason = "the operations of Windows opens will use it")]
pub(crate) mod windows;
pub(crate) mod windows_delete;
pub(crate) mod windows_locks;
pub(crate) mod windows_open;
pub(crate) mod windows_rename;
pub(crate) mod xattrs;

pub use access::Mask;
pub use attachment::ViewOptions;
pub use create::NewNode;
pub use file_info::{FileInfo, SetFileInfo};
pub use io::WriteAt;
pub use lock_table::{Conflict, Lock, LockKind, LockSpace, WaitId};
pub use macos::{MacInfo, SetMacInfo};
pub use open::OpenOptions;
pub use path::Follow;
pub use readdir::{DirEntry, ListFrom, ListOptions};
pub use rename::RenameMode;
pub use security::{NewExtras, NewSecurity};
pub use space::{Allocation, Seek};
pub use streams::StreamInfo;
pub use windows::access::{Group, Token, TokenPrivileges};
pub use windows::disposition::{Disposition, Outcome as OpenOutcome};
pub use windows::security::Sid;
pub use windows_delete::Disposal;
pub use windows_open::WindowsOpen;
pub use windows_rename::Renaming;
pub use xattrs::XattrMode;
