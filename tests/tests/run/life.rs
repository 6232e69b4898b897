//! How a run begins, what it passes on, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::place::*;
use crate::{sh, with};

#[test]
fn a_command_changes_its_branch_and_nothing_else() {
    let place = Place::mounted();
    place.write("mnt/file", "before");
    let ran = sh(&place, "echo after > file; echo new > new; cat file; pwd; echo $BOUGH_BRANCH");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out, format!("after\n{}\nrun-1\n", place.text("mnt")));
    assert!(ran.talk.contains("M file") && ran.talk.contains("A new") && ran.talk.contains("`run-1`"), "{ran:?}");
    assert_eq!(place.read("mnt/file"), "before");
    assert_eq!(place.here(&["diff", "main", "run-1"]).out, "M file\nA new\n");
}

#[test]
fn who_asks_to_be_asked_is_asked_by_a_pipe_too() {
    let place = Place::mounted();
    for (answer, said, there) in [("k\n", "kept as the branch `asked`", false), ("a\n", "accepted", true)] {
        let mut command = place.bough(&["run", "--ask", "--branch", "asked", "--", "sh", "-c", "echo > file"]);
        command.current_dir(place.at("mnt")).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), answer.as_bytes()).unwrap();
        let ended = child.wait_with_output().unwrap();
        let talk = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && talk.contains("[a]ccept, [k]eep") && talk.contains(said), "{answer}: {talk}");
        assert_eq!(place.at("mnt/file").exists(), there);
    }
}

#[test]
fn a_command_knows_its_branch_and_its_volume() {
    let place = Place::mounted();
    let told = with(&place, &["--branch", "known", "--keep"], "echo $BOUGH_BRANCH $BOUGH_VOLUME").out;
    let volumes: serde_json::Value = serde_json::from_str(&place.run(&["list", "--json"]).out).unwrap();
    assert_eq!(told, format!("known {}\n", volumes[0]["volume"].as_str().unwrap()));
}

#[test]
fn a_kept_branch_is_gone_on_with_by_its_name() {
    let place = Place::mounted();
    assert_eq!(with(&place, &["--branch", "try"], "echo 1 > file").code, 0);
    let again = with(&place, &["--branch", "try"], "cat file");
    assert_eq!((again.code, again.out.as_str()), (0, "1\n"));
    with(&place, &["--branch", "main"], "true").refused(125, &["`main`", "grow from"]);
    place.here(&["snapshot", "create", "s"]).done();
    with(&place, &["--branch", "s"], "true").refused(125, &["`s` is a snapshot"]);
}

#[test]
fn a_branch_in_which_nothing_changed_is_not_kept() {
    let place = Place::mounted();
    let ran = with(&place, &[], "ls > /dev/null");
    assert_eq!((ran.code, ran.talk.as_str()), (0, "bough: nothing changed\n"));
    let rejected = with(&place, &["--reject"], "echo > file");
    assert_eq!((rejected.code, rejected.talk.contains("A file")), (0, true), "{rejected:?}");
    let names = place.here(&["branch", "list", "--json"]).done();
    assert!(!names.contains("run-"), "{names}");
}

