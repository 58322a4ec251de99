//! Writes a link's messages: short ones from memory, chunk bodies by `sendfile` from the stream's
//! files. What a full socket does not take is remembered to the byte.

use std::io;
use std::os::fd::AsFd;

use wire::peer::MESSAGE_HEADER_BYTES as HEADER_BYTES;

use crate::limits::OUT_BYTES_MAX;
use crate::socket::{self, Moved};
use crate::store::Store;

/// What a push came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// All that was queued is in the socket.
    Idle,
    /// The chunk that was begun is wholly in the socket; control bytes may still wait.
    ChunkSent {
        /// Its index.
        index: u32,
    },
    /// The socket is full; an event follows.
    Blocked,
    /// The other side is gone.
    Gone,
}

#[derive(Debug, Clone, Copy)]
struct Body {
    index: u32,
    offset: u64,
    left: usize,
}

/// The sending half of a link.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Bytes before the body: the last of them are its header.
    ahead: Vec<u8>,
    ahead_sent: usize,
    body: Option<Body>,
    /// Messages that were queued while a body was under way.
    behind: Vec<u8>,
}

impl Writer {
    /// Queues a message.
    ///
    /// Returns false when the reader of this link is too far behind to be worth the memory.
    pub(crate) fn queue(&mut self, message: &[u8]) -> bool {
        if self.waiting() + message.len() > OUT_BYTES_MAX {
            return false;
        }
        let queue = if self.body.is_some() {
            &mut self.behind
        } else {
            &mut self.ahead
        };
        queue.extend_from_slice(message);
        true
    }

    /// Begins a chunk, after all that is queued. The last one has been sent.
    pub(crate) fn begin_chunk(
        &mut self,
        header: &[u8; HEADER_BYTES],
        index: u32,
        offset: u64,
        bytes: usize,
    ) {
        debug_assert!(self.body.is_none());
        self.ahead.extend_from_slice(header);
        self.body = Some(Body {
            index,
            offset,
            left: bytes,
        });
    }

    /// Control bytes that wait for the socket.
    pub(crate) fn waiting(&self) -> usize {
        self.ahead.len() - self.ahead_sent + self.behind.len()
    }

    /// Nothing is queued and no chunk is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.body.is_none() && self.waiting() == 0
    }

    /// Hands to the socket what it takes, and adds to `sent` how many bytes of the body it took.
    ///
    /// # Errors
    /// Those of the stream's file.
    pub(crate) fn push(
        &mut self,
        fd: impl AsFd,
        store: &Store,
        sent: &mut u64,
    ) -> io::Result<Pushed> {
        while self.ahead_sent < self.ahead.len() {
            let rest = &self.ahead[self.ahead_sent..];
            match socket::send(&fd, rest, self.body.is_some()) {
                Moved::Bytes(bytes) => self.ahead_sent += bytes,
                Moved::Blocked => return Ok(Pushed::Blocked),
                Moved::Gone => return Ok(Pushed::Gone),
            }
        }
        self.ahead.clear();
        self.ahead_sent = 0;
        let Some(body) = &mut self.body else {
            return Ok(Pushed::Idle);
        };
        while body.left > 0 {
            let piece = store.at(body.offset);
            let run = usize::try_from(piece.bytes).map_or(body.left, |run| run.min(body.left));
            match socket::send_file(&fd, piece.file, piece.offset, run)? {
                Some(Moved::Bytes(bytes)) => {
                    body.offset += bytes as u64;
                    body.left -= bytes;
                    *sent += bytes as u64;
                }
                Some(Moved::Blocked) => return Ok(Pushed::Blocked),
                Some(Moved::Gone) => return Ok(Pushed::Gone),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let index = body.index;
        self.body = None;
        std::mem::swap(&mut self.ahead, &mut self.behind);
        Ok(Pushed::ChunkSent { index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_full_socket_is_gone_on_with_to_the_byte() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        let stored: Vec<u8> = (0..32_u32 << 20)
            .map(|i| (i >> 8).to_le_bytes()[0])
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1.stream");
        let mut stream = stored::StoredStream::create(&path).unwrap();
        assert!(stream.add_parcel(&(5000..9_000_000)).unwrap());
        stream.write_all_at(&stored, 0).unwrap();
        let store = Store::open_source(&path, 1 << 20).unwrap();
        let mut writer = Writer::default();
        assert!(writer.queue(b"before"));
        writer.begin_chunk(&[7; HEADER_BYTES], 5, 1000, stored.len() - 1000);
        assert!(writer.queue(b"after"));
        let mut expected = b"before".to_vec();
        expected.extend_from_slice(&[7; HEADER_BYTES]);
        expected.extend_from_slice(&stored[1000..]);
        expected.extend_from_slice(b"after");
        let wanted = expected.len();
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; wanted];
            far.read_exact(&mut all).unwrap();
            all
        });
        let (mut sent, mut chunks) = (0, Vec::new());
        while !writer.is_idle() {
            match writer.push(&near, &store, &mut sent).unwrap() {
                Pushed::ChunkSent { index } => chunks.push(index),
                Pushed::Blocked => std::thread::yield_now(),
                Pushed::Idle => {}
                Pushed::Gone => panic!("gone"),
            }
        }
        assert!(reader.join().unwrap() == expected);
        assert_eq!((sent, chunks), (stored.len() as u64 - 1000, vec![5]));
    }

    #[test]
    fn a_reader_too_far_behind_is_refused_memory() {
        let mut writer = Writer::default();
        assert!(writer.queue(&vec![0; OUT_BYTES_MAX]));
        assert!(!writer.queue(&[0]));
        assert_eq!(writer.waiting(), OUT_BYTES_MAX);
    }
}
