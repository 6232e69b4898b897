//! What others have, or do meanwhile, is not lost by an accept: names like its own, changes while it works or after it was interrupted.

use super::*;
use crate::accept::journal;
use crate::errors::Failure;

/// As an accept that finds no conflict; `meanwhile` happens between the plan and its being carried out.
fn accept_while(pair: &Pair, changes: &[Change], meanwhile: impl FnOnce(&Path)) -> Result<()> {
    let (source, target) = pair.places();
    let planned = plan::plan(&source, &target, changes, false, Directories::Move, false).unwrap().unwrap();
    meanwhile(&pair.target());
    apply(&source, &target, &planned, &|| Ok(()), &Breaker::default())
}

fn by_name(name: &str, root: &Path) -> Option<String> {
    fs::read_to_string(root.join(name)).ok()
}

#[test]
fn what_somebody_changes_while_an_accept_is_at_work_is_not_lost() {
    for path in ["edited", "gone", "mode", "old/y", "old/unseen", "docs/a", "swap/1"] {
        let (pair, changes) = edited(Directories::Move);
        let mut expected = Look::new();
        let work = |root: &Path| {
            fs::write(root.join(path), "by somebody else").unwrap();
            expected = look(root);
        };
        let refused = accept_while(&pair, &changes, work).unwrap_err();
        assert!(refused.text().contains("has changed meanwhile"), "{path}: {}", refused.text());
        assert_same(&look(&pair.target()), &expected);
    }
}

#[test]
fn a_branch_that_something_works_in_meanwhile_is_not_accepted_in_part() {
    let (pair, changes) = edited(Directories::Move);
    let before = look(&pair.target());
    let (source, target) = pair.places();
    let planned = plan::plan(&source, &target, &changes, false, Directories::Move, false).unwrap().unwrap();
    let still = || Err(Failure::refused("something has worked in it"));
    let refused = apply(&source, &target, &planned, &still, &Breaker::default()).unwrap_err();
    assert_eq!(refused.text(), "something has worked in it");
    assert_same(&look(&pair.target()), &before);
}

/// A target in which an accept was interrupted as soon as it could be finished.
fn interrupted() -> (Pair, Look) {
    for steps in 0.. {
        let (pair, changes) = edited(Directories::Move);
        let after = look(&pair.source());
        assert!(pair.accept(&changes, false, &Breaker::after(steps)).unwrap().is_err());
        let journal = fs::read_to_string(pair.target().join(journal::NAME)).unwrap_or_default();
        if journal.contains("Staged\":") {
            return (pair, after);
        }
    }
    unreachable!()
}

#[test]
fn what_is_changed_after_an_interruption_is_not_put_away() {
    let (pair, after) = interrupted();
    let target = Place::at(&pair.target()).unwrap();
    write(&pair.target(), "edited", "by somebody else, later");
    let refused = recover(&target, false, &Breaker::default()).unwrap_err();
    assert!(refused.text().contains("--undo") && refused.text().contains("edited has changed"), "{}", refused.text());
    assert_eq!(by_name("edited", &pair.target()).unwrap(), "by somebody else, later");
    fs::rename(pair.target().join("edited"), pair.directory.path().join("mine")).unwrap();
    recover(&target, false, &Breaker::default()).unwrap();
    assert_same(&look(&pair.target()), &after);
    assert_eq!(by_name("mine", pair.directory.path()).unwrap(), "by somebody else, later");

    let (pair, _) = interrupted();
    let target = Place::at(&pair.target()).unwrap();
    write(&pair.target(), "edited", "by somebody else, later");
    recover(&target, true, &Breaker::default()).unwrap();
    assert_eq!(by_name("edited", &pair.target()).unwrap(), "by somebody else, later");
    assert_eq!(by_name("gone", &pair.target()).unwrap(), "gone");
}

#[test]
fn a_time_that_tells_of_a_later_change_is_not_set_back() {
    let (pair, _) = interrupted();
    let target = Place::at(&pair.target()).unwrap();
    fs::write(pair.target().join("mode"), "changed later").unwrap();
    recover(&target, false, &Breaker::default()).unwrap();
    let found = fs::metadata(pair.target().join("mode")).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o4711);
    assert!(found.mtime() > 2_000_000, "{}", found.mtime());
}

