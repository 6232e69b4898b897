//! Branches: growing, diverging, nesting, lineage, deletion.

use bough::{BranchId, Error, RefId, SnapshotId, ViewOptions};

use crate::support::*;

fn info(fs: &Fs, id: RefId) -> bough::RefInfo {
    fs.volume.ref_info(id).unwrap()
}

fn parent(fs: &Fs, name: &str) -> Option<String> {
    let id = fs.volume.find(name).unwrap();
    info(fs, id).parent.map(|id| info(fs, id).name.to_string())
}

fn delete(fs: &Fs, name: &str) {
    fs.volume.delete_ref(fs.volume.find(name).unwrap()).unwrap();
}

#[test]
fn a_branch_begins_as_what_it_grew_from_and_then_has_nothing_to_do_with_it() {
    let fs = Fs::new();
    fs.write_file("file", "base");
    fs.write_file("large", vec![1; 2 * CHUNK as usize]);
    for (name, from) in [("from a snapshot", RefId::Snapshot(fs.snapshot("s"))), ("from a branch", fs.main())] {
        let branch = fs.view_of(RefId::Branch(fs.branch(name, from)));
        assert_eq!(branch.tree(), fs.tree());
        branch.write_file("file", name);
        branch.write_file("only here", "");
        branch.remove_file("large");
        assert_eq!((fs.read_text("file"), fs.names("/").len()), ("base".into(), 2));
        fs.chmod("file", 0o600);
        assert_eq!(branch.read_text("file"), name);
        assert_eq!(branch.stat("file").mode, 0o666);
        fs.chmod("file", 0o666);
    }
    assert_eq!(fs.view_of(fs.volume.find("s").unwrap()).read_text("file"), "base");
}

#[test]
fn a_branch_from_a_branch_has_all_that_was_written_before() {
    let fs = Fs::new();
    let handle = fs.path_open(&ROOT, at("open"), BOTH, Some(0o644)).unwrap();
    fs.put(handle, 0, "written");
    let branch = fs.view_of(RefId::Branch(fs.branch("b", fs.main())));
    fs.put(handle, 0, "WRITTEN");
    assert_eq!(branch.read_text("open"), "written");
}

#[test]
fn the_same_file_has_the_same_inode_everywhere_and_new_files_have_new_ones() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let first = fs.view_of(RefId::Branch(fs.branch("a", fs.main())));
    let second = fs.view_of(RefId::Branch(fs.branch("b", fs.main())));
    let mut seen = std::collections::HashSet::new();
    for number in 0..200 {
        for view in [&fs.view, &first, &second] {
            let name = format!("n{number}");
            view.write_file(&name, "");
            assert!(seen.insert(view.stat(&name).inode));
        }
    }
    assert_eq!(fs.stat("file").inode, first.stat("file").inode);
    assert_eq!(fs.stat("file").inode, second.stat("file").inode);
}

#[test]
fn branches_nest_without_limit_and_each_tree_is_complete() {
    let fs = Fs::new();
    fs.write_file("base", "base");
    let mut from = fs.main();
    for depth in 0..1000 {
        from = RefId::Branch(fs.branch(&format!("b{depth}"), from));
        if depth % 100 == 0 {
            fs.view_of(from).write_file(&format!("f{depth}"), depth.to_string());
        }
    }
    (0..999).for_each(|depth| delete(&fs, &format!("b{depth}")));
    let deepest = fs.view_of(from);
    assert_eq!((deepest.read_text("base"), deepest.names("/").len()), ("base".into(), 11));
    assert_eq!(deepest.read_text("f900"), "900");
    assert_eq!(parent(&fs, "b999"), Some("main".into()));
}

#[test]
fn a_branch_keeps_its_changes_while_nobody_views_it() {
    let fs = Fs::new();
    let id = RefId::Branch(fs.branch("b", fs.main()));
    for round in 0..3 {
        let view = fs.view_of(id);
        view.write_file(&format!("f{round}"), "kept");
        drop(view);
    }
    assert_eq!(fs.view_of(id).names("/"), ["f0", "f1", "f2"]);
    assert_eq!(info(&fs, id).inodes, 4);
}

