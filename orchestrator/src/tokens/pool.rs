//! The pool of a build: the account, and the tokens borrowed from a parent's jobserver if there is
//! one. Events and the time in, bytes moved out. Knows no processes and no clocks.
//!
//! Under a parent the account has the implicit slot of this process, and the borrowed tokens: `N =
//! 1 + borrowed`. A token is requested when an item or a worker can use it, and returned as soon as
//! none can.
//!
//! It cannot be observed whether an external command waits for a token. So under a parent a token
//! is borrowed on *trial*: it is offered to each external command for a short time. If none takes
//! it, it is returned, and the pause before the next trial doubles. If one takes it, the next trial
//! follows at once, with twice as many tokens.

use super::broker::{Broker, Terms};
use super::port::Ports;
use std::io;
use tender_units::Micros;

/// The pause after the first trial that failed, and the longest one; microseconds. It doubles with
/// each failure.
const SHORTEST_PAUSE_US: Micros = Micros::from_millis(5);
const LONGEST_PAUSE_US: Micros = Micros::from_millis(40);

/// A parent's jobserver, as this process sees it.
pub trait Lender {
    /// Requests this many tokens besides those that have arrived. 0 cancels all requests.
    fn request(&mut self, tokens: u32);

    /// Tokens that have arrived since the last call.
    fn arrived(&mut self) -> Arrived;

    /// Returns this many of the tokens that have arrived.
    fn give_back(&mut self, tokens: u32);
}

#[derive(Debug, Default)]
pub struct Arrived {
    pub tokens: u32,
    /// The parent's pool cannot be read any more, and why.
    pub lost: Option<io::Error>,
}

/// The account together with its lender.
pub struct Pool<P: Ports, L> {
    pub broker: Broker<P>,
    lender: Option<Lent<L>>,
    /// The N that children read in MAKEFLAGS.
    hint: u32,
}

struct Lent<L> {
    lender: L,
    borrowed: u32,
    requested: u32,
    trial: Trial,
}

/// The state of borrowing for external commands.
struct Trial {
    /// When the offered token arrived, microseconds.
    since_us: Micros,
    /// Until then, or until a token is taken, offers stand, because a command is about to start;
    /// microseconds.
    stands_until_us: Micros,
    size: u32,
    /// How many tokens of this trial have not arrived.
    missing: u32,
    pause_us: Micros,
    next_us: Micros,
}

impl<P: Ports, L: Lender> Pool<P, L> {
    /// A pool of `n` slots of our own.
    pub fn own(n: u32, ports: P) -> Pool<P, L> {
        Pool { broker: Broker::new(n, ports), lender: None, hint: n }
    }

    /// A pool with the implicit slot of this process, and what `lender` lends. `hint` is how many
    /// slots the parent's MAKEFLAGS announce.
    pub fn under(lender: L, hint: u32, ports: P) -> Pool<P, L> {
        let trial = Trial {
            since_us: Micros::ZERO,
            stands_until_us: Micros::ZERO,
            size: 1,
            missing: 0,
            pause_us: SHORTEST_PAUSE_US,
            next_us: Micros::ZERO,
        };
        let lender = Some(Lent { lender, borrowed: 0, requested: 0, trial });
        Pool { broker: Broker::new(1, ports), lender, hint }
    }

    pub fn lender(&self) -> Option<&L> {
        self.lender.as_ref().map(|lent| &lent.lender)
    }

    /// The most slots that the pool can have, as far as is known.
    pub fn hint(&self) -> u32 {
        self.hint
    }

    /// How many more slots could be in use at most, borrowed ones included.
    pub fn max_additional(&self) -> u32 {
        self.hint.saturating_sub(self.broker.used())
    }

