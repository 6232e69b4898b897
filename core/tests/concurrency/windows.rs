//! Handles opened the Windows way, by many threads on few names: sharing, marks and renames never stand still, and
//! nothing of them is left when all are closed.

use bough::windows::{create_options as options, rights};
use bough::{Disposal, Disposition, Error, NodeId, OpenFrom, RenameMode, RenameTo, Renaming, WindowsOpen};

use crate::arena::{Arena, Dice, ROOT, check_tree, path, play, play_beside_snapshots};

const NAMES: &[&str] = &["a", "b", "d", "d/a", "d/b", "e/a"];

fn churn(arena: &Arena, seed: u64, round: u64) {
    let view = &arena.view;
    let mut dice = Dice::new(seed << 32 | round);
    let directory = if dice.below(4) == 0 { options::DIRECTORY_FILE } else { 0 };
    let on_close = if dice.below(4) == 0 { options::DELETE_ON_CLOSE } else { 0 };
    let accesses = [rights::FILE_ALL, rights::READ_DATA | rights::DELETE];
    let open = WindowsOpen {
        access: accesses[dice.below(2) as usize],
        share: if dice.below(3) == 0 { 3 } else { 7 },
        disposition: Disposition::OpenIf,
        options: directory | on_close,
        ..WindowsOpen::default()
    };
    let (one, other) = (dice.pick(NAMES), dice.pick(NAMES));
    let opened = match view.windows_open(&ROOT, OpenFrom::Node(NodeId::ROOT), one.as_bytes(), &open) {
        Ok(opened) => opened,
        Err(error) => return assert!(!matches!(error, Error::Internal | Error::Stale), "{error:?}"),
    };
    let how = Renaming { replace: true, posix: dice.below(2) == 0, ..Renaming::default() };
    let to = RenameTo { from: Some(OpenFrom::Node(NodeId::ROOT)), path: other.as_bytes() };
    let refused = match dice.below(5) {
        0 => view.windows_dispose(opened.handle, Disposal { delete: true, posix: how.posix, ..Disposal::default() }),
        1 => view.windows_rename(&ROOT, opened.handle, to, how),
        2 => view.windows_link(&ROOT, opened.handle, to, how),
        3 => view.windows_lock(opened.handle, 0, 10, true, 0),
        _ => view.windows_clean_up(opened.handle),
    };
    if let Err(error) = refused {
        assert!(!matches!(error, Error::Internal | Error::BadHandle | Error::Stale), "{error:?}");
    }
    view.release(opened.handle).unwrap();
}

#[test]
fn handles_opened_the_windows_way_leave_nothing_when_they_are_closed() {
    let arena = Arena::new();
    let view = &arena.view;
    for name in ["d", "e"] {
        let directory = WindowsOpen {
            access: rights::READ_DATA,
            disposition: Disposition::OpenIf,
            options: options::DIRECTORY_FILE,
            ..WindowsOpen::default()
        };
        let made = view.windows_open(&ROOT, OpenFrom::Node(NodeId::ROOT), name.as_bytes(), &directory).unwrap();
        view.release(made.handle).unwrap();
    }
    play_beside_snapshots("handles_opened_the_windows_way_leave_nothing_when_they_are_closed", &arena, churn);
    check_tree(&arena.view);
    let alone = WindowsOpen { access: rights::FILE_ALL, share: 0, ..WindowsOpen::default() };
    for name in NAMES {
        match view.windows_open(&ROOT, OpenFrom::Node(NodeId::ROOT), name.as_bytes(), &alone) {
            Ok(opened) => view.release(opened.handle).unwrap(),
            Err(error) => assert!(matches!(error, Error::NotFound | Error::PathNotFound), "{name}: {error:?}"),
        }
    }
}

#[test]
fn a_handle_whose_file_a_posix_program_unlinks_or_replaces_meanwhile_links_nothing_that_is_gone() {
    let arena = Arena::new();
    let view = &arena.view;
    let open =
        WindowsOpen { access: rights::FILE_ALL, share: 7, disposition: Disposition::OpenIf, ..WindowsOpen::default() };
    let root = OpenFrom::Node(NodeId::ROOT);
    let link = |_| {
        let Ok(opened) = view.windows_open(&ROOT, root, b"file", &open) else { return };
        let how = Renaming { replace: true, posix: true, ..Renaming::default() };
        let answer = view.windows_link(&ROOT, opened.handle, RenameTo { from: Some(root), path: b"further" }, how);
        assert!(matches!(answer, Ok(()) | Err(Error::AccessDenied)), "{answer:?}");
        view.release(opened.handle).unwrap();
    };
    let unlink = |round: u64| {
        let name = if round.is_multiple_of(2) { "file" } else { "further" };
        let answer = view.path_unlink(&ROOT, path(name));
        assert!(matches!(answer, Ok(()) | Err(Error::NotFound)), "{answer:?}");
    };
    let replace = |_| match view.path_rename(&ROOT, path("further"), path("file"), RenameMode::Replace) {
        Ok(()) | Err(Error::NotFound) => {}
        Err(error) => panic!("{error:?}"),
    };
    let name = "a_handle_whose_file_a_posix_program_unlinks_or_replaces_meanwhile_links_nothing_that_is_gone";
    play(name, vec![Box::new(link), Box::new(link), Box::new(unlink), Box::new(replace)]);
    check_tree(view);
    let report = arena.volume.check_invariants(true);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}
