//! How much may be sent now: buckets of credit that fill with time.
//!
//! In: the time, what was sent, who asks. Out: how much more may be sent, or how long to wait.
//! Never: a clock, a socket, a thread.
//!
//! [`Shares`] is what all sessions of a process have together: each has a part of its rate by
//! weight, and what one does not use flows to the others. [`Meter`] is a session's own end: it
//! spends what it was lent, within its own limit, and asks again once that is spent or old. So
//! sessions on threads of their own meet each few milliseconds, not for each chunk.
//!
//! And how much could be sent: [`rate_of`] makes a rate of what a receiver saw arrive, and
//! [`estimate_of`] one of several measurements, of which each has its age.

mod bucket;
mod estimate;
mod limits;
mod meter;
mod shares;

pub use crate::estimate::{
    Arrival, Estimate, How, Measure, Seen, estimate_of, rate_of, rate_of_count,
};
pub use crate::meter::{Meter, Verdict};
pub use crate::shares::{Loan, MemberId, Shares};

#[cfg(test)]
mod tests;
