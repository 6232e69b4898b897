//! Who may do what under a security descriptor: \[MS-DTYP\] 2.5.3.2 (Access Check Algorithm Pseudocode), with what
//! \[MS-FSA\] 2.1.5.1.2.1 (Algorithm to Check Access to an Existing File) and the reference (section 2, access checks) add
//! for files.
//!
//! For programs that use the core without an operating system in between; a host whose kernel has checked does not ask.
//! Integrity levels, conditions and central policies are not judged: an entry that allows on a condition allows nothing,
//! one that denies on a condition denies.

use super::attributes;
use super::rights::{
    ADD_FILE, ADD_SUBDIRECTORY, APPEND_DATA, DELETE, DELETE_CHILD, FILE_ALL, FILE_READ, FILE_WRITE, LIST_DIRECTORY,
    MAXIMUM_ALLOWED, READ_ATTRIBUTES, READ_CONTROL, SYSTEM_SECURITY, TRAVERSE, WRITE_DAC, WRITE_DATA, WRITE_OWNER,
    map_generic,
};
use super::security::{Ace, Descriptor, Entry, Sid, flag, kind, well_known};
use crate::error::{Error, Result};

/// What a token may do beyond what descriptors grant: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenPrivileges(pub u32);

impl TokenPrivileges {
    /// None.
    pub const NONE: TokenPrivileges = TokenPrivileges(0);
    /// SeBackupPrivilege: read everything, with backup intent.
    pub const BACKUP: TokenPrivileges = TokenPrivileges(1);
    /// SeRestorePrivilege: write everything with backup intent, and make anyone the owner.
    pub const RESTORE: TokenPrivileges = TokenPrivileges(2);
    /// SeTakeOwnershipPrivilege.
    pub const TAKE_OWNERSHIP: TokenPrivileges = TokenPrivileges(4);
    /// SeChangeNotifyPrivilege: go through directories whatever they say.
    pub const CHANGE_NOTIFY: TokenPrivileges = TokenPrivileges(8);
    /// SeSecurityPrivilege: read and write SACLs.
    pub const SECURITY: TokenPrivileges = TokenPrivileges(16);

    /// All of them.
    pub const ALL: TokenPrivileges = TokenPrivileges(31);

    /// Whether it has this one.
    #[must_use]
    pub fn has(self, privilege: TokenPrivileges) -> bool {
        self.0 & privilege.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: TokenPrivileges) -> TokenPrivileges {
        TokenPrivileges(self.0 | other.0)
    }
}

/// A group of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Which.
    pub sid: Sid,
    /// SE_GROUP_ENABLED: entries that allow it count.
    pub enabled: bool,
    /// SE_GROUP_USE_FOR_DENY_ONLY: only entries that deny it count.
    pub deny_only: bool,
    /// SE_GROUP_OWNER: it may own what the token makes.
    pub may_own: bool,
}

/// Who asks: the user, groups and privileges of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who it is.
    pub user: Sid,
    /// Its groups.
    pub groups: Box<[Group]>,
    /// Who owns what it makes.
    pub owner: Sid,
    /// The group of what it makes.
    pub group: Sid,
    /// What it may do besides.
    pub privileges: TokenPrivileges,
}

impl Token {
    /// A user without groups, who owns what it makes.
    #[must_use]
    pub fn of(user: Sid, privileges: TokenPrivileges) -> Token {
        Token { user, groups: Box::default(), owner: user, group: user, privileges }
    }

    fn is_allowed_as(&self, sid: Sid) -> bool {
        sid == self.user || self.groups.iter().any(|group| group.sid == sid && group.enabled && !group.deny_only)
    }

    fn is_denied_as(&self, sid: Sid) -> bool {
        sid == self.user || self.groups.iter().any(|group| group.sid == sid && (group.enabled || group.deny_only))
    }

