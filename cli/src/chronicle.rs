//! What was accepted and rejected over a directory: by whom, when, and what. A file of lines of JSON for each directory, which
//! outlives the volume.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::daemon::StateDirectory;
use crate::diff::{self, Counts, Difference};
use crate::errors::{Context, Result};
use crate::output;

/// Most changes that are told one by one.
const CHANGES: usize = 1000;

/// What became of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Accepted,
    Rejected,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Rejected => "rejected",
        }
    }
}

/// Once somebody has decided. The fields are documented in `docs/cli.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "kind")]
    pub(crate) verdict: Verdict,
    /// The branch.
    pub(crate) name: String,
    /// The branch that it was accepted into, if not the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) into: Option<String>,
    /// RFC 3339, in UTC.
    pub(crate) time: String,
    /// The same, in nanoseconds since 1970.
    pub(crate) time_ns: i64,
    pub(crate) uid: u32,
    pub(crate) user: String,
    /// How much of each kind, in words.
    pub(crate) summary: String,
    /// As `bough diff` has them, the first thousand.
    pub(crate) changes: Vec<String>,
}

impl Entry {
    /// Now, by whoever calls.
    pub(crate) fn new(verdict: Verdict, branch: &str, into: Option<&str>, differences: &[Difference]) -> Entry {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64);
        let uid = rustix::process::geteuid().as_raw();
        Entry {
            verdict,
            name: branch.to_owned(),
            into: into.map(str::to_owned),
            time: output::exact_time(now),
            time_ns: now,
            uid,
            user: user_name(uid),
            summary: Counts::of(differences).words(),
            changes: differences.iter().take(CHANGES).map(diff::line_of).collect(),
        }
    }
}

/// The chronicle of one directory.
#[derive(Debug)]
pub(crate) struct Chronicle(PathBuf);

impl Chronicle {
    /// In `$BOUGH_STATE_DIR/history` if that is set, else where a user's programs keep what shall last.
    pub(crate) fn of(volume: &str) -> Result<Chronicle> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let place = match (variable("BOUGH_STATE_DIR"), variable("XDG_STATE_HOME"), variable("HOME")) {
            (Some(state), ..) => state.join("history"),
            (None, Some(lasting), _) => lasting.join("bough"),
            (None, None, Some(home)) => home.join(".local/state/bough"),
            (None, None, None) => StateDirectory::find()?.path().join("history"),
        };
        Ok(Chronicle(place.join(format!("{volume}.jsonl"))))
    }

    /// What was done is done, though it cannot be written down.
    pub(crate) fn note(&self, entry: &Entry) {
        if let Err(failure) = self.write(entry) {
            failure.context("not in the log").report();
        }
    }

    fn write(&self, entry: &Entry) -> Result<()> {
        let what = || format!("cannot write {}", self.0.display());
        let place = self.0.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(place).context(what())?;
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        // In one write: many may end at once.
        let file = std::fs::File::options().append(true).create(true).mode(0o600).open(&self.0);
        file.and_then(|mut file| file.write_all(&line)).context(what())
    }

    /// Everything in it, oldest first. Of a line that was not finished nothing is known.
    pub(crate) fn read(&self) -> Vec<Entry> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// As the system's list of users has it; else the number.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read_again_and_what_is_no_line_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let chronicle = Chronicle(directory.path().join("deep/x.jsonl"));
        assert_eq!(chronicle.read(), []);
        let entries = [Verdict::Accepted, Verdict::Rejected].map(|verdict| Entry::new(verdict, "try", Some("to"), &[]));
        chronicle.write(&entries[0]).unwrap();
        std::fs::File::options().append(true).open(&chronicle.0).unwrap().write_all(b"{\"kind\":\n").unwrap();
        chronicle.write(&entries[1]).unwrap();
        assert_eq!(chronicle.read(), entries);
        assert_eq!(entries[0].summary, "no difference");
    }

    #[test]
    fn a_user_without_a_name_is_a_number() {
        assert_eq!(user_name(4_000_000_000), "4000000000");
        assert_eq!(user_name(0), "root");
    }
}
