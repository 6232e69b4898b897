use proptest::prelude::*;

use super::*;
use crate::error::Error;

fn exact() -> NameRules {
    NameRules::new(NamePolicy::Posix, (3, 4))
}

fn folding() -> NameRules {
    NameRules::new(NamePolicy::PosixCaseInsensitive, (3, 4))
}

fn one_name(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    let (a, b) = (a.as_ref(), b.as_ref());
    let same = folding().same(a, b);
    assert_eq!(same, folding().same(b, a));
    assert!(!same || folding().hash(a) == folding().hash(b));
    same
}

#[test]
fn names_that_no_entry_can_have_are_refused() {
    for rules in [exact(), folding()] {
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0", b"\0"] {
            assert!(matches!(rules.check(name), Err(Error::Invalid(_))), "{name:?}");
        }
        for name in [&b"..."[..], b".a", b"a.", b" ", b"\xff\xfe", b"\\", b"a:b"] {
            assert_eq!(rules.check(name), Ok(()), "{name:?}");
        }
    }
}

#[test]
fn a_name_of_255_bytes_passes_and_one_of_256_does_not() {
    assert_eq!(exact().check(&[b'a'; limits::NAME_BYTES]), Ok(()));
    assert_eq!(exact().check(&[b'a'; limits::NAME_BYTES + 1]), Err(Error::NameTooLong));
}

#[test]
fn posix_names_are_compared_byte_by_byte() {
    assert!(exact().same(b"a", b"a"));
    assert!(!exact().same(b"a", b"A"));
    assert_ne!(exact().hash(b"a"), exact().hash(b"A"));
}

#[test]
fn hashes_have_56_bits_are_never_0_and_depend_on_the_key() {
    for i in 0..1000_u32 {
        let hash = exact().hash(&i.to_le_bytes());
        assert!(hash != 0 && hash >> HASH_BITS == 0);
    }
    assert_eq!(exact().reduce(0), 1);
    assert_eq!(exact().reduce(u64::MAX), (1 << HASH_BITS) - 1);
    let other = NameRules::new(NamePolicy::Posix, (3, 5));
    assert_ne!(exact().hash(b"name"), other.hash(b"name"));
}

#[test]
fn case_is_ignored_in_every_script_that_has_it() {
    assert!(one_name("README.md", "readme.MD"));
    assert!(one_name("ÄÖÜ", "äöü"));
    assert!(one_name("ЖУК", "жук"));
    assert!(one_name("ẞ", "ß"));
    assert!(one_name("ΟΔΟΣ", "οδος") && one_name("οδος", "οδοσ"));
    assert!(one_name("\u{212a}elvin", "Kelvin"), "the Kelvin sign is longer than k");
    assert!(one_name("\u{23a}", "\u{2c65}"), "folding may lengthen a name");
    assert!(one_name("a".repeat(200), "A".repeat(200)));
    assert!(one_name(format!("{}ſ", "a".repeat(200)), format!("{}S", "A".repeat(200))));
}

#[test]
fn simple_folding_keeps_one_character_one_character() {
    assert!(!one_name("ß", "ss"));
    assert!(!one_name("İ", "i"));
    assert!(!one_name("İ", "ı"));
    assert!(!one_name("ı", "I"));
    assert!(one_name("I", "i"));
    assert!(!one_name("ﬀ", "ff"));
}

#[test]
fn bytes_that_are_no_utf8_fold_to_themselves() {
    assert!(one_name(b"A\xff\xc3Z", b"a\xff\xc3z"));
    assert!(!one_name(b"a\xff", b"a\xfe"));
    assert!(!one_name(b"\xc3", b"\xe3"));
    assert!(!one_name(b"\xe2\x84", b"\xe2\x84\xaa"));
    assert!(one_name(b"\xe2\x84\xe2\x84\xaa", b"\xe2\x84k"));
}

proptest! {
    #[test]
    fn the_upper_case_of_ascii_is_the_same_name(name in proptest::collection::vec(any::<u8>(), 1..100)) {
        prop_assert!(one_name(&name, name.to_ascii_uppercase()));
    }

    #[test]
    fn names_that_fold_alike_are_the_same_and_hash_alike(name in "\\PC{1,40}") {
        let folded: String = name.chars().map(super::fold::fold).collect();
        prop_assert!(one_name(&name, folded));
    }
}

