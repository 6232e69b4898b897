//! Who may do what: the rules of permission bits, owners and the set-id and sticky bits.
//!
//! Owns no state: every rule is a function of a mode, an owner and a [`Caller`], and follows what
//! Linux does (the man page is named at each). Which rule an operation asks, and flags such as immutable, are left
//! to the operations.
//! A caller with [`Privileges::CHECKED`] was checked by the host, with capabilities and groups that we may not see: what
//! only allows or forbids is not asked again for it. What shapes the mode that is stored still is, but where noted.

use super::acl::Acl;
use crate::error::{Error, Result};
use crate::tree::inode::Record;
use crate::types::{Caller, FileKind, Privileges};

/// Set-user-ID.
pub(crate) const SETUID: u32 = 0o4000;
/// Set-group-ID; on a directory: new entries take its group.
pub(crate) const SETGID: u32 = 0o2000;
/// On a directory: only owners remove and rename entries.
pub(crate) const STICKY: u32 = 0o1000;
const GROUP_EXECUTE: u32 = 0o010;
const GROUP_BITS: u32 = 0o070;
const ANY_EXECUTE: u32 = 0o111;

/// What is asked of a file: reading, writing, executing (searching, of a directory), or any of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mask(u8);

impl Mask {
    /// Nothing: only that the file is there.
    pub const NONE: Mask = Mask(0);
    /// Execute a file, search a directory.
    pub const EXECUTE: Mask = Mask(1);
    /// Write a file, change a directory's entries.
    pub const WRITE: Mask = Mask(2);
    /// Read a file, list a directory.
    pub const READ: Mask = Mask(4);

    /// From the bits of access(2): R=4, W=2, X=1. `None` when there are others.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Mask> {
        if bits <= 7 { Some(Mask(bits as u8)) } else { None }
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }

    /// Whether all of `other` is asked.
    #[must_use]
    pub const fn has(self, other: Mask) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The file that is asked for: what guards it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: FileKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Its access list, where it has one.
    pub(crate) acl: Option<&'a Acl>,
}

