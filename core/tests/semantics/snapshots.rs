//! Snapshots: they never change, they hold one moment, their names and their end.

use std::sync::atomic::{AtomicBool, Ordering};

use bough::{Error, Mask, NewNode, NodeId, RefId, RenameMode, SetAttr, ViewOptions, WriteAt, XattrMode};

use crate::support::*;

fn names(fs: &Fs) -> Vec<String> {
    fs.volume.list_refs(None, 100).iter().map(|info| info.name.to_string()).collect()
}

/// A tree with something of everything.
fn planted() -> Fs {
    let fs = Fs::new();
    fs.mkdir_p("dir/sub");
    fs.write_file("small", "small");
    fs.write_file("dir/large", vec![7; 3 * CHUNK as usize]);
    fs.symlink("small", "link");
    fs.hard_link("small", "dir/second");
    fs.path_set_xattr(&ROOT, at("small"), b"user.x", b"old", XattrMode::Set).unwrap();
    (0..200).for_each(|number| fs.write_file(&format!("dir/sub/f{number}"), number.to_string()));
    fs
}

#[test]
fn a_snapshot_never_changes() {
    let fs = planted();
    let frozen = fs.frozen("s");
    let (tree, small, large) = (frozen.tree(), frozen.stat("small"), frozen.stat("dir/large"));
    let open = fs.open("dir/large", BOTH);
    let changes: [&dyn Fn(); 16] = [
        &|| fs.write_file("small", "changed"),
        &|| fs.put(open, CHUNK + 5, "changed"),
        &|| fs.truncate("dir/large", 10),
        &|| fs.chmod("small", 0o600),
        &|| fs.chown("dir", 7, 7),
        &|| fs.move_to("small", "dir/moved"),
        &|| fs.move_as("dir/moved", "link", RenameMode::Exchange).unwrap(),
        &|| fs.remove_file("dir/second"),
        &|| fs.path_set_xattr(&ROOT, at("link"), b"user.x", b"new", XattrMode::Set).unwrap(),
        &|| fs.move_to("dir", "elsewhere"),
        &|| (0..200).for_each(|number| fs.remove_file(&format!("elsewhere/sub/f{number}"))),
        &|| fs.remove_dir("elsewhere/sub"),
        &|| fs.write_file("new", vec![1; 100_000]),
        &|| drop(fs.allocate(&ROOT, NodeId::ROOT, Some(open), 0, CHUNK, bough::Allocation::Zero { keep_size: false })),
        &|| fs.write_file("elsewhere/large", "other"),
        &|| assert_ne!(fs.snapshot("later").0, 0),
    ];
    for (number, change) in changes.iter().enumerate() {
        change();
        assert_eq!((frozen.stat("small"), frozen.stat("dir/large")), (small, large), "change {number}");
    }
    assert_eq!(frozen.tree(), tree);
    assert_eq!(&*frozen.path_get_xattr(&ROOT, at("small"), b"user.x").unwrap(), b"old");
}

#[test]
fn nothing_can_be_changed_through_a_view_of_a_snapshot() {
    let fs = planted();
    let frozen = fs.frozen("s");
    assert!(frozen.info().read_only);
    let read_only = Error::ReadOnly;
    let (root, small) = (NodeId::ROOT, frozen.node("small"));
    assert_eq!(frozen.path_make(&ROOT, at("new"), 0, NewNode::File).err(), Some(read_only.clone()));
    assert_eq!(frozen.path_make(&ROOT, at("new"), 0, NewNode::Directory).err(), Some(read_only.clone()));
    assert_eq!(frozen.path_unlink(&ROOT, at("small")), Err(read_only.clone()));
    assert_eq!(frozen.path_rmdir(&ROOT, at("dir/sub")), Err(read_only.clone()));
    assert_eq!(frozen.move_as("small", "x", RenameMode::Replace), Err(read_only.clone()));
    assert_eq!(frozen.path_link(&ROOT, at("small"), at("x")).err(), Some(read_only.clone()));
    for options in [WRITE, BOTH, APPEND, bough::OpenOptions { truncate: true, ..READ }] {
        assert_eq!(frozen.path_open(&ROOT, at("small"), options, None), Err(read_only.clone()));
    }
    assert_eq!(frozen.path_open(&ROOT, at("new"), WRITE, Some(0o644)), Err(read_only.clone()));
    assert_eq!(frozen.create_unnamed(&ROOT, root, 0, BOTH).err(), Some(read_only.clone()));
    assert_eq!(frozen.write(&ROOT, small, None, WriteAt::End, b"x"), Err(read_only.clone()));
    let set = SetAttr { mode: Some(0), ..SetAttr::default() };
    assert_eq!(frozen.path_set_attr(&ROOT, at("small"), &set), Err(read_only.clone()));
    let xattr = frozen.path_set_xattr(&ROOT, at("small"), b"user.y", b"", XattrMode::Set);
    assert_eq!(xattr, Err(read_only.clone()));
    let reserve = bough::Allocation::Reserve { keep_size: false };
    assert_eq!(frozen.allocate(&ROOT, small, None, 0, 9, reserve), Err(read_only.clone()));
    assert!(frozen.copy_range(&ROOT, small, None, 0, frozen.node("dir/large"), None, 0, 1).is_err());
    assert_eq!(frozen.path_access(&ROOT, at("small"), Mask::WRITE), Err(read_only));
    assert_eq!(frozen.path_access(&ROOT, at("small"), Mask::READ), Ok(()));
}

