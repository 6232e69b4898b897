//! What branches and snapshots hold, as the volume counts it, and which of them hold most.

use bough::control::messages::{FS_CONTROL_HOLDINGS_ENTRIES, fs_control_holding, fs_control_holdings};
use bough::control::{message, text_of};
use serde::Serialize;

use crate::errors::Result;
use crate::refs::Kind;
use crate::size::human;
use crate::wire::Channel;

/// The fields are documented in `docs/cli.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Holding {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    #[serde(skip)]
    id: u64,
    pub(crate) inodes: u64,
    pub(crate) content_bytes: u64,
    pub(crate) shared_bytes: u64,
    pub(crate) exclusive_inodes: u64,
    /// What deleting it frees, of memory and of the spill file.
    pub(crate) exclusive_bytes: u64,
    pub(crate) exclusive_memory_bytes: u64,
    pub(crate) exclusive_spilled_bytes: u64,
    /// Those of memory that are not content.
    pub(crate) exclusive_metadata_bytes: u64,
}

impl Holding {
    fn of(found: &fs_control_holding) -> Holding {
        let holdings = &found.holdings;
        Holding {
            name: text_of(&found.name.bytes),
            kind: Kind::of(found.kind),
            id: found.id,
            inodes: holdings.inodes,
            content_bytes: holdings.content_bytes,
            shared_bytes: holdings.shared_bytes,
            exclusive_inodes: holdings.exclusive_inodes,
            exclusive_bytes: holdings.exclusive_memory_bytes.saturating_add(holdings.exclusive_spilled_bytes),
            exclusive_memory_bytes: holdings.exclusive_memory_bytes,
            exclusive_spilled_bytes: holdings.exclusive_spilled_bytes,
            exclusive_metadata_bytes: holdings.exclusive_metadata_bytes,
        }
    }
}

/// Those of all branches and snapshots, oldest first.
pub(crate) fn all(channel: &mut impl Channel) -> Result<Vec<Holding>> {
    let mut found: Vec<Holding> = Vec::new();
    loop {
        let mut page: fs_control_holdings = message();
        (page.after_id, page.after_kind) = found.last().map_or((0, 0), |last| (last.id, last.kind.number()));
        channel.ask(&mut page)?;
        let count = (page.count as usize).min(FS_CONTROL_HOLDINGS_ENTRIES);
        found.extend(page.entries[..count].iter().map(Holding::of));
        if page.more == 0 || count == 0 {
            return Ok(found);
        }
    }
}

/// Those that hold most alone, the largest first. What holds nothing alone is not among them.
pub(crate) fn largest(mut all: Vec<Holding>, most: usize) -> Vec<Holding> {
    all.retain(|holding| holding.exclusive_bytes > 0);
    all.sort_by_key(|holding| std::cmp::Reverse(holding.exclusive_bytes));
    all.truncate(most);
    all
}

pub(crate) const HEADINGS: [&str; 9] =
    ["NAME", "KIND", "INODES", "CONTENT", "SHARED", "EXCLUSIVE", "IN MEMORY", "METADATA", "SPILLED"];

pub(crate) fn row(holding: &Holding) -> Vec<String> {
    vec![
        holding.name.clone(),
        holding.kind.noun().to_owned(),
        holding.inodes.to_string(),
        human(holding.content_bytes),
        human(holding.shared_bytes),
        human(holding.exclusive_bytes),
        human(holding.exclusive_memory_bytes),
        human(holding.exclusive_metadata_bytes),
        human(holding.exclusive_spilled_bytes),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn holding(name: &str, exclusive_bytes: u64) -> Holding {
        Holding {
            name: name.into(),
            kind: Kind::Snapshot,
            id: 1,
            inodes: 3,
            content_bytes: 5 << 20,
            shared_bytes: 1 << 20,
            exclusive_inodes: 2,
            exclusive_bytes,
            exclusive_memory_bytes: exclusive_bytes / 2,
            exclusive_spilled_bytes: exclusive_bytes - exclusive_bytes / 2,
            exclusive_metadata_bytes: exclusive_bytes / 4,
        }
    }

    #[test]
    fn the_largest_come_first_and_the_empty_not_at_all() {
        let all = vec![holding("a", 5), holding("b", 0), holding("c", 9), holding("d", 7)];
        let names: Vec<String> = largest(all, 2).into_iter().map(|holding| holding.name).collect();
        assert_eq!(names, ["c", "d"]);
    }

    #[test]
    fn a_row_has_a_cell_for_each_heading() {
        let row = row(&holding("a", 4 << 20));
        assert_eq!(row.len(), HEADINGS.len());
        assert_eq!(row[5..], ["4.0 MiB", "2.0 MiB", "1.0 MiB", "2.0 MiB"]);
    }
}
