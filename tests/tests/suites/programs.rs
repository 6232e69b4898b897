//! Programs that people use, at their usual work. More of them are in `mounted/tools.rs`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fixture::{Mount, branch, installed, root, run, shell, snapshot, switch};
use crate::kit::noise;

/// Whether a package registry answers; without a network there is nothing to install.
fn reachable(what: &str, mut ask: Command) -> bool {
    let answers = ask.output().is_ok_and(|output| output.status.success());
    if !answers {
        eprintln!("SKIPPED: {what} does not answer");
    }
    answers
}

#[test]
fn copies_share_or_not_and_are_the_same() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("original"), noise(1, 3_000_000)).unwrap();
    shell(mount.point(), "cp --reflink=auto original auto && cmp original auto");
    shell(mount.point(), "cp --sparse=always original sparse && cmp original sparse");
    shell(mount.point(), "dd if=original of=pieces bs=70001 status=none && cmp original pieces");
    shell(mount.point(), "echo more >> auto && ! cmp -s original auto && head -c 3000000 auto | cmp original -");
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
        test \"$(git log --oneline main..second 2>/dev/null | wc -l || true)\" != 1
        test \"$(git -C ../second log -5 --format=%s | tr '\\n' ' ')\" = '5 4 3 2 1 '
        cat ../status-* | wc -c | grep -qx 0; git worktree remove ../second; git gc -q; git fsck --full 2>&1 | grep -v dangling || true";
    shell(&mount.at("clone"), script);
    mount.end();
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
        crate::sys::unmount(&shown).unwrap();
    }
    mount.end();
}
