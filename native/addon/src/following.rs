//! A session's stream, as the interpreter follows it.

use content::{SourceEnd, StreamSource};
use relay::{Prefix, Session, Waited};
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// It does not keep the session.
pub(crate) struct Followed {
    prefix: Arc<Prefix>,
    is_checked: bool,
    session: Weak<Session>,
}

impl Followed {
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self {
            prefix: session.prefix(),
            is_checked: session.checks_chunks(),
            session: Arc::downgrade(session),
        }
    }
}

impl StreamSource for Followed {
    fn wait_for(&self, bytes: u64, limit: Duration) -> Result<u64, SourceEnd> {
        match self.prefix.wait(bytes, limit) {
            Waited::Ready(have) | Waited::TimedOut(have) => Ok(have),
            Waited::Complete(have) => Err(SourceEnd::Complete(have)),
            Waited::Closed(_) => Err(SourceEnd::Closed),
        }
    }

    fn is_checked(&self) -> bool {
        self.is_checked
    }

    fn keep_apart(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let session = self.session.upgrade();
        session.map_or_else(Vec::new, |session| session.keep_apart(range))
    }

    fn seal(&self, range: Range<u64>) {
        if let Some(session) = self.session.upgrade() {
            session.seal(range);
        }
    }
}
