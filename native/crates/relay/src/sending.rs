//! What goes over a link: control messages first, vouches before what they cover, then chunks in
//! the order that the core says, by `sendfile`, at each link's own pace.

use spread::LinkId;
use wire::peer::{MessageHeader, MessageType};

use crate::error::RelayError;
use crate::limits::{LINE_TURNS, WRITE_TURN_BYTES};
use crate::link::{Link, Stage};
use crate::receiving::After;
use crate::session_loop::SessionLoop;
use crate::writer::Pushed;

impl SessionLoop {
    /// Queues a control message for a link; one that is too far behind is cut off.
    pub(crate) fn queue(&mut self, id: LinkId, message: &[u8]) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.writer.queue(message) {
            self.to_write.push(id);
            return;
        }
        self.count_fault("too far behind");
        if let Some(link) = self.links.take(id) {
            self.drop_link(link);
        }
    }

    /// Gives a link what it takes, within its turn.
    pub(crate) fn write(&mut self, id: LinkId) -> Result<(), RelayError> {
        let Some(mut link) = self.links.take(id) else {
            return Ok(());
        };
        if link.writable && matches!(link.stage, Stage::Connecting { .. }) {
            match self.greet(&mut link) {
                After::Gone => {
                    self.drop_link(link);
                    return Ok(());
                }
                After::Wait | After::Again => {}
            }
        }
        match self.push(&mut link) {
            Ok(After::Wait) => self.links.put(link),
            Ok(After::Again) => {
                self.links.put(link);
                self.to_write.push(id);
            }
            Ok(After::Gone) => self.drop_link(link),
            Err(error) => {
                self.links.put(link);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets the links in line begin a chunk each, one after the other, while the limits allow it.
    pub(crate) fn write_line(&mut self) -> Result<(), RelayError> {
        for _ in 0..LINE_TURNS {
            let Some(id) = self.gate.call_next() else {
                break;
            };
            self.write(id)?;
        }
        Ok(())
    }

    fn push(&mut self, link: &mut Link) -> Result<After, RelayError> {
        let mut turn = WRITE_TURN_BYTES as u64;
        while link.writable {
            if link.writer.is_idle() && !self.feed(link) {
                return Ok(After::Wait);
            }
            let mut sent = 0;
            let pushed = link.writer.push(&link.stream, &self.store, &mut sent);
            let pushed = pushed.map_err(|error| self.store.read_error(error))?;
            self.figures.bytes_sent += sent;
            link.count_sent(sent, self.now_ms);
            match pushed {
                Pushed::Idle => {}
                Pushed::ChunkSent { index } => self.core.sent(link.id, index, self.now_ms),
                Pushed::Blocked => link.writable = false,
                Pushed::Gone => return Ok(After::Gone),
            }
            turn = turn.saturating_sub(sent);
            if turn == 0 {
                return Ok(After::Again);
            }
        }
        Ok(After::Wait)
    }

    /// Gives an idle writer its next message; false when there is none.
    fn feed(&mut self, link: &mut Link) -> bool {
        if !link.is_up() {
            return false;
        }
        let record = link.vouched.and_then(|known| self.book.record_after(known));
        if let Some((next, bytes)) = record {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let header = MessageHeader {
                kind: MessageType::Vouch,
                length,
                a: 0,
                b: 0,
            };
            link.vouched = Some(next);
            return link.writer.queue(&header.to_bytes()) && link.writer.queue(bytes);
        }
        if !self.gate.admits(link.id) {
            self.gate.get_in_line(link.id);
            return false;
        }
        let Some((index, strand)) = self.core.next_for(link.id, self.now_ms) else {
            if !self.core.is_late(link.id) {
                link.note_waiting();
            }
            return false;
        };
        let bytes = self.book.chunk_length(index).unwrap_or(0);
        let header = MessageHeader::chunk(index, strand, bytes).to_bytes();
        self.gate.spend(bytes);
        link.writer
            .begin_chunk(&header, index, self.store.offset(index), bytes as usize);
        true
    }
}
