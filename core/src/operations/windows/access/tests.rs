use proptest::prelude::*;

use super::super::rights::*;
use super::super::security::{Acl, List, ObjectTypes, control};
use super::*;

const ALICE: Sid = Sid::new(5, &[21, 1, 2, 3, 1001]);
const BOB: Sid = Sid::new(5, &[21, 1, 2, 3, 1002]);
const TEAM: Sid = Sid::new(5, &[21, 1, 2, 3, 2001]);
const NO_PRIVILEGES: TokenPrivileges = TokenPrivileges(0);

const TEAM_GROUP: Group = Group { sid: TEAM, enabled: true, deny_only: false, may_own: false };
const WORLD_GROUP: Group = Group { sid: well_known::WORLD, ..TEAM_GROUP };
const GROUPS: &[Group] = &[TEAM_GROUP, WORLD_GROUP];

fn token(user: Sid, privileges: TokenPrivileges) -> Token {
    Token { groups: GROUPS.into(), ..Token::of(user, privileges) }
}

fn alice() -> Token {
    token(ALICE, NO_PRIVILEGES)
}

fn allow(mask: u32, sid: Sid) -> Ace {
    Ace::plain(kind::ALLOWED, 0, mask, sid)
}

fn deny(mask: u32, sid: Sid) -> Ace {
    Ace::plain(kind::DENIED, 0, mask, sid)
}

fn owned_by(owner: Sid, aces: Vec<Ace>) -> Descriptor {
    let mut descriptor = Descriptor { owner: Some(owner), ..Descriptor::default() };
    descriptor.set_list(List::Dacl, Some(Acl::new(aces)), control::DACL_PRESENT);
    descriptor
}

fn bobs(aces: Vec<Ace>) -> Descriptor {
    owned_by(BOB, aces)
}

fn asked(descriptor: &Descriptor, desired: u32) -> Result<u32> {
    check(Some(descriptor), &alice(), desired, false)
}

#[test]
fn no_descriptor_and_a_null_dacl_allow_everything_and_an_empty_one_nothing() {
    let mut null = bobs(vec![]);
    null.set_list(List::Dacl, None, control::DACL_PRESENT);
    for descriptor in [None, Some(&Descriptor::default()), Some(&null)] {
        assert_eq!(check(descriptor, &alice(), FILE_ALL, false), Ok(FILE_ALL));
        assert_eq!(check(descriptor, &alice(), MAXIMUM_ALLOWED, false), Ok(FILE_ALL));
    }
    assert_eq!(asked(&bobs(vec![]), READ_DATA), Err(Error::AccessDenied));
    assert_eq!(asked(&bobs(vec![]), MAXIMUM_ALLOWED), Err(Error::AccessDenied));
}

#[test]
fn generic_rights_are_mapped_in_the_request_and_in_entries() {
    assert_eq!(asked(&bobs(vec![allow(GENERIC_READ, ALICE)]), GENERIC_READ), Ok(FILE_READ));
    assert_eq!(asked(&bobs(vec![allow(GENERIC_READ, ALICE)]), GENERIC_WRITE), Err(Error::AccessDenied));
    assert_eq!(asked(&bobs(vec![allow(GENERIC_ALL, TEAM)]), GENERIC_ALL), Ok(FILE_ALL));
}

#[test]
fn entries_are_asked_in_the_order_they_are_stored() {
    let deny_first = bobs(vec![deny(READ_DATA, TEAM), allow(READ_DATA, ALICE)]);
    let allow_first = bobs(vec![allow(READ_DATA, ALICE), deny(READ_DATA, TEAM)]);
    assert_eq!(asked(&deny_first, READ_DATA), Err(Error::AccessDenied));
    assert_eq!(asked(&allow_first, READ_DATA), Ok(READ_DATA));
}

#[test]
fn rights_of_several_entries_add_up_and_a_missing_one_denies_all() {
    let descriptor = bobs(vec![allow(READ_DATA, ALICE), allow(WRITE_DATA, TEAM)]);
    assert_eq!(asked(&descriptor, READ_DATA | WRITE_DATA), Ok(READ_DATA | WRITE_DATA));
    assert_eq!(asked(&descriptor, READ_DATA | DELETE), Err(Error::AccessDenied));
    assert_eq!(asked(&descriptor, MAXIMUM_ALLOWED), Ok(READ_DATA | WRITE_DATA));
    assert_eq!(asked(&descriptor, MAXIMUM_ALLOWED | DELETE), Err(Error::AccessDenied));
    assert_eq!(asked(&descriptor, MAXIMUM_ALLOWED | READ_DATA), Ok(READ_DATA | WRITE_DATA));
}

