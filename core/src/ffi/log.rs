//! Logging: what the library and its host have to say, to standard error or to a callback.
//!
//! One subscriber for the process is installed by the first call here. Where it writes to, and how much, can be changed
//! at any time after.

use std::ffi::{c_char, c_void};
use std::fmt::Write as _;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, dynamic_filter_fn};
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::boundary::*;
use super::results::fs_result;
use crate::error::Error;
use crate::sync::RwLock;

/// Log level: nothing.
pub const FS_LOG_OFF: u32 = 0;
/// Log level: what went wrong.
pub const FS_LOG_ERROR: u32 = 1;
/// Log level: what may go wrong.
pub const FS_LOG_WARN: u32 = 2;
/// Log level: what a reader wants to know.
pub const FS_LOG_INFO: u32 = 3;
/// Log level: what helps to find a fault.
pub const FS_LOG_DEBUG: u32 = 4;
/// Log level: everything.
pub const FS_LOG_TRACE: u32 = 5;

/// Is given one message at a time, UTF-8 without a NUL or line feed, that lives until it returns. Any thread may call it.
/// It must not call `fs_log_set` or `fs_log_init`.
pub type fs_log_callback =
    Option<unsafe extern "C" fn(context: *mut c_void, level: u32, text: *const c_char, text_bytes: usize)>;

#[derive(Clone, Copy)]
struct Sink {
    callback: fs_log_callback,
    context: *mut c_void,
    level: LevelFilter,
}

// SAFETY: the header says that any thread may call the callback with its context.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);
/// What goes to standard error, if anything does.
static TARGETS: RwLock<Option<Targets>> = RwLock::new(None);

struct ToCallback;

impl<S: Subscriber> Layer<S> for ToCallback {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let guard = SINK.read();
        let Some(Sink { callback: Some(callback), context, level: most }) = *guard else { return };
        if level > most {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let text = text.0.replace(['\n', '\0'], " ");
        // SAFETY: what the header asks of callbacks.
        unsafe { callback(context, number_of(level), text.as_ptr().cast(), text.len()) }
    }
}

/// A message and its fields in one line.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}

fn number_of(level: Level) -> u32 {
    match level {
        Level::ERROR => FS_LOG_ERROR,
        Level::WARN => FS_LOG_WARN,
        Level::INFO => FS_LOG_INFO,
        Level::DEBUG => FS_LOG_DEBUG,
        _ => FS_LOG_TRACE,
    }
}

fn level_of(number: u32) -> Outcome<LevelFilter> {
    match number {
        FS_LOG_OFF => Ok(LevelFilter::OFF),
        FS_LOG_ERROR => Ok(LevelFilter::ERROR),
        FS_LOG_WARN => Ok(LevelFilter::WARN),
        FS_LOG_INFO => Ok(LevelFilter::INFO),
        FS_LOG_DEBUG => Ok(LevelFilter::DEBUG),
        FS_LOG_TRACE => Ok(LevelFilter::TRACE),
        _ => Err(Error::Invalid("no log level of that number").into()),
    }
}

fn goes_to_stderr(metadata: &Metadata<'_>) -> bool {
    TARGETS.read().as_ref().is_some_and(|targets| targets.would_enable(metadata.target(), metadata.level()))
}

/// Makes this library's subscriber that of the process, once.
fn install() -> Outcome<()> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        let to_stderr = to_stderr.with_filter(dynamic_filter_fn(|metadata, _| goes_to_stderr(metadata)));
        let all = tracing_subscriber::registry().with(to_stderr).with(ToCallback);
        tracing::subscriber::set_global_default(all).is_ok()
    });
    tracing::callsite::rebuild_interest_cache();
    if *installed { Ok(()) } else { Err(Error::Busy("the process logs by a subscriber of its own").into()) }
}

/// Logs to standard error from now on, as the environment variable BOUGH_LOG says: a level ("error", "warn", "info", "debug",
/// "trace", "off"), or levels by module ("info,bough::history=debug"). Without it, and where it cannot be read: "info".
///
/// Results: `FS_OK`, `FS_BUSY` when the process has set up logging of its own with Rust's `tracing`.
#[unsafe(no_mangle)]
pub extern "C" fn fs_log_init() -> fs_result {
    free_call(|| {
        let wanted = std::env::var("BOUGH_LOG").ok().and_then(|text| text.parse().ok());
        *TARGETS.write() = Some(wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO)));
        install()
    })
}

/// Gives messages to `callback` from now on, besides what `fs_log_init` set up; it takes the place of an earlier callback.
///
/// `callback`: may be NULL: nobody is told any more. When this returns, the earlier one is not called any more.
/// `context`: handed to it; may be NULL.
/// `level`: `FS_LOG_...`: which messages, up to this one.
///
/// Results: `FS_OK`, `FS_INVALID` for an unknown level, `FS_BUSY` as `fs_log_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_log_set(callback: fs_log_callback, context: *mut c_void, level: u32) -> fs_result {
    free_call(|| {
        let level = level_of(level)?;
        *SINK.write() = callback.map(|_| Sink { callback, context, level });
        install()
    })
}

/// Writes a message of the host to wherever the library's own go.
///
/// `level`: `FS_LOG_ERROR` to `FS_LOG_TRACE`.
/// `message`, `message_bytes`: the message, UTF-8 without line feed at its end.
///
/// Results: `FS_OK`, also when nobody listens; `FS_INVALID` for an unknown level, `FS_BAD_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_log_write(level: u32, message: *const c_char, message_bytes: usize) -> fs_result {
    free_call(|| {
        // SAFETY: what the header asks of pointers.
        let message = unsafe { text_in(message, message_bytes)? };
        match level {
            FS_LOG_ERROR => tracing::error!(target: "host", "{message}"),
            FS_LOG_WARN => tracing::warn!(target: "host", "{message}"),
            FS_LOG_INFO => tracing::info!(target: "host", "{message}"),
            FS_LOG_DEBUG => tracing::debug!(target: "host", "{message}"),
            FS_LOG_TRACE => tracing::trace!(target: "host", "{message}"),
            _ => return Err(Error::Invalid("no log level of that number").into()),
        }
        Ok(())
    })
}
