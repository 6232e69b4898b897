//! What a command might try to get out of its branch. Root tries too.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use crate::accept::Over;
use crate::place::*;
use crate::{sh, with};

/// Each line of the script must fail.
#[track_caller]
fn all_fail(place: &Place, options: &[&str], lines: &[String]) {
    let script: Vec<String> = lines
        .iter()
        .map(|line| format!("({line}) >/dev/null 2>&1 && echo 'DONE: {}'", line.replace('\'', "\"")))
        .collect();
    let ran = with(place, options, &format!("{}; echo end", script.join("; ")));
    assert_eq!(ran.out, "end\n", "{ran:?}");
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A directory outside that a run sees as it is; `None` where the tests can make none.
fn elsewhere() -> Option<tempfile::TempDir> {
    let place = if is_root() { "/" } else { env!("CARGO_TARGET_TMPDIR") };
    let own = ["/tmp", "/var/tmp", "/run", "/dev/shm"].iter().any(|own| place.starts_with(own));
    tempfile::tempdir_in(place).ok().filter(|_| !own)
}

/// A place where something outside can be written: not in one of the run's own directories.
fn outside() -> tempfile::TempDir {
    let shared = std::path::Path::new("/dev/shm");
    tempfile::tempdir_in(if shared.is_dir() { shared } else { std::path::Path::new("/") }).unwrap()
}

#[test]
fn nothing_outside_can_be_written() {
    let place = Place::mounted();
    let tries = [
        "touch /etc/x",
        "echo > /etc/passwd",
        "mkdir /x",
        "rm /etc/hostname",
        "mv /etc/hostname /etc/y",
        "chmod 777 /etc",
        "chown 1 /etc/passwd",
        "touch /etc/passwd",
        "ln -s / /etc/x",
        "mkfifo /etc/x",
        "ln /etc/passwd /etc/x",
        "touch /usr/x",
        "touch /sys/x",
        "echo 1 > /proc/sys/kernel/printk",
        "echo h > /proc/sysrq-trigger",
    ];
    all_fail(&place, &[], &lines(&tries));
}

#[test]
fn links_do_not_lead_out() {
    let place = Place::mounted();
    let tries = [
        "ln -s /etc l; touch l/x",
        "ln -s /etc/passwd p; echo x >> p",
        "ln /etc/passwd hard",
        "ln -s .. up; touch up/../../../../etc/x",
    ];
    all_fail(&place, &[], &lines(&tries));
}

#[test]
fn the_branch_can_neither_be_moved_aside_nor_looked_under() {
    let place = Place::mounted();
    place.write("mnt/file", "true");
    let mnt = place.text("mnt");
    let tries = [
        format!("umount {mnt}"),
        format!("umount -l {mnt}"),
        format!("mount --bind {mnt} /tmp"),
        "mount -o remount,rw /".into(),
        "mount -o remount,bind,rw /".into(),
        "mount -t tmpfs none /etc".into(),
        format!("unshare -Urm sh -c 'umount {mnt} || umount -l {mnt}'"),
        "unshare -Urm sh -c 'mount -o remount,bind,rw / && touch /etc/x'".into(),
        format!(
            "unshare -Urm sh -c 'mkdir -p /tmp/look; mount --bind {} /tmp/look && touch /tmp/look/mnt/x'",
            mnt.trim_end_matches("/mnt")
        ),
        "unshare -Urm sh -c 'umount -l /tmp && ls /tmp/*'".into(),
        "chroot /etc touch x".into(),
    ];
    all_fail(&place, &[], &tries);
    assert_eq!(place.read("mnt/file"), "true");
}

#[test]
fn no_process_outside_can_be_named() {
    let place = Place::mounted();
    let ours = std::process::id();
    let all = sh(&place, "ls -d /proc/[0-9]* | wc -l; ls /proc/1/root 2>/dev/null | wc -l");
    let count: u32 = all.out.lines().next().unwrap().parse().unwrap();
    assert!(count < 10, "{all:?}");
    let tries = [
        format!("kill -0 {ours}"),
        format!("ls /proc/{ours}/root"),
        "touch /proc/1/root/etc/x".into(),
        "readlink /proc/1/fd/3".into(),
        "cat /proc/1/mem".into(),
        "echo > /proc/self/root/etc/x".into(),
        "for p in /proc/[0-9]*; do touch $p/root/etc/x && exit 0; done; exit 1".into(),
        "for f in /proc/[0-9]*/fd/[3-9]*; do test -e $f && exit 0; done; exit 1".into(),
    ];
    all_fail(&place, &[], &tries);
}

#[test]
fn other_listings_of_processes_are_covered() {
    if !is_root() {
        return;
    }
    let place = Place::mounted();
    let other = outside();
    let status = std::process::Command::new("mount").args(["-t", "proc", "proc"]).arg(other.path()).status().unwrap();
    assert!(status.success());
    let shown = outside();
    let ran = with(
        &place,
        &["--read-only", shown.path().to_str().unwrap()],
        &format!("ls {} | wc -l", other.path().display()),
    );
    let _ = std::process::Command::new("umount").arg(other.path()).status();
    // /dev/shm is the run's own, so what is mounted there is not seen at all; elsewhere it is empty.
    assert!(ran.out == "0\n" || ran.talk.contains("No such file"), "{ran:?}");
}

#[test]
fn what_was_open_before_is_closed_and_standard_files_lead_nowhere() {
    let place = Place::mounted();
    place.write("mnt/file", "true");
    place.write("outside", "outer");
    let bough = programs().join("bough");
    let script = format!(
        "exec 7<. 8<{0}/outside; exec < {0}/outside; cd {0}/mnt; \
         {1} run -- sh -c 'ls /proc/self/fd/7/ /proc/self/fd/8 2>&1 | grep -c cannot; echo evil > /proc/self/fd/0; cat'",
        place.text(""),
        bough.display()
    );
    let ran = ran(place.command("sh").args(["-c", &script]));
    assert!(ran.out.starts_with('2') && ran.out.ends_with("outer"), "{ran:?}");
    assert_eq!(place.read("outside"), "outer");
    let script = format!(
        "cd {0}/mnt; {1} run -- sh -c 'echo evil > /proc/self/fd/0' < {0}/mnt/file",
        place.text(""),
        bough.display()
    );
    ran_quietly(place.command("sh").args(["-c", &script]));
    assert_eq!(place.read("mnt/file"), "true", "the base's own file");
    let script = format!("cd {0}/mnt; {1} run -- true < {0}", place.text(""), bough.display());
    crate::place::ran(place.command("sh").args(["-c", &script])).refused(125, &["standard input is a directory"]);
}

fn ran_quietly(command: &mut std::process::Command) {
    let _ = ran(command);
}

#[test]
fn privileges_do_not_come_back() {
    let place = Place::mounted();
    let ran = sh(&place, "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; grep CapBnd /proc/self/status");
    assert!(ran.out.contains("NoNewPrivs:\t1\nSeccomp:\t2\n"), "{ran:?}");
    let bounding = ran.out.lines().last().unwrap().split('\t').nth(1).unwrap();
    let bounding = u64::from_str_radix(bounding, 16).unwrap();
    // Reading by handle, tracing, raw devices, mounting, making devices.
    for capability in [2, 17, 19, 21, 27] {
        assert_eq!(bounding & 1 << capability, 0, "{bounding:x}");
    }
    all_fail(&place, &[], &lines(&["mknod disk b 8 0", "mknod /dev/disk b 8 0", "ls /dev/sd* /dev/vd* /dev/mem"]));
}

#[test]
fn the_devices_of_the_machine_stay_as_they_are() {
    if !is_root() {
        return;
    }
    let place = Place::mounted();
    let look = || {
        let found = std::fs::metadata("/dev/full").unwrap();
        (found.permissions(), found.modified().unwrap())
    };
    let before = look();
    all_fail(&place, &[], &lines(&["chmod 600 /dev/full", "touch -d 2001-01-01 /dev/full"]));
    let script = "chmod 600 /proc/self/fd/1; chmod 600 /dev/stdin; echo > /dev/null && cat < /dev/null";
    let mut command = place.bough(&["run", "--keep", "--", "sh", "-c", script]);
    let full = fs::File::options().read(true).write(true).open("/dev/full").unwrap();
    command.current_dir(place.at("mnt")).stdout(full.try_clone().unwrap()).stdin(full);
    let status = command.status().unwrap();
    let after = look();
    let _ = std::fs::set_permissions("/dev/full", before.0.clone());
    assert_eq!((after, status.code()), (before, Some(0)));
}

#[test]
fn what_is_told_of_names_is_one_line_each() {
    let place = Place::mounted();
    fs::create_dir(place.at("out")).unwrap();
    let out = place.text("out");
    let ran = with(&place, &["--allow", &out], &format!("touch \"$(printf '{out}/a\\033[2K\\rb\\nc')\""));
    assert!(ran.talk.contains("outside: A \"") && ran.talk.contains("a\\033[2K\\015b\\nc\""), "{ran:?}");
    with(&place, &["--allow", "/"], "true").refused(125, &["--allow /"]);
}

#[test]
fn a_setuid_program_gives_nobody_anything() {
    if !is_root() {
        return;
    }
    let place = Place::mounted();
    let script = "cp /bin/sh s; chown 1000 s; chmod 4755 s; ./s -p -c 'id -u'; cp /usr/bin/id i; chmod 4755 i; \
                  setpriv --reuid 1000 --clear-groups ./i -u";
    let ran = sh(&place, script);
    assert_eq!(ran.out, "0\n1000\n", "{ran:?}");
}

#[test]
fn neither_the_branch_nor_others_can_be_controlled_from_inside() {
    let place = Place::mounted();
    place.here(&["branch", "create", "other"]).done();
    let bough = programs().join("bough");
    let programs = programs().to_str().unwrap().to_owned();
    let bough = bough.display();
    let state = place.text("state");
    let tries = [
        format!("{bough} snapshot create s"),
        format!("{bough} branch create more"),
        format!("{bough} branch switch other"),
        format!("{bough} branch delete other"),
        format!("{bough} branch list"),
        format!("{bough} diff main other"),
        format!("BOUGH_STATE_DIR={state} {bough} list --json | grep -q volume"),
        format!("ls {state}/*.sock"),
        format!("touch {state}/x"),
    ];
    all_fail(&place, &["--read-only", &programs], &tries);
    let names = place.here(&["log"]).done();
    assert!(names.contains("other") && !names.contains("more") && !names.contains(" s "), "{names}");
}

#[test]
fn no_mount_of_a_volume_that_is_seen_controls_it() {
    let place = Place::mounted();
    place.run(&["mount", "--attach", "mnt", "other"]).done();
    place.here(&["branch", "create", "more"]).done();
    let programs = programs().to_str().unwrap().to_owned();
    let other = format!("{programs}/bough -C {}", place.text("other"));
    let tries = [
        format!("{other} snapshot create s"),
        format!("{other} branch create b"),
        format!("{other} branch switch more"),
        format!("{other} branch delete more"),
        format!("{other} branch rename more less"),
        format!("{other} diff main more"),
        format!("{other} log"),
        format!("cd {} && {programs}/bough branch delete more", place.text("other")),
    ];
    all_fail(&place, &["--read-only", &place.text("other"), "--read-only", &programs], &tries);
    let branches = place.here(&["branch", "list", "--json"]).done();
    assert!(
        branches.contains("\"more\"") && !branches.contains("\"b\"") && !branches.contains("\"less\""),
        "{branches}"
    );
    let shown = |name: &str| place.run(&["-C", &place.text(name), "status", "--json"]).done();
    assert!(shown("other").contains("\"main\"") && !place.here(&["log"]).done().contains(" s "), "{}", shown("other"));
}

#[test]
fn a_run_in_a_chroot_does_not_get_out_of_it() {
    if !is_root() {
        return;
    }
    let place = Place::mounted();
    place.write("outside", "true");
    fs::create_dir(place.at("jail")).unwrap();
    let escape = format!(
        "import os\nprint('ran', flush=True)\nos.mkdir('x'); os.chroot('x')\nfor _ in range(64): os.chdir('..')\n\
         os.chroot('.')\nopen('{}', 'w').write('evil')",
        place.text("outside")
    );
    place.write("mnt/escape", &escape);
    let script = format!(
        "mount --make-rprivate / && mount --rbind / {0}/jail && mount --make-rprivate {0}/jail && \
         exec chroot {0}/jail sh -c 'cd {0}/mnt && exec {1} run --keep -- python3 escape'",
        place.at("").display().to_string().trim_end_matches('/'),
        programs().join("bough").display()
    );
    let ran = ran(place.command("unshare").args(["-m", "sh", "-c", &script]));
    assert_eq!((ran.out.as_str(), place.read("outside").as_str()), ("ran\n", "true"), "{ran:?}");
}

#[test]
fn cgroups_of_those_outside_cannot_be_steered() {
    let place = Place::mounted();
    let mount = "mkdir -p /tmp/c; mount -t cgroup2 none /tmp/c && test -w /tmp/c/cgroup.procs";
    let tries = [
        "unshare -UrC true".into(),
        format!("unshare -UrmC sh -c '{mount}'"),
        format!("unshare -Urm sh -c '{mount}'"),
        format!("unshare -Urm unshare -C sh -c '{mount}'"),
        mount.into(),
    ];
    all_fail(&place, &[], &tries);
    // The other namespaces, threads and processes are had as before.
    let script = "unshare -Urm true && echo had; python3 -c 'import threading as t; x = t.Thread(target=print); x.start(); x.join()'";
    let (inside, outside) = (sh(&place, script), ran(place.command("sh").args(["-c", script])));
    assert_eq!((inside.out, inside.code), (outside.out, outside.code));
}

#[test]
fn what_is_allowed_is_written_for_real_and_told() {
    let place = Place::mounted();
    fs::create_dir(place.at("out")).unwrap();
    place.write("out/edited", "1");
    place.write("out/gone", "1");
    let out = place.text("out");
    let ran = with(
        &place,
        &["--allow", &out, "--keep"],
        &format!("cd {out}; echo 22 > edited; rm gone; echo > new; touch ../x"),
    );
    for line in ["A", "D", "M"]
        .iter()
        .zip(["new", "gone", "edited"])
        .map(|(letter, name)| format!("outside: {letter} {out}/{name}"))
    {
        assert!(ran.talk.contains(&line), "{line}: {ran:?}");
    }
    assert_eq!(place.read("out/edited"), "22\n");
    assert!(!place.at("x").exists());
    let ran = with(&place, &["--allow", &out], &format!("echo 33 > {out}/edited"));
    assert_eq!(ran.talk, format!("bough: outside: M {out}/edited\nbough: nothing changed in the branch\n"));
    with(&place, &["--allow", &place.text("mnt")], "true").refused(125, &["--allow", "lies in the base"]);
    with(&place, &["--allow", "/no/such"], "true").refused(125, &["--allow /no/such", "no such file"]);
}

#[test]
fn an_allowed_path_that_holds_the_base_does_not_give_the_base() {
    let place = Place::mounted();
    place.write("mnt/file", "true");
    let root = place.text("");
    let root = root.trim_end_matches('/');
    let script = format!(
        "echo evil > {root}/mnt/file; echo 1 > {root}/beside; mv {root}/mnt {root}/moved; \
        mv {root} {root}-moved; unshare -Urm sh -c 'mount --bind {root} /tmp && echo evil > /tmp/mnt/file'; cat {root}/mnt/file"
    );
    let ran = with(&place, &["--allow", root], &script);
    assert_eq!((place.read("mnt/file"), place.read("beside")), ("true".into(), "1\n".into()), "{ran:?}");
    assert!(ran.talk.contains("outside: A") && ran.talk.contains("M file"), "{ran:?}");
}

#[test]
fn a_part_of_the_base_may_be_read_only() {
    let place = Place::mounted();
    fs::create_dir(place.at("mnt/kept")).unwrap();
    place.write("mnt/kept/file", "1");
    let kept = place.text("mnt/kept");
    let ran =
        with(&place, &["--read-only", &kept], "echo 2 > kept/file; rm -r kept; mv kept x; echo > free; cat kept/file");
    assert_eq!(ran.out, "1", "{ran:?}");
    assert!(ran.talk.contains("A free") && !ran.talk.contains("kept/file\n"), "{ran:?}");
}

#[test]
fn what_is_read_only_in_the_base_is_not_accepted_as_another() {
    let place = Place::mounted();
    fs::create_dir_all(place.at("mnt/p/kept")).unwrap();
    place.write("mnt/p/kept/file", "1");
    fs::hard_link(place.at("mnt/p/kept/file"), place.at("mnt/link")).unwrap();
    let kept = place.text("mnt/p/kept");
    let options = ["--read-only", &kept, "--accept"];
    for (script, told) in
        [("mv p q && mkdir -p p/kept && echo 2 > p/kept/file", "R p -> q"), ("echo 2 > link", "M p/kept/file")]
    {
        let ran = with(&place, &options, script);
        assert_eq!(ran.code, 125, "{ran:?}");
        assert!(ran.talk.contains(&format!("read-only, and changed all the same: {told}\n")), "{ran:?}");
        assert!(ran.talk.contains("kept as the branch") && !ran.talk.contains("accepted"), "{ran:?}");
        assert_eq!(place.read("mnt/p/kept/file"), "1");
    }
    let ran = with(&place, &options, "chmod 700 p; echo > p/beside; exit 3");
    assert!(ran.code == 3 && ran.talk.contains("accepted"), "what lies beside may change: {ran:?}");
    let rejected = with(&place, &["--read-only", &kept, "--reject"], "mv p q");
    assert_eq!(rejected.code, 0, "{rejected:?}");
}

#[test]
fn a_name_that_nobody_has_looked_at_may_be_a_read_only_one() {
    let over = Over::new();
    fs::hard_link(over.at("same"), over.at("dir/same")).unwrap();
    let options = ["--read-only", "dir", "--accept"];
    for (script, told) in [("echo more >> same", "M same"), ("chmod 700 same", "m same")] {
        let before = over.look();
        let ran = over.run(&options, script);
        assert_eq!(ran.code, 125, "{ran:?}");
        let told = format!("read-only, and changed all the same: {told} (and under further names)\n");
        assert!(ran.talk.contains(&told) && !ran.talk.contains("accepted"), "{ran:?}");
        assert_eq!(over.look(), before);
    }
    let ran = over.run(&options, "echo more >> edited");
    assert_eq!((ran.code, over.read("edited").as_str()), (0, "editedmore\n"), "{ran:?}");
}

#[test]
fn what_was_done_before_to_what_is_read_only_is_not_accepted_later() {
    let over = Over::new();
    let options = ["--read-only", "dir/deep", "--branch", "b", "--accept"];
    let before = over.look();
    for script in ["mv dir moved && mkdir -p dir/deep", "echo more >> edited", "true"] {
        let ran = over.run(&options, script);
        assert_eq!(ran.code, 125, "{script}: {ran:?}");
        assert!(ran.talk.contains("read-only, and changed all the same: R dir -> moved\n"), "{script}: {ran:?}");
        assert_eq!(over.look(), before, "{script}");
    }
    let kept = over.run(&["--read-only", "dir/deep", "--branch", "b", "--keep"], "true");
    assert_eq!(kept.code, 0, "where nothing is accepted only what is new counts: {kept:?}");
}

#[test]
fn places_of_the_runs_own_are_empty_and_what_is_asked_for_is_shown_there() {
    let place = Place::mounted();
    place.write("input", "given");
    let input = place.text("input");
    assert_ne!(sh(&place, &format!("cat {input}")).code, 0);
    let ran = with(&place, &["--read-only", &input], &format!("cat {input}; echo evil > {input}; echo > /tmp/own"));
    assert_eq!((ran.out.as_str(), place.read("input").as_str()), ("given", "given"), "{ran:?}");
    assert!(!std::path::Path::new("/tmp/own").exists());
}

#[test]
fn without_a_network_there_is_none() {
    let place = Place::mounted();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!("bash -c 'echo > /dev/tcp/127.0.0.1/{port}' 2>/dev/null && echo reached");
    assert_eq!(sh(&place, &connect).out, "reached\n");
    let ran = with(
        &place,
        &["--no-network"],
        &format!("{connect}; tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/net/route | wc -l"),
    );
    assert_eq!(ran.out.split_whitespace().collect::<Vec<_>>(), ["lo", "1"], "{ran:?}");
    // It has itself.
    let own = "bash -c 'exec 3<>/dev/udp/127.0.0.1/9' && echo itself";
    assert_eq!(with(&place, &["--no-network"], own).out, "itself\n");
}

#[test]
fn sockets_of_others_in_places_of_the_runs_own_are_not_there() {
    let place = Place::mounted();
    let path = place.at("listening");
    let _listener = UnixListener::bind(&path).unwrap();
    let ran = sh(&place, &format!("test -e {} && echo seen; true", path.display()));
    assert_eq!(ran.out, "", "{ran:?}");
}

#[test]
fn hard_links_and_bind_mounts_do_not_lead_into_the_base() {
    let place = Place::mounted();
    let Some(beside) = elsewhere() else { return };
    place.write("mnt/file", "true");
    let (root, mnt) = (beside.path().to_str().unwrap(), place.text("mnt"));
    fs::write(beside.path().join("beside"), "outside").unwrap();
    let tries = [
        format!("ln {root}/beside link && echo evil > link"),
        format!("ln {mnt}/file /tmp/link && echo evil > /tmp/link && test $(cat {mnt}/file) = true"),
        format!("mkdir -p b && mount --bind {root} b"),
        format!("unshare -Urm sh -c 'mkdir b; mount --bind {root} b && echo evil > b/beside'"),
        format!("unshare -Urm sh -c 'mount --rbind / /tmp && echo evil > /tmp{root}/beside'"),
        "nsenter -t 1 -m true".into(),
        "mount -t proc proc /tmp".into(),
        "pivot_root . .".into(),
    ];
    all_fail(&place, &[], &tries);
    assert_eq!(place.read("mnt/file"), "true");
    assert_eq!(fs::read_to_string(beside.path().join("beside")).unwrap(), "outside");
    assert_eq!(fs::read_dir(beside.path()).unwrap().count(), 1);
}

#[test]
fn links_that_the_base_holds_lead_nowhere_that_can_be_written() {
    let place = Place::mounted();
    let Some(beside) = elsewhere() else { return };
    let outside = beside.path().join("outside").to_str().unwrap().to_owned();
    fs::write(&outside, "outer").unwrap();
    std::os::unix::fs::symlink(&outside, place.at("mnt/out")).unwrap();
    std::os::unix::fs::symlink("/proc/self/root/etc", place.at("mnt/root")).unwrap();
    std::os::unix::fs::symlink("/proc/1/root", place.at("mnt/one")).unwrap();
    std::os::unix::fs::symlink("/proc/self/cwd/../../../etc/evil", place.at("mnt/up")).unwrap();
    let tries = [
        "echo evil > out".into(),
        "echo evil > root/evil".into(),
        "echo evil > one/etc/evil".into(),
        "echo evil > up".into(),
        format!("dd if=/dev/zero of={outside} bs=1 count=1"),
        format!("truncate -s 0 {outside}"),
        format!("python3 -c \"import os; os.open('{outside}', os.O_WRONLY)\""),
    ];
    all_fail(&place, &[], &tries);
    assert_eq!(fs::read_to_string(outside).unwrap(), "outer");
}

#[test]
fn descriptors_in_proc_do_not_open_again_what_was_given_to_read() {
    let place = Place::mounted();
    place.write("outside", "outer");
    place.write("log", "");
    let bough = programs().join("bough");
    // Given to be written, it is written; no more than it, and it does not lead to the directory that it is in.
    let script = format!(
        "cd {0}/mnt; {1} run --keep -- sh -c 'echo told; echo evil > /proc/self/fd/0; ls /proc/self/fd/1/.. ; \
         echo evil > /proc/self/fd/1/../outside; true' < {0}/outside > {0}/log",
        place.text(""),
        bough.display()
    );
    ran_quietly(place.command("sh").args(["-c", &script]));
    assert_eq!((place.read("outside"), place.read("log")), ("outer".into(), "told\n".into()));
}

#[test]
fn sockets_that_reach_out_of_a_network_are_none_without_one() {
    let place = Place::mounted();
    // Each try fails where its program is missing, and that would tell nothing.
    for program in ["python3", "ip", "nsenter"] {
        let found = sh(&place, &format!("command -v {program}"));
        assert_eq!(found.code, 0, "{program} is missing: install python3, iproute2 and util-linux");
    }
    assert_eq!(sh(&place, "python3 -c 'import socket; socket.socket(); print(1)'").out, "1\n");
    let tries = [
        "python3 -c \"import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\"",
        "python3 -c \"import socket; socket.socket(40, socket.SOCK_STREAM)\"",
        "python3 -c \"import socket; s = socket.socket(); s.settimeout(2); s.connect(('1.1.1.1', 80))\"",
        "python3 -c \"import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0bough-test')\"",
        "ip link add x type dummy",
        "nsenter -t 1 -n true",
    ];
    let name = b"\0bough-test";
    let _listener = abstract_listener(name);
    all_fail(&place, &["--no-network"], &lines(&tries));
}

/// A socket that has no file, but a name in a network.
fn abstract_listener(name: &[u8]) -> UnixListener {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name[1..]).unwrap();
    UnixListener::bind_addr(&address).unwrap()
}
