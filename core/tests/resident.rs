//! What the process takes of the machine, beside the limit. By itself, as the process is what is measured.

#![allow(clippy::unwrap_used)]

use bough::{Caller, Config, NewNode, NodeId, RefId, View, ViewOptions, Volume, WriteAt};

const ROOT: Caller<'static> = Caller::superuser();
const LIMIT_BYTES: u64 = 96 << 20;
const FILES: u64 = 200_000;

/// 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn each_file(view: &View, mut with: impl FnMut(&View, u64, &[u8])) {
    (0..FILES).for_each(|at| with(view, at, format!("file-{at:08}").as_bytes()));
}

#[test]
fn what_metadata_has_left_is_no_memory_beside_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let spill_dir = Some(folder.path().to_owned());
    let volume = Volume::open(Config { memory_bytes: Some(LIMIT_BYTES), spill_dir, ..Config::default() }).unwrap();
    let view = volume.view(RefId::Branch(volume.first_branch()), "test", ViewOptions::default()).unwrap();
    let before = resident_bytes();
    each_file(&view, |view, _, name| {
        let made = view.make(&ROOT, NodeId::ROOT, name, 0o644, NewNode::File).unwrap();
        view.forget(made.node, 1);
    });
    assert!(volume.stats().used_bytes > LIMIT_BYTES / 3, "{}", volume.stats().used_bytes);
    // What stays is strewn all over.
    each_file(&view, |view, at, name| {
        if at % 256 != 0 {
            view.unlink(&ROOT, NodeId::ROOT, name).unwrap();
        }
    });
    let node = view.make(&ROOT, NodeId::ROOT, b"content", 0o644, NewNode::File).unwrap().node;
    let bytes = vec![7; 1 << 20];
    for at in (0..3 * LIMIT_BYTES).step_by(bytes.len()) {
        assert_eq!(view.write(&ROOT, node, None, WriteAt::Offset(at), &bytes), Ok(bytes.len()));
    }
    let resident = resident_bytes().saturating_sub(before);
    // With the pages of what stays, and what the threads themselves take.
    assert!(resident < LIMIT_BYTES * 6 / 5, "{resident} of {LIMIT_BYTES}");
}
