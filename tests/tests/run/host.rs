//! What the host has besides content: owners, disks that share or are full, other names of a file, a limit on descriptors.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use crate::accept::Over;
use crate::place::*;

#[test]
fn owners_and_attributes_are_accepted() {
    if !is_root() {
        return;
    }
    let over = Over::new();
    std::os::unix::fs::symlink("same", over.at("link")).unwrap();
    let note = "setfattr -n user.note -v kept same dir/a";
    let has_attributes =
        ran(over.0.command("sh").args(["-c", "echo > probe; setfattr -n user.note -v 1 probe"])).code == 0;
    let note = if has_attributes { note } else { "true" };
    let script = format!("chown 12:34 edited dir; chown -h 56:78 link; echo > new; chown 90:91 new; {note}");
    assert_eq!(over.run(&["--keep"], &script).code, 0);
    let dry = over.bough(&["accept", "--dry-run"]).out;
    for line in ["m dir", "m edited", "m link", "A new"] {
        assert!(dry.lines().any(|told| told == line), "{line}: {dry}");
    }
    let content = over.at("edited").metadata().unwrap().modified().unwrap();
    over.bough(&["accept"]).done();
    for (name, owner) in
        [("edited", (12, 34)), ("dir", (12, 34)), ("link", (56, 78)), ("new", (90, 91)), ("same", (0, 0))]
    {
        let found = over.at(name).symlink_metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), owner, "{name}");
    }
    assert_eq!(over.at("edited").metadata().unwrap().modified().unwrap(), content);
    let read = |name: &str| {
        let path = over.at(name).to_str().unwrap().to_owned();
        ran(over.0.command("getfattr").args(["--only-values", "-n", "user.note", &path])).out
    };
    if has_attributes {
        assert_eq!((read("same"), read("dir/a")), ("kept".into(), "kept".into()));
    }
    assert_eq!(over.bough(&["accept", "--dry-run"]).out, "");
}

/// Where a file system in a file is mounted.
struct Loop(PathBuf);

impl Loop {
    /// `None`, and a word, where there can be none of that kind.
    fn mount(over: &Over, kind: &str) -> Option<Loop> {
        let (image, point) = (over.0.at(&format!("{kind}.image")), over.0.at(kind));
        fs::create_dir(&point).unwrap();
        fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
        let quiet = |command: &mut Command| ran(command).code == 0;
        let made = is_root()
            && ran(over.0.command("sh").args(["-c", &format!("command -v mkfs.{kind}")])).code == 0
            && quiet(over.0.command(format!("mkfs.{kind}")).arg("-q").arg(&image))
            && quiet(over.0.command("mount").args(["-o", "loop"]).arg(&image).arg(&point));
        if !made {
            eprintln!("SKIPPED: no {kind} can be mounted here");
        }
        made.then_some(Loop(point))
    }

