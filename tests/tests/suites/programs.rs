//! Programs that people use, at their usual work. More of them are in `mounted/tools.rs`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fixture::{Mount, USUAL, branch, installed, root, run, shell, snapshot, switch};
use crate::ground::{Ground, On};
use crate::kit::noise;
use crate::sys;
use bough::control::message;
use bough::control::messages::fs_control_stats;

/// Whether a package registry answers; without a network there is nothing to install.
fn reachable(what: &str, mut ask: Command) -> bool {
    let answers = ask.output().is_ok_and(|output| output.status.success());
    if !answers {
        eprintln!("SKIPPED: {what} does not answer");
    }
    answers
}

/// Bytes of the file that is copied, and the whole chunks among them.
const ORIGINAL: usize = 3_000_000;
const CHUNKS: u64 = ORIGINAL as u64 >> 16;

/// The chunks that a line of shell makes the volume take, as `bough stats` tells them.
fn chunks_taken(mount: &Mount, line: &str) -> u64 {
    let chunks = || {
        sys::syncfs(mount.point());
        sys::control(mount.point(), message::<fs_control_stats>()).unwrap().chunks
    };
    let before = chunks();
    shell(mount.point(), line);
    chunks() - before
}

#[test]
fn copies_share_or_not_and_are_the_same() {
    /// What a copy that shares may take nevertheless.
    const FEW: u64 = 4;
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("original"), noise(1, ORIGINAL)).unwrap();
    assert!(chunks_taken(&mount, "cp --reflink=auto original auto && cmp original auto") <= FEW);
    assert!(chunks_taken(&mount, "cp --reflink=never original never && cmp original never") >= CHUNKS);
    assert!(chunks_taken(&mount, "cp --sparse=always original sparse && cmp original sparse") >= CHUNKS);
    assert!(chunks_taken(&mount, "dd if=original of=pieces bs=70001 status=none && cmp original pieces") >= CHUNKS);
    // The end of the copy, which is no longer shared.
    let line = "echo more >> auto && ! cmp -s original auto && head -c 3000000 auto | cmp original -";
    assert!(chunks_taken(&mount, line) <= FEW);
    mount.end();
}

/// `cp --reflink=always` asks by FICLONE, which Linux hands to no FUSE file system: copies share by copy_file_range.
#[test]
fn a_copy_that_must_share_shares_or_is_refused() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("original"), noise(1, ORIGINAL)).unwrap();
    let script =
        "LC_ALL=C cp --reflink=always original always 2> why && cmp original always || grep -q 'not supported' why";
    assert!(chunks_taken(&mount, script) <= 4);
    let (from, to) = (fs::File::open(mount.at("original")).unwrap(), fs::File::create(mount.at("copy")).unwrap());
    sys::syncfs(mount.point());
    let chunks = || sys::control(mount.point(), message::<fs_control_stats>()).unwrap().chunks;
    let before = chunks();
    let mut copied = 0;
    while copied < ORIGINAL {
        let piece = sys::copy_range(&from, copied as i64, &to, copied as i64, ORIGINAL - copied).unwrap();
        assert_ne!(piece, 0);
        copied += piece as usize;
    }
    assert!(chunks() <= before + 1, "{before} chunks before, {} after", chunks());
    drop((from, to));
    assert!(fs::read(mount.at("copy")).unwrap() == noise(1, ORIGINAL));
    // What is written to one of two that share is not in the other.
    shell(mount.point(), "printf xyz | dd of=copy bs=1 seek=1000000 conv=notrunc status=none; ! cmp -s original copy");
    assert!(fs::read(mount.at("original")).unwrap() == noise(1, ORIGINAL));
    mount.end();
}

#[test]
fn git_works_in_several_trees_and_from_several_processes() {
    let Some(mount) = Mount::new() else { return };
    if !installed("git") || !root().join(".git").exists() {
        return;
    }
    shell(mount.point(), &format!("git -c safe.directory='*' clone -q {} clone", root().display()));
    let script = "git config user.name T; git config user.email t@t; git config gc.auto 0; git worktree add -q ../second -b second;
        for i in 1 2 3 4 5; do
            (cd ../second && echo $i > new$i && git add -A && git commit -qm $i) &
            git status --porcelain > ../status-$i; wait
        done
        test \"$(git log --oneline HEAD..second | wc -l)\" = 5
        test \"$(git -C ../second log -5 --format=%s | tr '\\n' ' ')\" = '5 4 3 2 1 '
        cat ../status-* | wc -c | grep -qx 0; git worktree remove ../second; git gc -q; git fsck --full
        test \"$(git log --oneline HEAD..second | wc -l)\" = 5";
    shell(&mount.at("clone"), script);
    mount.end();
}

