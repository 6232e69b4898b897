//! POSIX access control lists, as Linux keeps them in the extended attributes `system.posix_acl_access` and
//! `system.posix_acl_default`.
//!
//! Owns the stored form (version 2, little-endian), what makes a list valid, and how a list and a file mode shape
//! each other: acl(5), and POSIX.1e draft 17 section 23. An [`Acl`] is always valid: exactly one entry each for owner,
//! group and others, a mask as soon as a user or a group is named, entries in order; or no entries at all, which
//! stands for "no list" and is not for storing. Where a list is stored, and who may set it, is left to the operations
//! on attributes; what a caller may do with a file as a whole to [`super::access`].

use crate::error::{Error, Result};
use crate::ledger::{Footprint, heap_bytes};
use crate::types::Caller;

const VERSION: u32 = 2;
const HEADER_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;
/// Stored as the id of entries that name nobody; never a valid id.
const NOBODY: u32 = u32::MAX;

/// Whom an entry speaks of. In the order in which entries stand in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    /// The file's owner.
    Owner = 0x01,
    /// A user named by id.
    User = 0x02,
    /// The file's group.
    OwningGroup = 0x04,
    /// A group named by id.
    Group = 0x08,
    /// The most that named users and any group are granted.
    Mask = 0x10,
    /// Everybody else.
    Other = 0x20,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: Tag,
    /// R=4, W=2, X=1.
    permissions: u8,
    /// Of a named user or group; else [`NOBODY`].
    id: u32,
}

/// A valid access control list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acl {
    entries: Box<[Entry]>,
}

impl Footprint for Acl {
    fn heap_bytes(&self) -> usize {
        let Acl { entries } = self;
        heap_bytes(size_of_val(&**entries))
    }
}

