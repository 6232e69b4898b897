//! Mount options: those of the command line and those of `-o`, sorted into ours, the daemon's and the kernel's.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::ValueEnum;
use rustix::mount::MountFlags;

use crate::errors::{Failure, Result};
use crate::refs::Kind;
use crate::size::Size;

/// What is a name in a volume, and which spellings are one (`docs/semantics.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NameRules {
    /// Any bytes but a slash and NUL
    Posix,
    /// As posix, but names that differ in case only are one
    PosixIgnoreCase,
    /// What Windows programs can use; case ignored
    Windows,
    /// UTF-8; case and the form of accents ignored
    Macos,
}

impl NameRules {
    /// The daemon's word.
    fn word(self) -> &'static str {
        match self {
            NameRules::Posix => "posix",
            NameRules::PosixIgnoreCase => "posix-ignore-case",
            NameRules::Windows => "windows",
            NameRules::Macos => "macos",
        }
    }
}

/// Everything that a mount was asked to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) volume: Option<String>,
    /// The branch or snapshot to show.
    pub(crate) shows: Option<(Kind, String)>,
    pub(crate) memory: Option<Size>,
    pub(crate) spill_dir: Option<PathBuf>,
    pub(crate) spill_limit: Option<Size>,
    pub(crate) spill_reserve: Option<Size>,
    pub(crate) no_spill: bool,
    pub(crate) names: Option<NameRules>,
    /// The directory that the volume lies over.
    pub(crate) base: Option<PathBuf>,
    /// Show what is mounted below the base.
    pub(crate) cross_mounts: bool,
    /// Copy what is read of the base.
    pub(crate) freeze: bool,
    /// A new volume without a mount point: it lives as long as its branches.
    pub(crate) unmounted: bool,
    /// The volume outlives its last mount point.
    pub(crate) keep: bool,
    pub(crate) no_default_permissions: bool,
    /// The others, as they were given.
    pub(crate) others: Vec<String>,
}

/// What mount(8) and fstab say to themselves.
const NOT_FOR_US: [&str; 13] = [
    "defaults",
    "rw",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "owner",
    "group",
    "nofail",
    "_netdev",
    "default_permissions",
    "loop",
];

/// Options that the kernel takes as flags: set, or taken back.
const FLAGS: [(&str, MountFlags, bool); 14] = [
    ("ro", MountFlags::RDONLY, true),
    ("suid", MountFlags::NOSUID, false),
    ("nosuid", MountFlags::NOSUID, true),
    ("dev", MountFlags::NODEV, false),
    ("nodev", MountFlags::NODEV, true),
    ("exec", MountFlags::NOEXEC, false),
    ("noexec", MountFlags::NOEXEC, true),
    ("sync", MountFlags::SYNCHRONOUS, true),
    ("async", MountFlags::SYNCHRONOUS, false),
    ("dirsync", MountFlags::DIRSYNC, true),
    ("atime", MountFlags::NOATIME, false),
    ("noatime", MountFlags::NOATIME, true),
    ("diratime", MountFlags::NODIRATIME, false),
    ("nodiratime", MountFlags::NODIRATIME, true),
];

impl Options {
    /// Takes in the value of one `-o`.
    pub(crate) fn add(&mut self, list: &str) -> Result<()> {
        split(list).iter().filter(|option| !option.is_empty()).try_for_each(|option| self.add_one(option))
    }

    fn add_one(&mut self, option: &str) -> Result<()> {
        let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let wanted = || value.filter(|value| !value.is_empty()).map(str::to_owned).ok_or_else(|| no_value(name));
        match name {
            "volume" => self.volume = Some(wanted()?),
            "branch" => self.show(Kind::Branch, wanted()?)?,
            "snapshot" => self.show(Kind::Snapshot, wanted()?)?,
            "memory" => self.memory = Some(size(name, &wanted()?)?),
            "spill_dir" => self.spill_dir = Some(wanted()?.into()),
            "spill_limit" => self.spill_limit = Some(size(name, &wanted()?)?),
            "spill_reserve" => self.spill_reserve = Some(size(name, &wanted()?)?),
            "no_spill" => self.no_spill = true,
            "names" => self.names = Some(name_rules(&wanted()?)?),
            "base" => self.base = Some(wanted()?.into()),
            "cross_mounts" => self.cross_mounts = true,
            "freeze" => self.freeze = true,
            "keep" => self.keep = true,
            "no_default_permissions" => self.no_default_permissions = true,
            _ if NOT_FOR_US.contains(&name) || name.starts_with("x-") || name == "comment" => {}
            _ => self.others.push(option.to_owned()),
        }
        Ok(())
    }

    fn show(&mut self, kind: Kind, name: String) -> Result<()> {
        if self.shows.as_ref().is_some_and(|(other, _)| *other != kind) {
            return Err(Failure::usage("a mount point shows a branch or a snapshot, not both: leave out one"));
        }
        self.shows = Some((kind, name));
        Ok(())
    }

