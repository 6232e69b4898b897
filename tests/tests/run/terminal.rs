//! Runs at a terminal: job control, keys, and the question at the end. The terminal is a pseudo terminal whose other end the test holds.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::place::*;
use crate::with;

/// Longer than anything takes that ends at all: a machine may be slow, and busy with much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program at a terminal.
struct Session {
    keys: File,
    shown: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
    child: Child,
}

impl Session {
    fn begin(mut command: Command) -> Session {
        let (ours, theirs) = terminal();
        let copy = || Stdio::from(theirs.try_clone().unwrap());
        command.stdin(copy()).stdout(copy()).stderr(copy()).env("TERM", "dumb");
        // SAFETY: only calls that are safe between fork and exec: the signals of a terminal, which whoever runs the tests in the background
        // may ignore, and a session of its own, with the terminal it has as input.
        unsafe {
            command.pre_exec(|| {
                for key in [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGHUP] {
                    libc::signal(key, libc::SIG_DFL);
                }
                Ok(())
            });
            command.pre_exec(|| match libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                true => Err(std::io::Error::last_os_error()),
                false => Ok(()),
            });
        }
        let child = command.spawn().unwrap();
        drop((theirs, command));
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, into) = (ours.try_clone().unwrap(), shown.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is how a terminal ends.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Session { keys: ours, shown, reader, child }
    }

    fn run(place: &Place, words: &[&str]) -> Session {
        let words: Vec<&str> = ["run"].iter().chain(words).copied().collect();
        let mut command = place.bough(&words);
        command.current_dir(place.at("mnt"));
        Session::begin(command)
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    #[track_caller]
    fn sees(&self, text: &str) {
        let begun = Instant::now();
        while !self.shown().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "no `{text}` in {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// How it ended, and all that was to be seen.
    fn ends(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        };
        // What was written last may still be on its way: until nobody has the terminal any more, and all is read.
        while !self.reader.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "somebody keeps the terminal: {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        }
        (status.code(), self.shown())
    }
}