#[test]
fn the_owner_may_read_and_change_who_may_what_unless_owner_rights_say_otherwise() {
    let locked = owned_by(ALICE, vec![deny(FILE_ALL, ALICE)]);
    assert_eq!(asked(&locked, READ_CONTROL | WRITE_DAC), Ok(READ_CONTROL | WRITE_DAC));
    assert_eq!(asked(&locked, MAXIMUM_ALLOWED), Ok(READ_CONTROL | WRITE_DAC));
    assert_eq!(asked(&locked, WRITE_OWNER), Err(Error::AccessDenied));
    let limited = owned_by(ALICE, vec![allow(READ_CONTROL, well_known::OWNER_RIGHTS)]);
    assert_eq!(asked(&limited, READ_CONTROL), Ok(READ_CONTROL));
    assert_eq!(asked(&limited, WRITE_DAC), Err(Error::AccessDenied));
    assert_eq!(asked(&bobs(vec![allow(FILE_ALL, well_known::OWNER_RIGHTS)]), READ_DATA), Err(Error::AccessDenied));
    let of_heirs = Ace { flags: flag::INHERIT_ONLY, ..allow(0, well_known::OWNER_RIGHTS) };
    assert_eq!(asked(&owned_by(ALICE, vec![of_heirs]), WRITE_DAC), Ok(WRITE_DAC));
}

#[test]
fn entries_that_are_only_inherited_or_only_audit_say_nothing_here() {
    let only_inherited = Ace { flags: flag::INHERIT_ONLY, ..allow(FILE_ALL, ALICE) };
    let audit = Ace { kind: kind::AUDIT, ..allow(FILE_ALL, ALICE) };
    for ace in [only_inherited, audit] {
        assert_eq!(asked(&bobs(vec![ace]), READ_DATA), Err(Error::AccessDenied));
    }
    let denied_to_heirs = Ace { flags: flag::INHERIT_ONLY, ..deny(FILE_ALL, ALICE) };
    assert_eq!(asked(&bobs(vec![denied_to_heirs, allow(READ_DATA, ALICE)]), READ_DATA), Ok(READ_DATA));
}

#[test]
fn a_group_for_denial_only_denies_and_a_disabled_one_does_neither() {
    let with = |group| Token { groups: [&[group], GROUPS].concat().into(), ..alice() };
    let other = Sid::new(5, &[21, 1, 2, 3, 2002]);
    let deny_only = with(Group { sid: other, enabled: false, deny_only: true, may_own: false });
    let disabled = with(Group { sid: other, enabled: false, deny_only: false, may_own: false });
    let allowed = bobs(vec![allow(READ_DATA, other)]);
    let denied = bobs(vec![deny(READ_DATA, other), allow(READ_DATA, ALICE)]);
    for token in [&deny_only, &disabled] {
        assert_eq!(check(Some(&allowed), token, READ_DATA, false), Err(Error::AccessDenied));
    }
    assert_eq!(check(Some(&denied), &deny_only, READ_DATA, false), Err(Error::AccessDenied));
    assert_eq!(check(Some(&denied), &disabled, READ_DATA, false), Ok(READ_DATA));
}

#[test]
fn conditions_and_types_of_objects_never_allow_but_deny() {
    let typed = |kind| {
        let mut ace = Ace { kind, ..allow(READ_DATA, ALICE) };
        if let super::super::security::Body::Entry(entry) = &mut ace.body {
            entry.object = Some(ObjectTypes { object: Some([1; 16]), inherited: None });
        }
        ace
    };
    let conditional = |kind| Ace { kind, ..allow(READ_DATA, ALICE) };
    for ace in [typed(kind::ALLOWED_OBJECT), conditional(kind::ALLOWED_CALLBACK)] {
        assert_eq!(asked(&bobs(vec![ace]), READ_DATA), Err(Error::AccessDenied));
    }
    for ace in [typed(kind::DENIED_OBJECT), conditional(kind::DENIED_CALLBACK)] {
        assert_eq!(asked(&bobs(vec![ace, allow(READ_DATA, ALICE)]), READ_DATA), Err(Error::AccessDenied));
    }
}

