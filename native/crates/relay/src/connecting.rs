//! Links that come and go.

use mio::net::TcpStream;
use mio::{Interest, Token};
use spread::{LinkId, Peer};
use wire::limits::STRAND_PULLED;
use wire::peer::{Message, Refusal};

use crate::limits::CONNECT_DEADLINE_MS;
use crate::link::{Link, Stage};
use crate::receiving::After;
use crate::session::Incoming;
use crate::session_loop::SessionLoop;
use crate::socket;
use crate::tally::count;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

impl SessionLoop {
    /// Calls a node. The outcome comes by an event, or at once when the system refuses.
    pub(crate) fn connect(&mut self, peer: Peer) {
        let failed = |this: &mut Self| this.core.connect_failed(peer.node, this.now_ms);
        let Ok(stream) = TcpStream::connect(peer.address) else {
            return failed(self);
        };
        let Some(id) = self.links.reserve() else {
            return failed(self);
        };
        let deadline_ms = self.now_ms + CONNECT_DEADLINE_MS;
        let stage = Stage::Connecting { peer, deadline_ms };
        let mut link = Box::new(Link::new(id, stream, peer.node, stage, None));
        if self.register(&mut link) {
            self.links.put(link);
        } else {
            self.links.release(id);
            failed(self);
        }
    }

    /// Takes over a connection whose handshake the listener has done.
    pub(crate) fn take_in(&mut self, incoming: Incoming) {
        let Incoming {
            stream,
            node,
            attach,
            place,
        } = incoming;
        let Some(id) = self.links.reserve() else {
            return self.turn_away(&stream);
        };
        let mut link = Box::new(Link::new(id, stream, node, Stage::Up, Some(place)));
        link.tune();
        if !self.register(&mut link) {
            self.links.release(id);
            return;
        }
        self.core.incoming_up(id, node, self.now_ms);
        if self.on_message(&mut link, &attach).is_ok() {
            self.links.put(link);
        } else {
            self.count_fault("attach out of place");
            self.drop_link(link);
        }
    }

    /// Tells a caller that there is no room, and closes. What it has said by now is read first, as
    /// far as one turn goes, or it would hear of a reset instead.
    fn turn_away(&mut self, stream: &TcpStream) {
        count(&self.door.tally.refused_full);
        let _ = socket::discard(stream, &mut self.scratch);
        let full = Message::Refuse {
            reason: Refusal::Full,
            strand: STRAND_PULLED,
            text: String::new(),
        };
        let _ = socket::send(stream, &full.encode(), false);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }

    /// Counts a link that is closed because of what came over it, or did not.
    pub(crate) fn count_fault(&mut self, reason: &'static str) {
        self.figures.faulty_links += 1;
        self.figures.last_fault = Some(reason);
    }

    fn register(&self, link: &mut Link) -> bool {
        self.poll
            .registry()
            .register(&mut link.stream, Token(link.id as usize), BOTH)
            .is_ok()
    }

    /// A call that was answered: says who we are.
    pub(crate) fn greet(&mut self, link: &mut Link) -> After {
        let Stage::Connecting { peer, deadline_ms } = link.stage else {
            return After::Wait;
        };
        if !matches!(link.stream.take_error(), Ok(None)) {
            return After::Gone;
        }
        match link.stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {
                link.writable = false;
                return After::Wait;
            }
            Err(_) => return After::Gone,
        }
        link.tune();
        link.stage = Stage::Greeting { peer, deadline_ms };
        if !link.writer.queue(&self.shared.hello) {
            return After::Gone;
        }
        self.to_read.push(link.id);
        After::Wait
    }

    /// Ends a link that is out of its place, and tells the core.
    pub(crate) fn drop_link(&mut self, link: Box<Link>) {
        let id = link.id;
        match link.stage {
            Stage::Up => self.core.link_down(id, self.now_ms),
            Stage::Connecting { peer, .. } | Stage::Greeting { peer, .. } => {
                self.core.connect_failed(peer.node, self.now_ms);
            }
        }
        drop(link);
        self.links.release(id);
    }

    /// Closes a link that the core has forgotten, after what is queued if the socket takes it.
    pub(crate) fn close_after_queue(&mut self, id: LinkId) {
        let Some(mut link) = self.links.take(id) else {
            return;
        };
        let mut sent = 0;
        if !link.writer.is_idle() {
            let _ = link.writer.push(&link.stream, &self.store, &mut sent);
            self.figures.bytes_sent += sent;
        }
        self.drop_link(link);
    }

    /// Calls that nobody answered in time.
    pub(crate) fn give_up_late_links(&mut self) {
        let now_ms = self.now_ms;
        let late = self.links.iter().filter(|link| match link.stage {
            Stage::Connecting { deadline_ms, .. } | Stage::Greeting { deadline_ms, .. } => {
                deadline_ms <= now_ms
            }
            Stage::Up => false,
        });
        let late: Vec<LinkId> = late.map(|link| link.id).collect();
        for id in late {
            if let Some(link) = self.links.take(id) {
                self.drop_link(link);
            }
        }
    }
}
