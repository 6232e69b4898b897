use super::super::descriptor::control::*;
use super::super::flag;
use super::super::sid::{Sid, well_known};
use super::*;

fn ace(kind: u8, mask: u32, sid: Sid) -> Ace {
    Ace::plain(kind, 0, mask, sid)
}

fn descriptor(owner: Sid, dacl: Vec<Ace>, sacl: Vec<Ace>) -> Descriptor {
    let mut descriptor = Descriptor { owner: Some(owner), group: Some(owner), ..Descriptor::default() };
    descriptor.set_list(List::Dacl, Some(Acl::new(dacl)), DACL_PRESENT);
    descriptor.set_list(List::Sacl, Some(Acl::new(sacl)), SACL_PRESENT);
    descriptor
}

fn old() -> Descriptor {
    let sacl = vec![ace(kind::AUDIT, 1, well_known::WORLD), ace(kind::MANDATORY_LABEL, 1, Sid::new(16, &[8192]))];
    descriptor(well_known::SYSTEM, vec![ace(kind::ALLOWED, 1, well_known::USERS)], sacl)
}

fn new() -> Descriptor {
    let sacl = vec![ace(kind::AUDIT, 2, well_known::USERS), ace(kind::MANDATORY_LABEL, 1, Sid::new(16, &[4096]))];
    descriptor(well_known::ADMINISTRATORS, vec![ace(kind::ALLOWED, 2, well_known::WORLD)], sacl)
}

#[test]
fn set_security_merges_each_part_by_security_information_and_no_other() {
    let (old, new) = (old(), new());
    let owner = old.merged(&new, Parts::OWNER).expect("it has an owner");
    assert_eq!(owner, Descriptor { owner: new.owner, ..old.clone() });
    let group = old.merged(&new, Parts::GROUP).expect("it has a group");
    assert_eq!(group, Descriptor { group: new.group, ..old.clone() });
    let dacl = old.merged(&new, Parts::DACL).expect("a good list");
    assert_eq!(dacl, Descriptor { dacl: new.dacl.clone(), ..old.clone() });
    let both = old.merged(&new, Parts::OWNER.with(Parts::DACL)).expect("a good list");
    assert_eq!(both, Descriptor { owner: new.owner, dacl: new.dacl.clone(), ..old.clone() });
    assert_eq!(old.merged(&new, Parts::BACKUP), Ok(new.clone()));
    assert_eq!(old.merged(&new, Parts(0)), Ok(old));
}

#[test]
fn audits_and_labels_of_a_sacl_are_set_apart() {
    let (old, new) = (old(), new());
    let kinds = |descriptor: Descriptor| -> Vec<(u8, Sid)> {
        let acl = descriptor.sacl.expect("it has one");
        acl.aces.iter().map(|ace| (ace.kind, ace.entry().expect("known").sid)).collect()
    };
    let low = (kind::MANDATORY_LABEL, Sid::new(16, &[4096]));
    let medium = (kind::MANDATORY_LABEL, Sid::new(16, &[8192]));
    let audits = old.merged(&new, Parts::SACL).map(kinds);
    assert_eq!(audits, Ok(vec![(kind::AUDIT, well_known::USERS), medium]));
    let label = old.merged(&new, Parts::LABEL).map(kinds);
    assert_eq!(label, Ok(vec![low, (kind::AUDIT, well_known::WORLD)]));
    let cleared = old.merged(&Descriptor::default(), Parts::SACL.with(Parts::LABEL)).expect("nothing to refuse");
    assert_eq!(cleared.sacl, None);
}

#[test]
fn a_dacl_can_be_set_to_the_null_dacl() {
    let null = old().merged(&Descriptor::default(), Parts::DACL).expect("nothing to refuse");
    assert!(null.dacl.is_none() && null.has(DACL_PRESENT));
}

#[test]
fn an_owner_that_is_set_must_be_there() {
    let none = Descriptor::default();
    assert_eq!(old().merged(&none, Parts::OWNER), Err(Error::BadOwner));
    assert!(matches!(old().merged(&none, Parts::GROUP), Err(Error::BadSecurity(_))));
}

