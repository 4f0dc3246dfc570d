//! How is the kernel asked to make, change and describe network devices?
//!
//! By messages on a socket of the family `NETLINK_ROUTE` (netlink(7), rtnetlink(7)): a header, a
//! structure that says what is meant, and attributes, some of which hold attributes. A socket
//! belongs to the network namespace in which it was made, wherever its thread goes afterwards.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::os::fd::{AsRawFd, OwnedFd};

/// Bytes of `struct nlmsghdr` and of `struct nlattr`.
const HEADER_BYTES: usize = 16;
const ATTRIBUTE_BYTES: usize = 4;

/// An answer is never longer: those about one device take about 2 KiB.
const ANSWER_BYTES: usize = 32 << 10;

/// The kernel answers while it is being asked; this bound is for the day when it does not.
const ANSWER_S: i64 = 5;

/// A request in the making.
pub struct Message(Vec<u8>);

impl Message {
    /// A request of this kind about what the structure says.
    #[must_use]
    pub fn new(kind: u16, flags: libc::c_int, about: &[u8]) -> Message {
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // Sequence number and port: one request is under way at a time, and it goes to the kernel.
        bytes.extend([0; 8]);
        Message(bytes).raw(about)
    }

    /// Bytes as they are, filled up to a whole number of words.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Message {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(ATTRIBUTE_BYTES), 0);
        self
    }

    /// An attribute.
    #[must_use]
    pub fn put(mut self, kind: u16, value: &[u8]) -> Message {
        let len = (ATTRIBUTE_BYTES + value.len()) as u16;
        self.0.extend(len.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.raw(value)
    }

    /// A text, as the kernel wants it: with a zero at its end.
    #[must_use]
    pub fn text(self, kind: u16, text: &str) -> Message {
        self.put(kind, format!("{text}\0").as_bytes())
    }

    /// A number of 32 bits.
    #[must_use]
    pub fn number(self, kind: u16, number: u32) -> Message {
        self.put(kind, &number.to_ne_bytes())
    }

    /// An attribute that holds others.
    #[must_use]
    pub fn nest(mut self, kind: u16, inside: impl FnOnce(Message) -> Message) -> Message {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend((kind | libc::NLA_F_NESTED as u16).to_ne_bytes());
        let mut whole = inside(self);
        let len = (whole.0.len() - start) as u16;
        whole.0[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        whole
    }

    fn finished(mut self) -> Vec<u8> {
        let len = self.0.len() as u32;
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0
    }
}

/// A socket to the kernel's devices in one network namespace.
pub struct Netlink(OwnedFd);

impl Netlink {
    /// A socket to the namespace that this thread is in now.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn open() -> Result<Netlink, Errno> {
        let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
        let socket = socket(AddressFamily::Netlink, kind, flags, SockProtocol::NetlinkRoute)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_S))?;
        Ok(Netlink(socket))
    }

    /// Sends a request and waits for its answer: what stands behind the answer's header, and nothing
    /// where the kernel merely says that it is done.
    ///
    /// # Errors
    /// What the kernel said; `EPROTO` when that cannot be understood.
    pub fn ask(&self, message: Message) -> Result<Vec<u8>, Errno> {
        send(self.0.as_raw_fd(), &message.finished(), MsgFlags::empty())?;
        let mut answer = vec![0; ANSWER_BYTES];
        let got = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        answer.truncate(got);
        let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
        let kind = kind.map(u16::from_ne_bytes).ok_or(Errno::EPROTO)?;
        let body = answer.split_off(HEADER_BYTES.min(answer.len()));
        if i32::from(kind) != libc::NLMSG_ERROR {
            return Ok(body);
        }
        match i32_at(&body, 0).ok_or(Errno::EPROTO)? {
            0 => Ok(Vec::new()),
            error => Err(Errno::from_raw(-error)),
        }
    }
}

/// The number at a place of an answer.
#[must_use]
pub fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    let word = bytes.get(at..at + 4)?;
    word.try_into().ok().map(i32::from_ne_bytes)
}

/// The value of an attribute among those of an answer.
#[must_use]
pub fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let len = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let value = bytes.get(ATTRIBUTE_BYTES..len)?;
        if kind & !(libc::NLA_F_NESTED as u16) == wanted {
            return Some(value);
        }
        bytes = bytes.get(len.next_multiple_of(ATTRIBUTE_BYTES)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_however_they_are_cut() {
        let message = Message::new(16, 0, &[7; 16]).text(3, "lo").number(4, 1500);
        let message = message.nest(18, |inside| inside.text(1, "veth").put(2, &[1, 2, 3]));
        let bytes = message.finished();
        assert_eq!(i32_at(&bytes, 0), Some(bytes.len() as i32));
        let attributes = &bytes[HEADER_BYTES + 16..];
        assert_eq!(attribute(attributes, 3), Some(&b"lo\0"[..]));
        assert_eq!(attribute(attributes, 4).and_then(|value| i32_at(value, 0)), Some(1500));
        let inside = attribute(attributes, 18).unwrap();
        assert_eq!(attribute(inside, 2), Some(&[1, 2, 3][..]));
        assert_eq!(attribute(attributes, 99), None);
        for cut in 0..attributes.len() {
            let _ = attribute(&attributes[..cut], 18);
        }
    }

    #[test]
    fn the_kernel_knows_the_loopback_device_and_says_which_it_does_not_know() {
        let netlink = Netlink::open().unwrap();
        let get = |name| Message::new(libc::RTM_GETLINK, 0, &[0; 16]).text(libc::IFLA_IFNAME, name);
        let answer = netlink.ask(get("lo")).unwrap();
        assert_eq!(attribute(&answer[16..], libc::IFLA_IFNAME), Some(&b"lo\0"[..]));
        assert_eq!(netlink.ask(get("no-such-device")), Err(Errno::ENODEV));
    }
}
