//! The engine on plain directories: what is written, what is refused, and what remains after a crash at every step.

mod harm;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::engine::{self, Breaker, Recovered};
use super::place::Place;
use super::plan::{self, Became, Change, Conflict, Directories, Origin, Own};
use crate::errors::Result;

fn recover(target: &Place, undoing: bool, breaker: &Breaker) -> Result<Recovered> {
    engine::recover(target, undoing, breaker, &|_| ())
}

/// From its beginning to the end of its journal.
fn apply(
    source: &Place,
    target: &Place,
    planned: &plan::Planned,
    still: &dyn Fn() -> Result<()>,
    breaker: &Breaker,
) -> Result<()> {
    engine::apply(source, target, planned, still, breaker)?.end(target, breaker)
}

/// A source and a target.
struct Pair {
    directory: tempfile::TempDir,
    directories: Directories,
}

/// All that matters of a tree, by path: kind and permissions, time of modification, content, the first path of the same inode.
type Look = BTreeMap<PathBuf, (u32, i64, Vec<u8>, PathBuf)>;

impl Pair {
    /// `prepare` makes the same in both.
    fn new(prepare: impl Fn(&Path)) -> Pair {
        let pair = Pair { directory: tempfile::tempdir().unwrap(), directories: Directories::Move };
        for root in [pair.source(), pair.target()] {
            fs::create_dir(&root).unwrap();
            prepare(&root);
        }
        pair
    }

    fn source(&self) -> PathBuf {
        self.directory.path().join("source")
    }

    fn target(&self) -> PathBuf {
        self.directory.path().join("target")
    }

    fn places(&self) -> (Place, Place) {
        (Place::at(&self.source()).unwrap(), Place::at(&self.target()).unwrap())
    }

    fn accept(
        &self,
        changes: &[Change],
        force: bool,
        breaker: &Breaker,
    ) -> std::result::Result<Result<()>, Vec<Conflict>> {
        let (source, target) = self.places();
        let planned = plan::plan(&source, &target, changes, force, self.directories, false).unwrap()?;
        Ok(apply(&source, &target, &planned, &|| Ok(()), breaker))
    }

    #[track_caller]
    fn accepts(&self, changes: &[Change]) {
        self.accept(changes, false, &Breaker::default()).unwrap().unwrap();
    }
}

fn look(root: &Path) -> Look {
    let mut found = Look::new();
    let mut first = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let mut content = Vec::new();
        if metadata.is_dir() {
            let mut inner: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            inner.sort();
            left.extend(inner.into_iter().rev());
        } else if metadata.is_symlink() {
            content = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
        } else if metadata.is_file() {
            content = fs::read(&path).unwrap();
        }
        let short = path.strip_prefix(root).unwrap().to_owned();
        let same = if metadata.is_dir() {
            short.clone()
        } else {
            first.entry(metadata.ino()).or_insert(short.clone()).clone()
        };
        // Links are made in both trees, one after another: a second may pass between.
        let time = if metadata.is_file() { metadata.mtime() } else { 0 };
        found.insert(short, (metadata.mode(), time, content, same));
    }
    found
}

fn change(became: Became, path: &str) -> Change {
    Change { became, path: path.into(), old_path: None, origin: Origin::Unknown, own: None }
}

fn moved(old: &str, new: &str) -> Change {
    Change { old_path: Some(old.into()), ..change(Became::Moved, new) }
}

/// Content with a time of its own, so that both trees have the same.
fn write(root: &Path, path: &str, content: &str) {
    fs::write(root.join(path), content).unwrap();
    stamp(root, path, 1_000_000);
}

fn stamp(root: &Path, path: &str, seconds: u64) {
    let file = fs::File::options().read(true).open(root.join(path)).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
}

