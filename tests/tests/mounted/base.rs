//! A volume mounted over a directory: what programs see of it, and that the directory stays as it was.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bough::control::message;
use bough::control::messages::fs_control_stats;

use crate::fixture::{
    Mount, PATIENCE, Scratch, USUAL, eventually, fuse_is_here, installed, names, run, shell, snapshot, start, waits_in,
};
use crate::sys;

const BOTH: [&str; 2] = [USUAL, "default_permissions,allow_other,no_writeback"];

fn populate(base: &Path) {
    fs::create_dir_all(base.join("dir/sub")).unwrap();
    fs::write(base.join("dir/sub/deep"), "deep").unwrap();
    fs::write(base.join("dir/one"), "one").unwrap();
    fs::hard_link(base.join("dir/one"), base.join("dir/two")).unwrap();
    fs::write(base.join("file"), "content").unwrap();
    symlink("dir/one", base.join("link")).unwrap();
    fs::write(base.join("large"), vec![7; 1 << 20]).unwrap();
}

/// Everything about everything below a directory but access times.
fn described(base: &Path) -> String {
    shell(
        base,
        "find . -printf '%p %y %i %m %U %G %n %s %T@ %C@ %l\\n' | sort; find . -type f -exec sha256sum {} + | sort",
    )
}

#[test]
fn whatever_is_done_over_a_base_leaves_it_as_it_was() {
    for options in BOTH {
        let Some(mount) = Mount::over(options, populate) else { return };
        let base = mount.scratch().path().join("base");
        let before = described(&base);
        shell(
            mount.point(),
            "echo more >> file; echo new > dir/sub/new; chmod 600 dir/one; ln dir/one three; mv dir moved; rm moved/two
             touch -d 2001-01-01 large; dd if=/dev/zero of=large bs=4096 count=1 seek=9 conv=notrunc status=none
             rm link; ln -s elsewhere link; mkdir dir; echo again > dir/one; rm -r moved/sub; mv large moved/sub
             setfattr -n user.a -v b file 2>/dev/null || true; chown 1:1 three; truncate -s 5 file; sync -f .",
        );
        assert_eq!(
            shell(mount.point(), "cat file; stat -c %s moved/sub; cat dir/one three"),
            "conte1048576\nagain\none"
        );
        assert_eq!(described(&base), before);
        mount.unmount(&[]);
        assert_eq!(described(&base), before);
    }
}

/// Asks for a name, in a thread on one of these processors; answers when the kernel has the question and its thread waits.
fn ask(name: PathBuf, processors: Vec<usize>) -> thread::JoinHandle<bool> {
    let (tell, told) = mpsc::channel();
    let asks = thread::spawn(move || {
        sys::stay_on(&processors);
        tell.send(sys::this_thread() as u32).unwrap();
        fs::metadata(name).is_ok()
    });
    waits_in(told.recv().unwrap(), libc::SYS_statx);
    asks
}

/// Whoever asks a base that hangs waits for it, and the thread that serves him. Whether others are served meanwhile, and do not wait longer
/// than this: one asks on the processor `there`, and is known to hang after `known`; more than there are threads in the daemon ask on `here`.
pub(crate) fn others_are_served(
    (base, mount): (&Mount, &Mount),
    (there, here): (&[usize], &[usize]),
    known: Duration,
    patience: Duration,
) -> bool {
    // So long ago the base has kept nobody waiting that it is not expected to.
    thread::sleep(Duration::from_secs(3));
    // Names that nobody has asked for: the kernel has to ask the daemon below.
    let absent = |number: usize| mount.at(&format!("absent-{}-{number}", patience.as_millis()));
    let halted = base.halt();
    let mut asking = vec![ask(absent(0), there.to_vec())];
    thread::sleep(known);
    asking.extend((1..12).map(|number| ask(absent(number), here.to_vec())));
    let (tell, told) = mpsc::channel();
    let (point, here) = (mount.point().to_owned(), here.to_vec());
    let other = thread::spawn(move || {
        sys::stay_on(&here);
        run(Command::new("stat").args(["-f", "-c", "%f"]).arg(point));
        let _ = tell.send(());
    });
    let served = told.recv_timeout(patience).is_ok();
    let all_hang = asking.iter().all(|asks| !asks.is_finished());
    drop(halted);
    assert!(asking.into_iter().all(|asks| !asks.join().unwrap()));
    other.join().unwrap();
    served && all_hang
}

#[test]
fn while_the_base_hangs_others_are_served() {
    for options in ["no_io_uring", "no_io_uring,max_threads=2"] {
        let Some(base) = Mount::new() else { return };
        let Some(mount) = Mount::with(&format!("{USUAL},{options},base={}", base.point().display())) else { return };
        // Nothing else ends what waits for a daemon that answers no more.
        let _abort = sys::Abort(base.point().to_owned());
        let all = sys::processors();
        assert!(
            others_are_served((&base, &mount), (&all, &all), Duration::ZERO, PATIENCE),
            "all wait with who asked the base"
        );
        mount.end();
        base.end();
    }
}