impl Acl {
    /// From the stored form. Malformed bytes and invalid lists are [`Error::Invalid`], another version is
    /// [`Error::NotSupported`], as on Linux.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Acl> {
        let list = body(bytes)?;
        let entries = list.chunks_exact(ENTRY_BYTES).map(Entry::parse).collect::<Result<Box<[Entry]>>>()?;
        check_order(&entries)?;
        Ok(Acl { entries })
    }

    /// Whether there are no entries: to set such a list means to remove the one there is, as on Linux.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The stored form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.entries.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        for entry in &self.entries {
            bytes.extend_from_slice(&(entry.tag as u16).to_le_bytes());
            bytes.extend_from_slice(&u16::from(entry.permissions).to_le_bytes());
            bytes.extend_from_slice(&entry.id.to_le_bytes());
        }
        bytes
    }

    /// The list that says what the permission bits of `mode` say.
    #[cfg(test)]
    pub(crate) fn from_mode(mode: u32) -> Acl {
        let base = |tag, shift: u32| Entry { tag, permissions: (mode >> shift & 7) as u8, id: NOBODY };
        Acl { entries: Box::new([base(Tag::Owner, 6), base(Tag::OwningGroup, 3), base(Tag::Other, 0)]) }
    }

    /// The nine permission bits that say the same, when the list has no more than its three base entries: then the
    /// mode says it all, and no list need be kept. So it is with an empty list, whose bits are 0.
    pub(crate) fn equivalent_mode(&self) -> Option<u32> {
        (self.entries.len() <= 3).then(|| self.apply_to_mode(0))
    }

    /// The mode of a file whose access list becomes this one: its group bits show the mask, or the owning group's entry
    /// where there is no mask (acl(5), "Correspondence between ACL entries and file permission bits"). Bits
    /// beyond the nine stay; an empty list changes nothing. Whether set-group-id may stay is for
    /// [`super::access::acl_mode`] to say.
    pub(crate) fn apply_to_mode(&self, mode: u32) -> u32 {
        let Some((owner, group, other)) = self.classes() else { return mode };
        let bits = [owner, group, other].map(|at| u32::from(self.entries[at].permissions));
        mode & !0o777 | bits[0] << 6 | bits[1] << 3 | bits[2]
    }

    /// What chmod(2) does to an access list: the owner's entry, others', and the mask (or else the owning group's).
    pub(crate) fn chmod(&mut self, mode: u32) {
        let Some((owner, group, other)) = self.classes() else { return };
        for (at, shift) in [(owner, 6), (group, 3), (other, 0)] {
            self.entries[at].permissions = (mode >> shift & 7) as u8;
        }
    }

    /// What a new entry of a directory with the default list `default` gets, when `mode` is asked for: its access
    /// list (`None` when the mode says it all) and its mode. The umask plays no part (acl(5), "Object creation
    /// and default ACLs"). A new directory gets `default` as its own default list besides.
    pub(crate) fn inherit(default: &Acl, mode: u32) -> (Option<Acl>, u32) {
        let mut acl = default.clone();
        acl.chmod(default.apply_to_mode(0) & mode);
        let mode = acl.apply_to_mode(mode);
        (acl.equivalent_mode().is_none().then_some(acl), mode)
    }

    /// Whether the list grants `want` (R=4, W=2, X=1) of a file that `uid` and `gid` own: acl(5), "Access check
    /// algorithm". Privileges are not looked at.
    pub(crate) fn permits(&self, caller: &Caller<'_>, uid: u32, gid: u32, want: u8) -> bool {
        let grants = |entry: &Entry| entry.permissions & want == want;
        let mut in_a_group = false;
        for entry in &self.entries {
            match entry.tag {
                Tag::Owner if caller.uid == uid => return grants(entry),
                Tag::User if caller.uid == entry.id => return grants(entry) && self.mask_grants(want),
                Tag::OwningGroup | Tag::Group => {
                    let group = if entry.tag == Tag::Group { entry.id } else { gid };
                    let member = caller.in_group(group);
                    if member && grants(entry) {
                        return self.mask_grants(want);
                    }
                    in_a_group |= member;
                }
                Tag::Other => return !in_a_group && grants(entry),
                Tag::Owner | Tag::User | Tag::Mask => {}
            }
        }
        false
    }

    fn mask_grants(&self, want: u8) -> bool {
        let mask = self.entries.iter().find(|entry| entry.tag == Tag::Mask);
        mask.is_none_or(|mask| mask.permissions & want == want)
    }

    /// Where the entries stand that the mode's owner, group and other bits mirror.
    fn classes(&self) -> Option<(usize, usize, usize)> {
        let other = self.entries.len().checked_sub(1)?;
        let mask_or_group = match self.entries[other - 1].tag {
            Tag::Mask => other - 1,
            _ => self.entries.partition_point(|entry| entry.tag < Tag::OwningGroup),
        };
        Some((0, mask_or_group, other))
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Result<Entry> {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let tag = Tag::parse(half(0))?;
        let permissions = half(2);
        if permissions > 7 {
            return Err(Error::Invalid("an ACL entry's permissions go beyond rwx"));
        }
        let id = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let named = matches!(tag, Tag::User | Tag::Group);
        if named && id == NOBODY {
            return Err(Error::Invalid("an ACL entry names no valid id"));
        }
        Ok(Entry { tag, permissions: permissions as u8, id: if named { id } else { NOBODY } })
    }
}

impl Tag {
    fn parse(number: u16) -> Result<Tag> {
        let all = [Tag::Owner, Tag::User, Tag::OwningGroup, Tag::Group, Tag::Mask, Tag::Other];
        let found = all.into_iter().find(|tag| *tag as u16 == number);
        found.ok_or(Error::Invalid("an ACL entry has an unknown tag"))
    }
}

/// What follows the header, a whole number of entries.
fn body(bytes: &[u8]) -> Result<&[u8]> {
    let (header, list) =
        bytes.split_first_chunk::<HEADER_BYTES>().ok_or(Error::Invalid("an ACL is shorter than its header"))?;
    if u32::from_le_bytes(*header) != VERSION {
        return Err(Error::NotSupported);
    }
    if !list.len().is_multiple_of(ENTRY_BYTES) {
        return Err(Error::Invalid("an ACL ends within an entry"));
    }
    Ok(list)
}

