//! Towards parents: who serves this node in each strand, and who is next when one is gone.

use std::ops::Range;

use wire::NodeId;
use wire::limits::{HAVE_RANGE_COUNT_MAX, STRAND_PULLED};
use wire::peer::{Message, Refusal};

use crate::core::{Action, Core};
use crate::limits::{
    CONNECT_MS, PEERS_MAX, RETRY_MS_MAX, RETRY_MS_MIN, RETURN_MS_MAX, RETURN_MS_MIN, SHUN_MS,
    SILENCE_MS, STARVED_MS, UNKNOWN_PATIENCE_MS, UNKNOWN_RETRY_MS, WITHHELD_MS,
};
use crate::links::{Link, LinkId};
use crate::plan::Peer;
use crate::strand::{Account, Standing};

/// A connection that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dial {
    pub(crate) node: NodeId,
    pub(crate) at_ms: u64,
    /// To pull from it.
    pub(crate) to_pull: bool,
}

/// A node that is left alone for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shun {
    pub(crate) node: NodeId,
    pub(crate) until_ms: u64,
}

impl Core {
    /// Gives a strand new candidates, see [`Core::set_plan`].
    pub(crate) fn replan(&mut self, place: usize, candidates: Vec<Peer>, now_ms: u64) {
        let first = candidates.first().copied();
        let serving = self.serving_node(place);
        let Some(strand) = self.strands.get_mut(place) else {
            return;
        };
        strand.candidates = candidates;
        strand.at = 0;
        strand.retry_ms = RETRY_MS_MIN;
        strand.return_ms = RETURN_MS_MIN;
        strand.returning = false;
        strand.unknown_since_ms = None;
        let Some(first) = first else {
            self.leave_parent(place);
            return;
        };
        if serving == Some(first.node) {
            return;
        }
        match strand.standing {
            Standing::Attached { .. } => self.turn_to(place, first, now_ms),
            _ => strand.standing = Standing::Alone { until_ms: now_ms },
        }
    }

    /// A link that we opened is up: strands that want its node are served by it now.
    pub(crate) fn greet_parent(&mut self, id: LinkId, node: NodeId, now_ms: u64) {
        let to_pull = self
            .dials
            .iter()
            .any(|dial| dial.node == node && dial.to_pull);
        self.dials.retain(|dial| dial.node != node);
        if self.links.get(id).is_none() {
            self.redirect(node, now_ms);
            return;
        }
        let mut wanted = false;
        for place in 0..self.strands.len() {
            let strand = &self.strands[place];
            let candidate = strand.candidates.get(strand.at).map(|peer| peer.node);
            if candidate == Some(node) && self.serving_node(place) != Some(node) {
                self.attach(place, id, now_ms);
                wanted = true;
            }
        }
        if !wanted && to_pull && !self.complete {
            self.send_attach(id, STRAND_PULLED);
        } else if !wanted {
            self.close_link(id, "no longer wanted", now_ms);
        }
    }

    pub(crate) fn dial_failed(&mut self, node: NodeId, now_ms: u64) {
        self.dials.retain(|dial| dial.node != node);
        self.shun(node, now_ms);
        self.redirect(node, now_ms);
    }

    pub(crate) fn on_refuse(&mut self, id: LinkId, reason: Refusal, strand: u8, now_ms: u64) {
        if strand == STRAND_PULLED || reason == Refusal::NotHeld {
            self.pull_refused(id, now_ms);
        }
        // Who does not know the assignment yet knows no strand of it, and hangs up.
        let whole = strand == STRAND_PULLED || reason == Refusal::UnknownAssignment;
        for place in 0..self.strands.len() {
            let concerned = whole || usize::from(strand) == place;
            if concerned && reason != Refusal::NotHeld && self.strands[place].parent() == Some(id) {
                self.strand_refused(place, id, reason, now_ms);
            }
        }
    }

