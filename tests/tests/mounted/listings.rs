//! Listings that the kernel keeps, and that others go on in.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::fixture::{Mount, USUAL};
use crate::sys;

/// A listing of a folder that is under way.
struct Lister {
    folder: File,
}

impl Lister {
    fn new(folder: &Path) -> Lister {
        Lister { folder: File::open(folder).unwrap() }
    }

    /// The names that the kernel gives at once, where there is room for so many bytes of them; none: these were all.
    fn some(&self, room: usize) -> Vec<String> {
        let mut bytes = vec![0; room];
        let filled = sys::list(&self.folder, &mut bytes).unwrap() as usize;
        sys::names_of(&bytes[..filled])
    }

    /// All from here on.
    fn rest(&self) -> Vec<String> {
        std::iter::repeat_with(|| self.some(1 << 16)).take_while(|names| !names.is_empty()).flatten().collect()
    }
}

/// All names in a folder, in order.
fn all(folder: &Path) -> Vec<String> {
    sorted(Lister::new(folder).rest())
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

fn make(folder: &Path, name: &str) {
    File::create(folder.join(name)).unwrap();
}

/// A folder with so many entries, `.` and `..` among them.
fn filled(mount: &Mount, name: &str, count: usize) -> PathBuf {
    let folder = mount.at(name);
    fs::create_dir(&folder).unwrap();
    (2..count).for_each(|number| make(&folder, &number.to_string()));
    folder
}

/// How many entries with names of up to eight bytes fill so many pages of a kept listing.
fn full(pages: usize) -> usize {
    pages * sys::page_bytes() / 32
}

/// One is in the middle of a listing when the name that he was told last is removed, and another lists all that is left.
fn go_on_after_a_removed_name(mount: &Mount) {
    for pages in 1..4 {
        // With one more than fill the pages, and then without it.
        let folder = filled(mount, &format!("full-{pages}"), full(pages) + 1);
        let before = all(&folder);
        let first = Lister::new(&folder);
        let mut seen = first.some(2048);
        fs::remove_file(folder.join(seen.last().unwrap())).unwrap();
        for _ in 0..2 {
            assert_eq!(all(&folder).len(), full(pages), "what is left");
        }
        seen.extend(first.rest());
        assert_eq!(sorted(seen), before, "{pages} pages");
    }
}

/// A folder changes after it was listed, whole or in part; then one is in the middle of a listing while another lists it all.
fn go_on_beside_another(mount: &Mount, name: &str, count: usize, room: usize) {
    let folder = filled(mount, name, count);
    // So that the kernel remembers it.
    let _open = File::open(&folder).unwrap();
    let listed = sorted(Lister::new(&folder).some(room));
    listed
        .iter()
        .filter(|name| !name.starts_with('.'))
        .take(5)
        .for_each(|name| fs::remove_file(folder.join(name)).unwrap());
    (0..6).for_each(|number| make(&folder, &format!("new-{number}")));
    for _ in 0..3 {
        let first = Lister::new(&folder);
        let mut seen = first.some(480);
        let others = all(&folder);
        seen.extend(first.rest());
        assert_eq!((others.len(), sorted(seen)), (count + 1, others), "{name}");
    }
}

/// The same, where others were listed in between: what was begun is remembered however many there are.
fn go_on_after_others_were_listed(mount: &Mount) {
    let (folder, others) = (filled(mount, "begun", 300), filled(mount, "others", 2));
    let _open = File::open(&folder).unwrap();
    let listed = Lister::new(&folder).some(4800);
    for other in 0..5000 {
        let other = others.join(other.to_string());
        fs::create_dir(&other).unwrap();
        assert_eq!(all(&other).len(), 2);
    }
    listed.iter().skip(20).take(5).for_each(|name| fs::remove_file(folder.join(name)).unwrap());
    let first = Lister::new(&folder);
    let mut seen = first.some(240);
    let left = all(&folder);
    seen.extend(first.rest());
    assert_eq!((left.len(), sorted(seen)), (300 - 5, left));
}

#[test]
fn one_who_goes_on_with_a_listing_misses_nothing_whatever_others_list() {
    for options in [USUAL, "default_permissions,allow_other,locks", "default_permissions,allow_other,no_writeback"] {
        let Some(mount) = Mount::with(options) else { return };
        go_on_after_a_removed_name(&mount);
        go_on_after_others_were_listed(&mount);
        for (number, count) in [200, 300, full(1) - 1, full(1), full(2), full(3)].into_iter().enumerate() {
            go_on_beside_another(&mount, &format!("whole-{number}"), count, 1 << 20);
            go_on_beside_another(&mount, &format!("part-{number}"), count, 3000);
        }
        mount.end();
    }
}

/// Whether the daemon need not be asked for a listing once it was listed.
fn is_kept(mount: &Mount, folder: &Path) -> bool {
    let before = all(folder);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let halted = mount.halt();
        scope.spawn(move || tell.send(all(folder)));
        let listed = told.recv_timeout(Duration::from_secs(5));
        drop(halted);
        assert_eq!(listed.clone().or_else(|_| told.recv()).unwrap(), before);
        listed.is_ok()
    })
}

#[test]
fn a_folder_is_listed_again_without_a_message() {
    let Some(mount) = Mount::new() else { return };
    // Nothing else ends what waits for a daemon that answers no more.
    let _abort = sys::Abort(mount.point().to_owned());
    let folder = filled(&mount, "folder", full(3));
    assert!(!is_kept(&mount, &folder), "pages that are full");
    make(&folder, "more");
    // Whatever else the machine does may take away what the kernel keeps.
    assert!((0..10).any(|_| is_kept(&mount, &folder)), "ten times");
    let last = Lister::new(&folder).rest().pop().unwrap();
    fs::remove_file(folder.join(last)).unwrap();
    make(&folder, "and-a-longer-name");
    assert!((0..10).any(|_| is_kept(&mount, &folder)), "after a change, ten times");
    mount.end();
}
