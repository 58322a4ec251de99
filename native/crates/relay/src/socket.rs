//! The few system calls of a link's socket, and how it is tuned.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, SockRef, Socket, Type};

use crate::limits::{
    LONG_ROUND_TRIP_US, SEND_BUFFER_FED_BYTES, SEND_BUFFER_FIRST_BYTES, UNSENT_FAST_BYTES,
    UNSENT_FIRST_BYTES, UNSENT_LONG_BYTES,
};

/// `SOL_SOCKET` option that says which buffer sizes are fixed (Linux 5.14).
const SO_BUF_LOCK: i32 = 72;
/// `tcp_info` (Linux 4.10 and on) up to and with `tcpi_busy_time`, and where in it things are.
const TCP_INFO_BYTES: usize = 176;
const TCP_INFO_RTT_AT: usize = 68;
const TCP_INFO_ACKED_AT: usize = 120;
const TCP_INFO_MIN_RTT_AT: usize = 148;
const TCP_INFO_BUSY_AT: usize = 168;
/// `tcp_cc_info`: `tcp_bbr_info` is longer than the others, and its `bbr_cwnd_gain` is in parts of
/// this.
const CC_INFO_BYTES: usize = 64;
const BBR_INFO_BYTES: usize = 20;
const BBR_INFO_MIN_RTT_AT: usize = 8;
const BBR_INFO_CWND_GAIN_AT: usize = 16;
const BBR_GAIN_ONE: u32 = 256;

/// What a non-blocking call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// So many bytes; never 0.
    Bytes(usize),
    /// Nothing now; an event follows.
    Blocked,
    /// The other side is gone or will send no more.
    Gone,
}

fn moved(result: Result<usize, Errno>) -> Moved {
    match result {
        Ok(0) => Moved::Gone,
        Ok(bytes) => Moved::Bytes(bytes),
        Err(Errno::AGAIN) => Moved::Blocked,
        Err(_) => Moved::Gone,
    }
}

/// Receives into `buffer`, which is not empty.
pub(crate) fn receive(fd: impl AsFd, buffer: &mut [u8]) -> Moved {
    moved(rustix::io::retry_on_intr(|| {
        rustix::net::recv(&fd, &mut *buffer, RecvFlags::DONTWAIT).map(|(_, bytes)| bytes)
    }))
}

/// Drops up to `buffer.len()` received bytes without copying them.
pub(crate) fn discard(fd: impl AsFd, buffer: &mut [u8]) -> Moved {
    let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    moved(rustix::io::retry_on_intr(|| {
        rustix::net::recv(&fd, &mut *buffer, flags).map(|(_, bytes)| bytes)
    }))
}

/// Sends from `bytes`, which is not empty. `more`: a file's bytes follow at once.
pub(crate) fn send(fd: impl AsFd, bytes: &[u8], more: bool) -> Moved {
    let mut flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    if more {
        flags |= SendFlags::MORE;
    }
    moved(rustix::io::retry_on_intr(|| {
        rustix::net::send(&fd, bytes, flags)
    }))
}

/// Sends `count` bytes of `file` from `offset` on.
///
/// # Errors
/// Those of the file alone; `Ok(None)` says that it ends before `offset`.
pub(crate) fn send_file(
    fd: impl AsFd,
    file: &File,
    mut offset: u64,
    count: usize,
) -> io::Result<Option<Moved>> {
    loop {
        match rustix::fs::sendfile(&fd, file, Some(&mut offset), count) {
            Ok(0) => return Ok(None),
            Ok(bytes) => return Ok(Some(Moved::Bytes(bytes))),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Some(Moved::Blocked)),
            Err(error @ (Errno::IO | Errno::NOMEM | Errno::INVAL | Errno::OVERFLOW)) => {
                return Err(error.into());
            }
            Err(_) => return Ok(Some(Moved::Gone)),
        }
    }
}

/// How much a link's socket may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Little: what is in a socket cannot be given elsewhere.
    Shallow,
    /// More, but for a link that carries all that there is for it, and does not fill it.
    Fed,
    /// As much on its way as the system finds right, for a long link, and little unsent.
    Long,
    /// What the system finds right: a fast link.
    Deep,
}

/// Tunes a socket that is up: no delay, shallow unless the first round trip says that it is long;
/// on this machine the congestion control that costs least. What the system refuses is left.
pub(crate) fn tune(fd: impl AsFd, remote: IpAddr) -> Depth {
    let socket = SockRef::from(&fd);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_keepalive(true);
    if remote.is_loopback() {
        choose_light_congestion_control(&socket);
    }
    let depth = depth_for(round_trip_us(fd.as_fd()));
    if depth == Depth::Shallow {
        let _ = socket.set_send_buffer_size(SEND_BUFFER_FIRST_BYTES);
        limit_unsent(&fd, UNSENT_FIRST_BYTES);
    } else {
        limit_unsent(&fd, UNSENT_LONG_BYTES);
    }
    depth
}