    fn used_bytes(&self) -> u64 {
        assert!(Command::new("sync").arg("-f").arg(&self.0).status().unwrap().success());
        let told = Command::new("df").args(["-B1", "--output=used"]).arg(&self.0).output().unwrap();
        String::from_utf8(told.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

/// An overlay whose lower layer is a file system of its own: it gives files the numbers of their layers, and directories its own.
struct Overlay {
    lower: PathBuf,
    merged: PathBuf,
}

impl Overlay {
    /// `None`, and a word, where there can be none.
    fn mount(over: &Over) -> Option<Overlay> {
        let folder = |name: &str| {
            fs::create_dir(over.0.at(name)).unwrap();
            over.0.at(name)
        };
        let (lower, merged) = (folder("lower"), folder("merged"));
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.display(),
            folder("up").display(),
            folder("work").display()
        );
        let mount = |words: &[&str], point: &PathBuf| {
            is_root() && ran(over.0.command("mount").args(words).arg(point)).code == 0
        };
        if !mount(&["-t", "tmpfs", "none"], &lower) {
            eprintln!("SKIPPED: nothing can be mounted here");
            return None;
        }
        let overlay = Overlay { lower, merged };
        for name in ["dir", "docs/deep", "lib/sub", "again/sub", "large/deep"] {
            fs::create_dir_all(overlay.lower.join(name)).unwrap();
        }
        for name in [
            "dir/low",
            "edited",
            "gone",
            "linked",
            "docs/deep/a",
            "docs/b",
            "lib/sub/c",
            "lib/d",
            "again/same",
            "again/left",
            "again/sub/e",
            "large/deep/one",
            "large/two",
            "large/three",
        ] {
            fs::write(overlay.lower.join(name), name).unwrap();
        }
        fs::hard_link(overlay.lower.join("linked"), overlay.lower.join("dir/other")).unwrap();
        for name in ["moved", "gone", "replaced", "longer", "named"] {
            let [one, two] = ["one", "two"].map(|which| overlay.lower.join(format!("{name}-{which}")));
            fs::write(&one, name).unwrap();
            fs::hard_link(&one, &two).unwrap();
        }
        std::os::unix::fs::symlink("dir/low", overlay.lower.join("link")).unwrap();
        if !mount(&["-t", "overlay", "none", "-o", &layers], &overlay.merged) {
            eprintln!("SKIPPED: no overlayfs can be mounted here");
            return None;
        }
        fs::write(overlay.merged.join("upper"), "upper").unwrap();
        Some(overlay)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .args([&self.merged, &self.lower])
            .stderr(std::process::Stdio::null())
            .status();
    }
}

/// The numbers of directories there hold for as long as the kernel remembers them (docs/overlay.md): where it did not, as memory was short,
/// an attempt tells nothing.
#[test]
fn a_base_that_is_an_overlay_of_two_file_systems_shows_its_files_and_takes_changes() {
    const ATTEMPTS: usize = 4;
    let failed = (0..ATTEMPTS).map_while(|_| std::panic::catch_unwind(show_files_and_take_changes).err());
    if let Some(panic) = failed.collect::<Vec<_>>().into_iter().nth(ATTEMPTS - 1) {
        std::panic::resume_unwind(panic);
    }
}

fn show_files_and_take_changes() {
    let over = Over::new();
    let Some(overlay) = Overlay::mount(&over) else { return };
    let devices = ["dir", "edited", "upper"].map(|name| overlay.merged.join(name).symlink_metadata().unwrap().dev());
    assert!(devices[0] != devices[1], "{devices:?}: then this tests nothing");
    let path = overlay.merged.to_str().unwrap();
    let script = format!(
        "cd {path}; cat dir/low edited link upper linked; echo; printf more >> edited; printf more >> upper; rm gone; mv dir/low moved; echo > new"
    );
    let answer = over.0.run(&["run", "--base", path, "--keep", "--", "sh", "-c", &script]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "dir/lowediteddir/lowupperlinked\n"), "{answer:?}");
    assert_eq!(fs::read(overlay.merged.join("edited")).unwrap(), b"edited");
    over.0.run(&["accept", "--base", path]).done();
    let read = |name: &str| fs::read_to_string(overlay.merged.join(name)).unwrap();
    assert_eq!(
        [read("edited"), read("upper"), read("moved"), read("new"), read("linked")],
        ["editedmore", "uppermore", "dir/low", "\n", "linked"]
    );
    assert!(!overlay.merged.join("gone").exists() && !overlay.merged.join("dir/low").exists());
    directories_of_a_lower_layer_are_removed_moved_and_made_anew(&over, &overlay);
    files_of_several_names_in_a_lower_layer_are_changed(&over, &overlay);
    what_others_write_to_does_not_come_apart(&over, &overlay);
    // What is changed from outside, which gives a file another number, shows.
    fs::write(overlay.merged.join("linked"), "changed from outside").unwrap();
    let answer = over.0.run(&[
        "run",
        "--base",
        path,
        "--reject",
        "--",
        "cat",
        &format!("{path}/linked"),
        &format!("{path}/moved"),
    ]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "changed from outsidedir/low"), "{answer:?}");
    let volumes = over.volumes();
    for volume in volumes.as_array().unwrap() {
        over.0.run(&["unmount", "--volume", volume["volume"].as_str().unwrap()]);
    }
}

/// Overlayfs renames none of them.
fn directories_of_a_lower_layer_are_removed_moved_and_made_anew(over: &Over, overlay: &Overlay) {
    let path = overlay.merged.to_str().unwrap();
    let run = |script: &str| {
        over.0.run(&["run", "--base", path, "--keep", "--", "sh", "-c", &format!("cd {path}; {script}")])
    };
    let renamed = fs::rename(overlay.merged.join("lib"), overlay.merged.join("library"));
    assert!(renamed.is_err(), "then this tests nothing");
    let script = "rm -r docs; mv lib src; echo changed > src/d; mkdir src/new; mv src/sub/c src/new; rm -r again; mkdir -m 750 again again/sub; echo anew > again/same; echo f > again/sub/f";
    assert_eq!(run(script).code, 0);
    over.0.run(&["accept", "--base", path, "--branch", "run-2"]).done();
    let listed = ran(over.0.command("find").args([path, "-printf", "%P %y\n"])).out;
    let mut listed: Vec<&str> = listed
        .lines()
        .filter(|line| ["docs", "lib", "src", "again"].iter().any(|name| line.starts_with(name)))
        .collect();
    listed.sort_unstable();
    let expected = [
        "again d",
        "again/same f",
        "again/sub d",
        "again/sub/f f",
        "src d",
        "src/d f",
        "src/new d",
        "src/new/c f",
        "src/sub d",
    ];
    assert_eq!(listed, expected);
    let read = |name: &str| fs::read_to_string(overlay.merged.join(name)).unwrap();
    assert_eq!([read("src/d"), read("src/new/c"), read("again/same")], ["changed\n", "lib/sub/c", "anew\n"]);
    assert_eq!(overlay.merged.join("again").metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert!(
        fs::read_dir(path).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with(".bough"))
    );
    // What would have to make way cannot.
    assert_eq!(run("rm -r dir; echo file > dir").code, 0);
    let answer = over.0.run(&["accept", "--base", path, "--branch", "run-3"]);
    assert!(answer.code == 1 && answer.talk.contains("conflict: dir is a directory on an overlay"), "{answer:?}");
    assert!(overlay.merged.join("dir").is_dir());
    over.0.run(&["reject", "--base", path, "--branch", "run-3"]).done();
}