#[test]
fn what_is_mounted_is_what_the_base_holds() {
    let Some(mount) = Mount::over(USUAL, populate) else { return };
    let base = mount.scratch().path().join("base");
    // The root is the volume's own: its number is 1.
    let below = |text: String| text.lines().filter(|line| !line.starts_with(". ")).collect::<Vec<_>>().join("\n");
    assert_eq!(below(described(mount.point())), below(described(&base)));
    assert_eq!(fs::read(mount.at("link")).unwrap(), b"one");
    mount.end();
}

#[test]
fn changes_in_the_base_are_seen_at_once_where_it_is_watched() {
    for options in BOTH {
        let Some(mount) = Mount::over(options, populate) else { return };
        let base = mount.scratch().path().join("base");
        let at = |name: &str| mount.at(name);
        assert!(!at("new").exists() && names(&at("dir")) == ["one", "sub", "two"]);
        assert_eq!(fs::read(at("file")).unwrap(), b"content");
        fs::write(base.join("new"), "new").unwrap();
        eventually("a new file", || fs::read(at("new")).is_ok_and(|bytes| bytes == b"new"));
        fs::write(base.join("file"), "content that is longer").unwrap();
        eventually("longer", || fs::read(at("file")).is_ok_and(|bytes| bytes == b"content that is longer"));
        fs::write(base.join("file"), "less").unwrap();
        eventually("shorter", || fs::read(at("file")).is_ok_and(|bytes| bytes == b"less"));
        fs::rename(base.join("dir"), base.join("moved")).unwrap();
        eventually("moved", || !at("dir").exists() && names(&at("moved")) == ["one", "sub", "two"]);
        fs::remove_file(base.join("moved/sub/deep")).unwrap();
        eventually("removed", || names(&at("moved/sub")).is_empty());
        mount.end();
    }
}

#[test]
fn an_open_file_of_the_base_is_read_as_it_grows() {
    let Some(mount) = Mount::over(USUAL, populate) else { return };
    let base = mount.scratch().path().join("base");
    let mut log = File::open(mount.at("file")).unwrap();
    let mut seen = String::new();
    log.read_to_string(&mut seen).unwrap();
    let grown = File::options().append(true).open(base.join("file")).unwrap();
    grown.write_at(b" and more", 7).unwrap();
    eventually("the rest", || {
        log.read_to_string(&mut seen).unwrap();
        seen == "content and more"
    });
    drop(log);
    mount.end();
}

#[test]
fn a_mount_of_a_snapshot_shows_the_base_as_it_is_and_keeps_what_was_changed() {
    let Some(mount) = Mount::over(USUAL, populate) else { return };
    let base = mount.scratch().path().join("base");
    fs::write(mount.at("dir/one"), "ours").unwrap();
    snapshot(mount.point(), "before");
    let frozen = mount.attach("before", "frozen");
    let pure = mount.attach("base", "pure");
    assert_eq!(fs::read(frozen.join("file")).unwrap(), b"content");
    fs::write(mount.at("dir/one"), "later").unwrap();
    fs::write(base.join("file"), "changed below").unwrap();
    eventually("the base shows", || fs::read(frozen.join("file")).is_ok_and(|bytes| bytes == b"changed below"));
    assert_eq!(fs::read(frozen.join("dir/one")).unwrap(), b"ours");
    assert_eq!(fs::read(pure.join("dir/one")).unwrap(), b"one");
    mount.end_with(&[&frozen, &pure]);
}

#[test]
fn a_base_can_be_mounted_on_and_in_itself() {
    if !fuse_is_here() {
        return;
    }
    for inside in ["", "empty"] {
        let scratch = Scratch::new();
        let base = scratch.folder("base");
        populate(&base);
        fs::create_dir(base.join("empty")).unwrap();
        let point = base.join(inside);
        let mount = Mount::begin(scratch, &format!("{USUAL},base={}", base.display()), point.clone());
        assert_eq!(fs::read(point.join("dir/sub/deep")).unwrap(), b"deep");
        // Nothing that looks through it comes to itself, and waits for ever.
        assert!(names(&point.join("empty")).is_empty());
        shell(&point, "find . -type f -exec cat {} + > /dev/null; echo x > empty/file; rm -r dir");
        mount.unmount(&[]);
        assert_eq!(fs::read(base.join("dir/sub/deep")).unwrap(), b"deep");
        assert!(names(&base.join("empty")).is_empty());
    }
}

