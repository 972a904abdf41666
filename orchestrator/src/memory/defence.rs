//! What to do when memory gets short in spite of all leases, and when. Pure: measurements and the time are arguments.
//!
//! ```text
//! available:  plenty ... 2 reserves ......... 1 reserve ........ 1/3 reserve ... 0
//!                        purge, once a second                    kill, at most one in half a second
//! ```
//!
//! Leases keep the reserve free; what eats into it was estimated too small, or is not ours. What an allocator keeps goes first. To kill
//! comes last, and before the kernel does it: it would choose the largest process, which may be the one that is nearest its end. After
//! a kill it takes a while until the memory is back, and what was killed was perhaps enough.

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Bytes that may still be used before the kernel acts.
    pub available: u64,
    /// Bytes of that which ought to stay free.
    pub reserve: u64,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Steps {
    /// Workers return what their allocators keep.
    pub purge: bool,
    /// One process of ours is killed, if there is one that may be.
    pub kill: bool,
}

const BETWEEN_PURGES_US: u64 = 1_000_000;
const BETWEEN_KILLS_US: u64 = 500_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Defence {
    purged_us: Option<u64>,
    killed_us: Option<u64>,
}

impl Defence {
    pub fn step(&mut self, Measure { available, reserve }: Measure, now_us: u64) -> Steps {
        let is_over =
            |since: Option<u64>, pause_us: u64| since.is_none_or(|at_us| now_us >= at_us + pause_us);
        let purge = available < reserve.saturating_mul(2) && is_over(self.purged_us, BETWEEN_PURGES_US);
        let kill = available < reserve / 3 && is_over(self.killed_us, BETWEEN_KILLS_US);
        if purge {
            self.purged_us = Some(now_us);
        }
        if kill {
            self.killed_us = Some(now_us);
        }
        Steps { purge, kill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVE: u64 = 60;
    const NOTHING: Steps = Steps { purge: false, kill: false };

    #[test]
    fn what_is_done_depends_on_how_short_it_is() {
        let check = |available: u64, expect: Steps| {
            assert_eq!(
                Defence::default().step(Measure { available, reserve: RESERVE }, 0),
                expect,
                "{available}"
            );
        };
        check(1000, NOTHING);
        check(120, NOTHING);
        check(119, Steps { purge: true, kill: false });
        check(20, Steps { purge: true, kill: false });
        check(19, Steps { purge: true, kill: true });
        check(0, Steps { purge: true, kill: true });
    }

    #[test]
    fn nothing_is_done_twice_before_it_can_have_helped() {
        let mut defence = Defence::default();
        let mut done = (0, 0);
        // Ten seconds at the brink, looked at each 20 ms.
        for now_us in (0..10_000_000).step_by(20_000) {
            let steps = defence.step(Measure { available: 5, reserve: RESERVE }, now_us);
            done = (done.0 + u32::from(steps.purge), done.1 + u32::from(steps.kill));
        }
        assert_eq!(done, (10, 20));
    }
}
