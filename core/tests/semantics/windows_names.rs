//! Volumes with the names of Windows: what is a name, how long it may be, what is one and the same, and what is kept.

use bough::limits::{NAME_UNITS, PATH_UNITS};
use bough::{Config, Error, NamePolicy, NewNode, NodeId, RenameMode};

use crate::support::*;

fn volume() -> Fs {
    Fs::of(Config { names: NamePolicy::Windows, root_mode: 0o777, ..Config::default() })
}

fn make(fs: &Fs, name: &[u8]) -> bough::Result<()> {
    let made = fs.make(&ROOT, NodeId::ROOT, name, 0o755, NewNode::File).map(|entry| fs.forget(entry.node, 1));
    if made.is_ok() {
        fs.unlink(&ROOT, NodeId::ROOT, name)?;
    }
    made
}

/// A UTF-16 unit without a partner, as WTF-8.
const LONE: &[u8] = b"\xED\xA0\x80";

#[test]
fn a_name_is_found_in_any_case_and_keeps_its_spelling() {
    let fs = volume();
    fs.mkdir_p("Программы/Größe");
    fs.write_file("ПРОГРАММЫ/GRÖßE/ReadMe.TXT", "x");
    assert_eq!(fs.read_text("программы/größe/readme.txt"), "x");
    assert_eq!(fs.names("программы/größe"), ["ReadMe.TXT"]);
    assert_eq!((fs.volume.names(), fs.volume.ignores_case()), (NamePolicy::Windows, true));
}

#[test]
fn names_that_windows_programs_cannot_use_are_refused_by_every_operation_that_gives_one() {
    let fs = volume();
    fs.write_file("file", "");
    for bad in ["a:b", "a*", "what?", "<", ">", "\"", "|", "back\\slash", "tab\t", "CON", "nul.txt", "dot.", "space "] {
        let refused =
            |answer: bough::Result<()>| assert!(matches!(answer, Err(Error::BadName(_))), "{bad:?} {answer:?}");
        refused(make(&fs, bad.as_bytes()));
        refused(fs.path_make(&ROOT, at(bad), 0o755, NewNode::Directory).map(drop));
        refused(fs.path_link(&ROOT, at("file"), at(bad)).map(drop));
        refused(fs.move_as("file", bad, RenameMode::Replace));
        refused(fs.path_write(&ROOT, at(bad), b""));
        refused(fs.lookup(&ROOT, NodeId::ROOT, bad.as_bytes()).map(drop));
    }
    assert_eq!(fs.names("/"), ["file"]);
}

#[test]
fn a_name_has_up_to_255_utf16_units_whatever_bytes_they_take() {
    let fs = volume();
    for unit in ["x", "é", "名", "\u{FFFD}"] {
        assert_eq!(make(&fs, unit.repeat(NAME_UNITS).as_bytes()), Ok(()), "{unit}");
        assert_eq!(make(&fs, unit.repeat(NAME_UNITS + 1).as_bytes()), Err(Error::NameTooLong), "{unit}");
    }
    // A pair of surrogates is two units in four bytes.
    assert_eq!(make(&fs, format!("x{}", "🌲".repeat(127)).as_bytes()), Ok(()));
    assert_eq!(make(&fs, "🌲".repeat(128).as_bytes()), Err(Error::NameTooLong));
    let stats = fs.fs_stats();
    assert_eq!((stats.name_units, stats.name_bytes), (255, 765));
}

#[test]
fn a_path_has_up_to_32_767_utf16_units() {
    let fs = volume();
    let name = "名".repeat(100);
    fs.mkdir_p(&name);
    let there = |units: usize| {
        let mut path = format!("{name}/../").repeat(units / 104);
        path.push_str(&"./".repeat((units - path.chars().count()) / 2));
        path.push_str(if path.chars().count() < units { "/" } else { "" });
        assert_eq!(path.chars().count(), units);
        assert!(path.len() > PATH_UNITS);
        fs.path_attr(&ROOT, at(&path)).map(drop)
    };
    assert_eq!(there(PATH_UNITS), Ok(()));
    assert_eq!(there(PATH_UNITS + 1), Err(Error::NameTooLong));
}

#[test]
fn unpaired_surrogates_survive_and_other_bytes_that_are_no_text_are_refused() {
    let fs = volume();
    let name = [b"a", LONE, b"B"].concat();
    fs.make(&ROOT, NodeId::ROOT, &name, 0o755, NewNode::File).unwrap();
    let other_case = [b"A", LONE, b"b"].concat();
    assert!(fs.lookup(&ROOT, NodeId::ROOT, &other_case).is_ok(), "what is around a lone surrogate folds");
    let mut listed = Vec::new();
    fs.list(&ROOT, NodeId::ROOT, None, 0, Default::default(), &mut |entry| {
        listed.push(entry.name.to_vec());
        true
    })
    .unwrap();
    assert_eq!(listed, [name]);
    assert_eq!(make(&fs, b"\xff"), Err(Error::BadUtf8));
    assert_eq!(make(&fs, b"\xED\xA0\xBC\xED\xBC\xB2"), Err(Error::BadUtf8), "a pair that is written as two");
}

#[test]
fn names_that_fold_alike_cannot_both_be_made_linked_renamed_or_exchanged_into_being() {
    let fs = volume();
    fs.write_file("Name", "1");
    fs.write_file("other", "2");
    assert_eq!(fs.path_make(&ROOT, at("NAME"), 0, NewNode::Directory), Err(Error::Exists));
    assert_eq!(fs.path_link(&ROOT, at("other"), at("naME")), Err(Error::Exists));
    assert_eq!(fs.move_as("other", "nAME", RenameMode::NoReplace), Err(Error::Exists));
    fs.move_as("OTHER", "NAME", RenameMode::Exchange).unwrap();
    assert_eq!((fs.read_text("name"), fs.read_text("other")), ("2".into(), "1".into()));
    assert_eq!(fs.names("/"), ["Name", "other"], "an exchange leaves the spellings where they are");
}

#[test]
fn a_rename_that_changes_the_case_only_works() {
    let fs = volume();
    fs.write_file("name", "x");
    fs.mkdir_p("dir");
    for mode in [RenameMode::Replace, RenameMode::NoReplace] {
        fs.move_as("name", "NaMe", mode).unwrap();
        fs.move_as("DIR", "Dir", mode).unwrap();
        assert_eq!(fs.names("/"), ["Dir", "NaMe"]);
        fs.move_as("NaMe", "name", mode).unwrap();
        fs.move_as("Dir", "dir", mode).unwrap();
    }
}

#[test]
fn a_rename_over_a_name_spelled_differently_leaves_the_new_spelling() {
    let fs = volume();
    fs.write_file("new", "n");
    fs.write_file("Target", "t");
    fs.move_to("NEW", "TARGET");
    assert_eq!((fs.names("/"), fs.read_text("target")), (vec!["TARGET".into()], "n".into()));
}
