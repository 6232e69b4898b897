use proptest::prelude::*;

use super::*;

const FOREIGN: u32 = 0x0000_0123;

fn buffer(tag: u32, guid: Option<[u8; 16]>, data: &[u8]) -> Vec<u8> {
    Reparse { tag, guid, data }.to_buffer()
}

fn link(substitute: &str, relative: bool) -> Symlink {
    Symlink { substitute: substitute.into(), print: substitute.into(), relative }
}

fn why(buffer: &[u8]) -> &'static str {
    match Reparse::parse(buffer) {
        Err(Error::BadReparse(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_symbolic_link_has_the_layout_of_its_buffer() {
    let buffer = link("a", true).to_buffer().expect("a good link");
    let expected = [0x0C, 0, 0, 0xA0, 20, 0, 0, 0, 0, 0, 2, 0, 4, 0, 2, 0, 1, 0, 0, 0, b'a', 0, 0, 0, b'a', 0, 0, 0];
    assert_eq!(buffer, expected);
    let reparse = Reparse::parse(&buffer).expect("a good link");
    assert_eq!((reparse.tag, reparse.guid), (TAG_SYMLINK, None));
    assert_eq!(Symlink::parse(reparse.data), Ok(link("a", true)));
}

#[test]
fn links_and_mount_points_come_back() {
    for symlink in [link("..\\x\\y", true), link("\\??\\C:\\x", false), link("名\u{1F332}", true), link("\\root", true)]
    {
        let buffer = symlink.to_buffer().expect("a good link");
        let reparse = Reparse::parse(&buffer).expect("a good link");
        assert_eq!(Symlink::parse(reparse.data), Ok(symlink));
    }
    let junction = MountPoint { substitute: b"\\??\\C:\\dir\\".into(), print: b"C:\\dir".into() };
    let buffer = junction.to_buffer().expect("a good junction");
    let reparse = Reparse::parse(&buffer).expect("a good junction");
    assert_eq!(reparse.tag, TAG_MOUNT_POINT);
    assert_eq!(MountPoint::parse(reparse.data), Ok(junction));
}

#[test]
fn a_posix_target_becomes_a_relative_link_and_comes_back() {
    for target in ["a", "../a/b", "/a", "a/", "."] {
        let link = Symlink::from_posix(target.as_bytes());
        assert!(link.relative && !link.substitute.contains(&b'/'));
        assert_eq!(link.posix_target().as_deref(), Some(target.as_bytes()));
    }
    assert_eq!(link("\\??\\C:\\x", false).posix_target(), None);
}

#[test]
fn malformed_reparse_buffers_say_what_is_wrong() {
    let good = link("ab", true).to_buffer().expect("a good link");
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        why(&bytes)
    };
    assert!(why(b"").contains("shorter than its header"));
    assert!(why(&good[..6]).contains("shorter than its header"));
    assert!(why(&buffer(FOREIGN, None, &[0; 15])).contains("shorter than its header"));
    assert!(broken(&|b| b.push(0)).contains("length of the data"));
    assert!(broken(&|b| b[4] += 1).contains("length of the data"));
    assert!(broken(&|b| b[10] = 200).contains("beyond its data"));
    assert!(broken(&|b| b[8] = 1).contains("whole number"));
    assert!(broken(&|b| b[10] = 3).contains("whole number"));
    assert!(broken(&|b| b[10] = 0).contains("nowhere"));
    assert!(broken(&|b| b[16] = 2).contains("flags"));
    assert!(broken(&|b| b[20] = 0).contains("NUL"));
    assert!(why(&buffer(TAG_SYMLINK, None, &[0; 8])).contains("before its names"));
    assert!(why(&buffer(TAG_MOUNT_POINT, None, &[0; 7])).contains("before its names"));
    let junction = MountPoint { substitute: b"C:\\x".into(), print: vec![] }.to_buffer();
    assert!(matches!(junction, Err(Error::BadReparse(text)) if text.contains("\\??\\")));
}

#[test]
fn reserved_tags_and_reserved_bits_of_a_tag_are_invalid() {
    for tag in [0, 1, 2, 0x0001_0003, 0x8FFF_0003] {
        assert_eq!(Reparse::parse(&buffer(tag, None, &[0; 16])), Err(Error::BadReparseTag), "{tag:x}");
    }
    for tag in [TAG_LX_SYMLINK, TAG_AF_UNIX, TAG_LX_FIFO, TAG_LX_CHAR, TAG_LX_BLOCK, 0x9000_001A] {
        let bytes = buffer(tag, None, b"anything");
        assert_eq!(Reparse::parse(&bytes), Ok(Reparse { tag, guid: None, data: b"anything" }), "{tag:x}");
    }
}

#[test]
fn a_buffer_of_16_kib_passes_and_one_longer_does_not() {
    let bytes = buffer(TAG_LX_SYMLINK, None, &vec![1; limits::REPARSE_BYTES - HEADER_BYTES]);
    assert!(Reparse::parse(&bytes).is_ok());
    assert!(why(&buffer(TAG_LX_SYMLINK, None, &vec![1; limits::REPARSE_BYTES - HEADER_BYTES + 1])).contains("16 KiB"));
    assert_eq!(link(&"a".repeat(5_000), true).to_buffer(), Err(Error::NameTooLong));
    assert_eq!(link(&"a".repeat(40_000), true).to_buffer(), Err(Error::NameTooLong));
}

#[test]
fn set_reparse_point_on_an_existing_one_must_match_tag_and_guid() {
    let reparse = |tag, guid| Reparse { tag, guid, data: b"" };
    let symlink = reparse(TAG_SYMLINK, None);
    let ours = reparse(FOREIGN, Some([1; 16]));
    assert_eq!(symlink.may_replace(&symlink), Ok(()));
    assert_eq!(symlink.may_replace(&reparse(TAG_MOUNT_POINT, None)), Err(Error::ReparseTagMismatch));
    assert_eq!(ours.may_replace(&symlink), Err(Error::ReparseTagMismatch));
    assert_eq!(ours.may_replace(&ours), Ok(()));
    assert_eq!(ours.may_replace(&reparse(FOREIGN, Some([2; 16]))), Err(Error::ReparseConflict));
}

#[test]
fn a_deletion_names_tag_and_guid_and_holds_no_data() {
    assert_eq!(parse_deletion(&buffer(TAG_SYMLINK, None, b"")).map(|reparse| reparse.tag), Ok(TAG_SYMLINK));
    let ours = buffer(FOREIGN, Some([3; 16]), b"");
    assert_eq!(parse_deletion(&ours).map(|reparse| reparse.guid), Ok(Some([3; 16])));
    assert!(matches!(parse_deletion(&buffer(TAG_SYMLINK, None, b"x")), Err(Error::BadReparse(_))));
}

#[test]
fn a_directory_must_be_empty_to_become_a_reparse_point_and_a_mount_point_is_a_directory() {
    assert_eq!(check_target(TAG_MOUNT_POINT, true, true), Ok(()));
    assert_eq!(check_target(TAG_MOUNT_POINT, true, false), Err(Error::NotEmpty));
    assert_eq!(check_target(TAG_MOUNT_POINT, false, true), Err(Error::NotADirectory));
    assert_eq!(check_target(TAG_SYMLINK, false, true), Ok(()));
    assert_eq!(check_target(TAG_SYMLINK, true, false), Err(Error::NotEmpty));
    assert_eq!(check_target(0x9000_001A, true, false), Ok(()), "its directory bit is set");
}

proptest! {
    #[test]
    fn random_bytes_are_never_a_fault(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), tag in
        prop_oneof![Just(TAG_SYMLINK), Just(TAG_MOUNT_POINT), any::<u32>()], small in any::<bool>())
    {
        if bytes.len() >= 8 {
            bytes[..4].copy_from_slice(&tag.to_le_bytes());
            let length = (bytes.len() - 8) as u16;
            bytes[4..6].copy_from_slice(&length.to_le_bytes());
            if small {
                bytes[8..].iter_mut().for_each(|byte| *byte &= 0x0E);
            }
        }
        if let Ok(reparse) = Reparse::parse(&bytes) {
            let back = reparse.to_buffer();
            prop_assert_eq!(Reparse::parse(&back), Ok(reparse));
        }
    }

    #[test]
    fn any_names_of_a_link_come_back(
        substitute in proptest::collection::vec(1..=u16::MAX, 1..20), print in proptest::collection::vec(1..=u16::MAX, 0..20))
    {
        let (substitute, print) = (wtf8::from_utf16(&substitute), wtf8::from_utf16(&print));
        let link = Symlink { substitute, print, relative: false };
        let buffer = link.to_buffer().expect("a good link");
        prop_assert_eq!(Symlink::parse(&buffer[8..]), Ok(link));
    }
}
