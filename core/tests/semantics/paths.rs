//! Paths: path_resolution(7) and what open(2) makes of them.

use bough::limits::{PATH_BYTES, SYMLINKS};
use bough::{Config, Error, FileKind, Follow, NamePolicy, NewNode, NodeId, OpenOptions, PathAt};

use crate::support::*;

const EXCLUSIVE: OpenOptions = OpenOptions { exclusive: true, ..WRITE };

fn attr(fs: &Fs, path: &str) -> bough::Result<FileKind> {
    fs.path_attr(&ROOT, at(path)).map(|attr| attr.kind)
}

fn create(fs: &Fs, path: &str, options: OpenOptions) -> bough::Result<()> {
    fs.path_open(&ROOT, at(path), options, Some(0o644)).map(|handle| fs.release(handle).unwrap())
}

/// `l0` leads to `target`, and each further one to the one before.
fn chain(fs: &Fs, target: &str, links: u32) -> String {
    fs.symlink(target, "l0");
    (1..links).for_each(|number| fs.symlink(&format!("l{}", number - 1), &format!("l{number}")));
    format!("l{}", links - 1)
}

#[test]
fn slashes_and_dots_lead_where_they_say() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    fs.write_file("a/b/file", "x");
    let id = fs.stat("a/b/file").inode;
    for path in ["/a/b/file", "a//b///file", "./a/./b/file", "a/../a/b/../b/file", "/../../a/b/file"] {
        assert_eq!(fs.stat(path).inode, id, "{path}");
    }
    for path in ["/", "//", ".", "..", "/.", "a/..", "a/b/../.."] {
        assert_eq!(fs.stat(path).inode.0, 1, "{path}");
    }
}

#[test]
fn relative_paths_begin_where_they_are_told() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    fs.write_file("a/file", "x");
    let b = fs.node("a/b");
    let from_b = |path: &'static str| PathAt { start: b, path: path.as_bytes(), follow: Follow::Yes };
    assert_eq!(fs.path_attr(&ROOT, from_b("../file")).unwrap(), fs.stat("a/file"));
    assert_eq!(fs.path_attr(&ROOT, from_b("/a/file")).unwrap(), fs.stat("a/file"));
    fs.path_make(&ROOT, from_b("new"), 0o755, NewNode::Directory).unwrap();
    assert!(fs.exists("a/b/new"));
    fs.path_link(&ROOT, from_b("../file"), from_b("linked")).unwrap();
    assert!(fs.exists("a/b/linked"));
}

#[test]
fn bad_paths_are_told_apart() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("file", "");
    let table = [
        ("", Error::NotFound),
        ("none", Error::NotFound),
        ("none/x", Error::NotFound),
        ("dir/none", Error::NotFound),
        ("file/x", Error::NotADirectory),
        ("file/.", Error::NotADirectory),
        ("file/..", Error::NotADirectory),
        ("file/", Error::NotADirectory),
    ];
    for (path, error) in table {
        assert_eq!(attr(&fs, path), Err(error), "{path}");
    }
    assert!(matches!(attr(&fs, "a\0b"), Err(Error::Invalid(_))));
    assert_eq!(attr(&fs, &"x".repeat(256)), Err(Error::NameTooLong));
    assert_eq!(attr(&fs, "dir/"), Ok(FileKind::Directory));
}

#[test]
fn a_path_has_at_most_32_767_bytes() {
    let fs = Fs::new();
    fs.mkdir_p("d");
    assert_eq!(attr(&fs, &format!("{}d", "./".repeat(PATH_BYTES / 2))), Ok(FileKind::Directory));
    assert_eq!(attr(&fs, &format!("{}dd", "./".repeat(PATH_BYTES / 2))), Err(Error::NameTooLong));
    assert_eq!(create(&fs, &"/".repeat(PATH_BYTES + 1), WRITE), Err(Error::NameTooLong));
}

#[test]
fn directories_nest_without_limit() {
    let fs = Fs::new();
    let mut here = NodeId::ROOT;
    for _ in 0..20_000 {
        here = fs.make(&ROOT, here, b"d", 0o755, NewNode::Directory).unwrap().node;
    }
    let deep = fs.path_attr(&ROOT, at(&"d/".repeat(16_000))).unwrap();
    assert_eq!(deep.kind, FileKind::Directory);
    assert_eq!(
        fs.move_as("d", &format!("{}x", "d/".repeat(16_000)), bough::RenameMode::Replace),
        Err(Error::IntoItself)
    );
}

#[test]
fn symbolic_links_are_followed_in_the_middle_and_at_the_end_if_asked() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    fs.write_file("a/b/file", "x");
    fs.symlink("a/b", "relative");
    fs.symlink("/a/b", "a/absolute");
    fs.symlink("../b/file", "a/b/up");
    fs.symlink("file", "a/b/same");
    for path in ["relative/file", "a/absolute/file", "a/b/up", "a/b/same", "relative/same", "a/absolute/../b/file"] {
        assert_eq!(attr(&fs, path), Ok(FileKind::File), "{path}");
    }
    assert_eq!(fs.stat("relative").kind, FileKind::Symlink);
    assert_eq!(fs.stat("relative/").kind, FileKind::Directory, "a trailing slash follows");
    assert_eq!(fs.stat("relative/.").kind, FileKind::Directory);
    assert_eq!(fs.stat("relative/same").kind, FileKind::Symlink);
}

