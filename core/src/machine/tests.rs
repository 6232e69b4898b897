use super::*;

#[test]
fn a_machine_has_memory_and_a_share_of_it_is_less() {
    let bytes = memory_bytes();
    assert!(bytes > 1 << 20);
    assert_eq!(share(bytes, 100), bytes);
    assert!(share(bytes, 25) <= bytes / 4);
    assert_eq!(share(u64::MAX, 50), u64::MAX / 2);
}

#[test]
fn what_is_spilled_goes_to_the_first_folder_that_is_there_and_on_a_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let [tmp, var] = ["tmp", "var"].map(|name| folder.path().join(name));
    let folders = [tmp.clone(), var.clone()];
    std::fs::create_dir(&var).expect("a folder");
    assert_eq!(first_on_disk(&folders, |_| false), Ok(var.clone()), "the first is missing");
    std::fs::create_dir(&tmp).expect("a folder");
    assert_eq!(first_on_disk(&folders, |_| false), Ok(tmp.clone()));
    assert_eq!(first_on_disk(&folders, |found| found == tmp), Ok(var));
    let why = first_on_disk(&folders, |_| true).expect_err("all of them are in memory");
    assert!(why.contains("in memory") && why.contains(&*tmp.to_string_lossy()), "{why}");
}

#[cfg(target_os = "linux")]
#[test]
fn folders_in_memory_are_known_as_such() {
    assert!(!Path::new("/dev/shm").is_dir() || is_memory(Path::new("/dev/shm")));
    assert!(!is_memory(Path::new("/nowhere")));
}
