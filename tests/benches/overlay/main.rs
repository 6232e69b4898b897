//! What branches over a directory cost, and what others take for the same: `cargo bench -p bough-tests --bench overlay`, after
//! `make build`. As root everything is measured; else what a user may.
//!
//! `BOUGH_BENCH_PARTS`: comma-separated, of `figures`, `peers` (default both). `BOUGH_BENCH_ROWS`: parts of names, only these.
//! `BOUGH_BENCH_FILES` (100,000), `BOUGH_BENCH_RUNS` (21), `BOUGH_BENCH_ROUNDS` (5), `BOUGH_BENCH_HUGE_GIB` (10) say how much;
//! `BOUGH_BENCH_DIR` where, on a disk. Peers are looked for on the PATH: fuse-overlayfs is a package, `cargo install branchfs sandfs-cli`
//! gives two more. The table of peers is what `docs/overlay.md` shows.

mod disks;
mod figures;
mod jobs;
mod peers;
mod place;

use place::part;

fn main() {
    let parts = std::env::var("BOUGH_BENCH_PARTS").unwrap_or_else(|_| "figures,peers".into());
    if part(&parts, "figures") {
        figures::measure();
    }
    if part(&parts, "peers") {
        peers::measure();
    }
}