    /// Whether it may make `sid` the owner of a file.
    pub(crate) fn check_new_owner(&self, sid: Sid) -> Result<()> {
        let group = || self.groups.iter().any(|group| group.sid == sid && group.may_own && !group.deny_only);
        if sid == self.user || group() || self.privileges.has(TokenPrivileges::RESTORE) {
            Ok(())
        } else {
            Err(Error::BadOwner)
        }
    }
}

/// Whether a mask can be asked for at all (\[MS-FSA\] 2.1.5.1, "DesiredAccess").
pub(crate) fn check_desired(desired: u32) -> Result<()> {
    if desired == 0 || desired & NO_RIGHTS != 0 { Err(Error::AccessDenied) } else { Ok(()) }
}

/// Bits that mean nothing in a mask.
const NO_RIGHTS: u32 = 0x0CE0_FE00;

/// What is granted of `desired`, all of it or an error: with [`MAXIMUM_ALLOWED`] in it, all that can be had besides.
/// `backup_intent` is FILE_OPEN_FOR_BACKUP_INTENT. No descriptor forbids nothing.
pub(crate) fn check(descriptor: Option<&Descriptor>, token: &Token, desired: u32, backup_intent: bool) -> Result<u32> {
    let desired = map_generic(desired);
    let maximum = desired & MAXIMUM_ALLOWED != 0;
    let wanted = desired & !MAXIMUM_ALLOWED;
    let privileged = by_privilege(token, wanted, backup_intent);
    if wanted & SYSTEM_SECURITY & !privileged != 0 {
        return Err(Error::PrivilegeNotHeld);
    }
    let asked = if maximum { FILE_ALL | wanted } else { wanted };
    let granted = privileged | by_descriptor(descriptor, token, asked & !privileged);
    let refused = wanted & !granted != 0 || maximum && granted == 0;
    if refused { Err(Error::AccessDenied) } else { Ok(granted & asked) }
}

/// As [`check`], for a file within a directory: who may delete in the directory may delete the file, who may list
/// it may see the file's attributes.
pub(crate) fn check_within(
    parent: Option<&Descriptor>,
    descriptor: Option<&Descriptor>,
    token: &Token,
    desired: u32,
    backup_intent: bool,
) -> Result<u32> {
    let desired = map_generic(desired);
    let candidates = if desired & MAXIMUM_ALLOWED != 0 { FILE_ALL } else { desired };
    let right_of_parent =
        |right: u32, needs: u32| check(parent, token, needs, backup_intent).map_or(0, |_| right & candidates);
    let given = right_of_parent(DELETE, DELETE_CHILD) | right_of_parent(READ_ATTRIBUTES, LIST_DIRECTORY);
    match check(descriptor, token, desired & !given, backup_intent) {
        Ok(granted) => Ok(granted | given),
        // Nothing but what the directory gives.
        Err(Error::AccessDenied) if desired & !given == MAXIMUM_ALLOWED && given != 0 => Ok(given),
        Err(error) => Err(error),
    }
}

/// Whether the token may go through a directory on its way to something in it.
pub(crate) fn check_traverse(directory: Option<&Descriptor>, token: &Token) -> Result<()> {
    if token.privileges.has(TokenPrivileges::CHANGE_NOTIFY) {
        return Ok(());
    }
    check(directory, token, TRAVERSE, false).map(|_| ())
}

/// What must be allowed in a directory to make something in it.
pub(crate) fn right_to_create(directory: bool) -> u32 {
    if directory { ADD_SUBDIRECTORY } else { ADD_FILE }
}

/// What privileges grant. Backup and restore grant to those who say that they back up or restore.
fn by_privilege(token: &Token, wanted: u32, backup_intent: bool) -> u32 {
    let has = |privilege| token.privileges.has(privilege);
    let mut granted = 0;
    if has(TokenPrivileges::TAKE_OWNERSHIP) {
        granted |= WRITE_OWNER;
    }
    if has(TokenPrivileges::SECURITY) {
        granted |= SYSTEM_SECURITY & wanted;
    }
    if backup_intent && has(TokenPrivileges::BACKUP) {
        granted |= READ_CONTROL | SYSTEM_SECURITY & wanted | FILE_READ | TRAVERSE;
    }
    if backup_intent && has(TokenPrivileges::RESTORE) {
        let attributes = FILE_WRITE | ADD_FILE | ADD_SUBDIRECTORY;
        granted |= WRITE_DAC | WRITE_OWNER | SYSTEM_SECURITY & wanted | attributes | DELETE;
    }
    granted
}

