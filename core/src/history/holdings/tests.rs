#![allow(clippy::unwrap_used)]

use crate::types::RefId;
use crate::{Caller, Config, NewNode, NodeId, PathAt, View, ViewOptions, Volume};

const ROOT: Caller<'static> = Caller::superuser();

fn write(view: &View, path: String, content: &[u8]) {
    view.path_write(&ROOT, PathAt::root(path.as_bytes()), content).unwrap();
}

/// How many things are asked about to tell what the branch, and what its snapshot, hold alone, in a tree of so many
/// directories of 100 files of which three files changed since.
fn asked(directories: usize) -> [usize; 2] {
    let volume = Volume::open(Config { memory_bytes: Some(1 << 30), ..Config::default() }).unwrap();
    let branch = volume.first_branch();
    let view = volume.view(RefId::Branch(branch), "test", ViewOptions::default()).unwrap();
    for directory in 0..directories {
        view.make(&ROOT, NodeId::ROOT, format!("d{directory}").as_bytes(), 0o755, NewNode::Directory).unwrap();
        (0..100).for_each(|file| write(&view, format!("d{directory}/f{file}"), b"some content"));
    }
    let snapshot = volume.create_snapshot(branch, None).unwrap();
    (0..3).for_each(|file| write(&view, format!("d3/f{file}"), b"other content"));
    [RefId::Branch(branch), RefId::Snapshot(snapshot)].map(|id| {
        let reckoned = volume.refs.held(id).unwrap().0.reckoned();
        assert_eq!(reckoned.counted.inodes, 3, "{id:?}");
        reckoned.asked
    })
}

#[test]
fn what_is_held_alone_is_counted_without_a_look_at_what_is_shared() {
    let (small, large) = (asked(10), asked(100));
    for (small, large) in small.into_iter().zip(large) {
        // The tables are higher by a level; nodes on the way are full.
        assert!(large <= small + 3 * 64, "{small} things in 1,000 files, {large} in 10,000");
        assert!(large < 1_000, "{large}");
    }
}
