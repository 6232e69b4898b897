//! What Windows and macOS programs set on files of a base.

use bough::{Aspects, Error, FileKind, SetFileInfo, SetMacInfo};

use super::Place;
use crate::support::*;

/// A symbolic link of Windows to `real`, which stays on the volume.
fn link() -> Vec<u8> {
    let name: Vec<u8> = "real".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let head = [0xC, 0, 0, 0xA0, 28, 0, 0, 0, 0, 0, 8, 0, 8, 0, 8, 0, 1, 0, 0, 0];
    [&head[..], &name, &name].concat()
}

#[test]
fn streams_attributes_and_descriptors_of_a_file_of_the_base_are_the_trees_own() {
    let place = Place::new();
    let node = place.node("dir/inner");
    let handle = place.open_stream(&ROOT, node, b"s", BOTH, true).unwrap();
    place.put(handle, 0, b"stream");
    place.set_file_info(&ROOT, node, None, &SetFileInfo { attributes: 6, ..SetFileInfo::default() }).unwrap();
    let told = place.get_security(&ROOT, node, None, 4).unwrap();
    place.set_security(&ROOT, node, None, 4, &told).unwrap();
    place.set_mac_info(&ROOT, node, &SetMacInfo { flags: Some(0x8000), ..SetMacInfo::default() }).unwrap();
    place.set_allocation(&ROOT, node, None, 100_000).unwrap();
    assert_eq!((place.read_text("dir/inner"), place.get(handle, 0, 9)), ("inner".into(), b"stream".to_vec()));
    let mut diff = place.volume.diff(place.base(), place.main()).unwrap();
    let mut aspects = 0;
    while let Some(entry) = diff.next_entry().unwrap() {
        aspects |= entry.aspects.0;
    }
    assert!(aspects & Aspects::STREAMS.0 != 0);
    assert!(aspects & Aspects::SECURITY.0 != 0 && aspects & Aspects::CONTENT.0 == 0);
    place.assert_untouched();
    assert!(place.volume.check_invariants(true).is_sound());
}

#[test]
fn a_directory_of_the_base_becomes_a_link_only_when_it_shows_no_entry() {
    let place = Place::new();
    assert_eq!(place.set_reparse(&ROOT, place.node("dir/sub"), None, &link()), Err(Error::NotEmpty));
    place.remove_file("dir/sub/deep");
    for path in ["dir/sub", "empty"] {
        place.set_reparse(&ROOT, place.node(path), None, &link()).unwrap();
        assert_eq!(place.stat(path).kind, FileKind::Symlink, "{path}");
        assert_eq!(place.path_read_link(&ROOT, at(path)).unwrap()[..], *b"real");
    }
    assert_eq!(place.names("/"), ["dir", "empty", "file", "large", "link", "out"]);
    assert_eq!(place.names("dir"), ["inner", "sub", "twin"]);
    place.delete_reparse(&ROOT, place.node("dir/sub"), None, &[0xC, 0, 0, 0xA0, 0, 0, 0, 0]).unwrap();
    assert_eq!((place.stat("dir/sub").kind, place.names("dir/sub").len()), (FileKind::Directory, 0));
    place.assert_untouched();
    assert!(place.volume.check_invariants(true).is_sound());
}

#[test]
fn a_file_of_the_base_with_several_names_stays_a_file() {
    let place = Place::new();
    place.truncate("dir/inner", 0);
    place.set_reparse(&ROOT, place.node("dir/inner"), None, &link()).unwrap();
    assert_eq!((place.stat("dir/inner").kind, place.stat("dir/twin").kind), (FileKind::File, FileKind::File));
    place.assert_untouched();
}