    /// Turns a strand to the first candidate, from the present one on, that is not shunned.
    pub(crate) fn seek(&mut self, place: usize, now_ms: u64) {
        let Some(strand) = self.strands.get(place) else {
            return;
        };
        if self.complete {
            return;
        }
        let count = strand.candidates.len();
        let from = strand.at;
        let open = (0..count).map(|step| (from + step) % count).find(|at| {
            let candidate = self.strands[place].candidates.get(*at);
            candidate.is_some_and(|peer| !self.is_shunned(peer.node, now_ms))
        });
        let strand = &mut self.strands[place];
        if let Some(at) = open {
            if at != strand.at {
                strand.unknown_since_ms = None;
            }
            strand.at = at;
            let peer = strand.candidates[at];
            self.turn_to(place, peer, now_ms);
        } else {
            strand.at = 0;
            strand.standing = Standing::Alone {
                until_ms: now_ms + strand.retry_ms,
            };
            strand.retry_ms = (strand.retry_ms * 2).min(RETRY_MS_MAX);
        }
    }

    /// Looks after every strand's parent.
    pub(crate) fn tend_parents(&mut self, now_ms: u64) {
        self.shuns.retain(|shun| shun.until_ms > now_ms);
        for dial in self.dials.clone() {
            if now_ms.saturating_sub(dial.at_ms) > CONNECT_MS {
                self.dial_failed(dial.node, now_ms);
            }
        }
        self.close_silent(now_ms);
        for place in 0..self.strands.len() {
            match self.strands[place].standing {
                Standing::Alone { until_ms } if until_ms <= now_ms => self.seek(place, now_ms),
                Standing::Attached { link, since_ms } if self.withholds(place, link, since_ms) => {
                    self.abandon(place, link, now_ms);
                }
                Standing::Attached { .. } => self.turn_back(place, now_ms),
                _ => {}
            }
        }
    }

    /// Turns a strand that has been served by another for a while to its first candidate again.
    fn turn_back(&mut self, place: usize, now_ms: u64) {
        let serving = self.serving_node(place);
        let Some(strand) = self.strands.get_mut(place) else {
            return;
        };
        let Some(first) = strand.candidates.first().copied() else {
            return;
        };
        if serving == Some(first.node) || now_ms < strand.return_at_ms {
            return;
        }
        strand.return_ms = (strand.return_ms * 2).min(RETURN_MS_MAX);
        strand.return_at_ms = now_ms + strand.return_ms;
        if self.complete || self.is_shunned(first.node, now_ms) {
            return;
        }
        let strand = &mut self.strands[place];
        strand.at = 0;
        strand.returning = true;
        self.turn_to(place, first, now_ms);
    }

    /// Cuts off parents, and peers that we pull from, who do not even say how far they are.
    fn close_silent(&mut self, now_ms: u64) {
        let silent = |(id, link): (LinkId, &Link)| {
            let silence_ms = now_ms.saturating_sub(link.heard_ms);
            (link.outgoing && silence_ms > SILENCE_MS).then_some(id)
        };
        let links: Vec<LinkId> = self.links.iter().filter_map(silent).collect();
        for id in links {
            self.close_link(id, "silent parent", now_ms);
        }
    }

    /// A chunk came in a strand: if by its parent, nothing is held against it.
    pub(crate) fn credit_parent(&mut self, id: LinkId, strand: u8, now_ms: u64) {
        if let Some(strand) = self.strands.get_mut(usize::from(strand))
            && strand.parent() == Some(id)
        {
            strand.account.received += 1;
            strand.account.fed_ms = now_ms;
            strand.account.settled_ms = now_ms;
            strand.unknown_since_ms = None;
        }
    }

    /// Whether a link is the parent's of a strand.
    pub(crate) fn is_fed_by(&self, id: LinkId, strand: u8) -> bool {
        let known = self.strands.get(usize::from(strand));
        known.is_some_and(|strand| strand.parent() == Some(id))
    }

