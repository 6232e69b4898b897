//! The socket of a daemon: a request is its number, its size and the message; the answer a result, a size and the message.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bough::control::Message;
use bough::control::messages::request;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{Channel, answer};
use crate::errors::{Context, Failure, Result};

/// A daemon that has not answered after this long is taken for hung.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What may take it as long as there is content to compare, or inodes to look at. Its end is seen at once: then the connection ends, too.
const LONG: [u32; 3] = [request::FS_CONTROL_DIFF_READ, request::FS_CONTROL_REVERT, request::FS_CONTROL_CHECK];

/// A connection to a daemon.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: UnixStream,
    patience: Duration,
    /// Both ends may not be at the same place in what is said.
    broken: bool,
}

impl Socket {
    pub(crate) fn connect(path: &Path) -> io::Result<Socket> {
        Socket::over(UnixStream::connect(path)?)
    }

    fn over(stream: UnixStream) -> io::Result<Socket> {
        Socket::with_patience(stream, TIMEOUT)
    }

    fn with_patience(stream: UnixStream, patience: Duration) -> io::Result<Socket> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Socket { stream, patience, broken: false })
    }

    /// As [`Channel::ask`], with a descriptor beside the message.
    pub(crate) fn hand_over<M: Message>(&mut self, message: &mut M, descriptor: BorrowedFd<'_>) -> Result<()> {
        self.exchange(message, &[descriptor])
    }

    /// Whether more can be asked.
    pub(crate) fn is_sound(&self) -> bool {
        !self.broken
    }

    fn exchange<M: Message>(&mut self, message: &mut M, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        self.broken = true;
        self.send(message, descriptors).context("cannot reach the daemon of the volume")?;
        match LONG.contains(&M::REQUEST) {
            true => self.receive_at_last(message)?,
            false => self.receive(message)?,
        }
        self.broken = false;
        answer(message.header())
    }

    /// Receives what may take long.
    fn receive_at_last<M: Message>(&mut self, message: &mut M) -> Result<()> {
        let what = "cannot wait for the daemon of the volume";
        self.stream.set_read_timeout(None).context(what)?;
        let received = self.receive(message);
        self.stream.set_read_timeout(Some(self.patience)).context(what)?;
        received
    }

    fn send<M: Message>(&mut self, message: &M, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let head = [M::REQUEST, size_of::<M>() as u32];
        let parts = [bytemuck::bytes_of(&head), bytemuck::bytes_of(message)];
        let bytes = parts.concat();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            let fits = beside.push(SendAncillaryMessage::ScmRights(descriptors));
            assert!(fits, "invariant: there is room for one descriptor, and nobody sends two");
        }
        let sent = sendmsg(self.stream.as_fd(), &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL)?;
        io::Write::write_all(&mut self.stream, &bytes[sent..])
    }

    fn receive<M: Message>(&mut self, message: &mut M) -> Result<()> {
        let mut head = [0u32; 2];
        self.read(bytemuck::bytes_of_mut(&mut head))?;
        let [result, size] = head;
        if result != 0 {
            self.skip(size)?;
            self.broken = false;
            return Err(Failure::answered(result, bough::error::tables::message(result).to_owned()));
        }
        if size as usize != size_of::<M>() {
            return Err(Failure::system("the daemon is of another version of bough: use the command of that version"));
        }
        self.read(bytemuck::bytes_of_mut(message))
    }

    /// What comes with a refusal has no reader.
    fn skip(&mut self, size: u32) -> Result<()> {
        let mut rest = Vec::new();
        self.stream.by_ref().take(u64::from(size)).read_to_end(&mut rest).context("the daemon does not answer")?;
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.stream.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::no_volume("the daemon of the volume has ended"),
            io::ErrorKind::WouldBlock => Failure::no_volume("the daemon of the volume does not answer"),
            _ => Failure::no_volume(format!("the daemon of the volume is gone: {}", crate::errors::describe(&error))),
        })
    }
}