/// A repository, a database, and files as programs like them.
fn make_work(folder: &Path) {
    shell(
        folder,
        "git init -qb main repo; cd repo; git config user.name T; git config user.email t@t; git config gc.auto 0; mkdir src
         for n in $(seq 60); do seq $n 300 > src/$n; done; git add -A; git commit -qm first
         for n in 1 2 3; do echo $n >> src/$n; git commit -qam c$n; done; cd ..
         mkdir -p tree/a/b; seq 90000 > tree/large; ln tree/large tree/a/hard; ln -s ../large tree/a/soft; truncate -s 3M tree/holes
         printf x | dd of=tree/holes bs=1M seek=1 conv=notrunc status=none; setfattr -n user.k -v v tree/large; chmod 751 tree/a/b",
    );
    fs::write(folder.join("original"), noise(1, 3_000_000)).unwrap();
    let fill = "with recursive n(i) as (select 1 union all select i+1 from n where i<3000)";
    let script =
        format!("create table t(a integer primary key, b text); {fill} insert into t select i, hex(i) from n;");
    run(Command::new("sqlite3").arg(folder.join("data.db")).arg(script));
}

#[test]
fn programs_work_on_what_a_base_holds() {
    if !["git", "sqlite3", "rsync", "tar", "setfattr"].into_iter().all(installed) {
        return;
    }
    let Some(ground) = Ground::new(On::Base, USUAL, make_work) else { return };
    let folder = ground.folder();
    shell(
        &folder.join("repo"),
        "git status --porcelain | wc -l | grep -qx 0; echo changed > src/9; git mv src/10 ten; git rm -q src/11; git add -A
         git commit -qm second; git worktree add -q ../other -b other; (cd ../other && echo o > o && git add -A && git commit -qm third) &
         git status --porcelain > ../said; wait; test ! -s ../said; git worktree remove ../other; git merge -q other
         git gc -q; git fsck --full; git log --oneline | wc -l | grep -qx 6; git clone -q . ../clone; diff -r src ../clone/src",
    );
    for mode in ["delete", "wal"] {
        let script = format!(
            "pragma journal_mode={mode}; begin; update t set b='lost'; rollback; update t set b='x' where a%3=0;
             delete from t where a%{}=0; vacuum; pragma integrity_check;",
            if mode == "wal" { 5 } else { 7 }
        );
        let said = run(Command::new("sqlite3").arg(folder.join("data.db")).arg(script));
        assert_eq!(said, format!("{mode}\nok\n"));
    }
    let outside = ground.scratch().folder("outside");
    let outside = outside.display();
    shell(
        &folder,
        &format!(
            "rsync -aHAXS tree/ {outside}/tree/ && rsync -aHAXS {outside}/tree/ back/ && test -z \"$(rsync -aHAXnci --delete tree/ back/)\"
             tar --xattrs --xattrs-include='*' --acls --sparse -cf all.tar tree && mkdir out && tar --xattrs --xattrs-include='*' -xpf all.tar -C out
             test -z \"$(rsync -aHAXnci --no-times --delete tree/ out/tree/)\"; test $(stat -c %b back/holes) -lt 1000
             cp --reflink=auto original auto; cmp original auto; echo more >> auto; ! cmp -s original auto; head -c 3000000 auto | cmp original -
             cp --sparse=always tree/holes sparse; cmp tree/holes sparse; rm -r tree; test ! -e tree/large"
        ),
    );
    ground.end();
}

#[test]
#[ignore = "minutes: make test-long"]
fn cargo_builds_on_a_branch_what_it_built_before() {
    let Some(mount) = Mount::new() else { return };
    // Where this test is built is not where those are.
    let shell = |folder: &Path, line: &str| shell(folder, &format!("unset CARGO_TARGET_DIR; {line}"));
    shell(
        mount.point(),
        "cargo new --quiet --vcs none hello && cd hello && cargo build --quiet && ./target/debug/hello",
    );
    snapshot(mount.point(), "built");
    branch(mount.point(), "try", "built");
    switch(mount.point(), "try");
    let said = shell(&mount.at("hello"), "cargo build 2>&1");
    assert!(
        !said.contains("Compiling"),
        "the branch has the files with their times, and nothing is to be built: {said}"
    );
    let script = "sed -i s/world/branch/ src/main.rs && cargo build --quiet && ./target/debug/hello";
    assert_eq!(shell(&mount.at("hello"), script), "Hello, branch!\n");
    switch(mount.point(), "main");
    assert_eq!(shell(&mount.at("hello"), "cargo build --quiet && ./target/debug/hello"), "Hello, world!\n");
    mount.end();
}

#[test]
#[ignore = "minutes: make test-long"]
fn cargo_builds_over_a_base_what_was_changed_and_nothing_else() {
    let line = "unset CARGO_TARGET_DIR; cargo new --quiet --vcs none hello && cd hello && cargo build --quiet";
    let Some(ground) = Ground::new(On::Base, USUAL, |folder| drop(shell(folder, line))) else { return };
    let hello = ground.folder().join("hello");
    // In the base it was built at another path, which cargo takes no notice of.
    let said = shell(&hello, "unset CARGO_TARGET_DIR; cargo build 2>&1 && ./target/debug/hello");
    assert!(said.ends_with("Hello, world!\n"), "{said}");
    let script =
        "unset CARGO_TARGET_DIR; sed -i s/world/base/ src/main.rs && cargo build --quiet && ./target/debug/hello";
    assert_eq!(shell(&hello, script), "Hello, base!\n");
    let clean =
        "unset CARGO_TARGET_DIR; cargo clean --quiet && cargo build --quiet --release && ./target/release/hello";
    assert_eq!(shell(&hello, clean), "Hello, base!\n");
    ground.end();
}