mod policies {
    use super::*;

    fn windows() -> NameRules {
        NameRules::new(NamePolicy::Windows, (3, 4))
    }

    fn mac() -> NameRules {
        NameRules::new(NamePolicy::MacOs, (3, 4))
    }

    fn one_mac_name(a: &str, b: &str) -> bool {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let same = mac().same(a, b);
        assert_eq!(same, mac().same(b, a));
        assert!(!same || mac().hash(a) == mac().hash(b));
        same
    }

    /// The name is refused, and the text names the rule.
    fn refused(name: impl AsRef<[u8]>, why: &str) {
        match windows().check(name.as_ref()) {
            Err(Error::BadName(text)) => assert!(text.contains(why), "{:?}: {text}", name.as_ref()),
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(name.as_ref())),
        }
    }

    #[test]
    fn windows_refuses_names_with_forbidden_and_control_characters() {
        for c in 1..0x20_u8 {
            refused([b'a', c, b'b'], "control characters");
        }
        refused(b"a\0", "control characters");
        for name in ["a/b", "a\\b", "\\"] {
            refused(name, "separate names");
        }
        for name in ["a*", "?", "a<b", "a>b", "\"a\""] {
            refused(name, "wildcards");
        }
        refused("a:b", "stream");
        refused(":", "stream");
        refused("a|b", "|");
    }

    #[test]
    fn windows_refuses_a_dot_or_a_space_at_the_end() {
        for name in ["a.", "...", "a .", "名."] {
            refused(name, "dot");
        }
        for name in ["a ", " ", "a. "] {
            refused(name, "space");
        }
    }

    #[test]
    fn windows_refuses_names_of_devices_with_and_without_extension() {
        for device in ["CON", "PRN", "AUX", "NUL", "COM1", "COM9", "LPT1", "LPT9", "COM¹", "COM²", "LPT³"] {
            for name in [device.to_owned(), device.to_lowercase(), format!("{device}.txt"), format!("{device}.tar.gz")]
            {
                refused(name, "device");
            }
            refused(format!("{device} .txt"), "device");
            refused(format!("{device}  ..x"), "device");
        }
    }

    #[test]
    fn windows_takes_what_only_resembles_a_forbidden_name() {
        let names = [
            "CONS",
            "CO",
            "XCON",
            "a.CON",
            "COM",
            "COM0",
            "COM10",
            "COM⁴",
            "LPTX",
            "CLOCK",
            ".CON",
            " CON",
            "a.b.c",
            ".a",
            " a",
            "~$x",
            "a;b",
            "[a]",
            "a,b",
            "{}",
            "名前",
            "COM1x.txt",
            "\u{7f}",
            "NUL\u{a0}",
        ];
        for name in names {
            assert_eq!(windows().check(name.as_bytes()), Ok(()), "{name}");
        }
        assert_eq!(windows().check(b"a\xED\xA0\x80b"), Ok(()), "an unpaired surrogate");
    }

    #[test]
    fn windows_counts_255_utf16_units_and_not_bytes() {
        for (unit, units) in [("a", 1), ("é", 1), ("名", 1), ("🌲", 2)] {
            let fits = unit.repeat(limits::NAME_UNITS / units);
            assert_eq!(windows().check(fits.as_bytes()), Ok(()), "{unit}");
            assert!(fits.len() <= NamePolicy::Windows.longest_bytes());
            assert_eq!(windows().check((fits + unit).as_bytes()), Err(Error::NameTooLong), "{unit}");
        }
        assert_eq!(windows().check(&[b'a'; 1 << 20]), Err(Error::NameTooLong));
    }

    #[test]
    fn windows_takes_only_bytes_that_some_utf16_stands_for() {
        for name in [&b"\xFF"[..], b"a\xC3", b"\xED\xA0\xBC\xED\xBC\xB2"] {
            assert_eq!(windows().check(name), Err(Error::BadUtf8), "{name:x?}");
        }
    }

    #[test]
    fn windows_names_that_differ_only_in_case_are_one() {
        assert!(windows().same(b"ReadMe.TXT", b"readme.txt"));
        assert_eq!(windows().hash(b"ReadMe.TXT"), windows().hash(b"readme.txt"));
        assert!(windows().same("ÄÖ".as_bytes(), "äö".as_bytes()));
        assert!(!windows().same("é".as_bytes(), "e\u{301}".as_bytes()), "NTFS does not normalise");
        assert!(windows().same(b"A\xED\xA0\x80", b"a\xED\xA0\x80"));
        assert!(!windows().same(b"\xED\xA0\x80", b"\xED\xA0\x81"));
    }

    #[test]
    fn macos_takes_255_bytes_of_utf8() {
        assert_eq!(mac().check(&[b'a'; limits::NAME_BYTES]), Ok(()));
        assert_eq!(mac().check(&[b'a'; limits::NAME_BYTES + 1]), Err(Error::NameTooLong));
        for name in [&b"\xFF"[..], b"a\xC3", b"\xED\xA0\x80"] {
            assert_eq!(mac().check(name), Err(Error::BadUtf8), "{name:x?}");
        }
        for name in ["a:b", "CON", "a.", "a ", "a\\b", "*", "a\nb", "._a"] {
            assert_eq!(mac().check(name.as_bytes()), Ok(()), "{name:?}");
        }
        assert!(matches!(mac().check(b"a/b"), Err(Error::Invalid(_))));
    }

    #[test]
    fn macos_names_that_differ_in_composition_or_case_are_one() {
        assert!(one_mac_name("é", "e\u{301}"));
        assert!(one_mac_name("É", "e\u{301}"));
        assert!(one_mac_name("각", "\u{1100}\u{1161}\u{11a8}"));
        assert!(one_mac_name("ộ", "o\u{302}\u{323}") && one_mac_name("ộ", "o\u{323}\u{302}"), "marks in any order");
        assert!(one_mac_name("Å", "\u{212b}") && one_mac_name("Ω", "\u{2126}"));
        assert!(one_mac_name("\u{212a}", "k"), "the Kelvin sign decomposes into K");
        assert!(one_mac_name("README", "readme"));
        assert!(one_mac_name("ᾳ", "α\u{345}"));
    }

    #[test]
    fn macos_keeps_compatible_but_different_names_apart() {
        assert!(!one_mac_name("e\u{301}\u{302}", "e\u{302}\u{301}"), "marks of one class keep their order");
        assert!(!one_mac_name("ﬁ", "fi") && !one_mac_name("²", "2") && !one_mac_name("Ａ", "A"));
        assert!(!one_mac_name("ß", "ss"));
        assert!(!one_mac_name("e", "é"));
    }

    #[test]
    fn every_policy_says_how_long_a_name_can_be() {
        let of = |policy: NamePolicy| (policy.longest(), policy.longest_bytes(), policy.counts_utf16(), policy.folds());
        assert_eq!(of(NamePolicy::Posix), (255, 255, false, false));
        assert_eq!(of(NamePolicy::PosixCaseInsensitive), (255, 255, false, true));
        assert_eq!(of(NamePolicy::Windows), (255, 765, true, true));
        assert_eq!(of(NamePolicy::MacOs), (255, 255, false, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_checked_hashed_and_compared_without_fault(
            a in proptest::collection::vec(any::<u8>(), 0..40), b in proptest::collection::vec(any::<u8>(), 0..40))
        {
            for rules in [exact(), folding(), windows(), mac()] {
                let _ = rules.check(&a);
                prop_assert!(!rules.same(&a, &b) || rules.hash(&a) == rules.hash(&b));
                prop_assert!(rules.same(&a, &a));
            }
        }

        #[test]
        fn macos_finds_a_name_by_each_of_its_spellings(name in "\\PC{1,20}") {
            use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
            let composed = ComposingNormalizer::new_nfc().normalize(&name).into_owned();
            let decomposed = DecomposingNormalizer::new_nfd().normalize(&name).into_owned();
            prop_assert!(one_mac_name(&name, &composed) && one_mac_name(&name, &decomposed));
            let folded: String = decomposed.chars().map(super::super::fold::fold).collect();
            prop_assert!(one_mac_name(&name, &folded));
        }
    }
}