#[test]
fn files_called_like_those_of_an_accept_are_left_alone() {
    let pair = Pair::new(base);
    write(&pair.source(), "new", "1");
    write(&pair.target(), ".bough-accept.1", "precious");
    let found = conflicts(&pair, &[change(Became::Added, "new")]);
    assert_eq!(found, [".bough-accept.1 is in the way: accepts use such names, move it elsewhere"]);

    let names = [".bough-accept", "docs/.bough-accept.7"];
    names.iter().for_each(|name| write(&pair.source(), name, "1"));
    let found = conflicts(&pair, &names.map(|name| change(Became::Added, name)));
    let why = "has a name that accepts keep for themselves";
    assert_eq!(found, names.map(|name| format!("{name} {why}")));
}

#[test]
fn a_journal_that_no_accept_wrote_is_neither_followed_nor_removed() {
    let (pair, _) = interrupted();
    let path = pair.target().join(journal::NAME);
    let copied = fs::read(&path).unwrap();
    // Kept, so that no other has its number.
    fs::rename(&path, pair.directory.path().join("away")).unwrap();
    for content in [&b"mine\n"[..], b"mine", b"{}\n", &copied] {
        fs::write(&path, content).unwrap();
        let before = look(&pair.target());
        for undoing in [false, true] {
            let refused = recover(&Place::at(&pair.target()).unwrap(), undoing, &Breaker::default());
            assert!(refused.unwrap_err().text().contains("move it away"));
        }
        assert_same(&look(&pair.target()), &before);
    }
    // One whose writing was interrupted.
    for content in [&b""[..], b"{\"jour", &copied[..40]] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        recover(&Place::at(&pair.target()).unwrap(), false, &Breaker::default()).unwrap();
        assert!(!path.exists());
    }
}

#[test]
fn a_journal_of_somebody_else_is_not_followed() {
    let refused = |pair: &Pair, why: &str| {
        let before = look(&pair.target());
        for undoing in [false, true] {
            let refused = recover(&pair.places().1, undoing, &Breaker::default());
            let refused = refused.unwrap_err();
            assert!(refused.text().contains(why), "{}", refused.text());
        }
        assert_same(&look(&pair.target()), &before);
    };
    let (pair, after) = interrupted();
    let path = pair.target().join(journal::NAME);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&pair, "chmod 600 ");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let second = pair.directory.path().join("second");
    fs::hard_link(&path, &second).unwrap();
    refused(&pair, "it has another name: remove that");
    fs::remove_file(second).unwrap();
    match std::os::unix::fs::chown(&path, Some(54_321), None) {
        Err(_) => eprintln!("SKIPPED: only root can give a file away"),
        Ok(()) => {
            refused(&pair, "not the journal of an accept of yours of this directory: move it away");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
    }
    recover(&pair.places().1, false, &Breaker::default()).unwrap();
    assert_same(&look(&pair.target()), &after);

    // Nor is one that was moved here from the base that it is about.
    let (pair, _) = interrupted();
    let other = Pair::new(base);
    let there = other.target().join(journal::NAME);
    if fs::rename(pair.target().join(journal::NAME), &there).is_ok() {
        refused(&other, "move it away");
    }
}

#[test]
fn what_was_before_stays_when_what_is_new_has_vanished() {
    let temporaries = |pair: &Pair| -> Vec<PathBuf> {
        let all = look(&pair.target()).into_keys();
        let is_one =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".bough-accept."));
        all.filter(is_one).map(|path| pair.target().join(path)).collect()
    };
    let (pair, _) = interrupted();
    let found = temporaries(&pair);
    assert!(!found.is_empty());
    for path in found {
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    let target = pair.places().1;
    let refused = recover(&target, false, &Breaker::default()).unwrap_err();
    assert!(refused.text().contains("--undo"), "{}", refused.text());
    recover(&target, true, &Breaker::default()).unwrap();
    assert_same(&look(&pair.target()), &look(&fresh().target()));

    // As somebody's tool may remove what it does not know, while an accept is at work.
    let (pair, changes) = edited(Directories::Move);
    let before = look(&pair.target());
    let (source, target) = pair.places();
    let planned = plan::plan(&source, &target, &changes, false, Directories::Move, false).unwrap().unwrap();
    let still = || {
        let one = temporaries(&pair).into_iter().find(|path| path.is_file()).unwrap();
        fs::remove_file(one).unwrap();
        Ok(())
    };
    let refused = apply(&source, &target, &planned, &still, &Breaker::default()).unwrap_err();
    assert!(refused.text().contains("has vanished"), "{}", refused.text());
    assert_same(&look(&pair.target()), &before);
}

