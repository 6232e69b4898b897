//! The boundary: what every export does before and after its one call of the core.
//!
//! A panic stops here: it becomes `FS_INTERNAL` and latches the volume read-only. Pointers become references or `FS_NULL_POINTER`,
//! structures are checked for their size and that reserved space is zero. Nothing is done before all of that holds, and an output is
//! written only after everything else has succeeded.
//!
//! What a pointer that is not null points to is the caller's promise (see the top of the header); every function
//! here that relies on it is unsafe and says on what.

use std::cell::RefCell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::results::{FS_OK, fs_result};
use super::types::fs_caller;
use crate::error::{Error, tables::ResultCode};
use crate::types::{Caller, Privileges};

/// Why an export refuses: an error of the core, or one that only C can make.
#[derive(Debug)]
pub(super) enum Fault {
    Core(Error),
    NullPointer,
    BadUtf8,
}

pub(super) type Outcome<T> = Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Core(error)
    }
}

impl Fault {
    fn code(&self) -> ResultCode {
        match self {
            Fault::Core(error) => ResultCode::of(error),
            Fault::NullPointer => ResultCode::NullPointer,
            Fault::BadUtf8 => ResultCode::BadUtf8,
        }
    }

    fn text(&self) -> String {
        match self {
            Fault::Core(error) => error.to_string(),
            Fault::NullPointer | Fault::BadUtf8 => self.code().message().to_owned(),
        }
    }
}

thread_local! {
    /// The last refusal on this thread, kept as it was: its text is made when somebody asks.
    static LAST: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

/// The text of the last refusal on this thread; empty when there was none.
pub(super) fn last_text() -> String {
    LAST.with_borrow(|last| last.as_ref().map(Fault::text).unwrap_or_default())
}

fn refuse(fault: Fault) -> fs_result {
    let code = fault.code().number();
    // A thread that is ending has nobody left to ask for the text.
    let _ = LAST.try_with(|last| last.replace(Some(fault)));
    code
}

/// What a handle does about a panic in one of its calls.
pub(super) trait Handle {
    /// Makes its volume read-only.
    fn latch(&self);
}

/// Runs one export that needs no handle.
#[inline]
pub(super) fn free_call(run: impl FnOnce() -> Outcome<()>) -> fs_result {
    guard(|| {}, run)
}

/// Runs one export that tells about the last refusal, and so must not take its place.
pub(super) fn quiet_call(run: impl FnOnce() -> Outcome<()>) -> fs_result {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => FS_OK,
        Ok(Err(fault)) => fault.code().number(),
        Err(_) => ResultCode::Internal.number(),
    }
}

/// Runs one export on a handle.
///
/// # Safety
/// `handle` is null or came from the export that opens such handles and has not been closed.
#[inline]
pub(super) unsafe fn call<H: Handle>(handle: *const H, run: impl FnOnce(&H) -> Outcome<()>) -> fs_result {
    // SAFETY: a handle that is not null is alive, says the caller.
    match unsafe { handle.as_ref() } {
        Some(handle) => guard(|| handle.latch(), || run(handle)),
        None => refuse(Fault::NullPointer),
    }
}

#[inline]
fn guard(latch: impl FnOnce(), run: impl FnOnce() -> Outcome<()>) -> fs_result {
    // Whatever a panic left half done is not looked at again by a writer: the volume is latched.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => FS_OK,
        Ok(Err(fault)) => refuse(fault),
        Err(panic) => {
            latch();
            // The payload's own destructor might panic.
            std::mem::forget(panic);
            tracing::error!(
                "internal fault: a panic was stopped at the C boundary; the volume is read-only from now on"
            );
            refuse(Fault::Core(Error::Internal))
        }
    }
}

/// Moves a handle to C.
pub(super) fn give<H>(handle: H) -> *mut H {
    Box::into_raw(Box::new(handle))
}

/// Takes a handle back from C and drops it. Null is fine.
///
/// # Safety
/// `handle` is null or came from [`give`] and is not used again.
pub(super) unsafe fn close<H>(handle: *mut H) {
    if handle.is_null() {
        return;
    }
    // SAFETY: it came from `give`, and nobody uses it again, says the caller.
    let handle = unsafe { Box::from_raw(handle) };
    let _ = free_call(|| {
        drop(handle);
        Ok(())
    });
}

