//! Listings: every entry once, cookies that stay valid, attributes with entries.

use std::collections::HashMap;

use bough::{Config, Error, FileKind, ListFrom, ListOptions, NamePolicy, NodeId, RefId};

use crate::support::*;

const DOTS: ListOptions = ListOptions { attributes: false, only_news: false, dots: true, dots_below_root: false };
const WITH_ATTRIBUTES: ListOptions =
    ListOptions { attributes: true, only_news: false, dots: true, dots_below_root: false };

/// At most `most` entries after a cookie: names, and the cookie to go on from.
fn page(fs: &Fs, node: NodeId, cookie: u64, most: usize, options: ListOptions) -> (Vec<String>, u64) {
    let (mut names, mut next) = (Vec::new(), cookie);
    fs.list(&ROOT, node, None, cookie, options, &mut |entry| {
        if names.len() == most {
            return false;
        }
        names.push(String::from_utf8_lossy(entry.name).into_owned());
        next = entry.cookie;
        true
    })
    .unwrap();
    (names, next)
}

fn fill(fs: &Fs, count: usize) -> NodeId {
    fs.mkdir_p("dir");
    (0..count).for_each(|number| fs.write_file(&format!("dir/f{number}"), ""));
    fs.node("dir")
}

#[test]
fn an_empty_directory_lists_the_dots_if_they_are_asked_for() {
    let fs = Fs::new();
    assert_eq!(page(&fs, NodeId::ROOT, 0, 9, DOTS).0, [".", ".."]);
    assert_eq!(page(&fs, NodeId::ROOT, 0, 9, ListOptions::default()).0, [""; 0]);
}

#[test]
fn dots_show_the_directory_and_the_one_above() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    let (a, b) = (fs.node("a"), fs.node("a/b"));
    let mut seen = Vec::new();
    fs.list(&ROOT, b, None, 0, WITH_ATTRIBUTES, &mut |entry| {
        seen.push((entry.name.to_vec(), entry.node, entry.kind, entry.attr.unwrap().inode));
        true
    })
    .unwrap();
    let expected = [(&b"."[..], b), (b"..", a)];
    let expected = expected.map(|(name, node)| (name.to_vec(), node, FileKind::Directory, node.inode()));
    assert_eq!(seen, expected);
}

#[test]
fn a_listing_in_pages_gives_every_entry_once() {
    let fs = Fs::new();
    for count in [1, 10, 1000] {
        let dir = fill(&fs, count);
        for size in [1, 7, 100] {
            let (mut all, mut cookie) = (Vec::new(), 0);
            loop {
                let (names, next) = page(&fs, dir, cookie, size, DOTS);
                if names.is_empty() {
                    break;
                }
                assert!(next > cookie && next < 1 << 63);
                cookie = next;
                all.extend(names);
            }
            assert_eq!(all.len(), count + 2, "{count} in pages of {size}");
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count + 2);
        }
    }
}

#[test]
fn entries_that_are_there_throughout_are_listed_exactly_once_whatever_comes_and_goes() {
    let fs = Fs::new();
    let dir = fill(&fs, 500);
    let (mut seen, mut cookie, mut round) = (HashMap::new(), 0, 0);
    loop {
        let (names, next) = page(&fs, dir, cookie, 3, ListOptions::default());
        if names.is_empty() {
            break;
        }
        cookie = next;
        names.into_iter().for_each(|name| *seen.entry(name).or_insert(0) += 1);
        fs.write_file(&format!("dir/new{round}"), "");
        if round < 100 {
            fs.remove_file(&format!("dir/f{}", 400 + round));
        }
        round += 1;
    }
    for number in 0..400 {
        assert_eq!(seen.get(&format!("f{number}")), Some(&1), "f{number}");
    }
    assert!(seen.values().all(|&count| count == 1));
}

#[test]
fn a_listing_can_remove_what_it_lists() {
    let fs = Fs::new();
    let dir = fill(&fs, 300);
    let mut cookie = 0;
    loop {
        let (names, next) = page(&fs, dir, cookie, 10, ListOptions::default());
        if names.is_empty() {
            break;
        }
        cookie = next;
        names.iter().for_each(|name| fs.remove_file(&format!("dir/{name}")));
    }
    fs.remove_dir("dir");
}

