//! Branches and snapshots as the volume lists them, and what to say about a name that it does not know.

use std::collections::HashMap;

use bough::control::messages::*;
use bough::control::{filled, message, text_of};
use bough::error::tables::ResultCode;
use serde::Serialize;

use crate::errors::{Failure, Result};
use crate::output::exact_time;
use crate::views::Mount;
use crate::wire::Channel;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Branch,
    Snapshot,
}

impl Kind {
    pub(crate) fn of(number: u32) -> Kind {
        if number == FS_REF_SNAPSHOT { Kind::Snapshot } else { Kind::Branch }
    }

    pub(crate) const fn number(self) -> u32 {
        match self {
            Kind::Branch => FS_REF_BRANCH,
            Kind::Snapshot => FS_REF_SNAPSHOT,
        }
    }

    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Kind::Branch => "branch",
            Kind::Snapshot => "snapshot",
        }
    }
}

/// A branch or snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ref {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    /// What it grew from.
    pub(crate) parent: Option<(u64, Kind)>,
    /// Nanoseconds since 1970.
    pub(crate) created: i64,
    pub(crate) children: u64,
    pub(crate) views: u64,
    pub(crate) inodes: u64,
    /// Another number whenever it has begun to change; that of nothing else.
    pub(crate) changes: u64,
}

impl Ref {
    fn of(entry: &fs_control_ref) -> Ref {
        Ref {
            name: text_of(&entry.name.bytes),
            id: entry.id,
            kind: Kind::of(entry.kind),
            parent: (entry.parent_kind != 0).then(|| (entry.parent_id, Kind::of(entry.parent_kind))),
            created: entry.created,
            children: entry.children,
            views: entry.views,
            inodes: entry.inodes,
            changes: entry.changes,
        }
    }

    pub(crate) fn key(&self) -> (u64, Kind) {
        (self.id, self.kind)
    }
}

/// A branch or snapshot as JSON shows it.
#[derive(Debug, Serialize)]
pub(crate) struct RefJson<'a> {
    name: &'a str,
    kind: Kind,
    id: u64,
    parent: Option<&'a str>,
    created: String,
    children: u64,
    inodes: u64,
    mount_points: Vec<String>,
}

/// All as JSON; parents by name.
pub(crate) fn as_json<'a>(refs: &'a [Ref], mounts: &[Mount]) -> Vec<RefJson<'a>> {
    let names = names_by_key(refs);
    let json = |found: &'a Ref| RefJson {
        name: &found.name,
        kind: found.kind,
        id: found.id,
        parent: found.parent.and_then(|key| names.get(&key).copied()),
        created: exact_time(found.created),
        children: found.children,
        inodes: found.inodes,
        mount_points: crate::views::mount_points_of(mounts, found.key()),
    };
    refs.iter().map(json).collect()
}

pub(crate) fn names_by_key(refs: &[Ref]) -> HashMap<(u64, Kind), &str> {
    refs.iter().map(|found| (found.key(), found.name.as_str())).collect()
}

/// All branches and snapshots, oldest first.
pub(crate) fn all(channel: &mut impl Channel) -> Result<Vec<Ref>> {
    let mut refs: Vec<Ref> = Vec::new();
    loop {
        let after = refs.last().map_or((0, 0), |last| (last.id, last.kind.number()));
        let page = page(channel, after)?;
        let more = page.len() >= FS_CONTROL_LIST_ENTRIES;
        refs.extend(page);
        if !more {
            return Ok(refs);
        }
    }
}

fn page(channel: &mut impl Channel, after: (u64, u32)) -> Result<Vec<Ref>> {
    let mut list: fs_control_list = message();
    (list.after_id, list.after_kind) = after;
    channel.ask(&mut list)?;
    let count = (list.count as usize).min(FS_CONTROL_LIST_ENTRIES);
    Ok(list.entries[..count].iter().map(Ref::of).collect())
}

/// The branch or snapshot of an id. Ids are one series for both kinds, so what follows the branch of the id before is it.
pub(crate) fn by_id(channel: &mut impl Channel, (id, kind): (u64, Kind)) -> Result<Ref> {
    let page = page(channel, (id.saturating_sub(1), FS_REF_BRANCH))?;
    let found = page.into_iter().find(|found| found.key() == (id, kind));
    found.ok_or_else(|| Failure::refused(format!("the {} with id {id} has just been deleted", kind.noun())))
}

/// A field with a name.
///
/// Errors: a name that the field has no room for.
pub(crate) fn field(name: &str) -> Result<fs_control_name> {
    if name.len() >= FS_CONTROL_NAME_BYTES {
        return Err(Failure::refused(format!("a name has at most 255 bytes, this one {}", name.len())));
    }
    Ok(fs_control_name { bytes: filled(name.as_bytes()) })
}

/// What a refused request was about.
pub(crate) struct Subject<'a> {
    /// Names that had to exist.
    pub(crate) existing: &'a [&'a str],
    /// The name that had to be free, and good.
    pub(crate) new: Option<&'a str>,
}