/// Overlayfs gives such a file another number when it is first written to, and even when it is renamed.
fn files_of_several_names_in_a_lower_layer_are_changed(over: &Over, overlay: &Overlay) {
    let path = overlay.merged.to_str().unwrap();
    let script = format!(
        "cd {path}; mv moved-one elsewhere; rm gone-one; echo new > t; mv t replaced-one; echo more >> longer-one; ln named-one named-three; mv named-two named-four"
    );
    assert_eq!(over.0.run(&["run", "--base", path, "--branch", "names", "--keep", "--", "sh", "-c", &script]).code, 0);
    // What is refused has touched nothing, so that it can be accepted once nothing stands in its way.
    fs::write(overlay.merged.join("elsewhere"), "in the way").unwrap();
    let number =
        |name: &str| overlay.merged.join(name).metadata().map(|found| (found.ino(), found.ctime_nsec())).unwrap();
    let before = ["gone-one", "longer-one", "named-one"].map(number);
    assert_eq!(over.0.run(&["accept", "--base", path, "--branch", "names"]).code, 1);
    assert_eq!(["gone-one", "longer-one", "named-one"].map(number), before);
    fs::remove_file(overlay.merged.join("elsewhere")).unwrap();
    over.0.run(&["accept", "--base", path, "--branch", "names"]).done();
    let read = |name: &str| fs::read_to_string(overlay.merged.join(name)).unwrap_or_default();
    let now =
        ["elsewhere", "moved-one", "moved-two", "gone-one", "gone-two", "replaced-one", "replaced-two", "longer-one"]
            .map(read);
    assert_eq!(now, ["moved", "", "moved", "", "gone", "new\n", "replaced", "longermore\n"]);
    assert_eq!(["named-one", "named-two", "named-three", "named-four"].map(read), ["named", "", "named", "named"]);
    assert!(
        fs::read_dir(path).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with(".bough"))
    );
}

/// Nor is a directory another one because overlayfs tells another birth of it.
fn what_others_write_to_does_not_come_apart(over: &Over, overlay: &Overlay) {
    let path = overlay.merged.to_str().unwrap();
    let run = |branch: &str, script: &str| {
        over.0.run(&[
            "run",
            "--base",
            path,
            "--branch",
            branch,
            "--keep",
            "--",
            "sh",
            "-c",
            &format!("cd {path}; {script}"),
        ])
    };
    assert_eq!(run("a", "echo A >> large/deep/one").code, 0);
    assert_eq!(run("b", "echo B > large/new; rm large/three").code, 0);
    over.0.run(&["accept", "--base", path, "--branch", "a"]).done();
    let diff = ran(over.0.bough(&["diff", "b"]).current_dir(path)).out;
    assert_eq!(diff, "A large/new\nD large/three\n");
    over.0.run(&["accept", "--base", path, "--branch", "b"]).done();
    let mut left: Vec<_> =
        fs::read_dir(overlay.merged.join("large")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, ["deep", "new", "two"]);
    assert_eq!(fs::read_to_string(overlay.merged.join("large/deep/one")).unwrap(), "large/deep/oneA\n");
}

