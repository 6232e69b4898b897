use proptest::prelude::*;

use super::super::acl::kind;
use super::super::descriptor::control::*;
use super::super::descriptor::tests::any_descriptor;
use super::*;
use crate::operations::windows::rights::{FILE_ALL, FILE_READ, GENERIC_ALL, GENERIC_READ, READ_DATA, WRITE_DATA};

const ALICE: Sid = Sid::new(5, &[21, 1, 2, 3, 1001]);
const TEAM: Sid = Sid::new(5, &[21, 1, 2, 3, 2001]);

const OI: u8 = flag::OBJECT_INHERIT;
const CI: u8 = flag::CONTAINER_INHERIT;
const NP: u8 = flag::NO_PROPAGATE;
const IO: u8 = flag::INHERIT_ONLY;
const ID: u8 = flag::INHERITED;

fn allow(flags: u8, mask: u32, sid: Sid) -> Ace {
    Ace::plain(kind::ALLOWED, flags, mask, sid)
}

fn with(aces: Vec<Ace>, bits: u16) -> Descriptor {
    let mut descriptor = Descriptor::default();
    descriptor.set_list(List::Dacl, Some(Acl::new(aces)), DACL_PRESENT | bits);
    descriptor
}

fn creator(default_dacl: &[Ace]) -> Creator<'_> {
    Creator { owner: ALICE, group: TEAM, default_dacl }
}

fn made(parent: &Descriptor, explicit: Option<&Descriptor>, directory: bool) -> Descriptor {
    for_new(Some(parent), explicit, directory, creator(&[allow(0, READ_DATA, ALICE)]))
}

/// What a file or directory inherits of one entry of an auto-inherited list.
fn heirs(flags: u8, mask: u32, sid: Sid, directory: bool) -> Vec<Ace> {
    let parent = with(vec![allow(flags, mask, sid), allow(OI | CI, 0, well_known::NULL)], DACL_AUTO_INHERITED);
    let mut aces = made(&parent, None, directory).dacl.expect("it has one").aces;
    assert!(aces.pop().is_some_and(|last| last.entry().is_some_and(|entry| entry.sid == well_known::NULL)));
    aces
}

#[test]
fn each_combination_of_inheritance_flags_does_what_ms_dtyp_says() {
    // Flags of the parent's entry; what a file, what a directory in it gets.
    let table: [(u8, Option<u8>, Option<u8>); 16] = [
        (0, None, None),
        (OI, Some(0), Some(OI | IO)),
        (CI, None, Some(CI)),
        (OI | CI, Some(0), Some(OI | CI)),
        (NP, None, None),
        (OI | NP, Some(0), None),
        (CI | NP, None, Some(0)),
        (OI | CI | NP, Some(0), Some(0)),
        (IO, None, None),
        (OI | IO, Some(0), Some(OI | IO)),
        (CI | IO, None, Some(CI)),
        (OI | CI | IO, Some(0), Some(OI | CI)),
        (NP | IO, None, None),
        (OI | NP | IO, Some(0), None),
        (CI | NP | IO, None, Some(0)),
        (OI | CI | NP | IO, Some(0), Some(0)),
    ];
    for (flags, file, directory) in table {
        for (is_directory, expected) in [(false, file), (true, directory)] {
            let expected: Vec<Ace> = expected.iter().map(|flags| allow(flags | ID, READ_DATA, TEAM)).collect();
            assert_eq!(heirs(flags, READ_DATA, TEAM, is_directory), expected, "{flags:x} {is_directory}");
        }
    }
}

#[test]
fn creator_owner_and_group_become_who_creates_and_stay_for_heirs() {
    for (creator, who) in [(well_known::CREATOR_OWNER, ALICE), (well_known::CREATOR_GROUP, TEAM)] {
        assert_eq!(heirs(OI | CI | IO, READ_DATA, creator, false), [allow(ID, READ_DATA, who)]);
        let expected = [allow(ID, READ_DATA, who), allow(OI | CI | IO | ID, READ_DATA, creator)];
        assert_eq!(heirs(OI | CI | IO, READ_DATA, creator, true), expected);
        assert_eq!(heirs(CI | NP, READ_DATA, creator, true), [allow(ID, READ_DATA, who)]);
    }
}

#[test]
fn generic_rights_are_mapped_for_the_heir_and_kept_for_its_own() {
    assert_eq!(heirs(OI, GENERIC_READ, TEAM, false), [allow(ID, FILE_READ, TEAM)]);
    let expected = [allow(ID, FILE_ALL, TEAM), allow(CI | IO | ID, GENERIC_ALL, TEAM)];
    assert_eq!(heirs(CI, GENERIC_ALL, TEAM, true), expected);
}

#[test]
fn a_list_that_was_not_auto_inherited_leaves_no_mark() {
    let new = made(&with(vec![allow(OI, READ_DATA, TEAM)], 0), None, false);
    assert_eq!(new.dacl, Some(Acl::new(vec![allow(0, READ_DATA, TEAM)])));
    assert!(!new.has(DACL_AUTO_INHERITED));
    let new = made(&with(vec![allow(OI, READ_DATA, TEAM)], DACL_AUTO_INHERITED), None, false);
    assert!(new.has(DACL_AUTO_INHERITED));
}