#[test]
fn privileges_grant_what_they_are_for_and_no_more() {
    let closed = bobs(vec![]);
    let granted = |privilege, desired, intent| check(Some(&closed), &token(ALICE, privilege), desired, intent);
    assert_eq!(granted(TokenPrivileges::BACKUP, GENERIC_READ, true), Ok(FILE_READ));
    assert_eq!(granted(TokenPrivileges::BACKUP, GENERIC_READ, false), Err(Error::AccessDenied));
    assert_eq!(granted(TokenPrivileges::BACKUP, WRITE_DATA, true), Err(Error::AccessDenied));
    assert_eq!(granted(TokenPrivileges::RESTORE, GENERIC_WRITE | DELETE | WRITE_OWNER, true).map(|_| ()), Ok(()));
    assert_eq!(granted(TokenPrivileges::RESTORE, GENERIC_WRITE, false), Err(Error::AccessDenied));
    assert_eq!(granted(TokenPrivileges::RESTORE, READ_DATA, true), Err(Error::AccessDenied));
    assert_eq!(granted(TokenPrivileges::TAKE_OWNERSHIP, WRITE_OWNER, false), Ok(WRITE_OWNER));
    assert_eq!(granted(TokenPrivileges::TAKE_OWNERSHIP, WRITE_DAC, false), Err(Error::AccessDenied));
    let both = TokenPrivileges::BACKUP.with(TokenPrivileges::RESTORE);
    assert_eq!(granted(both, GENERIC_READ | GENERIC_WRITE, true), Ok(FILE_READ | FILE_WRITE));
}

#[test]
fn the_sacl_needs_a_privilege_whatever_the_dacl_says() {
    let open = bobs(vec![allow(FILE_ALL | SYSTEM_SECURITY, ALICE)]);
    assert_eq!(asked(&open, SYSTEM_SECURITY), Err(Error::PrivilegeNotHeld));
    let auditor = token(ALICE, TokenPrivileges::SECURITY);
    assert_eq!(check(Some(&open), &auditor, SYSTEM_SECURITY | READ_DATA, false), Ok(SYSTEM_SECURITY | READ_DATA));
    assert_eq!(check(Some(&open), &auditor, MAXIMUM_ALLOWED, false), Ok(FILE_ALL), "only if it is asked for");
}

#[test]
fn delete_may_come_from_file_delete_child_on_the_parent_and_read_attributes_from_list_directory() {
    let closed = bobs(vec![]);
    let within = |parent: u32, desired| {
        check_within(Some(&bobs(vec![allow(parent, ALICE)])), Some(&closed), &alice(), desired, false)
    };
    assert_eq!(within(DELETE_CHILD, DELETE), Ok(DELETE));
    assert_eq!(within(DELETE, DELETE), Err(Error::AccessDenied));
    assert_eq!(within(LIST_DIRECTORY, READ_ATTRIBUTES), Ok(READ_ATTRIBUTES));
    assert_eq!(within(LIST_DIRECTORY, READ_ATTRIBUTES | READ_DATA), Err(Error::AccessDenied));
    assert_eq!(within(LIST_DIRECTORY | DELETE_CHILD, MAXIMUM_ALLOWED), Ok(DELETE | READ_ATTRIBUTES));
    assert_eq!(within(0, MAXIMUM_ALLOWED), Err(Error::AccessDenied));
    assert_eq!(within(DELETE_CHILD, MAXIMUM_ALLOWED | DELETE), Ok(DELETE));
}

#[test]
fn traversing_is_not_asked_of_those_who_have_change_notify() {
    let closed = bobs(vec![]);
    assert_eq!(check_traverse(Some(&closed), &alice()), Err(Error::AccessDenied));
    assert_eq!(check_traverse(Some(&closed), &token(ALICE, TokenPrivileges::CHANGE_NOTIFY)), Ok(()));
    assert_eq!(check_traverse(Some(&bobs(vec![allow(TRAVERSE, TEAM)])), &alice()), Ok(()));
    assert_eq!((right_to_create(false), right_to_create(true)), (ADD_FILE, ADD_SUBDIRECTORY));
}

#[test]
fn an_owner_is_the_user_a_group_that_may_own_or_anyone_with_restore() {
    let admins = Group { sid: well_known::ADMINISTRATORS, may_own: true, ..TEAM_GROUP };
    let admin = Token { groups: [admins, TEAM_GROUP].into(), ..alice() };
    assert_eq!(admin.check_new_owner(ALICE), Ok(()));
    assert_eq!(admin.check_new_owner(well_known::ADMINISTRATORS), Ok(()));
    assert_eq!(admin.check_new_owner(TEAM), Err(Error::BadOwner));
    assert_eq!(admin.check_new_owner(BOB), Err(Error::BadOwner));
    assert_eq!(token(ALICE, TokenPrivileges::RESTORE).check_new_owner(BOB), Ok(()));
}

