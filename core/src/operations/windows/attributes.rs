//! FILE_ATTRIBUTE_ bits (\[MS-FSCC\] 2.6): which can be set, what is reported, and how they stand to flags and modes.
//!
//! Stored are only bits of [`SETTABLE`]; what a file is ([`DIRECTORY`], [`REPARSE_POINT`]) is added when they are reported.
//! [`HIDDEN`] is the flag of the same name; [`ARCHIVE`] ("to be archived") is the flag ARCHIVED ("has been") turned round, as
//! BSD's FAT driver has it. [`READONLY`] is kept apart from the mode: a POSIX program sees a read-only file without write
//! bits, and makes it writable by chmod; the bits come back as they were when Windows clears it.

use crate::error::{Error, Result};
use crate::flags;

pub(crate) const READONLY: u32 = 0x1;
pub(crate) const HIDDEN: u32 = 0x2;
pub(crate) const SYSTEM: u32 = 0x4;
pub(crate) const DIRECTORY: u32 = 0x10;
pub(crate) const ARCHIVE: u32 = 0x20;
pub(crate) const NORMAL: u32 = 0x80;
pub(crate) const TEMPORARY: u32 = 0x100;
#[cfg(test)]
pub(crate) const SPARSE: u32 = 0x200;
pub(crate) const REPARSE_POINT: u32 = 0x400;
pub(crate) const OFFLINE: u32 = 0x1000;
pub(crate) const NOT_INDEXED: u32 = 0x2000;
pub(crate) const NO_SCRUB: u32 = 0x2_0000;
pub(crate) const PINNED: u32 = 0x8_0000;
pub(crate) const UNPINNED: u32 = 0x10_0000;

/// Those that a program can set; others say what a file is, and are left out of what is set without an error
/// (\[MS-FSA\] 2.1.5.15.2, FileBasicInformation).
pub(crate) const SETTABLE: u32 =
    READONLY | HIDDEN | SYSTEM | ARCHIVE | TEMPORARY | OFFLINE | NOT_INDEXED | NO_SCRUB | PINNED | UNPINNED;

/// "Keep what is there", as hosts say it besides 0.
pub(crate) const KEEP: u32 = u32::MAX;

const WRITE_BITS: u32 = 0o222;

/// The stored attributes after a request to set them: 0 keeps, [`NORMAL`] alone clears all.
pub(crate) fn set(stored: u32, asked: u32, directory: bool) -> Result<u32> {
    if asked == 0 || asked == KEEP {
        return Ok(stored);
    }
    check(asked, directory)?;
    Ok(asked & SETTABLE)
}

/// The attributes of a new file or directory. A file is to be archived (\[MS-FSA\] 2.1.5.1.1).
pub(crate) fn new(asked: u32, directory: bool) -> Result<u32> {
    let asked = if asked == KEEP { 0 } else { asked };
    check(asked & !DIRECTORY, directory)?;
    Ok(asked & SETTABLE | if directory { 0 } else { ARCHIVE })
}

fn check(asked: u32, directory: bool) -> Result<()> {
    if directory && asked & TEMPORARY != 0 {
        return Err(Error::Invalid("a directory cannot be temporary"));
    }
    if !directory && asked & DIRECTORY != 0 {
        return Err(Error::Invalid("a file cannot become a directory by its attributes"));
    }
    Ok(())
}

/// The attributes of a file that is overwritten: those asked are added, or take the place of the others when it is
/// superseded. It is to be archived again.
pub(crate) fn overwritten(stored: u32, asked: u32, supersede: bool) -> u32 {
    let asked = if asked == KEEP { 0 } else { asked & SETTABLE };
    ARCHIVE | asked | if supersede { 0 } else { stored }
}

/// A hidden or system file is overwritten or superseded only by a program that says that it is one.
pub(crate) fn check_overwrite(stored: u32, asked: u32) -> Result<()> {
    let asked = if asked == KEEP { 0 } else { asked };
    if stored & !asked & (HIDDEN | SYSTEM) == 0 { Ok(()) } else { Err(Error::AccessDenied) }
}

/// The attributes as a program sees them: [`NORMAL`] when there are no others.
pub(crate) fn reported(stored: u32, directory: bool, reparse_point: bool) -> u32 {
    let mut attributes = stored & SETTABLE;
    attributes |= if directory { DIRECTORY } else { 0 };
    attributes |= if reparse_point { REPARSE_POINT } else { 0 };
    if attributes == 0 { NORMAL } else { attributes }
}

/// The flags of an inode that go with its attributes; the others stay as they are.
pub(crate) fn flags_in_step(stored: u32, flags: u32, directory: bool) -> u32 {
    let mut flags = flags & !flags::HIDDEN;
    flags |= if stored & HIDDEN != 0 { flags::HIDDEN } else { 0 };
    if !directory {
        flags &= !flags::ARCHIVED;
        flags |= if stored & ARCHIVE == 0 { flags::ARCHIVED } else { 0 };
    }
    flags
}

/// The attributes that go with an inode's flags; the others stay as they are.
pub(crate) fn in_step_with_flags(stored: u32, flags: u32, directory: bool) -> u32 {
    let mut stored = stored & !HIDDEN;
    stored |= if flags & flags::HIDDEN != 0 { HIDDEN } else { 0 };
    if !directory {
        stored &= !ARCHIVE;
        stored |= if flags & flags::ARCHIVED == 0 { ARCHIVE } else { 0 };
    }
    stored
}

/// The mode as POSIX programs see it. On a directory [`READONLY`] is a mark of the shell's and forbids nothing.
pub(crate) fn shown_mode(mode: u32, stored: u32, directory: bool) -> u32 {
    if stored & READONLY != 0 && !directory { mode & !WRITE_BITS } else { mode }
}

