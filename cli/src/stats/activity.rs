//! What a volume did, in words: how often, how fast, and what of it waited.

use std::collections::BTreeMap;
use std::time::Duration;

use bough::control::messages::{FS_LATENCY_BUCKETS, fs_activity, fs_operation};
use bough::control::text_of;
use serde::Serialize;

use crate::size::{human, short_time};

/// The fields are documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
pub(super) struct Activity {
    resident_bytes: u64,
    chunk_reads: u64,
    faults: u64,
    /// Of all chunks asked for, those that nobody waited for.
    hit_rate: Option<f64>,
    ahead_hits: u64,
    stalls: u64,
    evictions: u64,
    spill_read_bytes: u64,
    spill_written_bytes: u64,
    operations: BTreeMap<String, Operation>,
}

#[derive(Debug, Clone, Serialize)]
struct Operation {
    count: u64,
    timed: u64,
    mean_ns: Option<u64>,
    median_ns: Option<u64>,
    p99_ns: Option<u64>,
    slowest_ns: Option<u64>,
}

impl Activity {
    pub(super) fn of(found: &fs_activity) -> Activity {
        let used = found.operations.iter().filter(|operation| operation.name[0] != 0);
        Activity {
            resident_bytes: found.resident_bytes,
            chunk_reads: found.chunk_reads,
            faults: found.faults,
            hit_rate: hit_rate(found.chunk_reads, found.faults),
            ahead_hits: found.ahead_hits,
            stalls: found.stalls,
            evictions: found.evictions,
            spill_read_bytes: found.spill_read_bytes,
            spill_written_bytes: found.spill_written_bytes,
            operations: used.map(|operation| (text_of(&operation.name), Operation::of(operation))).collect(),
        }
    }

    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("memory taken", human(self.resident_bytes)),
            ("found in memory", self.hit_rate.map_or_else(|| "-".into(), percent)),
            ("  read ahead in time", self.ahead_hits.to_string()),
            ("  waited for", self.faults.to_string()),
            ("waits for memory", self.stalls.to_string()),
            ("moved to the spill file", self.evictions.to_string()),
            ("  written to it", human(self.spill_written_bytes)),
            ("  read from it", human(self.spill_read_bytes)),
        ]
    }

    /// A row for each operation that happened, the most frequent first.
    pub(super) fn rows(&self, since: Option<(&Activity, Duration)>) -> Vec<Vec<String>> {
        let mut happened: Vec<_> = self.operations.iter().filter(|(_, operation)| operation.count > 0).collect();
        happened.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.count));
        let row = |(name, operation): (&String, &Operation)| {
            let mut row = vec![name.replace('_', " "), operation.count.to_string()];
            if let Some((earlier, time)) = since {
                let before = earlier.operations.get(name).map_or(0, |earlier| earlier.count);
                row.push(format!("{:.0}", per_second(operation.count - before.min(operation.count), time)));
            }
            let times = [operation.mean_ns, operation.median_ns, operation.p99_ns, operation.slowest_ns];
            row.extend(times.map(|ns| ns.map_or_else(|| "-".into(), short_time)));
            row
        };
        happened.into_iter().map(row).collect()
    }

    /// In a few words.
    pub(super) fn line(&self, since: Option<(&Activity, Duration)>) -> String {
        let found = self.hit_rate.map_or_else(|| "-".into(), percent);
        let rates = since.map(|(earlier, time)| {
            let grown = |now: u64, before: u64| per_second(now.saturating_sub(before), time);
            let written = grown(self.spill_written_bytes, earlier.spill_written_bytes) as u64;
            let read = grown(self.spill_read_bytes, earlier.spill_read_bytes) as u64;
            let operations = grown(self.count(), earlier.count());
            format!("{operations:.0} operations/s, spill {}/s in {}/s out, ", human(written), human(read))
        });
        format!("{}{found} found in memory", rates.unwrap_or_default())
    }

    fn count(&self) -> u64 {
        self.operations.values().map(|operation| operation.count).sum()
    }
}

pub(super) fn headings(with_rate: bool) -> Vec<&'static str> {
    let rate = with_rate.then_some("PER SECOND");
    ["OPERATION", "COUNT"].into_iter().chain(rate).chain(["MEAN", "MEDIAN", "99 %", "SLOWEST"]).collect()
}

impl Operation {
    fn of(found: &fs_operation) -> Operation {
        Operation {
            count: found.count,
            timed: found.timed,
            mean_ns: found.total_ns.checked_div(found.timed),
            median_ns: below(found, 50),
            p99_ns: below(found, 99),
            slowest_ns: (found.timed > 0).then_some(found.slowest_ns),
        }
    }
}

/// What so many in a hundred stay below, as closely as the buckets tell.
fn below(found: &fs_operation, percent: u64) -> Option<u64> {
    let total: u64 = found.buckets.iter().sum();
    let mut left = (total * percent).div_ceil(100);
    let bucket = found.buckets.iter().position(|&count| {
        left = left.saturating_sub(count);
        left == 0
    })?;
    let end = if bucket + 1 < FS_LATENCY_BUCKETS { 128 << bucket } else { u64::MAX };
    (total > 0).then_some(end.min(found.slowest_ns))
}

fn hit_rate(reads: u64, faults: u64) -> Option<f64> {
    (reads > 0).then(|| reads.saturating_sub(faults) as f64 / reads as f64)
}

/// Rounded down: only all is 100 %.
fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    fn operation(buckets: &[(usize, u64)], slowest_ns: u64) -> fs_operation {
        let mut made = fs_operation { slowest_ns, ..fs_operation::zeroed() };
        made.name[..4].copy_from_slice(b"read");
        for &(at, count) in buckets {
            made.buckets[at] = count;
            made.timed += count;
        }
        (made.count, made.total_ns) = (64 * made.timed, 300 * made.timed);
        made
    }

    #[test]
    fn percentiles_are_the_ends_of_buckets_but_never_beyond_the_slowest() {
        let found = Operation::of(&operation(&[(0, 50), (1, 49), (5, 1)], 3000));
        assert_eq!((found.median_ns, found.p99_ns), (Some(128), Some(256)));
        assert_eq!(Operation::of(&operation(&[(5, 1)], 3000)).median_ns, Some(3000));
        assert_eq!(Operation::of(&operation(&[(23, 1)], 9 << 40)).p99_ns, Some(9 << 40));
        let never = Operation::of(&operation(&[], 0));
        assert_eq!((never.mean_ns, never.median_ns, never.slowest_ns), (None, None, None));
    }

    #[test]
    fn rows_hold_what_happened_with_rates_while_watching() {
        let mut found = fs_activity::zeroed();
        found.operations[3] = operation(&[(1, 2)], 200);
        found.operations[4].name[0] = b'x';
        let activity = Activity::of(&found);
        assert_eq!(activity.rows(None), [["read", "128", "300 ns", "200 ns", "200 ns", "200 ns"]]);
        found.operations[3].count = 28;
        let earlier = Activity::of(&found);
        let rows = activity.rows(Some((&earlier, Duration::from_secs(2))));
        assert_eq!(rows[0][..3], ["read", "128", "50"]);
        assert_eq!(headings(true).len(), rows[0].len());
    }

    #[test]
    fn only_all_is_a_hundred_percent() {
        assert_eq!(percent(hit_rate(1_000_000, 1).unwrap()), "99.9 %");
        assert_eq!(percent(hit_rate(7, 0).unwrap()), "100.0 %");
        assert_eq!(hit_rate(0, 0), None);
    }
}
