//! Listings that the kernel keeps, and that others go on in.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::fixture::{Mount, UNTIL_KEPT, USUAL};
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

    /// How many there are from here on.
    fn rest(&self) -> usize {
        std::iter::repeat_with(|| self.some(1 << 16).len()).take_while(|count| *count > 0).sum()
    }
}

/// A folder whose kept listing fills so many pages: an entry with a name of up to eight bytes takes 32, and `.` and `..` are two.
fn full_pages(mount: &Mount, pages: usize) -> (PathBuf, usize) {
    let count = pages * sys::page_bytes() / 32 - 2;
    let folder = mount.at(&format!("{pages}"));
    fs::create_dir(&folder).unwrap();
    (0..count).for_each(|name| drop(File::create(folder.join(name.to_string())).unwrap()));
    (folder, count + 2)
}

/// One is in the middle of a listing when the name that he was told last is removed, and another lists all that is left.
fn go_on_after_a_removed_name(mount: &Mount, wait: impl Fn()) {
    for pages in 1..4 {
        let (folder, full) = full_pages(mount, pages);
        // With this one more the pages are not full, and without it they are.
        File::create(folder.join("more")).unwrap();
        wait();
        assert_eq!(Lister::new(&folder).rest(), full + 1, "listed to the end, and kept if it may be");
        let first = Lister::new(&folder);
        let begun = first.some(2048);
        fs::remove_file(folder.join(begun.last().unwrap())).unwrap();
        wait();
        for _ in 0..2 {
            assert_eq!(Lister::new(&folder).rest(), full, "what is left");
        }
        assert_eq!(begun.len() + first.rest(), full + 1, "one who goes on misses nothing: {pages} pages");
    }
}

#[test]
fn one_who_goes_on_with_a_listing_misses_nothing_whatever_others_list() {
    for options in [USUAL, "default_permissions,allow_other,locks"] {
        let Some(mount) = Mount::with(options) else { return };
        go_on_after_a_removed_name(&mount, || ());
        fs::read_dir(mount.point()).unwrap().for_each(|folder| fs::remove_dir_all(folder.unwrap().path()).unwrap());
        go_on_after_a_removed_name(&mount, || thread::sleep(UNTIL_KEPT));
        mount.end();
    }
}

/// Whether the daemon need not be asked for a listing once it was listed.
fn is_kept(mount: &Mount, folder: &Path, count: usize) -> bool {
    assert_eq!(Lister::new(folder).rest(), count);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let halted = mount.halt();
        scope.spawn(move || tell.send(Lister::new(folder).rest()));
        let listed = told.recv_timeout(Duration::from_secs(5));
        drop(halted);
        assert_eq!(listed.or_else(|_| told.recv()).unwrap(), count);
        listed.is_ok()
    })
}

#[test]
fn a_folder_that_has_not_changed_for_a_moment_is_listed_again_without_a_message() {
    let Some(mount) = Mount::new() else { return };
    // Nothing else ends what waits for a daemon that answers no more.
    let _abort = sys::Abort(mount.point().to_owned());
    let (folder, count) = full_pages(&mount, 3);
    thread::sleep(UNTIL_KEPT);
    assert!(!is_kept(&mount, &folder, count), "pages that are full");
    File::create(folder.join("more")).unwrap();
    thread::sleep(UNTIL_KEPT);
    // Whatever else the machine does may take away what the kernel keeps.
    assert!((0..10).any(|_| is_kept(&mount, &folder, count + 1)), "ten times");
    mount.end();
}
