//! What of the base shows through, and how.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::{fs, io};

use bough::{BaseConfig, Config, Error, FileKind, InodeId, Time, Volume};

use super::Place;
use super::place::over;
use crate::support::*;

fn refusal(base: BaseConfig) -> String {
    match Volume::open(Config { base: Some(base), ..Config::default() }) {
        Err(Error::BadBase(why)) => why,
        Err(other) => panic!("another refusal: {other}"),
        Ok(_) => panic!("no refusal"),
    }
}

#[test]
fn everything_in_the_base_shows_through_as_the_host_has_it() {
    let place = Place::new();
    assert_eq!(place.names("/"), ["dir", "empty", "file", "large", "link", "out"]);
    assert_eq!(place.names("dir"), ["inner", "sub", "twin"]);
    assert_eq!(place.read_text("file"), "content");
    assert_eq!(place.read_text("dir/sub/deep"), "deep");
    for path in ["file", "dir", "dir/inner", "link", "out", "large", "empty"] {
        let (here, there) = (place.stat(path), fs::symlink_metadata(place.host(path)).unwrap());
        assert_eq!(here.inode.0, there.ino(), "number of {path}");
        assert_eq!((here.mode, here.uid, here.gid), (there.mode() & 0o7777, there.uid(), there.gid()), "{path}");
        assert_eq!(here.modified, Time::new(there.mtime(), there.mtime_nsec() as u32), "{path}");
        assert_eq!(here.changed, Time::new(there.ctime(), there.ctime_nsec() as u32), "{path}");
        assert_eq!((here.size, u64::from(here.links)), (there.size(), there.nlink()), "{path}");
        assert_eq!(here.allocated, if there.is_file() { there.blocks() * 512 } else { 0 }, "{path}");
    }
    place.assert_untouched();
}

/// A look-up answers without making an inode; whoever asks for the attributes has one made.
#[test]
fn a_name_is_looked_up_with_the_attributes_that_its_inode_has() {
    let place = Place::new();
    for path in ["file", "dir", "dir/inner", "dir/sub", "dir/twin", "link", "out", "large", "empty"] {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("/", path));
        let found = place.view.lookup(&ROOT, place.node(parent), name.as_bytes()).unwrap();
        assert_eq!(found.attr, place.view.attr(found.node).unwrap(), "{path}");
    }
}

#[test]
fn few_descriptors_are_open_however_much_of_the_base_is_read() {
    let place = Place::with(|root| {
        for number in 0..3_000 {
            fs::create_dir(root.join(format!("d{number}"))).unwrap();
            fs::write(root.join(format!("d{number}/file")), number.to_string()).unwrap();
        }
    });
    let inside = place.directory.path().canonicalize().unwrap();
    let is_inside = |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to.starts_with(&inside));
    let open = || fs::read_dir("/proc/self/fd").unwrap().flatten().filter(is_inside).count();
    for number in 0..3_000 {
        assert_eq!(place.read_text(&format!("d{number}/file")), number.to_string());
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let allowed = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    // Of directories and of files each, and the root.
    let most = 2 * (allowed / 8).min(1_024) + 1;
    assert!((most / 4..=most).contains(&open()), "{} of {most}", open());
    place.assert_untouched();
}

#[test]
fn hard_links_of_the_base_are_one_inode() {
    let place = Place::new();
    let (inner, twin) = (place.stat("dir/inner"), place.stat("dir/twin"));
    assert_eq!((inner.inode, inner.links), (twin.inode, 2));
    place.write_file("dir/twin", "both");
    assert_eq!(place.read_text("dir/inner"), "both");
    place.remove_file("dir/inner");
    assert_eq!((place.read_text("dir/twin"), place.stat("dir/twin").links), ("both".into(), 1));
    place.remove_file("dir/twin");
    assert_eq!(place.names("dir"), ["sub"]);
    place.assert_untouched();
}

#[test]
fn special_files_and_extended_attributes_show_through() {
    let place = Place::with(|root| {
        fs::write(root.join("file"), "").unwrap();
        rustix::fs::setxattr(root.join("file"), "user.note", b"value", rustix::fs::XattrFlags::empty()).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    });
    assert_eq!(place.stat("fifo").kind, FileKind::Fifo);
    assert_eq!(*place.path_get_xattr(&ROOT, at("file"), b"user.note").unwrap(), *b"value");
    place.path_set_xattr(&ROOT, at("file"), b"user.note", b"other", bough::XattrMode::Replace).unwrap();
    assert_eq!(*place.path_get_xattr(&ROOT, at("file"), b"user.note").unwrap(), *b"other");
    place.assert_untouched();
}

