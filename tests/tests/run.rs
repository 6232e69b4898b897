//! `bough run`: a command in a branch, and everything that it might try to reach what is outside.
//!
//! Runs the programs in `target/release` (or `$BOUGH_BIN`), which `make test` builds first.

#[path = "run/accept.rs"]
mod accept;
#[path = "run/confinement.rs"]
mod confinement;
#[path = "run/host.rs"]
mod host;
#[path = "run/interrupted.rs"]
mod interrupted;
#[path = "run/life.rs"]
mod life;
#[path = "cli/place.rs"]
#[allow(dead_code)]
mod place;
#[path = "run/terminal.rs"]
mod terminal;
#[path = "run/users.rs"]
mod users;

use place::*;

/// Runs a shell command in a new branch of the volume at `mnt`, which is kept.
fn sh(place: &Place, script: &str) -> Ran {
    with(place, &["--keep"], script)
}

fn with(place: &Place, options: &[&str], script: &str) -> Ran {
    let words: Vec<&str> = ["run"].iter().chain(options).chain(&["--", "sh", "-c", script]).copied().collect();
    ran(place.bough(&words).current_dir(place.at("mnt")))
}