    /// Begins a round: accounts for tokens that arrived from the parent, and withdraws offers until
    /// `wanted` slots are free, which workers and items can use.
    ///
    /// Returns why the parent's pool is lost, once.
    ///
    /// # Errors
    /// A child's port cannot be read. The loss of the parent's pool is no error: see above.
    pub fn begin_round(&mut self, wanted: u32, now_us: Micros) -> io::Result<Option<io::Error>> {
        let mut lost = None;
        if let Some(lent) = &mut self.lender {
            let arrived = lent.lender.arrived();
            if arrived.tokens > 0 {
                lent.borrowed += arrived.tokens;
                lent.requested = lent.requested.saturating_sub(arrived.tokens);
                lent.trial.missing = lent.trial.missing.saturating_sub(arrived.tokens);
                lent.trial.since_us = now_us;
                self.broker.grow(arrived.tokens);
            }
            if arrived.lost.is_some() {
                lent.trial.next_us = Micros::MAX;
                lost = arrived.lost;
            }
        }
        self.broker.withdraw_offers(wanted)?;
        Ok(lost)
    }

    /// Offers free slots, except `reserve`, to an external command that is about to start. Borrowed
    /// tokens are offered until `until_us`, or until one is taken.
    ///
    /// # Errors
    /// A child's port cannot be read or written.
    pub fn offer_ahead(
        &mut self,
        reserve: u32,
        until_us: Micros,
        now_us: Micros,
    ) -> io::Result<()> {
        if let Some(lent) = &mut self.lender {
            // All borrowed tokens have a use.
            if until_us <= now_us {
                return Ok(());
            }
            lent.trial.stands_until_us = until_us;
        }
        self.broker.offer(reserve, Terms::Standing, now_us)?;
        Ok(())
    }

    /// Ends a round, when no more slots can be granted. `wanted` slots, which workers and items can
    /// use, are kept free, and requested from the parent if they are missing. The others are
    /// offered to external commands, or returned to the parent.
    ///
    /// Returns when to begin the next round at the latest, microseconds.
    ///
    /// # Errors
    /// A child's port cannot be read or written.
    pub fn end_round(&mut self, wanted: u32, now_us: Micros) -> io::Result<Option<Micros>> {
        let Some(lent) = &mut self.lender else {
            return Ok(self.broker.offer(wanted, Terms::Standing, now_us)?.deadline_us);
        };
        let trial = &mut lent.trial;
        let stands = now_us < trial.stands_until_us;
        let trial_terms = Terms::Trial { start_us: trial.since_us, most: trial.size };
        let terms = if stands { Terms::Standing } else { trial_terms };
        let mut offers = self.broker.offer(wanted, terms, now_us)?;
        if offers.taken {
            trial.stands_until_us = Micros::ZERO;
            trial.pause_us = SHORTEST_PAUSE_US;
            trial.size = (trial.size * 2).min(self.hint);
            trial.missing = 0;
            trial.next_us = trial.next_us.min(now_us);
        } else if stands {
            offers.deadline_us = Some(trial.stands_until_us);
        } else if offers.refused {
            trial.size = 1;
            trial.missing = 0;
            trial.next_us = trial.next_us.max(now_us.saturating_add(trial.pause_us));
            trial.pause_us = (trial.pause_us * 2).min(LONGEST_PAUSE_US);
        }
        let surplus = self.broker.free().saturating_sub(wanted).min(lent.borrowed);
        let returned = self.broker.shrink(surplus);
        if returned > 0 {
            lent.borrowed -= returned;
            lent.lender.give_back(returned);
        }
        let lacking = wanted.saturating_sub(self.broker.free());
        if offers.deadline_us.is_none() {
            trial.missing =
                if offers.without > 0 && trial.next_us <= now_us { trial.size } else { 0 };
        }
        let request =
            (lacking + trial.missing).min(self.hint.max(2).saturating_sub(self.broker.n()));
        if request != lent.requested {
            lent.requested = request;
            lent.lender.request(request);
        }
        let waits = offers.without > 0 && trial.next_us > now_us && trial.next_us != Micros::MAX;
        Ok(offers.deadline_us.or_else(|| waits.then_some(trial.next_us)))
    }

    /// Returns everything that was borrowed. To be called at the end, when no child of the build
    /// runs.
    pub fn return_all(&mut self) {
        if let Some(lent) = &mut self.lender {
            lent.lender.request(0);
            lent.lender.give_back(std::mem::take(&mut lent.borrowed));
        }
    }
}

#[cfg(test)]
mod tests;
