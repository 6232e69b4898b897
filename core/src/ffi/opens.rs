//! Opens as Windows makes them, and what their handles are. What becomes of the name is in [`super::opened_names`], range locks are in
//! [`super::opened_ranges`]. Reading, writing and closing is as for other handles.

use std::ffi::c_char;

use super::boundary::*;
use super::results::fs_result;
use super::types::*;
use super::utf16::name_of;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::{Disposition, NewSecurity, WindowsOpen};
use crate::types::{HandleId, NodeId};
use crate::volume::view_windows::{From, WindowsInfo, WindowsOpened};

/// Share mode: others may read meanwhile.
pub const FS_SHARE_READ: u32 = 1;
/// Share mode: others may write meanwhile.
pub const FS_SHARE_WRITE: u32 = 2;
/// Share mode: others may delete and rename meanwhile.
pub const FS_SHARE_DELETE: u32 = 4;

/// Disposition: put a new file in the place of what is there, or create it.
pub const FS_DISPOSITION_SUPERSEDE: u32 = 0;
/// Disposition: open what is there.
pub const FS_DISPOSITION_OPEN: u32 = 1;
/// Disposition: create what is not there.
pub const FS_DISPOSITION_CREATE: u32 = 2;
/// Disposition: open, or create.
pub const FS_DISPOSITION_OPEN_IF: u32 = 3;
/// Disposition: open and empty what is there.
pub const FS_DISPOSITION_OVERWRITE: u32 = 4;
/// Disposition: open and empty, or create.
pub const FS_DISPOSITION_OVERWRITE_IF: u32 = 5;

/// What an open did: a new file took the place of what was there.
pub const FS_OUTCOME_SUPERSEDED: u32 = 0;
/// What an open did: what was there was opened.
pub const FS_OUTCOME_OPENED: u32 = 1;
/// What an open did: it was made.
pub const FS_OUTCOME_CREATED: u32 = 2;
/// What an open did: what was there was emptied.
pub const FS_OUTCOME_OVERWRITTEN: u32 = 3;

/// Create option: it must be a directory.
pub const FS_CREATE_DIRECTORY: u32 = 0x1;
/// Create option: what is written is safe when the write returns. Always so.
pub const FS_CREATE_WRITE_THROUGH: u32 = 0x2;
/// Create option: it must not be a directory.
pub const FS_CREATE_NON_DIRECTORY: u32 = 0x40;
/// Create option: it is deleted when the handle is closed.
pub const FS_CREATE_DELETE_ON_CLOSE: u32 = 0x1000;
/// Create option: to back up or restore; privileges of the token for that count.
pub const FS_CREATE_BACKUP_INTENT: u32 = 0x4000;
/// Create option: a link at the end of the path is opened itself.
pub const FS_CREATE_OPEN_REPARSE_POINT: u32 = 0x200000;

/// Request flag, from the host: some program has mapped the file as an image: it runs.
pub const FS_REQUEST_MAPPED_IMAGE: u32 = 1;
/// Request flag, from the host: some program has mapped the file's content.
pub const FS_REQUEST_MAPPED_DATA: u32 = 2;
/// Request flag: the path is UTF-16; its length in bytes is even, and it need not be aligned. The stream's name is not.
pub const FS_REQUEST_UTF16: u32 = 4;
/// Request flag: `security` is the whole descriptor, what is inherited included.
pub const FS_REQUEST_COMPLETE_SECURITY: u32 = 8;

/// Handle flag: what it has open is to be deleted, or is.
pub const FS_WINDOWS_DELETE_PENDING: u32 = 1;
/// Handle flag: it deletes what it has open when it ends.
pub const FS_WINDOWS_DELETE_ON_CLOSE: u32 = 2;