/// A structure that C passes by pointer: it begins with its own size and ends in reserved space.
///
/// # Safety
/// Its representation is C's, its first field is a `u32` with its size, and any bytes of that size are a value of it.
pub(super) unsafe trait Structure: Copy {
    /// Whether space that has no meaning yet is zero.
    fn reserved_is_zero(&self) -> bool;
}

/// # Safety
/// `pointer` is null or points to a structure whose size is in its first field.
unsafe fn check_size<S: Structure>(pointer: *const S) -> Outcome<()> {
    if pointer.is_null() {
        return Err(Fault::NullPointer);
    }
    // SAFETY: every structure begins with its size, and the pointer is aligned for the whole.
    let size = unsafe { pointer.cast::<u32>().read() };
    if size as usize != size_of::<S>() {
        return Err(Error::BadStructure("its size is not that of this version").into());
    }
    Ok(())
}

/// An input structure.
///
/// # Safety
/// `pointer` is null or points to a structure that does not change during the call.
#[inline]
pub(super) unsafe fn input<'a, S: Structure>(pointer: *const S) -> Outcome<&'a S> {
    // SAFETY: the caller's promise is this function's own.
    let structure = unsafe {
        check_size(pointer)?;
        &*pointer
    };
    if !structure.reserved_is_zero() {
        return Err(Error::BadStructure("reserved space in it is not zero").into());
    }
    Ok(structure)
}

/// Where an output goes, once there is one.
pub(super) struct Output<T>(*mut T);

impl<T> Output<T> {
    pub(super) fn put(self, value: T) {
        // SAFETY: `output` and `output_structure` make it from a pointer that may be written to until the call ends.
        unsafe { self.0.write(value) }
    }
}

/// A plain output: a number or a pointer.
///
/// # Safety
/// `pointer` is null or may be written to until the call ends.
#[inline]
pub(super) unsafe fn output<T>(pointer: *mut T) -> Outcome<Output<T>> {
    if pointer.is_null() { Err(Fault::NullPointer) } else { Ok(Output(pointer)) }
}

/// An output structure, whose size the caller has filled in.
///
/// # Safety
/// `pointer` is null or points to such a structure and may be written to until the call ends.
#[inline]
pub(super) unsafe fn output_structure<S: Structure>(pointer: *mut S) -> Outcome<Output<S>> {
    // SAFETY: the caller's promise is this function's own.
    unsafe { check_size(pointer)? };
    Ok(Output(pointer))
}

/// Bytes that must be there, be they none: a name or a path.
///
/// # Safety
/// `pointer` is null or points to `length` bytes that do not change during the call.
#[inline]
pub(super) unsafe fn name_in<'a>(pointer: *const c_char, length: usize) -> Outcome<&'a [u8]> {
    if pointer.is_null() {
        return Err(Fault::NullPointer);
    }
    // SAFETY: the caller's promise is this function's own.
    unsafe { bytes_in(pointer.cast(), length) }
}

/// Bytes; null is fine for none.
///
/// # Safety
/// `pointer` is null or points to `length` bytes that do not change during the call.
#[inline]
pub(super) unsafe fn bytes_in<'a>(pointer: *const u8, length: usize) -> Outcome<&'a [u8]> {
    // SAFETY: the caller's promise is this function's own.
    unsafe { items(pointer, length) }
}

/// # Safety
/// `pointer` is null or points to `count` items that do not change during the call.
#[inline]
pub(super) unsafe fn items<'a, T>(pointer: *const T, count: usize) -> Outcome<&'a [T]> {
    match (pointer.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Fault::NullPointer),
        (false, _) if too_large::<T>(count) => Err(Error::Invalid("a length beyond what memory can hold").into()),
        // SAFETY: not null, and as many items as the caller says, which fit into memory.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(pointer, count) }),
    }
}

fn too_large<T>(count: usize) -> bool {
    count > isize::MAX as usize / size_of::<T>().max(1)
}

