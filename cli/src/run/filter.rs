//! What the command may not ask the kernel for: to type on the terminal in somebody else's place; to control a volume through some
//! mount of it; a cgroup namespace; the keys of its user and session, which no namespace of root's keeps apart; and, without a network,
//! sockets that no network namespace holds back.

use std::os::fd::AsFd;

use bough::control::ioctl_number;
use bough::control::messages::fs_control_info;
use rustix::net::{AddressFamily, SocketType, socket};

use super::system::{self, Step};
use crate::errors::{Context, Result};

const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const KEEP_BITS: u16 = 0x54;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
/// Where the number, the architecture and the low words of the arguments lie in what a filter sees.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(at: u32) -> u32 {
    16 + 8 * at + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// Puts characters into the terminal's input, where the shell outside reads them as commands.
const TIOCSTI: u32 = 0x5412;
/// Pastes what is selected on the console.
const TIOCLINUX: u32 = 0x541C;
/// Direction and letter of an ioctl's number: those of control requests, `_IOWR('B', …)`, of whatever number and size.
const LETTER: u32 = 0xC000_FF00;
const CONTROL: u32 = 0xC000_4200;
/// Which volume one stands on may be asked.
const CONTROL_INFO: u32 = ioctl_number::<fs_control_info>();

/// Whoever has a cgroup namespace in a user namespace of his own may mount its cgroups for writing: those of the run itself, which are
/// those of whoever began it, to be frozen or killed.
const CLONE_NEWCGROUP: u32 = 0x0200_0000;

/// The numbers of one architecture that the machine runs programs of.
struct Calls {
    architecture: u32,
    ioctl: u32,
    socket: u32,
    /// The old call for all that sockets do, whose arguments a filter cannot see.
    socketcall: Option<u32>,
    io_uring_setup: u32,
    /// Of three calls, one after another, which reach the keys of a user and of a session.
    add_key: u32,
    clone: u32,
    unshare: u32,
    /// What clone does, with its flags in memory, where a filter cannot see them.
    clone3: u32,
}

const X86_64: Calls = Calls {
    architecture: 0xc000_003e,
    ioctl: 16,
    socket: 41,
    socketcall: None,
    io_uring_setup: 425,
    add_key: 248,
    clone: 56,
    unshare: 272,
    clone3: 435,
};
/// The same architecture with pointers of 32 bits.
const X32_BIT: u32 = 0x4000_0000;
const X32: Calls = Calls {
    architecture: 0xc000_003e,
    ioctl: X32_BIT | 514,
    socket: X32_BIT | 41,
    socketcall: None,
    io_uring_setup: X32_BIT | 425,
    add_key: X32_BIT | 248,
    clone: X32_BIT | 56,
    unshare: X32_BIT | 272,
    clone3: X32_BIT | 435,
};
const I386: Calls = Calls {
    architecture: 0x4000_0003,
    ioctl: 54,
    socket: 359,
    socketcall: Some(102),
    io_uring_setup: 425,
    add_key: 286,
    clone: 120,
    unshare: 310,
    clone3: 435,
};
const AARCH64: Calls = Calls {
    architecture: 0xc000_00b7,
    ioctl: 29,
    socket: 198,
    socketcall: None,
    io_uring_setup: 425,
    add_key: 217,
    clone: 220,
    unshare: 97,
    clone3: 435,
};
const ARM: Calls = Calls {
    architecture: 0x4000_0028,
    ioctl: 54,
    socket: 281,
    socketcall: Some(102),
    io_uring_setup: 425,
    add_key: 309,
    clone: 120,
    unshare: 337,
    clone3: 435,
};
/// Newer architectures share their numbers.
const RISCV64: Calls = Calls { architecture: 0xc000_00f3, ..AARCH64 };

const KNOWN: [Calls; 6] = [X86_64, X32, I386, AARCH64, ARM, RISCV64];

/// Families of sockets that a command without a network may have: each is held by its network namespace, or is a path.
const FAMILIES: [u32; 4] = [1, 2, 10, 16];

/// Filters this process and all that come from it.
pub(super) fn apply(network: bool) -> Result<()> {
    system::filter_system_calls(&program(network)).context("cannot filter system calls")
}