#[test]
#[ignore = "minutes: make test-long"]
fn a_virtual_environment_of_python_is_made_and_filled() {
    let Some(mount) = Mount::new() else { return };
    if !installed("python3") {
        return;
    }
    shell(mount.point(), "python3 -m venv venv && venv/bin/python -c 'import ssl, sqlite3, json'");
    let mut install = Command::new(mount.at("venv/bin/pip"));
    install.args(["-q", "--disable-pip-version-check", "install", "requests"]);
    if reachable("pip's registry", install) {
        shell(mount.point(), "venv/bin/python -c 'import requests; print(requests.__version__)' && venv/bin/pip check");
    }
    mount.end();
}

#[test]
#[ignore = "minutes: make test-long"]
fn npm_installs_a_package_with_its_dependencies() {
    let Some(mount) = Mount::new() else { return };
    if !installed("npm")
        || !reachable("npm's registry", {
            let mut ask = Command::new("npm");
            ask.args(["view", "express", "name"]);
            ask
        })
    {
        return;
    }
    let script = "mkdir app && cd app && npm init -y > /dev/null && npm install --no-audit --no-fund --silent express && npm ls --silent &&
        node -e 'require(\"express\")' && rm -rf node_modules && npm ci --no-audit --no-fund --silent && node -e 'require(\"express\")'";
    shell(mount.point(), script);
    mount.end();
}

/// sqlite's own speed test, of the sources that the distribution's package was made of, with the distribution's library.
fn speedtest() -> Option<std::path::PathBuf> {
    let program = root().join("target/tools/bin/speedtest1");
    if !program.is_file() {
        let mut make = Command::new(root().join("scripts/speedtest.sh"));
        let made = make.arg(&program).output();
        if !made.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: sqlite's speedtest1 cannot be had here: {made:?}");
            return None;
        }
    }
    Some(program)
}

#[test]
#[ignore = "minutes, and a download: make test-long"]
fn sqlite_s_own_speed_test_ends_with_a_sound_database() {
    let Some(program) = speedtest() else { return };
    for on in On::BOTH {
        let make = |folder: &Path| {
            // Over a base it begins with a database that is there.
            if on == On::Base {
                run(Command::new(&program).args(["--size", "5"]).arg(folder.join("delete.db")));
            }
        };
        let Some(ground) = Ground::new(on, USUAL, make) else { return };
        for journal in ["delete", "wal", "truncate"] {
            let database = ground.folder().join(format!("{journal}.db"));
            let size = if on == On::Nothing { "40" } else { "15" };
            if journal == "delete" && on == On::Base {
                let script = "vacuum; pragma integrity_check;";
                assert_eq!(run(Command::new("sqlite3").arg(&database).arg(script)), "ok\n");
                fs::remove_file(&database).unwrap();
            }
            run(Command::new(&program).args(["--size", size, "--journal", journal]).arg(&database));
            run(Command::new(&program).args(["--size", "10", "--testset", "orm"]).arg(ground.folder().join("orm.db")));
            fs::remove_file(ground.folder().join("orm.db")).unwrap();
            assert_eq!(run(Command::new("sqlite3").arg(&database).arg("pragma integrity_check")), "ok\n");
        }
        ground.end();
    }
}

#[test]
#[ignore = "minutes: make test-long"]
fn sqlite_does_a_day_s_work() {
    let Some(mount) = Mount::new() else { return };
    if !installed("sqlite3") {
        return;
    }
    for mode in ["delete", "truncate", "wal"] {
        let fill = "with recursive n(i) as (select 1 union all select i+1 from n where i<50000)";
        let script = format!(
            "pragma journal_mode={mode}; create table t(a integer primary key, b text, c real); create index t_b on t(b);
             {fill} insert into t select i, hex(randomblob(20)), i/7.0 from n;
             begin; update t set b=hex(randomblob(30)) where a%2; rollback; update t set c=c+1 where a%3=0;
             delete from t where a%10=0; create table u as select * from t order by b; vacuum; analyze;
             pragma integrity_check; select count(*), (select count(*) from u) from t;"
        );
        let said = run(Command::new("sqlite3").arg(mount.at(mode)).arg(script));
        assert_eq!(said, format!("{mode}\nok\n45000|45000\n"));
        snapshot(mount.point(), mode);
        let shown = mount.attach(mode, &format!("shown-{mode}"));
        let uri = format!("file:{}?immutable=1", shown.join(mode).display());
        assert_eq!(
            run(Command::new("sqlite3").arg(uri).arg("pragma integrity_check; select count(*) from u")),
            "ok\n45000\n"
        );
        sys::unmount(&shown).unwrap();
    }
    mount.end();
}