#[test]
fn files_open_when_the_last_view_ends_do_not_come_back() {
    let fs = Fs::new();
    let id = RefId::Branch(fs.branch("b", fs.main()));
    let view = fs.view_of(id);
    view.write_file("file", vec![1; CHUNK as usize]);
    let _handle = view.open("file", READ);
    view.remove_file("file");
    drop(view);
    assert_eq!((fs.volume.stats().chunks, info(&fs, id).inodes), (0, 1));
}

#[test]
fn the_lineage_is_what_grew_from_what() {
    let fs = Fs::new();
    assert_eq!(parent(&fs, "main"), None);
    fs.snapshot("s1");
    assert_eq!(
        (parent(&fs, "s1"), parent(&fs, "main")),
        (None, Some("s1".into())),
        "a branch grows on from its snapshot"
    );
    fs.snapshot("s2");
    assert_eq!((parent(&fs, "s2"), parent(&fs, "main")), (Some("s1".into()), Some("s2".into())));
    fs.branch("b", fs.volume.find("s1").unwrap());
    fs.branch("c", fs.main());
    assert_eq!((parent(&fs, "b"), parent(&fs, "c")), (Some("s1".into()), Some("main".into())));
    let children = |name| info(&fs, fs.volume.find(name).unwrap()).children;
    assert_eq!((children("s1"), children("s2"), children("main"), children("c")), (2, 1, 1, 0));
}

#[test]
fn what_grew_from_a_deleted_parent_counts_as_grown_from_the_grandparent() {
    let fs = Fs::new();
    fs.snapshot("s1");
    fs.snapshot("s2");
    fs.branch("b", fs.volume.find("s2").unwrap());
    fs.branch("c", fs.volume.find("b").unwrap());
    delete(&fs, "s2");
    assert_eq!((parent(&fs, "main"), parent(&fs, "b")), (Some("s1".into()), Some("s1".into())));
    delete(&fs, "b");
    assert_eq!(parent(&fs, "c"), Some("s1".into()));
    delete(&fs, "s1");
    assert_eq!((parent(&fs, "c"), parent(&fs, "main")), (None, None));
}

#[test]
fn a_branch_cannot_be_deleted_while_a_view_shows_it_and_the_last_never() {
    let fs = Fs::new();
    let id = RefId::Branch(fs.branch("b", fs.main()));
    let (first, second) = (fs.view_of(id), fs.view_of(id));
    assert_eq!(info(&fs, id).views, 2);
    drop(first);
    assert!(matches!(fs.volume.delete_ref(id), Err(Error::Busy(_))));
    drop(second);
    assert_eq!(fs.volume.delete_ref(id), Ok(()));
    fs.snapshot("s");
    assert!(matches!(fs.volume.delete_ref(fs.main()), Err(Error::Busy(_))));
    let main = fs.main();
    let Fs { volume, view, .. } = fs;
    drop(view);
    assert!(matches!(volume.delete_ref(main), Err(Error::Busy(_))), "the last branch, viewed or not");
    volume.create_branch("other", volume.find("s").unwrap()).unwrap();
    assert_eq!(volume.delete_ref(main), Ok(()));
    assert_eq!(volume.list_refs(None, 9).len(), 2);
}

#[test]
fn unknown_branches_and_snapshots_are_said_to_be_unknown() {
    let fs = Fs::new();
    for id in [RefId::Branch(BranchId(77)), RefId::Snapshot(SnapshotId(77)), RefId::Snapshot(SnapshotId(1))] {
        assert_eq!(fs.volume.ref_info(id), Err(Error::NoSuchRef));
        assert_eq!(fs.volume.create_branch("x", id), Err(Error::NoSuchRef));
        assert_eq!(fs.volume.delete_ref(id), Err(Error::NoSuchRef));
        assert_eq!(fs.volume.diff(fs.main(), id).err(), Some(Error::NoSuchRef));
        assert_eq!(fs.switch(id), Err(Error::NoSuchRef));
    }
    assert_eq!(fs.volume.find("none"), Err(Error::NoSuchRef));
}

