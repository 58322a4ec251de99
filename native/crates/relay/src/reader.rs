//! Reads a link's messages piece by piece: headers, short payloads, chunk bodies.
//!
//! A body is received straight into its buffer together with the header that follows it, so that
//! a stream of chunks costs one system call each.

use std::os::fd::AsFd;

use wire::peer::MESSAGE_HEADER_BYTES as HEADER_BYTES;

use crate::socket::{self, Moved};

/// What is being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Payload { bytes: usize },
    Body { bytes: usize },
    Dropped { left: usize },
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole header is in `header()`; say what follows before the next step.
    Header,
    /// The payload that was expected is in `payload()`.
    Payload,
    /// The chunk that was expected is in `body()`.
    Body,
    /// The bytes to be dropped are gone.
    Dropped,
    /// Nothing more for now.
    Blocked,
    /// The link has had its turn; there may be more.
    TurnOver,
    /// The other side sends no more.
    Gone,
}

/// The receiving half of a link. Memory: one payload, and one chunk from the first one on.
#[derive(Debug)]
pub(crate) struct Reader {
    part: Part,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    payload: Vec<u8>,
    body: Vec<u8>,
    filled: usize,
    /// The socket has said that its end is near: short reads no longer mean that it is empty.
    to_the_end: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            part: Part::Header,
            header: [0; HEADER_BYTES],
            header_filled: 0,
            payload: Vec::new(),
            body: Vec::new(),
            filled: 0,
            to_the_end: false,
        }
    }
}

