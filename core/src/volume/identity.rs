//! What a volume says of itself: label, serial number, birth, space, and what it can do.
//!
//! The label is the volume's, not a branch's: it is the same in every view and no snapshot keeps it. It is text as Windows has it
//! (WTF-8), so that unpaired surrogates survive.

use std::sync::Arc;

use super::Volume;
use super::view::View;
use crate::error::{Error, Result};
use crate::history::events::{Event, EventKind};
use crate::limits;
use crate::sync::Mutex;
use crate::tree::name::{NamePolicy, wtf8};
use crate::types::{Caller, InodeId, Privileges, Time};

/// What a volume can do, as one view shows it: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Names that differ in case are two.
    pub const CASE_SENSITIVE: Capabilities = Capabilities(1);
    /// Names keep their case.
    pub const CASE_PRESERVED: Capabilities = Capabilities(1 << 1);
    /// Names are Unicode text: other bytes are refused.
    pub const UNICODE: Capabilities = Capabilities(1 << 2);
    /// Names that differ in how characters are composed are one.
    pub const NORMALIZATION_INSENSITIVE: Capabilities = Capabilities(1 << 3);
    /// Access control lists and security descriptors are kept.
    pub const PERSISTENT_ACLS: Capabilities = Capabilities(1 << 4);
    /// Files and directories have named streams.
    pub const NAMED_STREAMS: Capabilities = Capabilities(1 << 5);
    /// Extended attributes of Windows.
    pub const EXTENDED_ATTRIBUTES: Capabilities = Capabilities(1 << 6);
    /// Extended attributes as Linux and macOS have them.
    pub const XATTRS: Capabilities = Capabilities(1 << 7);
    /// Reparse points.
    pub const REPARSE_POINTS: Capabilities = Capabilities(1 << 8);
    /// Symbolic links.
    pub const SYMLINKS: Capabilities = Capabilities(1 << 9);
    /// Several names of one file.
    pub const HARD_LINKS: Capabilities = Capabilities(1 << 10);
    /// Holes take no storage.
    pub const SPARSE_FILES: Capabilities = Capabilities(1 << 11);
    /// Content that was never written reads as zeros.
    pub const ZERO_RUNS: Capabilities = Capabilities(1 << 12);
    /// Copies of ranges share storage.
    pub const BLOCK_SHARING: Capabilities = Capabilities(1 << 13);
    /// A file may be removed or replaced while it is open; it lives on without a name.
    pub const POSIX_UNLINK_RENAME: Capabilities = Capabilities(1 << 14);
    /// Opens may deny others to read, write or delete.
    pub const OPEN_DENY_MODES: Capabilities = Capabilities(1 << 15);
    /// Ids are the same as long as the volume lives, and never used again.
    pub const PERSISTENT_IDS: Capabilities = Capabilities(1 << 16);
    /// Ids need more than 32 bits.
    pub const IDS_OF_64_BITS: Capabilities = Capabilities(1 << 17);
    /// Files may be larger than 2 TB.
    pub const LARGE_FILES: Capabilities = Capabilities(1 << 18);
    /// A flag hides files from people.
    pub const HIDDEN_FILES: Capabilities = Capabilities(1 << 19);
    /// A flag makes files immutable.
    pub const IMMUTABLE_FILES: Capabilities = Capabilities(1 << 20);
    /// Permission bits can be set.
    pub const SETTABLE_PERMISSIONS: Capabilities = Capabilities(1 << 21);
    /// The root directory's times can be relied on.
    pub const ROOT_TIMES: Capabilities = Capabilities(1 << 22);
    /// Space is known, and asking for it is cheap.
    pub const FAST_SPACE: Capabilities = Capabilities(1 << 23);
    /// The view refuses every change.
    pub const READ_ONLY: Capabilities = Capabilities(1 << 63);

    /// What every volume can do.
    const ALWAYS: u64 = Capabilities::CASE_PRESERVED.0
        | Capabilities::PERSISTENT_ACLS.0
        | Capabilities::NAMED_STREAMS.0
        | Capabilities::EXTENDED_ATTRIBUTES.0
        | Capabilities::XATTRS.0
        | Capabilities::REPARSE_POINTS.0
        | Capabilities::SYMLINKS.0
        | Capabilities::HARD_LINKS.0
        | Capabilities::SPARSE_FILES.0
        | Capabilities::ZERO_RUNS.0
        | Capabilities::BLOCK_SHARING.0
        | Capabilities::POSIX_UNLINK_RENAME.0
        | Capabilities::OPEN_DENY_MODES.0
        | Capabilities::PERSISTENT_IDS.0
        | Capabilities::IDS_OF_64_BITS.0
        | Capabilities::LARGE_FILES.0
        | Capabilities::HIDDEN_FILES.0
        | Capabilities::IMMUTABLE_FILES.0
        | Capabilities::SETTABLE_PERMISSIONS.0
        | Capabilities::ROOT_TIMES.0
        | Capabilities::FAST_SPACE.0;

    fn of(names: NamePolicy, read_only: bool) -> Capabilities {
        let when = |holds: bool, bit: Capabilities| if holds { bit.0 } else { 0 };
        Capabilities(
            Capabilities::ALWAYS
                | when(!names.folds(), Capabilities::CASE_SENSITIVE)
                | when(matches!(names, NamePolicy::Windows | NamePolicy::MacOs), Capabilities::UNICODE)
                | when(names == NamePolicy::MacOs, Capabilities::NORMALIZATION_INSENSITIVE)
                | when(read_only, Capabilities::READ_ONLY),
        )
    }

    /// Whether all of `other` are here.
    #[must_use]
    pub fn has(self, other: Capabilities) -> bool {
        self.0 & other.0 == other.0
    }

    /// `FILE_...` flags of Windows' GetVolumeInformation.
    #[must_use]
    pub fn windows_flags(self) -> u32 {
        const FLAGS: [(Capabilities, u32); 12] = [
            (Capabilities::CASE_SENSITIVE, 0x1),
            (Capabilities::CASE_PRESERVED, 0x2),
            (Capabilities::UNICODE, 0x4),
            (Capabilities::PERSISTENT_ACLS, 0x8),
            (Capabilities::SPARSE_FILES, 0x40),
            (Capabilities::REPARSE_POINTS, 0x80),
            (Capabilities::POSIX_UNLINK_RENAME, 0x400),
            (Capabilities::NAMED_STREAMS, 0x4_0000),
            (Capabilities::READ_ONLY, 0x8_0000),
            (Capabilities::HARD_LINKS, 0x40_0000),
            (Capabilities::EXTENDED_ATTRIBUTES, 0x80_0000),
            (Capabilities::BLOCK_SHARING, 0x800_0000),
        ];
        FLAGS.iter().filter(|(capability, _)| self.has(*capability)).fold(0, |flags, (_, flag)| flags | flag)
    }
}

