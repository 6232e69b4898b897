//! Accepts that are killed: what the next one finds, and what `--undo` takes back, with the volume and when that has gone, too, as
//! after a crash of the machine.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::accept::{LIST, Over};
use crate::place::*;

/// Something of each kind, and enough of it to be interrupted in.
const MANY: &str = "for i in $(seq 150); do echo $i > dir/new-$i; echo more >> old/$i; done; rm gone; mv dir/deep moved; \
                    mkdir -p x/y; echo z > x/y/z; chmod 700 same; ln -s same link; rm -r leaves; mkdir leaves; echo 1 > leaves/1";

fn prepared() -> Over {
    let over = Over::new();
    fs::create_dir(over.at("old")).unwrap();
    fs::create_dir(over.at("leaves")).unwrap();
    for number in 1..=150 {
        over.0.write(&format!("base/old/{number}"), "old");
        over.0.write(&format!("base/leaves/{number}"), "leaf");
    }
    assert_eq!(over.run(&["--branch", "b"], MANY).code, 0);
    over
}

fn begin(over: &Over, words: &[&str]) -> Child {
    let mut command = over.0.bough(words);
    command.current_dir(over.0.at("base")).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Its whole lines: one that was being written when its writer was killed counts for nothing. `None`: there is none. An empty one has been begun.
fn journal(over: &Over) -> Option<String> {
    match fs::read_to_string(over.at(".bough-accept")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        read => Some(read.unwrap().split_inclusive('\n').filter(|line| line.ends_with('\n')).collect()),
    }
}

fn has_come_to(over: &Over, words: &str) -> bool {
    journal(over).is_some_and(|journal| journal.contains(words))
}

/// Everything in the base but times, and what accepts keep there.
fn list(over: &Over) -> String {
    ran(over.0.command("sh").args(["-c", LIST]).current_dir(over.0.at("base"))).out
}

/// As long as this lives, the thread runs before all that have no such priority, if it may: where many want the processor it would come too late.
struct First;

impl First {
    fn begin() -> First {
        First::schedule(libc::SCHED_FIFO, 1);
        First
    }

    fn schedule(how: i32, priority: i32) {
        let parameters = libc::sched_param { sched_priority: priority };
        // SAFETY: the parameters live through the call.
        unsafe { libc::sched_setscheduler(0, how, &raw const parameters) };
    }
}

impl Drop for First {
    fn drop(&mut self) {
        First::schedule(libc::SCHED_OTHER, 0);
    }
}

/// Kills an accept when its journal has these words.
fn interrupted_at(words: &str) -> Over {
    for _ in 0..100 {
        let over = prepared();
        let mut child = begin(&over, &["accept"]);
        let first = First::begin();
        while !has_come_to(&over, words) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        drop(first);
        if has_come_to(&over, words) {
            return over;
        }
    }
    panic!("it is never interrupted after {words}");
}

fn end_volume(over: &Over) {
    let volumes = over.volumes();
    let volume = volumes[0]["volume"].as_str().unwrap();
    over.0.run(&["unmount", "--volume", volume]).done();
}

fn nothing_is_left_about(over: &Over) {
    let left = ran(over.0.command("find").args([".", "-name", ".bough*"]).current_dir(over.0.at("base"))).out;
    assert_eq!(left, "");
}

#[test]
fn an_accept_that_is_killed_is_finished_or_undone_with_its_volume_and_without() {
    let over = prepared();
    let before = list(&over);
    let after = over.run(&["--branch", "b", "--keep"], LIST).out;
    let begun = Instant::now();
    over.bough(&["accept"]).done();
    let takes = begun.elapsed();
    assert_eq!(list(&over), after);
    let mut seen = [0; 3];
    for round in 0..24 {
        let over = match round % 6 {
            4 => interrupted_at("Staged\":"),
            5 => interrupted_at("Switched"),
            _ => {
                let over = prepared();
                let mut child = begin(&over, &["accept"]);
                std::thread::sleep(takes * round / 20 + Duration::from_micros(300));
                child.kill().unwrap();
                child.wait().unwrap();
                over
            }
        };
        let (found, undoes, alone) = (journal(&over), round % 2 == 0, round % 4 >= 2);
        let (was_there, was) = (found.is_some(), found.unwrap_or_default());
        seen[usize::from(was_there) + usize::from(was.contains("Staged\":"))] += 1;
        if alone {
            end_volume(&over);
        }
        let said = over.bough(if undoes { &["accept", "--undo"] } else { &["accept"] });
        let now = list(&over);
        let what = format!("round {round}, {undoes}, {alone}: {said:?}; the journal: {was}");
        assert!(!was_there || !was.is_empty() || said.talk.contains("undone"), "{what}");
        match (was_there, undoes) {
            (true, true) if was.contains("Switched") => {
                assert!(said.code == 1 && said.talk.contains("can only be finished"), "{what}");
                over.bough(&["accept"]);
                assert_eq!(list(&over), after, "{what}");
            }
            (true, true) => assert!(said.code == 0 && now == before, "{what}"),
            (false, true) => assert!(said.code == 1 && (now == before || now == after), "{what}"),
            (true, false) => assert!(said.code == 0 && (now == after || (alone && now == before)), "{what}"),
            (false, false) if alone => assert!(said.code == 3 && (now == before || now == after), "{what}"),
            (false, false) => assert!(said.code == 0 && now == after, "{what}"),
        }
        nothing_is_left_about(&over);
        if !alone && undoes && now == before {
            // The branch has it all still. What was put aside and came back has another time of change: no more is known of it.
            let again = over.bough(&["accept"]);
            if again.code != 0 {
                assert!(again.talk.contains("has changed in the base"), "{again:?}");
                assert_eq!(list(&over), before, "{what}");
            } else {
                assert_eq!(list(&over), after, "{what}");
            }
        }
    }
    assert!(seen[1] + seen[2] > 0 && seen[2] > 0, "never interrupted in the middle: {seen:?}");
}

#[test]
fn what_an_interrupted_accept_wrote_is_no_difference_of_the_branch_once_it_is_finished() {
    for words in ["Staged\":", "Switched"] {
        let over = interrupted_at(words);
        let ran = over.bough(&["accept"]);
        assert!(ran.code == 0 && ran.talk.contains("finished now"), "{words}: {ran:?}");
        assert_eq!(over.bough(&["accept", "--dry-run"]).out, "", "{words}");
        nothing_is_left_about(&over);
    }
    // Another branch of that name is not taken for it.
    let over = interrupted_at("Staged\":");
    end_volume(&over);
    over.run(&["--branch", "b"], "echo later > later");
    let ran = over.bough(&["accept"]);
    assert!(ran.code == 0 && ran.talk.contains("finished now"), "{ran:?}");
    assert_eq!(over.read("later"), "later\n");
}

#[test]
fn a_dry_run_writes_nothing_where_an_accept_was_interrupted() {
    for alone in [false, true] {
        let over = interrupted_at("Staged\":");
        if alone {
            end_volume(&over);
        }
        let ran = over.run(&["--branch", "other", "--reject"], "true");
        assert!(ran.code == 0 && ran.talk.contains("was interrupted here"), "{ran:?}");
        let mut limited = over.0.command("prlimit");
        limited.args(["--nofile=256:4096", "--"]).arg(programs().join("bough"));
        limited.args(["run", "--branch", "other", "--reject", "--", "sh", "-c", "ulimit -Sn"]);
        assert_eq!(crate::place::ran(limited.current_dir(over.0.at("base"))).out, "256\n");
        let (before, was) = (over.look(), journal(&over));
        over.bough(&["accept", "--dry-run"]).refused(1, &["was interrupted here", "--undo"]);
        assert_eq!((over.look(), journal(&over)), (before, was.clone()));
        let ends =
            if was.is_some_and(|was| was.contains("Switched")) { vec!["accept"] } else { vec!["accept", "--undo"] };
        let ended = over.bough(&ends);
        assert_eq!(ended.code, 0, "{ended:?}");
        nothing_is_left_about(&over);
    }
}

#[test]
fn an_accept_of_a_part_that_is_killed_leaves_no_branch_behind() {
    let over = prepared();
    let after = over.run(&["--branch", "b", "--keep"], LIST).out;
    for round in 0..12 {
        let mut child = begin(&over, &["accept", "--branch", "b", "--", &format!("dir/new-{}", round + 1)]);
        std::thread::sleep(Duration::from_millis(4 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(over.bough(&["accept", "--branch", "b", "--", "x"]).code, 0);
    assert_eq!(over.volumes()[0]["branches"], 2, "no copy is left");
    // As one would be called whose process has gone. People cannot have it by the command.
    over.run(&["--branch", "~trial.1.1"], "echo > new").refused(125, &["~trial.1.1", "are kept for"]);
    assert_eq!(over.volumes()[0]["branches"], 2);
    let empty = Over::new();
    empty.run(&["--branch", "~trial.1.1"], "true").refused(125, &["are kept for"]);
    assert_eq!(empty.volumes(), serde_json::json!([]), "no volume is begun for it");
    over.bough(&["accept"]).done();
    assert_eq!(list(&over), after);
    nothing_is_left_about(&over);
}