#[test]
fn listings_go_by_age_in_pages_and_count_what_there_is() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "");
    let mut expected = vec!["main".to_string()];
    for number in 0..25 {
        let now = clock.forward(1);
        let name = format!("r{number}");
        let id = match number % 2 {
            0 => RefId::Snapshot(fs.snapshot(&name)),
            _ => RefId::Branch(fs.branch(&name, fs.main())),
        };
        assert_eq!((info(&fs, id).created, info(&fs, id).inodes), (now, 2));
        expected.push(name);
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = fs.volume.list_refs(after, 4);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        all.extend(page.iter().map(|info| info.name.to_string()));
    }
    assert_eq!(all, expected);
    let stats = fs.volume.stats();
    assert_eq!((stats.branches, stats.snapshots, stats.views), (13, 13, 1));
}

#[test]
fn views_of_one_branch_see_each_others_changes_at_once() {
    let fs = Fs::new();
    let second = fs.view_of(fs.main());
    fs.write_file("file", "one");
    assert_eq!(second.read_text("file"), "one");
    second.write_file("file", "two");
    assert_eq!(fs.read_text("file"), "two");
    let labels: Vec<String> = fs.volume.views().iter().map(|view| view.label.to_string()).collect();
    assert_eq!(labels, ["test", "another"]);
    drop(second);
    assert_eq!(fs.volume.views().len(), 1);
}

#[test]
fn branches_that_write_at_once_do_not_disturb_each_other() {
    let fs = Fs::new();
    fs.write_file("shared", vec![0; 4 * CHUNK as usize]);
    std::thread::scope(|scope| {
        for thread in 1..=4_u8 {
            let fs = &fs;
            scope.spawn(move || {
                let view = fs.view_of(RefId::Branch(fs.branch(&format!("b{thread}"), fs.main())));
                let handle = view.open("shared", BOTH);
                for round in 0..50 {
                    view.put(handle, round * 5000, [thread; 5000]);
                    view.write_file(&format!("f{round}"), [thread; 10]);
                }
                assert_eq!(view.get(handle, 0, 250_000), vec![thread; 250_000]);
                assert_eq!(view.names("/").len(), 51);
            });
        }
    });
    assert_eq!(fs.read_file("shared"), vec![0; 4 * CHUNK as usize]);
}

#[test]
fn a_branch_is_deleted_as_it_was_seen_or_not_at_all() {
    let fs = Fs::new();
    let id = RefId::Branch(fs.branch("b", fs.main()));
    let changes = || info(&fs, id).changes;
    let seen = changes();
    let read_only = ViewOptions { read_only: true, ..ViewOptions::default() };
    drop(fs.volume.view(id, "reader", read_only).unwrap());
    fs.branch("grown from it", id);
    assert_eq!(changes(), seen, "who only reads changes nothing");
    fs.view_of(id).write_file("file", "");
    assert_eq!(fs.volume.delete_unchanged(id, seen), Err(Error::Stale));
    let (now, writer) = (changes(), fs.view_of(id));
    assert!(matches!(fs.volume.delete_unchanged(id, now), Err(Error::Busy(_))));
    drop(writer);
    assert_eq!(fs.volume.delete_unchanged(id, now), Err(Error::Stale), "it may have changed it");
    assert_eq!(fs.volume.delete_unchanged(id, changes()), Ok(()));
    assert_eq!(fs.volume.delete_unchanged(id, seen), Err(Error::NoSuchRef));
}

#[test]
fn a_branch_that_has_got_the_name_of_another_is_not_taken_for_it() {
    let fs = Fs::new();
    let grown = || {
        let id = RefId::Branch(fs.branch("b", fs.main()));
        fs.view_of(id).write_file("file", "");
        (id, info(&fs, id).changes)
    };
    let (first, seen) = grown();
    fs.volume.delete_ref(first).unwrap();
    let (second, now) = grown();
    assert_ne!(seen, now, "as many views, and yet");
    assert_eq!(fs.volume.delete_unchanged(second, seen), Err(Error::Stale));
    let other = RefId::Branch(fs.branch("other", fs.main()));
    assert!(![seen, now].contains(&info(&fs, other).changes));
}