#[test]
fn what_others_do_meanwhile_where_the_branch_grew_is_not_the_runs() {
    let place = Place::mounted();
    place.write("mnt/edited", "1");
    place.write("mnt/gone", "1");
    let script = |rest: &str| format!("echo ready; read line; {rest}");
    let run = |rest: &str| {
        let mut command = place.bough(&["run", "--", "sh", "-c", &script(rest)]);
        command.current_dir(place.at("mnt")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        place.write("mnt/new", "2");
        place.write("mnt/edited", "2");
        let _ = fs::remove_file(place.at("mnt/gone"));
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(run("true"), "bough: nothing changed\n");
    assert!(!place.here(&["branch", "list", "--json"]).done().contains("run-"));
    fs::remove_file(place.at("mnt/new")).unwrap();
    let talk = run("echo > own");
    assert!(talk.contains("A own") && !talk.contains("new") && !talk.contains("edited"), "{talk}");
}

#[test]
fn exit_codes_are_those_of_the_command_and_ours_are_told_apart() {
    let place = Place::mounted();
    for code in [0, 1, 7, 125, 255] {
        assert_eq!(sh(&place, &format!("exit {code}")).code, code);
    }
    assert_eq!(sh(&place, "kill -TERM $$").code, 128 + 15);
    let run = |words: &[&str]| ran(place.bough(words).current_dir(place.at("mnt")));
    let missing = run(&["run", "--", "no-such-command"]);
    assert_eq!(missing.code, 127, "{missing:?}");
    place.write("mnt/plain", "");
    assert_eq!(run(&["run", "--", "./plain"]).code, 126);
    assert_eq!(run(&["run", "--no-such-option", "true"]).code, 125);
    assert_eq!(run(&["run"]).code, 125);
    assert_eq!(place.run(&["run", "--base", "missing", "--", "true"]).code, 125);
}

#[test]
fn nothing_lives_on_afterwards() {
    let place = Place::mounted();
    let begun = Instant::now();
    let ran = sh(&place, "sleep 1000 & setsid sleep 1001 & (trap '' TERM HUP; sleep 1002) & echo begun");
    assert_eq!((ran.code, ran.out.as_str()), (0, "begun\n"));
    assert!(begun.elapsed().as_secs() < 500);
    let all = Command::new("ps").args(["ax", "-o", "args"]).output().unwrap();
    let all = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(["sleep 1000", "sleep 1001", "sleep 1002"].iter().all(|line| !all.contains(line)), "{all}");
}

#[test]
fn orphans_are_reaped() {
    let place = Place::mounted();
    // Nobody but the run's first process waits for them. A busy machine may be late.
    let script = "for i in 1 2 3 4 5; do (true & ) ; done; sleep 0.2
        for look in $(seq 600); do left=$(ps ax -o stat | grep -c Z); test $left = 0 && break; sleep 0.1; done; echo $left";
    assert_eq!(sh(&place, script).out, "0\n");
}

#[test]
fn signals_are_passed_on() {
    let place = Place::mounted();
    let script = "trap 'echo heard; exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    let mut command = place.bough(&["run", "--", "sh", "-c", script]);
    let mut child = command.current_dir(place.at("mnt")).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert!(Command::new("kill").args(["-USR1", &child.id().to_string()]).status().unwrap().success());
    out.read_to_string(&mut line).unwrap();
    assert_eq!((line.as_str(), child.wait().unwrap().code()), ("ready\nheard\n", Some(5)));
}

#[test]
fn what_a_command_sends_to_its_own_group_reaches_it_once() {
    let place = Place::mounted();
    let script = "n=0; trap 'n=$((n+1))' USR1; kill -USR1 0; sleep 0.5; sleep 0.1; echo $n";
    assert_eq!(sh(&place, script).out, "1\n");
    // Nor does anybody in the room speak for those outside.
    assert_eq!(sh(&place, "trap 'echo heard' USR1; kill -USR1 1; sleep 0.5; sleep 0.1; echo end").out, "end\n");
}

#[test]
fn when_the_run_is_killed_so_is_all_in_it() {
    let place = Place::mounted();
    let mut command =
        place.bough(&["run", "--branch", "killed", "--", "sh", "-c", "echo ready; echo 1 > file; sleep 1003"]);
    let mut child = command.current_dir(place.at("mnt")).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let alive = || {
        let all = Command::new("ps").args(["ax", "-o", "args"]).output().unwrap();
        String::from_utf8_lossy(&all.stdout).contains("sleep 1003")
    };
    wait_until("what it ran is gone", || !alive());
    let names = || place.here(&["branch", "list", "--json"]).out;
    assert!(names().contains("killed"), "its branch is kept");
}

#[test]
fn many_run_side_by_side() {
    let place = Place::mounted();
    place.write("mnt/shared", "same");
    let run = |number: usize| {
        let script = format!("cat shared > copy; echo {number} > shared; cat copy shared");
        place
            .bough(&["run", "--", "sh", "-c", &script])
            .current_dir(place.at("mnt"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..24).map(run).collect();
    for (number, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("same{number}\n"));
        assert!(output.status.success());
    }
    assert_eq!(place.read("mnt/shared"), "same");
    let branches = place.here(&["branch", "list", "--json"]).done();
    assert_eq!(branches.matches("\"run-").count(), 24, "each has kept its own");
}

#[test]
fn what_is_given_is_read_to_its_place() {
    let place = Place::mounted();
    place.write("mnt/lines", "one\ntwo\n");
    let mut command = place.bough(&["run", "--", "sh", "-c", "read a; read b; echo $b $a"]);
    let input = fs::File::open(place.at("mnt/lines")).unwrap();
    let ran = ran(command.current_dir(place.at("mnt")).stdin(input));
    assert_eq!((ran.code, ran.out.as_str()), (0, "two one\n"), "{ran:?}");
}
