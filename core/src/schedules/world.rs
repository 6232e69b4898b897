//! A small volume for a scenario, and threads that do something with it.

use std::sync::Arc;

use crate::operations::{ListOptions, RenameMode, ViewOptions};
use crate::sync::thread;
use crate::types::{Caller, FileKind, NodeId, RefId};
use crate::volume::view::View;
use crate::volume::view_paths::PathAt;
use crate::volume::{Config, Volume};

pub(super) const BY: Caller<'static> = Caller::superuser();
pub(super) const QUIET: ViewOptions = ViewOptions { read_only: false, no_access_time: true, confined: false };

pub(super) fn at(path: &str) -> PathAt<'_> {
    PathAt::root(path.as_bytes())
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) volume: Arc<Volume>,
    pub(super) view: Arc<View>,
}

impl World {
    pub(super) fn new() -> World {
        let volume = Volume::open(Config { memory_bytes: Some(64 << 20), ..Config::default() }).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "schedules", QUIET).unwrap();
        World { volume, view }
    }

    pub(super) fn directory(&self, path: &str) {
        self.view.path_make(&BY, at(path), 0o755, crate::operations::NewNode::Directory).unwrap();
    }

    pub(super) fn file(&self, path: &str, content: &[u8]) {
        self.view.path_write(&BY, at(path), content).unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> crate::error::Result<()> {
        self.view.path_rename(&BY, at(from), at(to), RenameMode::Replace)
    }

    pub(super) fn exchange(&self, a: &str, b: &str) -> crate::error::Result<()> {
        self.view.path_rename(&BY, at(a), at(b), RenameMode::Exchange)
    }

    pub(super) fn snapshot(&self) -> Arc<View> {
        let id = self.volume.create_snapshot(self.volume.first_branch(), None).unwrap();
        self.volume.view(RefId::Snapshot(id), "then", QUIET).unwrap()
    }

    pub(super) fn check(&self) {
        let report = self.volume.check_invariants(true);
        assert!(report.is_sound(), "{:#?}", report.problems);
    }
}

/// The paths that a view shows, in order, and what the files hold.
pub(super) fn shown(view: &View) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(above) = open.pop() {
        for (name, kind) in listed(view, &above) {
            let path = if above.is_empty() { name } else { format!("{above}/{name}") };
            assert!(path.len() < 100, "directories go in a circle");
            if kind == FileKind::Directory {
                open.push(path.clone());
                found.push((path, Vec::new()));
            } else {
                let content = view.path_read(&BY, at(&path)).unwrap();
                found.push((path, content));
            }
        }
    }
    found.sort();
    found
}

fn listed(view: &View, path: &str) -> Vec<(String, FileKind)> {
    let node = if path.is_empty() { NodeId::ROOT } else { view.path_lookup(&BY, at(path)).unwrap().node };
    let mut names = Vec::new();
    view.list(&BY, node, None, 0, ListOptions::default(), &mut |entry| {
        names.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.kind));
        true
    })
    .unwrap();
    if !path.is_empty() {
        view.forget(node, 1);
    }
    names
}

/// Runs each in a thread of its own, and waits for all.
pub(super) fn together(actors: Vec<Box<dyn FnOnce() + Send>>) {
    let threads: Vec<_> = actors.into_iter().map(|actor| thread::spawn(actor)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
