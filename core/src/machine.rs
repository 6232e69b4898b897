//! What the machine allows: memory, and a disk for what memory has no room for.
//!
//! Asked once, when a volume is opened. What a group of processes (a cgroup, version 1 or 2) or a limit of the process
//! allows counts as what the machine has.

use std::path::{Path, PathBuf};

/// What a machine is taken to have that does not say.
const UNKNOWN_MACHINE_BYTES: u64 = 2 << 30;
/// The most addresses that are left to others from the beginning.
const MOST_RESERVED_BYTES: u64 = 512 << 20;
/// Of what the machine allows a volume takes so many hundredths, if it is not told.
pub(crate) const DEFAULT_PERCENT: u32 = 25;

/// How many bytes of memory this process may use.
pub(crate) fn memory_bytes() -> u64 {
    let groups = os::group_limits();
    groups.into_iter().chain(os::address_space_bytes()).fold(total_bytes(), u64::min)
}

/// The most that a volume takes whatever it is told: half of the addresses that are left, as its regions may take the limit when
/// its metadata does. A quarter of all is for the stacks of threads to come, buffers and programs' own data.
pub(crate) fn most_bytes() -> u64 {
    let Some(bytes) = os::address_space_bytes() else { return u64::MAX };
    let left = bytes.saturating_sub(os::mapped_bytes()).saturating_sub((bytes / 4).min(MOST_RESERVED_BYTES));
    left / 2
}

/// How many addresses the process may have, if that is limited.
pub(crate) fn address_space_bytes() -> Option<u64> {
    os::address_space_bytes()
}

/// Of so many addresses what is always left free, for what cannot be refused.
pub(crate) fn spare_addresses(bytes: u64) -> u64 {
    (bytes / 16).clamp(4 << 20, 64 << 20)
}

pub(crate) fn share(bytes: u64, percent: u32) -> u64 {
    (u128::from(bytes) * u128::from(percent) / 100) as u64
}

fn total_bytes() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return UNKNOWN_MACHINE_BYTES };
    system.refresh_memory();
    match system.total_memory() {
        0 => UNKNOWN_MACHINE_BYTES,
        bytes => bytes,
    }
}

/// The folder of temporary files, or another, that lies on a disk. Why not, if there is none.
pub(crate) fn spill_folder() -> Result<PathBuf, String> {
    first_on_disk(&[std::env::temp_dir(), PathBuf::from("/var/tmp")], is_memory)
}

fn first_on_disk(folders: &[PathBuf], is_memory: impl Fn(&Path) -> bool) -> Result<PathBuf, String> {
    let on_disk = folders.iter().find(|folder| folder.is_dir() && !is_memory(folder));
    on_disk.cloned().ok_or_else(|| {
        let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        format!("nothing is spilled: {} are in memory themselves, or missing", names.join(" and "))
    })
}

/// Whether what is written to this folder stays in memory.
pub(crate) fn is_memory(folder: &Path) -> bool {
    os::is_memory(folder)
}

/// Where the memory of this process' groups is controlled: the files of each, innermost first.
#[cfg(target_os = "linux")]
pub(crate) use self::os::{Group, groups};

#[cfg(target_os = "linux")]
mod os {
    use std::fs::read_to_string;
    use std::path::{Path, PathBuf};

    use rustix::process::{Resource, getrlimit};

    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;