    /// A chunk took long to come: what a parent owes in other strands had to wait for it.
    pub(crate) fn excuse_parent(&mut self, id: LinkId, now_ms: u64) {
        for strand in &mut self.strands {
            if strand.parent() == Some(id) {
                strand.account.fed_ms = now_ms;
                strand.account.settled_ms = now_ms;
            }
        }
    }

    /// A parent said how long its logs are: what it has had since we came, it owes us.
    pub(crate) fn settle_accounts(&mut self, id: LinkId, log_lengths: &[u32], now_ms: u64) {
        for (strand, length) in self.strands.iter_mut().zip(log_lengths) {
            if strand.parent() != Some(id) {
                continue;
            }
            strand.unknown_since_ms = None;
            let account = &mut strand.account;
            let received = account.received;
            let base = *account.base.get_or_insert(length.saturating_sub(received));
            if length.saturating_sub(base) <= received {
                account.settled_ms = now_ms;
            }
        }
    }

    pub(crate) fn is_shunned(&self, node: NodeId, now_ms: u64) -> bool {
        self.shuns
            .iter()
            .any(|shun| shun.node == node && shun.until_ms > now_ms)
    }

    pub(crate) fn shun(&mut self, node: NodeId, now_ms: u64) {
        self.shun_until(node, now_ms + SHUN_MS);
    }

    pub(crate) fn shun_until(&mut self, node: NodeId, until_ms: u64) {
        if let Some(shun) = self.shuns.iter_mut().find(|shun| shun.node == node) {
            shun.until_ms = shun.until_ms.max(until_ms);
        } else if self.shuns.len() < 2 * PEERS_MAX {
            self.shuns.push(Shun { node, until_ms });
        }
    }

    pub(crate) fn dial(&mut self, peer: Peer, to_pull: bool, now_ms: u64) {
        if let Some(dial) = self.dials.iter_mut().find(|dial| dial.node == peer.node) {
            dial.to_pull |= to_pull;
        } else {
            self.dials.push(Dial {
                node: peer.node,
                at_ms: now_ms,
                to_pull,
            });
            self.actions.push_back(Action::Connect { peer });
        }
    }

    pub(crate) fn send_attach(&mut self, link: LinkId, strand: u8) {
        let mut ranges = self.have.ranges();
        let have: Vec<Range<u32>> = ranges.by_ref().take(HAVE_RANGE_COUNT_MAX).collect();
        let mut rest = ranges.peekable();
        let mut more = Vec::new();
        while rest.peek().is_some() {
            more.push(rest.by_ref().take(HAVE_RANGE_COUNT_MAX).collect::<Vec<_>>());
        }
        let (assignment, vouched_count) = (self.assignment, self.vouched);
        self.send(
            link,
            Message::Attach {
                assignment,
                strand,
                vouched_count,
                have,
            },
        );
        for ranges in more {
            self.send(link, Message::Have { ranges });
        }
    }

    /// The node that serves a strand now.
    fn serving_node(&self, place: usize) -> Option<NodeId> {
        match self.strands.get(place)?.standing {
            Standing::Attached { link, .. } => Some(self.links.get(link)?.node),
            Standing::Dialing { .. } | Standing::Alone { .. } => None,
        }
    }

    /// Attaches to a candidate, or connects to it first. A strand that is served meanwhile by
    /// another goes on being served.
    fn turn_to(&mut self, place: usize, peer: Peer, now_ms: u64) {
        if let Some(link) = self.links.outgoing_to(peer.node) {
            self.attach(place, link, now_ms);
            return;
        }
        if self.strands[place].parent().is_none() {
            self.strands[place].standing = Standing::Dialing { node: peer.node };
        }
        self.dial(peer, false, now_ms);
    }

    fn attach(&mut self, place: usize, link: LinkId, now_ms: u64) {
        self.leave_parent(place);
        let strand = &mut self.strands[place];
        strand.standing = Standing::Attached {
            link,
            since_ms: now_ms,
        };
        strand.account = Account::open(now_ms);
        strand.retry_ms = RETRY_MS_MIN;
        if strand.at > 0 {
            strand.return_at_ms = now_ms + strand.return_ms;
            strand.returning = false;
        }
        if let Ok(strand) = u8::try_from(place) {
            self.send_attach(link, strand);
        }
    }