impl<'a> Subject<'a> {
    pub(crate) fn of(record: &'a Record) -> Subject<'a> {
        Subject { kind: record.kind, mode: record.shown_mode(), uid: record.uid, gid: record.gid, acl: record.acl() }
    }
}

/// Whether the caller may do all of `want`: path_resolution(7), "Permissions", and capabilities(7) for what
/// overrides them.
/// The first class that the caller is in decides: owner, access list or group, others.
pub(crate) fn check(subject: Subject<'_>, caller: &Caller<'_>, want: Mask) -> Result<()> {
    if caller.may(Privileges::CHECKED) || granted(subject, caller, want) || overrides(subject, caller, want) {
        Ok(())
    } else {
        Err(Error::AccessDenied)
    }
}

fn granted(subject: Subject<'_>, caller: &Caller<'_>, want: Mask) -> bool {
    let by_bits = |shift: u32| subject.mode >> shift & u32::from(want.0) == u32::from(want.0);
    if caller.uid == subject.uid {
        return by_bits(6);
    }
    // As Linux: group bits of none are a mask of none, no entry of the list can grant anything then, and the list is
    // not read. Whom it names is in the class that the bits alone put him in.
    if let Some(acl) = subject.acl
        && subject.mode & GROUP_BITS != 0
    {
        return acl.permits(caller, subject.uid, subject.gid, want.0);
    }
    by_bits(if caller.in_group(subject.gid) { 3 } else { 0 })
}

/// CAP_DAC_READ_SEARCH reads files, and reads and searches directories; CAP_DAC_OVERRIDE does all, but executes only
/// what somebody may execute.
fn overrides(subject: Subject<'_>, caller: &Caller<'_>, want: Mask) -> bool {
    let directory = subject.kind == FileKind::Directory;
    let only_reads = if directory { !want.has(Mask::WRITE) } else { want == Mask::READ };
    let runnable = directory || !want.has(Mask::EXECUTE) || subject.mode & ANY_EXECUTE != 0;
    only_reads && caller.may(Privileges::DAC_READ_SEARCH) || runnable && caller.may(Privileges::DAC_OVERRIDE)
}

/// Whether the sticky bit of a directory keeps the caller from removing or renaming an entry: unlink(2), rename(2)
/// (EPERM there), inode(7).
pub(crate) fn sticky_forbids(caller: &Caller<'_>, dir_mode: u32, dir_uid: u32, file_uid: u32) -> bool {
    dir_mode & STICKY != 0 && caller.uid != dir_uid && !caller.owns(file_uid) && !caller.may(Privileges::CHECKED)
}

/// Group and mode of a new entry: open(2) and mkdir(2), "set-group-ID". In a set-group-ID directory it takes the
/// directory's group, and a directory the bit as well. An executable of a group that the caller is not in
/// loses set-group-ID without KEEP_SETID: otherwise such a directory would hand out its group's rights. The bit is
/// taken even where the host has checked, as kernels before 6.0 left that to the file system.
pub(crate) fn new_owner(caller: &Caller<'_>, dir_mode: u32, dir_gid: u32, kind: FileKind, mode: u32) -> (u32, u32) {
    if dir_mode & SETGID == 0 {
        return (caller.gid, mode);
    }
    if kind == FileKind::Directory {
        return (dir_gid, mode | SETGID);
    }
    let may_keep = mode & GROUP_EXECUTE == 0 || keeps_setgid(caller, dir_gid);
    (dir_gid, if may_keep { mode } else { mode & !SETGID })
}

/// The mode after a write or truncation: write(2), inode(7). A regular file loses set-user-ID, and set-group-ID where
/// its group may execute it, unless the caller has KEEP_SETID. A host whose kernel sees to that gives its
/// callers KEEP_SETID.
pub(crate) fn strip_setid_on_write(mode: u32, kind: FileKind, caller: &Caller<'_>) -> u32 {
    if kind != FileKind::File || caller.may(Privileges::KEEP_SETID) {
        return mode;
    }
    drop_setid(mode)
}

/// The mode after chown(2), whoever calls it, the superuser included: all but directories lose set-user-ID, and
/// set-group-ID where the group may execute. Not to be asked when the same request sets the mode.
pub(crate) fn chown_mode(mode: u32, kind: FileKind) -> u32 {
    if kind == FileKind::Directory { mode } else { drop_setid(mode) }
}

/// The mode that chmod(2) stores when `mode` is asked for: set-group-ID is dropped, without an error, when the caller
/// is neither in the file's group nor has KEEP_SETID. A host that has checked has done that as well.
pub(crate) fn chmod_mode(caller: &Caller<'_>, gid: u32, mode: u32) -> u32 {
    if caller.may(Privileges::CHECKED) { mode } else { acl_mode(caller, gid, mode) }
}

/// As [`chmod_mode`], but for the mode that an access list brings. Asked even where the host has checked: kernels leave
/// this one to whoever stores the list.
pub(crate) fn acl_mode(caller: &Caller<'_>, gid: u32, mode: u32) -> u32 {
    if keeps_setgid(caller, gid) { mode } else { mode & !SETGID }
}

/// Whether the caller may change owner and group so (`None`: stays): chown(2), which is EPERM otherwise. Only
/// CAP_CHOWN gives files away; an owner may give a file to a group that he is in, and may say what is so already.
pub(crate) fn may_chown(caller: &Caller<'_>, uid: u32, gid: u32, new_uid: Option<u32>, new_gid: Option<u32>) -> bool {
    if caller.may(Privileges::CHOWN) || caller.may(Privileges::CHECKED) {
        return true;
    }
    let owner = caller.uid == uid;
    let user_fits = new_uid.is_none_or(|new| owner && new == uid);
    let group_fits = new_gid.is_none_or(|new| owner && (new == gid || caller.in_group(new)));
    user_fits && group_fits
}

fn keeps_setgid(caller: &Caller<'_>, gid: u32) -> bool {
    caller.in_group(gid) || caller.may(Privileges::KEEP_SETID)
}

fn drop_setid(mode: u32) -> u32 {
    let without_user = mode & !SETUID;
    if mode & GROUP_EXECUTE != 0 { without_user & !SETGID } else { without_user }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FileKind::{Directory, Fifo, File};

    const R: Mask = Mask::READ;
    const W: Mask = Mask::WRITE;
    const X: Mask = Mask::EXECUTE;

    fn user(uid: u32, gid: u32) -> Caller<'static> {
        Caller { uid, gid, groups: &[30], pid: 1, umask: 0o022, privileges: Privileges::NONE, token: None }
    }