/// What of `asked` the descriptor grants: for each right, the first entry that speaks of it decides.
fn by_descriptor(descriptor: Option<&Descriptor>, token: &Token, asked: u32) -> u32 {
    let asked = asked & !SYSTEM_SECURITY;
    let Some(descriptor) = descriptor else {
        return asked;
    };
    let Some(acl) = &descriptor.dacl else {
        return asked;
    };
    let owner = descriptor.owner.is_some_and(|owner| token.is_allowed_as(owner));
    let mut granted = if owner && !speaks_of_owner(&acl.aces) { asked & (READ_CONTROL | WRITE_DAC) } else { 0 };
    let mut open = asked & !granted;
    for ace in acl.aces.iter().filter(|ace| !ace.has(flag::INHERIT_ONLY)) {
        let Some(entry) = ace.entry() else { continue };
        let mask = map_generic(entry.mask) & open;
        match effect(ace, entry) {
            Some(Effect::Allows) if token.is_allowed_as(entry.sid) || owner && is_owner_rights(entry) => {
                granted |= mask;
                open &= !mask;
            }
            Some(Effect::Denies) if token.is_denied_as(entry.sid) || owner && is_owner_rights(entry) => open &= !mask,
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    granted
}

enum Effect {
    Allows,
    Denies,
}

/// Files are of no type that an entry could name: one that allows a type allows nothing, one that denies it denies.
fn effect(ace: &Ace, entry: &Entry) -> Option<Effect> {
    let typed = entry.object.as_ref().is_some_and(|types| types.object.is_some());
    match ace.kind {
        kind::ALLOWED => Some(Effect::Allows),
        kind::ALLOWED_OBJECT => (!typed).then_some(Effect::Allows),
        kind::DENIED | kind::DENIED_OBJECT | kind::DENIED_CALLBACK | kind::DENIED_CALLBACK_OBJECT => {
            Some(Effect::Denies)
        }
        _ => None,
    }
}

fn is_owner_rights(entry: &Entry) -> bool {
    entry.sid == well_known::OWNER_RIGHTS
}

/// An entry for OWNER RIGHTS takes the place of what an owner may do by being it.
fn speaks_of_owner(aces: &[Ace]) -> bool {
    let effective = aces.iter().filter(|ace| !ace.has(flag::INHERIT_ONLY));
    effective.filter_map(Ace::entry).any(is_owner_rights)
}

/// What the READONLY attribute of a file forbids, whoever asks: writing is denied, deletion on close impossible. On
/// a directory it forbids the latter only.
pub(crate) fn check_readonly(stored: u32, directory: bool, desired: u32, delete_on_close: bool) -> Result<()> {
    if stored & attributes::READONLY == 0 {
        return Ok(());
    }
    if !directory && map_generic(desired) & READONLY_FORBIDS != 0 {
        return Err(Error::AccessDenied);
    }
    if delete_on_close { Err(Error::CannotDelete) } else { Ok(()) }
}

/// What is left of all that can be had of a file with that attribute.
pub(crate) fn limit_readonly(stored: u32, directory: bool, granted: u32) -> u32 {
    if stored & attributes::READONLY != 0 && !directory { granted & !READONLY_FORBIDS } else { granted }
}

const READONLY_FORBIDS: u32 = WRITE_DATA | APPEND_DATA | ADD_SUBDIRECTORY | DELETE_CHILD;

/// Whether a file may be marked for deletion: not while it is read-only, unless that is to be ignored
/// (FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE).
pub(crate) fn check_deletion(stored: u32, ignore_readonly: bool) -> Result<()> {
    if stored & attributes::READONLY != 0 && !ignore_readonly { Err(Error::CannotDelete) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
