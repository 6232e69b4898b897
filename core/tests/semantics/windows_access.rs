//! Who may: callers with a token, checked against descriptors as an operating system would.

use bough::windows::{create_options as options, rights};
use bough::{Caller, Error, Group, Privileges, Sid, Token, TokenPrivileges, WindowsOpen};

use crate::support::windows::*;
use crate::support::*;

const WORLD: Sid = Sid::new(1, &[0]);

/// The identifier of an account that has this uid or gid (the scheme of Cygwin and Services for UNIX).
fn account(id: u32) -> Sid {
    Sid::new(5, &[21, 1, 2, 3, id])
}

/// Whoever is not the owner and in no group but everyone.
fn stranger(privileges: TokenPrivileges) -> Token {
    let everyone = Group { sid: WORLD, enabled: true, deny_only: false, may_own: false };
    Token { groups: [everyone].into(), ..Token::of(account(9), privileges) }
}

fn by(token: &Token) -> Caller<'_> {
    Caller { token: Some(token), ..user(9, 9) }
}

#[test]
fn a_token_is_checked_against_the_descriptor_and_not_by_uid() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let token = stranger(TokenPrivileges::NONE);
    fs.chmod("file", 0o640);
    assert_eq!(fs.ask_as(&by(&token), "file", READING), Err(Error::AccessDenied));
    // The uid of a caller with a token says nothing, not even 0.
    let root = Caller { token: Some(&token), uid: 0, privileges: Privileges::NONE, ..ROOT };
    assert_eq!(fs.ask_as(&root, "file", READING), Err(Error::AccessDenied));
    fs.chmod("file", 0o644);
    assert!(fs.ask_as(&by(&token), "file", READING).is_ok());
    assert_eq!(fs.ask_as(&by(&token), "file", WRITING), Err(Error::AccessDenied));
}

#[test]
fn a_disabled_group_allows_nothing() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.chmod("file", 0o644);
    let mut token = stranger(TokenPrivileges::NONE);
    token.groups[0].enabled = false;
    assert_eq!(fs.ask_as(&by(&token), "file", READING), Err(Error::AccessDenied));
}

#[test]
fn backup_reads_and_restore_writes_only_with_backup_intent() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.chmod("file", 0o600);
    let intent = |open| WindowsOpen { options: options::OPEN_FOR_BACKUP_INTENT, ..open };
    let backup = stranger(TokenPrivileges::BACKUP);
    assert_eq!(fs.ask_as(&by(&backup), "file", READING), Err(Error::AccessDenied));
    assert!(fs.ask_as(&by(&backup), "file", intent(READING)).is_ok());
    assert_eq!(fs.ask_as(&by(&backup), "file", intent(WRITING)), Err(Error::AccessDenied));
    let restore = stranger(TokenPrivileges::RESTORE);
    assert!(fs.ask_as(&by(&restore), "file", intent(WRITING)).is_ok());
    assert_eq!(fs.ask_as(&by(&restore), "file", intent(READING)), Err(Error::AccessDenied));
}

#[test]
fn taking_ownership_and_reading_a_sacl_take_privileges() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.chmod("file", 0o644);
    let none = stranger(TokenPrivileges::NONE);
    let asks = |access| WindowsOpen { access, ..READING };
    assert_eq!(fs.ask_as(&by(&none), "file", asks(rights::WRITE_OWNER)), Err(Error::AccessDenied));
    assert_eq!(fs.ask_as(&by(&none), "file", asks(rights::SYSTEM_SECURITY)), Err(Error::PrivilegeNotHeld));
    let takes = stranger(TokenPrivileges::TAKE_OWNERSHIP);
    assert!(fs.ask_as(&by(&takes), "file", asks(rights::WRITE_OWNER)).is_ok());
    let audits = stranger(TokenPrivileges::SECURITY);
    assert!(fs.ask_as(&by(&audits), "file", asks(rights::SYSTEM_SECURITY)).is_ok());
}

#[test]
fn traverse_checks_are_skipped_with_change_notify() {
    let fs = Fs::new();
    fs.mkdir_p("dir/sub");
    fs.write_file("dir/sub/file", "");
    fs.chmod("dir/sub/file", 0o644);
    fs.chmod("dir", 0o700);
    let plain = stranger(TokenPrivileges::NONE);
    assert_eq!(fs.ask_as(&by(&plain), "dir/sub/file", READING), Err(Error::AccessDenied));
    let notified = stranger(TokenPrivileges::CHANGE_NOTIFY);
    assert!(fs.ask_as(&by(&notified), "dir/sub/file", READING).is_ok());
    assert_eq!(fs.ask_as(&by(&notified), "dir", READING), Err(Error::AccessDenied), "to list it is another right");
}

