//! fsx: random reads, writes, mappings and truncations of one file, each read compared with what must be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Mount, USUAL, eventually, snapshot};
use crate::ground::{Ground, On};
use crate::kit::{cargo_program, noise};
use crate::sys;

const EVERYTHING: &str = "
flen = 1048576
[weights]
close_open = 1.0
invalidate = 1.0
mapread = 10.0
mapwrite = 10.0
read = 10.0
write = 10.0
truncate = 4.0
fsync = 1.0
fdatasync = 1.0
punch_hole = 3.0
posix_fallocate = 2.0
posix_fadvise = 1.0
sendfile = 2.0
copy_file_range = 3.0
";

struct Fsx {
    program: PathBuf,
    configuration: PathBuf,
    artifacts: PathBuf,
}

impl Fsx {
    fn of(mount: &Mount, weights: &str) -> Option<Fsx> {
        let program = cargo_program("fsx", "0.3.2")?;
        let configuration = mount.scratch().path().join("fsx.toml");
        fs::write(&configuration, weights).unwrap();
        Some(Fsx { program, configuration, artifacts: mount.scratch().path().to_owned() })
    }

    /// Operations `from..=to` of the sequence of a seed; those before are only imagined.
    #[track_caller]
    fn run(&self, file: &Path, seed: u64, from: u64, to: u64) {
        let mut command = Command::new(&self.program);
        command.arg("-f").arg(&self.configuration).arg("-P").arg(&self.artifacts);
        command.args(["-q", "-S", &seed.to_string(), "-b", &from.to_string(), "-N", &to.to_string()]).arg(file);
        let output = command.output().unwrap();
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "replay with: {command:?}\n{said}\n{complained}");
    }
}

/// Several files at once, each with a seed of its own. Those of a base are full of what must not come back once fsx has emptied them.
fn run_on(on: On, options: &str, seeds: std::ops::Range<u64>, operations: u64) {
    let make = |folder: &Path| {
        for seed in seeds.clone().filter(|_| on == On::Base) {
            fs::write(folder.join(format!("file-{seed}")), noise(seed, 1 << 20)).unwrap();
        }
    };
    let Some(ground) = Ground::new(on, options, make) else { return };
    let Some(fsx) = Fsx::of(&ground, EVERYTHING) else { return };
    std::thread::scope(|scope| {
        for seed in seeds.clone() {
            let (fsx, file) = (&fsx, ground.folder().join(format!("file-{seed}")));
            scope.spawn(move || fsx.run(&file, seed, 1, operations));
        }
    });
    ground.end();
}

fn spilling(memory: &str) -> String {
    format!("{USUAL},memory={memory},spill_dir={}", std::env::temp_dir().display())
}

/// After every hundred operations a snapshot, and a copy of the file; in the end they are the same.
fn run_with_snapshots(options: &str, seed: u64, operations: u64) {
    const STEP: u64 = 100;
    let Some(mount) = Mount::with(options) else { return };
    // Where fsx begins in the middle of a sequence it may panic about a copy of nothing: without copies, then.
    let weights = EVERYTHING.replace("copy_file_range = 3.0", "copy_file_range = 0.0");
    let Some(fsx) = Fsx::of(&mount, &weights) else { return };
    let copies = mount.scratch().folder("copies");
    let file = mount.at("file");
    let steps: Vec<u64> = (1..=operations / STEP).collect();
    for step in &steps {
        fsx.run(&file, seed, (step - 1) * STEP + 1, step * STEP);
        snapshot(mount.point(), &format!("at-{step}"));
        fs::copy(&file, copies.join(step.to_string())).unwrap();
    }
    for step in &steps {
        let shown = mount.attach(&format!("at-{step}"), &format!("shown-{step}"));
        let same = fs::read(shown.join("file")).unwrap() == fs::read(copies.join(step.to_string())).unwrap();
        assert!(same, "the snapshot after operation {} of seed {seed} is another than the file was", step * STEP);
        eventually("the snapshot can be unmounted", || sys::unmount(&shown).is_ok());
    }
    mount.end();
}

const THROUGH: &str = "default_permissions,no_writeback";

#[test]
fn fsx_finds_nothing_where_the_kernel_writes_back() {
    run_on(On::Nothing, USUAL, 1..3, 1_500);
}

#[test]
fn fsx_finds_nothing_where_writes_go_through() {
    run_on(On::Nothing, THROUGH, 3..5, 1_500);
}

#[test]
fn fsx_finds_nothing_while_memory_is_short() {
    run_on(On::Nothing, &spilling("1M"), 5..9, 700);
}

#[test]
fn fsx_finds_nothing_in_files_of_a_base() {
    run_on(On::Base, USUAL, 1..3, 700);
    run_on(On::Base, &spilling("2M"), 3..5, 700);
}

#[test]
fn fsx_finds_in_snapshots_what_the_file_was() {
    run_with_snapshots(&spilling("1M"), 9, 1_500);
}

#[test]
#[ignore = "minutes: make test-long"]
fn fsx_finds_nothing_in_many_operations() {
    for on in On::BOTH {
        run_on(on, USUAL, 1..11, 20_000);
        run_on(on, THROUGH, 1..11, 20_000);
        run_on(on, &spilling("4M"), 1..11, 20_000);
    }
}

#[test]
#[ignore = "minutes: make test-long"]
fn fsx_finds_in_many_snapshots_what_the_file_was() {
    for seed in 1..11 {
        let options = if seed % 2 == 0 { spilling("2M") } else { USUAL.to_owned() };
        run_with_snapshots(&options, seed, 20_000);
    }
}
