//! What becomes of a branch over a directory of the host: accepted, rejected, kept.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use crate::place::*;

/// A place with a base, and a volume over it that ends with it.
pub(crate) struct Over(pub(crate) Place);

/// Everything below a directory but times, and what files hold.
pub(crate) const LIST: &str = "find . -type d -printf '%P %m\\n' -o -printf '%P %y %m %l %n\\n' | grep -v '^ ' | sort; \
                               find . -type f | sort | xargs cat";

impl Over {
    pub(crate) fn new() -> Over {
        let place = Place::new();
        fs::create_dir_all(place.at("base/dir/deep")).unwrap();
        for name in ["edited", "gone", "same", "dir/a", "dir/deep/b"] {
            place.write(&format!("base/{name}"), name);
        }
        Over(place)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.at("base").join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    pub(crate) fn bough(&self, words: &[&str]) -> Ran {
        ran(self.0.bough(words).current_dir(self.0.at("base")))
    }

    pub(crate) fn run(&self, options: &[&str], script: &str) -> Ran {
        let words: Vec<&str> = ["run"].iter().chain(options).chain(&["--", "sh", "-c", script]).copied().collect();
        self.bough(&words)
    }

    pub(crate) fn volumes(&self) -> serde_json::Value {
        serde_json::from_str(&self.0.run(&["list", "--json"]).out).unwrap()
    }

    /// Everything in the base, with metadata.
    pub(crate) fn look(&self) -> String {
        let script =
            "find . -printf '%P %y %m %U %G %s %T@ %l %n\n' | grep -v '^ ' | sort; find . -type f | sort | xargs cat";
        ran(self.0.command("sh").args(["-c", script]).current_dir(self.0.at("base"))).out
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        for volume in self.volumes().as_array().into_iter().flatten() {
            let _ = self.0.run(&["unmount", "--volume", volume["volume"].as_str().unwrap()]);
        }
    }
}

const EDIT: &str = "echo more >> edited; rm gone; mv dir moved; echo n > moved/new; mkdir -p x/y; echo z > x/y/z; chmod 700 same; ln -s same link";

#[test]
fn the_base_is_never_written_to_but_by_an_accept() {
    let over = Over::new();
    let before = over.look();
    let ran = over.run(&["--keep"], EDIT);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(over.look(), before);
    let dry = over.bough(&["accept", "--dry-run"]);
    assert_eq!(
        dry.out, "M edited\nD gone\nA link\nR dir -> moved\nA moved/new\nm same\nA x\nA x/y\nA x/y/z\n",
        "{dry:?}"
    );
    assert_eq!(over.look(), before);
    over.bough(&["accept"]).done();
    assert_eq!(over.read("edited"), "editedmore\n");
    assert!(!over.at("gone").exists() && !over.at("dir").exists());
    assert_eq!(
        (over.read("moved/a"), over.read("moved/new"), over.read("x/y/z")),
        ("dir/a".into(), "n\n".into(), "z\n".into())
    );
    assert_eq!(over.at("same").metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(over.bough(&["accept", "--dry-run"]).out, "", "the branch is clean");
    let left: Vec<_> = fs::read_dir(over.at("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".bough")), "{left:?}");
}

#[test]
fn a_run_may_accept_or_reject_at_its_end() {
    let over = Over::new();
    let ran = over.run(&["--accept"], "echo > file");
    assert!(ran.code == 0 && ran.talk.contains("accepted"), "{ran:?}");
    assert_eq!(over.read("file"), "\n");
    assert_eq!(over.run(&["--reject"], "rm file").code, 0);
    assert!(over.at("file").exists());
    assert_eq!(over.run(&["--accept"], "echo 2 > file; exit 3").code, 3, "its code, and its changes");
    assert_eq!(over.read("file"), "2\n");
}

#[test]
fn a_run_that_is_interrupted_before_its_command_begins_leaves_no_branch() {
    let over = Over::new();
    for number in 0..4000 {
        fs::write(over.0.at("third").join(number.to_string()), "").unwrap();
    }
    let allowed = over.0.text("third");
    for delay_ms in [1, 3, 5, 8, 12, 20, 40] {
        let mut command = over.0.bough(&["run", "--allow", &allowed, "--", "true"]);
        let mut child = command.current_dir(over.at("")).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        child.wait().unwrap();
    }
    let kept = |volume: &serde_json::Value| volume["kept"].as_array().is_some_and(|kept| !kept.is_empty());
    let volumes = over.volumes();
    assert!(!volumes.as_array().unwrap().iter().any(kept), "{volumes}");
}

#[test]
fn a_directory_that_takes_the_place_of_one_that_is_gone_is_accepted_with_what_is_new_in_it() {
    let over = Over::new();
    fs::create_dir(over.at("other")).unwrap();
    fs::write(over.at("other/c"), "c").unwrap();
    over.run(&["--keep"], "rm -r dir; mv other dir; echo new > dir/a; mkdir dir/deep; echo new > dir/deep/d");
    let accepted = over.bough(&["accept"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert_eq!(
        (over.read("dir/a"), over.read("dir/c"), over.read("dir/deep/d")),
        ("new\n".into(), "c".into(), "new\n".into())
    );
    assert!(!over.at("other").exists() && !over.at("dir/deep/b").exists());
}

#[test]
fn accepting_and_rejecting_go_by_path() {
    let over = Over::new();
    over.run(&["--keep"], EDIT);
    over.bough(&["accept", "--", "x", "edited"]).done();
    assert_eq!((over.read("edited"), over.read("x/y/z")), ("editedmore\n".into(), "z\n".into()));
    assert!(over.at("gone").exists() && over.at("dir").exists());
    over.bough(&["reject", "--", "gone", "same"]).done();
    assert_eq!(over.bough(&["accept", "--dry-run"]).out, "A link\nR dir -> moved\nA moved/new\n");
    over.bough(&["accept"]).done();
    assert!(over.at("gone").exists() && over.at("moved/deep/b").exists() && over.at("link").is_symlink());
    over.bough(&["reject"]).done();
    over.bough(&["accept"]).refused(1, &["no branch"]);
}

#[test]
fn what_is_left_of_a_branch_keeps_its_content_and_is_accepted_later() {
    let over = Over::new();
    over.0.write("base/large", &"x".repeat(300_000));
    over.run(&["--keep"], "mkdir -p new/in; echo 1 > new/a; echo 2 > new/in/b; echo 3 > new/in/c; printf y | dd of=large conv=notrunc; rm gone");
    over.bough(&["accept", "--", "new/in/b"]).done();
    assert_eq!((over.read("new/in/b"), over.at("new/a").exists()), ("2\n".into(), false));
    assert_eq!(over.bough(&["accept", "--dry-run"]).out, "D gone\nM large\nA new/a\nA new/in/c\n");
    // What is in the base by now shows, and the new directory is the base's.
    fs::write(over.at("new/in/b"), "theirs").unwrap();
    let shown = over.run(&["--branch", "run-1", "--keep"], "cat new/in/*; rm new/in/b; head -c 2 large");
    assert_eq!(shown.out, "theirs3\nyx", "{shown:?}");
    over.bough(&["accept", "--", "new", "large"]).done();
    assert!(over.at("new/a").exists() && !over.at("new/in/b").exists());
    assert_eq!(over.read("large"), format!("y{}", "x".repeat(299_999)));
    assert_eq!(over.bough(&["accept", "--dry-run"]).out, "D gone\n");
}

#[test]
fn what_goes_on_changing_in_the_base_is_seen_where_a_branch_was_accepted_or_rejected() {
    let over = Over::new();
    over.run(&["--keep"], "echo mine > edited; echo mine > dir/deep/b; chmod 700 dir; echo mine > same");
    over.bough(&["reject", "--", "edited", "dir"]).done();
    fs::write(over.at("edited"), "later").unwrap();
    fs::set_permissions(over.at("dir"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::rename(over.at("dir/deep"), over.at("dir/other")).unwrap();
    let shown = over.run(&["--branch", "run-1", "--keep"], "cat edited dir/other/b same; stat -c %a dir; ls dir");
    assert_eq!(shown.out, "laterdir/deep/bmine\n750\na\nother\n", "{shown:?}");
    let nothing = over.bough(&["reject", "--", "edited"]);
    assert!(nothing.code == 0 && nothing.talk.contains("nothing to reject"), "{nothing:?}");
}

#[test]
fn what_has_moved_is_accepted_whole_and_rejected_by_either_path() {
    let over = Over::new();
    over.run(&["--keep"], "mv dir moved; echo n > moved/a; echo n > moved/new; echo n > edited");
    let before = over.look();
    over.bough(&["accept", "--", "moved/a"]).refused(1, &["moved has moved", "`-- moved`"]);
    assert_eq!(over.look(), before);
    over.bough(&["reject", "--", "moved/new"]).done();
    assert_eq!(over.bough(&["accept", "--dry-run"]).out, "M edited\nR dir -> moved\nM moved/a\n");
    over.bough(&["reject", "--", "dir"]).done();
    assert_eq!(over.bough(&["accept", "--dry-run"]).out, "M edited\n");
    assert_eq!(over.run(&["--branch", "run-1", "--keep"], "cat dir/a; ls").out, "dir/adir\nedited\ngone\nsame\n");
}

#[test]
fn the_log_tells_what_was_accepted_and_rejected_though_the_volume_has_ended() {
    let over = Over::new();
    over.run(&["--branch", "one"], "echo > x; rm gone");
    over.run(&["--branch", "two"], "echo > y");
    over.bough(&["accept", "--branch", "one", "--", "x"]).done();
    over.bough(&["accept", "--branch", "one", "--dry-run"]);
    let pid = over.volumes()[0]["pid"].as_i64().unwrap() as i32;
    let during = over.bough(&["log"]).done();
    assert!(during.contains("two") && during.contains("accepted  one"), "{during}");
    over.bough(&["reject", "--branch", "one"]).done();
    over.bough(&["reject", "--branch", "two"]).done();
    // Nobody asks it meanwhile: it does not end while somebody speaks to it.
    wait_until("the volume ends", || !is_running(pid));
    let text = over.bough(&["log"]).done();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    // It is nobody else's: its folder's mode, and its own.
    let mode = |path: PathBuf| path.metadata().unwrap().mode() & 0o777;
    let history = over.0.at("state/history");
    let logs: Vec<u32> = fs::read_dir(&history).unwrap().map(|log| mode(log.unwrap().path())).collect();
    assert_eq!((mode(history), logs), (0o700, vec![0o600]));
    for (line, words) in
        lines.iter().zip([["accepted  one", "1 added"], ["rejected  one", "1 deleted"], ["rejected  two", "1 added"]])
    {
        assert!(words.iter().all(|word| line.contains(word)) && line.contains("  by "), "{line}");
    }
    let json: serde_json::Value = serde_json::from_str(&over.bough(&["log", "--json"]).done()).unwrap();
    assert_eq!(
        (&json[0]["kind"], &json[0]["name"], &json[0]["changes"][0]),
        (&"accepted".into(), &"one".into(), &"A x".into())
    );
    assert!(json[1]["time"].as_str().unwrap().ends_with('Z') && json[2]["uid"].is_u64(), "{json}");
}

#[test]
fn one_chunk_of_a_large_file_is_accepted_without_reading_the_rest_through_the_branch() {
    let over = Over::new();
    let large = fs::File::create(over.at("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&large, b"first", 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&large, b"last", (1 << 40) - 4).unwrap();
    drop(large);
    over.run(&["--keep"], "printf X | dd of=large bs=1 seek=1000000000 conv=notrunc");
    let begun = std::time::Instant::now();
    over.bough(&["accept"]).done();
    // The whole of it is a tebibyte.
    assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
    let large = fs::File::open(over.at("large")).unwrap();
    let at = |offset: u64, length: usize| {
        let mut bytes = vec![0; length];
        std::os::unix::fs::FileExt::read_exact_at(&large, &mut bytes, offset).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!((at(0, 5), at(1_000_000_000, 1), at((1 << 40) - 4, 4)), ("first".into(), "X".into(), "last".into()));
    assert!(large.metadata().unwrap().blocks() < 4096, "holes stay holes");
}

#[test]
fn what_changed_in_the_base_meanwhile_is_refused_or_settled() {
    let over = Over::new();
    over.run(&["--keep"], "echo mine > edited; echo mine > new; rm gone; echo fine > same");
    fs::write(over.at("edited"), "theirs").unwrap();
    fs::write(over.at("new"), "theirs").unwrap();
    let before = over.look();
    let ran = over.bough(&["accept"]);
    assert_eq!(ran.code, 1);
    for line in [
        "conflict: edited has changed in the base",
        "conflict: new is new in the base, too",
        "nothing was written: 2 conflicts",
    ] {
        assert!(ran.talk.contains(line), "{ran:?}");
    }
    assert_eq!(over.look(), before);
    over.bough(&["accept", "--theirs", "new", "--dry-run"]).refused_with_talk();
    over.bough(&["accept", "--theirs", "new", "--theirs", "edited"]).done();
    assert_eq!(
        (over.read("edited"), over.read("new"), over.read("same")),
        ("theirs".into(), "theirs".into(), "fine\n".into())
    );
    over.bough(&["accept", "--force"]).done();
    assert_eq!((over.read("edited"), over.read("new")), ("mine\n".into(), "mine\n".into()));
}

#[test]
fn nothing_is_accepted_while_something_runs() {
    let over = Over::new();
    let mut command = over.0.bough(&["run", "--branch", "busy", "--", "sh", "-c", "echo > x; sleep 1004"]);
    let mut child = command.current_dir(over.0.at("base")).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_until("it runs", || over.volumes()[0]["mounts"].as_array().is_some_and(|mounts| !mounts.is_empty()));
    over.bough(&["accept", "--branch", "busy"]).refused(1, &["`busy` is in use"]);
    over.bough(&["reject", "--branch", "busy"]).refused(1, &["`busy` is in use"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!over.at("x").exists());
}

#[test]
fn a_volume_lives_as_long_as_its_branches() {
    let over = Over::new();
    over.bough(&["accept"]).refused(3, &["no branch"]);
    over.run(&["--branch", "one"], "echo > x");
    over.run(&["--branch", "two"], "echo > x");
    let volumes = over.volumes();
    assert_eq!((volumes.as_array().unwrap().len(), &volumes[0]["branches"]), (1, &serde_json::json!(3)));
    let pid = volumes[0]["pid"].as_i64().unwrap() as i32;
    over.bough(&["accept"]).refused(1, &["which branch?", "one, two"]);
    over.bough(&["reject", "--branch", "one"]).done();
    assert!(is_running(pid));
    over.bough(&["reject", "--branch", "two"]).done();
    wait_until("the daemon ends with its last branch", || !is_running(pid));
}

#[test]
fn many_begin_at_once_and_share_one_volume() {
    let over = Over::new();
    let run = |number: usize| {
        let script = format!("cat same > copy{number}; cat dir/a");
        let mut command = over.0.bough(&["run", "--keep", "--", "sh", "-c", &script]);
        command.current_dir(over.0.at("base")).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..20).map(run).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "dir/a", "{:?}", output.status);
    }
    let volumes = over.volumes();
    assert_eq!((volumes.as_array().unwrap().len(), &volumes[0]["branches"]), (1, &serde_json::json!(21)));
}

#[test]
fn a_branch_is_accepted_into_another() {
    let over = Over::new();
    over.run(&["--branch", "parent"], "echo parent > edited");
    over.run(&["--branch", "child"], "echo child > same; echo > new");
    let before = over.look();
    over.bough(&["accept", "--branch", "child", "--into", "parent"]).done();
    assert_eq!(over.look(), before);
    let shown = over.run(&["--branch", "parent", "--keep"], "cat edited same; ls new");
    assert_eq!(shown.out, "parent\nchild\nnew\n", "{shown:?}");
}

#[test]
fn branches_are_accepted_into_another_one_after_the_other() {
    let over = Over::new();
    over.run(&["--branch", "parent", "--keep"], "true");
    for round in 0..5 {
        let child = format!("child-{round}");
        over.run(&["--branch", &child], &format!("echo {round} > new-{round}; rm -f dir/a"));
        over.bough(&["accept", "--branch", &child, "--into", "parent"]).done();
    }
    let shown = over.run(&["--branch", "parent", "--keep"], "cat new-*; ls dir");
    assert_eq!(shown.out, "0\n1\n2\n3\n4\ndeep\n", "{shown:?}");
}

#[test]
fn a_part_is_accepted_into_a_branch_that_has_another_part_already() {
    let over = Over::new();
    over.run(&["--branch", "parent"], "echo b > dir/b; touch -d @1000 dir/b");
    over.run(&["--branch", "child"], "echo a > dir/a; echo b > dir/b; touch -d @1000 dir/b; echo c > c");
    let accepted = over.bough(&["accept", "--branch", "child", "--into", "parent", "--", "dir/a"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let shown = over.run(&["--branch", "parent", "--keep"], "cat dir/a dir/b; ls");
    assert_eq!(shown.out, "a\nb\ndir\nedited\ngone\nsame\n");
    let left = over.run(&["--branch", "child", "--keep"], "cat dir/b c");
    assert_eq!(left.out, "b\nc\n");
}

#[test]
fn what_editors_save_anew_is_accepted_again_and_again() {
    let over = Over::new();
    over.run(&["--branch", "b"], "sed -i s/edited/1/ edited; sed -i s/same/1/ same");
    over.bough(&["accept", "--branch", "b", "--", "edited"]).done();
    over.run(&["--branch", "b"], "sed -i s/1/2/ edited");
    over.bough(&["accept", "--branch", "b", "--", "edited"]).done();
    assert_eq!((over.read("edited"), over.read("same")), ("2".into(), "same".into()));
    over.run(&["--branch", "b"], "sed -i s/2/3/ edited");
    fs::write(over.at("edited"), "theirs").unwrap();
    let refused = over.bough(&["accept", "--branch", "b"]);
    assert!(refused.code == 1 && refused.talk.contains("conflict: edited has changed in the base"), "{refused:?}");
    assert_eq!(over.read("edited"), "theirs");
}

#[test]
fn what_both_branches_changed_is_a_conflict_between_them() {
    let over = Over::new();
    over.run(&["--branch", "parent"], "echo parent > edited; echo parent > same; echo > theirs");
    over.run(&["--branch", "child"], "echo child > edited; rm same; echo > mine");
    let refused = over.bough(&["accept", "--branch", "child", "--into", "parent"]);
    assert!(refused.code == 1 && refused.talk.contains("conflict: edited"), "{refused:?}");
    over.bough(&["accept", "--branch", "child", "--into", "parent", "--", "mine"]).done();
    let shown = over.run(&["--branch", "parent", "--keep"], "cat edited same; ls mine theirs");
    assert_eq!(shown.out, "parent\nparent\nmine\ntheirs\n", "{shown:?}");
}

#[test]
fn new_directories_are_accepted_piece_by_piece_and_nothing_is_lost() {
    let make = "mkdir -p A/sub/deep B; echo 1 > A/x; echo 2 > A/y; echo 3 > A/sub/z; echo 4 > A/sub/deep/w; \
                echo 5 > B/v; ln A/y A/y2; ln -s x A/link; echo e > edited; rm gone; mv dir/a A/a; chmod 700 A/sub";
    let orders: [&[&str]; 5] = [
        &["A/x", "A"],
        &["A/sub/deep/w", "A/sub", "A/x", "A"],
        &["A/sub/z", "A/link", "edited", "A/sub"],
        &["B", "A/sub/deep", "A/y"],
        &["A/a", "A/sub/deep", "dir"],
    ];
    for order in orders {
        let over = Over::new();
        over.run(&["--branch", "b"], make);
        let expected = over.run(&["--branch", "b", "--keep"], LIST).out;
        for path in order {
            let before = over.look();
            let ran = over.bough(&["accept", "--branch", "b", "--", path]);
            assert!(ran.code == 0 || over.look() == before, "{order:?}, {path}: refused, and yet written: {ran:?}");
            let now = over.run(&["--branch", "b", "--keep"], LIST).out;
            assert_eq!(now, expected, "{order:?}, {path}: {ran:?}");
        }
        over.run(&["--branch", "b"], "echo again > A/x; rm -f A/sub/z; echo > A/late");
        let expected = over.run(&["--branch", "b", "--keep"], LIST).out;
        let all = over.bough(&["accept", "--branch", "b"]);
        assert_eq!((all.code, all.talk.as_str()), (0, ""), "{order:?}: {all:?}");
        assert_eq!(
            ran(over.0.command("sh").args(["-c", LIST]).current_dir(over.0.at("base"))).out,
            expected,
            "{order:?}"
        );
        assert_eq!(over.bough(&["diff", "main", "b"]).out, "", "{order:?}");
    }
}

#[test]
fn what_a_reject_that_is_interrupted_was_trying_in_goes_with_the_next() {
    let over = Over::new();
    over.run(&["--branch", "b"], "for i in $(seq 300); do echo $i > dir/new-$i; done; echo > other");
    let branches = || over.volumes()[0]["branches"].as_u64().unwrap();
    let before = branches();
    for wait in 0..20 {
        let words = ["reject", "--branch", "b", "--", &format!("dir/new-{wait}")];
        let mut child = over.0.bough(&words).current_dir(over.0.at("base")).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(700 * wait));
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        child.wait().unwrap();
        // What this one was trying in goes with the next.
        assert!(branches() <= before + 1, "after {wait}");
    }
    over.bough(&["reject", "--branch", "b", "--", "dir/new-299"]).done();
    assert_eq!(branches(), before);
}

#[test]
fn changes_are_not_accepted_into_what_shows_the_base() {
    let over = Over::new();
    over.run(&["--branch", "b"], "echo new > edited");
    over.bough(&["accept", "--branch", "b", "--into", "main"]).refused(1, &["`main`", "without --into"]);
    over.bough(&["accept", "--branch", "b"]).done();
    assert_eq!(over.read("edited"), "new\n");
}

#[test]
fn a_file_that_takes_the_place_of_another_is_accepted() {
    let over = Over::new();
    let ran = over.run(&["--keep"], "mv same edited; rm -r dir/deep; mkdir dir/other; mv dir/other dir/deep");
    assert!(ran.talk.contains("D edited") && ran.talk.contains("R same -> edited"), "{ran:?}");
    over.bough(&["accept"]).done();
    assert_eq!((over.read("edited"), over.at("same").exists()), ("same".into(), false));
}

#[test]
fn what_is_mounted_in_the_base_is_left_alone() {
    if !is_root() {
        return;
    }
    let over = Over::new();
    let mount = over.at("dir/deep/mount");
    fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "mounted"]).arg(&mount).status().unwrap();
    assert!(mounted.success());
    fs::write(mount.join("precious"), "1").unwrap();
    over.run(&["--branch", "new"], "echo > dir/deep/mount/new");
    over.run(&["--branch", "gone"], "rm -r dir");
    let new = over.bough(&["accept", "--branch", "new"]);
    let gone = over.bough(&["accept", "--branch", "gone", "--force"]);
    let left: Vec<_> = fs::read_dir(&mount).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let _ = Command::new("umount").arg(&mount).status();
    new.refused(1, &["lies on another file system"]);
    assert!(gone.code == 1 && gone.talk.contains("dir/deep/mount has another file system mounted on it"), "{gone:?}");
    assert_eq!(left, ["precious"]);
}

#[test]
fn hard_links_of_the_base_stay_links() {
    let over = Over::new();
    fs::hard_link(over.at("same"), over.at("dir/same")).unwrap();
    over.run(&["--keep"], "echo more >> same; ln edited second");
    over.bough(&["accept"]).done();
    assert_eq!(over.read("dir/same"), "samemore\n");
    let number = |name: &str| over.at(name).metadata().unwrap().ino();
    assert_eq!((number("same"), number("edited")), (number("dir/same"), number("second")));
}

#[test]
fn what_was_written_by_a_name_that_moved_shows_by_the_others() {
    let over = Over::new();
    for name in ["dir/same", "third"] {
        fs::hard_link(over.at("same"), over.at(name)).unwrap();
    }
    over.run(&["--keep"], "echo more >> same; mv same moved; mv third moved3; mkdir new; ln moved new/fourth");
    over.bough(&["accept"]).done();
    for name in ["moved", "dir/same", "moved3", "new/fourth"] {
        assert_eq!(over.read(name), "samemore\n", "{name}");
    }
    assert_eq!((over.at("moved").metadata().unwrap().nlink(), over.at("third").exists()), (4, false));
}

#[test]
fn a_name_that_leads_to_another_file_of_the_base_does_so_there() {
    let over = Over::new();
    over.run(&["--branch", "b"], "chmod 600 same; ln -f same edited");
    over.bough(&["accept", "--branch", "b"]).done();
    let found = over.at("edited").metadata().unwrap();
    assert_eq!(
        (found.ino(), found.nlink(), over.read("edited")),
        (over.at("same").metadata().unwrap().ino(), 2, "same".into())
    );
    // Whoever has changed what the name led to is not overruled.
    over.run(&["--branch", "c"], "chmod 644 gone; ln -f gone dir/a");
    fs::write(over.at("dir/a"), "by somebody else").unwrap();
    over.bough(&["accept", "--branch", "c"]);
    assert_eq!(over.read("dir/a"), "by somebody else");
}

#[test]
fn what_is_accepted_or_rejected_by_path_takes_nothing_else_along() {
    let over = Over::new();
    over.run(&["--branch", "b"], "chmod 600 same; mkdir new; ln same new/link; echo > other");
    let told = over.bough(&["diff", "b"]).out;
    over.bough(&["reject", "--branch", "b", "--", "same"]).refused(1, &["`b` keeps all its changes", "new/link"]);
    let before = over.look();
    over.bough(&["accept", "--branch", "b", "--", "same"]).refused(1, &["`b` keeps all its changes", "new/link"]);
    assert_eq!((over.bough(&["diff", "b"]).out, over.look()), (told, before));
    over.bough(&["accept", "--branch", "b", "--", "same", "new"]).done();
    assert_eq!(over.bough(&["diff", "b"]).out, "A other\n");
    assert_eq!(over.at("new/link").metadata().unwrap().nlink(), 2);
    let branches = over.volumes()[0]["branches"].clone();
    assert_eq!(branches, serde_json::json!(2), "no copy is left");
}

#[test]
fn two_accepts_into_one_branch_come_one_after_the_other() {
    let over = Over::new();
    over.run(&["--branch", "parent", "--keep"], "true");
    for round in 0..4 {
        let names = [format!("one-{round}"), format!("two-{round}")];
        for name in &names {
            over.run(&["--branch", name], &format!("for i in $(seq 60); do echo $i > {name}-$i; done"));
        }
        let accept = |name: &String| {
            let mut command = over.0.bough(&["accept", "--branch", name, "--into", "parent"]);
            command.current_dir(over.0.at("base")).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = names.iter().map(accept).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{round}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let shown =
        over.run(&["--branch", "parent", "--keep"], "ls | grep -c -e one- -e two-; ls -A | grep -c bough; true");
    assert_eq!(shown.out, "480\n0\n", "{shown:?}");
}

#[test]
fn a_base_that_cannot_be_one_is_refused() {
    let over = Over::new();
    let run = |base: &str| over.0.run(&["run", "--base", base, "--", "true"]);
    run("base/missing").refused(125, &["base/missing", "no such file"]);
    run("base/same").refused(125, &["not a directory"]);
    run("/").refused(125, &["the root directory cannot be a base"]);
    over.0.run(&["accept", "--base", "base/missing"]).refused(1, &["base/missing", "no such file"]);
    over.0.run(&["reject", "--base", "base/same"]).refused(1, &["not a directory"]);
}

#[test]
fn paths_out_of_the_base_are_refused_and_nothing_happens() {
    let over = Over::new();
    over.run(&["--keep"], EDIT);
    let before = over.look();
    for verb in ["accept", "reject"] {
        for path in ["/etc/passwd", "../outside", "dir/../../x"] {
            over.bough(&[verb, "--", path]).refused(2, &["lies outside"]);
        }
    }
    over.bough(&["accept", "--theirs", "/etc"]).refused(2, &["lies outside"]);
    assert_eq!(over.look(), before);
    assert!(over.bough(&["accept", "--dry-run"]).out.lines().count() > 5);
}