#[test]
fn entries_with_attributes_count_one_reference_each_if_they_are_taken() {
    let fs = Fs::new();
    let dir = fill(&fs, 10);
    fs.mkdir_p("dir/sub");
    let mut taken = Vec::new();
    fs.list(&ROOT, dir, None, 0, WITH_ATTRIBUTES, &mut |entry| {
        if taken.len() == 7 {
            return false;
        }
        let attr = entry.attr.unwrap();
        assert_eq!((attr.inode, attr.kind, entry.inode), (entry.node.inode(), entry.kind, entry.node.inode()));
        taken.push(entry.node);
        true
    })
    .unwrap();
    assert_eq!(fs.reference_count(), 1 + 5, "the directory and five entries; the dots count nothing");
    taken[2..].iter().for_each(|&node| fs.forget(node, 1));
    assert_eq!(fs.reference_count(), 1);
    page(&fs, dir, 0, 99, DOTS);
    assert_eq!(fs.reference_count(), 1, "without attributes nothing is counted");
}

#[test]
fn each_of_thousands_that_a_listing_takes_is_counted_once_and_none_that_it_does_not_take() {
    const FILES: usize = 3_000;
    const PAGE: usize = 97;
    let fs = Fs::new();
    let dir = fill(&fs, FILES);
    let gone: Vec<String> = (0..FILES).step_by(3).map(|number| format!("f{number}")).collect();
    let (mut taken, mut cookie) = (HashMap::new(), 0);
    loop {
        let mut left = PAGE;
        fs.list(&ROOT, dir, None, cookie, WITH_ATTRIBUTES, &mut |entry| {
            let name = String::from_utf8_lossy(entry.name).into_owned();
            left = left.saturating_sub(1);
            if left == 0 {
                return false;
            }
            cookie = entry.cookie;
            if name != "." && name != ".." {
                assert_eq!(entry.attr.map(|attr| attr.inode), Some(entry.inode));
                assert_eq!(fs.references(entry.node), 1, "{name}");
                assert_eq!(taken.insert(name, entry.node), None);
            }
            true
        })
        .unwrap();
        if left > 0 {
            break;
        }
        // What comes next in the order of the listing goes meanwhile, and what it has given goes as well.
        gone.iter().skip(taken.len() / 3).take(PAGE).for_each(|name| {
            if fs.exists(&format!("dir/{name}")) {
                fs.remove_file(&format!("dir/{name}"));
            }
        });
    }
    assert!((0..FILES).filter(|number| number % 3 != 0).all(|number| taken.contains_key(&format!("f{number}"))));
    assert_eq!(fs.reference_count() as usize, 1 + taken.len(), "the directory, and what was taken");
    taken.values().for_each(|&node| fs.forget(node, 1));
    assert_eq!(fs.reference_count(), 1);
    assert_eq!(fs.volume.check_invariants(true).problems, Vec::<String>::new());
}

#[test]
fn only_directories_are_listed_and_only_by_handles_open_for_reading() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let list = |node, handle| fs.list(&ROOT, node, handle, 0, DOTS, &mut |_| true);
    let file = fs.node("file");
    assert_eq!(list(file, None), Err(Error::NotADirectory));
    assert_eq!(list(NodeId(4242), None), Err(Error::Stale));
    let handle = fs.open_node(&ROOT, NodeId::ROOT, Default::default()).unwrap();
    assert_eq!(list(NodeId::ROOT, Some(handle)), Err(Error::BadHandle));
}

#[test]
fn a_removed_directory_that_is_open_lists_nothing_more() {
    let fs = Fs::new();
    let dir = fill(&fs, 1);
    let handle = fs.open_node(&ROOT, dir, READ).unwrap();
    fs.remove_file("dir/f0");
    fs.remove_dir("dir");
    let mut names = 0;
    fs.list(&ROOT, dir, Some(handle), 0, ListOptions::default(), &mut |_| {
        names += 1;
        true
    })
    .unwrap();
    assert_eq!(names, 0);
}

