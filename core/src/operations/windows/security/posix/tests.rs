use proptest::prelude::*;

use super::super::super::access::{Group, Token, TokenPrivileges, check};
use super::super::super::rights::{FILE_ALL, GENERIC_ALL, GENERIC_READ};
use super::*;

const IDS: IdMap = IdMap { machine: Some([1, 2, 3]), domain: Some([4, 5, 6]) };

fn sid(text: &str) -> Sid {
    let numbers: Vec<u32> = text.split('-').skip(3).map(|part| part.parse().expect("a number")).collect();
    let authority = text.split('-').nth(2).expect("an authority");
    Sid::new(authority.parse().expect("a number"), &numbers)
}

#[test]
fn ids_and_identifiers_stand_for_each_other_as_in_cygwin() {
    let table = [
        (18, "S-1-5-18"),
        (545, "S-1-5-32-545"),
        (1000, "S-1-5-1000"),
        (NOBODY, "S-1-0-65534"),
        (0x1_0300, "S-1-3-0"),
        (0x3_0000 + 1001, "S-1-5-21-1-2-3-1001"),
        (0x10_0000 + 1105, "S-1-5-21-4-5-6-1105"),
        (0x6_0000 + 0x2000, "S-1-16-8192"),
        (0x4_000A, "S-1-5-64-10"),
    ];
    for (id, text) in table {
        assert_eq!(IDS.group(id, well_known::NULL), sid(text), "{id}");
        assert_eq!(IDS.id(sid(text)), Some(id), "{text}");
    }
}

#[test]
fn ids_without_an_identifier_in_the_scheme_stand_as_samba_has_them() {
    for id in [1001, 4094, 4095, 0x5000, 0x1_0500, 0x2_0221, 0xFFFF_FFFE, u32::MAX] {
        assert_eq!(IDS.user(id), Sid::new(22, &[1, id]));
        assert_eq!(IDS.group(id, well_known::SYSTEM), Sid::new(22, &[2, id]));
    }
    assert_eq!(IdMap::default().user(0x3_0001), Sid::new(22, &[1, 0x3_0001]), "a machine that is not known");
}

#[test]
fn nobody_owns_by_an_identifier_that_is_a_groups() {
    for id in [1, 2, 3, 4, 6, 9, 14, 15, 21, 545, 555, 999, 1000, 0x4_000A, 0x1_0200, 0x1_0201, 0x6_2000] {
        let (user, group) = (IDS.user(id), IDS.group(id, well_known::NULL));
        assert_eq!(user, Sid::new(22, &[1, id]), "{id}");
        assert!(group != Sid::new(22, &[2, id]), "{id}");
        assert_eq!((IDS.id(user), IDS.id(group)), (Some(id), Some(id)));
    }
    let accounts = [18, 19, 20, 544, NOBODY, 0x3_0000 + 1001, 0x10_0000 + 1105];
    assert!(accounts.iter().all(|&id| IDS.user(id).authority() != 22));
}

#[test]
fn a_group_of_the_owners_number_is_told_apart_from_him() {
    let owner = IDS.user(544);
    assert_eq!(IDS.group(544, owner), Sid::new(22, &[2, 544]));
    let descriptor = descriptor(544, 544, 0o640, false, &IDS);
    assert_eq!(mode(&descriptor, 0, false), 0o640);
}

#[test]
fn nobody_owns_by_an_identifier_that_means_everybody() {
    for (id, text) in [(11, "S-1-5-11"), (0x1_0100, "S-1-1-0"), (0x1_0304, "S-1-3-4")] {
        assert_eq!(IDS.id(sid(text)), Some(id));
        assert_eq!(IDS.user(id), Sid::new(22, &[1, id]));
        for (uid, gid) in [(id, 1002), (1001, id), (id, id)] {
            for bits in 0..=0o777 {
                assert_eq!(mode(&descriptor(uid, gid, bits, false, &IDS), 0, false), bits, "{uid} {gid}");
            }
        }
    }
}

#[test]
fn who_has_no_id_is_nobody() {
    for text in
        ["S-1-5-21-9-9-9-1000", "S-1-5-5-0-1234", "S-1-15-2-1", "S-1-5-80-1-2-3-4-5", "S-1-5", "S-1-5-21-1-2-3-70000"]
    {
        assert_eq!(IDS.id(sid(text)), None, "{text}");
    }
}

#[test]
fn each_permission_bit_is_its_windows_rights() {
    let mask = |mode, directory| {
        let descriptor = descriptor(1001, 1002, mode, directory, &IDS);
        let acl = descriptor.dacl.expect("it has one");
        acl.aces.last().and_then(Ace::entry).expect("everyone's entry").mask
    };
    assert_eq!(mask(0o0, false), ALWAYS);
    assert_eq!(mask(0o004, false), ALWAYS | READ_DATA);
    assert_eq!(mask(0o002, false), ALWAYS | WRITE_ATTRIBUTES | WRITE_DATA | APPEND_DATA);
    assert_eq!(mask(0o002, true), ALWAYS | WRITE_ATTRIBUTES | WRITE_DATA | APPEND_DATA | DELETE_CHILD);
    assert_eq!(mask(0o1002, true), ALWAYS | WRITE_ATTRIBUTES | WRITE_DATA | APPEND_DATA, "sticky");
    assert_eq!(mask(0o001, false), ALWAYS | EXECUTE);
}

