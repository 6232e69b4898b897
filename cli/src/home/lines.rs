//! Connections to a daemon that are kept for the next question: a new one costs the daemon a thread.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use bough::control::Message;

use crate::errors::Result;
use crate::wire::{Channel, Socket};

/// A daemon hangs up on who is silent for much longer.
const FRESH: Duration = Duration::from_secs(10);

/// Those that nobody uses now, and since when.
#[derive(Debug, Default)]
pub(super) struct Lines(RefCell<Vec<(Instant, Socket)>>);

impl Lines {
    pub(super) fn take(&self) -> Option<Socket> {
        let mut idle = self.0.borrow_mut();
        idle.retain(|(since, _)| since.elapsed() < FRESH);
        idle.pop().map(|(_, socket)| socket)
    }

    pub(super) fn put_back(&self, socket: Socket) {
        if socket.is_sound() {
            self.0.borrow_mut().push((Instant::now(), socket));
        }
    }

    pub(super) fn end(&self) {
        self.0.borrow_mut().clear();
    }
}

/// A connection in use.
pub(crate) struct Line<'a> {
    pub(super) lines: &'a Lines,
    pub(super) socket: Option<Socket>,
}

impl Deref for Line<'_> {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.socket.as_ref().expect("invariant: it is given back at the end")
    }
}

impl DerefMut for Line<'_> {
    fn deref_mut(&mut self) -> &mut Socket {
        self.socket.as_mut().expect("invariant: it is given back at the end")
    }
}

impl Channel for Line<'_> {
    fn ask<M: Message>(&mut self, message: &mut M) -> Result<()> {
        (**self).ask(message)
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.lines.put_back(socket);
        }
    }
}
