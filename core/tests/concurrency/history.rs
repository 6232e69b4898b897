//! Snapshots, branches, switches and deletions in the middle of everything.

use bough::{NewNode, RefId, RenameMode, ViewOptions};

use crate::arena::{Arena, Dice, ROOT, check_tree, path, play, raced, tried};

const BRANCHES: &[&str] = &["main", "one", "two", "three"];

fn write_about(arena: &Arena, seed: u64, round: u64) {
    let view = &arena.view;
    let mut dice = Dice::new(seed << 32 | round);
    let (a, b) = (format!("d/{}", dice.below(5)), format!("d/{}", dice.below(5)));
    tried(view.path_make(&ROOT, path("d"), 0o755, NewNode::Directory));
    tried(view.path_write(&ROOT, path(&a), &[seed as u8; 70_000]));
    tried(view.path_rename(&ROOT, path(&a), path(&b), RenameMode::Replace));
    tried(view.path_read(&ROOT, path(&b)));
}

fn manage(arena: &Arena, round: u64) {
    let volume = &arena.volume;
    let mut dice = Dice::new(round);
    let (name, other) = (dice.pick(BRANCHES), dice.pick(BRANCHES));
    let Some(id) = raced(volume.find(name)) else { return };
    match dice.below(5) {
        0 => tried(volume.create_branch(other, id)),
        1 => tried(arena.view.switch(id)),
        2 if name != "main" => tried(volume.delete_ref(id)),
        3 => {
            let RefId::Branch(branch) = id else { return };
            let Some(snapshot) = raced(volume.create_snapshot(branch, None)) else { return };
            if let Some(mut diff) = raced(volume.diff(RefId::Snapshot(snapshot), id)) {
                while diff.next_entry().expect("a diff of what changes meanwhile").is_some() {}
            }
            volume.delete_ref(RefId::Snapshot(snapshot)).unwrap();
        }
        _ => {
            if let Some(view) =
                raced(volume.view(id, "look", ViewOptions { read_only: true, ..ViewOptions::default() }))
            {
                tried(view.path_read(&ROOT, path("d/1")));
            }
        }
    }
}

#[test]
fn branches_come_and_go_under_views_that_are_written_through() {
    let arena = Arena::new();
    let shared = &arena;
    let mut actors: Vec<Box<dyn Fn(u64) + Send + Sync + '_>> = Vec::new();
    for seed in 1..=3 {
        actors.push(Box::new(move |round| write_about(shared, seed, round)));
    }
    actors.push(Box::new(|round| manage(shared, 2 * round)));
    actors.push(Box::new(|round| manage(shared, 2 * round + 1)));
    play("branches_come_and_go_under_views_that_are_written_through", actors);
    for found in arena.volume.list_refs(None, usize::MAX) {
        let view = arena.view_of(found.id);
        assert_eq!(check_tree(&view) as u64, found.inodes, "{} holds what can be reached", found.name);
    }
    let views: u64 = arena.volume.list_refs(None, usize::MAX).iter().map(|found| found.views).sum();
    assert!(views >= 1, "the arena's own view is still there");
}

#[test]
fn a_snapshot_holds_every_write_that_had_ended_when_it_was_asked_for() {
    let arena = Arena::new();
    let view = &arena.view;
    let shared = &arena;
    let check = |seed: u64| {
        move |round: u64| {
            let name = format!("f{seed}");
            let content = round.to_le_bytes();
            view.path_write(&ROOT, path(&name), &content).unwrap();
            let id = shared.snapshot();
            let then = shared.view_of(id);
            assert_eq!(then.path_read(&ROOT, path(&name)).unwrap(), content);
            view.path_write(&ROOT, path(&name), b"later").unwrap();
            assert_eq!(then.path_read(&ROOT, path(&name)).unwrap(), content, "a snapshot does not change");
            drop(then);
            shared.volume.delete_ref(id).unwrap();
        }
    };
    play(
        "a_snapshot_holds_every_write_that_had_ended_when_it_was_asked_for",
        vec![Box::new(check(1)), Box::new(check(2)), Box::new(check(3))],
    );
}