/// Unsent bytes that a link's socket takes before it waits.
pub(crate) fn limit_unsent(fd: impl AsFd, bytes: u32) {
    let _ = SockRef::from(&fd).set_tcp_notsent_lowat(bytes);
}

/// The rate that the system gives a link's bytes to the network at, at most; None: as it likes.
pub(crate) fn limit_pace(fd: impl AsFd, bps: Option<u64>) {
    let bytes = bps.map_or(u32::MAX, |bps| u32::try_from(bps / 8).unwrap_or(u32::MAX));
    let _ = set_int(
        fd.as_fd(),
        libc::SOL_SOCKET,
        libc::SO_MAX_PACING_RATE,
        bytes.cast_signed(),
    );
}

/// Long for a link that is known to be long, shallow for any other.
fn depth_for(round_trip_us: Option<u32>) -> Depth {
    match round_trip_us {
        Some(us) if us > LONG_ROUND_TRIP_US => Depth::Long,
        _ => Depth::Shallow,
    }
}

/// Gives a link that has proven fast what the system finds right.
pub(crate) fn deepen(fd: impl AsFd) {
    let socket = SockRef::from(&fd);
    choose_light_congestion_control(&socket);
    let _ = set_int(fd.as_fd(), libc::SOL_SOCKET, SO_BUF_LOCK, 0);
    limit_unsent(&fd, UNSENT_FAST_BYTES);
}

/// Lets the socket of a link that waits for more hold more, or no more than any other.
pub(crate) fn limit_held(fd: impl AsFd, depth: Depth) {
    let bytes = match depth {
        Depth::Fed => SEND_BUFFER_FED_BYTES,
        _ => SEND_BUFFER_FIRST_BYTES,
    };
    let _ = SockRef::from(&fd).set_send_buffer_size(bytes);
}

/// Has BBR begin anew, with the window that it has, by way of Reno, which every program may choose.
pub(crate) fn renew_bbr(fd: impl AsFd) {
    if may_choose_bbr() {
        let socket = SockRef::from(&fd);
        let _ = socket.set_tcp_congestion(b"reno");
        let _ = socket.set_tcp_congestion(b"bbr");
    }
}

/// Tried with a socket of no other use: one that may not go back would stay with Reno.
fn may_choose_bbr() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    *MAY.get_or_init(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None);
        socket.is_ok_and(|socket| {
            let chosen = socket.set_tcp_congestion(b"reno");
            chosen.is_ok() && socket.set_tcp_congestion(b"bbr").is_ok()
        })
    })
}

/// Cubic where it may be had, else reno: on short fast paths BBR's timer costs half as much again.
fn choose_light_congestion_control(socket: &SockRef<'_>) {
    if socket.set_tcp_congestion(b"cubic").is_err() {
        let _ = socket.set_tcp_congestion(b"reno");
    }
}

fn set_int(fd: BorrowedFd<'_>, level: i32, option: i32, value: i32) -> io::Result<()> {
    let bytes = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or_default();
    // SAFETY: the descriptor is borrowed and open; the value outlives the call, its size is given.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            bytes,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What the system has counted of what was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Bytes that the other end has acknowledged.
    pub(crate) acked_bytes: u64,
    /// How long there was something that it had not acknowledged.
    pub(crate) busy_us: u64,
}

/// What went out by a socket; nothing where the system does not count.
pub(crate) fn flow(fd: impl AsFd) -> Flow {
    let sum = |info: &[u8], at: usize| Some(u64::from_ne_bytes(*info.get(at..)?.first_chunk()?));
    tcp_info(fd.as_fd())
        .and_then(|info| {
            Some(Flow {
                acked_bytes: sum(&info, TCP_INFO_ACKED_AT)?,
                busy_us: sum(&info, TCP_INFO_BUSY_AT)?,
            })
        })
        .unwrap_or_default()
}

/// The smoothed round trip, which is the handshake's on a fresh connection.
fn round_trip_us(fd: BorrowedFd<'_>) -> Option<u32> {
    count(&tcp_info(fd)?, TCP_INFO_RTT_AT)
}

/// What BBR says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bbr {
    /// Its window is what it takes for what is on its way, and else at least twice that.
    pub(crate) rests: bool,
    /// The round trip that it goes by is at most twice the shortest of five minutes, which it would
    /// go by if it began anew: its window is twice what that takes.
    pub(crate) is_near_shortest: bool,
}

/// None where a socket has another congestion control, another version of BBR included.
pub(crate) fn bbr(fd: impl AsFd) -> Option<Bbr> {
    let (info, bytes) = tcp_option::<CC_INFO_BYTES>(fd.as_fd(), libc::TCP_CC_INFO)?;
    if bytes != BBR_INFO_BYTES {
        return None;
    }
    let trip_us = count(&info, BBR_INFO_MIN_RTT_AT)?;
    let shortest_us = count(&tcp_info(fd.as_fd())?, TCP_INFO_MIN_RTT_AT)?;
    Some(Bbr {
        rests: count(&info, BBR_INFO_CWND_GAIN_AT)? == BBR_GAIN_ONE,
        is_near_shortest: trip_us / 2 <= shortest_us,
    })
}