#[test]
fn generic_rights_are_mapped_when_they_are_set_but_not_for_heirs() {
    let heirs = Ace { flags: flag::INHERIT_ONLY, ..ace(kind::ALLOWED, rights::GENERIC_ALL, well_known::WORLD) };
    let aces = vec![ace(kind::ALLOWED, rights::GENERIC_READ, well_known::WORLD), heirs.clone()];
    let merged = old().merged(&descriptor(well_known::SYSTEM, aces, vec![]), Parts::DACL).expect("a good list");
    let expected = vec![ace(kind::ALLOWED, rights::FILE_READ, well_known::WORLD), heirs];
    assert_eq!(merged.dacl, Some(Acl::new(expected)));
}

#[test]
fn protection_comes_with_the_list_or_by_its_own_bits() {
    let mut protected = new();
    protected.control |= DACL_PROTECTED;
    let merged = old().merged(&protected, Parts::DACL).expect("a good list");
    assert!(merged.has(DACL_PROTECTED));
    assert!(!merged.merged(&new(), Parts::DACL).expect("a good list").has(DACL_PROTECTED));
    let forced = old().merged(&new(), Parts::DACL.with(Parts::PROTECTED_DACL)).expect("a good list");
    assert!(forced.has(DACL_PROTECTED) && !forced.has(SACL_PROTECTED));
    let freed = merged.merged(&protected, Parts::DACL.with(Parts::UNPROTECTED_DACL)).expect("a good list");
    assert!(!freed.has(DACL_PROTECTED));
}

#[test]
fn a_list_counts_as_inherited_only_when_that_is_asked_for() {
    for (bits, inherited) in [(DACL_AUTO_INHERITED, false), (DACL_AUTO_INHERITED | DACL_AUTO_INHERIT_REQ, true)] {
        let mut asking = new();
        asking.control |= bits;
        let merged = old().merged(&asking, Parts::DACL).expect("a good list");
        assert_eq!(merged.has(DACL_AUTO_INHERITED), inherited);
        assert!(!merged.has(DACL_AUTO_INHERIT_REQ));
    }
}

#[test]
fn only_what_is_asked_for_is_given() {
    let only = old().only(Parts::OWNER);
    assert_eq!(only, Descriptor { owner: old().owner, ..Descriptor::default() });
    let label = old().only(Parts::LABEL).sacl.expect("it has one");
    assert!(label.aces.len() == 1 && label.aces[0].kind == kind::MANDATORY_LABEL);
    assert_eq!(old().only(Parts::BACKUP), old());
}

#[test]
fn each_part_needs_its_right() {
    use rights::*;
    let table = [
        (Parts::OWNER, READ_CONTROL, WRITE_OWNER),
        (Parts::GROUP, READ_CONTROL, WRITE_OWNER),
        (Parts::DACL, READ_CONTROL, WRITE_DAC),
        (Parts::SACL, SYSTEM_SECURITY, SYSTEM_SECURITY),
        (Parts::LABEL, READ_CONTROL, WRITE_OWNER),
        (Parts::ATTRIBUTE, READ_CONTROL, WRITE_DAC),
        (Parts::SCOPE, SYSTEM_SECURITY, SYSTEM_SECURITY),
        (Parts::BACKUP, READ_CONTROL | SYSTEM_SECURITY, WRITE_OWNER | WRITE_DAC | SYSTEM_SECURITY),
    ];
    for (parts, query, set) in table {
        assert_eq!((parts.rights_to_query(), parts.rights_to_set()), (query, set), "{parts:?}");
    }
}

#[test]
fn parts_that_exclude_each_other_or_are_unknown_are_refused() {
    for bits in [0xA000_0000, 0x5000_0000, 0x80, 0x2_0000, 0x0800_0000] {
        assert!(matches!(Parts::from_bits(bits), Err(Error::Invalid(_))), "{bits:x}");
    }
    for bits in [0, 0xF, 0x7F, 0x1_0000, 0x8000_0004, 0x6000_000C] {
        assert_eq!(Parts::from_bits(bits), Ok(Parts(bits)), "{bits:x}");
    }
}
