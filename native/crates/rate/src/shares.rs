//! One rate that members share by weight. What one has no use for flows to the others.

use crate::bucket::{Bucket, PER_BYTE, worth};
use crate::limits::{LOAN_NS_MAX, LOAN_NS_MIN, PART_BURST_NS, POT_NS, WAIT_NS_MIN};

/// Names a member.
pub type MemberId = u32;

/// What a member may send, or how long to wait before it asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loan {
    /// There is no limit.
    Unlimited,
    /// So many bytes.
    Bytes(u64),
    /// Nothing yet.
    Wait {
        /// Nanoseconds.
        wait_ns: u64,
    },
}

#[derive(Debug)]
struct Member {
    id: MemberId,
    weight: u32,
    bucket: Bucket,
}

/// A rate and its members.
#[derive(Debug, Default)]
pub struct Shares {
    rate_bps: Option<u64>,
    filled_ns: u64,
    next_id: MemberId,
    members: Vec<Member>,
    /// What nobody had room for.
    pot: i128,
}

impl Shares {
    /// Changes the rate, in bits per second; `None` is no limit.
    pub fn set_rate(&mut self, rate_bps: Option<u64>, now_ns: u64) {
        self.fill(now_ns);
        self.rate_bps = rate_bps.map(|rate| rate.max(1));
        self.pot = 0;
        for member in &mut self.members {
            // What was saved up at a higher rate is not spent at a lower one; debts of a time
            // without a limit are nobody's.
            member.bucket = Bucket::default();
        }
    }

    /// The rate in force.
    pub fn rate_bps(&self) -> Option<u64> {
        self.rate_bps
    }

    /// A new member.
    pub fn join(&mut self, weight: u32, now_ns: u64) -> MemberId {
        self.fill(now_ns);
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.members.push(Member {
            id,
            weight: weight.max(1),
            bucket: Bucket::default(),
        });
        id
    }

    /// A member counts differently from here on.
    pub fn set_weight(&mut self, id: MemberId, weight: u32, now_ns: u64) {
        self.fill(now_ns);
        if let Some(member) = self.members.iter_mut().find(|member| member.id == id) {
            member.weight = weight.max(1);
        }
    }

    /// A member is gone; what it had is lost.
    pub fn leave(&mut self, id: MemberId, now_ns: u64) {
        self.fill(now_ns);
        self.members.retain(|member| member.id != id);
    }

    /// Takes back what a member did not spend of its last loan, and lends it what it has: never
    /// less than `wanted_bytes`, of which it may come to owe a part.
    pub fn borrow(
        &mut self,
        id: MemberId,
        unspent_bytes: u64,
        wanted_bytes: u64,
        now_ns: u64,
    ) -> Loan {
        self.fill(now_ns);
        let Some(rate_bps) = self.rate_bps.map(i128::from) else {
            return Loan::Unlimited;
        };
        let weights = self.weights();
        let (sharing, room) = self.openness(rate_bps, weights, Some(id));
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else {
            return Loan::Wait {
                wait_ns: WAIT_NS_MIN,
            };
        };
        let own_bps = part(rate_bps, member.weight, weights);
        let returned = i128::from(unspent_bytes) * PER_BYTE;
        let beyond = member.bucket.add(returned, worth(own_bps, PART_BURST_NS));
        let most = worth(rate_bps, LOAN_NS_MAX);
        // What is over is anybody's, also to pay a debt.
        let drawn = self.pot.min(member.bucket.room(most));
        self.pot -= drawn;
        member.bucket.credit += drawn;
        let least = worth(own_bps, LOAN_NS_MIN).min(most);
        let loan = if member.bucket.credit >= least {
            Loan::Bytes(member.bucket.take(wanted_bytes, most))
        } else {
            // It fills faster while others are full, and they all are after some time.
            let filling_bps = part(rate_bps, member.weight, sharing);
            let alone_ns = member.bucket.wait_ns(least + room, rate_bps);
            let wait_ns = member.bucket.wait_ns(least, filling_bps).min(alone_ns);
            Loan::Wait { wait_ns }
        };
        self.hand_out(beyond, rate_bps);
        loan
    }

    /// Hands out what the rate has brought.
    fn fill(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.filled_ns);
        self.filled_ns = self.filled_ns.max(now_ns);
        let Some(rate_bps) = self.rate_bps.map(i128::from) else {
            return;
        };
        self.hand_out(rate_bps * i128::from(elapsed_ns), rate_bps);
    }

    /// Hands out credit: by weight, to those who have room for it.
    fn hand_out(&mut self, mut left: i128, rate_bps: i128) {
        if left <= 0 {
            return;
        }
        let weights = self.weights();
        // Each pass but the last fills a member up, so there are not more passes than members.
        for _ in 0..=self.members.len() {
            let (sharing, _) = self.openness(rate_bps, weights, None);
            if left <= 0 || sharing == 0 {
                break;
            }
            let round = left;
            for member in &mut self.members {
                let most = worth(part(rate_bps, member.weight, weights), PART_BURST_NS);
                let given = round * i128::from(member.weight) / sharing;
                let given = given.min(member.bucket.room(most));
                member.bucket.credit += given;
                left -= given;
            }
        }
        self.pot = (self.pot + left).min(worth(rate_bps, POT_NS));
    }

    fn weights(&self) -> i128 {
        let weights = self.members.iter().map(|m| i128::from(m.weight));
        weights.sum()
    }

    /// Weights of those who have room for more and of one who asks, and the room of the others.
    fn openness(&self, rate_bps: i128, weights: i128, asker: Option<MemberId>) -> (i128, i128) {
        let (mut sharing, mut room) = (0, 0);
        for member in &self.members {
            let most = worth(part(rate_bps, member.weight, weights), PART_BURST_NS);
            let its_room = member.bucket.room(most);
            if Some(member.id) == asker {
                sharing += i128::from(member.weight);
            } else if its_room > 0 {
                sharing += i128::from(member.weight);
                room += its_room;
            }
        }
        (sharing, room)
    }
}

/// A member's part of the rate.
fn part(rate_bps: i128, weight: u32, weights: i128) -> i128 {
    (rate_bps * i128::from(weight) / weights.max(1)).max(1)
}
