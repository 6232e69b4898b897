//! The sharing table of one inode: who has it and its streams open, for what, and what each lets others do.
//!
//! The rules are those of IoCheckShareAccess (\[MS-FSA\] 2.1.5.1.2.2, Algorithm to Check Sharing Access to an Existing
//! Stream or Directory): two opens of one stream agree when each shares what the other does. An open for attributes
//! only takes no part. A file and its streams are opened apart but deleted together, so deleting the file and holding a
//! stream against deletion exclude each other (the reference, section 1, share modes: "main-file vs stream rules").
//! The table belongs to a branch: handles of another branch have an inode of their own.

use super::rights::{APPEND_DATA, DELETE, EXECUTE, READ_DATA, WRITE_DATA};
use crate::error::{Error, Result};

const READS: u8 = 1;
const WRITES: u8 = 2;
const DELETES: u8 = 4;
const KINDS: u8 = READS | WRITES | DELETES;

/// What an open lets others do, and with the same bits what it does itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share(u8);

impl Share {
    /// From FILE_SHARE_READ (1), FILE_SHARE_WRITE (2) and FILE_SHARE_DELETE (4).
    pub(crate) fn from_bits(bits: u32) -> Result<Share> {
        match u8::try_from(bits) {
            Ok(bits) if bits & !KINDS == 0 => Ok(Share(bits)),
            _ => Err(Error::Invalid("a share mode has only the bits 1, 2 and 4")),
        }
    }

    /// What an access mask does, as far as others must share it.
    pub(crate) fn needed_by(access: u32) -> Share {
        let bit = |rights: u32, bit: u8| if access & rights != 0 { bit } else { 0 };
        Share(bit(READ_DATA | EXECUTE, READS) | bit(WRITE_DATA | APPEND_DATA, WRITES) | bit(DELETE, DELETES))
    }

    fn has(self, other: Share) -> bool {
        self.0 & other.0 == other.0
    }

    fn with(self, other: Share) -> Share {
        Share(self.0 | other.0)
    }
}

const DELETING: Share = Share(DELETES);
const NOTHING: Share = Share(0);

/// One open: what it does and what it lets others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    does: Share,
    shares: Share,
}

impl Use {
    /// An open that was granted `access`.
    pub(crate) fn new(access: u32, shares: Share) -> Use {
        Use { does: Share::needed_by(access), shares }
    }

    /// Whether others must agree with it at all.
    fn counts(self) -> bool {
        self.does != NOTHING
    }

    fn denies_deletion(self) -> bool {
        self.counts() && !self.shares.has(DELETING)
    }
}

/// Opens of one stream, counted by what they do and do not let do.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    opens: u32,
    doing: [u32; 3],
    denying: [u32; 3],
}

impl Counts {
    fn add(&mut self, user: Use) {
        self.change(user, |count| *count += 1);
    }

    fn remove(&mut self, user: Use) {
        self.change(user, |count| *count = count.checked_sub(1).expect("invariant: only what was added is removed"));
    }

    fn change(&mut self, user: Use, mut by_one: impl FnMut(&mut u32)) {
        if !user.counts() {
            return;
        }
        by_one(&mut self.opens);
        for kind in 0..3 {
            if user.does.0 >> kind & 1 != 0 {
                by_one(&mut self.doing[kind]);
            }
            if user.shares.0 >> kind & 1 == 0 {
                by_one(&mut self.denying[kind]);
            }
        }
    }

    fn agree(&self, does: Share, shares: Share) -> bool {
        does == NOTHING || Share(some(self.denying)).0 & does.0 == 0 && shares.has(Share(some(self.doing)))
    }
}

/// The bits of the kinds that are counted at least once.
fn some(counts: [u32; 3]) -> u8 {
    counts.iter().enumerate().map(|(kind, &count)| u8::from(count > 0) << kind).sum()
}

/// The opens of an inode; `K` tells its streams apart, `None` is its own content (or the directory).
#[derive(Debug)]
pub(crate) struct SharingTable<K> {
    main: Counts,
    /// Only streams that are open. Few, so a search beats a map.
    streams: Vec<(K, Counts)>,
    /// Opens of streams that let nobody delete.
    streams_denying_deletion: u32,
}

impl<K> Default for SharingTable<K> {
    fn default() -> SharingTable<K> {
        SharingTable { main: Counts::default(), streams: Vec::new(), streams_denying_deletion: 0 }
    }
}

impl<K: PartialEq> SharingTable<K> {
    /// Whether an open agrees with those that are there. `extra` is what it does at once and not again: see
    /// [`super::disposition::Disposition::extra_access`].
    pub(crate) fn check(&self, stream: Option<&K>, user: Use, extra: u32) -> Result<()> {
        let does = user.does.with(Share::needed_by(extra));
        let with_file = match stream {
            None => !user.does.has(DELETING) || self.streams_denying_deletion == 0,
            Some(_) => !user.denies_deletion() || self.main.doing[2] == 0,
        };
        if with_file && self.counts(stream).is_none_or(|counts| counts.agree(does, user.shares)) {
            Ok(())
        } else {
            Err(Error::SharingViolation)
        }
    }

    /// Adds an open that agrees with those that are there.
    pub(crate) fn add(&mut self, stream: Option<K>, user: Use, extra: u32) -> Result<()> {
        self.check(stream.as_ref(), user, extra)?;
        if !user.counts() {
            return Ok(());
        }
        let Some(stream) = stream else {
            self.main.add(user);
            return Ok(());
        };
        self.streams_denying_deletion += u32::from(user.denies_deletion());
        match self.streams.iter_mut().find(|(key, _)| *key == stream) {
            Some((_, counts)) => counts.add(user),
            None => {
                let mut counts = Counts::default();
                counts.add(user);
                self.streams.push((stream, counts));
            }
        }
        Ok(())
    }

    /// Takes away an open that was added.
    pub(crate) fn remove(&mut self, stream: Option<&K>, user: Use) {
        if !user.counts() {
            return;
        }
        let Some(stream) = stream else {
            self.main.remove(user);
            return;
        };
        self.streams_denying_deletion -= u32::from(user.denies_deletion());
        let index = self.streams.iter().position(|(key, _)| key == stream);
        let index = index.expect("invariant: only what was added is removed");
        self.streams[index].1.remove(user);
        if self.streams[index].1.opens == 0 {
            self.streams.swap_remove(index);
        }
    }

    /// Whether everyone who has the file or a stream of it open lets it be deleted: a POSIX rename may replace it then.
    pub(crate) fn all_share_deletion(&self) -> bool {
        self.main.denying[2] == 0 && self.streams_denying_deletion == 0
    }

    /// Whether everyone who has a stream of the file open lets it be deleted.
    pub(crate) fn streams_share_deletion(&self) -> bool {
        self.streams_denying_deletion == 0
    }

    /// Whether no open takes part.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.main.opens == 0 && self.streams.is_empty()
    }

    fn counts(&self, stream: Option<&K>) -> Option<&Counts> {
        match stream {
            None => Some(&self.main),
            Some(stream) => self.streams.iter().find(|(key, _)| key == stream).map(|(_, counts)| counts),
        }
    }
}

#[cfg(test)]
mod tests;
