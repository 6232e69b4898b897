//! The folder that volumes spill to: many of them share one and never meet, and whoever is killed leaves nothing there.

#![cfg(unix)]
// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bough::{Caller, Config, NewNode, NodeId, RefId, View, ViewOptions, Volume, WriteAt};

const ROOT: Caller<'static> = Caller::superuser();
const LIMIT: u64 = 1 << 20;
const BLOCK: usize = 64 << 10;
const BLOCKS: u64 = 96;
const CHILD: &str = "BOUGH_TEST_SPILLS_TO";

/// A volume with room for a sixth of what is written to it.
fn opened(folder: &Path) -> (Arc<View>, NodeId) {
    let config = Config { memory_bytes: Some(LIMIT), spill_dir: Some(folder.into()), ..Config::default() };
    let volume = Volume::open(config).unwrap();
    let view = volume.view(RefId::Branch(volume.first_branch()), "test", ViewOptions::default()).unwrap();
    let node = view.make(&ROOT, NodeId::ROOT, b"file", 0o644, NewNode::File).unwrap().node;
    (view, node)
}

fn block(volume: u64, at: u64) -> Vec<u8> {
    let word = |index: u64| (volume << 48 | at << 32 | index).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
    (0..BLOCK as u64 / 8).flat_map(word).collect()
}

fn write_all(view: &View, node: NodeId, volume: u64) {
    for at in 0..BLOCKS {
        let bytes = block(volume, at);
        assert_eq!(view.write(&ROOT, node, None, WriteAt::Offset(at * BLOCK as u64), &bytes), Ok(BLOCK));
    }
}

fn read_all(view: &View, node: NodeId, volume: u64) {
    let mut bytes = vec![0; BLOCK];
    for at in (0..BLOCKS).map(|at| at * 37 % BLOCKS) {
        assert_eq!(view.read(&ROOT, node, None, at * BLOCK as u64, &mut bytes), Ok(BLOCK));
        assert!(bytes == block(volume, at), "volume {volume}, block {at}");
    }
}

fn names_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// A process that spills all the time, with one volume after another: this test once more.
fn child(folder: &Path) -> Child {
    let name = std::thread::current().name().unwrap().to_owned();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &name, "--nocapture"]).env(CHILD, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn spill_for_ever(folder: &Path) -> ! {
    for volume in 1000.. {
        let (view, node) = opened(folder);
        write_all(&view, node, volume);
        read_all(&view, node, volume);
        println!("volume {volume}");
    }
    unreachable!("it is killed");
}

#[test]
fn volumes_that_share_a_folder_never_meet_there_and_whoever_is_killed_leaves_nothing() {
    if let Some(folder) = std::env::var_os(CHILD) {
        spill_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mine: Vec<_> = (0..4).map(|number| (number, opened(folder.path()))).collect();
    std::thread::scope(|scope| {
        for (number, (view, node)) in &mine {
            scope.spawn(move || write_all(view, *node, *number));
        }
    });
    assert!(mine.iter().all(|(_, (view, _))| view.volume().activity().spill_written_bytes > 2 * LIMIT));
    for round in 0..12_u64 {
        let mut other = child(folder.path());
        let begun = Instant::now();
        // Some are killed as they begin, some at work.
        while begun.elapsed() < Duration::from_millis(5 + round * 41 % 260) {
            assert_eq!(names_in(folder.path()), 0, "while it lives");
            std::thread::sleep(Duration::from_millis(1));
        }
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(names_in(folder.path()), 0, "round {round}");
    }
    mine.iter().for_each(|(number, (view, node))| read_all(view, *node, *number));
    drop(mine);
    assert_eq!(names_in(folder.path()), 0);
}
