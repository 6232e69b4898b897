//! Names: making, finding and removing them; links.

use bough::limits::{LINKS, NAME_BYTES};
use bough::{Error, FileKind, InodeId, NewNode, NodeId, RefId};

use crate::support::*;

fn make(fs: &Fs, name: &[u8]) -> bough::Result<()> {
    fs.make(&ROOT, NodeId::ROOT, name, 0o644, NewNode::File).map(drop)
}

#[test]
fn a_name_of_255_bytes_is_taken_and_one_of_256_is_not() {
    let fs = Fs::new();
    assert_eq!(make(&fs, &[b'x'; NAME_BYTES]), Ok(()));
    assert!(fs.lookup(&ROOT, NodeId::ROOT, &[b'x'; NAME_BYTES]).is_ok());
    let long = [b'x'; NAME_BYTES + 1];
    assert_eq!(make(&fs, &long), Err(Error::NameTooLong));
    assert_eq!(fs.lookup(&ROOT, NodeId::ROOT, &long), Err(Error::NameTooLong));
    assert_eq!(fs.unlink(&ROOT, NodeId::ROOT, &long), Err(Error::NameTooLong));
    assert_eq!(fs.rmdir(&ROOT, NodeId::ROOT, &long), Err(Error::NameTooLong));
    let node = fs.lookup(&ROOT, NodeId::ROOT, &[b'x'; NAME_BYTES]).unwrap().node;
    assert_eq!(fs.link(&ROOT, node, NodeId::ROOT, &long), Err(Error::NameTooLong));
    assert_eq!(fs.move_as(&"x".repeat(255), &"x".repeat(256), bough::RenameMode::Replace), Err(Error::NameTooLong));
    assert_eq!(fs.names("/").len(), 1);
}

#[test]
fn names_are_bytes_without_slash_and_nul_and_dots_cannot_be_made() {
    let fs = Fs::new();
    for name in [&b"\xff\xfe"[..], b" ", b"\n", b"...", b".x", b"a\\b", b"-", b"\x7f"] {
        assert_eq!(make(&fs, name), Ok(()), "{name:?}");
        assert!(fs.lookup(&ROOT, NodeId::ROOT, name).is_ok(), "{name:?}");
    }
    for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b"] {
        assert!(matches!(make(&fs, name), Err(Error::Invalid(_))), "{name:?}");
        assert!(matches!(fs.unlink(&ROOT, NodeId::ROOT, name), Err(Error::Invalid(_))), "{name:?}");
        assert!(matches!(fs.rmdir(&ROOT, NodeId::ROOT, name), Err(Error::Invalid(_))), "{name:?}");
    }
    assert_eq!(make(&fs, b"A"), Ok(()));
    assert_eq!(make(&fs, b"a"), Ok(()), "names differ by case");
}

#[test]
fn a_name_that_exists_is_refused_whatever_it_names() {
    let fs = Fs::new();
    fs.write_file("file", "kept");
    fs.mkdir_p("dir");
    fs.symlink("nowhere", "link");
    for name in ["file", "dir", "link"] {
        for new in [NewNode::File, NewNode::Directory, NewNode::Symlink(b"x"), NewNode::Fifo] {
            assert_eq!(fs.path_make(&ROOT, at(name), 0o644, new), Err(Error::Exists), "{name}");
        }
        assert_eq!(fs.path_link(&ROOT, at("file"), at(name)), Err(Error::Exists));
    }
    assert_eq!(fs.read_text("file"), "kept");
}

#[test]
fn dot_and_dot_dot_are_found_everywhere_and_the_root_is_above_itself() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    let (a, b) = (fs.node("a"), fs.node("a/b"));
    assert_eq!(fs.lookup(&ROOT, b, b".").unwrap().node, b);
    assert_eq!(fs.lookup(&ROOT, b, b"..").unwrap().node, a);
    assert_eq!(fs.lookup(&ROOT, a, b"..").unwrap().node, NodeId::ROOT);
    assert_eq!(fs.lookup(&ROOT, NodeId::ROOT, b"..").unwrap().node, NodeId::ROOT);
    fs.move_to("a/b", "b");
    assert_eq!(fs.lookup(&ROOT, b, b"..").unwrap().node, NodeId::ROOT);
}

