//! What an open does, by its disposition, its options and what is there: \[MS-FSA\] 2.1.5.1 (Server Requests an Open of a
//! File) and the reference, section 1 ("other refusals") and 2 (disposition logic, collision).
//!
//! A pure function of the request and of what the name leads to. Who may (access), who else has it open
//! (sharing), and the work itself are left to others.

use super::rights;
use crate::error::{Error, Result};

/// What the caller wants done when the file is there, and when it is not. The numbers are Windows' own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Disposition {
    /// Put a new file in the place of what is there, or create it.
    Supersede = 0,
    /// Open what is there.
    Open = 1,
    /// Create what is not there.
    Create = 2,
    /// Open, or create.
    OpenIf = 3,
    /// Open and empty what is there.
    Overwrite = 4,
    /// Open and empty, or create.
    OverwriteIf = 5,
}

impl Disposition {
    pub(crate) const ALL: [Disposition; 6] = [
        Disposition::Supersede,
        Disposition::Open,
        Disposition::Create,
        Disposition::OpenIf,
        Disposition::Overwrite,
        Disposition::OverwriteIf,
    ];

    pub(crate) fn from_number(number: u32) -> Result<Disposition> {
        let known = Disposition::ALL.get(number as usize).copied();
        known.ok_or(Error::Invalid("no disposition has that number"))
    }

    /// Whether content that is there goes.
    pub(crate) fn replaces(self) -> bool {
        match self {
            Disposition::Supersede | Disposition::Overwrite | Disposition::OverwriteIf => true,
            Disposition::Open | Disposition::Create | Disposition::OpenIf => false,
        }
    }

    /// What must be allowed and shared besides the access that is asked for, when the file is there: replacing
    /// content is writing, superseding is deleting.
    pub(crate) fn extra_access(self) -> u32 {
        match self {
            Disposition::Supersede => rights::DELETE,
            Disposition::Overwrite | Disposition::OverwriteIf => rights::WRITE_DATA,
            Disposition::Open | Disposition::Create | Disposition::OpenIf => 0,
        }
    }
}

/// What kind of thing the caller opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) disposition: Disposition,
    /// FILE_DIRECTORY_FILE: it must be a directory.
    pub(crate) directory: bool,
    /// FILE_NON_DIRECTORY_FILE: it must be none.
    pub(crate) non_directory: bool,
    /// FILE_DELETE_ON_CLOSE.
    pub(crate) delete_on_close: bool,
    /// The name is that of a stream, other than a file's own content.
    pub(crate) stream: bool,
    /// What is asked for, generic rights mapped.
    pub(crate) access: u32,
}

/// What the name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    File,
    Directory,
    /// The directory that a volume begins with.
    Root,
    /// A stream; only where the request is for one.
    Stream,
}

/// What the open did. The numbers are those of `IO_STATUS_BLOCK.Information`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// A new file took the place of what was there.
    Superseded = 0,
    /// What was there was opened.
    Opened = 1,
    /// It was made.
    Created = 2,
    /// What was there was emptied.
    Overwritten = 3,
}

/// What the open does, or why it does nothing.
pub(crate) fn decide(request: Request, found: Found) -> Result<Outcome> {
    check_options(request)?;
    match found {
        Found::Nothing => on_nothing(request.disposition),
        Found::File | Found::Stream => on_file(request),
        Found::Directory => on_directory(request),
        Found::Root => on_root(request),
    }
}

/// Options that exclude each other, whatever is there.
fn check_options(request: Request) -> Result<()> {
    if request.directory && request.non_directory {
        return Err(Error::Invalid("both a directory and no directory is asked for"));
    }
    if request.directory && request.stream {
        return Err(Error::NotADirectory);
    }
    if request.directory && request.disposition.replaces() {
        return Err(Error::Invalid("a directory is neither overwritten nor superseded"));
    }
    let may_delete = request.access & (rights::DELETE | rights::MAXIMUM_ALLOWED) != 0;
    if request.delete_on_close && !may_delete {
        return Err(Error::Invalid("deleting on close needs DELETE access"));
    }
    Ok(())
}

