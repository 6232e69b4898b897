//! Branches in which a process tries something before it does it. Their names tell which process, so that one which was killed leaves
//! none for long.

use crate::errors::{Failure, Result};

const PREFIX: &str = "~trial.";

/// What this process calls one. It has no two at a time.
pub(super) fn name() -> String {
    let process = std::process::id();
    format!("{PREFIX}{process}.{}", begun(process).unwrap_or_default())
}

/// Refuses a name that people give a branch, and that could be taken for one of these: it would go with the next accept.
pub(crate) fn check_free(name: &str) -> Result<()> {
    match name.starts_with(PREFIX) {
        true => Err(Failure::refused(format!(
            "`{name}`: names that begin with `{PREFIX}` are kept for what accepts try in"
        ))),
        false => Ok(()),
    }
}

pub(super) fn is_one(name: &str) -> bool {
    process_of(name).is_some()
}

/// Whether the process that grew it has gone.
pub(super) fn is_abandoned(name: &str) -> bool {
    process_of(name).is_some_and(|(process, at)| begun(process).unwrap_or_default() != at)
}

fn process_of(name: &str) -> Option<(u32, u64)> {
    let (process, at) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some((process.parse().ok()?, at.parse().ok()?))
}

/// When a process began, in ticks since the machine did: no other of its number has that.
fn begun(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the program's name, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_tries_in_is_known_as_its_own_while_it_lives() {
        let own = name();
        assert!(is_one(&own) && !is_abandoned(&own), "{own}");
        assert!(bough::check_ref_name(&own).is_ok());
        let (process, at) = process_of(&own).unwrap();
        assert!(at > 0);
        assert!(is_abandoned(&format!("{PREFIX}{process}.{}", at - 1)), "another had the number before");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = format!("{PREFIX}{}.{}", child.id(), begun(child.id()).unwrap_or(1));
        child.wait().unwrap();
        assert!(is_abandoned(&gone), "{gone}");
        for of_people in ["run-1", "b~1", "~trial", "~trial.x.1", "~trial.1"] {
            assert!(!is_one(of_people) && !is_abandoned(of_people));
        }
        assert!(check_free(&own).is_err() && check_free("~trial.x").is_err() && check_free("~trial").is_ok());
    }
}
