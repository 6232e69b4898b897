//! What people do with a file system, with the programs they do it with.

use std::fs;
use std::process::Command;

use crate::fixture::{Mount, installed, root, run, shell};
use crate::sys;

#[test]
fn trees_are_copied_compared_and_removed() {
    let Some(mount) = Mount::new() else { return };
    let sources = root().join("core/src");
    shell(mount.point(), &format!("cp -a {} copy && diff -r {} copy", sources.display(), sources.display()));
    shell(mount.point(), "cp -a copy again && diff -r copy again && rm -rf copy");
    shell(mount.point(), "mkdir -p deep/$(seq -s/ 1 200) && find . -type f | wc -l && rm -rf deep again");
    assert_eq!(fs::read_dir(mount.point()).unwrap().count(), 0);
    mount.end();
}

#[test]
fn git_clones_and_finds_nothing_changed() {
    let Some(mount) = Mount::new() else { return };
    if !installed("git") || !root().join(".git").exists() {
        return;
    }
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "safe.directory=*", "-c", "user.name=T", "-c", "user.email=t@t"]).args(words);
        run(command.current_dir(mount.at("clone")))
    };
    shell(mount.point(), &format!("git -c safe.directory='*' clone -q {} clone", root().display()));
    assert_eq!(git(&["status", "--porcelain"]), "");
    fs::write(mount.at("clone/Cargo.toml"), "changed").unwrap();
    fs::write(mount.at("clone/new"), "new").unwrap();
    assert_eq!(git(&["status", "--porcelain"]), " M Cargo.toml\n?? new\n");
    git(&["checkout", "-q", "-b", "side"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "change"]);
    git(&["checkout", "-q", "-"]);
    git(&["gc", "-q"]);
    git(&["fsck", "--full"]);
    assert_eq!(git(&["status", "--porcelain"]), "");
    mount.end();
}

#[test]
fn sqlite_keeps_its_promises_in_both_journal_modes() {
    let Some(mount) = Mount::new() else { return };
    if !installed("sqlite3") {
        return;
    }
    for mode in ["delete", "wal"] {
        let script = format!(
            "pragma journal_mode={mode}; create table t(a integer primary key, b text); \
             with recursive n(i) as (select 1 union all select i+1 from n where i<5000) insert into t select i, hex(i) from n; \
             update t set b='x' where a%3=0; delete from t where a%5=0; pragma integrity_check; select count(*) from t;"
        );
        let said = run(Command::new("sqlite3").arg(mount.at(mode)).arg(script));
        assert_eq!(said, format!("{mode}\nok\n4000\n"));
        assert_eq!(run(Command::new("sqlite3").arg(mount.at(mode)).arg("select count(*) from t")), "4000\n");
    }
    mount.end();
}

/// A folder of everything that a file system can hold.
const ZOO: &str = r#"
    mkdir zoo && cd zoo
    echo text > plain; ln plain hard; ln -s plain soft; ln -s /no/where dangling; mkfifo pipe
    mkdir -m 2755 setgid; mkdir -m 1777 sticky; echo x > setgid/x; chmod 4711 setgid/x
    truncate -s 10M sparse; printf data | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
    printf '' > empty; touch -d '1980-02-03 04:05:06.789012345' empty
    setfattr -n user.note -v 'a value' plain
    command -v setfacl > /dev/null && setfacl -m u:1234:rwx,d:u:1234:rx setgid
    [ "$(id -u)" = 0 ] && { mknod device c 1 3; chown 12:34 empty; setfattr -n trusted.t -v 1 plain; }
    seq 1 200000 > 'a name with
a line break'
"#;

#[test]
fn rsync_there_and_back_loses_nothing() {
    let Some(mount) = Mount::new() else { return };
    if !installed("rsync") || !installed("setfattr") {
        return;
    }
    shell(mount.point(), ZOO);
    let outside = mount.scratch().folder("outside");
    let outside = outside.display();
    shell(mount.point(), &format!("rsync -aHAXS zoo/ {outside}/zoo/ && rsync -aHAXS {outside}/zoo/ back/"));
    for there in [format!("{outside}/zoo/"), "back/".to_owned()] {
        let differs = shell(mount.point(), &format!("rsync -aHAXnci --delete zoo/ {there}"));
        assert_eq!(differs, "", "{there}");
    }
    let sparse = fs::metadata(mount.at("back/sparse")).unwrap();
    assert!(std::os::unix::fs::MetadataExt::blocks(&sparse) < 1000);
    mount.end();
}

#[test]
fn tar_packs_and_unpacks_everything() {
    let Some(mount) = Mount::new() else { return };
    if !installed("tar") || !installed("setfattr") {
        return;
    }
    shell(mount.point(), ZOO);
    let options = "--xattrs --xattrs-include='*' --acls --sparse";
    let line = format!("tar {options} -cf all.tar zoo && mkdir out && tar {options} -xpf all.tar -C out");
    shell(mount.point(), &line);
    if installed("rsync") {
        // Times of links are not what tar keeps to the nanosecond.
        let differs = shell(mount.point(), "rsync -aHAXnci --no-times --delete zoo/ out/zoo/");
        assert_eq!(differs, "");
    }
    mount.end();
}

#[test]
fn an_editor_s_ways_of_saving_work() {
    let Some(mount) = Mount::new() else { return };
    shell(
        mount.point(),
        "echo one > f; cp -p f f~; echo two > f; diff f f~ || true; sed -i s/two/three/ f; grep -q three f",
    );
    shell(
        mount.point(),
        "echo four > .f.swp; sync .f.swp; mv .f.swp f; grep -q four f; exec 9>>f; echo five >&9; tail -n1 f | grep -q five",
    );
    mount.end();
}

#[test]
fn many_threads_at_once_get_what_they_ask_for() {
    let Some(mount) = Mount::new() else { return };
    std::thread::scope(|scope| {
        for worker in 0..8_u8 {
            let folder = mount.at(&format!("w{worker}"));
            scope.spawn(move || {
                fs::create_dir(&folder).unwrap();
                for i in 0..200_usize {
                    let path = folder.join(format!("f{}", i % 20));
                    fs::write(&path, vec![worker; i * 100]).unwrap();
                    assert_eq!(fs::read(&path).unwrap(), vec![worker; i * 100]);
                }
            });
        }
    });
    sys::syncfs(mount.point());
    mount.end();
}