/// What a target is before anything is done to it.
fn fresh() -> Pair {
    Pair::new(base)
}

#[test]
fn what_comes_into_a_directory_that_goes_is_not_removed_with_it() {
    for path in ["old/later", "old/y"] {
        let (pair, after) = interrupted();
        let target = pair.places().1;
        write(&pair.target(), path, "by somebody else, later");
        let there = look(&pair.target());
        let refused = recover(&target, false, &Breaker::default()).unwrap_err();
        assert!(refused.text().contains(&format!("{path} has changed")), "{}", refused.text());
        assert_same(&look(&pair.target()), &there);
        fs::rename(pair.target().join(path), pair.directory.path().join("mine")).unwrap();
        recover(&target, false, &Breaker::default()).unwrap();
        assert_same(&look(&pair.target()), &after);
        assert_eq!(by_name("mine", pair.directory.path()).unwrap(), "by somebody else, later");

        let (pair, _) = interrupted();
        write(&pair.target(), path, "by somebody else, later");
        recover(&pair.places().1, true, &Breaker::default()).unwrap();
        assert_eq!(by_name(path, &pair.target()).unwrap(), "by somebody else, later");
        let mut expected = look(&fresh().target());
        let mut found = look(&pair.target());
        expected.remove(Path::new(path));
        found.remove(Path::new(path));
        assert_same(&found, &expected);
    }
}

#[test]
fn with_force_a_directory_goes_with_all_that_was_in_it_and_not_with_what_came_later() {
    let (pair, changes) = edited(Directories::Move);
    write(&pair.target(), "old/unseen", "1");
    pair.accept(&changes, true, &Breaker::default()).unwrap().unwrap();
    assert_same(&look(&pair.target()), &look(&pair.source()));

    let (pair, changes) = edited(Directories::Move);
    write(&pair.target(), "old/unseen", "1");
    let (source, target) = pair.places();
    let planned = plan::plan(&source, &target, &changes, true, Directories::Move, false).unwrap().unwrap();
    write(&pair.target(), "old/later", "1");
    let before = look(&pair.target());
    let refused = apply(&source, &target, &planned, &|| Ok(()), &Breaker::default()).unwrap_err();
    assert!(refused.text().contains("has changed meanwhile"), "{}", refused.text());
    assert_same(&look(&pair.target()), &before);
}

#[test]
fn half_a_line_of_a_journal_does_not_spoil_the_next() {
    let (pair, after) = interrupted();
    let path = pair.target().join(journal::NAME);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"\"Switc");
    fs::write(&path, bytes).unwrap();
    // The crash comes when it has been marked that names are switched.
    let target = pair.places().1;
    for steps in 0.. {
        if recover(&target, false, &Breaker::after(steps)).is_ok() {
            break;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().skip(2).all(|line| line == "\"Switched\""), "{text}");
    }
    assert_same(&look(&pair.target()), &after);
}

#[test]
fn what_somebody_lets_nobody_into_stays_closed() {
    let pair = Pair::new(base);
    let wanted = |origin| [Change { origin, ..change(Became::Set, "docs") }];
    let changes = wanted(recorded(&pair, "docs"));
    fs::set_permissions(pair.target().join("docs"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(conflicts(&pair, &changes), ["docs has changed in the base"]);
    let moves = [Change { origin: recorded(&pair, "docs"), ..moved("docs", "manual") }];
    fs::rename(pair.source().join("docs"), pair.source().join("manual")).unwrap();
    fs::set_permissions(pair.target().join("docs"), fs::Permissions::from_mode(0o710)).unwrap();
    assert_eq!(conflicts(&pair, &moves), ["docs has changed in the base"]);
    // Something new in it is no reason.
    let pair = Pair::new(base);
    fs::set_permissions(pair.source().join("docs"), fs::Permissions::from_mode(0o750)).unwrap();
    pair.accepts(&wanted(recorded(&pair, "docs")));
    write(&pair.target(), "docs/new", "1");
    pair.accepts(&wanted(recorded(&pair, "docs")));
}

/// Permissions hold for root, too, in a thread that has given up to be above them.
fn as_anybody(work: impl FnOnce() + Send) {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let now = capabilities(None).unwrap();
            let kept = now.effective.difference(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, CapabilitySets { effective: kept, ..now }).unwrap();
            work();
        });
        thread.join().unwrap();
    });
}

