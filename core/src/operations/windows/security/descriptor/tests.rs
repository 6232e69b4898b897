use proptest::prelude::*;

use super::super::acl::{Ace, Body, Entry, ObjectTypes, flag, kind};
use super::super::sid::well_known;
use super::*;

fn why(bytes: &[u8]) -> &'static str {
    match Descriptor::parse(bytes) {
        Err(Error::BadSecurity(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn sample() -> Descriptor {
    let mut descriptor = Descriptor {
        owner: Some(well_known::SYSTEM),
        group: Some(well_known::ADMINISTRATORS),
        ..Descriptor::default()
    };
    let aces = vec![Ace::plain(kind::ALLOWED, flag::OBJECT_INHERIT, 0x1F_01FF, well_known::WORLD)];
    descriptor.set_list(List::Dacl, Some(Acl::new(aces)), control::DACL_PRESENT | control::DACL_PROTECTED);
    descriptor
}

#[test]
fn a_descriptor_has_the_self_relative_layout() {
    let bytes = sample().to_bytes().expect("short enough");
    let expected = [
        &[1, 0, 0x04, 0x90, 20, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0][..],
        &[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0],
        &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0],
        &[2, 0, 28, 0, 1, 0, 0, 0],
        &[0, 1, 20, 0, 0xFF, 1, 0x1F, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(bytes, expected);
    assert_eq!(Descriptor::parse(&bytes), Ok(sample()));
}

#[test]
fn a_null_dacl_and_no_dacl_are_told_apart() {
    let mut null = Descriptor::default();
    null.set_list(List::Dacl, None, control::DACL_PRESENT);
    let none = Descriptor::default();
    for descriptor in [null.clone(), none.clone()] {
        let bytes = descriptor.to_bytes().expect("short enough");
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Descriptor::parse(&bytes), Ok(descriptor));
    }
    assert_ne!(null, none);
}

#[test]
fn a_list_without_its_present_bit_is_not_there() {
    let mut bytes = sample().to_bytes().expect("short enough");
    bytes[2] = 0;
    assert_eq!(Descriptor::parse(&bytes).map(|descriptor| descriptor.dacl), Ok(None));
}

#[test]
fn malformed_descriptors_say_what_is_wrong() {
    let good = sample().to_bytes().expect("short enough");
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        why(&bytes)
    };
    assert!(why(b"").contains("shorter than its header"));
    assert!(why(&good[..19]).contains("shorter than its header"));
    assert!(broken(&|b| b[0] = 2).contains("revision"));
    assert!(broken(&|b| b[3] = 0).contains("self-relative"));
    assert!(broken(&|b| b[4] = 19).contains("within the header"));
    assert!(broken(&|b| b[7] = 1).contains("beyond the descriptor"));
    assert!(broken(&|b| b[20] = 9).contains("revision"));
    assert!(broken(&|b| b[33] = 200).contains("15 parts"));
    assert!(broken(&|b| b[48] = 7).contains("list has an unknown revision"));
    assert!(broken(&|b| b[50] = 29).contains("list ends beyond"));
    assert!(broken(&|b| b[50] = 4).contains("list ends beyond"));
    assert!(broken(&|b| b[52] = 2).contains("entry ends beyond"));
    assert!(broken(&|b| b[58] = 24).contains("entry ends beyond"));
    assert!(broken(&|b| b[58] = 0).contains("size"));
    assert!(broken(&|b| b[58] = 18).contains("size"));
    assert!(broken(&|b| b[58] = 4).contains("too short"));
    assert!(broken(&|b| b[65] = 2).contains("identifier ends beyond"));
    assert!(why(&vec![1; limits::SECURITY_BYTES + 1]).contains("64 KiB"));
}

#[test]
fn a_list_of_64_kib_is_written_and_a_longer_one_is_not() {
    let ace = || Ace { kind: 0x42, flags: 0, body: Body::Unknown(vec![0; 4092]) };
    let with = |last: usize| {
        let mut aces: Vec<Ace> = (0..15).map(|_| ace()).collect();
        aces.push(Ace { body: Body::Unknown(vec![0; last]), ..ace() });
        let mut descriptor = Descriptor::default();
        descriptor.set_list(List::Dacl, Some(Acl::new(aces)), control::DACL_PRESENT);
        descriptor.to_bytes()
    };
    let room = 65_536 - 15 * 4096 - 8 - 4 - HEADER_BYTES;
    let bytes = with(room - 4).expect("short enough");
    assert!(Descriptor::parse(&bytes).is_ok());
    for last in [room + 4, room + 40] {
        assert!(matches!(with(last), Err(Error::BadSecurity(text)) if text.contains("64 KiB")));
    }
}

pub(in super::super) fn any_sid() -> impl Strategy<Value = Sid> {
    let known = vec![well_known::WORLD, well_known::CREATOR_OWNER, well_known::CREATOR_GROUP, well_known::SYSTEM];
    let numbers = proptest::collection::vec(any::<u32>(), 0..=15);
    prop_oneof![
        proptest::sample::select(known),
        (0_u64..1 << 48, numbers).prop_map(|(authority, parts)| Sid::new(authority, &parts)),
    ]
}

pub(in super::super) fn any_ace() -> impl Strategy<Value = Ace> {
    let guid = || proptest::option::of(any::<[u8; 16]>());
    let types = (guid(), guid()).prop_map(|(object, inherited)| ObjectTypes { object, inherited });
    let data = proptest::collection::vec(any::<u8>(), 0..3).prop_map(|data| data.repeat(4));
    (0..0x16_u8, any::<u8>(), any::<u32>(), any_sid(), types, data).prop_map(|(kind, flags, mask, sid, types, data)| {
        let object = matches!(kind, 5..=8 | 0xB | 0xC | 0xF | 0x10).then_some(types);
        let body = match kind {
            4 | 0x14.. => Body::Unknown(data),
            _ => Body::Entry(Entry { mask, object, sid, data }),
        };
        Ace { kind, flags, body }
    })
}

fn any_list() -> impl Strategy<Value = Option<Option<Acl>>> {
    let acl =
        (2..=4_u8, proptest::collection::vec(any_ace(), 0..5)).prop_map(|(revision, aces)| Acl { revision, aces });
    proptest::option::of(proptest::option::of(acl))
}

pub(in super::super) fn any_descriptor() -> impl Strategy<Value = Descriptor> {
    let sid = || proptest::option::of(any_sid());
    (any::<u16>(), any::<u8>(), sid(), sid(), any_list(), any_list()).prop_map(
        |(bits, manager, owner, group, dacl, sacl)| {
            let lists = List::Dacl.present() | List::Sacl.present() | control::SELF_RELATIVE;
            let mut descriptor = Descriptor { control: bits & !lists, manager, owner, group, dacl: None, sacl: None };
            for (list, acl) in [(List::Dacl, dacl), (List::Sacl, sacl)] {
                if let Some(acl) = acl {
                    descriptor.set_list(list, acl, bits & list.bits() | list.present());
                }
            }
            descriptor
        },
    )
}

proptest! {
    #[test]
    fn a_descriptor_comes_back(descriptor in any_descriptor()) {
        let bytes = descriptor.to_bytes().expect("short enough");
        prop_assert_eq!(Descriptor::parse(&bytes), Ok(descriptor));
    }

    #[test]
    fn random_bytes_are_never_a_fault(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), plausible in any::<bool>()) {
        if plausible && bytes.len() >= HEADER_BYTES {
            bytes[..4].copy_from_slice(&[1, 0, 0x14, 0x80]);
            bytes[4..HEADER_BYTES].iter_mut().enumerate().for_each(|(i, byte)| *byte &= if i % 4 == 0 { 0x3C } else { 0 });
        }
        if let Ok(descriptor) = Descriptor::parse(&bytes) {
            let back = descriptor.to_bytes().expect("short enough");
            prop_assert_eq!(Descriptor::parse(&back), Ok(descriptor));
        }
    }

    #[test]
    fn a_descriptor_with_a_byte_changed_is_never_a_fault(
        descriptor in any_descriptor(), at in any::<prop::sample::Index>(), byte in any::<u8>())
    {
        let mut bytes = descriptor.to_bytes().expect("short enough");
        let index = at.index(bytes.len());
        bytes[index] = byte;
        if let Ok(descriptor) = Descriptor::parse(&bytes) {
            let back = descriptor.to_bytes().expect("short enough");
            prop_assert_eq!(Descriptor::parse(&back), Ok(descriptor));
        }
    }
}
