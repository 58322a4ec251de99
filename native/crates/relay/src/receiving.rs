//! What comes over a link: checked, stored, told to the core.

use spread::{LinkId, Role};
use wire::peer::{Message, MessageHeader, MessageType};
use wire::vouch::Vouch;

use crate::error::RelayError;
use crate::limits::{READ_TURN_BYTES, USELESS_BYTES_MAX};
use crate::link::{Arriving, Link, Stage};
use crate::reader::Step;
use crate::session_loop::SessionLoop;
use crate::vouches::{Accepted, AddError};

/// What becomes of a link after it was read from or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It waits for an event.
    Wait,
    /// It has had its turn and may have more.
    Again,
    /// The other side is gone.
    Gone,
}

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What came over the link is wrong; the link is closed.
    Fault(&'static str),
    /// The session cannot go on.
    Session(RelayError),
}

impl SessionLoop {
    /// Reads what a link has, within its turn.
    pub(crate) fn read(&mut self, id: LinkId) -> Result<(), RelayError> {
        let Some(mut link) = self.links.take(id) else {
            return Ok(());
        };
        if matches!(link.stage, Stage::Connecting { .. }) {
            self.links.put(link);
            return Ok(());
        }
        match self.receive(&mut link) {
            Ok(After::Wait) => self.links.put(link),
            Ok(After::Again) => {
                self.links.put(link);
                self.to_read.push(id);
            }
            Ok(After::Gone) => self.drop_link(link),
            Err(Stop::Fault(reason)) => {
                self.count_fault(reason);
                self.drop_link(link);
            }
            Err(Stop::Session(error)) => {
                self.links.put(link);
                return Err(error);
            }
        }
        Ok(())
    }

    fn receive(&mut self, link: &mut Link) -> Result<After, Stop> {
        let mut turn = READ_TURN_BYTES;
        loop {
            let Link { reader, stream, .. } = link;
            match reader.step(&*stream, &mut turn, &mut self.scratch) {
                Step::Header => self.on_header(link)?,
                Step::Payload => self.on_payload(link)?,
                Step::Body => self.on_body(link)?,
                Step::Dropped => self.on_dropped(link)?,
                Step::Blocked => {
                    if let Some(arriving) = link.arriving {
                        let missing = link.reader.missing();
                        self.core
                            .receiving(link.id, arriving.strand, missing, self.now_ms);
                    }
                    return Ok(After::Wait);
                }
                Step::TurnOver => return Ok(After::Again),
                Step::Gone => return Ok(After::Gone),
            }
        }
    }

    fn on_header(&mut self, link: &mut Link) -> Result<(), Stop> {
        let header = MessageHeader::decode(link.reader.header());
        let header = header.map_err(|_| Stop::Fault("message not in the protocol"))?;
        let is_hello = header.kind == MessageType::Hello;
        if is_hello == link.is_up() {
            return Err(Stop::Fault("message out of place"));
        }
        link.header = Some(header);
        if header.kind == MessageType::Chunk {
            return self.on_chunk_header(link, &header);
        }
        link.reader.expect_payload(header.length as usize);
        Ok(())
    }

    fn on_chunk_header(&self, link: &mut Link, header: &MessageHeader) -> Result<(), Stop> {
        if !link.asked {
            return Err(Stop::Fault("chunk that nobody asked for"));
        }
        let index = header.a;
        let expected = self.book.chunk_length(index);
        let expected = expected.ok_or(Stop::Fault("chunk without a vouch"))?;
        if header.length != expected {
            return Err(Stop::Fault("chunk of a wrong length"));
        }
        // The message's strand was checked with its header.
        let strand = u8::try_from(header.b).unwrap_or(wire::limits::STRAND_PULLED);
        link.arriving = Some(Arriving { index, strand });
        if self.core.has(index) {
            link.reader.expect_dropped(expected as usize);
        } else {
            link.reader.expect_body(expected as usize);
        }
        Ok(())
    }