fn program(network: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for calls in &KNOWN {
        let body = body_of(calls, network);
        assert!(body.len() <= usize::from(u8::MAX), "invariant: a jump reaches to the end of a body");
        steps.push(Step { code: LOAD_WORD, when_true: 0, when_false: 0, value: ARCHITECTURE });
        steps.push(Step { code: JUMP_IF_EQUAL, when_true: 0, when_false: body.len() as u8, value: calls.architecture });
        steps.extend(body);
    }
    steps.push(returns(ALLOW));
    steps
}

/// Each rule loads the number anew, and goes on to the next when it is another's.
fn body_of(calls: &Calls, network: bool) -> Vec<Step> {
    let mut body = rule(calls.ioctl, &ioctls());
    for number in [calls.clone, calls.unshare] {
        body.extend(rule(number, &forbid_bits(0, CLONE_NEWCGROUP, libc::EPERM)));
    }
    // The C libraries go on with clone then.
    body.extend(rule(calls.clone3, &[returns(refusal(libc::ENOSYS))]));
    for number in calls.add_key..calls.add_key + 3 {
        body.extend(rule(number, &[returns(refusal(libc::ENOSYS))]));
    }
    if !network {
        body.extend(rule(calls.socket, &allow_values(0, &FAMILIES, libc::EAFNOSUPPORT)));
        body.extend(rule(calls.io_uring_setup, &[returns(refusal(libc::ENOSYS))]));
        body.extend(calls.socketcall.map(|number| rule(number, &[returns(refusal(libc::ENOSYS))])).unwrap_or_default());
    }
    body
}

fn rule(number: u32, then: &[Step]) -> Vec<Step> {
    let mut steps = vec![
        Step { code: LOAD_WORD, when_true: 0, when_false: 0, value: NUMBER },
        Step { code: JUMP_IF_EQUAL, when_true: 0, when_false: then.len() as u8, value: number },
    ];
    steps.extend(then);
    steps
}

/// Every mount of a volume carries requests of its owner, also one that is read-only here.
fn ioctls() -> Vec<Step> {
    let jump = |value: u32, when_true: u8| Step { code: JUMP_IF_EQUAL, when_true, when_false: 0, value };
    vec![
        Step { code: LOAD_WORD, when_true: 0, when_false: 0, value: argument(1) },
        jump(TIOCSTI, 5),
        jump(TIOCLINUX, 4),
        jump(CONTROL_INFO, 2),
        Step { code: KEEP_BITS, when_true: 0, when_false: 0, value: LETTER },
        jump(CONTROL, 1),
        returns(ALLOW),
        returns(refusal(libc::EPERM)),
    ]
}

/// Refuses what has one of these bits in an argument, allows others.
fn forbid_bits(at: u32, bits: u32, errno: i32) -> Vec<Step> {
    vec![
        Step { code: LOAD_WORD, when_true: 0, when_false: 0, value: argument(at) },
        Step { code: JUMP_IF_ANY_BIT, when_true: 1, when_false: 0, value: bits },
        returns(ALLOW),
        returns(refusal(errno)),
    ]
}

fn allow_values(at: u32, values: &[u32], errno: i32) -> Vec<Step> {
    choose(at, values, ALLOW, refusal(errno))
}

fn choose(at: u32, values: &[u32], one_of_them: u32, another: u32) -> Vec<Step> {
    let mut steps = vec![Step { code: LOAD_WORD, when_true: 0, when_false: 0, value: argument(at) }];
    for (number, value) in values.iter().enumerate() {
        let to_the_end = (values.len() - number) as u8;
        steps.push(Step { code: JUMP_IF_EQUAL, when_true: to_the_end, when_false: 0, value: *value });
    }
    steps.extend([returns(another), returns(one_of_them)]);
    steps
}

fn returns(what: u32) -> Step {
    Step { code: RETURN, when_true: 0, when_false: 0, value: what }
}

fn refusal(errno: i32) -> u32 {
    ERRNO | errno as u32
}

/// In a network namespace of its own nothing is up, not even the way to oneself.
pub(super) fn begin_loopback() -> Result<()> {
    let what = "cannot begin the loopback device";
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).context(what)?;
    system::bring_up(socket.as_fd(), c"lo").context(what)
}

#[cfg(test)]
mod tests {
    use bough::control::messages::{fs_control_delete, fs_control_switch};

    use super::*;

