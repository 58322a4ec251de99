//! Links that come and go.

use wire::NodeId;

use crate::core::{Action, Core};
use crate::limits::LINKS_MAX;
use crate::links::{Link, LinkId};
use crate::strand::Standing;

impl Core {
    /// Takes in a link, unless there are too many or its node is not to be dealt with.
    pub(crate) fn link_up(&mut self, id: LinkId, node: NodeId, outgoing: bool, now_ms: u64) {
        if self.links.get(id).is_some() {
            self.forget_link(id, now_ms);
        }
        self.links.insert(id, Link::new(node, outgoing, now_ms));
        if self.links.len() > LINKS_MAX || node == self.node {
            self.close_link(id, "has no place here", now_ms);
        }
    }

    /// Closes a link from our side.
    pub(crate) fn close_link(&mut self, link: LinkId, reason: &'static str, now_ms: u64) {
        if self.links.get(link).is_some() {
            self.actions.push_back(Action::Close { link, reason });
            self.forget_link(link, now_ms);
        }
    }

    /// Drops a link and what hangs on it.
    pub(crate) fn forget_link(&mut self, id: LinkId, now_ms: u64) {
        let Some(link) = self.links.remove(id) else {
            return;
        };
        self.asked.retain(|asked| asked.link != id);
        for feed in &link.feeds {
            if let Some(strand) = self.strands.get_mut(usize::from(feed.strand)) {
                strand.children.retain(|child| *child != id);
            }
        }
        for place in 0..self.strands.len() {
            if self.strands[place].parent() == Some(id) {
                self.shun(link.node, now_ms);
                self.strands[place].standing = Standing::Alone { until_ms: now_ms };
                self.seek(place, now_ms);
            }
        }
        self.refresh_live();
        self.wake_hungry();
    }
}
