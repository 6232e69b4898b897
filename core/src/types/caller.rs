//! Who asks.

use crate::operations::windows::access::Token;

/// What a caller may do beyond what modes and ACLs grant: a set of bits. See capabilities(7) for their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Privileges(pub u32);

impl Privileges {
    /// None: an ordinary user.
    pub const NONE: Privileges = Privileges(0);
    /// Read, write and search whatever the mode says (CAP_DAC_OVERRIDE).
    pub const DAC_OVERRIDE: Privileges = Privileges(1);
    /// Read files and search directories whatever the mode says (CAP_DAC_READ_SEARCH).
    pub const DAC_READ_SEARCH: Privileges = Privileges(1 << 1);
    /// Act as the owner of any file (CAP_FOWNER).
    pub const OWNER: Privileges = Privileges(1 << 2);
    /// Give files away (CAP_CHOWN).
    pub const CHOWN: Privileges = Privileges(1 << 3);
    /// Keep setuid and setgid bits on change (CAP_FSETID).
    pub const KEEP_SETID: Privileges = Privileges(1 << 4);
    /// Make device nodes (CAP_MKNOD).
    pub const MAKE_NODES: Privileges = Privileges(1 << 5);
    /// Set and clear the immutable and append-only flags (CAP_LINUX_IMMUTABLE).
    pub const IMMUTABLE: Privileges = Privileges(1 << 6);
    /// Read and write `trusted.` extended attributes, control the volume (CAP_SYS_ADMIN).
    pub const ADMIN: Privileges = Privileges(1 << 7);
    /// The host has checked access already (FUSE's default_permissions): permission bits and ACLs are not looked at again.
    pub const CHECKED: Privileges = Privileges(1 << 8);
    /// The host's kernel keeps times itself and sets them afterwards (FUSE's write-back): a write does not set them.
    pub const KEEP_TIMES: Privileges = Privileges(1 << 9);
    /// All a superuser has.
    pub const SUPERUSER: Privileges = Privileges((1 << 8) - 1);

    /// Whether all of `other` are here.
    #[must_use]
    pub fn has(self, other: Privileges) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Privileges) -> Privileges {
        Privileges(self.0 | other.0)
    }
}

/// Who asks for an operation: the effective identity of one thread of one process.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// File-system user id.
    pub uid: u32,
    /// File-system group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: &'a [u32],
    /// Process id, for locks' reports; 0 where there is none.
    pub pid: u32,
    /// File mode creation mask, applied to new files unless a default ACL takes its place.
    pub umask: u32,
    /// Privileges.
    pub privileges: Privileges,
    /// Who the caller is to Windows: what guards files is then their security descriptors, not modes and ACLs.
    pub token: Option<&'a Token>,
}

impl Caller<'static> {
    /// uid 0 with every privilege and an empty umask.
    #[must_use]
    pub const fn superuser() -> Caller<'static> {
        Caller { uid: 0, gid: 0, groups: &[], pid: 0, umask: 0, privileges: Privileges::SUPERUSER, token: None }
    }
}

impl Caller<'_> {
    /// Whether the caller is in the group.
    #[must_use]
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether the caller has all of these privileges.
    #[must_use]
    pub fn may(&self, privileges: Privileges) -> bool {
        self.privileges.has(privileges)
    }

    /// Whether the caller owns what `uid` owns, or may act as if. The uid of a caller with a token says nothing.
    #[must_use]
    pub fn owns(&self, uid: u32) -> bool {
        self.uid == uid && self.token.is_none() || self.may(Privileges::OWNER)
    }
}