    /// Tells a strand's parent, if there is one, that it is not wanted any more.
    fn leave_parent(&mut self, place: usize) {
        let Some(link) = self.strands[place].parent() else {
            return;
        };
        self.strands[place].standing = Standing::Alone { until_ms: 0 };
        if let (Some(_), Ok(strand)) = (self.links.get(link), u8::try_from(place)) {
            self.send(link, Message::Detach { strand });
        }
    }

    fn abandon(&mut self, place: usize, link: LinkId, now_ms: u64) {
        if let Some(node) = self.links.get(link).map(|link| link.node) {
            self.shun(node, now_ms);
        }
        self.leave_parent(place);
        self.seek(place, now_ms);
    }

    /// Strands that waited for a connection to `node` turn to the next candidate.
    fn redirect(&mut self, node: NodeId, now_ms: u64) {
        for place in 0..self.strands.len() {
            if self.strands[place].standing == (Standing::Dialing { node }) {
                self.strands[place].standing = Standing::Alone { until_ms: now_ms };
                self.seek(place, now_ms);
            }
        }
    }

    fn strand_refused(&mut self, place: usize, id: LinkId, reason: Refusal, now_ms: u64) {
        let strand = &mut self.strands[place];
        let since_ms = *strand.unknown_since_ms.get_or_insert(now_ms);
        let patient = now_ms.saturating_sub(since_ms) < UNKNOWN_PATIENCE_MS;
        // A new plan turns who served whom, and reaches one of the two first.
        let passes = match reason {
            Refusal::UnknownAssignment => true,
            Refusal::Circle => strand.at == 0,
            _ => false,
        };
        // Who came back from another that served it need not wait for this one.
        if passes && patient && !strand.returning {
            strand.standing = Standing::Alone {
                until_ms: now_ms + UNKNOWN_RETRY_MS,
            };
            return;
        }
        strand.standing = Standing::Alone { until_ms: now_ms };
        if let Some(node) = self.links.get(id).map(|link| link.node) {
            self.shun(node, now_ms);
        }
        self.seek(place, now_ms);
    }

    /// Whether a parent has had more, or says so, and has given nothing for a long time; or has
    /// nothing to give in this strand, while others do.
    fn withholds(&self, place: usize, id: LinkId, since_ms: u64) -> bool {
        let now_ms = self.ticked_ms.unwrap_or(0);
        let (Some(strand), Some(link)) = (self.strands.get(place), self.links.get(id)) else {
            return false;
        };
        let arrives = |link: &Link| {
            let arrival = link.arriving.as_ref();
            arrival.is_some_and(|arrival| arrival.is_paced(now_ms))
        };
        if self.complete || arrives(link) {
            return false;
        }
        let lasts = |since_ms: u64, for_ms: u64| now_ms.saturating_sub(since_ms) >= for_ms;
        let said = link.said;
        let claims_more = said.complete
            || said.have_count > self.have.count()
            || said.vouched_count > self.vouched;
        let gains = || self.links.iter().any(|(_, link)| arrives(link));
        let stuck = lasts(since_ms.max(self.gain_ms), WITHHELD_MS) && !gains();
        let owes = strand.account.base.is_some();
        (owes && lasts(strand.account.settled_ms, WITHHELD_MS))
            || (claims_more && stuck)
            || (lasts(strand.account.fed_ms, STARVED_MS) && self.goes_on_elsewhere(place, id))
    }

    /// Whether another than its parent says that it has had more in a strand.
    fn goes_on_elsewhere(&self, place: usize, parent: LinkId) -> bool {
        let length = |id: LinkId| {
            self.links
                .get(id)
                .and_then(|link| link.said_logs.get(place))
        };
        let other = self.links.iter().filter(|(id, _)| *id != parent);
        other.filter_map(|(id, _)| length(id)).max() > length(parent)
    }
}
