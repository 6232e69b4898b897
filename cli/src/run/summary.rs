//! What a command changed, in lines: of what was added and edited not more than people read, if they can look at it later; of what is gone
//! or went elsewhere all that there is, within reason.

use crate::diff::{self, Change, Difference};

/// Most lines of what was added or edited, where all can be looked at later.
const LINES: usize = 40;
/// Most lines of what was deleted or renamed, and of the rest where nothing can be looked at later.
const MOST: usize = 1000;

/// The lines, sorted by path, and how many differences they leave out. `stays`: the branch is there afterwards.
pub(super) fn lines(differences: &[Difference], stays: bool) -> (Vec<String>, usize) {
    let mut room = [if stays { LINES } else { MOST }, MOST];
    let fits = |difference: &&Difference| {
        let goes = matches!(difference.change(), Change::Deleted | Change::Renamed);
        let left = &mut room[usize::from(goes)];
        let fits = *left > 0;
        *left = left.saturating_sub(1);
        fits
    };
    let lines: Vec<String> = differences.iter().filter(fits).map(diff::line_of).collect();
    let left_out = differences.len() - lines.len();
    (lines, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::difference;

    fn many(kind: u32, count: usize, old: Option<&str>) -> Vec<Difference> {
        (0..count).map(|number| difference(kind, 0, &format!("{kind}-{number:05}"), old)).collect()
    }

    #[test]
    fn deletions_and_renames_are_among_the_lines_whatever_else_there_is() {
        let all = [many(1, 5000, None), many(2, 500, None), many(4, 500, Some("old"))].concat();
        let (shown, left_out) = lines(&all, true);
        assert_eq!((shown.len(), left_out), (LINES + MOST, 5000 - LINES));
        assert_eq!(shown.iter().filter(|line| line.starts_with("D ") || line.starts_with("R ")).count(), MOST);
        assert_eq!(lines(&many(1, LINES, None), true).1, 0);
        assert_eq!(lines(&many(1, LINES + 1, None), true).1, 1);
        assert_eq!(lines(&many(2, MOST, None), true).1, 0);
        assert_eq!(lines(&many(2, MOST + 1, None), true).1, 1);
    }

    #[test]
    fn where_nothing_can_be_looked_at_later_more_is_shown() {
        assert_eq!(lines(&many(1, MOST, None), false).1, 0);
        assert_eq!(lines(&many(1, MOST + 1, None), false).1, 1);
    }
}
