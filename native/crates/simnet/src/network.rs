//! The network itself: the queue of what happens next, and what it does to processes.

use crate::fabric::Fabric;
use crate::happening::Happening;
use crate::random::Random;
use crate::transport::Transport;
use crate::wires::{Flow, GateIndex, LinkId, NodeIndex, Rates, Way};

/// What a node hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<M> {
    /// The node was added or restarted.
    Started,
    /// A timer that was set with this tag has run out.
    Timer(u64),
    /// A connection is there; `opened` when this node asked for it.
    LinkUp {
        /// The connection.
        link: LinkId,
        /// The node at its other end.
        peer: NodeIndex,
        /// This node opened it.
        opened: bool,
    },
    /// A connection was closed or reset by the other end.
    LinkDown {
        /// The connection.
        link: LinkId,
    },
    /// A node could not be reached.
    ConnectFailed {
        /// The node.
        peer: NodeIndex,
    },
    /// A message has arrived whole.
    Received {
        /// The connection it came on.
        link: LinkId,
        /// The message.
        message: M,
    },
    /// A connection that had no room has room again.
    Writable {
        /// The connection.
        link: LinkId,
    },
}

/// A node's behaviour.
pub trait Process {
    /// What nodes say to one another.
    type Message;
    /// Reacts to one event. Whatever it does through `io` takes no time.
    fn handle(&mut self, event: Event<Self::Message>, io: &mut Io<'_, Self::Message>);
}

/// How a node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Its system lives and resets its connections, as when a process is killed.
    Reset,
    /// Nothing more comes from it, as when the power fails.
    Silent,
}

/// Nodes and what connects them.
pub struct Network<P: Process> {
    fabric: Fabric<P::Message>,
    processes: Vec<Option<P>>,
}

impl<P: Process> Network<P> {
    /// An empty network. `delay_us(a, b)` is the one-way delay between two nodes; a connection
    /// has at most `window_bytes` under way.
    pub fn new(
        seed: u64,
        window_bytes: u64,
        delay_us: impl Fn(NodeIndex, NodeIndex) -> u64 + 'static,
    ) -> Self {
        let fabric = Fabric::new(seed, window_bytes, Box::new(delay_us));
        Self {
            fabric,
            processes: Vec::new(),
        }
    }

    /// Has messages carried in another way from now on.
    pub fn set_transport(&mut self, transport: Transport) {
        self.fabric.transport = transport;
    }

    /// Adds a node, which hears [`Event::Started`] first.
    pub fn add(&mut self, rates: Rates, process: P) -> NodeIndex {
        self.processes.push(Some(process));
        self.fabric.add_port(rates, None)
    }

    /// Adds a gate, with nobody behind it yet.
    pub fn add_gate(&mut self, way: Way) -> GateIndex {
        self.fabric.add_gate(way)
    }

    /// Adds a node behind a gate.
    pub fn add_behind(&mut self, gate: GateIndex, rates: Rates, process: P) -> NodeIndex {
        self.processes.push(Some(process));
        self.fabric.add_port(rates, Some(gate))
    }

    /// Virtual time since the beginning, in microseconds.
    pub fn now_us(&self) -> u64 {
        self.fabric.now_us
    }

    /// How many nodes there are, dead ones included.
    pub fn node_count(&self) -> NodeIndex {
        self.processes.len()
    }

    /// The process of a living node.
    pub fn process(&self, node: NodeIndex) -> Option<&P> {
        self.processes.get(node).and_then(Option::as_ref)
    }