fn on_nothing(disposition: Disposition) -> Result<Outcome> {
    match disposition {
        Disposition::Open | Disposition::Overwrite => Err(Error::NotFound),
        Disposition::Supersede | Disposition::Create | Disposition::OpenIf | Disposition::OverwriteIf => {
            Ok(Outcome::Created)
        }
    }
}

fn on_file(request: Request) -> Result<Outcome> {
    match request.disposition {
        Disposition::Create => Err(Error::Exists),
        _ if request.directory => Err(Error::NotADirectory),
        Disposition::Supersede => Ok(Outcome::Superseded),
        Disposition::Open | Disposition::OpenIf => Ok(Outcome::Opened),
        Disposition::Overwrite | Disposition::OverwriteIf => Ok(Outcome::Overwritten),
    }
}

/// A file cannot take the place of a directory: who does not insist on a file is told that the name is taken, as FAT does.
fn on_directory(request: Request) -> Result<Outcome> {
    if request.non_directory {
        return Err(Error::IsADirectory);
    }
    match request.disposition {
        Disposition::Open | Disposition::OpenIf => Ok(Outcome::Opened),
        Disposition::Supersede | Disposition::Create | Disposition::Overwrite | Disposition::OverwriteIf => {
            Err(Error::Exists)
        }
    }
}

