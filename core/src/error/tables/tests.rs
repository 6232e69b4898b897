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
    (56, "BadCookie"),
    (57, "Deleted"),
    (58, "BaseChanged"),
    (59, "BadBase"),
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
        assert_eq!(win32(number) > 0, code != ResultCode::Ok, "{code:?}");
        assert_eq!(darwin_errno(number) > 0, code != ResultCode::Ok, "{code:?}");
    }
}

#[test]
fn an_unknown_number_is_a_failure_in_every_table() {
    assert_eq!(errno(9999), libc::EIO);
    assert_eq!(ntstatus(9999), STATUS_UNSUCCESSFUL);
    assert_eq!(win32(9999), 31);
    assert_eq!(darwin_errno(9999), 5);
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

/// `RtlNtStatusToDosError`, for every status that the table has.
const DOS_ERRORS: &[(u32, u32)] = &[
    (STATUS_SUCCESS, 0),
    (STATUS_INVALID_EA_NAME, 254),
    (STATUS_EA_LIST_INCONSISTENT, 255),
    (STATUS_INFO_LENGTH_MISMATCH, 24),
    (STATUS_INVALID_HANDLE, 6),
    (STATUS_INVALID_PARAMETER, 87),
    (STATUS_END_OF_FILE, 38),
    (STATUS_ACCESS_DENIED, 5),
    (STATUS_BUFFER_TOO_SMALL, 122),
    (STATUS_OBJECT_NAME_INVALID, 123),
    (STATUS_OBJECT_NAME_NOT_FOUND, 2),
    (STATUS_OBJECT_NAME_COLLISION, 183),
    (STATUS_OBJECT_PATH_NOT_FOUND, 3),
    (STATUS_SHARING_VIOLATION, 32),
    (STATUS_EA_TOO_LARGE, 255),
    (STATUS_NONEXISTENT_EA_ENTRY, 1392),
    (STATUS_FILE_LOCK_CONFLICT, 33),
    (STATUS_LOCK_NOT_GRANTED, 33),
    (STATUS_DELETE_PENDING, 5),
    (STATUS_INVALID_OWNER, 1307),
    (STATUS_PRIVILEGE_NOT_HELD, 1314),
    (STATUS_INVALID_SECURITY_DESCR, 1338),
    (STATUS_RANGE_NOT_LOCKED, 158),
    (STATUS_DISK_FULL, 112),
    (STATUS_FILE_INVALID, 1006),
    (STATUS_INSUFFICIENT_RESOURCES, 1450),
    (STATUS_MEDIA_WRITE_PROTECTED, 19),
    (STATUS_FILE_IS_A_DIRECTORY, 5),
    (STATUS_NOT_SUPPORTED, 50),
    (STATUS_NOT_SAME_DEVICE, 17),
    (STATUS_INTERNAL_ERROR, 1359),
    (STATUS_DIRECTORY_NOT_EMPTY, 145),
    (STATUS_NOT_A_DIRECTORY, 267),
    (STATUS_NAME_TOO_LONG, 206),
    (STATUS_CANCELLED, 995),
    (STATUS_CANNOT_DELETE, 5),
    (STATUS_FILE_DELETED, 5),
    (STATUS_IO_DEVICE_ERROR, 1117),
    (STATUS_POSSIBLE_DEADLOCK, 1131),
    (STATUS_USER_MAPPED_FILE, 1224),
    (STATUS_TOO_MANY_LINKS, 1142),
    (STATUS_NOT_A_REPARSE_POINT, 4390),
    (STATUS_IO_REPARSE_TAG_INVALID, 4393),
    (STATUS_IO_REPARSE_TAG_MISMATCH, 4394),
    (STATUS_IO_REPARSE_DATA_INVALID, 4392),
    (STATUS_REPARSE_POINT_NOT_RESOLVED, 1921),
    (STATUS_REPARSE_ATTRIBUTE_CONFLICT, 4391),
    (STATUS_RESOURCE_IN_USE, 170),
    (STATUS_NO_UNICODE_TRANSLATION, 1113),
    (STATUS_FILE_TOO_LARGE, 223),
];

#[test]
fn the_win32_code_is_what_windows_makes_of_the_status() {
    for code in ResultCode::ALL {
        let of_status = DOS_ERRORS.iter().find(|(status, _)| *status == code.ntstatus());
        assert_eq!(of_status.map(|(_, error)| *error), Some(code.win32()), "{code:?}");
    }
}

#[test]
fn the_errno_of_macos_means_what_that_of_this_system_means() {
    // Where both have a name for it. The two systems differ in numbers, hardly in meaning.
    let names = [
        (libc::EPERM, 1),
        (libc::ENOENT, 2),
        (libc::EINTR, 4),
        (libc::EIO, 5),
        (libc::ENXIO, 6),
        (libc::E2BIG, 7),
        (libc::EBADF, 9),
        (libc::EDEADLK, 11),
        (libc::EACCES, 13),
        (libc::EFAULT, 14),
        (libc::EBUSY, 16),
        (libc::EEXIST, 17),
        (libc::EXDEV, 18),
        (libc::ENOTDIR, 20),
        (libc::EISDIR, 21),
        (libc::EINVAL, 22),
        (libc::ETXTBSY, 26),
        (libc::EFBIG, 27),
        (libc::ENOSPC, 28),
        (libc::EROFS, 30),
        (libc::EMLINK, 31),
        (libc::ERANGE, 34),
        (libc::EAGAIN, 35),
        (libc::EOPNOTSUPP, 45),
        (libc::ELOOP, 62),
        (libc::ENAMETOOLONG, 63),
        (libc::ENOTEMPTY, 66),
        (host::STALE, 70),
        (libc::EILSEQ, 92),
        (host::NO_ATTRIBUTE, 93),
    ];
    for code in ResultCode::ALL.into_iter().filter(|code| *code != ResultCode::Ok) {
        let there = names.iter().find(|(here, _)| *here == code.errno());
        assert_eq!(there.map(|(_, there)| *there), Some(code.darwin_errno()), "{code:?}");
    }
}