#[test]
fn every_mode_comes_back_from_its_descriptor() {
    for directory in [false, true] {
        for bits in 0..=0o7777 {
            let descriptor = descriptor(1001, 1002, bits, directory, &IDS);
            assert_eq!(mode(&descriptor, bits, directory), bits, "{bits:o}");
            if !directory {
                assert_eq!(mode(&descriptor, 0, false), bits & 0o777, "{bits:o}");
            }
        }
    }
}

#[test]
fn windows_grants_what_the_mode_says_to_owner_group_and_others() {
    let (owner, group) = (IDS.user(1001), IDS.group(1002, IDS.user(1001)));
    let member = |sid| Group { sid, enabled: true, deny_only: false, may_own: false };
    let world = member(well_known::WORLD);
    let team = [world, member(group)];
    let classes = [
        (owner, &team[..], 6),
        (owner, &team[..1], 6),
        (IDS.user(7777), &team[..], 3),
        (IDS.user(7777), &team[..1], 0),
    ];
    for bits in 0..=0o777_u32 {
        let descriptor = descriptor(1001, 1002, bits, false, &IDS);
        for (user, groups, shift) in classes {
            let token = Token { groups: groups.into(), ..Token::of(user, TokenPrivileges(0)) };
            for (bit, right) in [(4, READ_DATA), (2, WRITE_DATA | APPEND_DATA), (1, EXECUTE)] {
                let granted = check(Some(&descriptor), &token, right, false).is_ok();
                assert_eq!(granted, bits >> shift & bit != 0, "{bits:o} {user} {bit}");
            }
        }
    }
}

#[test]
fn chmod_leaves_what_is_said_about_others_and_to_heirs() {
    let other = IDS.user(0x3_0000 + 7);
    let mut old = descriptor(1001, 1002, 0o750, true, &IDS);
    let mut acl = old.dacl.clone().expect("it has one");
    let denied = Ace::plain(kind::DENIED, 0, WRITE_DATA, other);
    let allowed = Ace::plain(kind::ALLOWED, 0, READ_DATA, other);
    let to_heirs =
        Ace::plain(kind::ALLOWED, flag::OBJECT_INHERIT | flag::INHERIT_ONLY, GENERIC_ALL, well_known::CREATOR_OWNER);
    let to_both = Ace::plain(kind::ALLOWED, flag::CONTAINER_INHERIT, GENERIC_READ, well_known::WORLD);
    acl.aces.extend([allowed.clone(), denied.clone(), to_heirs.clone(), to_both.clone()]);
    old.set_list(List::Dacl, Some(acl), List::Dacl.present());
    let new = with_mode(&old, 1001, 1002, 0o700, true, &IDS);
    let aces = &new.dacl.as_ref().expect("it has one").aces;
    assert_eq!(aces.first(), Some(&denied), "what denies comes first");
    let to_heirs_of_both = Ace { flags: to_both.flags | flag::INHERIT_ONLY, ..to_both };
    assert!(aces.ends_with(&[allowed, to_heirs, to_heirs_of_both]));
    assert_eq!(mode(&new, 0o700, true), 0o700);
}

#[test]
fn chmod_keeps_an_owner_that_has_no_id_here() {
    let stranger = sid("S-1-5-21-9-9-9-1000");
    let mut old = descriptor(1001, 1002, 0o644, false, &IDS);
    old.owner = Some(stranger);
    assert_eq!(with_mode(&old, NOBODY, 1002, 0o600, false, &IDS).owner, Some(stranger));
    assert_eq!(with_mode(&old, 7, 1002, 0o600, false, &IDS).owner, Some(IDS.user(7)), "chown");
}

#[test]
fn a_null_dacl_reads_as_all_permissions() {
    assert_eq!(mode(&Descriptor::default(), 0o4100, false), 0o4777);
}

#[test]
fn an_entry_for_authenticated_users_counts_for_every_class() {
    let mut descriptor = Descriptor { owner: Some(IDS.user(1)), group: Some(IDS.user(2)), ..Descriptor::default() };
    let aces = vec![
        Ace::plain(kind::DENIED, 0, EXECUTE, IDS.user(2)),
        Ace::plain(kind::ALLOWED, 0, GENERIC_ALL, well_known::AUTHENTICATED_USERS),
    ];
    descriptor.set_list(List::Dacl, Some(Acl::new(aces)), List::Dacl.present());
    assert_eq!(mode(&descriptor, 0, false), 0o767);
    assert_eq!(FILE_ALL & EXECUTE, EXECUTE);
}

proptest! {
    #[test]
    fn every_id_comes_back_from_its_identifier(id in prop_oneof![any::<u32>(), 0..0x20_0000_u32]) {
        for ids in [IDS, IdMap::default()] {
            let owner = ids.user(id);
            prop_assert_eq!(ids.id(owner), Some(id));
            prop_assert_eq!(ids.id(ids.group(id, well_known::NULL)), Some(id));
            let beside = ids.group(id, owner);
            prop_assert!(beside != owner);
            prop_assert_eq!(ids.id(beside), Some(id));
            prop_assert!(may_be_owner(&owner) || owner == Sid::new(22, &[1, id]));
        }
    }

    #[test]
    fn any_descriptor_takes_any_mode(
        old in super::super::descriptor::tests::any_descriptor(), bits in 0..=0o7777_u32, directory in any::<bool>(), uid in 0..70_000_u32)
    {
        let new = with_mode(&old, uid, 1002, bits, directory, &IDS);
        prop_assert_eq!(mode(&new, bits, directory), bits);
        prop_assert!(new.to_bytes().is_ok());
    }
}
