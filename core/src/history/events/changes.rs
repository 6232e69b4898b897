//! What a change touched, and what Windows and macOS call it.

use super::{Event, EventKind};
use crate::types::FileKind;

/// What a change touched: a set of bits. The first twelve have the numbers of `FILE_NOTIFY_CHANGE_...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Changes(pub u32);

impl Changes {
    /// None.
    pub const NONE: Changes = Changes(0);
    /// A name of anything but a directory.
    pub const FILE_NAME: Changes = Changes(1);
    /// A name of a directory.
    pub const DIRECTORY_NAME: Changes = Changes(1 << 1);
    /// Flags and Windows attributes.
    pub const ATTRIBUTES: Changes = Changes(1 << 2);
    /// Size of the content.
    pub const SIZE: Changes = Changes(1 << 3);
    /// Content, or the time of its last change.
    pub const LAST_WRITE: Changes = Changes(1 << 4);
    /// The time of the last access, when it is set.
    pub const LAST_ACCESS: Changes = Changes(1 << 5);
    /// The time of birth.
    pub const CREATION: Changes = Changes(1 << 6);
    /// Extended attributes of Windows.
    pub const EXTENDED_ATTRIBUTES: Changes = Changes(1 << 7);
    /// Mode, owner, ACLs, security descriptor.
    pub const SECURITY: Changes = Changes(1 << 8);
    /// A name of a named stream.
    pub const STREAM_NAME: Changes = Changes(1 << 9);
    /// Size of a named stream.
    pub const STREAM_SIZE: Changes = Changes(1 << 10);
    /// Content of a named stream.
    pub const STREAM_WRITE: Changes = Changes(1 << 11);
    /// Owner or group; with [`Changes::SECURITY`].
    pub const OWNER: Changes = Changes(1 << 12);
    /// Extended attributes as Linux and macOS have them.
    pub const XATTRS: Changes = Changes(1 << 13);
    /// Finder info; with [`Changes::XATTRS`].
    pub const FINDER_INFO: Changes = Changes(1 << 14);
    /// The volume's label.
    pub const LABEL: Changes = Changes(1 << 15);
    /// All of them.
    pub const ALL: Changes = Changes((1 << 16) - 1);

    /// What an event of this kind touches that says nothing closer.
    pub(super) fn of(kind: EventKind) -> Changes {
        match kind {
            EventKind::Created | EventKind::Removed | EventKind::Renamed | EventKind::Exchanged => {
                Changes::FILE_NAME.with(Changes::DIRECTORY_NAME)
            }
            EventKind::Content => Changes::SIZE.with(Changes::LAST_WRITE),
            EventKind::Attributes => Changes::ATTRIBUTES,
            EventKind::StreamCreated | EventKind::StreamRemoved => Changes::STREAM_NAME,
            EventKind::StreamContent => Changes::STREAM_SIZE.with(Changes::STREAM_WRITE),
            EventKind::Label => Changes::LABEL,
        }
    }

    pub(crate) fn of_name(what: FileKind) -> Changes {
        if what == FileKind::Directory { Changes::DIRECTORY_NAME } else { Changes::FILE_NAME }
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Changes) -> Changes {
        Changes(self.0 | other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Changes) -> Changes {
        Changes(self.0 & other.0)
    }

    /// This set if `holds`, else none.
    #[must_use]
    pub const fn when(self, holds: bool) -> Changes {
        if holds { self } else { Changes::NONE }
    }

    /// Whether any of `other` is here.
    #[must_use]
    pub const fn any(self, other: Changes) -> bool {
        self.0 & other.0 != 0
    }
}

impl Event {
    /// `FILE_ACTION_...` of Windows: what FILE_NOTIFY_INFORMATION says. A rename is told there as two records, this one
    /// (`FILE_ACTION_RENAMED_OLD_NAME`) with the old name and right after it the next number with the new one. 0: Windows has none.
    #[must_use]
    pub fn windows_action(&self) -> u32 {
        match self.kind {
            EventKind::Created => 1,
            EventKind::Removed => 2,
            // Windows has no word for an exchange: both files are others now.
            EventKind::Content | EventKind::Attributes | EventKind::Exchanged => 3,
            EventKind::Renamed => 4,
            EventKind::StreamCreated => 6,
            EventKind::StreamRemoved => 7,
            EventKind::StreamContent => 8,
            EventKind::Label => 0,
        }
    }

    /// `kFSEventStreamEventFlag...` of macOS.
    #[must_use]
    pub fn fsevents_flags(&self) -> u32 {
        const CREATED: u32 = 0x100;
        const REMOVED: u32 = 0x200;
        const INODE_META_MOD: u32 = 0x400;
        const RENAMED: u32 = 0x800;
        const MODIFIED: u32 = 0x1000;
        const FINDER_INFO_MOD: u32 = 0x2000;
        const CHANGE_OWNER: u32 = 0x4000;
        const XATTR_MOD: u32 = 0x8000;
        let what = match self.file_kind {
            Some(FileKind::Directory) => 0x2_0000,
            Some(FileKind::Symlink) => 0x4_0000,
            Some(_) => 0x1_0000,
            None => 0,
        };
        let if_any = |changes: Changes, flag: u32| if self.changes.any(changes) { flag } else { 0 };
        let happened = match self.kind {
            EventKind::Created => CREATED,
            EventKind::Removed => REMOVED,
            EventKind::Renamed | EventKind::Exchanged => RENAMED,
            EventKind::Content => MODIFIED,
            EventKind::Attributes => {
                let meta = Changes::ATTRIBUTES.with(Changes::SECURITY).with(Changes::CREATION);
                if_any(meta.with(Changes::LAST_WRITE).with(Changes::LAST_ACCESS), INODE_META_MOD)
                    | if_any(Changes::OWNER, CHANGE_OWNER)
                    | if_any(Changes::XATTRS.with(Changes::EXTENDED_ATTRIBUTES), XATTR_MOD)
                    | if_any(Changes::FINDER_INFO, FINDER_INFO_MOD)
            }
            // A resource fork is a stream to us and an extended attribute there.
            EventKind::StreamCreated | EventKind::StreamRemoved | EventKind::StreamContent => XATTR_MOD,
            EventKind::Label => return 0,
        };
        happened | what
    }
}
