//! Volumes with the names of macOS: as APFS has them.

use bough::{Config, Error, NamePolicy, NewNode, NodeId, RenameMode};

use crate::support::*;

fn volume() -> Fs {
    Fs::of(Config { names: NamePolicy::MacOs, root_mode: 0o777, ..Config::default() })
}

const COMPOSED: &str = "Caf\u{e9}";
const DECOMPOSED: &str = "cafe\u{301}";

#[test]
fn a_name_is_found_in_any_case_and_however_it_is_composed_and_keeps_its_spelling() {
    let fs = volume();
    fs.mkdir_p(COMPOSED);
    fs.write_file(&format!("{DECOMPOSED}/File"), "x");
    assert_eq!(fs.read_text(&format!("{}/FILE", COMPOSED.to_uppercase())), "x");
    assert_eq!(fs.names("/"), [COMPOSED], "as it was given, not as HFS+ would have rewritten it");
}

#[test]
fn names_that_fold_alike_cannot_both_be_made_linked_renamed_or_exchanged_into_being() {
    let fs = volume();
    fs.write_file(COMPOSED, "1");
    fs.write_file("other", "2");
    assert_eq!(fs.path_make(&ROOT, at(DECOMPOSED), 0, NewNode::File), Err(Error::Exists));
    assert_eq!(fs.path_link(&ROOT, at("other"), at(DECOMPOSED)), Err(Error::Exists));
    assert_eq!(fs.move_as("other", DECOMPOSED, RenameMode::NoReplace), Err(Error::Exists));
    fs.move_as("Other", DECOMPOSED, RenameMode::Exchange).unwrap();
    assert_eq!((fs.read_text(DECOMPOSED), fs.names("/")), ("2".into(), vec![COMPOSED.into(), "other".into()]));
}

#[test]
fn a_rename_that_changes_the_spelling_only_works() {
    let fs = volume();
    fs.write_file(COMPOSED, "x");
    fs.move_to(COMPOSED, DECOMPOSED);
    assert_eq!(fs.names("/"), [DECOMPOSED]);
    fs.move_as(DECOMPOSED, COMPOSED, RenameMode::NoReplace).unwrap();
    assert_eq!(fs.names("/"), [COMPOSED]);
}

#[test]
fn a_rename_over_a_name_spelled_differently_leaves_the_new_spelling() {
    let fs = volume();
    fs.write_file("new", "n");
    fs.write_file(COMPOSED, "t");
    fs.move_to("new", DECOMPOSED);
    assert_eq!((fs.names("/"), fs.read_text(COMPOSED)), (vec![DECOMPOSED.into()], "n".into()));
}

#[test]
fn a_name_is_up_to_255_bytes_of_utf8() {
    let fs = volume();
    let make = |name: &[u8]| fs.make(&ROOT, NodeId::ROOT, name, 0o755, NewNode::File).map(drop);
    assert_eq!(make(&[b'x'; 255]), Ok(()));
    assert_eq!(make(&[b'x'; 256]), Err(Error::NameTooLong));
    assert_eq!(make("é".repeat(128).as_bytes()), Err(Error::NameTooLong));
    assert_eq!(make(b"\xff"), Err(Error::BadUtf8));
    assert_eq!(make(b"what? a:b*"), Ok(()), "what Windows forbids is a name here");
    assert_eq!((fs.fs_stats().name_units, fs.fs_stats().name_bytes), (255, 255));
}
