//! A directory of the host as the base of a volume: what shows through, what is copied up, and that nothing of it is
//! ever changed.

#![cfg(target_os = "linux")]

#[path = "base/changes.rs"]
mod changes;
#[path = "base/content.rs"]
mod content;
#[path = "base/differences.rs"]
mod differences;
#[path = "base/foreign.rs"]
mod foreign;
#[path = "base/moves.rs"]
mod moves;
#[path = "base/place.rs"]
mod place;
#[path = "base/reverts.rs"]
mod reverts;
#[path = "base/shows.rs"]
mod shows;
#[path = "base/told.rs"]
mod told;

use place::Place;
