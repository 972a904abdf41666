//! Whose death was the kernel's doing. Pure: what it has counted and the time are arguments.
//!
//! Its counters are of whole cgroups and name nobody. So a kill is evidence for one death, and only for a while: the other processes of
//! a group are killed as well.

/// The end of what was killed is heard of at once. A kill that nothing of ours died of for so long, microseconds, was another's.
pub const NEWS_US: u64 = 1_000_000;

/// Processes that the kernel has killed for memory, by its counters: of each it is to be found out what it ran.
#[derive(Debug, Default)]
pub struct Evidence {
    /// So many are accounted for, or are old.
    known: u64,
    counted: u64,
    /// When more were first counted, microseconds.
    since_us: u64,
}

impl Evidence {
    /// `counted` are those that it has killed so far, whoever they were.
    pub fn new(counted: u64) -> Evidence {
        Evidence { known: counted, counted, since_us: 0 }
    }

    /// Takes in what the kernel counts now.
    pub fn count(&mut self, counted: u64, now_us: u64) {
        if self.counted > self.known && now_us >= self.since_us + NEWS_US {
            self.known = self.counted;
        }
        if counted > self.counted {
            (self.counted, self.since_us) = (counted, now_us);
        }
    }

    /// Whether there was a kill that nothing accounts for yet; now something does.
    pub fn take(&mut self) -> bool {
        let is_news = self.counted > self.known;
        self.known += u64::from(is_news);
        is_news
    }
}