#[test]
fn a_readonly_file_refuses_write_append_access_denied_and_delete_on_close_cannot_delete() {
    let readonly = attributes::READONLY;
    for desired in [WRITE_DATA, APPEND_DATA, GENERIC_WRITE, GENERIC_ALL] {
        assert_eq!(check_readonly(readonly, false, desired, false), Err(Error::AccessDenied), "{desired:x}");
        assert_eq!(check_readonly(readonly, true, desired, false), Ok(()));
        assert_eq!(check_readonly(attributes::HIDDEN, false, desired, true), Ok(()));
    }
    assert_eq!(check_readonly(readonly, false, READ_DATA | DELETE | WRITE_DAC, false), Ok(()));
    assert_eq!(check_readonly(readonly, false, DELETE, true), Err(Error::CannotDelete));
    assert_eq!(check_readonly(readonly, true, DELETE, true), Err(Error::CannotDelete));
    assert_eq!(limit_readonly(readonly, false, FILE_ALL), FILE_ALL & !(WRITE_DATA | APPEND_DATA | DELETE_CHILD));
    assert_eq!(limit_readonly(readonly, true, FILE_ALL), FILE_ALL);
}

#[test]
fn delete_without_ignore_readonly_on_a_readonly_file_is_cannot_delete() {
    assert_eq!(check_deletion(attributes::READONLY, false), Err(Error::CannotDelete));
    assert_eq!(check_deletion(attributes::READONLY, true), Ok(()));
    assert_eq!(check_deletion(attributes::HIDDEN, false), Ok(()));
}

#[test]
fn nothing_and_bits_that_mean_nothing_cannot_be_asked_for() {
    for desired in [0, 0x200, 0x8000, 0x0400_0000] {
        assert_eq!(check_desired(desired), Err(Error::AccessDenied), "{desired:x}");
    }
    for desired in [READ_ATTRIBUTES, GENERIC_ALL, MAXIMUM_ALLOWED, SYSTEM_SECURITY, FILE_ALL] {
        assert_eq!(check_desired(desired), Ok(()), "{desired:x}");
    }
}

/// One right, by the first entry that speaks of it.
fn naive(descriptor: &Descriptor, right: u32) -> bool {
    if descriptor.owner == Some(ALICE) && right & (READ_CONTROL | WRITE_DAC) != 0 {
        return true;
    }
    for ace in &descriptor.dacl.as_ref().expect("it has one").aces {
        let entry = ace.entry().expect("of a known type");
        let mine = [ALICE, TEAM, well_known::WORLD].contains(&entry.sid);
        if mine && ace.flags & flag::INHERIT_ONLY == 0 && map_generic(entry.mask) & right != 0 {
            return ace.kind == kind::ALLOWED;
        }
    }
    false
}

fn any_ace() -> impl Strategy<Value = Ace> {
    let sid = proptest::sample::select(vec![ALICE, BOB, TEAM, well_known::WORLD]);
    let kind = proptest::sample::select(vec![kind::ALLOWED, kind::ALLOWED, kind::DENIED]);
    let flags = proptest::sample::select(vec![0, 0, flag::INHERIT_ONLY | flag::OBJECT_INHERIT, flag::INHERITED]);
    let mask = prop_oneof![0..=FILE_ALL, Just(GENERIC_READ), Just(GENERIC_ALL), Just(READ_DATA | WRITE_DATA)];
    (kind, flags, mask, sid).prop_map(|(kind, flags, mask, sid)| Ace::plain(kind, flags, mask, sid))
}

proptest! {
    #[test]
    fn each_right_is_decided_by_the_first_entry_that_speaks_of_it(
        aces in proptest::collection::vec(any_ace(), 0..6), mine in any::<bool>(), desired in 1..=FILE_ALL)
    {
        let desired = desired & FILE_ALL;
        let descriptor = owned_by(if mine { ALICE } else { BOB }, aces);
        let bits = (0..32).map(|bit| 1_u32 << bit).filter(|bit| FILE_ALL & bit != 0);
        let granted: u32 = bits.filter(|&bit| naive(&descriptor, bit)).sum();
        let expected = if desired & !granted == 0 { Ok(desired) } else { Err(Error::AccessDenied) };
        prop_assert_eq!(asked(&descriptor, desired), expected);
        let most = if granted == 0 { Err(Error::AccessDenied) } else { Ok(granted) };
        prop_assert_eq!(asked(&descriptor, MAXIMUM_ALLOWED), most);
    }
}