impl Channel for Socket {
    fn ask<M: Message>(&mut self, message: &mut M) -> Result<()> {
        self.exchange(message, &[])
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use bough::control::messages::{fs_control_attach, fs_control_diff_read, fs_control_stats};
    use bough::control::{filled, message};
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    use super::*;
    use crate::errors::Exit;

    fn pair() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Socket::over(ours).unwrap(), theirs)
    }

    fn take_request(stream: &mut UnixStream) -> (u32, Vec<u8>) {
        let mut head = [0u32; 2];
        stream.read_exact(bytemuck::bytes_of_mut(&mut head)).unwrap();
        let mut bytes = vec![0; head[1] as usize];
        stream.read_exact(&mut bytes).unwrap();
        (head[0], bytes)
    }

    fn reply(stream: &mut UnixStream, result: u32, bytes: &[u8]) {
        stream.write_all(bytemuck::bytes_of(&[result, bytes.len() as u32])).unwrap();
        stream.write_all(bytes).unwrap();
    }

    #[test]
    fn several_requests_travel_over_one_connection() {
        let (mut socket, mut daemon) = pair();
        let daemon = thread::spawn(move || {
            for used in [7u64, 8] {
                let (request, bytes) = take_request(&mut daemon);
                assert_eq!(request, request::FS_CONTROL_STATS);
                let mut message: fs_control_stats = bytemuck::pod_read_unaligned(&bytes);
                message.used_bytes = used;
                reply(&mut daemon, 0, bytemuck::bytes_of(&message));
            }
        });
        for used in [7, 8] {
            let mut stats: fs_control_stats = message();
            socket.ask(&mut stats).unwrap();
            assert_eq!(stats.used_bytes, used);
        }
        daemon.join().unwrap();
    }

    #[test]
    fn a_descriptor_goes_with_the_first_byte() {
        let (mut socket, mut daemon) = pair();
        let daemon = thread::spawn(move || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let mut first = [0u8; 1];
            recvmsg(&daemon, &mut [io::IoSliceMut::new(&mut first)], &mut beside, RecvFlags::empty()).unwrap();
            let got = beside.drain().any(|message| matches!(message, RecvAncillaryMessage::ScmRights(_)));
            let mut rest = vec![0; 7 + size_of::<fs_control_attach>()];
            daemon.read_exact(&mut rest).unwrap();
            reply(&mut daemon, 0, &rest[7..]);
            got
        });
        let mut attach: fs_control_attach = message();
        attach.label.bytes = filled(b"/mnt");
        socket.hand_over(&mut attach, std::io::stdin().as_fd()).unwrap();
        assert!(daemon.join().unwrap());
        assert_eq!(bough::control::text_of(&attach.label.bytes), "/mnt");
    }

    #[test]
    fn what_may_take_long_is_waited_for_and_all_else_is_not() {
        let (ours, mut daemon) = UnixStream::pair().unwrap();
        let mut socket = Socket::with_patience(ours, Duration::from_millis(50)).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let daemon = thread::spawn(move || {
            let (request, bytes) = take_request(&mut daemon);
            assert_eq!(request, request::FS_CONTROL_DIFF_READ);
            thread::sleep(Duration::from_millis(300));
            reply(&mut daemon, 0, &bytes);
            take_request(&mut daemon);
            // Until nobody waits for the answer any more, however late he comes to run.
            let _ = told.recv();
        });
        socket.ask(&mut message::<fs_control_diff_read>()).unwrap();
        let refused = socket.ask(&mut message::<fs_control_stats>()).unwrap_err();
        assert!(refused.text().contains("does not answer"), "{}", refused.text());
        tell.send(()).unwrap();
        daemon.join().unwrap();
        let (mut socket, mut daemon) = pair();
        let daemon = thread::spawn(move || drop(take_request(&mut daemon)));
        let refused = socket.ask(&mut message::<fs_control_diff_read>()).unwrap_err();
        assert_eq!(refused.exit(), Exit::NoVolume, "it has ended: {}", refused.text());
        daemon.join().unwrap();
    }

    #[test]
    fn refusals_wrong_sizes_and_hang_ups_are_told_apart() {
        let answers: [fn(&mut UnixStream); 3] =
            [|daemon| reply(daemon, 28, b"gone"), |daemon| reply(daemon, 0, b"short"), |_| ()];
        for (answer, exit) in answers.into_iter().zip([Exit::Refused, Exit::System, Exit::NoVolume]) {
            let (mut socket, mut daemon) = pair();
            let daemon = thread::spawn(move || {
                take_request(&mut daemon);
                answer(&mut daemon);
            });
            let refused = socket.ask(&mut message::<fs_control_stats>()).unwrap_err();
            assert_eq!(refused.exit(), exit);
            daemon.join().unwrap();
        }
    }
}