#[test]
fn the_whole_file_system_can_be_a_base() {
    if !fuse_is_here() {
        return;
    }
    let scratch = Scratch::new();
    let point = scratch.folder("mnt");
    let inside = scratch.path().strip_prefix("/").unwrap().to_owned();
    fs::write(scratch.path().join("file"), "the host's").unwrap();
    let mount = Mount::begin(scratch, &format!("{USUAL},base=/"), point);
    assert!(names(mount.point()).contains(&"etc".to_owned()));
    assert_eq!(fs::read(mount.at("etc/passwd")).unwrap(), fs::read("/etc/passwd").unwrap());
    assert!(names(&mount.at("proc")).is_empty(), "another file system");
    if mount.at("").join(&inside).exists() {
        // The mount point itself lies within it, and nothing that looks there waits for ever.
        assert!(names(&mount.at("").join(&inside).join("mnt")).is_empty());
        let file = mount.at("").join(&inside).join("file");
        fs::write(&file, "the branch's").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"the branch's");
    }
    fs::create_dir(mount.at("a-directory-of-ours")).unwrap();
    assert_eq!(fs::read(mount.scratch().path().join("file")).unwrap(), b"the host's");
    assert!(!Path::new("/a-directory-of-ours").exists());
    mount.end();
}

#[test]
fn a_mount_that_would_show_itself_is_refused() {
    if !fuse_is_here() {
        return;
    }
    let scratch = Scratch::new();
    let point = scratch.folder("mnt");
    for base in ["/".to_owned(), scratch.path().display().to_string()] {
        let output = start(&scratch, &format!("{USUAL},cross_mounts,base={base}"), &point);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(10) && said.contains("would be shown in itself"), "{said}");
    }
    assert!(crate::sys::mounts_below(scratch.path()).is_empty());
}

#[test]
fn what_is_mounted_below_a_base_is_an_empty_directory_unless_it_is_asked_for() {
    for (options, shown) in [(USUAL, vec![]), ("default_permissions,cross_mounts", vec!["inner".to_owned()])] {
        let Some(other) = Mount::new() else { return };
        fs::write(other.at("inner"), "x").unwrap();
        let scratch = Scratch::new();
        let (base, point) = (scratch.folder("base"), scratch.folder("mnt"));
        let below = base.join("below");
        fs::create_dir(&below).unwrap();
        let bound = std::process::Command::new("mount").arg("--bind").arg(other.point()).arg(&below).status();
        if !bound.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: nothing can be bound here");
            return;
        }
        let mount = Mount::begin(scratch, &format!("{options},base={}", base.display()), point);
        assert_eq!(names(&mount.at("below")), shown);
        crate::sys::unmount_lazily(&below).unwrap();
        mount.end();
        other.end();
    }
}

#[test]
fn a_base_that_cannot_be_one_is_refused_and_said_why() {
    if !fuse_is_here() {
        return;
    }
    let scratch = Scratch::new();
    let point = scratch.folder("mnt");
    fs::write(scratch.path().join("file"), "").unwrap();
    let refused = [
        (format!("base={}/missing", scratch.path().display()), "there is no such directory"),
        (format!("base={}/file", scratch.path().display()), "it is not a directory"),
        (format!("base={},names=windows", scratch.path().display()), "names=windows or base, not both"),
        ("freeze".to_owned(), "base=DIR is missing"),
        ("names=dos".to_owned(), "no such rules"),
    ];
    for (options, why) in refused {
        let output = start(&scratch, &options, &point);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{options}: {said}");
    }
}

#[test]
fn git_knows_the_files_of_a_repository_again() {
    if !installed("git") {
        return;
    }
    let make = |base: &Path| {
        let line = "git init -q; git config user.email a@b; git config user.name n; mkdir src
                    for n in $(seq 50); do echo $n > src/$n; done; git add .; git commit -qm first";
        shell(base, line);
    };
    let Some(mount) = Mount::over(USUAL, make) else { return };
    let base = mount.scratch().path().join("base");
    assert_eq!(fs::metadata(mount.at("src/7")).unwrap().ino(), fs::metadata(base.join("src/7")).unwrap().ino());
    // Without a look at content: the index holds what stat(2) says.
    assert_eq!(shell(mount.point(), "git -c core.checkStat=default diff-files --quiet && echo clean"), "clean\n");
    let line =
        "echo changed > src/3; rm src/4; git mv src/5 six; git add -A; git commit -qm second; git status --short";
    assert_eq!(shell(mount.point(), line), "");
    assert_eq!(shell(&base, "git log --format=%s; git status --short"), "first\n");
    mount.end();
}

#[test]
fn a_listing_forgets_nothing_of_a_folder_whose_parent_has_gone_from_the_base() {
    let Some(mount) = Mount::over(USUAL, |base| fs::create_dir_all(base.join("above/below")).unwrap()) else { return };
    let open = File::open(mount.at("above/below")).unwrap();
    let known = || sys::control(mount.point(), message::<fs_control_stats>()).unwrap().nodes;
    let before = known();
    let folder = mount.scratch().path();
    fs::rename(folder.join("base/above"), folder.join("elsewhere")).unwrap();
    // `..` has no attributes now. The kernel knows both folders for as long as the lower one is open.
    let mut entries = [0; 4096];
    let _ = sys::list(&open, &mut entries);
    assert_eq!((before, known()), (2, 2));
    drop(open);
    mount.end();
}