    /// Checks what belongs together.
    pub(crate) fn check(&self) -> Result<()> {
        if self.no_default_permissions && self.has("allow_other") {
            return Err(Failure::usage("allow_other needs default_permissions: leave out no_default_permissions"));
        }
        let percent = |size: Option<Size>| matches!(size, Some(Size::Percent(_)));
        if percent(self.spill_limit) || percent(self.spill_reserve) {
            return Err(Failure::usage("spill_limit and spill_reserve are bytes: a share is one of memory only"));
        }
        if self.no_spill && (self.spill_dir.is_some() || self.spill_limit.is_some() || self.spill_reserve.is_some()) {
            return Err(Failure::usage("no_spill, and how to spill: leave out one of them"));
        }
        if self.base.is_none() && (self.cross_mounts || self.freeze) {
            return Err(Failure::usage("cross_mounts and freeze say how a base is used: give --base DIR too"));
        }
        if self.base.is_some() && self.names.is_some_and(|rules| rules != NameRules::Posix) {
            return Err(Failure::usage("the names in a directory are those of POSIX: leave out names or base"));
        }
        Ok(())
    }

    /// Options that only a volume's beginning can have; their names.
    pub(crate) fn for_a_new_volume(&self) -> Vec<&'static str> {
        let given = [
            (self.memory.is_some(), "memory"),
            (self.spill_dir.is_some(), "spill_dir"),
            (self.spill_limit.is_some(), "spill_limit"),
            (self.spill_reserve.is_some(), "spill_reserve"),
            (self.no_spill, "no_spill"),
            (self.names.is_some(), "names"),
            (self.base.is_some(), "base"),
            (self.cross_mounts, "cross_mounts"),
            (self.freeze, "freeze"),
            (self.keep, "keep"),
        ];
        given.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect()
    }

    /// Whether this option was given, of those that are not ours.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.others.iter().any(|other| other == option)
    }

    /// The value of the daemon's `-o`; empty when there is nothing to say.
    pub(crate) fn for_daemon(&self) -> OsString {
        let mut list = List::default();
        list.value("volume", self.volume.as_deref().map(str::as_bytes));
        if let Some((kind, name)) = &self.shows {
            list.value(kind.noun(), Some(name.as_bytes()));
        }
        list.size("memory", self.memory);
        list.value("spill_dir", self.spill_dir.as_ref().map(|dir| dir.as_os_str().as_bytes()));
        list.flag("unmounted", self.unmounted);
        list.size("spill_limit", self.spill_limit);
        list.size("spill_reserve", self.spill_reserve);
        list.flag("no_spill", self.no_spill);
        list.value("names", self.names.map(|rules| rules.word().as_bytes()));
        list.value("base", self.base.as_ref().map(|dir| dir.as_os_str().as_bytes()));
        list.flag("cross_mounts", self.cross_mounts);
        list.flag("freeze", self.freeze);
        list.flag("keep", self.keep);
        list.flag("default_permissions", !self.no_default_permissions);
        self.others.iter().for_each(|option| list.push(option.as_bytes()));
        OsString::from_vec(list.0)
    }

    /// Flags and words for a mount of our own.
    ///
    /// Errors: an option that only a daemon takes.
    pub(crate) fn for_kernel(&self) -> Result<(MountFlags, Vec<&str>)> {
        let mut flags = MountFlags::NOSUID | MountFlags::NODEV;
        let mut words = Vec::new();
        if !self.no_default_permissions {
            words.push("default_permissions");
        }
        if matches!(self.shows, Some((Kind::Snapshot, _))) {
            flags |= MountFlags::RDONLY;
        }
        for option in &self.others {
            match FLAGS.iter().find(|(name, ..)| name == option) {
                Some(&(_, flag, set)) => flags.set(flag, set),
                None if option == "allow_other" => words.push("allow_other"),
                None => return Err(not_for_a_view(option)),
            }
        }
        Ok((flags, words))
    }

    /// The value of the `-o` of fusermount3. Which options a user may have is left to it.
    pub(crate) fn for_helper(&self, source: &str) -> Result<OsString> {
        let (_, words) = self.for_kernel()?;
        let mut list = List::default();
        list.value("fsname", Some(source.as_bytes()));
        list.value("subtype", Some(b"bough"));
        words.iter().for_each(|word| list.push(word.as_bytes()));
        list.flag("ro", matches!(self.shows, Some((Kind::Snapshot, _))) && !self.has("ro"));
        let flags = self.others.iter().filter(|option| *option != "allow_other");
        flags.for_each(|option| list.push(option.as_bytes()));
        Ok(OsString::from_vec(list.0))
    }
}

fn size(name: &str, text: &str) -> Result<Size> {
    text.parse().map_err(|why| Failure::usage(format!("{name}={text}: {why}")))
}

fn name_rules(text: &str) -> Result<NameRules> {
    NameRules::from_str(text, false).map_err(|_| {
        let known: Vec<&str> = NameRules::value_variants().iter().map(|rules| rules.word()).collect();
        Failure::usage(format!("names={text}: no such rules; there are {}", known.join(", ")))
    })
}

