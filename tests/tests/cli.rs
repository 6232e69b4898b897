//! The command on real mounts: every verb, what it prints and how it ends; and everything that can be asked wrongly.
//!
//! Runs the programs in `target/release` (or `$BOUGH_BIN`), which `make test` builds first. Each test has a state directory and
//! mount points of its own.

#[path = "cli/place.rs"]
mod place;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use place::*;

#[test]
fn a_volume_is_mounted_used_and_gone_when_it_is_unmounted() {
    let place = Place::mounted();
    place.write("mnt/file", "content");
    assert_eq!(place.read("mnt/file"), "content");
    let daemon = place.daemon();
    place.unmount("mnt");
    assert_eq!(fs::read_dir(place.at("mnt")).unwrap().count(), 0);
    // The command waits for it, but not for ever: a busy machine may need longer.
    wait_until("the daemon ends with its last mount point", || !is_running(daemon));
    assert_eq!(fs::read_dir(place.at("state")).unwrap().count(), 0, "its socket is gone");
    let listed = place.run(&["list"]);
    assert_eq!((listed.code, listed.out.as_str()), (0, ""));
    assert!(listed.talk.contains("no volume of yours is alive"));
    assert_eq!(place.run(&["list", "--json"]).out, "[]\n");
}

#[test]
fn a_snapshot_holds_what_was_written_before_it() {
    let place = Place::mounted();
    place.write("mnt/kept", "before");
    place.write("mnt/gone", "before");
    assert_eq!(place.here(&["snapshot", "create"]).done(), "main@1\n");
    place.write("mnt/kept", "after, and longer");
    fs::remove_file(place.at("mnt/gone")).unwrap();
    assert_eq!(place.here(&["snapshot", "create", "two", "--json"]).done().parse::<Value>().unwrap()["name"], "two");
    place.run(&["mount", "--attach", "mnt", "--snapshot", "main@1", "other"]).done();
    assert_eq!(place.read("other/kept"), "before");
    assert_eq!(place.read("other/gone"), "before");
    assert_eq!(fs::write(place.at("other/kept"), "x").unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(fs::write(place.at("other/new"), "x").unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn a_volume_is_found_sound_while_it_is_used_and_when_it_is_still() {
    let place = Place::mounted();
    place.write("mnt/file", "content");
    place.here(&["snapshot", "create"]).done();
    let open = fs::File::open(place.at("mnt/file")).unwrap();
    place.write("mnt/file", "other content");
    let told = place.here(&["debug", "check"]).done();
    assert!(told.starts_with("sound: 2 trees, "), "{told}");
    drop(open);
    let told: Value = place.here(&["debug", "check", "--still", "--json"]).done().parse().unwrap();
    assert_eq!((&told["problems"], &told["trees"], &told["small_buffers"]), (&json!([]), &json!(2), &json!(2)));
}

#[test]
fn a_branch_is_grown_and_mounted_by_one_command() {
    let place = Place::mounted();
    place.write("mnt/file", "common");
    place.here(&["snapshot", "create", "s"]).done();
    place.write("mnt/file", "main's");
    let there = place.at("other");
    let there = there.to_str().unwrap();
    assert_eq!(place.here(&["branch", "create", "try", "--from", "s", "--mount", there]).done(), "");
    assert_eq!(place.read("other/file"), "common");
    place.write("other/file", "try's own");
    assert_eq!(place.here(&["diff", "s", "try"]).out, "M file\n");
    let created = place.run(&["-C", "mnt", "branch", "create", "two", "--mount", "../third", "--json"]).done();
    assert_eq!(created.parse::<Value>().unwrap()["name"], "two");
    assert_eq!(place.read("third/file"), "main's");
}

#[test]
fn a_branch_is_not_grown_where_it_could_not_be_mounted() {
    let place = Place::mounted();
    let branches = || place.json(&["branch", "list", "--json"]).as_array().unwrap().len();
    for (point, said) in [("../missing", "does not exist"), (".", "already"), ("..", "is not empty")] {
        place.run(&["-C", "mnt", "branch", "create", "b", "--mount", point]).refused(1, &[said]);
        assert_eq!(branches(), 1, "{point}");
    }
    // Neither is mounted what cannot be grown.
    place.run(&["-C", "mnt", "branch", "create", "main", "--mount", "../other"]).refused(1, &["`main` already"]);
    assert_eq!(fs::read_dir(place.at("other")).unwrap().count(), 0);
    place.here(&["snapshot", "create", "s"]).done();
    place.run(&["-C", "mnt", "branch", "create", "b", "--from", "t", "--mount", "../other"]).refused(1, &["`t`"]);
    assert_eq!(branches(), 1);
}

#[test]
fn branches_diverge_side_by_side() {
    let place = Place::mounted();
    place.write("mnt/file", "common");
    place.here(&["branch", "create", "try"]).done();
    place.run(&["mount", "--attach", "mnt", "--branch", "try", "other"]).done();
    place.write("mnt/file", "main's");
    place.write("other/file", "try's own");
    assert_eq!((place.read("mnt/file"), place.read("other/file")), ("main's".into(), "try's own".into()));
    assert_eq!(place.here(&["diff", "main", "try"]).out, "M file\n");
    // What was written at another mount point of the branch is in, too.
    place.run(&["mount", "--attach", "other", "third"]).done();
    place.write("third/late", "late");
    place.run(&["-C", "other", "snapshot", "create", "both"]).done();
    assert_eq!(place.here(&["diff", "try", "both"]).out, "");
    let created = place.json(&["branch", "create", "last", "--from", "both", "--json"]);
    assert_eq!((&created["name"], &created["kind"]), (&json!("last"), &json!("branch")));
    // An accept would take them for what another has left.
    for words in [["branch", "create", "~trial.1.1"].as_slice(), &["branch", "rename", "last", "~trial.1.1"]] {
        place.here(words).refused(1, &["~trial.1.1", "are kept for"]);
    }
}

#[test]
fn diff_prints_letters_and_paths_and_ends_with_1() {
    let place = Place::mounted();
    ["changed", "moved", "removed", "mode"].iter().for_each(|name| place.write(&format!("mnt/{name}"), name));
    fs::create_dir(place.at("mnt/sub")).unwrap();
    place.here(&["snapshot", "create", "a"]).done();
    assert_eq!(place.here(&["diff"]).done(), "");
    place.write("mnt/changed", "something else");
    place.write("mnt/sub/added", "");
    fs::rename(place.at("mnt/moved"), place.at("mnt/sub/moved")).unwrap();
    fs::remove_file(place.at("mnt/removed")).unwrap();
    fs::set_permissions(place.at("mnt/mode"), fs::Permissions::from_mode(0o600)).unwrap();
    let ran = place.here(&["diff"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.out, "M changed\nm mode\nD removed\nA sub/added\nR moved -> sub/moved\n");
    assert_eq!(place.here(&["diff", "a"]).out, ran.out);
    assert_eq!(place.here(&["diff", "--stat"]).out, "1 added, 1 deleted, 1 modified, 1 metadata only, 1 renamed\n");
    assert_eq!(place.here(&["diff", "main", "a", "--", "sub"]).out, "R sub/moved -> moved\nD sub/added\n");
    let below = ran_in(&place, "mnt/sub", &["diff", "--", "."]);
    assert_eq!(below.out, "A sub/added\nR moved -> sub/moved\n");
    assert_eq!(place.here(&["diff", "--", "nothing"]).done(), "");
}

#[test]
fn diff_speaks_json() {
    let place = Place::mounted();
    place.here(&["snapshot", "create", "a"]).done();
    place.write("mnt/new", "x");
    fs::create_dir(place.at("mnt").join(OsStr::from_bytes(b"odd\xff"))).unwrap();
    let diff = place.json(&["diff", "--json"]);
    assert_eq!((&diff["before"], &diff["after"]), (&json!("a"), &json!("main")));
    assert_eq!(diff["counts"], json!({"added": 2, "deleted": 0, "modified": 0, "metadata": 0, "renamed": 0}));
    let first = &diff["changes"][0];
    assert_eq!(
        (&first["change"], &first["path"], &first["file_kind"]),
        (&json!("added"), &json!("new"), &json!("file"))
    );
    assert_eq!(diff["changes"][1]["path_bytes"], json!(b"odd\xff"));
    assert!(place.json(&["diff", "--json", "--stat"]).get("changes").is_none());
    assert_eq!(place.here(&["diff"]).out, "A new\nA \"odd\\377\"\n");
}

#[test]
fn a_diff_of_many_paths_arrives_whole_and_sorted() {
    let place = Place::mounted();
    place.here(&["snapshot", "create", "a"]).done();
    let names: Vec<String> = (0..2000).map(|number| format!("a file with a longish name {number:05}")).collect();
    names.iter().for_each(|name| place.write(&format!("mnt/{name}"), ""));
    let expected: String = names.iter().map(|name| format!("A {name}\n")).collect();
    assert_eq!(place.here(&["diff"]).out, expected);
}

#[test]
fn the_log_is_a_tree() {
    let place = Place::mounted();
    place.here(&["snapshot", "create", "first"]).done();
    place.here(&["branch", "create", "try", "--from", "first"]).done();
    place.here(&["snapshot", "create", "second"]).done();
    let out = place.here(&["log"]).done();
    let names: Vec<String> = out.lines().map(|line| line.split("  ").next().unwrap().to_owned()).collect();
    assert_eq!(names, ["first", "├── try", "second", "main"]);
    assert!(out.lines().last().unwrap().ends_with(&format!("at {}", place.text("mnt"))));
    assert!(!out.contains('\x1b'), "no colours but on terminals");
    let log = place.json(&["log", "--json"]);
    assert_eq!(log[0]["name"], "main");
    assert_eq!(log[0]["parent"], "second");
    assert_eq!(log[0]["mount_points"], json!([place.text("mnt")]));
}

#[test]
fn lists_are_tables_and_json() {
    let place = Place::mounted();
    place.here(&["snapshot", "create", "s"]).done();
    let out = place.here(&["snapshot", "list"]).done();
    assert!(out.starts_with("NAME  GREW FROM  CREATED"), "{out}");
    assert_eq!(out.lines().count(), 2);
    let branches = place.json(&["branch", "list", "--json"]);
    assert_eq!(branches.as_array().unwrap().len(), 1);
    assert_eq!((&branches[0]["name"], &branches[0]["parent"]), (&json!("main"), &json!("s")));
    assert_eq!(place.json(&["snapshot", "list", "--json"])[0]["children"], 1);
}

#[test]
fn status_says_what_is_mounted_and_what_has_changed() {
    let place = Place::mounted();
    let before = place.json(&["status", "--json"]);
    assert_eq!((&before["shows"], &before["parent"], &before["changes"]), (&json!("main"), &Value::Null, &Value::Null));
    place.here(&["snapshot", "create", "s"]).done();
    place.write("mnt/a", "x");
    let after = place.json(&["status", "--json"]);
    assert_eq!((&after["parent"], &after["changes"]["added"]), (&json!("s"), &json!(1)));
    assert_eq!(after["mount_point"], json!(place.text("mnt")));
    let out = place.here(&["status"]).done();
    assert!(out.contains("grew from    s\n") && out.contains("changes      1 added\n"), "{out}");
}

#[test]
fn list_shows_every_volume_and_mount_point() {
    let place = Place::mounted();
    place.run(&["mount", "--volume", "named", "other"]).done();
    place.run(&["mount", "--volume", "named", "third"]).done();
    let list: Value = serde_json::from_str(&place.run(&["list", "--json"]).done()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let named = list.as_array().unwrap().iter().find(|volume| volume["volume"] == "named").unwrap();
    assert_eq!(named["mounts"].as_array().unwrap().len(), 2);
    let out = place.run(&["list"]).done();
    assert!(out.contains(&place.text("third")) && out.lines().count() == 4, "{out}");
}

#[test]
fn stats_are_printed_once_or_each_second() {
    let place = Place::mounted();
    place.write("mnt/big", &"x".repeat(1 << 20));
    let used = |stats: &Value| stats["used_bytes"].as_u64().unwrap();
    write_back(&place.at("mnt"));
    assert!(used(&place.json(&["stats", "--json"])) >= 1 << 20);
    assert!(place.here(&["stats"]).done().contains("memory limit"));
    let begun = Instant::now();
    let mut watch = place
        .bough(&["stats", "--watch", "--json"])
        .current_dir(place.at("mnt"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        assert!(used(&serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()) >= 1 << 20);
    }
    assert!(begun.elapsed() >= Duration::from_millis(900));
    drop(lines);
    // It writes once more, finds nobody there, and ends without a word.
    assert_eq!(watch.wait().unwrap().code(), Some(4));
}

#[test]
fn stats_tell_what_was_done_and_how_long_it_took() {
    let place = Place::mounted();
    for number in 0..5 {
        place.write(&format!("mnt/file{number}"), "x");
    }
    place.here(&["snapshot", "create"]).done();
    let stats = place.json(&["stats", "--json"]);
    let operation = |name: &str, field: &str| stats["operations"][name][field].as_u64();
    assert_eq!(operation("create", "count"), Some(5));
    assert_eq!((operation("snapshot", "count"), operation("snapshot", "timed")), (Some(1), Some(1)));
    assert!(operation("snapshot", "slowest_ns") >= operation("snapshot", "median_ns"));
    assert_eq!(operation("rename", "mean_ns"), None);
    assert!(stats["resident_bytes"].as_u64().is_some() && stats["faults"] == 0);
    let out = place.here(&["stats"]).done();
    assert!(out.contains("OPERATION") && out.contains("found in memory") && !out.contains('\x1b'), "{out}");
    assert!(out.lines().any(|line| line.starts_with("create ")) && !out.contains("rename"), "{out}");
}

#[test]
fn stats_and_status_tell_what_deleting_would_free() {
    let place = Place::mounted();
    place.write("mnt/big", &"x".repeat(3 << 20));
    place.here(&["snapshot", "create", "old"]).done();
    fs::remove_file(place.at("mnt/big")).unwrap();
    place.write("mnt/small", "y");
    write_back(&place.at("mnt"));
    let refs = place.json(&["stats", "--refs", "--json"]);
    assert_eq!((&refs[0]["name"], &refs[1]["name"]), (&json!("main"), &json!("old")));
    assert_eq!(refs[1]["content_bytes"], 3 << 20);
    assert!(refs[1]["exclusive_bytes"].as_u64() >= Some(3 << 20) && refs[1]["shared_bytes"] == 0, "{refs}");
    let out = place.here(&["stats", "--refs"]).done();
    assert!(out.contains("EXCLUSIVE") && out.lines().count() == 3, "{out}");
    let status = place.json(&["status", "--json"]);
    assert_eq!(status["holders"][0]["name"], "old");
    assert!(status["free_bytes"].as_u64() < status["capacity_bytes"].as_u64());
    let out = place.here(&["status"]).done();
    assert!(out.contains("room left") && out.contains("LARGEST HOLDERS") && out.contains("DELETING FREES"), "{out}");
    let used = |stats: &Value| stats["used_bytes"].as_u64().unwrap();
    let before = used(&place.json(&["stats", "--json"]));
    place.here(&["snapshot", "delete", "old"]).done();
    wait_until("what it held is freed", || {
        before >= used(&place.json(&["stats", "--json"])) + refs[1]["exclusive_bytes"].as_u64().unwrap()
    });
    place.here(&["stats", "--refs", "--watch"]).refused_with_talk();
}

#[test]
fn stats_are_watched_line_by_line_at_an_interval() {
    let place = Place::mounted();
    place.here(&["stats", "--interval", "2"]).refused_with_talk();
    place.here(&["stats", "--watch", "--interval", "0.01"]).refused_with_talk();
    let begun = Instant::now();
    let mut watch = place
        .bough(&["stats", "--watch", "--interval", "0.2"])
        .current_dir(place.at("mnt"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let second = lines.next().unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(150));
    assert!(!first.contains("operations/s") && second.contains("operations/s"), "{first} {second}");
    assert!(!second.contains('\x1b'));
    drop(lines);
    assert_eq!(watch.wait().unwrap().code(), Some(4));
}

#[test]
fn a_mount_point_switches_branches() {
    let place = Place::mounted();
    place.write("mnt/file", "old");
    place.here(&["snapshot", "create", "s"]).done();
    place.here(&["branch", "create", "try"]).done();
    place.write("mnt/file", "new on main");
    place.run(&["-C", "mnt", "branch", "switch", "try"]).done();
    assert_eq!(place.read("mnt/file"), "old");
    assert_eq!(place.json(&["status", "--json"])["shows"], "try");
    place.run(&["-C", "mnt", "branch", "switch", "main"]).done();
    assert_eq!(place.read("mnt/file"), "new on main");
    place.run(&["-C", "mnt", "branch", "switch", "mian"]).refused(1, &["`mian`", "did you mean `main`?"]);
}

#[test]
fn names_are_changed_and_taken_away() {
    let place = Place::mounted();
    place.here(&["snapshot", "create", "s"]).done();
    place.here(&["branch", "create", "b"]).done();
    place.here(&["snapshot", "rename", "s", "snap"]).done();
    place.here(&["branch", "rename", "b", "branch"]).done();
    place.here(&["snapshot", "rename", "branch", "x"]).refused(1, &["`branch`", "not a snapshot"]);
    place.here(&["branch", "rename", "branch", "snap"]).refused(1, &["`snap` already", "choose another"]);
    place.here(&["branch", "delete", "main"]).refused(1, &["`main`", "unmount it or switch it"]);
    place.here(&["snapshot", "delete", "main"]).refused(1, &["`main`", "not a snapshot"]);
    let both = place.here(&["snapshot", "delete", "missing", "snap"]);
    assert_eq!(both.code, 1);
    assert!(both.talk.contains("`missing`"), "what can be deleted is deleted all the same");
    place.here(&["branch", "delete", "branch"]).done();
    assert_eq!(place.json(&["log", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn bad_names_are_refused_and_nothing_changes() {
    let place = Place::mounted();
    place.here(&["snapshot", "create", "taken"]).done();
    place.here(&["snapshot", "create", "taken"]).refused(1, &["`taken` already"]);
    place.here(&["branch", "create", "taken"]).refused(1, &["`taken` already"]);
    place.here(&["branch", "create", "a/b"]).refused(1, &["`a/b`", "contains `/`"]);
    place.here(&["branch", "create", ""]).refused(1, &["it is empty"]);
    place.here(&["branch", "create", ".."]).refused(1, &["name directories"]);
    place.here(&["snapshot", "create", "a\nb"]).refused_anyhow(1);
    place.here(&["snapshot", "create", &"x".repeat(256)]).refused(1, &["at most 255 bytes"]);
    place.here(&["branch", "create", "new", "--from", "takne"]).refused(1, &["`takne`", "did you mean `taken`?"]);
    place.here(&["diff", "nowhere"]).refused(1, &["`nowhere`", "`bough log`"]);
    assert_eq!(place.json(&["log", "--json"]).as_array().unwrap().len(), 2);
}

#[test]
fn a_fresh_branch_has_nothing_to_compare_with() {
    Place::mounted().here(&["diff"]).refused(1, &["`main` grew from nothing", "take a snapshot first"]);
}

#[test]
fn what_cannot_be_mounted_on_is_named_and_left_alone() {
    let place = Place::mounted();
    place.write("file", "");
    place.run(&["mount", "missing"]).refused(1, &["missing does not exist", "mkdir"]);
    place.run(&["mount", "file"]).refused(1, &["file is not a directory"]);
    place.run(&["mount", "."]).refused(1, &["is not empty"]);
    place.run(&["mount", "mnt"]).refused(1, &["mnt shows `main`", "unmount it first"]);
    place.run(&["mount", "--attach", "mnt", "mnt"]).refused(1, &["already"]);
    place.run(&["mount", "--attach", "mnt", "missing"]).refused(1, &["does not exist"]);
    fs::create_dir(place.at("mnt/inside")).unwrap();
    place.run(&["mount", "mnt/inside"]).done();
    place.unmount("mnt/inside");
    wait_until("its volume has ended", || place.run(&["list"]).done().lines().count() == 2);
}

#[test]
fn wrong_words_end_with_2() {
    let place = Place::new();
    for words in [
        &["mount", "--memory", "lots", "mnt"][..],
        &["mount", "--memory", "0", "mnt"],
        &["mount", "-o", "memory=1X", "mnt"],
        &["mount", "-o", "branch=a,snapshot=b", "mnt"],
        &["mount", "-o", "allow_other,no_default_permissions", "mnt"],
        &["mount", "--branch", "a", "--snapshot", "b", "mnt"],
        &["mount", "--attach", ".", "--memory", "1G", "mnt"],
        &["mount", "--volume", "a/b", "mnt"],
        &["mount"],
        &["snapshot"],
        &["snapshot", "delete"],
        &["diff", "a", "b", "c"],
        &["no-such-verb"],
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, 2, "{words:?}: {ran:?}");
        assert!(!ran.talk.is_empty() && ran.out.is_empty());
    }
    assert_eq!(fs::read_dir(place.at("mnt")).unwrap().count(), 0);
}

#[test]
fn a_new_volume_has_only_its_first_branch() {
    let place = Place::new();
    place.run(&["mount", "--branch", "other", "mnt"]).refused(1, &["no branch `other`", "only the branch `main`"]);
    place.run(&["mount", "--snapshot", "s", "mnt"]).refused(1, &["no snapshot `s`"]);
    place.run(&["mount", "--branch", "main", "mnt"]).done();
}

#[test]
fn an_attach_that_fails_leaves_nothing_mounted() {
    let place = Place::mounted();
    place.here(&["snapshot", "create", "s"]).done();
    place.run(&["mount", "--attach", "mnt", "--branch", "nowhere", "other"]).refused(1, &["`nowhere`"]);
    place
        .run(&["mount", "--attach", "mnt", "--branch", "s", "other"])
        .refused(1, &["`s` is a snapshot", "--snapshot s"]);
    place.run(&["mount", "--attach", "mnt", "--snapshot", "main", "other"]).refused(1, &["`main` is a branch"]);
    place.run(&["mount", "--attach", "mnt", "-o", "keep", "other"]).refused(2, &["keep is for a new volume"]);
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains(&place.text("other")));
    wait_until("the daemon knows one view", || place.json(&["stats", "--json"])["views"] == 1);
}

#[test]
fn outside_of_a_volume_every_verb_ends_with_3() {
    let place = Place::new();
    for words in [
        &["status"][..],
        &["log"],
        &["diff"],
        &["stats"],
        &["snapshot", "create"],
        &["branch", "list"],
        &["mount", "--attach", ".", "mnt"],
    ] {
        place.run(words).refused(3, &["not on a bough volume", "`bough list`"]);
    }
    place.run(&["unmount", "mnt"]).refused(3, &["not where a bough volume is mounted"]);
    place.run(&["unmount", "missing"]).refused(3, &["cannot find missing"]);
    place.run(&["-C", "missing", "log"]).refused(3, &["cannot open missing"]);
}

#[test]
fn a_mount_point_in_use_is_not_unmounted() {
    let place = Place::mounted();
    let held = fs::File::create(place.at("mnt/held")).unwrap();
    place.run(&["unmount", "mnt"]).refused(1, &["in use", "fuser -vm"]);
    drop(held);
    place.unmount("mnt");
}

#[test]
fn a_daemon_that_died_is_explained_and_its_mount_point_recovered() {
    let place = Place::mounted();
    place.write("mnt/lost", "x");
    place.kill_daemon();
    place.run(&["-C", "mnt", "status"]).refused(3, &["daemon of this mount has died", "`bough unmount`"]);
    let listed = place.run(&["list"]);
    assert!(listed.code == 0 && listed.talk.contains("left of a daemon that died"), "{listed:?}");
    let recovered = place.run(&["mount", "mnt"]);
    assert_eq!(recovered.code, 0, "{recovered:?}");
    assert!(recovered.talk.contains("had died"), "{recovered:?}");
    assert_eq!(fs::read_dir(place.at("mnt")).unwrap().count(), 0);
    place.kill_daemon();
    let freed = place.run(&["unmount", "mnt"]);
    assert!(freed.code == 0 && freed.talk.contains("had died"), "{freed:?}");
    place.run(&["mount", "mnt"]).done();
}

#[test]
fn a_named_volume_is_attached_to_while_it_lives() {
    let place = Place::new();
    place.run(&["mount", "--volume", "v", "mnt"]).done();
    place.write("mnt/file", "shared");
    let second = place.run(&["mount", "--volume", "v", "--memory", "1G", "other"]);
    assert_eq!(second.code, 0, "{second:?}");
    assert!(second.talk.contains("no effect: memory"), "{second:?}");
    assert_eq!(place.read("other/file"), "shared");
    let daemon = place.daemon();
    place.unmount("mnt");
    assert_eq!(place.read("other/file"), "shared", "the volume lives as long as a mount point");
    place.unmount("other");
    // The command waits for it, but not for ever: a busy machine may need longer.
    wait_until("the daemon ends with its last mount point", || !is_running(daemon));
    place.run(&["mount", "--volume", "v", "mnt"]).done();
    assert_eq!(fs::read_dir(place.at("mnt")).unwrap().count(), 0, "a new volume of the same name");
}

#[test]
fn what_is_attached_in_another_mount_namespace_is_not_taken_for_what_lies_at_its_path_here() {
    if !is_root() {
        eprintln!("SKIPPED: only root makes a mount namespace");
        return;
    }
    let place = Place::mounted();
    place.run(&["mount", "other"]).done();
    let bough = programs().join("bough");
    let line = format!("umount other && {} mount --attach mnt other && echo attached && read _", bough.display());
    let mut there = place.command("unshare");
    there.args(["--mount", "sh", "-c", &line]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut there = there.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(there.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "attached\n");
    place.write("other/file", "of the other volume");
    let daemon = place.daemon();
    assert!(Command::new("kill").arg(daemon.to_string()).status().unwrap().success());
    wait_until("the daemon ends on SIGTERM", || !is_running(daemon));
    assert_eq!(place.read("other/file"), "of the other volume");
    drop(there.stdin.take());
    there.wait().unwrap();
    place.unmount("other");
}

#[test]
fn a_volume_that_is_kept_outlives_its_mount_points() {
    let place = Place::new();
    place.run(&["mount", "--volume", "kept", "-o", "keep", "mnt"]).done();
    place.write("mnt/file", "x");
    let daemon = place.daemon();
    place.unmount("mnt");
    place.run(&["mount", "--volume", "kept", "mnt"]).done();
    assert_eq!(place.read("mnt/file"), "x");
    assert_eq!(place.daemon(), daemon);
    place.unmount("mnt");
    assert!(Command::new("kill").arg(daemon.to_string()).status().unwrap().success());
    wait_until("the daemon ends on SIGTERM", || !is_running(daemon));
}

#[test]
fn options_reach_the_volume() {
    let place = Place::new();
    fs::create_dir(place.at("spill, here")).unwrap();
    let spill = place.text("spill, here");
    place.run(&["mount", "--memory", "64M", "--spill-dir", &spill, "--names", "posix-ignore-case", "mnt"]).done();
    let status = place.json(&["status", "--json"]);
    assert_eq!((&status["memory_bytes"], &status["case_insensitive"]), (&json!(64 << 20), &json!(true)));
    place.write("mnt/Name", "x");
    assert_eq!(place.read("mnt/nAME"), "x");
    place.run(&["mount", "--spill-dir", "nowhere", "other"]).refused(4, &["cannot spill to nowhere"]);
    place.run(&["mount", "-o", "no_such_option", "other"]).refused_with_talk();
    place.run(&["mount", "--attach", "mnt", "-o", "ro", "third"]).done();
    assert!(fs::write(place.at("third/x"), "").is_err());
}

#[test]
fn the_mount_helper_mounts_and_attaches_as_mount_calls_it() {
    let place = Place::new();
    let helper = place.at("mount.fuse.bough");
    symlink(programs().join("bough"), &helper).unwrap();
    let run = |words: &[&str]| ran(place.command(&helper).args(words));
    run(&["v", &place.text("mnt"), "-o", "rw,noauto,user,x-systemd.automount,memory=64M"]).done();
    place.write("mnt/file", "x");
    place.here(&["snapshot", "create", "s"]).done();
    run(&["v", &place.text("other"), "-n", "-o", "rw,snapshot=s"]).done();
    assert_eq!(place.read("other/file"), "x");
    run(&["none", &place.text("third"), "-f"]).done();
    run(&["none", &place.text("third")]).done();
    assert_eq!(place.run(&["list"]).done().lines().count(), 4);
    run(&["none", "missing"]).refused(32, &["does not exist"]);
    run(&["none", "third", "-o", "memory=lots"]).refused(1, &["memory=lots"]);
    assert_eq!(run(&["none"]).code, 1);
}

#[test]
fn files_and_directories_below_find_their_volume() {
    let place = Place::mounted();
    fs::create_dir_all(place.at("mnt/a/b")).unwrap();
    place.write("mnt/a/file", "");
    for path in ["mnt", "mnt/a/b", "mnt/a/file"] {
        let out = place.run(&["-C", path, "status", "--json"]).done();
        assert_eq!(out.parse::<Value>().unwrap()["shows"], "main");
    }
}

#[test]
fn a_foreground_daemon_ends_with_its_mount() {
    let place = Place::new();
    let mut daemon = place.bough(&["mount", "-f", "mnt"]).spawn().unwrap();
    wait_until("it is mounted", || place.run(&["-C", "mnt", "status"]).code == 0);
    place.unmount("mnt");
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}

#[test]
fn an_ordinary_user_mounts_where_the_device_allows_it() {
    const NOBODY: u32 = 65534;
    if !is_root() {
        Place::mounted().unmount("mnt");
        return;
    }
    let place = Place::new();
    for name in ["", "mnt", "other"] {
        std::os::unix::fs::chown(place.at(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // The programs may lie where this user cannot reach them.
    for program in ["bough", "bough-fuse"] {
        // By another process: what this one has open for writing, a test that forks may hold open, and then it cannot be run.
        assert!(Command::new("cp").arg(programs().join(program)).arg(place.at(program)).status().unwrap().success());
    }
    let user_command = |words: &[&str]| {
        let mut command = place.command(place.at("bough"));
        command.args(words).env("BOUGH_FUSE", place.at("bough-fuse")).uid(NOBODY).gid(NOBODY);
        command
    };
    let user = |words: &[&str]| ran(&mut user_command(words));
    let device = Path::new("/dev/fuse");
    let before = fs::metadata(device).unwrap().permissions();
    fs::set_permissions(device, fs::Permissions::from_mode(0o600)).unwrap();
    let closed = user(&["mount", "mnt"]);
    fs::set_permissions(device, fs::Permissions::from_mode(0o666)).unwrap();
    let open = user(&["mount", "mnt"]);
    let created = user(&["-C", "mnt", "branch", "create", "b"]);
    let attached = user(&["mount", "--attach", "mnt", "--branch", "b", "other"]);
    // `third` is not his: fusermount3 refuses, when the branch has been grown.
    let failed = user(&["-C", "mnt", "branch", "create", "c", "--mount", "../third"]);
    let branches = user(&["-C", "mnt", "branch", "list", "--json"]);
    let bare = ran(user_command(&["mount", "third"]).env("PATH", "/nowhere"));
    let unmounted = [user(&["unmount", "other"]), user(&["unmount", "mnt"])];
    fs::set_permissions(device, before).unwrap();
    closed.refused(4, &["no permission to open /dev/fuse", "chmod 666"]);
    bare.refused(4, &["fusermount3 is missing", "fuse3"]);
    assert!(failed.code == 4 && failed.talk.contains("third"), "{failed:?}");
    assert_eq!(
        branches.done().parse::<Value>().unwrap().as_array().unwrap().len(),
        2,
        "what could not be mounted is gone"
    );
    for ran in [open, created, attached].into_iter().chain(unmounted) {
        ran.done();
    }
}

#[test]
fn completions_know_the_verbs() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let out = place.run(&["completions", shell]).done();
        assert!(out.contains("unmount") && !out.contains("mount-helper"), "{shell}");
    }
}
