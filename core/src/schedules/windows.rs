//! What is marked for deletion goes with the last handle, also where that belongs to an open that is never finished: one that found its
//! name elsewhere when it looked again, or could not overwrite what it had opened, or not make the stream it was to open.

use super::world::{BY, World, shown, together};
use super::{check, demand_found};
use crate::error::{Error, Result};
use crate::operations::windows::disposition::Disposition;
use crate::operations::windows::rights;
use crate::operations::windows_delete::Disposal;
use crate::operations::windows_open::WindowsOpen;
use crate::operations::windows_rename::Renaming;
use crate::sync::Planted;
use crate::types::{HandleId, NodeId};
use crate::volume::view_windows::{From, RenameTo};

const ROUNDS: usize = 60;
const ROOT: From = From::Node(NodeId::ROOT);
/// What is there, with every right.
fn everything() -> WindowsOpen<'static> {
    WindowsOpen { access: rights::FILE_ALL, ..WindowsOpen::default() }
}

fn opened(world: &World, path: &str, how: &WindowsOpen<'_>) -> Result<HandleId> {
    world.view.windows_open(&BY, ROOT, path.as_bytes(), how).map(|opened| opened.handle)
}

/// Marks what the handle has open for deletion, and closes it.
fn delete(world: &World, handle: HandleId) {
    world.view.windows_dispose(handle, Disposal { delete: true, ..Disposal::default() }).unwrap();
    world.view.release(handle).unwrap();
}

/// Nobody has anything open any more: what was marked is gone.
fn check_gone(world: &World, path: &str) {
    let answer = opened(world, path, &everything());
    assert_eq!(answer, Err(Error::NotFound), "{path} is still there, and nobody has it open");
    assert!(shown(&world.view).is_empty());
    world.check();
}

/// A file is renamed and deleted while somebody opens it by its old name.
fn an_open_that_comes_too_late() {
    let world = World::new();
    world.file("old", b"");
    let handle = opened(&world, "old", &everything()).unwrap();
    let (one, other) = (world.clone(), world.clone());
    together(vec![
        Box::new(move || {
            let to = RenameTo { from: Some(ROOT), path: b"new" };
            one.view.windows_rename(&BY, handle, to, Renaming::default()).unwrap();
            delete(&one, handle);
        }),
        Box::new(move || match opened(&other, "old", &everything()) {
            Ok(handle) => other.view.release(handle).unwrap(),
            Err(error) => assert!(matches!(error, Error::NotFound | Error::DeletePending), "{error:?}"),
        }),
    ]);
    check_gone(&world, "new");
}

/// A file is deleted while somebody fails to overwrite it.
fn an_open_that_cannot_overwrite() {
    let world = World::new();
    world.file("file", b"");
    let handle = opened(&world, "file", &everything()).unwrap();
    let (one, other) = (world.clone(), world.clone());
    together(vec![
        Box::new(move || delete(&one, handle)),
        Box::new(move || {
            let no_list =
                WindowsOpen { disposition: Disposition::Overwrite, extended_attributes: &[1; 3], ..everything() };
            opened(&other, "file", &no_list).unwrap_err();
        }),
    ]);
    check_gone(&world, "file");
}

/// A file that was made for a stream is deleted before the stream is there.
fn a_file_made_for_a_stream() {
    let world = World::new();
    let (one, other) = (world.clone(), world.clone());
    together(vec![
        Box::new(move || {
            let made = WindowsOpen { disposition: Disposition::OpenIf, stream: b"stream", ..everything() };
            if let Ok(handle) = opened(&one, "file", &made) {
                one.view.release(handle).unwrap();
            }
        }),
        Box::new(move || {
            if let Ok(handle) = opened(&other, "file", &everything()) {
                delete(&other, handle);
            }
        }),
    ]);
    if let Ok(handle) = opened(&world, "file", &everything()) {
        delete(&world, handle);
    }
    check_gone(&world, "file");
}

#[test]
fn what_is_deleted_under_an_open_that_is_not_finished_goes() {
    check(ROUNDS, an_open_that_comes_too_late);
    check(ROUNDS, an_open_that_cannot_overwrite);
    check(ROUNDS, a_file_made_for_a_stream);
}

#[test]
fn opens_that_leave_what_they_were_the_last_to_hold_are_found() {
    demand_found(Planted::OverlooksWhatEnds, ROUNDS, an_open_that_comes_too_late);
    demand_found(Planted::OverlooksWhatEnds, ROUNDS, an_open_that_cannot_overwrite);
    demand_found(Planted::OverlooksWhatEnds, ROUNDS, a_file_made_for_a_stream);
}