#[test]
fn every_kind_of_node_is_made_and_kept_as_it_was_made() {
    let fs = Fs::new();
    let table = [
        ("file", NewNode::File, FileKind::File),
        ("dir", NewNode::Directory, FileKind::Directory),
        ("link", NewNode::Symlink(b"some/where"), FileKind::Symlink),
        ("fifo", NewNode::Fifo, FileKind::Fifo),
        ("socket", NewNode::Socket, FileKind::Socket),
        ("char", NewNode::CharDevice(0x0103), FileKind::CharDevice),
        ("block", NewNode::BlockDevice(u64::MAX), FileKind::BlockDevice),
    ];
    for (name, new, kind) in table {
        fs.make_at(name, new);
        let attr = fs.stat(name);
        assert_eq!((attr.kind, attr.parent), (kind, InodeId::ROOT), "{name}");
    }
    assert_eq!(fs.stat("char").device, 0x0103);
    assert_eq!(fs.stat("block").device, u64::MAX);
    assert_eq!(fs.stat("fifo").device, 0);
    assert_eq!(&*fs.path_read_link(&ROOT, at("link")).unwrap(), b"some/where");
    assert_eq!((fs.stat("link").size, fs.stat("link").mode), (10, 0o777));
}

#[test]
fn only_a_privileged_caller_makes_device_nodes() {
    let fs = Fs::new();
    for new in [NewNode::CharDevice(1), NewNode::BlockDevice(1)] {
        assert_eq!(fs.path_make(&user(1, 1), at("device"), 0o644, new), Err(Error::NotPermitted));
    }
    for (name, new) in [("f", NewNode::Fifo), ("s", NewNode::Socket)] {
        assert!(fs.path_make(&user(1, 1), at(name), 0o644, new).is_ok());
    }
}

#[test]
fn the_target_of_a_symbolic_link_has_1_to_4095_bytes() {
    let fs = Fs::new();
    let symlink = |name, target: &[u8]| fs.path_make(&ROOT, at(name), 0o777, NewNode::Symlink(target)).map(drop);
    assert_eq!(symlink("none", b""), Err(Error::NotFound));
    assert_eq!(symlink("longest", &[b'x'; 4095]), Ok(()));
    assert_eq!(symlink("longer", &[b'x'; 4096]), Err(Error::NameTooLong));
    assert!(matches!(symlink("nul", b"a\0b"), Err(Error::Invalid(_))));
    assert_eq!(fs.names("/"), ["longest"]);
}

#[test]
fn read_link_of_anything_but_a_symbolic_link_is_invalid() {
    let fs = Fs::new();
    fs.write_file("file", "");
    assert!(matches!(fs.read_link(fs.node("file")), Err(Error::Invalid(_))));
    assert!(matches!(fs.read_link(NodeId::ROOT), Err(Error::Invalid(_))));
}

#[test]
fn lookups_in_what_is_no_directory_fail() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let file = fs.node("file");
    for name in [&b"x"[..], b".", b".."] {
        assert_eq!(fs.lookup(&ROOT, file, name), Err(Error::NotADirectory));
    }
    assert_eq!(fs.make(&ROOT, file, b"x", 0, NewNode::File), Err(Error::NotADirectory));
    assert_eq!(fs.unlink(&ROOT, file, b"x"), Err(Error::NotADirectory));
    assert_eq!(fs.link(&ROOT, file, file, b"x"), Err(Error::NotADirectory));
}

#[test]
fn unlink_and_rmdir_tell_files_from_directories() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("file", "");
    fs.symlink("dir", "link");
    assert_eq!(fs.path_unlink(&ROOT, at("dir")), Err(Error::IsADirectory));
    assert_eq!(fs.path_rmdir(&ROOT, at("file")), Err(Error::NotADirectory));
    assert_eq!(fs.path_rmdir(&ROOT, at("link")), Err(Error::NotADirectory));
    assert_eq!(fs.path_unlink(&ROOT, at("none")), Err(Error::NotFound));
    assert_eq!(fs.path_rmdir(&ROOT, at("none")), Err(Error::NotFound));
    fs.remove_file("link");
    fs.remove_file("file");
    fs.remove_dir("dir");
    assert!(fs.names("/").is_empty());
}

