//! The Linux daemon, mounted: what programs see, what several mounts of one volume see of each other, how it begins and ends.
//!
//! Each test has its own folder, its own daemon and its own state directory, and leaves none of them behind.

#[path = "mounted/attributes.rs"]
mod attributes;
#[path = "mounted/base.rs"]
mod base;
#[path = "mounted/confined.rs"]
mod confined;
#[path = "../../core/tests/support/confinement.rs"]
mod confinement;
#[path = "mounted/content.rs"]
mod content;
#[path = "mounted/fixture.rs"]
mod fixture;
#[path = "mounted/history.rs"]
mod history;
#[path = "mounted/io_uring.rs"]
mod io_uring;
#[path = "mounted/late.rs"]
mod late;
#[path = "mounted/lifecycle.rs"]
mod lifecycle;
#[path = "mounted/listings.rs"]
mod listings;
#[path = "mounted/locks.rs"]
mod locks;
#[path = "mounted/names.rs"]
mod names;
#[path = "mounted/passthrough.rs"]
mod passthrough;
#[path = "mounted/sharing.rs"]
mod sharing;
#[path = "mounted/sys.rs"]
mod sys;
#[path = "mounted/tools.rs"]
mod tools;