#[test]
fn where_a_disk_shares_an_accept_of_a_chunk_takes_no_more_than_that() {
    const LARGE: usize = 64 << 20;
    for kind in ["btrfs", "xfs"] {
        let over = Over::new();
        let Some(disk) = Loop::mount(&over, kind) else { continue };
        let base = disk.0.join("base");
        fs::create_dir(&base).unwrap();
        let content: Vec<u8> =
            (0..LARGE / 4).flat_map(|word: usize| (word as u32 ^ 0x9e37_79b9).to_le_bytes()).collect();
        fs::write(base.join("large"), &content).unwrap();
        let before = disk.used_bytes();
        assert!(before > LARGE as u64 / 2, "{kind}: {before} bytes");
        let (path, run) = (base.to_str().unwrap(), |words: &[&str]| over.0.run(words));
        let script =
            format!("cd {path}; printf changed | dd of=large bs=1 seek=30000000 conv=notrunc; printf end >> large");
        assert_eq!(run(&["run", "--base", path, "--keep", "--", "sh", "-c", &script]).code, 0);
        run(&["accept", "--base", path]).done();
        let mut expected = content;
        expected[30_000_000..30_000_007].copy_from_slice(b"changed");
        expected.extend(b"end");
        assert!(fs::read(base.join("large")).unwrap() == expected, "{kind}");
        let grew = disk.used_bytes().saturating_sub(before);
        assert!(grew < LARGE as u64 / 4, "{kind}: {grew} bytes more for two chunks");
        let volumes = over.volumes();
        for volume in volumes.as_array().unwrap() {
            over.0.run(&["unmount", "--volume", volume["volume"].as_str().unwrap()]);
        }
    }
}

#[test]
fn a_change_by_another_name_of_a_file_shows_within_moments() {
    let over = Over::new();
    fs::create_dir(over.at("other")).unwrap();
    fs::hard_link(over.at("dir/a"), over.at("other/name")).unwrap();
    // Nobody looks at the other name: no watch tells of what is done by it.
    let script = "cat dir/a; echo; until grep -q later dir/a; do sleep 0.05; done; echo seen; exit 0";
    let mut command = over.0.bough(&["run", "--reject", "--", "sh", "-c", script]);
    command.current_dir(over.0.at("base")).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "dir/a\n");
    fs::write(over.at("other/name"), "later, and longer").unwrap();
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed().as_secs() < 30, "it never shows");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    out.read_to_string(&mut line).unwrap();
    assert_eq!(line, "dir/a\nseen\n");
}

#[test]
fn a_base_of_many_directories_is_read_with_few_descriptors() {
    let over = Over::new();
    for number in 0..1_000 {
        fs::create_dir(over.at(&format!("d{number}"))).unwrap();
        over.0.write(&format!("base/d{number}/file"), &format!("{number}\n"));
    }
    let bough = programs().join("bough");
    let script = "cat d*/file | sort -n | md5sum; ls d* | grep -c file";
    let mut command = over.0.command("prlimit");
    command
        .args(["--nofile=256:256", "--"])
        .arg(bough)
        .args(["run", "--keep", "--branch", "b", "--", "sh", "-c", script]);
    let read = ran(command.current_dir(over.0.at("base")));
    let expected = ran(over.0.command("sh").args(["-c", script]).current_dir(over.0.at("base"))).out;
    assert_eq!((read.code, read.out), (0, expected), "{}", read.talk);
    let pid = over.volumes()[0]["pid"].as_i64().unwrap();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert!((20..256).contains(&open), "{open} descriptors");
}

#[test]
fn a_full_disk_loses_nothing() {
    if !is_root() {
        return;
    }
    let over = Over::new();
    let small = over.0.at("small");
    fs::create_dir(&small).unwrap();
    assert!(
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1M", "small"]).arg(&small).status().unwrap().success()
    );
    fs::write(small.join("file"), "before").unwrap();
    fs::set_permissions(small.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
    let base = small.to_str().unwrap();
    let script = "echo after > file; head -c 900000 /dev/urandom > big; head -c 900000 /dev/urandom > bigger";
    let ran_it =
        over.0.run(&["run", "--base", base, "--branch", "b", "--", "sh", "-c", &format!("cd {base} && {script}")]);
    assert_eq!(ran_it.code, 0, "{ran_it:?}");
    let ran = over.0.run(&["accept", "--base", base]);
    assert!(ran.code == 4 && ran.talk.contains("no space left"), "{ran:?}");
    assert_eq!(fs::read_to_string(small.join("file")).unwrap(), "before");
    assert_eq!(fs::read_dir(&small).unwrap().count(), 1);
    let again = over.0.run(&["accept", "--base", base, "--dry-run"]);
    assert_eq!(again.out, "A big\nA bigger\nM file\n", "the branch still has everything: {again:?}");
}

#[test]
fn a_deep_directory_is_removed_with_few_descriptors() {
    let over = Over::new();
    let deep = "for i in $(seq 700); do mkdir a && cd a || exit 1; done; echo > file";
    assert_eq!(ran(over.0.command("sh").args(["-c", deep]).current_dir(over.0.at("base"))).code, 0);
    assert_eq!(over.run(&["--keep"], "rm -r a").code, 0);
    let mut command = over.0.command("prlimit");
    command.args(["--nofile=256:4096", "--"]).arg(programs().join("bough")).arg("accept");
    ran(command.current_dir(over.0.at("base"))).done();
    assert!(!over.at("a").exists());
}
