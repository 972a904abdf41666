//! The pool of a build: the account, and where there is a parent's jobserver, what is borrowed from
//! it. Events and the time in, bytes moved out. Knows no processes and no clocks.
//!
//! Under a parent the account holds the slot that came with this process, and beyond that only what
//! was acquired: `N = 1 + borrowed`. A token is asked for when there is work that waits for it, and
//! goes back as soon as there is not.
//!
//! A foreign child's wish cannot be seen, so under a parent a token is borrowed for it on trial:
//! each foreign child is offered it for a turn, and if none takes it, it goes back, and the next
//! trial comes after twice the time. After one that was taken the next is at once, and for twice as
//! many.

use super::broker::{Broker, Terms};
use super::port::Ports;
use std::io;

/// The first trial comes this long after the one that failed, microseconds, and each further one
/// after twice the time.
const SHORTEST_PAUSE_US: u64 = 5_000;
const LONGEST_PAUSE_US: u64 = 40_000;

/// A parent's jobserver, as this process sees it.
pub trait Lender {
    /// How many tokens are wished for beyond those that have arrived; 0 withdraws every wish.
    fn wish(&mut self, tokens: u32);

    /// Tokens that have arrived since the last call.
    fn arrived(&mut self) -> Arrived;

    /// Returns tokens, of those that have arrived.
    fn give_back(&mut self, tokens: u32);
}

#[derive(Debug, Default)]
pub struct Arrived {
    pub tokens: u32,
    /// Nothing more will come.
    pub lost: Option<io::Error>,
}

/// The account together with its lender.
pub struct Pool<P: Ports, L> {
    pub broker: Broker<P>,
    lender: Option<Lent<L>>,
    /// What children are told that N is.
    hint: u32,
}

struct Lent<L> {
    lender: L,
    borrowed: u32,
    wished: u32,
    trial: Trial,
}

/// Borrowing for children whose wishes cannot be seen.
struct Trial {
    /// When the token came that is on offer.
    since_us: u64,
    /// Until then, or until one is taken, offers stand: a child is about to start.
    stands_until_us: u64,
    size: u32,
    /// How many of the present one have not arrived.
    lacks: u32,
    pause_us: u64,
    next_us: u64,
}

impl<P: Ports, L: Lender> Pool<P, L> {
    /// A pool of `n` slots of our own.
    pub fn own(n: u32, ports: P) -> Pool<P, L> {
        Pool { broker: Broker::new(n, ports), lender: None, hint: n }
    }

    /// The slot that came with this process, and what `lender` lends. `hint` is how many slots the
    /// parent is said to have.
    pub fn under(lender: L, hint: u32, ports: P) -> Pool<P, L> {
        let trial = Trial {
            since_us: 0,
            stands_until_us: 0,
            size: 1,
            lacks: 0,
            pause_us: SHORTEST_PAUSE_US,
            next_us: 0,
        };
        let lender = Some(Lent { lender, borrowed: 0, wished: 0, trial });
        Pool { broker: Broker::new(1, ports), lender, hint }
    }

    pub fn lender(&self) -> Option<&L> {
        self.lender.as_ref().map(|lent| &lent.lender)
    }

    /// The most slots that there can be, as far as is known.
    pub fn hint(&self) -> u32 {
        self.hint
    }

    /// How many more slots than are free could be had at best.
    pub fn most_more(&self) -> u32 {
        self.hint.saturating_sub(self.broker.used())
    }

    /// Begins a round: takes in what arrived and was returned, and draws back offers as far as our
    /// own children and items, which could use `wanted` slots, need them.
    ///
    /// Returns why the parent's pool is lost, once, when it is.
    ///
    /// # Errors
    /// A child's port cannot be read. A parent's pool that fails is no error: see above.
    pub fn begin_round(&mut self, wanted: u32, now_us: u64) -> io::Result<Option<io::Error>> {
        let mut lost = None;
        if let Some(lent) = &mut self.lender {
            let arrived = lent.lender.arrived();
            if arrived.tokens > 0 {
                lent.borrowed += arrived.tokens;
                lent.wished = lent.wished.saturating_sub(arrived.tokens);
                lent.trial.lacks = lent.trial.lacks.saturating_sub(arrived.tokens);
                lent.trial.since_us = now_us;
                self.broker.grow(arrived.tokens);
            }
            if arrived.lost.is_some() {
                lent.trial.next_us = u64::MAX;
                lost = arrived.lost;
            }
        }
        self.broker.draw_back(wanted)?;
        Ok(lost)
    }

    /// Offers what is free, but for `reserve`, to a foreign child that is about to start. What a
    /// parent has lent for it is offered until `until_us`, or until some of it is taken.
    ///
    /// # Errors
    /// A child's port cannot be read or written.
    pub fn offer_ahead(&mut self, reserve: u32, until_us: u64, now_us: u64) -> io::Result<()> {
        if let Some(lent) = &mut self.lender {
            // Nothing of the parent's is free that is not planned for.
            if until_us <= now_us {
                return Ok(());
            }
            lent.trial.stands_until_us = until_us;
        }
        self.broker.offer(reserve, Terms::Standing, now_us)?;
        Ok(())
    }

    /// Ends a round, when everything that could be given out is. Slots that our own still have a
    /// use for are kept, `wanted` many, and asked for if they are not there; the others are offered
    /// to external commands, or go back to the parent.
    ///
    /// Returns when to begin the next round, whatever happens until then.
    ///
    /// # Errors
    /// A child's port cannot be read or written.
    pub fn end_round(&mut self, wanted: u32, now_us: u64) -> io::Result<Option<u64>> {
        let Some(lent) = &mut self.lender else {
            return Ok(self.broker.offer(wanted, Terms::Standing, now_us)?.deadline_us);
        };
        let trial = &mut lent.trial;
        let stands = now_us < trial.stands_until_us;
        let trial_terms = Terms::Trial { start_us: trial.since_us, most: trial.size };
        let terms = if stands { Terms::Standing } else { trial_terms };
        let mut offers = self.broker.offer(wanted, terms, now_us)?;
        if offers.taken {
            trial.stands_until_us = 0;
            trial.pause_us = SHORTEST_PAUSE_US;
            trial.size = (trial.size * 2).min(self.hint);
            trial.lacks = 0;
            trial.next_us = trial.next_us.min(now_us);
        } else if stands {
            offers.deadline_us = Some(trial.stands_until_us);
        } else if offers.refused {
            trial.size = 1;
            trial.lacks = 0;
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
            trial.lacks =
                if offers.without > 0 && trial.next_us <= now_us { trial.size } else { 0 };
        }
        let wish = (lacking + trial.lacks).min(self.hint.max(2).saturating_sub(self.broker.n()));
        if wish != lent.wished {
            lent.wished = wish;
            lent.lender.wish(wish);
        }
        let waits = offers.without > 0 && trial.next_us > now_us && trial.next_us != u64::MAX;
        Ok(offers.deadline_us.or_else(|| waits.then_some(trial.next_us)))
    }

    /// Returns everything that was borrowed, whoever still holds it: at the end, when nobody does
    /// who counts.
    pub fn return_all(&mut self) {
        if let Some(lent) = &mut self.lender {
            lent.lender.wish(0);
            lent.lender.give_back(std::mem::take(&mut lent.borrowed));
        }
    }
}

#[cfg(test)]
mod tests;