    fn with(privileges: Privileges) -> Caller<'static> {
        Caller { privileges, ..user(9, 9) }
    }

    fn allowed(kind: FileKind, mode: u32, caller: &Caller<'_>, want: Mask) -> bool {
        check(Subject { kind, mode, uid: 1, gid: 10, acl: None }, caller, want).is_ok()
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let table = [
            (0o400, user(1, 10), R, true),
            (0o077, user(1, 10), R, false), // the owner is not in the group's class
            (0o407, user(2, 10), R, false), // nor a member among the others
            (0o070, user(2, 10), R.with(W).with(X), true),
            (0o640, user(2, 10), R.with(W), false),
            (0o604, user(2, 20), R, true),
            (0o640, user(2, 20), R, false),
            (0o000, user(2, 20), Mask::NONE, true),
        ];
        for (mode, caller, want, expected) in table {
            assert_eq!(allowed(File, mode, &caller, want), expected, "{mode:o} {caller:?} {want:?}");
        }
    }

    #[test]
    fn supplementary_groups_count() {
        let subject = Subject { kind: File, mode: 0o040, uid: 1, gid: 30, acl: None };
        assert_eq!(check(subject, &user(2, 20), R), Ok(()));
        assert_eq!(check(subject, &user(2, 20), W), Err(Error::AccessDenied));
    }

    #[test]
    fn privileges_override_as_capabilities_do() {
        let over = with(Privileges::DAC_OVERRIDE);
        let search = with(Privileges::DAC_READ_SEARCH);
        let all = R.with(W).with(X);
        let table = [
            (File, 0o000, over, R.with(W), true),
            (File, 0o000, over, X, false),
            (File, 0o100, over, X, true),
            (File, 0o001, over, all, true),
            (Directory, 0o000, over, all, true),
            (File, 0o000, search, R, true),
            (File, 0o000, search, R.with(W), false),
            (File, 0o100, search, X, false),
            (File, 0o100, search, R.with(X), false),
            (Directory, 0o000, search, R.with(X), true),
            (Directory, 0o000, search, W, false),
            (File, 0o000, with(Privileges::OWNER), R, false),
            (File, 0o000, with(Privileges::CHECKED), all, true),
        ];
        for (kind, mode, caller, want, expected) in table {
            assert_eq!(allowed(kind, mode, &caller, want), expected, "{kind:?} {mode:o} {caller:?} {want:?}");
        }
    }

    #[test]
    fn an_access_list_takes_the_place_of_group_and_others_but_not_of_the_owner() {
        fn guarded(acl: &Acl) -> Subject<'_> {
            Subject { kind: File, mode: 0o147, uid: 1, gid: 10, acl: Some(acl) }
        }
        let mut acl = Acl::from_mode(0o040);
        assert!(check(guarded(&acl), &user(1, 10), X).is_ok());
        assert!(check(guarded(&acl), &user(2, 10), R).is_ok());
        assert!(check(guarded(&acl), &user(2, 20), R).is_err());
        acl.chmod(0o007);
        assert!(check(guarded(&acl), &user(2, 20), R).is_ok());
        assert!(check(guarded(&acl), &user(2, 10), R).is_err());
    }

    #[test]
    fn an_access_list_is_not_read_when_the_group_bits_are_empty() {
        let acl = Acl::from_mode(0o000);
        let subject = Subject { kind: File, mode: 0o604, uid: 1, gid: 10, acl: Some(&acl) };
        assert!(check(subject, &user(2, 20), R).is_ok());
        assert!(check(subject, &user(2, 10), R).is_err());
    }

    #[test]
    fn sticky_directories_protect_entries_from_all_but_owners() {
        let table = [
            (user(2, 20), 0o1777, 1, 3, true),
            (user(2, 20), 0o0777, 1, 3, false),
            (user(2, 20), 0o1777, 2, 3, false),
            (user(2, 20), 0o1777, 1, 2, false),
            (with(Privileges::OWNER), 0o1777, 1, 3, false),
            (with(Privileges::CHECKED), 0o1777, 1, 3, false),
            (with(Privileges::DAC_OVERRIDE), 0o1777, 1, 3, true),
        ];
        for (caller, mode, dir, file, forbidden) in table {
            assert_eq!(sticky_forbids(&caller, mode, dir, file), forbidden, "{caller:?} {mode:o} {dir} {file}");
        }
    }

    #[test]
    fn new_entries_take_the_group_of_a_setgid_directory() {
        let keep = with(Privileges::KEEP_SETID);
        let table = [
            (user(2, 20), 0o0777, File, 0o2755, (20, 0o2755)),
            (user(2, 20), 0o2777, File, 0o0644, (10, 0o0644)),
            (user(2, 20), 0o2777, File, 0o2755, (10, 0o0755)),
            (user(2, 20), 0o2777, File, 0o2644, (10, 0o2644)),
            (user(2, 10), 0o2777, File, 0o2755, (10, 0o2755)),
            (keep, 0o2777, File, 0o2755, (10, 0o2755)),
            (user(2, 20), 0o2777, Directory, 0o0755, (10, 0o2755)),
            (user(2, 20), 0o0777, Directory, 0o0755, (20, 0o0755)),
            (user(2, 20), 0o2777, Fifo, 0o2755, (10, 0o0755)),
        ];
        for (caller, dir, kind, mode, expected) in table {
            assert_eq!(new_owner(&caller, dir, 10, kind, mode), expected, "{caller:?} {dir:o} {kind:?} {mode:o}");
        }
    }

    #[test]
    fn writing_takes_the_setid_bits_of_regular_files() {
        let plain = user(2, 20);
        let table = [
            (0o4755, File, plain, 0o0755),
            (0o6755, File, plain, 0o0755),
            (0o6745, File, plain, 0o2745),
            (0o1644, File, plain, 0o1644),
            (0o6755, Directory, plain, 0o6755),
            (0o6755, File, with(Privileges::KEEP_SETID), 0o6755),
        ];
        for (mode, kind, caller, expected) in table {
            assert_eq!(strip_setid_on_write(mode, kind, &caller), expected, "{mode:o} {kind:?}");
        }
    }

    #[test]
    fn chown_takes_the_setid_bits_of_all_but_directories() {
        let table = [
            (File, 0o6755, 0o0755),
            (File, 0o6745, 0o2745),
            (File, 0o1644, 0o1644),
            (Fifo, 0o4644, 0o0644),
            (Directory, 0o6755, 0o6755),
        ];
        for (kind, mode, expected) in table {
            assert_eq!(chown_mode(mode, kind), expected, "{kind:?} {mode:o}");
        }
    }

    #[test]
    fn chmod_sets_setgid_only_for_members_and_the_privileged() {
        assert_eq!(chmod_mode(&user(1, 10), 10, 0o6755), 0o6755);
        assert_eq!(chmod_mode(&user(1, 20), 30, 0o2755), 0o2755);
        assert_eq!(chmod_mode(&user(1, 20), 10, 0o7755), 0o5755);
        assert_eq!(chmod_mode(&with(Privileges::KEEP_SETID), 10, 0o2755), 0o2755);
        assert_eq!(chmod_mode(&with(Privileges::CHECKED), 10, 0o2755), 0o2755);
    }

    #[test]
    fn only_privilege_gives_files_away_and_owners_choose_among_their_groups() {
        let table = [
            (user(1, 10), None, None, true),
            (user(1, 10), Some(1), None, true),
            (user(1, 10), Some(2), None, false),
            (user(1, 10), None, Some(30), true),
            (user(1, 10), None, Some(20), false),
            (user(1, 99), None, Some(10), true), // the group that it has
            (user(1, 10), Some(2), Some(30), false),
            (user(2, 10), None, Some(10), false),
            (user(2, 10), Some(1), None, false),
            (with(Privileges::OWNER), None, Some(9), false),
            (with(Privileges::CHOWN), Some(5), Some(5), true),
            (with(Privileges::CHECKED), Some(5), Some(5), true),
        ];
        for (caller, uid, gid, expected) in table {
            assert_eq!(may_chown(&caller, 1, 10, uid, gid), expected, "{caller:?} {uid:?} {gid:?}");
        }
    }
}