#[test]
fn a_directory_that_may_not_be_written_goes_all_the_same() {
    use Became::Removed;
    let pair = Pair::new(base);
    fs::remove_dir_all(pair.source().join("docs")).unwrap();
    for path in ["docs/deep", "docs"] {
        fs::set_permissions(pair.target().join(path), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let changes = ["docs", "docs/a", "docs/deep", "docs/deep/b", "docs/linked"].map(|path| change(Removed, path));
    as_anybody(|| pair.accepts(&changes));
    assert!(!pair.target().join("docs").exists());
    assert!(!pair.target().join(journal::NAME).exists());
}

#[test]
fn where_its_owner_may_not_write_or_read_an_accept_is_refused_and_nothing_is_left_of_it() {
    use Became::{Added, Removed};
    let refused = |closed: &str, mode: u32, in_target: bool, changed: Change| {
        let pair = Pair::new(base);
        match changed.became {
            Added => write(&pair.source(), "docs/new", "1"),
            _ => fs::remove_file(pair.source().join(&changed.path)).unwrap(),
        }
        let root = if in_target { pair.target() } else { pair.source() };
        fs::set_permissions(root.join(closed), fs::Permissions::from_mode(mode)).unwrap();
        let before = look(&pair.target());
        as_anybody(|| {
            let failed = pair.accept(&[changed], false, &Breaker::default()).unwrap().unwrap_err();
            assert!(failed.text().contains("ermission denied"), "{}", failed.text());
        });
        assert_eq!(look(&pair.target()), before, "{closed}");
    };
    refused("docs", 0o555, true, change(Added, "docs/new"));
    refused("docs", 0o555, true, change(Removed, "docs/a"));
    refused("docs/new", 0o000, false, change(Added, "docs/new"));
}

#[test]
fn what_a_directory_gives_to_new_files_is_not_added_to_accepted_ones() {
    let pair = Pair::new(base);
    write(&pair.source(), "docs/new", "1");
    // u::rwx,u:1234:rwx,g::r-x,m::rwx,o::r-x, as the kernel keeps it.
    let entries: [(u16, u16, u32); 5] =
        [(1, 7, u32::MAX), (2, 7, 1234), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)];
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        acl.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
        acl.extend(id.to_le_bytes());
    }
    let docs = pair.target().join("docs");
    let name = "system.posix_acl_default";
    if rustix::fs::lsetxattr(&docs, name, &acl, rustix::fs::XattrFlags::empty()).is_err() {
        return;
    }
    pair.accepts(&[change(Became::Added, "docs/new")]);
    let mut value = [0u8; 256];
    assert!(rustix::fs::lgetxattr(docs.join("new"), "system.posix_acl_access", &mut value[..]).is_err());
    assert_eq!(
        fs::metadata(docs.join("new")).unwrap().mode(),
        fs::metadata(pair.source().join("docs/new")).unwrap().mode()
    );
}

#[test]
fn an_accept_that_cannot_be_undone_says_why_it_was_given_up_and_is_undone_later() {
    let pair = Pair::new(|root| {
        fs::create_dir(root.join("dir")).unwrap();
        write(root, "dir/old", "old");
    });
    write(&pair.source(), "dir/new", "new");
    let before = look(&pair.target());
    // What is made in such a directory can be neither renamed nor removed.
    let chattr = |flag: &str| {
        let changed = std::process::Command::new("chattr").arg(flag).arg(pair.target().join("dir")).status();
        changed.is_ok_and(|status| status.success())
    };
    if !chattr("+a") {
        eprintln!("SKIPPED: only root may have directories that are only added to, and not on every file system");
        return;
    }
    let failed = pair.accept(&[change(Became::Added, "dir/new")], false, &Breaker::default());
    assert!(chattr("-a"));
    let failed = failed.unwrap().unwrap_err();
    let said = failed.text();
    assert!(said.contains("cannot rename") && said.contains("could not be undone"), "{said}");
    let recovered = recover(&pair.places().1, true, &Breaker::default()).unwrap();
    assert_eq!(recovered, Recovered::Undone);
    assert_same(&look(&pair.target()), &before);
}