#[test]
fn a_directory_with_entries_is_not_removed() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.mkdir_p("dir");
    fs.move_to("file", "dir/file");
    assert_eq!(fs.path_rmdir(&ROOT, at("dir")), Err(Error::NotEmpty));
    fs.remove_file("dir/file");
    fs.remove_dir("dir");
}

#[test]
fn the_root_is_not_removed() {
    let fs = Fs::new();
    assert!(matches!(fs.path_rmdir(&ROOT, at("/")), Err(Error::Busy(_))));
    assert_eq!(fs.path_unlink(&ROOT, at("/")), Err(Error::IsADirectory));
}

#[test]
fn nothing_can_be_made_in_a_removed_directory() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("file", "");
    let (dir, file) = (fs.node("dir"), fs.node("file"));
    fs.remove_dir("dir");
    assert_eq!(fs.make(&ROOT, dir, b"x", 0o644, NewNode::File), Err(Error::NotFound));
    assert_eq!(fs.make(&ROOT, dir, b"x", 0o755, NewNode::Directory), Err(Error::NotFound));
    assert_eq!(fs.link(&ROOT, file, dir, b"x"), Err(Error::NotFound));
    let replace = bough::RenameMode::Replace;
    assert_eq!(fs.rename(&ROOT, NodeId::ROOT, b"file", dir, b"x", replace), Err(Error::NotFound));
    assert_eq!(fs.lookup(&ROOT, dir, b"x"), Err(Error::NotFound));
    assert_eq!(fs.attr(dir).unwrap().links, 0);
}

#[test]
fn a_directory_counts_2_links_and_one_for_each_subdirectory() {
    let fs = Fs::new();
    fs.mkdir_p("dir/one");
    fs.mkdir_p("dir/two");
    fs.write_file("dir/file", "");
    assert_eq!((fs.stat("dir").links, fs.stat("dir/one").links, fs.stat("dir").size), (4, 2, 3));
    fs.move_to("dir/one", "one");
    assert_eq!((fs.stat("dir").links, fs.stat("/").links), (3, 4));
    fs.remove_dir("dir/two");
    assert_eq!(fs.stat("dir").links, 2);
}

#[test]
fn hard_links_are_one_file() {
    let fs = Fs::new();
    fs.write_file("a", "one");
    fs.mkdir_p("dir");
    fs.hard_link("a", "dir/b");
    assert_eq!(fs.stat("a"), fs.stat("dir/b"));
    assert_eq!(fs.stat("a").links, 2);
    fs.write_file("dir/b", "other");
    fs.chmod("dir/b", 0o600);
    assert_eq!((fs.read_text("a"), fs.stat("a").mode), ("other".into(), 0o600));
    fs.remove_file("a");
    assert_eq!((fs.read_text("dir/b"), fs.stat("dir/b").links), ("other".into(), 1));
    assert_eq!(fs.stat("dir/b").parent, fs.stat("dir").inode);
}

#[test]
fn a_symbolic_link_itself_can_have_several_names() {
    let fs = Fs::new();
    fs.symlink("target", "a");
    fs.hard_link("a", "b");
    assert_eq!(fs.stat("b").kind, FileKind::Symlink);
    assert_eq!(fs.stat("a").links, 2);
    assert_eq!(fs.path_link(&ROOT, at("a"), at("c")), Err(Error::NotFound), "followed, it leads nowhere");
}

#[test]
fn a_directory_has_one_name_only() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    assert_eq!(fs.path_link(&ROOT, at("dir"), at("second")), Err(Error::NotPermitted));
    assert_eq!(fs.path_link(&ROOT, at("/"), at("second")), Err(Error::NotPermitted));
}

#[test]
fn a_file_has_at_most_65_000_names() {
    let fs = Fs::new();
    fs.write_file("first", "");
    let node = fs.node("first");
    for number in 1..LINKS {
        fs.link(&ROOT, node, NodeId::ROOT, number.to_string().as_bytes()).unwrap();
    }
    assert_eq!(fs.attr(node).unwrap().links, LINKS);
    assert_eq!(fs.link(&ROOT, node, NodeId::ROOT, b"one more"), Err(Error::TooManyLinks));
    fs.remove_file("1");
    assert!(fs.link(&ROOT, node, NodeId::ROOT, b"one more").is_ok());
}

