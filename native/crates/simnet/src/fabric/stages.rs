//! The way of a message from one port to another, through the gates between them.

use super::Fabric;
use crate::happening::{Cargo, Happening, Stage};
use crate::wires::{GateIndex, NodeIndex, Pipe};

impl<M> Fabric<M> {
    /// Takes a message through one stage, whose bytes pass on as they come, and on to the next.
    pub(super) fn head(&mut self, node: NodeIndex, cargo: Cargo<M>, stage: Stage, tail_us: u64) {
        let Some(connection) = self.connections.get(cargo.link) else {
            return;
        };
        let (from, delay_us) = (connection.lane(cargo.lane).from, connection.delay_us);
        let gates = self.gates_between(from, node);
        let (now_us, bytes) = (self.now_us, cargo.bytes);
        let pass = |pipe: Option<&mut Pipe>| {
            pipe.map_or((now_us, tail_us), |pipe| pipe.pass(bytes, now_us, tail_us))
        };
        let (next, (head_us, tail_us)) = match stage {
            Stage::Out => {
                let gate = gates.and_then(|(out, _)| self.gates.get_mut(out?));
                let (head_us, tail_us) = pass(gate.map(|gate| &mut gate.out));
                (Stage::Into, (head_us + delay_us, tail_us + delay_us))
            }
            Stage::Into => {
                let gate = gates.and_then(|(_, into)| self.gates.get_mut(into?));
                (Stage::Port, pass(gate.map(|gate| &mut gate.into)))
            }
            Stage::Port => {
                let (_, tail_us) = pass(self.ports.get_mut(node).map(|port| &mut port.down));
                let Cargo {
                    link,
                    lane,
                    bytes,
                    message,
                } = cargo;
                let arrived = Happening::Arrived {
                    link,
                    lane,
                    bytes,
                    message,
                };
                self.schedule(tail_us, node, arrived);
                return;
            }
        };
        let Cargo {
            link,
            lane,
            bytes,
            message,
        } = cargo;
        let head = Happening::Head {
            link,
            lane,
            stage: next,
            tail_us,
            bytes,
            message,
        };
        self.schedule(head_us, node, head);
    }

    /// One-way delay and bytes under way at most, from one node to another.
    pub(super) fn way_between(&self, from: NodeIndex, to: NodeIndex) -> (u64, u64) {
        let near_us = (self.delay_us)(from, to);
        let Some((out, into)) = self.gates_between(from, to) else {
            return (near_us, self.window_bytes);
        };
        let ways = [out, into].map(|gate| self.gates.get(gate?));
        ways.into_iter()
            .flatten()
            .fold((near_us, self.window_bytes), |(delay_us, most), gate| {
                (delay_us + gate.delay_us, most.max(gate.window_bytes))
            })
    }

    /// The gates that a message passes, out of the one and into the other; none inside of one.
    fn gates_between(
        &self,
        from: NodeIndex,
        to: NodeIndex,
    ) -> Option<(Option<GateIndex>, Option<GateIndex>)> {
        let gate = |node: NodeIndex| self.ports.get(node).and_then(|port| port.gate);
        let (out, into) = (gate(from), gate(to));
        (out != into).then_some((out, into))
    }
}