    /// A group of processes whose memory is limited together.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Group {
        V1(PathBuf),
        V2(PathBuf),
    }

    impl Group {
        fn limit_bytes(&self) -> Option<u64> {
            let file = match self {
                Group::V1(folder) => folder.join("memory.limit_in_bytes"),
                Group::V2(folder) => folder.join("memory.max"),
            };
            // "max" is no number, and none.
            read_to_string(file).ok()?.trim().parse().ok()
        }
    }

    /// The groups of this process, innermost first.
    pub(crate) fn groups() -> Vec<Group> {
        groups_in(&read_to_string("/proc/self/cgroup").unwrap_or_default(), Path::new("/sys/fs/cgroup"))
    }

    /// The groups that such a text as `/proc/self/cgroup` has names, below where they are mounted.
    pub(crate) fn groups_in(own: &str, mounted: &Path) -> Vec<Group> {
        own.lines().flat_map(|line| groups_of(line, mounted)).collect()
    }

    /// The groups that one line of `/proc/self/cgroup` names: those of memory, and their parents.
    fn groups_of(line: &str, mounted: &Path) -> Vec<Group> {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            return Vec::new();
        };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|controller| controller == "memory") {
            return below(&mounted.join("memory"), path, Group::V1, "memory.limit_in_bytes");
        }
        if number == "0" && controllers.is_empty() {
            let roots = [mounted.to_owned(), mounted.join("unified")];
            let root = roots.iter().find(|root| root.join("cgroup.controllers").exists());
            return root.map_or_else(Vec::new, |root| below(root, path, Group::V2, "cgroup.procs"));
        }
        Vec::new()
    }

    /// In a container the folder of a group may be mounted as the root of all: what is not there is left out.
    fn below(root: &Path, path: &str, group: fn(PathBuf) -> Group, must_have: &str) -> Vec<Group> {
        let own = root.join(path);
        let folders = own.ancestors().take_while(|folder| folder.starts_with(root));
        folders.filter(|folder| folder.join(must_have).exists()).map(|folder| group(folder.to_owned())).collect()
    }

    pub(super) fn group_limits() -> Vec<u64> {
        groups().iter().filter_map(Group::limit_bytes).collect()
    }

    pub(super) fn address_space_bytes() -> Option<u64> {
        getrlimit(Resource::As).current
    }

    /// Addresses that the process has now.
    pub(super) fn mapped_bytes() -> u64 {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB"));
        size.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
    }

    pub(super) fn is_memory(folder: &Path) -> bool {
        rustix::fs::statfs(folder).is_ok_and(|stats| [TMPFS, RAMFS].contains(&(stats.f_type as u64 & 0xffff_ffff)))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn lines_of_other_controllers_name_no_group_of_memory() {
            for line in ["", "3:cpuset:/", "1:name=systemd:/x", "nonsense", "0:x:/"] {
                assert_eq!(groups_of(line, Path::new("/sys/fs/cgroup")), Vec::new(), "{line}");
            }
        }

        /// A folder with groups as a machine has them that knows version 2 only.
        fn second_version(limits: &[(&str, &str)]) -> tempfile::TempDir {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("cgroup.controllers"), "cpu io memory").expect("a file");
            for (group, limit) in limits {
                let group = folder.path().join(group);
                std::fs::create_dir_all(&group).expect("folders");
                std::fs::write(group.join("cgroup.procs"), "1").expect("a file");
                std::fs::write(group.join("memory.max"), limit).expect("a file");
            }
            folder
        }

        #[test]
        fn groups_of_version_2_are_found_with_their_limits_innermost_first() {
            let folder = second_version(&[("user", "900"), ("user/a", "max"), ("user/a/b", "7000")]);
            let found = groups_in("0::/user/a/b\n", folder.path());
            let at = |group: &str| Group::V2(folder.path().join(group));
            assert_eq!(found, [at("user/a/b"), at("user/a"), at("user")]);
            assert_eq!(found.iter().map(Group::limit_bytes).collect::<Vec<_>>(), [Some(7000), None, Some(900)]);
            // Beside version 1 it is mounted a folder deeper, and has its own line.
            let beside = tempfile::tempdir().expect("a folder");
            std::fs::rename(folder.keep(), beside.path().join("unified")).expect("a rename");
            let found = groups_in("4:memory:/x\n0::/user\n", beside.path());
            assert_eq!(found, [Group::V2(beside.path().join("unified/user"))]);
        }

        #[test]
        fn the_parents_of_a_group_limit_it_too() {
            let folder = tempfile::tempdir().expect("a folder");
            let inner = folder.path().join("a/b");
            std::fs::create_dir_all(&inner).expect("folders");
            for (at, limit) in [("", "max"), ("a", "1000"), ("a/b", "5000")] {
                std::fs::write(folder.path().join(at).join("memory.max"), limit).expect("a file");
            }
            let found = below(folder.path(), "a/b", Group::V2, "memory.max");
            assert_eq!(found.len(), 3);
            assert_eq!(found[0], Group::V2(inner));
            assert_eq!(found.iter().filter_map(Group::limit_bytes).min(), Some(1000));
            assert_eq!(below(folder.path(), "not/there", Group::V1, "memory.max").len(), 1);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use std::path::Path;

    pub(super) fn group_limits() -> Vec<u64> {
        Vec::new()
    }

    pub(super) fn address_space_bytes() -> Option<u64> {
        None
    }

    pub(super) fn mapped_bytes() -> u64 {
        0
    }

    pub(super) fn is_memory(_: &Path) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