/// A buffer to fill; null is fine for an empty one.
///
/// # Safety
/// `pointer` is null or points to `length` bytes that nobody else uses during the call. Memory of C's has some content,
/// whatever it is.
#[inline]
pub(super) unsafe fn buffer_in<'a>(pointer: *mut u8, length: usize) -> Outcome<&'a mut [u8]> {
    // SAFETY: the caller's promise is this function's own.
    unsafe { buffer_of(pointer, length) }
}

/// A buffer of numbers to fill; null is fine for an empty one.
///
/// # Safety
/// As [`buffer_in`], for `length` numbers.
#[inline]
pub(super) unsafe fn buffer_of<'a, T: bytemuck::Pod>(pointer: *mut T, length: usize) -> Outcome<&'a mut [T]> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&mut []),
        (true, _) => Err(Fault::NullPointer),
        (false, _) if too_large::<T>(length) => Err(Error::Invalid("a length beyond what memory can hold").into()),
        // SAFETY: not null, and as long as the caller says.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts_mut(pointer, length) }),
    }
}

/// A text that must be UTF-8.
///
/// # Safety
/// As [`name_in`].
pub(super) unsafe fn text_in<'a>(pointer: *const c_char, length: usize) -> Outcome<&'a str> {
    // SAFETY: the caller's promise is this function's own.
    let bytes = unsafe { name_in(pointer, length)? };
    std::str::from_utf8(bytes).map_err(|_| Fault::BadUtf8)
}

/// A text that must be UTF-8; null is none.
///
/// # Safety
/// As [`name_in`].
pub(super) unsafe fn optional_text<'a>(pointer: *const c_char, length: usize) -> Outcome<Option<&'a str>> {
    // SAFETY: the caller's promise is this function's own.
    if pointer.is_null() { Ok(None) } else { unsafe { text_in(pointer, length).map(Some) } }
}

/// Who asks.
///
/// # Safety
/// `caller` is null or points to an `fs_caller` that does not change during the call, nor do its groups; its token is null or alive.
#[inline]
pub(super) unsafe fn caller_in<'a>(caller: *const fs_caller) -> Outcome<Caller<'a>> {
    // SAFETY: the caller's promise is this function's own.
    let (caller, groups, token) = unsafe {
        let caller: &fs_caller = input(caller)?;
        (caller, items(caller.groups, caller.groups_count as usize)?, caller.token.as_ref())
    };
    let privileges = Privileges(caller.privileges);
    Ok(Caller {
        uid: caller.uid,
        gid: caller.gid,
        groups,
        pid: caller.pid,
        umask: caller.umask,
        privileges,
        token: token.map(|token| &token.0),
    })
}

/// Answers by the size protocol: with a capacity of 0 only the size that is needed, else the value and its size, or that
/// the buffer is too small.
pub(super) fn put_sized<T: Copy>(value: &[T], buffer: &mut [T], size: Output<usize>) -> Outcome<()> {
    if !buffer.is_empty() {
        let room = buffer.get_mut(..value.len()).ok_or(Error::BufferTooSmall)?;
        room.copy_from_slice(value);
    }
    size.put(value.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Latched(AtomicBool);

    impl Handle for Latched {
        fn latch(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_panic_becomes_a_code_and_latches() {
        let handle = Latched(AtomicBool::new(false));
        // SAFETY: a reference is a pointer to something alive.
        let result = unsafe { call(&raw const handle, |_| panic!("on purpose")) };
        assert_eq!(result, ResultCode::Internal.number());
        assert!(handle.0.load(Ordering::Relaxed));
        assert_eq!(last_text(), Error::Internal.to_string());
    }

    #[test]
    fn an_error_keeps_its_own_text() {
        assert_eq!(free_call(|| Err(Error::Limit("of this test").into())), ResultCode::Limit.number());
        assert_eq!(last_text(), "limit reached: of this test");
    }

    #[test]
    fn a_null_handle_is_refused_and_nothing_runs() {
        // SAFETY: null is allowed.
        let result = unsafe { call(std::ptr::null::<Latched>(), |_| unreachable!("it must not run")) };
        assert_eq!(result, ResultCode::NullPointer.number());
    }
}