    /// What the kernel does with a program.
    fn verdict(steps: &[Step], architecture: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER => number,
            ARCHITECTURE => architecture,
            offset if offset == argument(0) => arguments[0],
            offset if offset == argument(1) => arguments[1],
            _ => panic!("looks elsewhere"),
        };
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = steps[at];
            at += 1;
            match step.code {
                LOAD_WORD => loaded = word(step.value),
                JUMP_IF_EQUAL if loaded == step.value => at += step.when_true as usize,
                JUMP_IF_EQUAL => at += step.when_false as usize,
                JUMP_IF_ANY_BIT if loaded & step.value != 0 => at += step.when_true as usize,
                JUMP_IF_ANY_BIT => at += step.when_false as usize,
                KEEP_BITS => loaded &= step.value,
                _ => return step.value,
            }
        }
    }

    #[test]
    fn nobody_types_on_the_terminal_in_any_architecture() {
        let program = program(true);
        for calls in &KNOWN {
            for request in [TIOCSTI, TIOCLINUX] {
                let said = verdict(&program, calls.architecture, calls.ioctl, [0, request]);
                assert_eq!(said, refusal(libc::EPERM));
            }
            assert_eq!(verdict(&program, calls.architecture, calls.ioctl, [0, 0x5413]), ALLOW);
            assert_eq!(verdict(&program, calls.architecture, 999, [0, TIOCSTI]), ALLOW);
            assert_eq!(verdict(&program, calls.architecture, calls.socket, [40, 0]), ALLOW);
        }
        assert_eq!(verdict(&program, 7, X86_64.ioctl, [0, TIOCSTI]), ALLOW);
    }

    #[test]
    fn no_mount_carries_a_request_but_which_volume_it_is_of() {
        let program = program(true);
        for calls in &KNOWN {
            let said = |request: u32| verdict(&program, calls.architecture, calls.ioctl, [0, request]);
            assert_eq!(said(ioctl_number::<fs_control_info>()), ALLOW);
            let requests = [ioctl_number::<fs_control_delete>(), ioctl_number::<fs_control_switch>(), CONTROL | 0xFF];
            assert_eq!(requests.map(said), [refusal(libc::EPERM); 3]);
            assert_eq!(said(CONTROL | 8 << 16 | 1), refusal(libc::EPERM), "that of another version");
            assert_eq!(said(libc::TCGETS as u32), ALLOW);
        }
    }

    #[test]
    fn nobody_gets_a_cgroup_namespace() {
        let program = program(true);
        for calls in &KNOWN {
            let said = |number: u32, flags: i32| verdict(&program, calls.architecture, number, [flags as u32, 0]);
            for number in [calls.clone, calls.unshare] {
                assert_eq!(said(number, libc::CLONE_NEWCGROUP | libc::CLONE_NEWUSER), refusal(libc::EPERM));
                assert_eq!(said(number, libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::SIGCHLD), ALLOW);
            }
            assert_eq!(said(calls.clone3, 0), refusal(libc::ENOSYS));
        }
    }

    #[test]
    fn keys_of_those_outside_are_out_of_reach() {
        for network in [false, true] {
            let program = program(network);
            for calls in &KNOWN {
                let said = |number: u32| verdict(&program, calls.architecture, number, [0, 0]);
                for number in calls.add_key..=calls.add_key + 2 {
                    assert_eq!(said(number), refusal(libc::ENOSYS));
                }
                assert_eq!([said(calls.add_key - 1), said(calls.add_key + 3)], [ALLOW; 2]);
            }
        }
    }

    #[test]
    fn without_a_network_only_families_that_a_namespace_holds_remain() {
        let program = program(false);
        for calls in &KNOWN {
            let family = |family: u32| verdict(&program, calls.architecture, calls.socket, [family, 0]);
            assert_eq!([family(1), family(2), family(10), family(16)], [ALLOW; 4]);
            assert_eq!(family(40), refusal(libc::EAFNOSUPPORT), "AF_VSOCK leads to the host of a machine");
            let ring = verdict(&program, calls.architecture, calls.io_uring_setup, [0, 0]);
            assert_eq!(ring, refusal(libc::ENOSYS), "which makes sockets that no filter sees");
            if let Some(number) = calls.socketcall {
                assert_eq!(verdict(&program, calls.architecture, number, [0, 0]), refusal(libc::ENOSYS));
            }
            assert_eq!(verdict(&program, calls.architecture, calls.ioctl, [0, TIOCSTI]), refusal(libc::EPERM));
        }
    }
}