#[test]
fn without_anything_to_inherit_the_default_of_who_creates_stands() {
    for parent in
        [Descriptor::default(), with(vec![allow(0, FILE_ALL, TEAM)], 0), with(vec![allow(CI, FILE_ALL, TEAM)], 0)]
    {
        let new = made(&parent, None, false);
        assert_eq!(new.dacl, Some(Acl::new(vec![allow(0, READ_DATA, ALICE)])));
        assert_eq!((new.owner, new.group, &new.sacl), (Some(ALICE), Some(TEAM), &None));
        assert!(new.has(DACL_DEFAULTED));
    }
}

#[test]
fn a_list_that_the_caller_gives_is_joined_by_what_is_inherited_unless_it_is_protected() {
    let parent = with(vec![allow(OI | CI, READ_DATA, TEAM)], DACL_AUTO_INHERITED);
    let own = allow(0, WRITE_DATA, ALICE);
    let stale = allow(ID, FILE_ALL, ALICE);
    let joined = made(&parent, Some(&with(vec![own.clone(), stale.clone()], 0)), false);
    assert_eq!(joined.dacl, Some(Acl::new(vec![own.clone(), allow(ID, READ_DATA, TEAM)])));
    let protected = made(&parent, Some(&with(vec![own.clone()], DACL_PROTECTED)), false);
    assert_eq!(protected.dacl, Some(Acl::new(vec![own.clone()])));
    assert!(protected.has(DACL_PROTECTED) && !protected.has(DACL_AUTO_INHERITED));
    let by_default = made(&parent, Some(&with(vec![own.clone()], DACL_DEFAULTED)), false);
    assert_eq!(by_default.dacl, Some(Acl::new(vec![allow(ID, READ_DATA, TEAM)])));
    let alone = made(&Descriptor::default(), Some(&with(vec![own.clone()], DACL_DEFAULTED)), false);
    assert_eq!(alone.dacl, Some(Acl::new(vec![own])));
}

#[test]
fn a_null_dacl_that_the_caller_gives_stays_one() {
    let mut null = Descriptor::default();
    null.set_list(List::Dacl, None, DACL_PRESENT);
    let new = made(&Descriptor::default(), Some(&null), false);
    assert!(new.dacl.is_none() && new.has(DACL_PRESENT));
}

#[test]
fn owner_and_group_are_the_callers_unless_he_says_whose() {
    let explicit = Descriptor { owner: Some(well_known::SYSTEM), ..Descriptor::default() };
    let parent = with(vec![allow(OI, READ_DATA, well_known::CREATOR_OWNER)], 0);
    let new = made(&parent, Some(&explicit), false);
    assert_eq!((new.owner, new.group), (Some(well_known::SYSTEM), Some(TEAM)));
    assert_eq!(new.dacl, Some(Acl::new(vec![allow(0, READ_DATA, well_known::SYSTEM)])));
}

#[test]
fn what_the_caller_says_to_heirs_is_dropped_for_a_file_and_kept_for_a_directory() {
    let explicit = with(vec![allow(OI | CI, GENERIC_READ, TEAM), allow(OI | IO, WRITE_DATA, TEAM)], DACL_PROTECTED);
    let file = made(&Descriptor::default(), Some(&explicit), false);
    assert_eq!(file.dacl, Some(Acl::new(vec![allow(0, FILE_READ, TEAM)])));
    let directory = made(&Descriptor::default(), Some(&explicit), true);
    let expected =
        vec![allow(0, FILE_READ, TEAM), allow(OI | CI | IO, GENERIC_READ, TEAM), allow(OI | IO, WRITE_DATA, TEAM)];
    assert_eq!(directory.dacl, Some(Acl::new(expected)));
}

#[test]
fn audits_are_inherited_by_the_same_rules_and_have_no_default() {
    let audit = |flags| Ace::plain(kind::AUDIT, flags, READ_DATA, well_known::WORLD);
    let mut parent = Descriptor::default();
    parent.set_list(List::Sacl, Some(Acl::new(vec![audit(OI | 0x40), audit(CI | 0x80)])), SACL_PRESENT);
    assert_eq!(made(&parent, None, false).sacl, Some(Acl::new(vec![audit(0x40)])));
    assert_eq!(made(&parent, None, true).sacl, Some(Acl::new(vec![audit(OI | IO | 0x40), audit(CI | 0x80)])));
    assert!(!made(&Descriptor::default(), None, true).has(SACL_PRESENT));
}

proptest! {
    #[test]
    fn what_is_made_of_any_two_descriptors_is_well_formed(
        parent in any_descriptor(), explicit in proptest::option::of(any_descriptor()), directory in any::<bool>())
    {
        let new = made(&parent, explicit.as_ref(), directory);
        let bytes = new.to_bytes().expect("short enough");
        prop_assert_eq!(Descriptor::parse(&bytes), Ok(new.clone()));
        for acl in [&new.dacl, &new.sacl].into_iter().flatten() {
            prop_assert!(directory || acl.aces.iter().all(|ace| ace.flags & flag::PASSING == 0));
        }
    }
}