fn no_value(name: &str) -> Failure {
    Failure::usage(format!("the mount option {name} needs a value: {name}=…"))
}

fn not_for_a_view(option: &str) -> Failure {
    Failure::usage(format!("the mount option {option} is unknown, or only for a new volume: leave it out"))
}

/// Splits at commas; a backslash takes the character after it as it is.
fn split(list: &str) -> Vec<String> {
    let mut options = vec![String::new()];
    let mut characters = list.chars();
    while let Some(character) = characters.next() {
        let last = options.last_mut().expect("invariant: there is always one");
        match character {
            ',' => options.push(String::new()),
            '\\' => last.extend(characters.next()),
            _ => last.push(character),
        }
    }
    options
}

/// A list with commas, in which commas and backslashes of values have a backslash before them.
#[derive(Debug, Default)]
struct List(Vec<u8>);

impl List {
    fn push(&mut self, option: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        for &byte in option {
            if matches!(byte, b',' | b'\\') {
                self.0.push(b'\\');
            }
            self.0.push(byte);
        }
    }

    fn flag(&mut self, name: &str, given: bool) {
        if given {
            self.push(name.as_bytes());
        }
    }

    fn size(&mut self, name: &str, size: Option<Size>) {
        self.value(name, size.map(|size| size.to_string()).as_deref().map(str::as_bytes));
    }

    fn value(&mut self, name: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.push(&[name.as_bytes(), b"=", value].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(lists: &[&str]) -> Options {
        let mut options = Options::default();
        lists.iter().for_each(|list| options.add(list).unwrap());
        options
    }

    fn refused(list: &str) -> bool {
        Options::default().add(list).is_err()
    }

    #[test]
    fn our_options_are_taken_out_and_the_others_pass() {
        let options = options(&["volume=v,memory=1M,max_read=4096", "names=macos,ro"]);
        assert_eq!(options.volume.as_deref(), Some("v"));
        assert_eq!(options.memory, Some(Size::Bytes(1 << 20)));
        let daemon = "volume=v,memory=1048576,names=macos,default_permissions,max_read=4096,ro";
        assert_eq!(options.for_daemon(), daemon);
    }

    #[test]
    fn rules_of_names_have_one_word_on_the_command_line_and_for_the_daemon() {
        for rules in NameRules::value_variants() {
            assert_eq!(rules.to_possible_value().unwrap().get_name(), rules.word());
        }
    }

    #[test]
    fn what_fstab_says_to_itself_is_left_out() {
        let options =
            options(&["rw,auto,noauto,user,user=eve,nofail,_netdev,x-systemd.automount,comment=a,defaults,,"]);
        assert_eq!(options, Options::default());
        assert_eq!(options.for_daemon(), "default_permissions");
    }

    #[test]
    fn commas_and_backslashes_in_values_survive() {
        let options = options(&[r"spill_dir=/a\,b\\c,keep"]);
        assert_eq!(options.spill_dir, Some(r"/a,b\c".into()));
        assert!(options.keep);
        assert_eq!(options.for_daemon(), r"spill_dir=/a\,b\\c,keep,default_permissions");
    }

    #[test]
    fn bad_values_are_refused() {
        assert!(refused("memory=lots"));
        assert!(refused("memory"));
        assert!(refused("volume="));
        assert!(refused("names=dos"));
        assert!(refused("names"));
        assert!(options(&["base=/,names=windows"]).check().is_err());
        assert!(options(&["base=/,names=posix"]).check().is_ok());
        assert!(refused("branch=a,snapshot=b"));
        assert!(options(&["allow_other,no_default_permissions"]).check().is_err());
        assert!(options(&["allow_other"]).check().is_ok());
    }

    #[test]
    fn a_mount_of_ones_own_keeps_devices_and_setuid_out_unless_asked() {
        let (flags, words) = options(&["noatime,allow_other"]).for_kernel().map(|(f, w)| (f, w.join(","))).unwrap();
        assert_eq!(flags, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME);
        assert_eq!(words, "default_permissions,allow_other");
        assert_eq!(options(&["suid,dev"]).for_kernel().unwrap().0, MountFlags::empty());
        assert!(options(&["max_read=1"]).for_kernel().is_err());
    }

    #[test]
    fn a_snapshot_is_mounted_read_only() {
        let options = options(&["snapshot=s"]);
        assert!(options.for_kernel().unwrap().0.contains(MountFlags::RDONLY));
        assert_eq!(options.for_helper("v").unwrap(), "fsname=v,subtype=bough,default_permissions,ro");
    }

    #[test]
    fn options_of_a_beginning_are_known() {
        assert_eq!(options(&["memory=1G,keep"]).for_a_new_volume(), ["memory", "keep"]);
        assert!(options(&["ro"]).for_a_new_volume().is_empty());
    }
}
