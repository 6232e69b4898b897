//! Search among sorted keys that are spread evenly, as keyed hashes are.

/// Keys from `low` to below `high`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) low: u64,
    pub(super) high: u64,
}

/// Index of the first of `count` sorted keys that is not below `key`, or `count`.
///
/// Looks where the key would be if the keys were spread evenly over the range, and walks from there: a few steps in
/// neighbouring cache lines, where halving would jump between lines that are all cold in a big directory.
pub(super) fn lower_bound(count: usize, key: u64, range: Range, key_at: impl Fn(usize) -> u64) -> usize {
    let mut index = guess(count, key, range);
    while index < count && key_at(index) < key {
        index += 1;
    }
    while index > 0 && key_at(index - 1) >= key {
        index -= 1;
    }
    index
}

fn guess(count: usize, key: u64, range: Range) -> usize {
    let width = range.high - range.low;
    let distance = key.saturating_sub(range.low).min(width);
    // 32 bits of both are enough, and keep the product within a word.
    let shift = (u64::BITS - width.leading_zeros()).saturating_sub(32);
    let place = (distance >> shift) * count as u64 / (width >> shift).max(1);
    (place as usize).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_halving_finds_whatever_the_range_says() {
        let keys: Vec<u64> = (0..100).map(|n| n * n * n + 5).collect();
        for range in [(0, 1 << 63), (5, 6), (5, 5), (0, 1_000_000), (1 << 40, 1 << 41), (0, u64::MAX)] {
            let range = Range { low: range.0, high: range.1 };
            for key in (0..200).chain(keys.iter().flat_map(|&key| [key - 1, key, key + 1])) {
                let found = lower_bound(keys.len(), key, range, |index| keys[index]);
                assert_eq!(found, keys.partition_point(|&other| other < key));
            }
        }
        assert_eq!(lower_bound(0, 7, Range { low: 0, high: 1 << 63 }, |_| 0), 0);
    }
}