fn on_root(request: Request) -> Result<Outcome> {
    match request.disposition {
        Disposition::Supersede | Disposition::Create | Disposition::Overwrite | Disposition::OverwriteIf => {
            Err(Error::AccessDenied)
        }
        Disposition::Open | Disposition::OpenIf if request.delete_on_close => Err(Error::CannotDelete),
        Disposition::Open | Disposition::OpenIf => on_directory(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(disposition: Disposition) -> Request {
        Request {
            disposition,
            directory: false,
            non_directory: false,
            delete_on_close: false,
            stream: false,
            access: rights::DELETE,
        }
    }

    #[test]
    fn each_disposition_does_what_its_name_says() {
        use Disposition::*;
        let table = [
            (Supersede, Ok(Outcome::Created), Ok(Outcome::Superseded), Err(Error::Exists)),
            (Open, Err(Error::NotFound), Ok(Outcome::Opened), Ok(Outcome::Opened)),
            (Create, Ok(Outcome::Created), Err(Error::Exists), Err(Error::Exists)),
            (OpenIf, Ok(Outcome::Created), Ok(Outcome::Opened), Ok(Outcome::Opened)),
            (Overwrite, Err(Error::NotFound), Ok(Outcome::Overwritten), Err(Error::Exists)),
            (OverwriteIf, Ok(Outcome::Created), Ok(Outcome::Overwritten), Err(Error::Exists)),
        ];
        for (disposition, missing, file, directory) in table {
            let request = request(disposition);
            assert_eq!(decide(request, Found::Nothing), missing, "{disposition:?}");
            assert_eq!(decide(request, Found::File), file, "{disposition:?}");
            assert_eq!(decide(Request { stream: true, ..request }, Found::Stream), file, "{disposition:?}");
            assert_eq!(decide(request, Found::Directory), directory, "{disposition:?}");
        }
    }

    #[test]
    fn a_directory_asked_for_where_a_file_is_is_not_a_directory() {
        for disposition in [Disposition::Open, Disposition::OpenIf] {
            let request = Request { directory: true, ..request(disposition) };
            assert_eq!(decide(request, Found::File), Err(Error::NotADirectory));
            assert_eq!(decide(request, Found::Directory), Ok(Outcome::Opened));
        }
        let create = Request { directory: true, ..request(Disposition::Create) };
        assert_eq!(decide(create, Found::File), Err(Error::Exists));
    }

    #[test]
    fn name_collision_with_non_directory_file_on_a_directory_becomes_file_is_a_directory() {
        for disposition in Disposition::ALL {
            let request = Request { non_directory: true, ..request(disposition) };
            assert_eq!(decide(request, Found::Directory), Err(Error::IsADirectory), "{disposition:?}");
        }
    }

    #[test]
    fn directory_and_non_directory_flag_together_are_an_invalid_parameter() {
        for disposition in Disposition::ALL {
            for found in [Found::Nothing, Found::File, Found::Directory, Found::Root] {
                let request = Request { directory: true, non_directory: true, ..request(disposition) };
                assert!(matches!(decide(request, found), Err(Error::Invalid(_))));
            }
        }
    }

    #[test]
    fn overwriting_or_superseding_with_the_directory_flag_is_an_invalid_parameter() {
        for disposition in Disposition::ALL {
            let request = Request { directory: true, ..request(disposition) };
            let invalid = matches!(decide(request, Found::Nothing), Err(Error::Invalid(_)));
            assert_eq!(invalid, disposition.replaces(), "{disposition:?}");
        }
    }

    #[test]
    fn a_stream_is_no_directory() {
        let request = Request { directory: true, stream: true, ..request(Disposition::Open) };
        assert_eq!(decide(request, Found::Stream), Err(Error::NotADirectory));
    }

    #[test]
    fn the_root_is_neither_created_nor_overwritten_nor_superseded_nor_deleted() {
        for disposition in Disposition::ALL {
            let opens = matches!(disposition, Disposition::Open | Disposition::OpenIf);
            let plain = if opens { Ok(Outcome::Opened) } else { Err(Error::AccessDenied) };
            assert_eq!(decide(request(disposition), Found::Root), plain, "{disposition:?}");
            let deleting = Request { delete_on_close: true, ..request(disposition) };
            let refusal = if opens { Error::CannotDelete } else { Error::AccessDenied };
            assert_eq!(decide(deleting, Found::Root), Err(refusal), "{disposition:?}");
        }
    }

    #[test]
    fn delete_on_close_needs_delete_access() {
        let without = Request { delete_on_close: true, access: rights::READ_DATA, ..request(Disposition::Open) };
        assert!(matches!(decide(without, Found::File), Err(Error::Invalid(_))));
        for access in [rights::DELETE, rights::MAXIMUM_ALLOWED] {
            assert_eq!(decide(Request { access, ..without }, Found::File), Ok(Outcome::Opened));
        }
    }

    #[test]
    fn overwrite_is_checked_for_writing_and_supersede_for_deleting() {
        let extra: Vec<u32> = Disposition::ALL.iter().map(|disposition| disposition.extra_access()).collect();
        assert_eq!(extra, [rights::DELETE, 0, 0, 0, rights::WRITE_DATA, rights::WRITE_DATA]);
    }

    #[test]
    fn numbers_are_those_of_windows() {
        for (number, disposition) in Disposition::ALL.into_iter().enumerate() {
            assert_eq!(Disposition::from_number(number as u32), Ok(disposition));
            assert_eq!(disposition as usize, number);
        }
        assert!(Disposition::from_number(6).is_err() && Disposition::from_number(u32::MAX).is_err());
        let outcomes = [Outcome::Superseded, Outcome::Opened, Outcome::Created, Outcome::Overwritten];
        assert_eq!(outcomes.map(|outcome| outcome as u32), [0, 1, 2, 3]);
    }

    #[test]
    fn content_only_goes_where_there_was_some_and_nothing_appears_twice() {
        for disposition in Disposition::ALL {
            for bits in 0..16_u32 {
                let request = Request {
                    directory: bits & 1 != 0,
                    non_directory: bits & 2 != 0,
                    delete_on_close: bits & 4 != 0,
                    stream: bits & 8 != 0,
                    ..request(disposition)
                };
                for found in [Found::Nothing, Found::File, Found::Directory, Found::Root, Found::Stream] {
                    match decide(request, found) {
                        Ok(Outcome::Created) => assert_eq!(found, Found::Nothing),
                        Ok(Outcome::Superseded | Outcome::Overwritten) => {
                            assert!(matches!(found, Found::File | Found::Stream) && disposition.replaces());
                        }
                        Ok(Outcome::Opened) => assert!(found != Found::Nothing && !disposition.replaces()),
                        Err(_) => {}
                    }
                }
            }
        }
    }
}
