//! Daemons whose memory or addresses the system limits: they serve on, past the limit, and are neither killed nor abort.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crate::confinement::{Group, with_addresses};
use crate::fixture::*;

const MIB: usize = 1 << 20;

fn mark(block: &mut [u8], seed: u64) {
    block.chunks_mut(8).zip(seed..).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
}

/// Writes many times what the daemon may use, by several programs at once, and reads it back past the kernel's cache.
fn fill_content(point: &Path, mib: u64) {
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            scope.spawn(move || {
                let file = fs::File::create_new(point.join(format!("content-{thread}"))).unwrap();
                let mut block = vec![0; MIB];
                for at in 0..mib {
                    mark(&mut block, at << 32 | thread);
                    file.write_all_at(&block, at * MIB as u64).unwrap();
                }
                file.sync_all().unwrap();
            });
        }
    });
    let _ = fs::write("/proc/sys/vm/drop_caches", "1");
    let (mut found, mut expected) = (vec![0; MIB], vec![0; MIB]);
    for at in (0..mib).map(|at| at * 7 % mib) {
        mark(&mut expected, at << 32 | 1);
        fs::File::open(point.join("content-1")).unwrap().read_exact_at(&mut found, at * MIB as u64).unwrap();
        assert!(found == expected, "MiB {at}");
    }
}

/// Files until there is room for no more, or enough.
fn fill_names(point: &Path) {
    let folder = point.join("names");
    fs::create_dir(&folder).unwrap();
    for number in 0..60_000 {
        match fs::File::create_new(folder.join(format!("a-name-of-some-length-{number:08}"))) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull);
                break;
            }
        }
    }
    fs::remove_dir_all(&folder).unwrap();
    fs::write(point.join("after"), "there is room again").unwrap();
}

/// A daemon that `confine` limits, put to work.
fn serves(confine: impl Fn(&Command) -> Command, mib: u64) {
    if !fuse_is_here() {
        return;
    }
    let scratch = Scratch::new();
    let (point, spill) = (scratch.folder("mnt"), scratch.folder("spill"));
    let options = format!("{USUAL},spill_dir={}", spill.display());
    let output = confine(&daemon_command(&scratch, &options, &point)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let pid = info(&point).pid;
    fill_content(&point, mib);
    snapshot(&point, "full");
    fill_names(&point);
    assert!(is_alive(pid));
    assert_eq!(fs::read_to_string(point.join("after")).unwrap(), "there is room again");
    Mount::of(scratch, point, pid).end();
}

#[test]
fn a_daemon_with_few_addresses_serves_on() {
    serve_with_few_addresses();
}

pub(crate) fn serve_with_few_addresses() {
    for mib in [128, 384] {
        serves(|command| with_addresses(command, mib << 20), 120);
    }
}

#[test]
fn a_daemon_in_a_small_cgroup_serves_on() {
    let Some(group) = Group::with_memory(96 << 20) else { return };
    serves(|command| group.run(command), 80);
    assert_eq!(group.killed(), 0);
}