/// The attributes after chmod: giving a write bit to a read-only file makes it writable, taking all away does not make it
/// read-only, because then its owner could not delete it from Windows.
pub(crate) fn after_chmod(stored: u32, mode: u32, directory: bool) -> u32 {
    if mode & WRITE_BITS != 0 && !directory { stored & !READONLY } else { stored }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn set_basic_info_attributes_0_and_ffffffff_keep() {
        assert_eq!(set(HIDDEN, 0, false), Ok(HIDDEN));
        assert_eq!(set(HIDDEN, KEEP, false), Ok(HIDDEN));
        assert_eq!(set(HIDDEN, KEEP, true), Ok(HIDDEN));
    }

    #[test]
    fn normal_alone_clears_and_beside_others_says_nothing() {
        assert_eq!(set(HIDDEN | READONLY, NORMAL, false), Ok(0));
        assert_eq!(set(0, NORMAL | SYSTEM, false), Ok(SYSTEM));
        assert_eq!(reported(0, false, false), NORMAL);
        assert_eq!(reported(0, true, false), DIRECTORY);
        assert_eq!(reported(HIDDEN, true, true), HIDDEN | DIRECTORY | REPARSE_POINT);
    }

    #[test]
    fn temporary_on_a_directory_is_an_invalid_parameter() {
        assert!(matches!(set(0, TEMPORARY, true), Err(Error::Invalid(_))));
        assert!(matches!(new(TEMPORARY, true), Err(Error::Invalid(_))));
        assert_eq!(set(0, TEMPORARY, false), Ok(TEMPORARY));
    }

    #[test]
    fn what_a_file_is_cannot_be_set() {
        assert!(matches!(set(0, DIRECTORY, false), Err(Error::Invalid(_))));
        assert_eq!(set(0, DIRECTORY | HIDDEN, true), Ok(HIDDEN));
        assert_eq!(set(0, REPARSE_POINT | SPARSE | 0x800 | 0x4000 | SYSTEM, false), Ok(SYSTEM));
    }

    #[test]
    fn a_new_file_is_to_be_archived_and_a_new_directory_is_not() {
        assert_eq!(new(0, false), Ok(ARCHIVE));
        assert_eq!(new(NORMAL | HIDDEN, false), Ok(ARCHIVE | HIDDEN));
        assert_eq!(new(DIRECTORY | HIDDEN, true), Ok(HIDDEN));
    }

    #[test]
    fn overwrite_adds_attributes_supersede_replaces_them_both_add_archive() {
        assert_eq!(overwritten(HIDDEN, SYSTEM, false), HIDDEN | SYSTEM | ARCHIVE);
        assert_eq!(overwritten(HIDDEN, SYSTEM, true), SYSTEM | ARCHIVE);
        assert_eq!(overwritten(HIDDEN, NORMAL, true), ARCHIVE);
    }

    #[test]
    fn overwriting_a_hidden_or_system_file_without_these_bits_is_denied() {
        for (stored, asked, allowed) in [
            (0, 0, true),
            (HIDDEN, 0, false),
            (HIDDEN, HIDDEN, true),
            (SYSTEM, HIDDEN, false),
            (SYSTEM | HIDDEN, HIDDEN, false),
            (SYSTEM | HIDDEN, SYSTEM | HIDDEN, true),
            (0, HIDDEN, true),
            (READONLY | ARCHIVE, 0, true),
        ] {
            let result = if allowed { Ok(()) } else { Err(Error::AccessDenied) };
            assert_eq!(check_overwrite(stored, asked), result, "{stored:x} {asked:x}");
        }
    }

    #[test]
    fn archive_is_the_archived_flag_turned_round() {
        assert_eq!(flags_in_step(ARCHIVE, flags::ARCHIVED | flags::NO_DUMP, false), flags::NO_DUMP);
        assert_eq!(flags_in_step(0, 0, false), flags::ARCHIVED);
        assert_eq!(flags_in_step(0, 0, true), 0);
        assert_eq!(in_step_with_flags(0, 0, false), ARCHIVE);
        assert_eq!(in_step_with_flags(0, 0, true), 0);
    }

    #[test]
    fn a_read_only_file_shows_no_write_bits_until_chmod_gives_one() {
        assert_eq!(shown_mode(0o664, READONLY, false), 0o444);
        assert_eq!(shown_mode(0o775, READONLY, true), 0o775);
        assert_eq!(shown_mode(0o664, 0, false), 0o664);
        assert_eq!(after_chmod(READONLY | HIDDEN, 0o644, false), HIDDEN);
        assert_eq!(after_chmod(READONLY, 0o444, false), READONLY);
        assert_eq!(after_chmod(0, 0o444, false), 0);
        assert_eq!(after_chmod(READONLY, 0o755, true), READONLY);
    }

    proptest! {
        #[test]
        fn flags_and_attributes_stay_in_step(stored in any::<u32>(), flags in 0..=flags::ALL, directory in any::<bool>()) {
            let stored = stored & SETTABLE;
            prop_assert_eq!(in_step_with_flags(stored, flags_in_step(stored, flags, directory), directory), stored);
            prop_assert_eq!(flags_in_step(in_step_with_flags(stored, flags, directory), flags, directory), flags);
        }

        #[test]
        fn whatever_is_asked_only_what_can_be_set_is_stored(stored in any::<u32>(), asked in any::<u32>(), dir in any::<bool>()) {
            let stored = stored & SETTABLE;
            for result in [set(stored, asked, dir), new(asked, dir), Ok(overwritten(stored, asked, dir))] {
                prop_assert!(result.is_err() || result.is_ok_and(|bits| bits & !SETTABLE == 0));
            }
        }
    }
}
