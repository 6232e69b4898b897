//! Volumes that take names differing in case only for one.

use bough::{Config, Error, NamePolicy, NewNode, NodeId, RenameMode};

use crate::support::*;

fn volume() -> Fs {
    Fs::of(Config { names: NamePolicy::PosixCaseInsensitive, root_mode: 0o777, ..Config::default() })
}

#[test]
fn a_name_is_found_in_any_case_and_keeps_its_spelling() {
    let fs = volume();
    assert!(fs.volume.ignores_case() && !Fs::new().volume.ignores_case());
    fs.mkdir_p("Straße/Sub");
    fs.write_file("STRAẞE/sub/ReadMe", "x");
    assert_eq!(fs.read_text("straße/SUB/README"), "x");
    assert_eq!((fs.names("/"), fs.names("straße/sub")), (vec!["Straße".into()], vec!["ReadMe".into()]));
    fs.write_file("straße/sub/readme", "y");
    assert_eq!((fs.names("Straße/Sub"), fs.read_text("Straße/Sub/ReadMe")), (vec!["ReadMe".into()], "y".into()));
}

#[test]
fn names_that_fold_alike_exist_already() {
    let fs = volume();
    fs.write_file("name", "");
    assert_eq!(fs.path_make(&ROOT, at("NAME"), 0, NewNode::File), Err(Error::Exists));
    assert_eq!(fs.path_link(&ROOT, at("name"), at("Name")), Err(Error::Exists));
    assert_eq!(fs.path_unlink(&ROOT, at("NaMe")), Ok(()));
    assert!(fs.names("/").is_empty());
}

#[test]
fn folding_is_unicode_simple_and_leaves_other_bytes_alone() {
    let fs = volume();
    for (name, other, same) in
        [("ß", "ẞ", true), ("ß", "ss", false), ("İ", "i", false), ("İ", "ı", false), ("Ж", "ж", true)]
    {
        fs.write_file(name, "");
        assert_eq!(fs.exists(other), same, "{name} {other}");
        fs.remove_file(name);
    }
    fs.make(&ROOT, NodeId::ROOT, b"A\xff", 0, NewNode::File).unwrap();
    assert!(fs.lookup(&ROOT, NodeId::ROOT, b"a\xff").is_ok());
    assert_eq!(fs.lookup(&ROOT, NodeId::ROOT, b"a\xfe").err(), Some(Error::NotFound));
}

#[test]
fn a_rename_that_changes_the_case_only_works() {
    let fs = volume();
    fs.write_file("name", "x");
    fs.mkdir_p("dir/in");
    for mode in [RenameMode::Replace, RenameMode::NoReplace] {
        fs.move_as("name", "NAME", mode).unwrap();
        assert_eq!(fs.names("/"), ["NAME", "dir"]);
        fs.move_as("name", "name", mode).ok();
        fs.move_as("NAME", "name", mode).unwrap();
    }
    fs.move_to("dir", "DIR");
    assert_eq!((fs.names("/"), fs.read_text("Name")), (vec!["DIR".into(), "name".into()], "x".into()));
    assert!(fs.exists("dir/IN"));
}

#[test]
fn a_rename_to_another_spelling_of_a_taken_name_replaces_it() {
    let fs = volume();
    fs.write_file("a", "a");
    fs.write_file("B", "b");
    assert_eq!(fs.move_as("A", "b", RenameMode::NoReplace), Err(Error::Exists));
    fs.move_to("A", "b");
    assert_eq!(fs.read_text("b"), "a");
    assert_eq!(fs.names("/").len(), 1);
}

#[test]
fn branches_and_snapshots_fold_alike_and_their_own_names_do_not_fold() {
    let fs = volume();
    fs.write_file("File", "x");
    let frozen = fs.frozen("Snap");
    assert_eq!(frozen.read_text("FILE"), "x");
    fs.snapshot("snap");
    assert_eq!(fs.volume.find("SNAP"), Err(Error::NoSuchRef));
}
