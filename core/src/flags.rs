//! Flags of an inode, as chattr(1) and chflags(2) know them.

/// Nothing about the inode may change, no name of it may come or go (FS_IMMUTABLE_FL, UF/SF_IMMUTABLE).
pub const IMMUTABLE: u32 = 1;
/// Content may only grow at its end; entries of a directory may only be added (FS_APPEND_FL, UF/SF_APPEND).
pub const APPEND: u32 = 1 << 1;
/// Access times stay (FS_NOATIME_FL).
pub const NO_ACCESS_TIME: u32 = 1 << 2;
/// Left out by dump(8) (FS_NODUMP_FL, UF_NODUMP). Kept, without effect.
pub const NO_DUMP: u32 = 1 << 3;
/// Hidden from people (UF_HIDDEN): to Windows the attribute of that name, to the Finder its invisible bit. Kept, without effect.
pub const HIDDEN: u32 = 1 << 4;
/// Has been archived (SF_ARCHIVED): to Windows the opposite of the attribute ARCHIVE. Kept, without effect.
pub const ARCHIVED: u32 = 1 << 5;
/// As [`IMMUTABLE`], for the owner to set and clear (UF_IMMUTABLE).
pub const USER_IMMUTABLE: u32 = 1 << 6;
/// As [`APPEND`], for the owner to set and clear (UF_APPEND).
pub const USER_APPEND: u32 = 1 << 7;
/// To be shown as one with what lies beneath (UF_OPAQUE). Kept, without effect.
pub const OPAQUE: u32 = 1 << 8;

/// All of them.
pub const ALL: u32 = (1 << 9) - 1;
/// Those that forbid every change.
pub const ANY_IMMUTABLE: u32 = IMMUTABLE | USER_IMMUTABLE;
/// Those that forbid all but growth.
pub const ANY_APPEND: u32 = APPEND | USER_APPEND;
/// Those that only a caller with [`crate::Privileges::IMMUTABLE`] may set or clear.
pub const PRIVILEGED: u32 = IMMUTABLE | APPEND;

/// Each flag of ours beside the number that chflags(2) has for it.
const BSD: [(u32, u32); 8] = [
    (NO_DUMP, 0x1),
    (USER_IMMUTABLE, 0x2),
    (USER_APPEND, 0x4),
    (OPAQUE, 0x8),
    (HIDDEN, 0x8000),
    (ARCHIVED, 0x1_0000),
    (IMMUTABLE, 0x2_0000),
    (APPEND, 0x4_0000),
];

/// The flags as stat(2) shows them in `st_flags` on macOS and the BSDs. One that they have no number for is left out.
#[must_use]
pub fn to_bsd(flags: u32) -> u32 {
    BSD.iter().filter(|(ours, _)| flags & ours != 0).fold(0, |all, (_, theirs)| all | theirs)
}

/// The flags after chflags(2) with `bsd`, from those before: one that BSD has no number for stays. `None` when a bit is set that
/// is not kept here.
#[must_use]
pub fn with_bsd(flags: u32, bsd: u32) -> Option<u32> {
    let known = BSD.iter().fold(0, |all, (_, theirs)| all | theirs);
    let ours = BSD.iter().fold(0, |all, (ours, _)| all | ours);
    let asked = BSD.iter().filter(|(_, theirs)| bsd & theirs != 0).fold(0, |all, (ours, _)| all | ours);
    (bsd & !known == 0).then_some(flags & !ours | asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_the_numbers_of_stat_h_and_come_back() {
        assert_eq!(to_bsd(USER_IMMUTABLE | HIDDEN), 0x8002);
        assert_eq!(to_bsd(IMMUTABLE | APPEND | ARCHIVED), 0x7_0000);
        for flags in 0..=ALL {
            assert_eq!(with_bsd(flags, to_bsd(flags)), Some(flags));
        }
    }

    #[test]
    fn what_bsd_does_not_know_stays_and_what_is_not_known_here_is_refused() {
        assert_eq!(with_bsd(NO_ACCESS_TIME | HIDDEN, 0), Some(NO_ACCESS_TIME));
        assert_eq!(with_bsd(0, 0x20), None, "UF_COMPRESSED");
    }
}
