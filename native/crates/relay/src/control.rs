//! A link's congestion control, as far as it is BBR. Ten seconds after the shortest round trip it
//! rests for 200 ms to see a shorter one (draft-cardwell-iccrg-bbr-congestion-control-00, 4.3.5),
//! and with it all whom this node serves, and those behind them.

use std::os::fd::AsFd;

use crate::limits::{RENEW_MS, RENEW_TURNS};
use crate::socket::{self, Flow};

#[derive(Debug, Default)]
pub(crate) struct Control {
    /// When BBR began; None: nothing was sent yet.
    began_ms: Option<u64>,
    turns: u32,
    /// It is not BBR, and will not be.
    is_other: bool,
    rests: bool,
    /// What the system has counted by the last look.
    counted: Flow,
    /// How much of that was busy without resting.
    busy_us: u64,
}

impl Control {
    /// Something was sent: has BBR begin anew before it rests, three times of four. Only in a rest
    /// does it see that the way has become longer; then it is left alone, since beginning anew it
    /// would take the shortest round trip of five minutes for that of now.
    pub(crate) fn keep_going(&mut self, fd: impl AsFd, now_ms: u64) {
        if !self.is_due(now_ms) {
            return;
        }
        if socket::bbr(&fd).is_some_and(|bbr| bbr.is_near_shortest && !bbr.rests) {
            socket::renew_bbr(fd);
        }
    }

    fn is_due(&mut self, now_ms: u64) -> bool {
        if now_ms - *self.began_ms.get_or_insert(now_ms) < RENEW_MS {
            return false;
        }
        self.began_ms = Some(now_ms);
        self.turns += 1;
        !self.turns.is_multiple_of(RENEW_TURNS)
    }

    /// What went out. While BBR rests, the link is not what holds it up, and is not busy.
    pub(crate) fn look(&mut self, fd: impl AsFd) -> Flow {
        let bbr = if self.is_other {
            None
        } else {
            socket::bbr(&fd)
        };
        self.is_other = bbr.is_none();
        self.count(socket::flow(fd), bbr.is_some_and(|bbr| bbr.rests))
    }

    fn count(&mut self, counted: Flow, rests: bool) -> Flow {
        // What it has missed goes out after the end of a rest, of which a part is in that look.
        if !rests && !self.rests {
            self.busy_us += counted.busy_us.saturating_sub(self.counted.busy_us);
        }
        self.rests = rests;
        self.counted = counted;
        Flow {
            busy_us: self.busy_us,
            ..counted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_anew_three_times_of_four() {
        let mut control = Control::default();
        let due: Vec<u64> = (0..=8 * RENEW_MS)
            .step_by(100)
            .filter(|now_ms| control.is_due(*now_ms))
            .collect();
        assert_eq!(due, [1, 2, 3, 5, 6, 7].map(|turn| turn * RENEW_MS));
    }

    #[test]
    fn what_passes_in_a_rest_is_not_busy() {
        let mut control = Control::default();
        let mut look = |busy_us, rests| {
            let counted = Flow {
                acked_bytes: busy_us,
                busy_us,
            };
            control.count(counted, rests)
        };
        assert_eq!(look(50, false).busy_us, 50);
        assert_eq!(look(100, true).busy_us, 50);
        assert_eq!(look(150, true).busy_us, 50);
        assert_eq!(look(200, false).busy_us, 50, "it ended in between");
        let last = look(250, false);
        assert_eq!(last.busy_us, 100);
        assert_eq!(last.acked_bytes, 250, "bytes count always");
    }
}
