//! What many threads did at once, and whether some order of it explains what each of them was answered: an order in which
//! nothing is done before what had ended when it began, and in which the naive model answers the same (linearizability). The
//! search is Wing and Gong's, with Lowe's memory of what was tried: the same operations done, with the same tree after them.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use bough::{Caller, FileKind, NodeId, Result, View};

use super::naive::{Id, ROOT, Tree};
use super::operations::Op;
use super::oracle::{Answer, Oracle, agree};

/// One operation of a history, and when it began and ended.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) op: Op,
    pub(crate) answer: Result<Answer>,
    /// What a snapshot holds, for those that took one.
    pub(crate) holds: Option<String>,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// Says why, if no order explains a history that began with this.
pub(crate) fn explain(start: &Oracle, history: &[Done]) -> std::result::Result<(), String> {
    assert!(history.len() <= 64, "what is done is a set of 64");
    let mut search = Search { history, tried: HashSet::new(), longest: Vec::new() };
    if search.go(start, 0, &mut Vec::new()) {
        return Ok(());
    }
    let mut lines: Vec<&Done> = history.iter().collect();
    lines.sort_by_key(|done| done.began);
    let mut text = format!("no order explains this; {} of {} at most:\n", search.longest.len(), history.len());
    for done in lines {
        let Done { op, answer, holds, began, ended } = done;
        writeln!(text, "  {began:3} to {ended:3}: {op:?}: {}{}", short(answer), holds.as_deref().unwrap_or(""))
            .unwrap();
    }
    writeln!(text, "the longest: {:?}", search.longest).unwrap();
    Err(text)
}

fn short(answer: &Result<Answer>) -> String {
    match answer {
        Ok(Answer::Bytes(bytes)) => format!("{} bytes {:x}", bytes.len(), hash(bytes)),
        other => format!("{other:?}"),
    }
}

struct Search<'a> {
    history: &'a [Done],
    tried: HashSet<(u64, u64)>,
    longest: Vec<usize>,
}

impl Search<'_> {
    /// Whether what is not in the set `done` can follow, with the model as it is now.
    fn go(&mut self, now: &Oracle, done: u64, order: &mut Vec<usize>) -> bool {
        if order.len() == self.history.len() {
            return true;
        }
        if !self.tried.insert((done, state(now))) {
            return false;
        }
        if order.len() > self.longest.len() {
            self.longest = order.clone();
        }
        let open = |at: &usize| done & 1 << at == 0;
        let ends = (0..self.history.len()).filter(open).map(|at| self.history[at].ended).min().unwrap_or(u64::MAX);
        for at in (0..self.history.len()).filter(open) {
            if self.history[at].began > ends {
                continue;
            }
            if let Some(next) = self.explains(now, at) {
                order.push(at);
                if self.go(&next, done | 1 << at, order) {
                    return true;
                }
                order.pop();
            }
        }
        false
    }

    /// The model after an operation, if it answers as the volume did.
    fn explains(&self, now: &Oracle, at: usize) -> Option<Oracle> {
        let done = &self.history[at];
        let mut next = now.clone();
        let expected = next.perform(0, &done.op);
        let holds = done.holds.as_ref().is_none_or(|holds| *holds == of_model(now.model.tree()));
        (holds && agree(&expected, &done.answer)).then_some(next)
    }
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// All of the model that later answers depend on, times aside.
fn state(oracle: &Oracle) -> u64 {
    let tree = oracle.model.tree();
    let held = oracle.held.map(|held| held.map(|held| (held.node, hash(&tree.nodes[&held.node].data))));
    let names: Vec<(&Vec<u8>, Id)> = tree.nodes.values().flat_map(names_of).collect();
    hash((of_model(tree), held, names))
}

fn names_of(node: &super::naive::Node) -> impl Iterator<Item = (&Vec<u8>, Id)> {
    node.entries.iter().map(|(name, (_, id))| (name, *id))
}

/// What a tree of the model shows: each path, and what the file holds.
pub(crate) fn of_model(tree: &Tree) -> String {
    let mut lines = Vec::new();
    let mut open = vec![(String::new(), ROOT)];
    while let Some((above, dir)) = open.pop() {
        for (name, id) in tree.nodes[&dir].entries.values() {
            let path = format!("{above}/{}", String::from_utf8_lossy(name));
            lines.push(line(&path, tree.nodes[id].kind, &tree.nodes[id].data));
            if tree.nodes[id].is_dir() {
                open.push((path, *id));
            }
        }
    }
    lines.sort();
    lines.concat()
}

/// The same of a view.
pub(crate) fn of_view(view: &View) -> String {
    let all = Caller::superuser();
    let mut lines = Vec::new();
    let mut open = vec![(String::new(), NodeId::ROOT)];
    while let Some((above, dir)) = open.pop() {
        let mut entries = Vec::new();
        view.list(&all, dir, None, 0, super::actor::EVERYTHING, &mut |entry| {
            entries.push((String::from_utf8_lossy(entry.name).into_owned(), entry.node));
            true
        })
        .unwrap();
        for (name, node) in entries.into_iter().skip(2) {
            let (path, attr) = (format!("{above}/{name}"), view.attr(node).unwrap());
            let mut content = vec![0; attr.size as usize];
            if attr.kind == FileKind::File {
                view.read(&all, node, None, 0, &mut content).unwrap();
            }
            lines.push(line(&path, attr.kind, &content));
            if attr.kind == FileKind::Directory { open.push((path, node)) } else { view.forget(node, 1) }
        }
        if dir != NodeId::ROOT {
            view.forget(dir, 1);
        }
    }
    lines.sort();
    lines.concat()
}

fn line(path: &str, kind: FileKind, content: &[u8]) -> String {
    let held = if kind == FileKind::File { format!(" {}:{:x}", content.len(), hash(content)) } else { String::new() };
    format!(" {path}{held}")
}
