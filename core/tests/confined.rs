//! A volume in a process whose memory or addresses are limited: the process is not killed and does not abort. What finds no
//! room is refused, and what was stored stays as it was. Each test runs itself once more, as a child under the limit.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "support/confinement.rs"]
mod confinement;

use std::process::{Command, Output};
use std::sync::Arc;

use bough::{Caller, Config, Error, NewNode, NodeId, RefId, View, ViewOptions, Volume, WriteAt};
use confinement::{Group, with_addresses};

const ROOT: Caller<'static> = Caller::superuser();
const CHILD: &str = "BOUGH_TEST_CONFINED";
const MIB: u64 = 1 << 20;
const BLOCK: u64 = 256 << 10;
const THREADS: u64 = 4;

// ---- the child -----------------------------------------------------------------------------------------------------

fn mark(bytes: &mut [u8], seed: u64) {
    bytes.chunks_mut(8).zip(seed..).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]));
}

/// Many times the limit in content, by several threads at once, and read back.
fn fill_content(volume: &Volume, view: &View) {
    let each = 3 * volume.stats().memory_bytes / THREADS / BLOCK;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let name = format!("content-{thread}");
                let node = view.make(&ROOT, NodeId::ROOT, name.as_bytes(), 0o644, NewNode::File).unwrap().node;
                let mut bytes = vec![0; BLOCK as usize];
                for block in 0..each {
                    mark(&mut bytes, block << 32 | thread);
                    let written = view.write(&ROOT, node, None, WriteAt::Offset(block * BLOCK), &bytes);
                    assert_eq!(written, Ok(bytes.len()), "block {block} of {each}");
                }
                let (mut found, mut expected) = (vec![0; BLOCK as usize], vec![0; BLOCK as usize]);
                for at in 0..each {
                    let block = at * 7919 % each;
                    mark(&mut expected, block << 32 | thread);
                    assert_eq!(view.read(&ROOT, node, None, block * BLOCK, &mut found), Ok(found.len()));
                    assert!(found == expected, "block {block}");
                }
            });
        }
    });
}

/// Names until there is room for no more; then some go, and there is room again.
fn fill_names(view: &View) {
    let name = |number: u32| format!("a-rather-long-name-of-a-file-without-content-{number:08}").into_bytes();
    let make = |number| view.make(&ROOT, NodeId::ROOT, &name(number), 0o644, NewNode::File);
    let mut made = 0;
    let refused = loop {
        match make(made) {
            Ok(file) => view.forget(file.node, 1),
            Err(error) => break error,
        }
        made += 1;
        assert!(made < 20_000_000, "metadata has no end");
    };
    assert_eq!(refused, Error::NoSpace);
    assert!(made > 2_000, "only {made} names");
    (0..made / 4).for_each(|number| view.unlink(&ROOT, NodeId::ROOT, &name(number)).unwrap());
    (0..100).for_each(|number| view.forget(make(number).unwrap().node, 1));
    println!("{made} names");
}

fn child(memory_percent: Option<u32>) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { memory_percent, spill_dir: Some(folder.path().to_owned()), ..Config::default() };
    let volume = Volume::open(config).unwrap();
    let view: Arc<View> = volume.view(RefId::Branch(volume.first_branch()), "test", ViewOptions::default()).unwrap();
    println!("a limit of {} MiB", volume.stats().memory_bytes / MIB);
    fill_content(&volume, &view);
    volume.create_snapshot(volume.first_branch(), None).unwrap();
    fill_content_again(&view);
    fill_names(&view);
    assert_eq!(volume.check_invariants(true).problems, Vec::<String>::new());
}

/// What a snapshot shares is copied, past the limit too.
fn fill_content_again(view: &View) {
    let node = view.lookup(&ROOT, NodeId::ROOT, b"content-0").unwrap().node;
    (0..100).for_each(|at| assert_eq!(view.write(&ROOT, node, None, WriteAt::Offset(at * 70_000), b"changed"), Ok(7)));
}

// ---- the limits ----------------------------------------------------------------------------------------------------

/// This test as a child that only the caller starts.
fn this_test() -> Command {
    let thread = std::thread::current();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", thread.name().unwrap(), "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[track_caller]
fn assert_ends_well(limit: &str, output: &Output) {
    let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{limit}: {}\n{said}", output.status);
    said.lines()
        .filter(|line| line.ends_with("MiB") || line.ends_with("names"))
        .for_each(|line| println!("{limit}: {line}"));
}

#[test]
fn a_limited_address_space_is_an_answer_and_no_abort() {
    if is_child() {
        return child(Some(100));
    }
    for mib in [128, 256] {
        let output = with_addresses(&this_test(), mib * MIB).output().unwrap();
        assert_ends_well(&format!("{mib} MiB of addresses"), &output);
    }
}

#[test]
fn a_cgroup_with_little_memory_has_nobody_killed() {
    if is_child() {
        return child(None);
    }
    let Some(group) = Group::with_memory(96 * MIB) else { return };
    let output = group.run(&this_test()).output().unwrap();
    assert_ends_well("a cgroup of 96 MiB", &output);
    // By default a quarter of what the group may use.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("a limit of 24 MiB"), "{said}");
    assert_eq!(group.killed(), 0);
}

#[test]
fn a_volume_that_takes_most_of_its_cgroup_is_not_killed() {
    if is_child() {
        return child(Some(75));
    }
    let Some(group) = Group::with_memory(128 * MIB) else { return };
    let output = group.run(&this_test()).output().unwrap();
    assert_ends_well("three quarters of a cgroup of 128 MiB", &output);
    assert_eq!(group.killed(), 0);
}