#[test]
fn a_large_directory_is_listed_and_searched_without_anything_quadratic() {
    let fs = Fs::new();
    let count = 50_000;
    let dir = fill(&fs, count);
    fs.snapshot("free");
    let begun = std::time::Instant::now();
    assert_eq!(fs.names("dir").len(), count);
    let whole = begun.elapsed();
    let (_, middle) = page(&fs, dir, 0, count / 2, ListOptions::default());
    let begun = std::time::Instant::now();
    for number in 0..1000 {
        assert_eq!(page(&fs, dir, middle, 1, ListOptions::default()).0.len(), 1);
        assert!(fs.exists(&format!("dir/f{}", number * 37)));
    }
    // A listing that walked up to its cookie would visit 25 million entries: 500 times as many as there are.
    let took = begun.elapsed();
    assert!(took < whole * 50, "{took:?} where listing it once takes {whole:?}");
}

/// At most `most` names from a place on, and the verifier.
fn page_from(fs: &Fs, node: NodeId, from: ListFrom<'_>, most: usize) -> bough::Result<(Vec<String>, u64)> {
    let mut names = Vec::new();
    let verifier = fs.list_from(&ROOT, node, None, from, DOTS, &mut |entry| {
        let room = names.len() < most;
        room.then(|| names.push(String::from_utf8_lossy(entry.name).into_owned()));
        room
    })?;
    Ok((names, verifier))
}

#[test]
fn a_listing_goes_on_after_the_name_given_last() {
    let fs = Fs::new();
    let dir = fill(&fs, 300);
    let (all, _) = page_from(&fs, dir, ListFrom::Name(b""), usize::MAX).unwrap();
    assert_eq!((all.len(), &all[0], &all[1]), (302, &".".into(), &"..".into()));
    for size in [1, 7, 100] {
        let (mut seen, mut last) = (Vec::new(), String::new());
        loop {
            let (names, _) = page_from(&fs, dir, ListFrom::Name(last.as_bytes()), size).unwrap();
            let Some(end) = names.last() else { break };
            last = end.clone();
            seen.extend(names);
        }
        assert_eq!(seen, all, "in pages of {size}");
    }
}

#[test]
fn a_listing_goes_on_where_its_marker_was_when_that_has_gone() {
    let fs = Fs::new();
    let dir = fill(&fs, 100);
    let (all, _) = page_from(&fs, dir, ListFrom::Name(b""), usize::MAX).unwrap();
    for (at, marker) in all.iter().enumerate().skip(2).step_by(13) {
        fs.remove_file(&format!("dir/{marker}"));
        let (rest, _) = page_from(&fs, dir, ListFrom::Name(marker.as_bytes()), usize::MAX).unwrap();
        let expected: Vec<String> = all[at + 1..].to_vec();
        assert_eq!(rest, expected, "after {marker}");
        fs.write_file(&format!("dir/{marker}"), "");
    }
}

#[test]
fn a_marker_is_folded_as_names_are() {
    let fs = Fs::of(Config { names: NamePolicy::Windows, root_mode: 0o777, ..Config::default() });
    let dir = fill(&fs, 20);
    let (all, _) = page_from(&fs, dir, ListFrom::Name(b""), usize::MAX).unwrap();
    let (rest, _) = page_from(&fs, dir, ListFrom::Name(all[9].to_uppercase().as_bytes()), usize::MAX).unwrap();
    assert_eq!(rest, all[10..]);
}

#[test]
fn dots_can_be_left_out_of_the_root_alone() {
    let fs = Fs::new();
    let dir = fill(&fs, 1);
    let options = ListOptions { dots_below_root: true, ..ListOptions::default() };
    assert_eq!(page(&fs, NodeId::ROOT, 0, 9, options).0, ["dir"]);
    assert_eq!(page(&fs, dir, 0, 9, options).0, [".", "..", "f0"]);
}

