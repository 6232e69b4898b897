use super::*;

/// The ABI. A line here is never edited: a new code is a new line with the next number.
const GOLDEN: &[(u32, &str)] = &[
    (0, "Ok"),
    (1, "NotFound"),
    (2, "Exists"),
    (3, "NotADirectory"),
    (4, "IsADirectory"),
    (5, "NotEmpty"),
    (6, "AccessDenied"),
    (7, "NotPermitted"),
    (8, "ReadOnly"),
    (9, "Invalid"),
    (10, "NameTooLong"),
    (11, "TooManySymlinks"),
    (12, "TooManyLinks"),
    (13, "IntoItself"),
    (14, "CrossesVolumes"),
    (15, "NoSpace"),
    (16, "FileTooLarge"),
    (17, "NoSuchOffset"),
    (18, "NoAttribute"),
    (19, "BufferTooSmall"),
    (20, "ValueTooLarge"),
    (21, "TooManyAttributes"),
    (22, "NotSupported"),
    (23, "WouldBlock"),
    (24, "Deadlock"),
    (25, "Cancelled"),
    (26, "BadHandle"),
    (27, "Stale"),
    (28, "NoSuchRef"),
    (29, "RefExists"),
    (30, "BadRefName"),
    (31, "Busy"),
    (32, "Limit"),
    (33, "BadStructure"),
    (34, "Io"),
    (35, "Internal"),
    (36, "NullPointer"),
    (37, "BadUtf8"),
    (38, "PathNotFound"),
    (39, "BadName"),
    (40, "SharingViolation"),
    (41, "DeletePending"),
    (42, "CannotDelete"),
    (43, "LockConflict"),
    (44, "RangeNotLocked"),
    (45, "UserMapped"),
    (46, "PrivilegeNotHeld"),
    (47, "BadOwner"),
    (48, "BadSecurity"),
    (49, "BadEaList"),
    (50, "BadEaName"),
    (51, "NotAReparsePoint"),
    (52, "BadReparseTag"),
    (53, "ReparseTagMismatch"),
    (54, "BadReparse"),
    (55, "ReparseConflict"),
];

#[test]
fn numbers_are_those_that_were_published() {
    assert_eq!(GOLDEN.len(), ResultCode::ALL.len());
    for (&(number, name), code) in GOLDEN.iter().zip(ResultCode::ALL) {
        assert_eq!((number, name), (code.number(), format!("{code:?}").as_str()));
    }
}

#[test]
fn every_number_leads_back_to_its_code_and_no_other_does() {
    for code in ResultCode::ALL {
        assert_eq!(ResultCode::from_number(code.number()), Some(code));
    }
    assert_eq!(ResultCode::from_number(GOLDEN.len() as u32), None);
    assert_eq!(ResultCode::from_number(u32::MAX), None);
}

#[test]
fn every_failure_has_an_errno_an_error_status_and_a_text_of_its_own() {
    let mut texts = std::collections::HashSet::new();
    for code in ResultCode::ALL {
        let number = code.number();
        assert!(texts.insert(message(number)), "{code:?} shares its text");
        assert!(!message(number).is_empty());
        assert_eq!(message_c(number).to_bytes(), message(number).as_bytes());
        assert_eq!(errno(number) > 0, code != ResultCode::Ok, "{code:?}");
        // Errors and warnings alike fail: NT_SUCCESS asks for the top bit only.
        assert_eq!(ntstatus(number) >> 31 == 1, code != ResultCode::Ok, "{code:?}");
    }
}

#[test]
fn an_unknown_number_is_a_failure_in_every_table() {
    assert_eq!(errno(9999), libc::EIO);
    assert_eq!(ntstatus(9999), STATUS_UNSUCCESSFUL);
    assert_eq!(message(9999), "unknown result code");
    assert_eq!(message_c(9999), c"unknown result code");
}

#[test]
fn an_error_speaks_with_the_text_of_its_code() {
    let errors = [
        Error::NotFound,
        Error::ReadOnly,
        Error::Invalid("why"),
        Error::BadRefName("why"),
        Error::Busy("why"),
        Error::Limit("why"),
        Error::BadStructure("why"),
        Error::Io("why".into()),
        Error::Internal,
    ];
    for error in errors {
        let text = error.to_string();
        let plain = text.strip_suffix(": why").unwrap_or(&text);
        assert_eq!(plain, message(code(&error)));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn errno_is_what_linux_programs_expect() {
    let expected = [
        (Error::NotFound, libc::ENOENT),
        (Error::ReadOnly, libc::EROFS),
        (Error::NoSuchOffset, libc::ENXIO),
        (Error::NoAttribute, libc::ENODATA),
        (Error::BufferTooSmall, libc::ERANGE),
        (Error::ValueTooLarge, libc::E2BIG),
        (Error::TooManyAttributes, libc::ENOSPC),
        (Error::WouldBlock, libc::EAGAIN),
        (Error::Deadlock, libc::EDEADLK),
        (Error::Cancelled, libc::EINTR),
        (Error::Stale, libc::ESTALE),
        (Error::Internal, libc::EIO),
    ];
    for (error, number) in expected {
        assert_eq!(errno(code(&error)), number, "{error:?}");
    }
}