    /// Lets a living node do something outside of any event, as an order from its owner would.
    pub fn order(&mut self, node: NodeIndex, act: impl FnOnce(&mut P, &mut Io<'_, P::Message>)) {
        if let Some(process) = self.processes.get_mut(node).and_then(Option::as_mut) {
            act(
                process,
                &mut Io {
                    fabric: &mut self.fabric,
                    node,
                },
            );
        }
    }

    /// Changes a node's rates from now on.
    pub fn set_rates(&mut self, node: NodeIndex, rates: Rates) {
        self.fabric.set_rates(node, rates);
    }

    /// Kills a node and returns its process, so that a test can keep what was on its disk.
    pub fn kill(&mut self, node: NodeIndex, death: Death) -> Option<P> {
        let process = self.processes.get_mut(node)?.take()?;
        self.fabric.kill(node, death);
        Some(process)
    }

    /// Starts a dead node again with a new process.
    pub fn restart(&mut self, node: NodeIndex, process: P) {
        if let Some(slot) = self.processes.get_mut(node)
            && slot.is_none()
        {
            *slot = Some(process);
            self.fabric.revive(node);
        }
    }

    /// Bytes that a node's port has sent and received.
    pub fn carried_bytes(&self, node: NodeIndex) -> (u64, u64) {
        self.fabric.carried_bytes(node)
    }

    /// What a node has sent by one of its connections; nothing when that is gone.
    pub fn flow(&self, from: NodeIndex, link: LinkId) -> Flow {
        self.fabric.flow(from, link)
    }

    /// Bytes that went out of a gate and into it.
    pub fn gate_carried_bytes(&self, gate: GateIndex) -> (u64, u64) {
        self.fabric.gate_carried_bytes(gate)
    }

    /// Runs until `until_us`, or until nothing more would happen.
    pub fn run_until(&mut self, until_us: u64) {
        while self.step(until_us) {}
        self.fabric.now_us = self.fabric.now_us.max(until_us);
    }

    /// Runs while `wanted` holds, at most until `until_us`; true when `wanted` ended it.
    pub fn run_while(&mut self, until_us: u64, wanted: impl Fn(&Self) -> bool) -> bool {
        while wanted(self) {
            if !self.step(until_us) {
                return false;
            }
        }
        true
    }

    /// Lets the next thing happen if it is due by `until_us`.
    fn step(&mut self, until_us: u64) -> bool {
        let Some((node, happening)) = self.fabric.take_due(until_us) else {
            return false;
        };
        if let Some(event) = self.fabric.happen(node, happening)
            && let Some(process) = self.processes.get_mut(node).and_then(Option::as_mut)
        {
            process.handle(
                event,
                &mut Io {
                    fabric: &mut self.fabric,
                    node,
                },
            );
        }
        true
    }
}

/// What a process may do while it handles an event.
pub struct Io<'a, M> {
    fabric: &'a mut Fabric<M>,
    node: NodeIndex,
}

impl<M> Io<'_, M> {
    /// Virtual time since the beginning, in microseconds.
    pub fn now_us(&self) -> u64 {
        self.fabric.now_us
    }

    /// The node that this process is.
    pub fn node(&self) -> NodeIndex {
        self.node
    }

    /// The network's random numbers.
    pub fn random(&mut self) -> &mut Random {
        &mut self.fabric.random
    }

    /// Asks for a connection: [`Event::LinkUp`] or [`Event::ConnectFailed`] follows.
    pub fn connect(&mut self, peer: NodeIndex) {
        self.fabric.connect(self.node, peer);
    }

    /// Hands over a message of `bytes`. It is never refused; ask [`Io::has_room`] before sending
    /// much. A message on a connection that is gone is lost.
    pub fn send(&mut self, link: LinkId, message: M, bytes: u64) {
        self.fabric.send(self.node, link, message, bytes.max(1));
    }

    /// Whether the connection has few unsent bytes. When not, [`Event::Writable`] will follow.
    pub fn has_room(&mut self, link: LinkId) -> bool {
        self.fabric.has_room(self.node, link)
    }

    /// Closes a connection at once; what was unsent or under way is lost.
    pub fn close(&mut self, link: LinkId) {
        self.fabric.close(self.node, link);
    }

    /// Asks for [`Event::Timer`] with `tag` at `at_us`.
    pub fn set_timer(&mut self, at_us: u64, tag: u64) {
        let at_us = at_us.max(self.fabric.now_us);
        self.fabric
            .schedule(at_us, self.node, Happening::Timer { tag });
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