/// How a file or directory is opened the Windows way. Numbers are Windows' own.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_windows_request {
    /// `sizeof(fs_windows_request)`.
    pub size: u32,
    /// `FS_RIGHT_...` bits.
    pub access: u32,
    /// `FS_SHARE_...` bits.
    pub share: u32,
    /// `FS_DISPOSITION_...`.
    pub disposition: u32,
    /// `FS_CREATE_...` bits, and others of NtCreateFile's, which are hints without effect.
    pub options: u32,
    /// FILE_ATTRIBUTE_ bits of what is made or overwritten.
    pub attributes: u32,
    /// Permission bits of what is made, before umask or default ACL, where no descriptor says who may do what. Files get no execute bits.
    pub mode: u32,
    /// `FS_REQUEST_...` bits.
    pub flags: u32,
    /// Bytes to reserve for what is made or overwritten.
    pub allocation: u64,
    /// The security descriptor of what is made, self-relative, joined by what the directory passes on; may be NULL: for a caller with a token what
    /// is inherited alone, else what `mode` says.
    pub security: *const u8,
    /// Length of `security`.
    pub security_bytes: usize,
    /// The extended attributes of what is made or overwritten: FILE_FULL_EA_INFORMATION entries; may be NULL.
    pub extended_attributes: *const u8,
    /// Length of `extended_attributes`.
    pub extended_attributes_bytes: usize,
    /// The name of a stream, without its type; may be NULL: what the path leads to itself.
    pub stream: *const c_char,
    /// Length of `stream`.
    pub stream_bytes: usize,
    /// 0.
    pub reserved: [u64; 4],
}

/// What an open answers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_windows_opened {
    /// `sizeof(fs_windows_opened)`.
    pub size: u32,
    /// `FS_OUTCOME_...`.
    pub outcome: u32,
    /// `FS_RIGHT_...` bits that the handle was granted, generic ones mapped.
    pub granted: u32,
    /// 0.
    pub reserved0: u32,
    /// The handle, to be closed with `fs_release`.
    pub handle: fs_handle,
    /// The node. It is not counted as a reference: `fs_forget` is not for it.
    pub node: fs_node,
    /// Its attributes.
    pub attr: fs_attr,
    /// 0.
    pub reserved: [u64; 4],
}

/// What a handle is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_windows_handle_info {
    /// `sizeof(fs_windows_handle_info)`.
    pub size: u32,
    /// `FS_WINDOWS_...` bits.
    pub flags: u32,
    /// `FS_RIGHT_...` bits that the handle was granted.
    pub granted: u32,
    /// 0.
    pub reserved0: u32,
    /// The node that it has open.
    pub node: fs_node,
    /// 0.
    pub reserved: [u64; 4],
}

impl fs_windows_request {
    /// # Safety
    /// The descriptor and the list are null or as long as their lengths say, and do not change during the call.
    unsafe fn to_core<'a>(self) -> Outcome<WindowsOpen<'a>> {
        let known = FS_REQUEST_MAPPED_IMAGE | FS_REQUEST_MAPPED_DATA | FS_REQUEST_UTF16 | FS_REQUEST_COMPLETE_SECURITY;
        if self.flags & !known != 0 {
            return Err(Error::Invalid("a request flag that this version does not know").into());
        }
        // SAFETY: the caller's promise is this function's own.
        let (security, extended_attributes, stream) = unsafe {
            let security = bytes_in(self.security, self.security_bytes)?;
            let stream = bytes_in(self.stream.cast(), self.stream_bytes)?;
            (security, bytes_in(self.extended_attributes, self.extended_attributes_bytes)?, stream)
        };
        Ok(WindowsOpen {
            access: self.access,
            share: self.share,
            disposition: Disposition::from_number(self.disposition)?,
            options: self.options,
            attributes: self.attributes,
            mode: self.mode,
            mapped_image: self.flags & FS_REQUEST_MAPPED_IMAGE != 0,
            mapped_data: self.flags & FS_REQUEST_MAPPED_DATA != 0,
            security: match (self.security.is_null(), self.flags & FS_REQUEST_COMPLETE_SECURITY != 0) {
                (true, _) => NewSecurity::Mode,
                (false, false) => NewSecurity::Inherit(security),
                (false, true) => NewSecurity::Complete(security),
            },
            extended_attributes,
            allocation: self.allocation,
            stream,
        })
    }
}