#[test]
fn holes_of_the_base_are_holes() {
    let place = Place::with(|root| {
        use std::os::unix::fs::FileExt;
        let file = fs::File::create(root.join("sparse")).unwrap();
        file.write_at(b"data", 8 << 20).unwrap();
        file.set_len(16 << 20).unwrap();
    });
    let node = place.node("sparse");
    assert_eq!(place.seek(node, 0, bough::Seek::Data), Ok(8 << 20));
    assert_eq!(place.seek(node, 0, bough::Seek::Hole), Ok(0));
    let hole = place.seek(node, 8 << 20, bough::Seek::Hole).unwrap();
    assert!(hole > 8 << 20 && hole < 9 << 20);
    assert_eq!(place.seek(node, 9 << 20, bough::Seek::Data), Err(Error::NoSuchOffset));
    place.forget(node, 1);
}

#[test]
fn symbolic_links_are_read_but_lead_nowhere_outside() {
    let place = Place::with(|root| {
        symlink("/etc/passwd", root.join("out")).unwrap();
        symlink("../../etc/passwd", root.join("up")).unwrap();
    });
    assert_eq!(*place.path_read_link(&ROOT, at("out")).unwrap(), *b"/etc/passwd");
    // Paths are the volume's own: its root is the end of every way up.
    assert_eq!(place.path_attr(&ROOT, at("out")), Err(Error::NotFound));
    assert_eq!(place.path_attr(&ROOT, at("up")), Err(Error::NotFound));
    assert_eq!(place.path_lookup(&ROOT, at("..")).unwrap().attr.inode, InodeId::ROOT);
}

#[test]
fn a_directory_put_in_the_place_of_a_link_or_the_other_way_leads_nowhere_else() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("deep"), "secret").unwrap();
    let node = place.node("dir/sub");
    assert_eq!(place.read_text("dir/sub/deep"), "deep");
    fs::rename(place.host("dir/sub"), place.host("dir/old")).unwrap();
    symlink(outside.path(), place.host("dir/sub")).unwrap();
    assert!(place.path_read(&ROOT, at("dir/sub/deep")).is_err());
    assert_eq!(place.stat("dir/sub").kind, FileKind::Symlink);
    place.forget(node, 1);
}

#[test]
fn a_base_that_cannot_be_one_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    assert!(refusal(over(&directory.path().join("missing"))).ends_with("missing: there is no such directory"));
    assert!(refusal(over(&directory.path().join("file"))).ends_with("file: it is not a directory"));
}

#[test]
fn a_listing_in_pieces_gives_each_entry_once() {
    const FILES: usize = 5000;
    let place = Place::with(|root| {
        (0..FILES)
            .try_for_each(|n| fs::write(root.join(format!("f{n}")), "").map(drop))
            .unwrap_or_else(|error: io::Error| panic!("{error}"));
    });
    for n in 0..50 {
        place.remove_file(&format!("f{n}"));
        place.write_file(&format!("new{n}"), "");
    }
    let root = bough::NodeId::ROOT;
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let before = names.len();
        place
            .list(&ROOT, root, None, cookie, bough::ListOptions::default(), &mut |entry| {
                cookie = entry.cookie;
                names.push(entry.name.to_vec());
                names.len() - before < 100
            })
            .unwrap();
        if names.len() == before {
            break;
        }
    }
    // The entry at which a piece ends is not taken: it is the first of the next.
    names.sort();
    names.dedup();
    assert_eq!(names.len(), FILES);
}

#[test]
fn a_volume_over_a_base_begins_with_a_snapshot_of_it() {
    let place = Place::new();
    let base = place.base();
    assert_eq!(place.volume.ref_info(place.main()).unwrap().parent, Some(base));
    place.write_file("file", "changed");
    assert_eq!(place.view_of(base).read_text("file"), "content");
    assert_eq!(place.volume.delete_ref(base), Err(Error::Busy("it is the volume's base")));
}

