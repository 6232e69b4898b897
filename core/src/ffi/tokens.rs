//! Tokens: who a caller is to Windows, for programs that have no operating system in between.

use super::boundary::*;
use super::results::fs_result;
use crate::error::Error;
use crate::limits;
use crate::operations::{Group, Sid, Token, TokenPrivileges};

/// Token privilege: read everything, with backup intent (SeBackupPrivilege).
pub const FS_TOKEN_BACKUP: u32 = 1;
/// Token privilege: write everything with backup intent, and make anyone the owner (SeRestorePrivilege).
pub const FS_TOKEN_RESTORE: u32 = 2;
/// Token privilege: become the owner of anything (SeTakeOwnershipPrivilege).
pub const FS_TOKEN_TAKE_OWNERSHIP: u32 = 4;
/// Token privilege: go through directories whatever they say (SeChangeNotifyPrivilege).
pub const FS_TOKEN_CHANGE_NOTIFY: u32 = 8;
/// Token privilege: read and write SACLs (SeSecurityPrivilege).
pub const FS_TOKEN_SECURITY: u32 = 16;

/// Group attribute: entries that allow the group count (SE_GROUP_ENABLED).
pub const FS_GROUP_ENABLED: u32 = 4;
/// Group attribute: it may own what the token makes (SE_GROUP_OWNER).
pub const FS_GROUP_OWNER: u32 = 8;
/// Group attribute: only entries that deny the group count (SE_GROUP_USE_FOR_DENY_ONLY).
pub const FS_GROUP_DENY_ONLY: u32 = 16;

/// A token. Pass it in `fs_caller`.
pub struct fs_token(pub(super) Token);

/// A group of a token.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_token_group {
    /// The group's SID, binary.
    pub sid: *const u8,
    /// Length of `sid`.
    pub sid_bytes: usize,
    /// `FS_GROUP_...` bits; others that Windows has are taken and mean nothing.
    pub attributes: u32,
    /// 0.
    pub reserved: u32,
}

/// What a token is made of. SIDs are binary, as \[MS-DTYP\] 2.4.2.2 has them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_token_parts {
    /// `sizeof(fs_token_parts)`.
    pub size: u32,
    /// `FS_TOKEN_...` bits.
    pub privileges: u32,
    /// Who it is.
    pub user: *const u8,
    /// Length of `user`.
    pub user_bytes: usize,
    /// Who owns what it makes; may be NULL: the user.
    pub owner: *const u8,
    /// Length of `owner`.
    pub owner_bytes: usize,
    /// The group of what it makes; may be NULL: the user's own SID.
    pub group: *const u8,
    /// Length of `group`.
    pub group_bytes: usize,
    /// Its groups; may be NULL when there are none.
    pub groups: *const fs_token_group,
    /// Number of groups: at most 1,024.
    pub groups_count: usize,
    /// 0.
    pub reserved: [u64; 4],
}

/// # Safety
/// `pointer` is null or points to `length` bytes that do not change during the call.
unsafe fn sid(pointer: *const u8, length: usize) -> Outcome<Sid> {
    // SAFETY: the caller's promise is this function's own.
    let bytes = unsafe { name_in(pointer.cast(), length)? };
    let sid = Sid::parse(bytes)?;
    if sid.written_bytes() != bytes.len() {
        return Err(Error::BadSecurity("an identifier is followed by other bytes").into());
    }
    Ok(sid)
}

/// # Safety
/// As [`sid`].
unsafe fn sid_or(pointer: *const u8, length: usize, otherwise: Sid) -> Outcome<Sid> {
    // SAFETY: the caller's promise is this function's own.
    if pointer.is_null() { Ok(otherwise) } else { unsafe { sid(pointer, length) } }
}

/// # Safety
/// The group's SID is as [`sid`] wants it.
unsafe fn group(group: &fs_token_group) -> Outcome<Group> {
    if group.reserved != 0 {
        return Err(Error::BadStructure("reserved space in a group is not zero").into());
    }
    let has = |attribute: u32| group.attributes & attribute != 0;
    Ok(Group {
        // SAFETY: the caller's promise is this function's own.
        sid: unsafe { sid(group.sid, group.sid_bytes)? },
        enabled: has(FS_GROUP_ENABLED),
        deny_only: has(FS_GROUP_DENY_ONLY),
        may_own: has(FS_GROUP_OWNER),
    })
}

/// Makes a token of its parts. Nothing of them is kept.
///
/// A caller that has one (`token` in `fs_caller`) is checked against security descriptors and not against permission bits and ACLs, but for one
/// with `FS_PRIVILEGE_CHECKED`, who is not checked. What it makes by `fs_windows_open` belongs to `owner` and `group`, to POSIX programs by
/// the ids that those stand for.
///
/// `parts`: user, groups and privileges.
/// `token`: the token, to be freed with `fs_token_free` when no call uses it any more.
///
/// Results: `FS_OK`; `FS_BAD_SECURITY` for a malformed SID (`fs_error_text` says what is wrong), `FS_BAD_OWNER` when the owner is neither the user nor a
/// group that may own, `FS_INVALID` for unknown privileges, `FS_LIMIT` for more than 1,024 groups, `FS_NULL_POINTER` also for a SID that is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_token_create(parts: *const fs_token_parts, token: *mut *mut fs_token) -> fs_result {
    // SAFETY: what the header asks of pointers.
    free_call(|| unsafe {
        let (parts, out) = (input(parts)?, output(token)?);
        if parts.privileges & !TokenPrivileges::ALL.0 != 0 {
            return Err(Error::Invalid("a token privilege that this version does not know").into());
        }
        if parts.groups_count > limits::TOKEN_GROUPS {
            return Err(Error::Limit("groups of a token: 1,024").into());
        }
        let user = sid(parts.user, parts.user_bytes)?;
        let groups: Outcome<Box<[Group]>> =
            items(parts.groups, parts.groups_count)?.iter().map(|one| group(one)).collect();
        let token = Token {
            user,
            groups: groups?,
            owner: sid_or(parts.owner, parts.owner_bytes, user)?,
            group: sid_or(parts.group, parts.group_bytes, user)?,
            privileges: TokenPrivileges(parts.privileges),
        };
        token.check_new_owner(token.owner)?;
        out.put(give(fs_token(token)));
        Ok(())
    })
}

/// Frees a token. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_token_free(token: *mut fs_token) {
    // SAFETY: what the header asks of handles.
    unsafe { close(token) }
}