impl core::convert::From<WindowsOpened> for fs_windows_opened {
    fn from(opened: WindowsOpened) -> fs_windows_opened {
        fs_windows_opened {
            size: size_of::<fs_windows_opened>() as u32,
            outcome: opened.outcome as u32,
            granted: opened.granted,
            reserved0: 0,
            handle: opened.handle.0,
            node: opened.node.0,
            attr: opened.attr.into(),
            reserved: [0; 4],
        }
    }
}

impl core::convert::From<WindowsInfo> for fs_windows_handle_info {
    fn from(info: WindowsInfo) -> fs_windows_handle_info {
        let pending = if info.delete_pending { FS_WINDOWS_DELETE_PENDING } else { 0 };
        let on_close = if info.delete_on_close { FS_WINDOWS_DELETE_ON_CLOSE } else { 0 };
        fs_windows_handle_info {
            size: size_of::<fs_windows_handle_info>() as u32,
            flags: pending | on_close,
            granted: info.granted,
            reserved0: 0,
            node: info.node.0,
            reserved: [0; 4],
        }
    }
}

/// Where a path begins: at a handle if there is one, else at a node, else where the operation says.
pub(super) fn from(node: fs_node, within: fs_handle) -> Option<From> {
    match (handle_in(within), node) {
        (Some(handle), _) => Some(From::Handle(handle)),
        (None, FS_NODE_NONE) => None,
        (None, node) => Some(From::Node(NodeId(node))),
    }
}

/// Opens or makes a file or directory as NtCreateFile does, with sharing, deletion and rights as Windows has them.
///
/// Share modes hold among all handles that were opened so on the branch, through whatever view; handles of `fs_open` neither ask for sharing nor give it.
/// On a snapshot such handles exclude nobody. A handle does what it was granted, whoever the caller of later calls is. On a volume with Windows names a
/// backslash separates names as a slash does, and `:name` or `:name:$DATA` at the end of a path names a stream.
///
/// `node`: where a path begins that does not begin with a separator; `FS_NODE_ROOT` for full paths. Ignored with `within`.
/// `within`: a handle of a directory where the path begins, which may not begin with a separator then; `FS_HANDLE_NONE`: none.
/// `path`, `path_bytes`: the path; with 0 bytes what `node` or `within` is is opened itself.
/// `request`: how.
/// `opened`: the answer; its `size` must be set. Close the handle with `fs_release`.
///
/// Results: `FS_OK`; `FS_NOT_FOUND` for the last component and `FS_PATH_NOT_FOUND` for those before; `FS_EXISTS`; `FS_IS_A_DIRECTORY`, `FS_NOT_A_DIRECTORY`;
/// `FS_ACCESS_DENIED`, also for writing a read-only file, for overwriting a hidden or system file without these attributes, and for anything but opening the
/// root; `FS_PRIVILEGE_NOT_HELD` for the SACL; `FS_SHARING_VIOLATION`, also for writing what runs; `FS_DELETE_PENDING`; `FS_CANNOT_DELETE` for deletion on close of
/// the root, of what is read-only and of what runs; `FS_USER_MAPPED` for overwriting what is mapped; `FS_READ_ONLY`; `FS_NOT_PERMITTED` by flags;
/// `FS_BAD_SECURITY`, `FS_BAD_EA_LIST`, `FS_BAD_EA_NAME`; `FS_INVALID` for options that exclude each other and for unknown bits; `FS_NOT_SUPPORTED` for an open by
/// number; `FS_TOO_MANY_SYMLINKS`, `FS_NO_SPACE`, `FS_LIMIT`, `FS_BAD_HANDLE`, `FS_STALE`; `FS_BAD_NAME`, `FS_NAME_TOO_LONG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_open(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    within: fs_handle,
    path: *const c_char,
    path_bytes: usize,
    request: *const fs_windows_request,
    opened: *mut fs_windows_opened,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, how, opened) = (caller_in(caller)?, input(request)?, output_structure(opened)?);
            let path = name_of(path, path_bytes, how.flags & FS_REQUEST_UTF16 != 0)?;
            let from = from(node, within).ok_or(Error::Stale)?;
            opened.put(view.0.windows_open(&who, from, &path, &how.to_core()?)?.into());
            Ok(())
        })
    }
}

