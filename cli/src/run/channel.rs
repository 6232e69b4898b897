//! What the two halves of a run say to each other: the one that stays outside, and the first process of the room.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::Signal;

use crate::errors::{Context, Failure, Result};

/// Longest text of a failure that is passed on.
const TEXT_BYTES: usize = 4096;

/// One end.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

/// What is said, each in one packet.
#[derive(Debug)]
pub(super) enum Word {
    /// Here is the descriptor that a mount, made in the room, is served through; or the mount itself.
    Descriptor(OwnedFd),
    /// It is served: go on.
    Go,
    /// The command was stopped, by the terminal or by somebody.
    Stopped(Signal),
    /// The terminal has sent this to the whole group of whoever says it.
    Keys(Signal),
    /// The room could not be built.
    Failed(String),
}

impl Channel {
    pub(super) fn pair() -> Result<(Channel, Channel)> {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.context("cannot make a socket pair")?;
        Ok((Channel(ours), Channel(theirs)))
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(super) fn say_descriptor(&self, descriptor: BorrowedFd<'_>) -> Result<()> {
        self.send(b'D', &[], &[descriptor])
    }

    pub(super) fn say_go(&self) -> Result<()> {
        self.send(b'G', &[], &[])
    }

    pub(super) fn say_stopped(&self, by: Signal) -> Result<()> {
        self.send(b'S', &[by.as_raw() as u8], &[])
    }

    pub(super) fn say_keys(&self, signal: Signal) -> Result<()> {
        self.send(b'K', &[signal.as_raw() as u8], &[])
    }

    pub(super) fn say_failed(&self, text: &str) -> Result<()> {
        self.send(b'F', text.as_bytes(), &[])
    }

    fn send(&self, kind: u8, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            let fits = beside.push(SendAncillaryMessage::ScmRights(descriptors));
            assert!(fits, "invariant: there is room for one descriptor, and nobody sends two");
        }
        let text = &text[..text.len().min(TEXT_BYTES)];
        let kind = [kind];
        let parts = [IoSlice::new(&kind), IoSlice::new(text)];
        let sent = sendmsg(&self.0, &parts, &mut beside, SendFlags::NOSIGNAL);
        sent.map(drop).context("the other half of this run has gone")
    }

    /// The next word; `None` when the other end has gone.
    pub(super) fn hear(&self) -> Result<Option<Word>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0u8; 1 + TEXT_BYTES];
        let received = recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut beside, RecvFlags::CMSG_CLOEXEC);
        let count = received.context("cannot hear from the other half of this run")?.bytes;
        let descriptor = beside.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok(match (bytes[..count].split_first(), descriptor) {
            (Some((b'D', _)), Some(descriptor)) => Some(Word::Descriptor(descriptor)),
            (Some((b'G', _)), _) => Some(Word::Go),
            (Some((b'S', text)), _) => signal_in(text).map(Word::Stopped),
            (Some((b'K', text)), _) => signal_in(text).map(Word::Keys),
            (Some((b'F', text)), _) => Some(Word::Failed(String::from_utf8_lossy(text).into_owned())),
            _ => None,
        })
    }

    /// Waits for a descriptor; a failure of the other half is one of ours.
    pub(super) fn hear_descriptor(&self) -> Result<OwnedFd> {
        match self.hear()? {
            Some(Word::Descriptor(descriptor)) => Ok(descriptor),
            Some(Word::Failed(text)) => Err(Failure::system(text)),
            _ => Err(Failure::system("the process that builds the room has ended early")),
        }
    }

    /// Waits until the other half says to go on.
    pub(super) fn hear_go(&self) -> Result<()> {
        match self.hear()? {
            Some(Word::Go) => Ok(()),
            _ => Err(Failure::system("the other half of this run has gone")),
        }
    }
}

fn signal_in(text: &[u8]) -> Option<Signal> {
    Signal::from_named_raw(i32::from(*text.first()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_whole_and_in_order() {
        let (ours, theirs) = Channel::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        theirs.say_descriptor(null.as_fd()).unwrap();
        theirs.say_stopped(Signal::TTIN).unwrap();
        theirs.say_keys(Signal::INT).unwrap();
        theirs.say_failed("no room").unwrap();
        ours.say_go().unwrap();
        ours.hear_descriptor().unwrap();
        assert!(matches!(ours.hear().unwrap(), Some(Word::Stopped(Signal::TTIN))));
        assert!(matches!(ours.hear().unwrap(), Some(Word::Keys(Signal::INT))));
        assert!(matches!(ours.hear().unwrap(), Some(Word::Failed(text)) if text == "no room"));
        theirs.hear_go().unwrap();
        drop(theirs);
        assert!(matches!(ours.hear(), Ok(None) | Err(_)));
    }
}