#[test]
fn a_removed_file_gets_no_new_name() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let node = fs.node("file");
    fs.remove_file("file");
    assert_eq!(fs.link(&ROOT, node, NodeId::ROOT, b"again"), Err(Error::NotFound));
}

#[test]
fn new_files_get_ids_that_were_never_used() {
    let fs = Fs::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..300 {
        assert!(seen.insert(fs.make_at("file", NewNode::File).inode));
        fs.remove_file("file");
    }
}

#[test]
fn a_host_is_told_which_nodes_it_knows_those_from_before_a_switch_too() {
    let fs = Fs::new();
    ["a", "b", "c"].iter().for_each(|name| fs.write_file(name, name));
    let mut known = ["a", "b"].map(|name| fs.lookup(&ROOT, NodeId::ROOT, name.as_bytes()).unwrap().node).to_vec();
    fs.switch(RefId::Branch(fs.branch("other", fs.main()))).unwrap();
    known.push(fs.lookup(&ROOT, NodeId::ROOT, b"c").unwrap().node);
    known.push(fs.lookup(&ROOT, NodeId::ROOT, b"a").unwrap().node);
    let told = || {
        let mut nodes = fs.known_nodes();
        nodes.sort_unstable();
        nodes
    };
    known.sort_unstable();
    assert_eq!(told(), known, "neither the root nor what was never looked up");
    fs.forget(known.remove(0), 1);
    assert_eq!(told(), known);
    known.iter().for_each(|&node| fs.forget(node, 1));
    assert_eq!(told(), []);
}

#[test]
fn many_nodes_are_forgotten_at_a_time_as_they_are_one_by_one() {
    let fs = Fs::new();
    // More than are taken at a time.
    let names: Vec<String> = (0..600).map(|n| format!("file-{n}")).collect();
    names.iter().for_each(|name| fs.write_file(name, name));
    let look = |name: &String| fs.lookup(&ROOT, NodeId::ROOT, name.as_bytes()).unwrap().node;
    let before: Vec<NodeId> = names.iter().map(look).collect();
    assert_eq!(look(&names[0]), before[0]);
    fs.remove_file(&names[1]);
    fs.switch(RefId::Branch(fs.branch("other", fs.main()))).unwrap();
    let after: Vec<NodeId> = names[2..].iter().map(look).collect();
    assert_eq!(fs.known_nodes().len(), 600 + 598);

    let others = [NodeId::ROOT, NodeId(u64::MAX), before[5], after[5]];
    let all = before.iter().chain(&after).chain(&others);
    fs.forget_many(all.map(|node| (*node, 1)));
    assert_eq!(fs.known_nodes(), [before[0]], "known twice, forgotten once");
    assert_eq!(fs.attr(before[1]), Err(Error::Stale), "it has no name");
    assert!(fs.attr(before[2]).is_ok() && fs.attr(after[2]).is_ok());
    fs.forget_many([(before[0], u64::MAX)]);
    assert_eq!((fs.known_nodes(), fs.attr(before[2])), (vec![], Err(Error::Stale)), "nothing is known from before");
    fs.forget_many([]);
}

#[test]
fn a_forgotten_node_without_names_is_stale() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let node = fs.node("file");
    assert_eq!(fs.lookup(&ROOT, NodeId::ROOT, b"file").unwrap().node, node);
    assert_eq!(fs.reference_count(), 1, "one node, known twice");
    fs.remove_file("file");
    fs.forget(node, 1);
    assert!(fs.attr(node).is_ok(), "known once still");
    fs.forget(node, 1);
    assert_eq!(fs.attr(node), Err(Error::Stale));
    assert_eq!(fs.reference_count(), 0);
    fs.forget(node, 7);
    assert_eq!(fs.attr(NodeId(0)), Err(Error::Stale));
    assert_eq!(fs.attr(NodeId(u64::MAX)), Err(Error::Stale));
}