/// Both ends of a new terminal: ours, and that of whoever works at it.
fn terminal() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: both numbers are written to before they are read; names, modes and sizes are not asked for.
    let opened = unsafe { libc::openpty(&mut ours, &mut theirs, none, none.cast(), none.cast()) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    for descriptor in [ours, theirs] {
        // SAFETY: the descriptor is open, and nothing else is changed.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: both are open, and nobody else has them.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

#[test]
fn at_a_terminal_it_shows_what_changed_and_asks() {
    let place = Place::mounted();
    for (answer, there) in [("k", false), ("accept", true), ("r", true)] {
        let mut session = Session::run(&place, &["--", "sh", "-c", "date +%N >> file; exit 4"]);
        session.sees("[a]ccept, [k]eep, [r]eject, [d]iff?");
        assert!(session.shown().contains("file"), "{}", session.shown());
        session.types("d\n");
        session.types("what\n");
        session.sees("`what` is none of them");
        session.types(&format!("{answer}\n"));
        let (code, shown) = session.ends();
        assert_eq!(code, Some(4), "{shown}");
        assert_eq!(place.at("mnt/file").exists(), there, "{answer}: {shown}");
    }
    let kept = place.here(&["branch", "list", "--json"]).done();
    assert_eq!(kept.matches("\"run-").count(), 1, "what was kept is there, the rest is not: {kept}");
    assert_eq!(place.read("mnt/file").lines().count(), 1, "the last was rejected");
}

#[test]
fn stats_that_are_watched_at_a_terminal_are_shown_in_the_same_place_until_a_key_ends_them() {
    let place = Place::mounted();
    let mut command = place.bough(&["stats", "--watch", "--interval", "0.2"]);
    command.current_dir(place.at("mnt"));
    let mut session = Session::begin(command);
    let screens = |shown: &str| shown.matches("memory limit").count();
    let begun = Instant::now();
    while screens(&session.shown()) < 3 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", session.shown());
        std::thread::sleep(Duration::from_millis(10));
    }
    session.types("\u{3}");
    let (code, shown) = session.ends();
    // Ended by SIGINT.
    assert_eq!(code, None, "{shown}");
    let wiped = shown.matches("\u{1b}[").count();
    assert!(wiped >= screens(&shown), "{wiped} times in {shown:?}");
}

#[test]
fn what_was_typed_before_there_was_a_question_is_no_answer_to_it() {
    let place = Place::mounted();
    let script = "trap 'exit 0' USR1; echo > file; echo ready; while :; do sleep 0.05; done";
    let mut session = Session::run(&place, &["--branch", "t", "--", "sh", "-c", script]);
    session.sees("ready");
    session.types("r\na\n");
    // The terminal has it, and only then the question comes.
    session.sees("r\r\na\r\n");
    assert!(Command::new("kill").args(["-USR1", &session.child.id().to_string()]).status().unwrap().success());
    session.sees("[k]eep");
    std::thread::sleep(Duration::from_millis(300));
    assert!(session.child.try_wait().unwrap().is_none(), "{}", session.shown());
    session.types("k\n");
    let (code, shown) = session.ends();
    assert!(code == Some(0) && shown.contains("kept as the branch `t`"), "{shown}");
}

#[test]
fn whoever_hangs_up_at_the_question_has_rejected_nothing() {
    let place = Place::mounted();
    let mut session = Session::run(&place, &["--branch", "left", "--", "sh", "-c", "echo > file"]);
    session.sees("[k]eep");
    session.types("\u{4}");
    let (code, shown) = session.ends();
    assert!(code == Some(0) && shown.contains("kept as the branch `left`"), "{shown}");
    assert!(place.here(&["branch", "list", "--json"]).done().contains("left"));
}

#[test]
fn what_others_do_in_the_branch_while_it_asks_is_neither_rejected_nor_accepted_unseen() {
    for answer in ["r", "a"] {
        let place = Place::mounted();
        let mut session = Session::run(&place, &["--branch", "shared", "--", "sh", "-c", "echo 1 > file"]);
        session.sees("[k]eep");
        let other = with(&place, &["--branch", "shared", "--keep"], "echo 2 > other");
        assert_eq!(other.code, 0, "{other:?}");
        session.types(&format!("{answer}\n"));
        let (code, shown) = session.ends();
        assert!(code == Some(125) && shown.contains("worked in `shared` meanwhile"), "{answer}: {shown}");
        assert_eq!(place.here(&["diff", "main", "shared"]).out, "A file\nA other\n");
        assert!(!place.at("mnt/file").exists() && !place.at("mnt/other").exists());
    }
}

#[test]
fn a_branch_that_has_got_the_name_of_the_one_that_is_asked_about_is_not_rejected() {
    let place = Place::mounted();
    let mut session = Session::run(&place, &["--branch", "t", "--", "sh", "-c", "echo 1 > a"]);
    session.sees("[k]eep");
    assert_eq!(place.here(&["accept", "--branch", "t"]).code, 0);
    let other = with(&place, &["--branch", "t", "--keep"], "echo 2 > b");
    assert_eq!(other.code, 0, "{other:?}");
    session.types("r\n");
    let (code, shown) = session.ends();
    assert!(code == Some(125) && shown.contains("worked in `t` meanwhile"), "{shown}");
    assert_eq!(place.here(&["diff", "main", "t"]).out, "A b\n");
}

#[test]
fn the_command_has_the_terminal_and_its_keys() {
    let place = Place::mounted();
    let mut session =
        Session::run(&place, &["--keep", "--", "sh", "-c", "test -t 0 && tty && read line && echo got $line"]);
    session.sees("/dev/");
    session.types("hello\n");
    let (code, shown) = session.ends();
    assert!(code == Some(0) && shown.contains("got hello"), "{shown}");
}

#[test]
fn the_key_that_interrupts_reaches_the_command_and_the_run_settles_afterwards() {
    let place = Place::mounted();
    let script = "trap 'echo heard > file; exit 7' INT; echo ready; while :; do sleep 0.05; done";
    let mut session = Session::run(&place, &["--branch", "b", "--keep", "--", "sh", "-c", script]);
    session.sees("ready");
    session.types("\u{3}");
    let (code, shown) = session.ends();
    assert_eq!(code, Some(7), "{shown}");
    assert!(shown.contains("kept as the branch `b`") && shown.contains("A file"), "{shown}");
    let mut session = Session::run(&place, &["--keep", "--", "sh", "-c", "echo ready; exec sleep 1006"]);
    session.sees("ready");
    session.types("\u{3}");
    assert_eq!(session.ends().0, Some(128 + 2), "ended by the signal");
}

#[test]
fn a_run_is_stopped_and_goes_on_as_a_job_of_a_shell() {
    let place = Place::mounted();
    let bough = programs().join("bough");
    let mut shell = place.command("bash");
    shell.args(["--norc", "--noprofile", "-i"]).current_dir(place.at("mnt")).env("PS1", "$ ");
    let mut session = Session::begin(shell);
    session.types(&format!("{} run --keep -- sh -c 'echo be''gun; read x; echo again-$x'\n", bough.display()));
    session.sees("begun");
    session.types("\u{1a}");
    session.sees("Stopped");
    session.types("echo shell''-works\n");
    session.sees("shell-works");
    session.types("fg\n");
    std::thread::sleep(Duration::from_millis(300));
    session.types("more\n");
    session.sees("again-more");
    session.types("exit\n");
    let (_, shown) = session.ends();
    assert!(!shown.contains("No such"), "{shown}");
}

#[test]
fn where_nobody_would_have_a_stopped_run_go_on_it_does_not_stop() {
    let place = Place::mounted();
    // The first process of its session: of an orphaned group.
    let mut session = Session::run(&place, &["--keep", "--", "sh", "-c", "echo ready; read x; echo got-$x"]);
    session.sees("ready");
    session.types("\u{1a}");
    std::thread::sleep(Duration::from_millis(300));
    session.types("more\n");
    session.sees("got-more");
    assert_eq!(session.ends().0, Some(0));
}

#[test]
fn a_command_cannot_type_on_the_terminal_of_who_began_it() {
    let place = Place::mounted();
    let script = "import fcntl, sys\nfor c in b'echo typed\\n': fcntl.ioctl(0, 0x5412, bytes([c]))";
    let mut session = Session::run(&place, &["--keep", "--", "python3", "-c", script]);
    let status = session.child.wait().unwrap();
    assert_ne!(status.code(), Some(0), "{}", session.shown());
    let (_, shown) = session.ends();
    assert!(shown.contains("PermissionError") || shown.contains("No such file"), "{shown}");
}

#[test]
fn what_a_command_sends_to_its_whole_group_stays_in_the_run() {
    let place = Place::mounted();
    let bough = programs().join("bough");
    // One in a script at a terminal, whose group would be the script's, and the others.
    let script = |signal: &str, rest: &str| {
        format!("{} run --keep -- sh -c 'kill -{signal} 0; exit 3' {rest}; echo outside-$?", bough.display())
    };
    for (line, expected) in [
        (script("KILL", ""), "outside-137"),
        (script("TERM", ""), "outside-143"),
        (script("KILL", "| cat"), "outside-0"),
        (script("KILL", "< /dev/null"), "outside-137"),
    ] {
        let mut shell = place.command("sh");
        shell.args(["-c", &line]).current_dir(place.at("mnt"));
        let (code, shown) = Session::begin(shell).ends();
        assert!(code == Some(0) && shown.contains(expected), "{line}: {shown}");
    }
}

#[test]
fn the_key_that_interrupts_reaches_the_whole_job() {
    let place = Place::mounted();
    let bough = programs().join("bough");
    for rest in ["", "| cat"] {
        let line =
            format!("{} run --keep -- sh -c 'echo ready; exec sleep 1007' {rest}; echo went on", bough.display());
        let mut shell = place.command("sh");
        shell.args(["-c", &line]).current_dir(place.at("mnt"));
        let mut session = Session::begin(shell);
        session.sees("ready");
        session.types("\u{3}");
        let (_, shown) = session.ends();
        assert!(!shown.contains("went on"), "the script is interrupted, too: {shown}");
    }
}

#[test]
fn a_command_beside_others_at_the_terminal_gets_it_when_it_asks() {
    let place = Place::mounted();
    let bough = programs().join("bough");
    let line = format!("{} run --keep -- sh -c 'echo ready; read line; echo got $line' | cat", bough.display());
    let mut shell = place.command("sh");
    shell.args(["-c", &line]).current_dir(place.at("mnt"));
    let mut session = Session::begin(shell);
    session.sees("ready");
    session.types("hello\n");
    session.sees("got hello");
    assert_eq!(session.ends().0, Some(0));
}

#[test]
fn others_of_the_job_get_the_terminal_back_when_they_ask() {
    let place = Place::mounted();
    let bough = programs().join("bough");
    let mut shell = place.command("bash");
    shell.args(["--norc", "--noprofile", "-i"]).current_dir(place.at("mnt")).env("PS1", "$ ");
    let mut session = Session::begin(shell);
    let command = "echo be''gun >&2; read line; echo $line; sleep 5";
    let beside = "read first; echo no''w >&2; read second < /dev/tty; echo $first-and-$second";
    session.types(&format!(
        "{} run --keep -- sh -c \"{}\" | sh -c '{beside}'\n",
        bough.display(),
        command.replace('$', "\\$")
    ));
    session.sees("begun");
    session.types("one\n");
    session.sees("now");
    // Until it has asked.
    std::thread::sleep(Duration::from_millis(500));
    session.types("two\n");
    session.sees("one-and-two");
    session.types("exit\n");
    session.ends();
}