/// Says what the volume refused, by the names in the request, and what to do.
pub(crate) fn explain(channel: &mut impl Channel, subject: &Subject<'_>, failure: Failure) -> Failure {
    let new = subject.new.or(subject.existing.first().copied()).unwrap_or_default();
    match (failure.code(), subject.existing.first()) {
        (Some(ResultCode::NoSuchRef), _) => unknown(channel, subject.existing, failure),
        (Some(ResultCode::RefExists), _) => failure.reworded(format!(
            "there is a branch or snapshot `{new}` already: choose another name, or delete it first"
        )),
        (Some(ResultCode::BadRefName), _) => failure.context(format_args!("`{new}`")),
        (Some(_), Some(name)) => failure.context(format_args!("`{name}`")),
        _ => failure,
    }
}

fn unknown(channel: &mut impl Channel, names: &[&str], failure: Failure) -> Failure {
    let Ok(refs) = all(channel) else { return failure };
    let missing = names.iter().find(|&&name| !refs.iter().any(|found| found.name == name));
    let Some(missing) = missing else { return failure };
    let advice = match nearest(missing, refs.iter().map(|found| found.name.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`bough log` shows what there is".to_owned(),
    };
    failure.reworded(format!("there is no branch or snapshot `{missing}`: {advice}"))
}

/// The name most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    let distances = others.map(|other| (strsim::damerau_levenshtein(name, other), other));
    distances.filter(|&(distance, _)| distance <= allowed).min().map(|(_, other)| other)
}

#[cfg(test)]
pub(crate) mod tests {
    use bough::control::Message;

    use super::*;

    /// A volume that knows only how to list what it was given.
    pub(crate) struct Listed(pub(crate) Vec<Ref>);

    impl Channel for Listed {
        fn ask<M: Message>(&mut self, message: &mut M) -> Result<()> {
            let bytes = bytemuck::bytes_of_mut(message);
            let list: &mut fs_control_list = bytemuck::from_bytes_mut(bytes);
            let after = list.after_id;
            let rest = self.0.iter().filter(|found| found.id > after).take(FS_CONTROL_LIST_ENTRIES);
            list.count = rest.clone().count() as u32;
            for (entry, found) in list.entries.iter_mut().zip(rest) {
                entry.name = field(&found.name).unwrap();
                (entry.id, entry.kind, entry.created) = (found.id, found.kind.number(), found.created);
                (entry.children, entry.inodes) = (found.children, found.inodes);
                if let Some((id, kind)) = found.parent {
                    (entry.parent_id, entry.parent_kind) = (id, kind.number());
                }
            }
            Ok(())
        }
    }

    pub(crate) fn found(id: u64, kind: Kind, name: &str, parent: Option<(u64, Kind)>) -> Ref {
        Ref { name: name.into(), id, kind, parent, created: 0, children: 0, views: 0, inodes: 1, changes: 0 }
    }

    #[test]
    fn a_list_longer_than_a_page_is_read_to_its_end() {
        for count in [0, 1, 39, 40, 41, 80, 95] {
            let refs: Vec<Ref> = (1..=count).map(|id| found(id, Kind::Snapshot, &format!("s{id}"), None)).collect();
            assert_eq!(all(&mut Listed(refs.clone())).unwrap(), refs);
        }
    }

    #[test]
    fn an_id_finds_its_branch_or_snapshot() {
        let refs = vec![found(1, Kind::Branch, "main", None), found(2, Kind::Snapshot, "s", None)];
        let mut volume = Listed(refs.clone());
        assert_eq!(by_id(&mut volume, (2, Kind::Snapshot)).unwrap(), refs[1]);
        assert_eq!(by_id(&mut volume, (1, Kind::Branch)).unwrap(), refs[0]);
        assert!(by_id(&mut volume, (2, Kind::Branch)).is_err());
    }

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let names = ["main", "feature", "main@1"];
        assert_eq!(nearest("mian", names.into_iter()), Some("main"));
        assert_eq!(nearest("faeture", names.into_iter()), Some("feature"));
        assert_eq!(nearest("release", names.into_iter()), None);
    }

    #[test]
    fn an_unknown_name_is_named_with_its_neighbour() {
        let mut volume = Listed(vec![found(1, Kind::Branch, "main", None)]);
        let refused = || Failure::answered(ResultCode::NoSuchRef.number(), "no such".into());
        let said =
            format!("{:?}", explain(&mut volume, &Subject { existing: &["main", "mian"], new: None }, refused()));
        assert!(said.contains("there is no branch or snapshot `mian`: did you mean `main`?"), "{said}");
        let said =
            format!("{:?}", explain(&mut volume, &Subject { existing: &["other"], new: Some("main") }, refused()));
        assert!(said.contains("`bough log` shows"), "{said}");
    }

    #[test]
    fn a_name_too_long_for_its_field_is_refused() {
        assert!(field(&"x".repeat(255)).is_ok());
        assert!(field(&"x".repeat(256)).is_err());
    }

    #[test]
    fn json_names_the_parent() {
        let refs =
            [found(1, Kind::Branch, "main", Some((2, Kind::Snapshot))), found(2, Kind::Snapshot, "main@1", None)];
        let json = serde_json::to_value(as_json(&refs, &[])).unwrap();
        let first = serde_json::json!({
            "name": "main", "kind": "branch", "id": 1, "parent": "main@1", "created": "1970-01-01T00:00:00Z",
            "children": 0, "inodes": 1, "mount_points": []
        });
        assert_eq!(json[0], first);
        assert_eq!(json[1]["parent"], serde_json::Value::Null);
    }
}