fn count(info: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*info.get(at..)?.first_chunk()?))
}

/// What an old system does not count is 0.
fn tcp_info(fd: BorrowedFd<'_>) -> Option<[u8; TCP_INFO_BYTES]> {
    let (info, bytes) = tcp_option(fd, libc::TCP_INFO)?;
    (bytes > TCP_INFO_RTT_AT + size_of::<u32>()).then_some(info)
}

/// An option's bytes, and how many there are.
fn tcp_option<const BYTES_MAX: usize>(
    fd: BorrowedFd<'_>,
    option: i32,
) -> Option<([u8; BYTES_MAX], usize)> {
    let mut value = [0_u8; BYTES_MAX];
    let mut bytes = libc::socklen_t::try_from(BYTES_MAX).ok()?;
    // SAFETY: the kernel writes at most `bytes` bytes into the buffer of that size.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            value.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    (result == 0).then_some((value, bytes as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn what_was_acknowledged_is_counted_and_how_long_it_took() {
        let (mut near, mut far) = pair();
        assert!(flow(&near).acked_bytes <= 1, "only that it is there");
        near.write_all(&[1; 4096]).unwrap();
        far.read_exact(&mut [0; 4096]).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while flow(&near).acked_bytes < 4096 {
            assert!(Instant::now() < end, "{:?}", flow(&near));
        }
        near.set_nonblocking(true).unwrap();
        while near.write(&[1; 4096]).is_ok() {}
        let before = flow(&near);
        std::thread::sleep(Duration::from_millis(20));
        assert!(
            flow(&near).busy_us >= before.busy_us + 10_000,
            "nobody reads"
        );
    }

    #[test]
    fn only_a_link_that_is_known_to_be_long_is_so_from_the_start() {
        for short in [None, Some(0), Some(LONG_ROUND_TRIP_US)] {
            assert_eq!(depth_for(short), Depth::Shallow, "{short:?}");
        }
        for long in [LONG_ROUND_TRIP_US + 1, u32::MAX] {
            assert_eq!(depth_for(Some(long)), Depth::Long, "{long}");
        }
    }

    #[test]
    fn a_shallow_link_holds_little_and_can_be_deepened() {
        let (near, _far) = pair();
        let socket = SockRef::from(&near);
        // On a machine that stands still, even a loopback link is long.
        if tune(&near, near.peer_addr().unwrap().ip()) == Depth::Shallow {
            let send_buffer_bytes = socket.send_buffer_size().unwrap();
            assert_eq!(send_buffer_bytes, 2 * SEND_BUFFER_FIRST_BYTES);
            assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_FIRST_BYTES);
        }
        deepen(&near);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_FAST_BYTES);
        assert!(socket.tcp_nodelay().unwrap());
    }

    #[test]
    fn bbr_that_begins_anew_is_bbr_again_and_another_is_told_from_it() {
        let (near, _far) = pair();
        let socket = SockRef::from(&near);
        socket.set_tcp_congestion(b"reno").unwrap();
        assert_eq!(bbr(&near), None);
        if !may_choose_bbr() {
            return;
        }
        socket.set_tcp_congestion(b"bbr").unwrap();
        renew_bbr(&near);
        assert!(socket.tcp_congestion().unwrap().starts_with(b"bbr"));
        assert_eq!(bbr(&near).map(|bbr| bbr.rests), Some(false));
    }

    #[test]
    fn discarding_counts_what_it_drops() {
        let (near, far) = pair();
        assert_eq!(send(&near, b"0123456789", false), Moved::Bytes(10));
        let mut buffer = [7_u8; 4];
        let mut dropped = 0;
        while dropped < 8 {
            if let Moved::Bytes(bytes) = discard(&far, &mut buffer) {
                dropped += bytes;
            }
        }
        assert_eq!(buffer, [7_u8; 4]);
        assert_eq!(receive(&far, &mut buffer), Moved::Bytes(2));
        assert_eq!(&buffer[..2], b"89");
        assert_eq!(receive(&far, &mut buffer), Moved::Blocked);
        drop(near);
    }

    #[test]
    fn a_file_that_ends_too_early_is_told_apart_from_a_peer_that_is_gone() {
        let (near, far) = pair();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"abc").unwrap();
        assert_eq!(
            send_file(&near, &file, 1, 2).unwrap(),
            Some(Moved::Bytes(2))
        );
        assert_eq!(send_file(&near, &file, 3, 2).unwrap(), None);
        drop(far);
        let mut last = Some(Moved::Bytes(1));
        while let Some(Moved::Bytes(_)) = last {
            last = send_file(&near, &file, 0, 3).unwrap();
        }
        assert_eq!(last, Some(Moved::Gone));
    }
}
