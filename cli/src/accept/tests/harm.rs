//! What others have, or do meanwhile, is not lost by an accept: names like its own, changes while it works or after it was interrupted.

use super::*;
use crate::accept::journal;

/// As an accept that finds no conflict; `meanwhile` happens between the plan and its being carried out.
fn accept_while(pair: &Pair, changes: &[Change], meanwhile: impl FnOnce(&Path)) -> Result<()> {
    let (source, target) = pair.places();
    let planned = plan::plan(&source, &target, changes, false).unwrap().unwrap();
    meanwhile(&pair.target());
    engine::apply(&source, &target, &planned, &Breaker::default())
}

fn by_name(name: &str, root: &Path) -> Option<String> {
    fs::read_to_string(root.join(name)).ok()
}

#[test]
fn what_somebody_changes_while_an_accept_is_at_work_is_not_lost() {
    for path in ["edited", "gone", "mode", "old/y", "old/unseen", "docs/a", "swap/1"] {
        let (pair, changes) = edited();
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

/// A target in which an accept was interrupted as soon as it could be finished.
fn interrupted() -> (Pair, Look) {
    for steps in 0.. {
        let (pair, changes) = edited();
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
    let refused = engine::recover(&target, false, &Breaker::default()).unwrap_err();
    assert!(refused.text().contains("--undo") && refused.text().contains("edited has changed"), "{}", refused.text());
    assert_eq!(by_name("edited", &pair.target()).unwrap(), "by somebody else, later");
    fs::rename(pair.target().join("edited"), pair.directory.path().join("mine")).unwrap();
    engine::recover(&target, false, &Breaker::default()).unwrap();
    assert_same(&look(&pair.target()), &after);
    assert_eq!(by_name("mine", pair.directory.path()).unwrap(), "by somebody else, later");

    let (pair, _) = interrupted();
    let target = Place::at(&pair.target()).unwrap();
    write(&pair.target(), "edited", "by somebody else, later");
    engine::recover(&target, true, &Breaker::default()).unwrap();
    assert_eq!(by_name("edited", &pair.target()).unwrap(), "by somebody else, later");
    assert_eq!(by_name("gone", &pair.target()).unwrap(), "gone");
}

#[test]
fn a_time_that_tells_of_a_later_change_is_not_set_back() {
    let (pair, _) = interrupted();
    let target = Place::at(&pair.target()).unwrap();
    fs::write(pair.target().join("mode"), "changed later").unwrap();
    engine::recover(&target, false, &Breaker::default()).unwrap();
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
            let refused = engine::recover(&Place::at(&pair.target()).unwrap(), undoing, &Breaker::default());
            assert!(refused.unwrap_err().text().contains("move it away"));
        }
        assert_same(&look(&pair.target()), &before);
    }
    // One whose writing was interrupted.
    for content in [&b""[..], b"{\"jour", &copied[..40]] {
        fs::write(&path, content).unwrap();
        engine::recover(&Place::at(&pair.target()).unwrap(), false, &Breaker::default()).unwrap();
        assert!(!path.exists());
    }
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
    let recovered = engine::recover(&pair.places().1, true, &Breaker::default()).unwrap();
    assert_eq!(recovered, Recovered::Undone);
    assert_same(&look(&pair.target()), &before);
}
