use proptest::prelude::*;

use super::*;

fn attribute(name: &str, value: &[u8]) -> Attribute {
    Attribute { flags: 0, name: name.into(), value: value.to_vec() }
}

fn list(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<Attribute> = entries.iter().map(|(name, value)| attribute(name, value)).collect();
    serialise(entries.iter())
}

fn names(list: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut last = None;
    for name in list {
        align(&mut bytes);
        if let Some(last) = last.replace(bytes.len()) {
            let step = (bytes.len() - last) as u32;
            bytes[last..last + 4].copy_from_slice(&step.to_le_bytes());
        }
        bytes.extend_from_slice(&[0, 0, 0, 0, name.len() as u8]);
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
    }
    bytes
}

#[test]
fn a_list_has_the_layout_of_file_full_ea_information() {
    let bytes = list(&[("AB", b"xyz"), ("C", b"1")]);
    let expected =
        [16, 0, 0, 0, 0, 2, 3, 0, b'A', b'B', 0, b'x', b'y', b'z', 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, b'C', 0, b'1'];
    assert_eq!(bytes, expected);
    assert_eq!(parse_list(&bytes), Ok(vec![attribute("AB", b"xyz"), attribute("C", b"1")]));
    assert_eq!(parse_list(b""), Ok(vec![]));
}

#[test]
fn ea_names_are_matched_without_case_and_keep_their_first_spelling() {
    let mut set = Attributes::parse(&list(&[("Colour", b"red")])).expect("a good list");
    set.apply(&list(&[("COLOUR", b"blue")])).expect("a good list");
    assert_eq!(set.get(b"colour"), Some(&attribute("Colour", b"blue")));
    assert_eq!(set.iter().count(), 1);
    assert_eq!(set.get(b"color"), None);
}

#[test]
fn an_ea_with_a_zero_length_value_deletes() {
    let mut set = Attributes::parse(&list(&[("a", b"1"), ("b", b"2")])).expect("a good list");
    set.apply(&list(&[("A", b""), ("nothing", b"")])).expect("a good list");
    assert_eq!(set.to_list(), list(&[("b", b"2")]));
    set.apply(&list(&[("b", b"")])).expect("a good list");
    assert!(set.is_empty() && set.to_list().is_empty() && set.reported_bytes() == 0);
}

#[test]
fn entries_of_one_list_act_in_order() {
    let mut set = Attributes::default();
    set.apply(&list(&[("a", b"1"), ("A", b""), ("b", b"2"), ("B", b"3")])).expect("a good list");
    assert_eq!(set.to_list(), list(&[("b", b"3")]));
}

#[test]
fn a_malformed_ea_list_says_what_is_wrong_and_changes_nothing() {
    let good = list(&[("ab", b"xyz"), ("c", b"1")]);
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let table = [
        (broken(&|b| b.truncate(26)), "beyond the list"),
        (broken(&|b| b.truncate(16)), "begins beyond the list"),
        (broken(&|b| b.truncate(3)), "beyond the list"),
        (broken(&|b| b[6] = 200), "beyond the list"),
        (broken(&|b| b[0] = 15), "multiple of 4"),
        (broken(&|b| b[0] = 12), "overlap"),
        (broken(&|b| b[0] = 28), "begins beyond the list"),
        (broken(&|b| b[3] = 255), "begins beyond the list"),
        (broken(&|b| b[10] = 1), "NUL"),
        (broken(&|b| b[4] = 1), "flags"),
    ];
    for (bytes, why) in table {
        let mut set = Attributes::parse(&list(&[("old", b"1")])).expect("a good list");
        match set.apply(&bytes) {
            Err(Error::BadEaList(text)) => assert!(text.contains(why), "{text}, not {why}"),
            other => panic!("{why}: {other:?}"),
        }
        assert_eq!(set.to_list(), list(&[("old", b"1")]));
    }
}

#[test]
fn ea_names_that_windows_forbids_are_invalid_ea_names() {
    for name in ["", "a\u{1}", "a/b", "a\\", ":", "*", "?", "\"", "<", ">", "|", ",", "+", "=", "[", "]", ";"] {
        let result = parse_list(&list(&[(name, b"1")]));
        assert!(matches!(result, Err(Error::BadEaName(_))), "{name:?}: {result:?}");
        assert!(matches!(parse_names(&names(&[name])), Err(Error::BadEaName(_))), "{name:?}");
    }
    for name in ["a", "$LXUID", "a b", ".CLASSINFO", "é", "{x}"] {
        assert!(parse_list(&list(&[(name, b"1")])).is_ok(), "{name:?}");
    }
}