/// What a handle of `fs_windows_open` is.
///
/// `info`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_BAD_HANDLE`; `FS_INVALID` for a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_info(
    view: *const fs_view,
    handle: fs_handle,
    info: *mut fs_windows_handle_info,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let info = output_structure(info)?;
            info.put(view.0.windows_info(HandleId(handle))?.into());
            Ok(())
        })
    }
}

/// Empties what a handle has open, as an open that overwrites or supersedes does by itself: for hosts whose framework opens first and asks for that then.
///
/// `request`: `disposition` (`FS_DISPOSITION_SUPERSEDE` supersedes, others overwrite), `attributes`, `extended_attributes` and `allocation` count. A named stream is
/// only emptied.
///
/// Results: `FS_OK`; `FS_ACCESS_DENIED` for a hidden or system file without these attributes, and for a handle without `FS_RIGHT_WRITE_DATA` (to supersede,
/// `FS_RIGHT_DELETE`) unless the caller has `FS_PRIVILEGE_CHECKED`; `FS_IS_A_DIRECTORY`; `FS_BAD_EA_LIST`, `FS_BAD_EA_NAME`; `FS_NO_SPACE`; `FS_READ_ONLY`;
/// `FS_NOT_PERMITTED` by flags of the file; `FS_BAD_HANDLE`; `FS_INVALID` as `fs_windows_open`, and for a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_overwrite(
    view: *const fs_view,
    caller: *const fs_caller,
    handle: fs_handle,
    request: *const fs_windows_request,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, request) = (caller_in(caller)?, input(request)?.to_core()?);
            Ok(view.0.windows_overwrite(&who, HandleId(handle), &request)?)
        })
    }
}

/// Ends a handle's part in sharing, its locks and, if it was the last, what was to be deleted with it, as IRP_MJ_CLEANUP does. Content can be read and
/// written by it until `fs_release`, which does the same if nobody did.
///
/// Results: `FS_OK`, also when it was done already; `FS_BAD_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_cleanup(view: *const fs_view, handle: fs_handle) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_clean_up(HandleId(handle))?)) }
}

// What the header says in numbers is what the core says by name.
const _: () = {
    use crate::operations::OpenOutcome;
    use crate::operations::windows::create_options as options;
    assert!(
        FS_DISPOSITION_SUPERSEDE == Disposition::Supersede as u32 && FS_DISPOSITION_OPEN == Disposition::Open as u32
    );
    assert!(
        FS_DISPOSITION_CREATE == Disposition::Create as u32 && FS_DISPOSITION_OPEN_IF == Disposition::OpenIf as u32
    );
    assert!(FS_DISPOSITION_OVERWRITE == Disposition::Overwrite as u32);
    assert!(FS_DISPOSITION_OVERWRITE_IF == Disposition::OverwriteIf as u32);
    assert!(FS_OUTCOME_SUPERSEDED == OpenOutcome::Superseded as u32 && FS_OUTCOME_OPENED == OpenOutcome::Opened as u32);
    assert!(FS_OUTCOME_CREATED == OpenOutcome::Created as u32);
    assert!(FS_OUTCOME_OVERWRITTEN == OpenOutcome::Overwritten as u32);
    assert!(FS_CREATE_DIRECTORY == options::DIRECTORY_FILE && FS_CREATE_WRITE_THROUGH == options::WRITE_THROUGH);
    assert!(FS_CREATE_NON_DIRECTORY == options::NON_DIRECTORY_FILE);
    assert!(FS_CREATE_DELETE_ON_CLOSE == options::DELETE_ON_CLOSE);
    assert!(FS_CREATE_BACKUP_INTENT == options::OPEN_FOR_BACKUP_INTENT);
    assert!(FS_CREATE_OPEN_REPARSE_POINT == options::OPEN_REPARSE_POINT);
};
