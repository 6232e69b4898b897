//! Accepts on disks that share what files have in common, made in a file for the purpose.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::figures::row;
use crate::place::{Place, ms, number};

const KINDS: [(&str, &[&str]); 2] = [("btrfs", &["mkfs.btrfs", "-q", "-f"]), ("xfs", &["mkfs.xfs", "-q", "-f"])];

fn quietly(program: &str, arguments: &[&str]) -> bool {
    let command = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    command.is_ok_and(|status| status.success())
}

/// A file system of this kind, mounted; `None` where there can be none.
fn disk(place: &Place, kind: &str, make: &[&str], bytes: u64) -> Option<()> {
    let (image, point) = (place.text(&format!("{kind}.image")), place.text(kind));
    place.make(kind);
    fs::File::create(&image).and_then(|file| file.set_len(bytes)).ok()?;
    let words: Vec<&str> = make[1..].iter().copied().chain([image.as_str()]).collect();
    (quietly(make[0], &words) && quietly("mount", &["-o", "loop", &image, &point])).then_some(())
}

/// One chunk of a very large file that was changed in a branch, and the branch accepted.
pub(crate) fn accept_chunk() {
    let gib = number("BOUGH_BENCH_HUGE_GIB", 10) as u64;
    for (kind, make) in KINDS {
        let place = Place::new();
        let what = format!("accept of one chunk of {gib} GiB on {kind}");
        match disk(&place, kind, make, (gib + 4) << 30) {
            Some(()) => accept_on(&place, kind, gib, &what),
            None => row(&what, "no such disk here", "1 s"),
        }
        let _ = quietly("umount", &["-l", &place.text(kind)]);
    }
    let place = Place::new();
    place.make("disk");
    accept_on(&place, "disk", 1, "accept of one chunk of 1 GiB on this machine's disk");
}

fn accept_on(place: &Place, kind: &str, gib: u64, what: &str) {
    let base = place.make(&format!("{kind}/base"));
    if !fill(&base.join("huge"), gib << 30) {
        return row(what, "no room", "1 s");
    }
    let base_text = place.text(&format!("{kind}/base"));
    let script = format!("printf changed | dd of={base_text}/huge bs=1 seek=123456789 conv=notrunc");
    let run = ["run", "--base", &base_text, "--branch", "b", "--keep", "--", "sh", "-ec", &script];
    place.timed(&run);
    let _ = Command::new("sync").status();
    let took = place.timed(&["accept", "--base", &base_text, "--branch", "b"]);
    let mut found = [0; 7];
    let read = fs::File::open(base.join("huge")).and_then(|file| file.read_exact_at(&mut found, 123_456_789));
    assert!(read.is_ok() && &found == b"changed");
    place.end_volume(&base);
    row(what, &format!("{:.0} ms", ms(took)), "1 s");
}

/// Space for all of it, and bytes here and there.
fn fill(path: &Path, bytes: u64) -> bool {
    let (file, size) = (path.to_str().expect("our own path"), bytes.to_string());
    if !quietly("fallocate", &["-l", &size, file]) {
        return false;
    }
    let Ok(file) = fs::File::options().write(true).open(path) else { return false };
    let piece = vec![0x5a; 1 << 20];
    let written = (0..bytes >> 28).all(|number| file.write_all_at(&piece, number << 28).is_ok());
    written && file.sync_all().is_ok()
}