#[test]
fn forty_symbolic_links_are_followed_and_forty_one_are_not() {
    assert_eq!(SYMLINKS, 40);
    let fs = Fs::new();
    fs.write_file("target", "x");
    let last = chain(&fs, "target", 41);
    assert_eq!(last, "l40");
    assert_eq!(attr(&fs, "l39"), Ok(FileKind::File));
    assert_eq!(attr(&fs, "l40"), Err(Error::TooManySymlinks));
    assert_eq!(fs.stat("l40").kind, FileKind::Symlink, "the last is not followed here");
}

#[test]
fn links_in_all_components_count_together() {
    let fs = Fs::new();
    fs.mkdir_p("d");
    fs.symlink(".", "d/here");
    fs.write_file("d/file", "");
    assert_eq!(attr(&fs, &format!("d/{}file", "here/".repeat(40))), Ok(FileKind::File));
    assert_eq!(attr(&fs, &format!("d/{}file", "here/".repeat(41))), Err(Error::TooManySymlinks));
}

#[test]
fn a_link_that_leads_to_itself_never_ends_anything() {
    let fs = Fs::new();
    fs.symlink("loop", "loop");
    fs.symlink("b", "a");
    fs.symlink("a", "b");
    for path in ["loop", "a", "loop/x", "a/"] {
        assert_eq!(attr(&fs, path), Err(Error::TooManySymlinks), "{path}");
        assert_eq!(create(&fs, path, WRITE), Err(Error::TooManySymlinks), "{path}");
    }
}

#[test]
fn a_target_that_makes_the_path_too_long_is_refused() {
    let fs = Fs::new();
    fs.symlink(&"./".repeat(2000), "here");
    assert_eq!(attr(&fs, &format!("here/{}", "./".repeat(16_000))), Err(Error::NameTooLong));
}

#[test]
fn opening_a_symbolic_link_itself_is_refused() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    fs.symlink("file", "link");
    assert_eq!(fs.path_open(&ROOT, at("link").no_follow(), READ, None), Err(Error::TooManySymlinks));
    assert!(fs.path_open(&ROOT, at("link"), READ, None).is_ok());
}

#[test]
fn opening_to_create_follows_dangling_links() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.symlink("dir/new", "link");
    fs.symlink("../link2", "dir/there");
    fs.symlink("dir/second", "link2");
    assert_eq!(create(&fs, "link", WRITE), Ok(()));
    assert_eq!(fs.stat("dir/new").kind, FileKind::File);
    assert_eq!(create(&fs, "dir/there", WRITE), Ok(()));
    assert_eq!(fs.stat("dir/second").kind, FileKind::File);
    fs.symlink("none/x", "lost");
    assert_eq!(create(&fs, "lost", WRITE), Err(Error::NotFound));
    let no_follow = fs.path_open(&ROOT, at("lost").no_follow(), WRITE, Some(0o644));
    assert_eq!(no_follow, Err(Error::TooManySymlinks));
}

#[test]
fn forty_dangling_links_are_followed_to_create_and_forty_one_are_not() {
    let fs = Fs::new();
    chain(&fs, "target", 41);
    assert_eq!(create(&fs, "l40", WRITE), Err(Error::TooManySymlinks));
    assert!(!fs.exists("target"));
    assert_eq!(create(&fs, "l39", WRITE), Ok(()));
    assert!(fs.exists("target"));
}

#[test]
fn a_dangling_link_with_two_names_leads_from_where_it_was_found() {
    let fs = Fs::new();
    fs.mkdir_p("a");
    fs.mkdir_p("b");
    fs.symlink("target", "a/link");
    fs.hard_link("a/link", "b/link");
    assert_eq!(create(&fs, "b/link", WRITE), Ok(()));
    assert_eq!((fs.exists("a/target"), fs.exists("b/target")), (false, true));
}

#[test]
fn exclusive_creation_refuses_whatever_has_the_name() {
    let fs = Fs::new();
    fs.write_file("file", "kept");
    fs.symlink("none", "dangling");
    fs.mkdir_p("dir");
    for path in ["file", "dangling", "dir"] {
        assert_eq!(create(&fs, path, EXCLUSIVE), Err(Error::Exists), "{path}");
    }
    assert_eq!(create(&fs, "new", EXCLUSIVE), Ok(()));
    assert_eq!((fs.read_text("file"), fs.exists("none")), ("kept".into(), false));
}

#[test]
fn opening_to_create_never_opens_a_directory() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.symlink("dir", "link");
    for options in [READ, WRITE, BOTH] {
        for path in ["dir", "dir/", "link", "/", "."] {
            assert_eq!(create(&fs, path, options), Err(Error::IsADirectory), "{path}");
        }
        let by_node = fs.create(&ROOT, NodeId::ROOT, b"dir", 0o644, options);
        assert_eq!(by_node, Err(Error::IsADirectory));
    }
    assert_eq!(create(&fs, "new/", WRITE), Err(Error::IsADirectory));
    assert!(!fs.exists("new"));
}