#[test]
fn deleting_may_come_from_the_directory() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("dir/file", "");
    fs.chmod("dir/file", 0o600);
    let token = stranger(TokenPrivileges::CHANGE_NOTIFY);
    fs.chmod("dir", 0o755);
    assert_eq!(fs.ask_as(&by(&token), "dir/file", DELETING), Err(Error::AccessDenied));
    fs.chmod("dir", 0o777);
    let handle = fs.ask_as(&by(&token), "dir/file", DELETING).unwrap().handle;
    assert_eq!(fs.windows_dispose(handle, DELETE), Ok(()));
    fs.close(handle);
    assert!(!fs.exists("dir/file"));
}

#[test]
fn making_takes_the_right_to_add_to_the_directory() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.chmod("dir", 0o755);
    let token = stranger(TokenPrivileges::CHANGE_NOTIFY);
    for open in [ALL, DIRECTORY] {
        assert_eq!(fs.ask_as(&by(&token), "dir/new", open), Err(Error::AccessDenied));
    }
    fs.chmod("dir", 0o777);
    let made = fs.ask_as(&by(&token), "dir/new", ALL).unwrap();
    assert_eq!(made.granted, rights::FILE_ALL, "all that was asked is granted of what is new");
    assert!(fs.ask_as(&by(&token), "dir/sub", DIRECTORY).is_ok());
}

#[test]
fn calls_by_path_and_node_ask_the_descriptor_as_well() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("dir/file", "content");
    fs.chmod("dir", 0o755);
    fs.chmod("dir/file", 0o600);
    let token = stranger(TokenPrivileges::NONE);
    assert_eq!(fs.path_read(&by(&token), at("dir/file")), Err(Error::AccessDenied));
    fs.chmod("dir/file", 0o644);
    assert_eq!(fs.path_read(&by(&token), at("dir/file")).unwrap(), b"content");
    assert_eq!(fs.path_write(&by(&token), at("dir/file"), b"x"), Err(Error::AccessDenied));
    assert_eq!(fs.path_unlink(&by(&token), at("dir/file")), Err(Error::AccessDenied));
}

#[test]
fn a_host_that_has_checked_is_granted_what_it_asks() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.chmod("file", 0o000);
    let token = stranger(TokenPrivileges::NONE);
    for token in [None, Some(&token)] {
        let checked = Caller { token, privileges: Privileges::CHECKED, ..user(9, 9) };
        let opened = fs.ask_as(&checked, "file", WindowsOpen { access: rights::GENERIC_ALL, ..READING }).unwrap();
        assert_eq!(opened.granted, rights::FILE_ALL);
        fs.close(opened.handle);
    }
}

#[test]
fn what_is_replaced_must_let_itself_be_deleted() {
    let fs = Fs::new();
    for name in ["dir", "dir/one", "dir/two"] {
        if name == "dir" { fs.mkdir_p(name) } else { fs.write_file(name, name) }
    }
    fs.chmod("dir/two", 0o600);
    let token = stranger(TokenPrivileges::CHANGE_NOTIFY);
    let handle = fs.wopen("dir/one", DELETING);
    fs.chmod("dir", 0o755);
    let to = |path: &'static str| bough::RenameTo { from: None, path: path.as_bytes() };
    assert_eq!(fs.windows_rename(&by(&token), handle, to("two"), REPLACE), Err(Error::AccessDenied));
    fs.chmod("dir", 0o777);
    assert_eq!(fs.windows_rename(&by(&token), handle, to("two"), REPLACE), Ok(()));
    assert_eq!(fs.read_text("dir/two"), "dir/one");
}

#[test]
fn what_a_token_makes_belongs_to_it_and_inherits() {
    let fs = Fs::new();
    let token = stranger(TokenPrivileges::CHANGE_NOTIFY);
    let made = fs.ask_as(&by(&token), "file", ALL).unwrap();
    fs.close(made.handle);
    // Its owner may change who may do what; everyone may not even read it: the token's own default list says so.
    let dac = WindowsOpen { access: rights::WRITE_DAC | rights::READ_DATA, ..READING };
    assert!(fs.ask_as(&by(&token), "file", dac).is_ok());
    let other = Token { user: account(8), ..stranger(TokenPrivileges::CHANGE_NOTIFY) };
    assert_eq!(fs.ask_as(&by(&other), "file", READING), Err(Error::AccessDenied));
    let posix = fs.stat("file");
    assert_eq!(posix.mode & 0o007, 0, "{:o}", posix.mode);
}