/// One entry each for owner, owning group and others, at most one mask, a mask when anybody is named, and all in
/// order. Named ids may come in any order and, as on Linux, more than once: the first that fits counts.
fn check_order(entries: &[Entry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let count = |tag| entries.iter().filter(|entry| entry.tag == tag).count();
    if !entries.is_sorted_by_key(|entry| entry.tag) {
        return Err(Error::Invalid("an ACL's entries are out of order"));
    }
    if [Tag::Owner, Tag::OwningGroup, Tag::Other].into_iter().any(|tag| count(tag) != 1) {
        return Err(Error::Invalid("an ACL needs one entry each for owner, group and others"));
    }
    let named = count(Tag::User) + count(Tag::Group) > 0;
    match count(Tag::Mask) {
        0 if named => Err(Error::Invalid("an ACL that names users or groups needs a mask")),
        0 | 1 => Ok(()),
        _ => Err(Error::Invalid("an ACL has more than one mask")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Privileges;

    const O: u16 = 0x01;
    const U: u16 = 0x02;
    const G: u16 = 0x04;
    const N: u16 = 0x08;
    const M: u16 = 0x10;
    const X: u16 = 0x20;

    fn stored(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    fn acl(entries: &[(u16, u16, u32)]) -> Acl {
        Acl::parse(&stored(entries)).unwrap()
    }

    fn caller<'a>(uid: u32, gid: u32, groups: &'a [u32]) -> Caller<'a> {
        Caller { uid, gid, groups, pid: 1, umask: 0, privileges: Privileges::NONE, token: None }
    }

    /// Owner rwx, user 7 rw-, group r-x, group 70 rwx, mask r-x, others nothing.
    fn rich() -> Acl {
        acl(&[(O, 7, 0), (U, 6, 7), (G, 5, 0), (N, 7, 70), (M, 5, 0), (X, 0, 0)])
    }

    #[test]
    fn the_stored_form_is_that_of_linux_byte_by_byte() {
        let bytes = Acl::from_mode(0o640).to_bytes();
        let expected = [
            2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(Acl::parse(&bytes), Ok(Acl::from_mode(0o640)));
    }

    #[test]
    fn a_list_with_names_and_a_mask_survives_storing() {
        assert_eq!(Acl::parse(&rich().to_bytes()), Ok(rich()));
    }

    #[test]
    fn lists_that_break_a_rule_are_invalid() {
        let bad: &[&[(u16, u16, u32)]] = &[
            &[(O, 7, 0)],
            &[(O, 7, 0), (G, 7, 0)],
            &[(G, 7, 0), (O, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (O, 7, 0), (G, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (G, 7, 0), (G, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (G, 7, 0), (X, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (U, 7, 7), (G, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (G, 7, 0), (N, 7, 7), (X, 7, 0)],
            &[(O, 7, 0), (G, 7, 0), (U, 7, 7), (M, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (N, 7, 7), (G, 7, 0), (M, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (G, 7, 0), (M, 7, 0), (M, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (G, 7, 0), (X, 7, 0), (M, 7, 0)],
            &[(O, 8, 0), (G, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (G, 7, 0), (0x40, 7, 0), (X, 7, 0)],
            &[(O, 7, 0), (U, 7, u32::MAX), (G, 7, 0), (M, 7, 0), (X, 7, 0)],
        ];
        for entries in bad {
            assert!(matches!(Acl::parse(&stored(entries)), Err(Error::Invalid(_))), "{entries:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_list_are_refused() {
        let good = Acl::from_mode(0o644).to_bytes();
        assert!(matches!(Acl::parse(&[]), Err(Error::Invalid(_))));
        assert!(matches!(Acl::parse(&good[..3]), Err(Error::Invalid(_))));
        assert!(matches!(Acl::parse(&good[..good.len() - 1]), Err(Error::Invalid(_))));
        let mut other_version = good;
        other_version[0] = 1;
        assert_eq!(Acl::parse(&other_version), Err(Error::NotSupported));
    }

    #[test]
    fn a_list_without_entries_is_no_list_and_changes_nothing() {
        let mut none = acl(&[]);
        assert!(none.is_empty() && !rich().is_empty());
        assert_eq!(none.apply_to_mode(0o4751), 0o4751);
        assert_eq!(none.equivalent_mode(), Some(0));
        none.chmod(0o777);
        assert!(none.is_empty());
        assert!(!none.permits(&caller(1, 10, &[]), 1, 10, 4));
    }

    #[test]
    fn only_three_entries_are_equivalent_to_a_mode() {
        assert_eq!(Acl::from_mode(0o7751).equivalent_mode(), Some(0o751));
        assert_eq!(rich().equivalent_mode(), None);
        assert_eq!(acl(&[(O, 7, 0), (G, 5, 0), (M, 5, 0), (X, 1, 0)]).equivalent_mode(), None);
    }

    #[test]
    fn setting_a_list_shows_the_mask_in_the_group_bits() {
        assert_eq!(rich().apply_to_mode(0o4222), 0o4750);
        assert_eq!(acl(&[(O, 6, 0), (G, 7, 0), (M, 4, 0), (X, 1, 0)]).apply_to_mode(0), 0o641);
        assert_eq!(Acl::from_mode(0o631).apply_to_mode(0o1000), 0o1631);
    }

    #[test]
    fn chmod_changes_the_mask_where_there_is_one_and_else_the_group() {
        let mut list = rich();
        list.chmod(0o621);
        assert_eq!(list, acl(&[(O, 6, 0), (U, 6, 7), (G, 5, 0), (N, 7, 70), (M, 2, 0), (X, 1, 0)]));
        let mut list = Acl::from_mode(0o777);
        list.chmod(0o640);
        assert_eq!(list, Acl::from_mode(0o640));
    }

    #[test]
    fn a_new_entry_inherits_what_both_the_default_and_the_asked_mode_grant() {
        let (list, mode) = Acl::inherit(&rich(), 0o2666);
        assert_eq!(mode, 0o2640);
        let expected = acl(&[(O, 6, 0), (U, 6, 7), (G, 5, 0), (N, 7, 70), (M, 4, 0), (X, 0, 0)]);
        assert_eq!(list, Some(expected));
        assert_eq!(Acl::inherit(&Acl::from_mode(0o750), 0o666), (None, 0o640));
    }

    #[test]
    fn permits_follows_the_algorithm_of_acl_5() {
        let list = rich();
        // (uid, gid, groups, want, granted) of a file owned by 1:10.
        let table: &[(u32, u32, &[u32], u8, bool)] = &[
            (1, 99, &[], 7, true),
            (7, 99, &[], 4, true),  // a named user, through the mask
            (7, 99, &[], 2, false), // ... which takes writing away
            (7, 10, &[], 1, false), // a named user's entry counts, not his group's
            (2, 10, &[], 5, true),  // the owning group
            (2, 10, &[], 2, false),
            (2, 99, &[70], 5, true), // a named group
            (2, 99, &[70], 2, false),
            (2, 99, &[70, 10], 5, true),
            (2, 99, &[], 1, false), // others
            (2, 99, &[], 0, true),
        ];
        for &(uid, gid, groups, want, granted) in table {
            assert_eq!(list.permits(&caller(uid, gid, groups), 1, 10, want), granted, "{uid} {gid} {groups:?} {want}");
        }
    }

    #[test]
    fn a_member_of_any_listed_group_is_not_among_the_others() {
        let list = acl(&[(O, 7, 0), (G, 0, 0), (N, 1, 70), (M, 7, 0), (X, 7, 0)]);
        assert!(!list.permits(&caller(2, 10, &[]), 1, 10, 4));
        assert!(!list.permits(&caller(2, 99, &[70]), 1, 10, 4));
        assert!(list.permits(&caller(2, 10, &[70]), 1, 10, 1));
        assert!(list.permits(&caller(2, 99, &[]), 1, 10, 7));
    }

    #[test]
    fn one_group_must_grant_all_that_is_wanted() {
        let list = acl(&[(O, 7, 0), (G, 4, 0), (N, 2, 70), (M, 7, 0), (X, 0, 0)]);
        let both = [10, 70];
        assert!(list.permits(&caller(2, 10, &both), 1, 10, 4));
        assert!(list.permits(&caller(2, 10, &both), 1, 10, 2));
        assert!(!list.permits(&caller(2, 10, &both), 1, 10, 6));
    }
}