#[test]
fn one_entry_is_given_by_its_name_as_it_is_stored_and_counts_one_reference() {
    let fs = Fs::of(Config { names: NamePolicy::MacOs, root_mode: 0o777, ..Config::default() });
    fs.mkdir_p("Dir");
    let options = ListOptions { attributes: true, ..ListOptions::default() };
    let mut seen = Vec::new();
    fs.list_one(&ROOT, NodeId::ROOT, b"dIR", options, &mut |entry| {
        seen.push((entry.name.to_vec(), entry.node, entry.attr.unwrap().kind));
        true
    })
    .unwrap();
    let dir = seen[0].1;
    assert_eq!(seen, [(b"Dir".to_vec(), dir, FileKind::Directory)]);
    assert_eq!(fs.reference_count(), 1);
    fs.forget(dir, 1);
    let one = |node, name: &[u8]| fs.list_one(&ROOT, node, name, options, &mut |_| false);
    assert_eq!((one(NodeId::ROOT, b"dir"), fs.reference_count()), (Ok(()), 0), "refused, and so not counted");
    assert_eq!(one(NodeId::ROOT, b"none"), Err(Error::NotFound));
    assert_eq!((one(NodeId::ROOT, b"."), one(NodeId::ROOT, b"..")), (Ok(()), Ok(())));
    assert_eq!(fs.list_one(&user(1, 1), NodeId::ROOT, b"dir", options, &mut |_| true), Ok(()));
    fs.chmod("/", 0o600);
    assert_eq!(fs.list_one(&user(1, 1), NodeId::ROOT, b"dir", options, &mut |_| true), Err(Error::AccessDenied));
}

#[test]
fn the_verifier_changes_with_every_change_of_the_entries_and_with_nothing_else_than_the_directory() {
    let fs = Fs::new();
    let dir = fill(&fs, 3);
    let verifier = || page_from(&fs, dir, ListFrom::Cookie(0), 0).unwrap().1;
    let mut last = verifier();
    assert!(last != 0 && last == verifier());
    fs.write_file("dir/f0", "content of a file below");
    assert_eq!(last, verifier());
    let changes: [&dyn Fn(); 6] = [
        &|| fs.write_file("dir/new", ""),
        &|| fs.move_to("dir/new", "dir/newer"),
        &|| fs.hard_link("dir/newer", "dir/link"),
        &|| fs.move_as("dir/f0", "dir/f1", bough::RenameMode::Exchange).unwrap(),
        &|| fs.move_to("dir/newer", "elsewhere"),
        &|| fs.remove_file("dir/link"),
    ];
    for (number, change) in changes.iter().enumerate() {
        change();
        let now = verifier();
        assert!(now != last && now != 0, "change {number}");
        last = now;
    }
}

#[test]
fn a_cookie_goes_on_after_changes_and_is_refused_after_a_switch_or_with_a_verifier_of_nothing() {
    let fs = Fs::new();
    let dir = fill(&fs, 30);
    let mut cookie = 0;
    let verifier = fs
        .list_from(&ROOT, dir, None, ListFrom::Cookie(0), ListOptions::default(), &mut |entry| {
            let room = cookie == 0;
            cookie = if room { entry.cookie } else { cookie };
            room
        })
        .unwrap();
    fs.write_file("dir/another", "");
    let from = |node, cookie, verifier| page_from(&fs, node, ListFrom::Verified { cookie, verifier }, 99);
    assert!(from(dir, cookie, verifier).unwrap().0.len() >= 29);
    assert_eq!(from(dir, cookie, 0), Err(Error::BadCookie));
    assert_eq!(from(dir, cookie, verifier + 100), Err(Error::BadCookie));
    assert_eq!(from(dir, u64::MAX, verifier), Err(Error::BadCookie));
    assert!(from(dir, 0, 0).is_ok(), "a beginning needs no verifier");
    let (_, root) = from(NodeId::ROOT, 0, 0).unwrap();
    fs.switch(RefId::Branch(fs.branch("b", fs.main()))).unwrap();
    assert_eq!(from(NodeId::ROOT, cookie, root), Err(Error::BadCookie), "the root is that of another tree now");
}

#[test]
fn to_read_ahead_in_a_directory_changes_nothing() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    (0..1500).for_each(|n| fs.write_file(&format!("dir/{n}"), ""));
    let (directory, file) = (fs.node("dir"), fs.node("dir/7"));
    let all = || page(&fs, directory, 0, usize::MAX, ListOptions::default());
    let (before, attr, known) = (all(), fs.attr(directory), fs.reference_count());
    let (_, half) = page(&fs, directory, 0, 750, ListOptions::default());
    for node in [directory, file, NodeId::ROOT, NodeId(0), NodeId(u64::MAX)] {
        for cookie in [0, half, u64::MAX] {
            [0, 1, 200, usize::MAX].iter().for_each(|entries| fs.list_ahead(node, cookie, *entries));
        }
    }
    assert_eq!((all(), fs.attr(directory), fs.reference_count()), (before, attr, known));
}