#[test]
fn looking_and_reading_copies_nothing_up() {
    let place = Place::new();
    place.tree();
    assert_eq!(place.volume.ref_info(place.main()).unwrap().inodes, 0);
    assert_eq!(place.volume.stats().chunks, 0);
    place.assert_untouched();
}

#[test]
fn nodes_of_the_base_have_paths_and_their_changes_too() {
    let place = Place::new();
    let node = place.node("dir/sub/deep");
    assert_eq!(place.path_of(node), Ok(b"/dir/sub/deep".to_vec()));
    let events = place.watch(bough::Watch { paths: true, ..bough::Watch::default() }).unwrap();
    place.write_file("dir/sub/deep", "changed");
    place.move_to("dir", "moved");
    place.chmod("moved/sub/deep", 0o600);
    let mut paths = Vec::new();
    while let bough::Next::Event(event) = events.next(std::time::Duration::ZERO) {
        paths.push(String::from_utf8_lossy(&event.path).into_owned());
    }
    paths.dedup();
    assert_eq!(paths, ["/dir/sub/deep", "/dir", "/moved/sub/deep"]);
    assert_eq!(place.path_of(node), Ok(b"/moved/sub/deep".to_vec()));
    place.assert_untouched();
}

/// In a thread that may do what an ordinary user may.
fn as_ordinary_user<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    let there = || {
        let user = rustix::process::Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        run()
    };
    std::thread::scope(|scope| scope.spawn(there).join().unwrap())
}

#[test]
fn a_listing_that_fails_on_the_way_gives_what_it_has_and_fails_when_it_goes_on() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can let a thread have fewer rights");
        return;
    }
    let place = Place::with(|root| {
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(root.join("shut")).unwrap();
        (0..10).for_each(|n| fs::write(root.join(format!("shut/base-{n}")), "").unwrap());
        fs::set_permissions(root.join("shut"), fs::Permissions::from_mode(0o700)).unwrap();
    });
    (0..40).for_each(|n| place.write_file(&format!("shut/own-{n}"), ""));
    let dir = place.node("shut");
    let with_attributes = bough::ListOptions { attributes: true, ..Default::default() };
    let list = |cookie: u64| {
        let mut taken = Vec::new();
        let answer = place.list(&ROOT, dir, None, cookie, with_attributes, &mut |entry| {
            taken.push((entry.node, entry.cookie));
            true
        });
        taken.iter().for_each(|(node, _)| place.forget(*node, 1));
        (answer, taken)
    };
    let known = place.reference_count();
    let (_, all) = list(0);
    assert_eq!(all.len(), 50);
    let (mut cut_short, mut refused) = (0, 0);
    // What is in the way is the base's own, and the listing of it is known.
    as_ordinary_user(|| {
        for (at, (_, cookie)) in all.iter().enumerate().take(49) {
            let (answer, taken) = list(*cookie);
            assert_eq!(answer.is_err(), taken.is_empty(), "{answer:?}");
            refused += u32::from(answer.is_err_and(|error| error == Error::AccessDenied));
            cut_short += u32::from(!taken.is_empty() && taken.len() < 49 - at);
            assert_eq!(place.reference_count(), known);
        }
    });
    assert!(cut_short > 0 && refused > 0, "{cut_short} cut short, {refused} refused");
    place.forget(dir, 1);
}

#[test]
fn one_entry_of_the_base_is_given_by_name_and_listings_go_on_after_names_of_it() {
    let place = Place::new();
    let (dir, mut names) = (place.node("dir"), Vec::new());
    let mut last = String::new();
    loop {
        let before = names.len();
        let from = bough::ListFrom::Name(last.as_bytes());
        place
            .list_from(&ROOT, dir, None, from, Default::default(), &mut |entry| {
                let room = names.len() == before;
                room.then(|| names.push(String::from_utf8_lossy(entry.name).into_owned()));
                room
            })
            .unwrap();
        let Some(name) = names.get(before) else { break };
        last = name.clone();
    }
    names.sort();
    assert_eq!(names, ["inner", "sub", "twin"]);
    let one = |name: &[u8]| place.list_one(&ROOT, dir, name, Default::default(), &mut |_| true);
    assert_eq!((one(b"inner"), one(b"none")), (Ok(()), Err(Error::NotFound)));
}