#[test]
fn ea_lists_are_limited_to_64_kib() {
    let mut set = Attributes::default();
    let half = vec![7; 32_000];
    set.apply(&list(&[("a", &half)])).expect("a good list");
    set.apply(&list(&[("b", &half)])).expect("a good list");
    assert_eq!(set.apply(&list(&[("c", &half)])), Err(Error::TooManyAttributes));
    let rest = limits::EA_LIST_BYTES - set.to_list().len().next_multiple_of(4) - HEADER_BYTES - 2;
    assert_eq!(set.apply(&list(&[("c", &vec![1; rest + 1])])), Err(Error::TooManyAttributes));
    assert_eq!(set.apply(&list(&[("c", &vec![1; rest])])), Ok(()));
    assert_eq!(set.to_list().len(), limits::EA_LIST_BYTES);
}

#[test]
fn ea_size_is_that_of_the_packed_attributes() {
    let set = Attributes::parse(&list(&[("ab", b"xyz"), ("c", b"1")])).expect("a good list");
    assert_eq!(set.reported_bytes(), 5 + 2 + 3 + 5 + 1 + 1);
}

#[test]
fn attributes_asked_for_by_name_come_in_that_order_and_missing_ones_empty() {
    let set = Attributes::parse(&list(&[("a", b"1"), ("B", b"2")])).expect("a good list");
    let asked = parse_names(&names(&["b", "none", "a"])).expect("a good list");
    assert_eq!(set.to_list_of(&asked), list(&[("B", b"2"), ("none", b""), ("a", b"1")]));
    assert_eq!(parse_names(b""), Ok(vec![]));
    assert!(matches!(parse_names(&names(&["abc"])[..6]), Err(Error::BadEaList(_))));
}

#[test]
fn need_ea_is_kept() {
    let entry = Attribute { flags: NEED_EA, ..attribute("a", b"1") };
    let set = Attributes::parse(&serialise([&entry].into_iter())).expect("a good list");
    assert_eq!(set.get(b"A"), Some(&entry));
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    let value = proptest::collection::vec(any::<u8>(), 0..20);
    (prop_oneof![Just(0), Just(NEED_EA)], "[a-zA-Z0-9. $]{1,12}", value).prop_map(|(flags, name, value)| Attribute {
        flags,
        name: name.into_bytes(),
        value,
    })
}

proptest! {
    #[test]
    fn a_list_comes_back(entries in proptest::collection::vec(any_attribute(), 0..8)) {
        prop_assert_eq!(parse_list(&serialise(entries.iter())), Ok(entries));
    }

    #[test]
    fn a_set_comes_back_from_its_list(entries in proptest::collection::vec(any_attribute(), 0..8)) {
        let set = Attributes::parse(&serialise(entries.iter())).expect("a good list");
        let list = set.to_list();
        prop_assert_eq!(list.len(), set.list_bytes());
        prop_assert_eq!(Attributes::parse(&list), Ok(set));
    }

    #[test]
    fn random_bytes_are_never_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse_list(&bytes);
        let _ = parse_names(&bytes);
    }

    #[test]
    fn a_list_with_a_byte_changed_is_never_a_fault(
        entries in proptest::collection::vec(any_attribute(), 1..5), at in any::<prop::sample::Index>(), byte in any::<u8>())
    {
        let mut bytes = serialise(entries.iter());
        let index = at.index(bytes.len());
        bytes[index] = byte;
        if let Ok(entries) = parse_list(&bytes) {
            prop_assert_eq!(parse_list(&serialise(entries.iter())), Ok(entries));
        }
    }
}

#[test]
fn a_name_that_is_asked_for_again_is_answered_once() {
    assert_eq!(parse_names(&names(&["A", "B", "a", "A"])), Ok(vec![b"A".to_vec(), b"B".to_vec()]));
    let too_long = names(&vec!["A"; crate::limits::EA_LIST_BYTES / 8 + 2]);
    assert_eq!(parse_names(&too_long), Err(Error::TooManyAttributes));
}