#[test]
fn opening_asks_for_the_kind_it_wants() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("file", "");
    let open = |path, options| fs.path_open(&ROOT, at(path), options, None).map(drop);
    let directory = OpenOptions { directory: true, ..READ };
    assert_eq!(open("dir", directory), Ok(()));
    assert_eq!(open("file", directory), Err(Error::NotADirectory));
    for options in [WRITE, BOTH, APPEND, OpenOptions { truncate: true, ..READ }] {
        assert_eq!(open("dir", options), Err(Error::IsADirectory));
    }
    assert_eq!(open("none", READ), Err(Error::NotFound));
}

#[test]
fn a_trailing_slash_means_a_directory() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    fs.mkdir_p("dir");
    fs.symlink("dir", "link");
    assert_eq!(fs.path_unlink(&ROOT, at("file/")), Err(Error::NotADirectory));
    assert_eq!(fs.path_unlink(&ROOT, at("dir/")), Err(Error::IsADirectory));
    assert_eq!(fs.path_unlink(&ROOT, at("link/")), Err(Error::NotADirectory));
    assert_eq!(fs.path_unlink(&ROOT, at("none/")), Err(Error::NotFound));
    assert_eq!(fs.path_link(&ROOT, at("file"), at("new/")), Err(Error::NotFound));
    assert_eq!(fs.path_make(&ROOT, at("new/"), 0o644, NewNode::File), Err(Error::NotFound));
    assert_eq!(fs.path_make(&ROOT, at("new/"), 0o644, NewNode::Symlink(b"x")), Err(Error::NotFound));
    assert_eq!(fs.path_make(&ROOT, at("file/"), 0o644, NewNode::File), Err(Error::Exists));
    assert!(fs.path_make(&ROOT, at("new//"), 0o755, NewNode::Directory).is_ok());
    assert_eq!(fs.path_rmdir(&ROOT, at("link/")), Err(Error::NotADirectory));
    assert_eq!(fs.path_rmdir(&ROOT, at("new/")), Ok(()));
}

#[test]
fn the_dots_are_neither_made_nor_removed() {
    let fs = Fs::new();
    fs.mkdir_p("dir/sub");
    for path in ["/", ".", "..", "dir/.", "dir/.."] {
        assert_eq!(fs.path_make(&ROOT, at(path), 0o755, NewNode::Directory), Err(Error::Exists), "{path}");
        assert_eq!(fs.path_unlink(&ROOT, at(path)), Err(Error::IsADirectory), "{path}");
    }
    assert!(matches!(fs.path_rmdir(&ROOT, at("dir/sub/.")), Err(Error::Invalid(_))));
    assert_eq!(fs.path_rmdir(&ROOT, at("dir/sub/..")), Err(Error::NotEmpty));
}

#[test]
fn operations_on_a_link_itself_do_not_follow_it() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    fs.symlink("file", "link");
    let set = bough::SetAttr { uid: Some(7), ..Default::default() };
    fs.path_set_attr(&ROOT, at("link").no_follow(), &set).unwrap();
    assert_eq!((fs.stat("link").uid, fs.stat("file").uid), (7, 0));
    fs.path_set_attr(&ROOT, at("link"), &set).unwrap();
    assert_eq!(fs.stat("file").uid, 7);
    fs.remove_file("link");
    assert!(fs.exists("file"));
}

#[test]
fn a_path_lookup_counts_one_reference_and_other_operations_none() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    fs.write_file("a/b/file", "x");
    fs.read_file("a/b/file");
    assert_eq!(fs.reference_count(), 0);
    let node = fs.node("a/b/file");
    assert_eq!(fs.reference_count(), 1);
    fs.forget(node, 1);
    assert_eq!(fs.reference_count(), 0);
}

#[test]
fn the_path_of_a_node_is_told_as_its_names_are_stored() {
    let fs = Fs::of(Config { names: NamePolicy::Windows, root_mode: 0o777, ..Config::default() });
    fs.mkdir_p("Dir/Sub");
    fs.write_file("dir/sub/File", "");
    let (sub, file) = (fs.node("DIR/SUB"), fs.node("DIR/SUB/FILE"));
    assert_eq!(fs.path_of(NodeId::ROOT), Ok(b"/".to_vec()));
    assert_eq!(fs.path_of(file), Ok(b"/Dir/Sub/File".to_vec()));
    fs.move_to("dir/sub", "Elsewhere");
    assert_eq!((fs.path_of(sub), fs.path_of(file)), (Ok(b"/Elsewhere".to_vec()), Ok(b"/Elsewhere/File".to_vec())));
    fs.remove_file("elsewhere/file");
    assert_eq!(fs.path_of(file), Err(Error::NotFound));
    fs.forget(file, 1);
    assert_eq!(fs.path_of(file), Err(Error::Stale));
}