impl Reader {
    pub(crate) fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The chunk's bytes.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body[..self.body.len() - HEADER_BYTES]
    }

    /// Bytes that are still to come of the payload, or of the chunk.
    pub(crate) fn missing(&self) -> usize {
        match self.part {
            Part::Header => 0,
            Part::Payload { bytes } | Part::Body { bytes } => bytes.saturating_sub(self.filled),
            Part::Dropped { left } => left,
        }
    }

    /// The other side has shut its end: read on until nothing is left.
    pub(crate) fn read_to_the_end(&mut self) {
        self.to_the_end = true;
    }

    /// A payload of so many bytes follows the header.
    pub(crate) fn expect_payload(&mut self, bytes: usize) {
        self.payload.clear();
        self.payload.resize(bytes, 0);
        self.expect(Part::Payload { bytes });
    }

    /// A chunk of so many bytes follows the header.
    pub(crate) fn expect_body(&mut self, bytes: usize) {
        self.body.resize(bytes + HEADER_BYTES, 0);
        self.expect(Part::Body { bytes });
    }

    /// So many bytes follow the header, and nobody wants them.
    pub(crate) fn expect_dropped(&mut self, bytes: usize) {
        self.expect(Part::Dropped { left: bytes });
    }

    fn expect(&mut self, part: Part) {
        debug_assert_eq!(self.header_filled, HEADER_BYTES);
        self.header_filled = 0;
        self.filled = 0;
        self.part = part;
    }

    /// Receives until something is whole, nothing is there, or `turn` bytes are used up.
    /// `scratch` is where unwanted bytes would go; they are dropped in the kernel.
    pub(crate) fn step(&mut self, fd: impl AsFd, turn: &mut usize, scratch: &mut [u8]) -> Step {
        loop {
            if let Some(whole) = self.whole() {
                return whole;
            }
            if *turn == 0 {
                return Step::TurnOver;
            }
            let (moved, wanted) = self.receive(&fd, scratch);
            let bytes = match moved {
                Moved::Bytes(bytes) => bytes,
                Moved::Blocked => return Step::Blocked,
                Moved::Gone => return Step::Gone,
            };
            *turn = turn.saturating_sub(bytes);
            self.take(bytes);
            if bytes < wanted && !self.to_the_end {
                return self.whole().unwrap_or(Step::Blocked);
            }
        }
    }

    fn receive(&mut self, fd: impl AsFd, scratch: &mut [u8]) -> (Moved, usize) {
        let wanted = match self.part {
            Part::Header => &mut self.header[self.header_filled..],
            Part::Payload { bytes } => &mut self.payload[self.filled..bytes],
            Part::Body { bytes } => &mut self.body[self.filled..bytes + HEADER_BYTES],
            Part::Dropped { left } => {
                let most = left.min(scratch.len());
                return (socket::discard(fd, &mut scratch[..most]), most);
            }
        };
        let bytes = wanted.len();
        (socket::receive(fd, wanted), bytes)
    }

    fn take(&mut self, received: usize) {
        match &mut self.part {
            Part::Header => self.header_filled += received,
            Part::Payload { .. } => self.filled += received,
            Part::Body { bytes } => {
                self.filled += received;
                let beyond = self.filled.saturating_sub(*bytes);
                self.header[..beyond].copy_from_slice(&self.body[*bytes..*bytes + beyond]);
                self.header_filled = beyond;
            }
            Part::Dropped { left } => *left = left.saturating_sub(received),
        }
    }

    /// Says what is whole and turns to the header that follows.
    fn whole(&mut self) -> Option<Step> {
        let step = match self.part {
            Part::Header => {
                return (self.header_filled == HEADER_BYTES).then_some(Step::Header);
            }
            Part::Payload { bytes } if self.filled == bytes => Step::Payload,
            Part::Body { bytes } if self.filled >= bytes => Step::Body,
            Part::Dropped { left: 0 } => Step::Dropped,
            _ => return None,
        };
        self.part = Part::Header;
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    /// Steps until something comes; the peer has sent it already.
    fn next(reader: &mut Reader, far: &TcpStream, turn: usize) -> Step {
        loop {
            let mut left = turn;
            match reader.step(far, &mut left, &mut [0; 7]) {
                Step::Blocked | Step::TurnOver => {}
                step => return step,
            }
        }
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let body: Vec<u8> = (0..5000_u32)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        let mut sent = Vec::new();
        for _ in 0..3 {
            sent.extend_from_slice(&[1; HEADER_BYTES]);
            sent.extend_from_slice(b"payload");
            sent.extend_from_slice(&[2; HEADER_BYTES]);
            sent.extend_from_slice(&body);
            sent.extend_from_slice(&[3; HEADER_BYTES]);
            sent.extend_from_slice(&body[..100]);
        }
        for turn in [1, 3, 17, 4096, usize::MAX] {
            let (mut near, far) = pair();
            near.write_all(&sent).unwrap();
            drop(near);
            let mut reader = Reader::default();
            for _ in 0..3 {
                assert_eq!(next(&mut reader, &far, turn), Step::Header);
                assert_eq!(reader.header(), &[1; HEADER_BYTES]);
                reader.expect_payload(7);
                assert_eq!(next(&mut reader, &far, turn), Step::Payload);
                assert_eq!(reader.payload(), b"payload");
                assert_eq!(next(&mut reader, &far, turn), Step::Header);
                assert_eq!(reader.header(), &[2; HEADER_BYTES]);
                reader.expect_body(body.len());
                assert_eq!(next(&mut reader, &far, turn), Step::Body);
                assert!(reader.body() == body);
                assert_eq!(next(&mut reader, &far, turn), Step::Header);
                assert_eq!(reader.header(), &[3; HEADER_BYTES]);
                reader.expect_dropped(100);
                assert_eq!(next(&mut reader, &far, turn), Step::Dropped);
            }
            assert_eq!(next(&mut reader, &far, turn), Step::Gone);
        }
    }

    #[test]
    fn an_empty_payload_is_whole_at_once() {
        let (mut near, far) = pair();
        near.write_all(&[9; HEADER_BYTES]).unwrap();
        let mut reader = Reader::default();
        assert_eq!(next(&mut reader, &far, usize::MAX), Step::Header);
        reader.expect_payload(0);
        assert_eq!(reader.step(&far, &mut 10, &mut []), Step::Payload);
        assert_eq!(reader.step(&far, &mut 10, &mut []), Step::Blocked);
    }
}