#[test]
fn reading_a_snapshot_leaves_its_access_times_alone() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "x");
    let frozen = fs.frozen("s");
    clock.forward(10 * 24 * 3600);
    frozen.read_file("file");
    frozen.names("/");
    assert_eq!((frozen.stat("file").accessed.seconds(), frozen.stat("/").accessed.seconds()), (1000, 1000));
}

#[test]
fn a_snapshot_holds_every_operation_wholly_or_not_at_all() {
    let fs = Fs::new();
    fs.mkdir_p("a");
    fs.mkdir_p("b");
    fs.write_file("a/file", [0; 1000]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let changing = |work: &'static (dyn Fn(&Fs, u8) + Sync)| {
            let (fs, done) = (&fs, &done);
            scope.spawn(move || {
                (0..).take_while(|_| !done.load(Ordering::Relaxed)).for_each(|round| work(fs, round as u8))
            });
        };
        changing(&|fs, round| match round % 2 {
            0 => drop(fs.move_as("a/file", "b/file", RenameMode::Replace)),
            _ => drop(fs.move_as("b/file", "a/file", RenameMode::Replace)),
        });
        changing(&|fs, round| {
            fs.mkdir_p("a/dir");
            drop(fs.move_as("a/dir", "b/dir", RenameMode::Replace));
            drop(fs.path_rmdir(&ROOT, at("b/dir")));
            drop(fs.path_write(&ROOT, at("whole"), &[round; 200_000]));
        });
        for number in 0..60 {
            let frozen = fs.frozen(&format!("s{number}"));
            let places = ["a/file", "b/file"].iter().filter(|path| frozen.exists(path)).count();
            assert_eq!(places, 1, "a rename is one step");
            let links = |path| frozen.stat(path).links - 2;
            let dirs = u32::from(frozen.exists("a/dir")) + u32::from(frozen.exists("b/dir"));
            assert_eq!(links("a") + links("b"), dirs, "names and counts agree");
            if frozen.exists("whole") {
                let whole = frozen.read_file("whole");
                assert!(whole.iter().all(|&byte| byte == whole[0]), "a write is one step");
                assert!([0, 200_000].contains(&whole.len()));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_snapshot_without_a_name_is_called_by_its_branch_and_a_number() {
    let fs = Fs::new();
    let main = fs.volume.first_branch();
    let name = |branch| {
        let id = fs.volume.create_snapshot(branch, None).unwrap();
        fs.volume.ref_info(RefId::Snapshot(id)).unwrap().name.to_string()
    };
    assert_eq!((name(main), name(main)), ("main@1".into(), "main@2".into()));
    fs.snapshot("main@3");
    assert_eq!(name(main), "main@4", "a name that is taken is passed over");
    let other = fs.branch("other", fs.main());
    assert_eq!(name(other), "other@1");
    fs.volume.rename_ref(RefId::Branch(other), "renamed").unwrap();
    assert_eq!(name(other), "renamed@2");
    let gone = fs.volume.find("main@4").unwrap();
    fs.volume.delete_ref(gone).unwrap();
    assert_eq!(name(main), "main@5", "numbers are not used again");
}

#[test]
fn the_automatic_name_of_a_long_branch_name_is_cut_between_characters() {
    let fs = Fs::new();
    let long = format!("{}é", "x".repeat(253));
    let branch = fs.branch(&long, fs.main());
    let id = fs.volume.create_snapshot(branch, None).unwrap();
    let name = fs.volume.ref_info(RefId::Snapshot(id)).unwrap().name;
    assert_eq!(*name, *format!("{}@1", "x".repeat(253)));
}

#[test]
fn names_of_branches_and_snapshots_follow_the_rules_and_share_one_space() {
    let fs = Fs::new();
    let main = fs.volume.first_branch();
    let bad = ["", ".", "..", "-x", "a/b", "a\nb", "a\0", " a", "a ", "\u{7f}", "a\u{85}b"];
    for name in bad.iter().copied().chain([&*"x".repeat(256)]) {
        assert!(matches!(bough::check_ref_name(name), Err(Error::BadRefName(_))), "{name:?}");
        assert!(matches!(fs.volume.create_snapshot(main, Some(name)), Err(Error::BadRefName(_))), "{name:?}");
        assert!(matches!(fs.volume.create_branch(name, fs.main()), Err(Error::BadRefName(_))), "{name:?}");
        assert!(matches!(fs.volume.rename_ref(fs.main(), name), Err(Error::BadRefName(_))), "{name:?}");
    }
    for name in ["a", "...", "a b", "a-", "日本", "a@1", "a\\b", &"x".repeat(255)] {
        fs.snapshot(name);
        assert_eq!(fs.volume.create_branch(name, fs.main()), Err(Error::RefExists));
        assert_eq!(fs.volume.create_snapshot(main, Some(name)), Err(Error::RefExists));
        assert_eq!(fs.volume.rename_ref(fs.main(), name), Err(Error::RefExists));
    }
    assert_eq!(fs.volume.create_snapshot(main, Some("main")), Err(Error::RefExists));
    assert_eq!(names(&fs).len(), 9);
}

#[test]
fn renaming_keeps_everything_but_the_name() {
    let fs = planted();
    let id = RefId::Snapshot(fs.snapshot("old"));
    let before = fs.volume.ref_info(id).unwrap();
    fs.volume.rename_ref(id, "new").unwrap();
    fs.volume.rename_ref(id, "new").unwrap();
    assert_eq!(fs.volume.ref_info(id).unwrap(), bough::RefInfo { name: "new".into(), ..before });
    assert_eq!((fs.volume.find("new"), fs.volume.find("old")), (Ok(id), Err(Error::NoSuchRef)));
    fs.snapshot("old");
    assert_eq!(fs.volume.rename_ref(RefId::Snapshot(bough::SnapshotId(99)), "x"), Err(Error::NoSuchRef));
}

#[test]
fn a_snapshot_cannot_be_deleted_while_a_view_shows_it() {
    let fs = planted();
    let id = RefId::Snapshot(fs.snapshot("s"));
    let view = fs.view_of(id);
    assert!(matches!(fs.volume.delete_ref(id), Err(Error::Busy(_))));
    assert_eq!(view.read_text("small"), "small");
    drop(view);
    assert_eq!(fs.volume.delete_ref(id), Ok(()));
    assert_eq!(fs.volume.delete_ref(id), Err(Error::NoSuchRef));
    assert!(matches!(fs.volume.view(id, "x", ViewOptions::default()).err(), Some(Error::NoSuchRef)));
}

#[test]
fn deleting_a_snapshot_leaves_what_grew_from_it_whole() {
    let fs = planted();
    let before = fs.tree();
    let id = RefId::Snapshot(fs.snapshot("s"));
    let branch = fs.branch("b", id);
    fs.volume.delete_ref(id).unwrap();
    fs.remove_file("dir/large");
    let grown = fs.view_of(RefId::Branch(branch));
    assert_eq!(grown.tree(), before);
    grown.write_file("small", "grown");
    assert_eq!(fs.read_text("small"), "small");
}

#[test]
fn snapshots_are_taken_of_branches_that_nobody_views() {
    let fs = planted();
    let branch = fs.branch("b", fs.main());
    let id = fs.volume.create_snapshot(branch, Some("s")).unwrap();
    assert_eq!(fs.view_of(RefId::Snapshot(id)).tree(), fs.tree());
    assert_eq!(fs.volume.create_snapshot(bough::BranchId(99), None), Err(Error::NoSuchRef));
    assert_eq!(fs.volume.create_snapshot(bough::BranchId(99), Some("x")), Err(Error::NoSuchRef));
}

#[test]
fn a_snapshot_takes_the_same_time_at_any_size() {
    let fs = Fs::new();
    let median = || {
        let mut times: Vec<_> = (0..101)
            .map(|_| {
                let begun = std::time::Instant::now();
                fs.volume.create_snapshot(fs.volume.first_branch(), None).unwrap();
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[50]
    };
    median();
    let empty = median();
    (0..20_000).for_each(|number| fs.write_file(&format!("f{number}"), ""));
    let full = median();
    // A copy of 20,000 entries would take milliseconds.
    assert!(full < empty * 20 + std::time::Duration::from_micros(300), "{empty:?} empty, {full:?} full");
}

#[test]
fn a_latched_volume_refuses_every_change_and_stays_readable() {
    let fs = planted();
    let handle = fs.open("small", BOTH);
    let second = fs.view_of(fs.main());
    fs.volume.latch_read_only();
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::End, b"x"), Err(Error::ReadOnly));
    assert_eq!(fs.path_make(&ROOT, at("new"), 0, NewNode::File).err(), Some(Error::ReadOnly));
    assert_eq!(second.path_unlink(&ROOT, at("small")), Err(Error::ReadOnly));
    assert_eq!(second.path_open(&ROOT, at("small"), WRITE, None), Err(Error::ReadOnly));
    assert!(second.info().read_only);
    assert_eq!((second.read_text("small"), fs.get(handle, 0, 9)), ("small".into(), b"small".to_vec()));
    fs.release(handle).unwrap();
}

#[test]
fn a_read_only_view_refuses_what_another_of_the_same_branch_may() {
    let fs = planted();
    let options = ViewOptions { read_only: true, ..ViewOptions::default() };
    let view = fs.volume.view(fs.main(), "ro", options).unwrap();
    assert_eq!(view.path_unlink(&ROOT, at("small")), Err(Error::ReadOnly));
    fs.write_file("small", "changed");
    assert_eq!(view.read_text("small"), "changed");
}
