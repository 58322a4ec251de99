//! One strand at one node: what came by it, who gets it, who gives it.

use wire::NodeId;

use crate::links::LinkId;
use crate::plan::Peer;

/// Where a node stands with its parent in a strand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody serves it; candidates are tried again at this time.
    Alone { until_ms: u64 },
    /// A connection to this candidate was asked for.
    Dialing { node: NodeId },
    /// ATTACH was sent on this link.
    Attached { link: LinkId, since_ms: u64 },
}

/// What is known of what a parent owes in a strand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    /// The parent's log when we first heard of it, less what had come by then.
    pub(crate) base: Option<u32>,
    /// Chunks that came from the parent in this strand since we attached.
    pub(crate) received: u32,
    /// When one last came, or we attached.
    pub(crate) fed_ms: u64,
    /// When one last came, or when nothing was owed.
    pub(crate) settled_ms: u64,
}

impl Account {
    pub(crate) fn open(now_ms: u64) -> Self {
        Self {
            base: None,
            received: 0,
            fed_ms: now_ms,
            settled_ms: now_ms,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Strand {
    /// Indices in order of arrival. A chunk is in at most one log.
    pub(crate) log: Vec<u32>,
    /// Links that are served in this strand.
    pub(crate) children: Vec<LinkId>,
    /// Chunks that the source has dealt to this strand, raised to the others' when it comes alive.
    pub(crate) dealt: u32,
    /// It has a child that keeps up.
    pub(crate) live: bool,
    pub(crate) candidates: Vec<Peer>,
    /// The candidate that serves, or is tried, or is tried next.
    pub(crate) at: usize,
    pub(crate) standing: Standing,
    pub(crate) account: Account,
    /// Time until the next round through the candidates.
    pub(crate) retry_ms: u64,
    /// When it turns to the first candidate again, where another serves it.
    pub(crate) return_at_ms: u64,
    /// How long it is served by another before it does.
    pub(crate) return_ms: u64,
    /// It turned to the first candidate although another served it.
    pub(crate) returning: bool,
    /// Since when the candidate says that it does not know the assignment.
    pub(crate) unknown_since_ms: Option<u64>,
}

impl Strand {
    pub(crate) fn new(candidates: Vec<Peer>, now_ms: u64) -> Self {
        Self {
            log: Vec::new(),
            children: Vec::new(),
            dealt: 0,
            live: false,
            candidates,
            at: 0,
            standing: Standing::Alone { until_ms: now_ms },
            account: Account::open(now_ms),
            retry_ms: crate::limits::RETRY_MS_MIN,
            return_at_ms: 0,
            return_ms: crate::limits::RETURN_MS_MIN,
            returning: false,
            unknown_since_ms: None,
        }
    }

    /// The link of the parent that serves this strand.
    pub(crate) fn parent(&self) -> Option<LinkId> {
        match self.standing {
            Standing::Attached { link, .. } => Some(link),
            _ => None,
        }
    }
}