    /// A whole chunk that is not here: the way of nearly every byte.
    fn on_body(&mut self, link: &mut Link) -> Result<(), Stop> {
        let Some(Arriving { index, strand }) = link.arriving.take() else {
            return Ok(());
        };
        let body = link.reader.body();
        let bytes = body.len() as u64;
        self.figures.bytes_received += bytes;
        if self.core.has(index) {
            self.count_duplicate(link, bytes)?;
        } else if self.book.digest(index) == Some(&wire::digest_of(body)) {
            self.store.write(index, body).map_err(Stop::Session)?;
            link.useless_bytes = link.useless_bytes.saturating_sub(bytes);
        } else {
            self.figures.corrupt_chunks += 1;
            self.core.corrupt(link.id, self.now_ms);
            return Err(Stop::Fault("corrupt chunk"));
        }
        self.core.on_chunk(link.id, strand, index, self.now_ms);
        Ok(())
    }

    /// A whole chunk that is here already.
    fn on_dropped(&mut self, link: &mut Link) -> Result<(), Stop> {
        let Some(Arriving { index, strand }) = link.arriving.take() else {
            return Ok(());
        };
        let bytes = u64::from(self.book.chunk_length(index).unwrap_or(0));
        self.figures.bytes_received += bytes;
        self.count_duplicate(link, bytes)?;
        self.core.on_chunk(link.id, strand, index, self.now_ms);
        Ok(())
    }

    /// Some come twice where a node has turned to another; who sends little else is cut off.
    fn count_duplicate(&mut self, link: &mut Link, bytes: u64) -> Result<(), Stop> {
        self.figures.duplicate_chunks += 1;
        link.useless_bytes += bytes;
        if link.useless_bytes > USELESS_BYTES_MAX {
            return Err(Stop::Fault("chunks that are here already"));
        }
        Ok(())
    }

    fn on_payload(&mut self, link: &mut Link) -> Result<(), Stop> {
        let Some(header) = link.header.take() else {
            return Ok(());
        };
        if header.kind == MessageType::Vouch {
            return self.on_vouch(link);
        }
        let message = Message::from_parts(&header, link.reader.payload());
        let message = message.map_err(|_| Stop::Fault("message not in the protocol"))?;
        if let Message::Hello { node, .. } = message {
            return self.on_hello(link, node);
        }
        self.on_message(link, &message)
    }

    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<(), Stop> {
        let said = match message {
            Message::Attach { vouched_count, .. } => Some(*vouched_count),
            Message::Status { vouched_count, .. } => Some(*vouched_count)
                .filter(|count| link.vouched.is_some() || *count < self.vouched_settled),
            _ => None,
        };
        link.vouched = link.vouched.max(said);
        self.core
            .on_message(link.id, message, self.now_ms)
            .map_err(|fault| Stop::Fault(fault.code()))?;
        if said.is_some() {
            self.to_write.push(link.id);
        }
        Ok(())
    }

    fn on_hello(&mut self, link: &mut Link, node: wire::NodeId) -> Result<(), Stop> {
        let Stage::Greeting { peer, .. } = &link.stage else {
            return Ok(());
        };
        if peer.node != node {
            return Err(Stop::Fault("another node than the plan names"));
        }
        link.stage = Stage::Up;
        self.core.outgoing_up(link.id, node, self.now_ms);
        if link.is_far() {
            self.core.mark_far(link.id);
        }
        Ok(())
    }

    fn on_vouch(&mut self, link: &mut Link) -> Result<(), Stop> {
        self.core.heard(link.id, self.now_ms);
        if self.role == Role::Source {
            return Ok(());
        }
        match self.book.add(link.reader.payload()) {
            Ok(Accepted::New) => {
                let known = self.book.known();
                link.vouched = link.vouched.map(|count| count.max(known));
                self.take_over_vouches().map_err(Stop::Session)
            }
            Ok(Accepted::Known) => Ok(()),
            Err(AddError::Refused(refused)) => Err(Stop::Fault(refused.reason())),
            Err(AddError::Disk(error)) => Err(Stop::Session(error)),
        }
    }

    /// A vouch from the session's owner: its chunks are in the file.
    pub(crate) fn add_own_vouch(&mut self, vouch: &Vouch, bytes: &[u8]) -> Result<(), RelayError> {
        match self.book.add_checked(vouch, bytes) {
            Ok(Accepted::New) => self.take_over_vouches(),
            Ok(Accepted::Known) => Ok(()),
            Err(AddError::Refused(refused)) => Err(RelayError::VouchInvalid {
                reason: refused.reason(),
            }),
            Err(AddError::Disk(error)) => Err(error),
        }
    }
}
