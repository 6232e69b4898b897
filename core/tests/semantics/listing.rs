//! Listings: every entry once, cookies that stay valid, attributes with entries.

use std::collections::HashMap;

use bough::{Error, FileKind, ListOptions, NodeId};

use crate::support::*;

const DOTS: ListOptions = ListOptions { attributes: false, dots: true };
const WITH_ATTRIBUTES: ListOptions = ListOptions { attributes: true, dots: true };

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
    let (_, middle) = page(&fs, dir, 0, count / 2, ListOptions::default());
    for number in 0..1000 {
        assert_eq!(page(&fs, dir, middle, 1, ListOptions::default()).0.len(), 1);
        assert!(fs.exists(&format!("dir/f{}", number * 37)));
    }
    // A listing that walked up to its cookie would visit 25 million entries.
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}