fn base(root: &Path) {
    for directory in ["docs", "docs/deep", "old", "old/inner", "swap", "empty", "again", "again/sub", "again/gone"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    for path in [
        "same",
        "edited",
        "gone",
        "mode",
        "docs/a",
        "docs/deep/b",
        "old/x",
        "old/y",
        "old/inner/z",
        "swap/1",
        "swap/2",
        "was_file",
        "linked",
        "again/same",
        "again/left",
        "again/sub/f",
        "again/gone/g",
    ] {
        write(root, path, path);
    }
    fs::hard_link(root.join("linked"), root.join("docs/linked")).unwrap();
    symlink("same", root.join("link")).unwrap();
}

/// One of everything.
fn edit(root: &Path) -> Vec<Change> {
    use Became::*;
    write(root, "edited", "edited, and longer");
    fs::remove_file(root.join("gone")).unwrap();
    fs::set_permissions(root.join("mode"), fs::Permissions::from_mode(0o4711)).unwrap();
    // A new directory, with new ones in it, a file from elsewhere, and two names of one file.
    fs::create_dir_all(root.join("new/sub")).unwrap();
    fs::set_permissions(root.join("new"), fs::Permissions::from_mode(0o2750)).unwrap();
    write(root, "new/sub/file", "1");
    fs::hard_link(root.join("new/sub/file"), root.join("new/twice")).unwrap();
    fs::hard_link(root.join("new/sub/file"), root.join("thrice")).unwrap();
    fs::rename(root.join("old/x"), root.join("new/x")).unwrap();
    // A renamed directory, changed inside; a directory out of it; the rest of it gone.
    fs::rename(root.join("docs"), root.join("manual")).unwrap();
    write(root, "manual/a", "changed");
    fs::rename(root.join("manual/deep"), root.join("deep")).unwrap();
    write(root, "deep/c", "new");
    fs::remove_file(root.join("deep/b")).unwrap();
    fs::rename(root.join("old/inner"), root.join("manual/inner")).unwrap();
    fs::remove_dir_all(root.join("old")).unwrap();
    // Two that change places.
    fs::rename(root.join("swap/1"), root.join("swap/t")).unwrap();
    fs::rename(root.join("swap/2"), root.join("swap/1")).unwrap();
    fs::rename(root.join("swap/t"), root.join("swap/2")).unwrap();
    fs::remove_file(root.join("was_file")).unwrap();
    fs::create_dir(root.join("was_file")).unwrap();
    write(root, "was_file/in", "dir now");
    fs::remove_file(root.join("link")).unwrap();
    symlink("elsewhere", root.join("link")).unwrap();
    // Of both names, for it is one file.
    let file = fs::File::options().write(true).open(root.join("linked")).unwrap();
    file.write_all_at(b"LINKED", 0).unwrap();
    stamp(root, "linked", 2_000_000);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    // A directory that was made anew, with what was in it and without.
    fs::remove_dir_all(root.join("again")).unwrap();
    fs::create_dir_all(root.join("again/sub")).unwrap();
    fs::set_permissions(root.join("again"), fs::Permissions::from_mode(0o710)).unwrap();
    write(root, "again/same", "made anew");
    write(root, "again/sub/h", "new");
    let mut changes = vec![
        change(Replaced, "again"),
        change(Replaced, "again/same"),
        change(Removed, "again/left"),
        change(Replaced, "again/sub"),
        change(Removed, "again/sub/f"),
        change(Added, "again/sub/h"),
        change(Removed, "again/gone"),
        change(Removed, "again/gone/g"),
        change(Replaced, "edited"),
        change(Removed, "gone"),
        change(Set, "mode"),
        change(Added, "new"),
        change(Added, "new/sub"),
        change(Added, "new/sub/file"),
        change(Added, "new/twice"),
        change(Added, "thrice"),
        moved("old/x", "new/x"),
        moved("docs", "manual"),
        change(Replaced, "manual/a"),
        moved("docs/deep", "deep"),
        change(Added, "deep/c"),
        change(Removed, "docs/deep/b"),
        moved("old/inner", "manual/inner"),
        change(Removed, "old"),
        change(Removed, "old/y"),
        moved("swap/1", "swap/2"),
        moved("swap/2", "swap/1"),
        change(Replaced, "was_file"),
        change(Added, "was_file/in"),
        change(Replaced, "link"),
        change(Replaced, "linked"),
        change(Added, "pipe"),
    ];
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

const EITHER: [Directories; 2] = [Directories::Move, Directories::Stay];

fn edited(directories: Directories) -> (Pair, Vec<Change>) {
    let pair = Pair { directories, ..Pair::new(base) };
    let changes = edit(&pair.source());
    (pair, changes)
}

fn differences(a: &Look, b: &Look) -> Vec<String> {
    let all: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    all.into_iter()
        .filter(|path| a.get(*path) != b.get(*path))
        .map(|path| format!("{path:?}: {:?} / {:?}", a.get(path), b.get(path)))
        .collect()
}

#[track_caller]
fn assert_same(a: &Look, b: &Look) {
    assert_eq!(differences(a, b), Vec::<String>::new());
}

#[test]
fn everything_that_can_change_is_written() {
    for directories in EITHER {
        let (pair, changes) = edited(directories);
        let number = |path: &str| fs::metadata(pair.target().join(path)).unwrap().ino();
        let (inner, kept) = (number("old/inner/z"), number("again"));
        pair.accepts(&changes);
        assert_same(&look(&pair.target()), &look(&pair.source()));
        assert_eq!(number("manual/inner/z"), inner, "what moves is not copied");
        assert_eq!(number("again") == kept, directories == Directories::Stay);
        assert!(!pair.target().join(super::journal::NAME).exists());
    }
}

#[test]
fn a_crash_at_any_step_can_be_finished_or_undone() {
    for (undoing, directories) in [false, true].into_iter().flat_map(|undoing| EITHER.map(|either| (undoing, either))) {
        let mut finished = false;
        for steps in 0.. {
            let (pair, changes) = edited(directories);
            let (before, after) = (look(&pair.target()), look(&pair.source()));
            let ended = pair.accept(&changes, false, &Breaker::after(steps)).unwrap();
            if ended.is_ok() {
                finished = true;
                break;
            }
            let target = Place::at(&pair.target()).unwrap();
            let recovered = recover(&target, undoing, &Breaker::default());
            let now = look(&pair.target());
            match recovered {
                Ok(Recovered::Nothing | Recovered::Undone) => assert_same(&now, &before),
                Ok(Recovered::Finished) => assert_same(&now, &after),
                // Past the point where it can be taken back.
                Err(_) => {
                    assert!(undoing);
                    recover(&target, false, &Breaker::default()).unwrap();
                    assert_same(&look(&pair.target()), &after);
                }
            }
        }
        assert!(finished);
    }
}

#[test]
fn a_disk_that_fills_up_at_any_step_leaves_the_target_as_it_was_or_the_accept_to_be_finished() {
    EITHER.into_iter().for_each(fill_the_disk);
}

fn fill_the_disk(directories: Directories) {
    let mut ended_well = false;
    for steps in 0.. {
        let (pair, changes) = edited(directories);
        let (before, after) = (look(&pair.target()), look(&pair.source()));
        let ended = pair.accept(&changes, false, &Breaker::full_at(steps)).unwrap();
        let journal = pair.target().join(super::journal::NAME);
        match ended {
            Ok(()) => ended_well = true,
            Err(failure) => assert!(failure.text().contains("no space"), "{steps}: {}", failure.text()),
        }
        if ended_well {
            assert_same(&look(&pair.target()), &after);
            break;
        }
        // Only what removes is left to be done where there is a journal.
        match journal.exists() {
            false => assert_same(&look(&pair.target()), &before),
            true => {
                assert!(fs::read_to_string(&journal).unwrap().contains("Switched"), "after {steps} steps");
                recover(&Place::at(&pair.target()).unwrap(), false, &Breaker::default()).unwrap();
                assert_same(&look(&pair.target()), &after);
            }
        }
    }
}

#[test]
fn a_crash_in_the_recovery_is_recovered_from() {
    for (undoing, directories) in [false, true].into_iter().flat_map(|undoing| EITHER.map(|either| (undoing, either))) {
        for first in [12, 30, 45, 60, 75] {
            for second in [0, 1, 3, 7, 15, 22] {
                let (pair, changes) = edited(directories);
                let (before, after) = (look(&pair.target()), look(&pair.source()));
                if pair.accept(&changes, false, &Breaker::after(first)).unwrap().is_ok() {
                    continue;
                }
                let target = Place::at(&pair.target()).unwrap();
                let _ = recover(&target, undoing, &Breaker::after(second));
                let again = recover(&target, undoing, &Breaker::default());
                let now = look(&pair.target());
                match again {
                    Ok(_) => assert!(
                        now == before || now == after,
                        "{undoing} {first} {second}: {:?}",
                        differences(&now, if undoing { &before } else { &after })
                    ),
                    Err(_) => assert!(undoing),
                }
            }
        }
    }
}

fn conflicts(pair: &Pair, changes: &[Change]) -> Vec<String> {
    let before = look(&pair.target());
    let found = pair.accept(changes, false, &Breaker::default()).unwrap_err();
    assert_same(&look(&pair.target()), &before);
    found.iter().map(|conflict| format!("{} {}", conflict.path.display(), conflict.why)).collect()
}

fn recorded(pair: &Pair, path: &str) -> Origin {
    let found = fs::symlink_metadata(pair.target().join(path)).unwrap();
    let time = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
    Origin::Recorded {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: time(found.mtime(), found.mtime_nsec()),
        changed: time(found.ctime(), found.ctime_nsec()),
    }
}

#[test]
fn what_has_changed_in_the_base_is_a_conflict_and_nothing_is_written() {
    let (pair, mut changes) = edited(Directories::Move);
    for change in
        changes.iter_mut().filter(|change| ["edited", "gone", "mode"].contains(&change.path.to_str().unwrap()))
    {
        change.origin = recorded(&pair, change.path.to_str().unwrap());
    }
    let target = pair.target();
    fs::write(target.join("edited"), "by somebody else").unwrap();
    fs::write(target.join("gone"), "by somebody else").unwrap();
    fs::set_permissions(target.join("mode"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(target.join("pipe"), "in the way").unwrap();
    fs::write(target.join("old/unseen"), "in a directory that goes").unwrap();
    fs::remove_dir_all(target.join("swap")).unwrap();
    let expected = [
        "edited has changed in the base",
        "gone has changed in the base",
        "mode has changed in the base",
        "old/unseen is new in the base, in a directory that the branch has removed",
        "pipe is new in the base, too",
        "swap/1 is gone in the base",
        "swap/1 has no directory in the base to be in any more",
        "swap/2 is gone in the base",
        "swap/2 has no directory in the base to be in any more",
    ];
    assert_eq!(conflicts(&pair, &changes), expected);
    fs::create_dir(target.join("swap")).unwrap();
    pair.accept(&changes, true, &Breaker::default()).unwrap().unwrap();
    assert_same(&look(&pair.target()), &look(&pair.source()));
}

#[test]
fn directories_that_both_made_are_one() {
    let pair = Pair::new(base);
    fs::create_dir(pair.source().join("both")).unwrap();
    write(&pair.source(), "both/mine", "");
    fs::create_dir(pair.target().join("both")).unwrap();
    write(&pair.target(), "both/theirs", "");
    pair.accepts(&[change(Became::Added, "both"), change(Became::Added, "both/mine")]);
    assert!(pair.target().join("both/mine").exists() && pair.target().join("both/theirs").exists());
}

#[test]
fn a_new_name_of_what_was_there_is_the_same_file() {
    let pair = Pair::new(base);
    fs::hard_link(pair.source().join("same"), pair.source().join("docs/again")).unwrap();
    pair.accepts(&[change(Became::Added, "docs/again")]);
    assert_same(&look(&pair.target()), &look(&pair.source()));
}

#[test]
fn holes_attributes_and_times_are_kept() {
    let pair = Pair::new(base);
    let path = pair.source().join("sparse");
    let file = fs::File::create(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(b"middle", 32 << 20).unwrap();
    drop(file);
    let has_attributes = rustix::fs::lsetxattr(&path, "user.note", b"kept", rustix::fs::XattrFlags::empty()).is_ok();
    stamp(&pair.source(), "sparse", 77);
    stamp(&pair.source(), "docs", 88);
    fs::create_dir(pair.source().join("docs/more")).unwrap();
    stamp(&pair.source(), "docs/more", 99);
    stamp(&pair.source(), "docs", 88);
    pair.accepts(&[change(Became::Added, "docs/more"), change(Became::Added, "sparse")]);
    let made = pair.target().join("sparse");
    assert_eq!(fs::read(&made).unwrap(), fs::read(&path).unwrap());
    let metadata = fs::metadata(&made).unwrap();
    assert!(metadata.blocks() < 1 << 12, "{} blocks", metadata.blocks());
    assert_eq!(metadata.mtime(), 77);
    let mut value = [0; 16];
    if has_attributes {
        assert_eq!(rustix::fs::lgetxattr(&made, "user.note", &mut value).unwrap(), 4);
    }
    let time = |path: &str| fs::metadata(pair.target().join(path)).unwrap().mtime();
    assert_eq!((time("docs"), time("docs/more")), (88, 99));
}

const LARGE: u64 = 3 << 20;

/// A large file that is another in the source in three parts: written, emptied, longer.
fn patched() -> (Pair, Change) {
    let pair = Pair::new(|root| {
        base(root);
        let content: Vec<u8> = (0..LARGE).map(|at| (at / 7) as u8).collect();
        fs::write(root.join("large"), content).unwrap();
        stamp(root, "large", 1_000_000);
    });
    let file = fs::File::options().write(true).open(pair.source().join("large")).unwrap();
    file.write_all_at(b"written", 65_536 + 5).unwrap();
    let hole = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, hole, 1 << 20, 65_536).unwrap();
    file.write_all_at(b"longer", LARGE + 100_000).unwrap();
    stamp(&pair.source(), "large", 2_000_000);
    let own = [(65_536, 131_072), (1 << 20, (1 << 20) + 65_536), (LARGE, LARGE + 100_006)];
    let origin = recorded(&pair, "large");
    let changed = Change { origin, own: Some(Own(own.to_vec())), ..change(Became::Replaced, "large") };
    (pair, changed)
}

#[test]
fn of_a_large_file_only_what_is_new_is_read_from_the_branch() {
    let (pair, changed) = patched();
    let expected = fs::read(pair.source().join("large")).unwrap();
    // What is not said to be the branch's own must come from the target.
    let lie = fs::File::options().write(true).open(pair.source().join("large")).unwrap();
    lie.write_all_at(b"not to be read", 2 << 20).unwrap();
    stamp(&pair.source(), "large", 2_000_000);
    pair.accepts(&[changed]);
    assert!(fs::read(pair.target().join("large")).unwrap() == expected);
    assert_eq!(fs::metadata(pair.target().join("large")).unwrap().mtime(), 2_000_000);
}

#[test]
fn a_file_that_was_cut_and_one_that_moved_take_the_rest_from_where_it_was() {
    let (pair, changed) = patched();
    fs::rename(pair.source().join("large"), pair.source().join("docs/moved")).unwrap();
    let file = fs::File::options().write(true).open(pair.source().join("docs/moved")).unwrap();
    file.set_len(2 << 20).unwrap();
    stamp(&pair.source(), "docs/moved", 2_000_000);
    let own = Some(Own(vec![(65_536, 131_072), (1 << 20, (1 << 20) + 65_536)]));
    let moved = Change {
        became: Became::MovedAndReplaced,
        path: "docs/moved".into(),
        old_path: Some("large".into()),
        own,
        ..changed
    };
    pair.accepts(&[moved]);
    assert_same(&look(&pair.target()), &look(&pair.source()));
}

#[test]
fn a_large_file_that_the_target_has_changed_is_read_as_a_whole() {
    let (pair, changed) = patched();
    fs::write(pair.target().join("large"), "by somebody else").unwrap();
    assert_eq!(conflicts(&pair, std::slice::from_ref(&changed)), ["large has changed in the base"]);
    pair.accept(&[changed], true, &Breaker::default()).unwrap().unwrap();
    assert_same(&look(&pair.target()), &look(&pair.source()));
}

#[test]
fn a_crash_while_a_large_file_is_put_together_leaves_it_as_it_was_or_as_it_shall_be() {
    for undoing in [false, true] {
        for steps in 0.. {
            let (pair, changed) = patched();
            let (before, after) = (look(&pair.target()), look(&pair.source()));
            let ended = pair.accept(&[changed], false, &Breaker::after(steps)).unwrap();
            let target = Place::at(&pair.target()).unwrap();
            let recovered = recover(&target, undoing, &Breaker::default());
            let now = look(&pair.target());
            if recovered.is_ok() {
                assert!(now == before || now == after, "after {steps} steps");
                assert!(!undoing || ended.is_ok() || now == before, "after {steps} steps");
            }
            if ended.is_ok() {
                assert_same(&now, &after);
                break;
            }
        }
    }
}

#[test]
fn names_that_are_no_text_are_written_and_undone() {
    use std::os::unix::ffi::OsStrExt;
    let name = Path::new(std::ffi::OsStr::from_bytes(b"odd\xff\n"));
    for steps in [3, 4, 5, 6, 100] {
        let pair = Pair::new(base);
        fs::write(pair.source().join(name), "1").unwrap();
        let (before, after) = (look(&pair.target()), look(&pair.source()));
        let added = Change { path: name.into(), ..change(Became::Added, "") };
        let _ = pair.accept(&[added], false, &Breaker::after(steps)).unwrap();
        recover(&Place::at(&pair.target()).unwrap(), false, &Breaker::default()).unwrap();
        let now = look(&pair.target());
        assert!(now == before || now.keys().eq(after.keys()), "{now:?}");
    }
}

#[test]
fn no_symbolic_link_leads_out_of_the_target() {
    let pair = Pair::new(base);
    let outside = pair.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(pair.source().join("docs/sub")).unwrap();
    write(&pair.source(), "docs/sub/file", "1");
    fs::remove_dir_all(pair.target().join("docs")).unwrap();
    symlink(&outside, pair.target().join("docs")).unwrap();
    let said = conflicts(&pair, &[change(Became::Added, "docs/sub"), change(Became::Added, "docs/sub/file")]);
    assert_eq!(said, ["docs/sub has no directory in the base to be in any more"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}