/// What a volume says of itself through one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its label: WTF-8.
    pub label: Arc<[u8]>,
    /// Its id.
    pub id: [u8; 16],
    /// Its serial number, as Windows has one.
    pub serial: u32,
    /// When it was opened.
    pub created: Time,
    /// Bytes that it can hold.
    pub total_bytes: u64,
    /// Bytes that it can still take.
    pub free_bytes: u64,
    /// Which names there can be.
    pub names: NamePolicy,
    /// What it can do.
    pub capabilities: Capabilities,
}

pub(crate) struct Identity {
    label: Mutex<Arc<[u8]>>,
    id: [u8; 16],
    created: Time,
}

impl Identity {
    /// `name`: what it is labelled where no label is given.
    pub(super) fn new(
        label: Option<&[u8]>,
        name: &str,
        id: Option<[u8; 16]>,
        names: NamePolicy,
        created: Time,
    ) -> Result<Identity> {
        let label = match label {
            Some(label) => check_label(label, names).map(|()| label)?,
            None => shortened(name),
        };
        let drawn = || {
            let (high, low) = super::random_key();
            uuid_of(u128::from(high) << 64 | u128::from(low))
        };
        Ok(Identity { label: Mutex::new(Arc::from(label)), id: id.unwrap_or_else(drawn), created })
    }

    fn serial(&self) -> u32 {
        // Never 0, which some programs take for none.
        let words = self.id.as_chunks::<4>().0;
        words.iter().fold(0, |serial, word| serial ^ u32::from_be_bytes(*word)).max(1)
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid_of(random: u128) -> [u8; 16] {
    let mut bytes = random.to_be_bytes();
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    bytes
}

/// As much of a name as every system takes for a label.
fn shortened(name: &str) -> &[u8] {
    let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
    let fits = |end: &usize| name[..*end].encode_utf16().count() <= limits::LABEL_UNITS;
    &name.as_bytes()[..ends.take_while(fits).last().unwrap_or(0)]
}

fn check_label(label: &[u8], names: NamePolicy) -> Result<()> {
    let units = wtf8::units(label)?;
    let fits = if names.counts_utf16() { units <= limits::LABEL_UNITS } else { label.len() <= limits::LABEL_BYTES };
    if !fits {
        return Err(Error::NameTooLong);
    }
    if label.iter().any(|&byte| byte < 0x20) {
        return Err(Error::BadName("a label holds no control characters"));
    }
    Ok(())
}

impl View {
    /// What the volume says of itself, and can do as this view shows it.
    #[must_use]
    pub fn volume_info(&self) -> VolumeInfo {
        let (identity, space) = (&self.volume.identity, self.volume.fs_stats());
        let unit = u64::from(space.block_bytes);
        VolumeInfo {
            label: identity.label.lock().clone(),
            id: identity.id,
            serial: identity.serial(),
            created: identity.created,
            total_bytes: space.blocks.saturating_mul(unit),
            free_bytes: space.blocks_free.saturating_mul(unit),
            names: self.volume.names(),
            capabilities: Capabilities::of(self.volume.names(), self.info().read_only),
        }
    }

    /// Gives the volume another label, and tells all who watch any branch of it.
    ///
    /// Errors: [`Error::ReadOnly`], [`Error::NotPermitted`] for anybody but the volume's owner and administrators,
    /// [`Error::NameTooLong`], [`Error::BadName`], [`Error::BadUtf8`].
    pub fn set_label(&self, caller: &Caller<'_>, label: &[u8]) -> Result<()> {
        if self.info().read_only {
            return Err(Error::ReadOnly);
        }
        if caller.uid != self.volume.owner_uid() && !caller.may(Privileges::ADMIN) {
            return Err(Error::NotPermitted);
        }
        check_label(label, self.volume.names())?;
        self.volume.relabel(label);
        self.volume.tell_label(self, label);
        Ok(())
    }
}

impl Volume {
    fn relabel(&self, label: &[u8]) {
        *self.identity.label.lock() = Arc::from(label);
    }

    /// Every branch that somebody views hears of it once.
    fn tell_label(&self, by: &View, label: &[u8]) {
        let mut told = Vec::new();
        for attachment in self.live_views().iter().flat_map(|view| view.attachments()) {
            let Some(head) = attachment.tree.head() else { continue };
            if told.iter().any(|other| Arc::ptr_eq(other, head)) {
                continue;
            }
            told.push(head.clone());
            if head.events.listens(by.id()) {
                head.events
                    .publish(by.id(), Event { new_name: label.into(), ..Event::of(EventKind::Label, InodeId(0)) });
            }
        }
    }
}
