//! A session's own end of its limits: what it was lent of the process's rate, and its own rate.

use crate::bucket::{Bucket, worth};
use crate::limits::{BURST_NS, LOAN_AGE_NS, LOAN_NS_MIN};
use crate::shares::Loan;

/// Whether a chunk may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Now.
    Go,
    /// Not before this time has passed.
    Wait {
        /// Nanoseconds.
        wait_ns: u64,
    },
    /// Not before somebody says so.
    Paused,
}

/// What one session may send.
#[derive(Debug, Default)]
pub struct Meter {
    is_paused: bool,
    rate_bps: Option<u64>,
    own: Bucket,
    filled_ns: u64,
    /// What is left of the loan.
    lent_bytes: u64,
    lent_ns: u64,
}

impl Meter {
    /// Changes the session's own rate, in bits per second (`None`: no limit), and whether it sends
    /// at all.
    pub fn set(&mut self, rate_bps: Option<u64>, is_paused: bool, now_ns: u64) {
        let rate_bps = rate_bps.map(|rate| rate.max(1));
        if rate_bps != self.rate_bps {
            self.rate_bps = rate_bps;
            self.own = Bucket::default();
            self.filled_ns = now_ns;
        }
        self.is_paused = is_paused;
    }

    /// It sends as fast as the process lets it.
    pub fn is_free(&self) -> bool {
        !self.is_paused && self.rate_bps.is_none()
    }

    /// Whether a chunk of so many bytes may be begun now. One that is larger than what there is
    /// is sent all the same, and paid for before the next. `borrow` is asked for a new loan where
    /// the last one is spent or old; it is told what of that is left.
    pub fn ask(&mut self, bytes: u64, now_ns: u64, borrow: impl FnOnce(u64) -> Loan) -> Verdict {
        if self.is_paused {
            return Verdict::Paused;
        }
        if let Some(rate_bps) = self.rate_bps.map(i128::from) {
            let elapsed_ns = now_ns.saturating_sub(self.filled_ns);
            self.filled_ns = self.filled_ns.max(now_ns);
            let brought = rate_bps * i128::from(elapsed_ns);
            self.own.add(brought, worth(rate_bps, BURST_NS));
            if self.own.credit <= 0 {
                let wanted = worth(rate_bps, LOAN_NS_MIN);
                let wait_ns = self.own.wait_ns(wanted, rate_bps);
                return Verdict::Wait { wait_ns };
            }
        }
        let is_fresh = now_ns.saturating_sub(self.lent_ns) < LOAN_AGE_NS;
        if self.lent_bytes >= bytes && is_fresh {
            return Verdict::Go;
        }
        let left_bytes = std::mem::take(&mut self.lent_bytes);
        match borrow(left_bytes) {
            Loan::Unlimited => Verdict::Go,
            Loan::Bytes(bytes) => {
                self.lent_bytes = bytes;
                self.lent_ns = now_ns;
                Verdict::Go
            }
            Loan::Wait { wait_ns } => Verdict::Wait { wait_ns },
        }
    }

    /// So much is sent.
    pub fn spend(&mut self, bytes: u64) {
        if self.rate_bps.is_some() {
            self.own.spend(bytes);
        }
        self.lent_bytes = self.lent_bytes.saturating_sub(bytes);
    }
}
