//! Tracks which parts of items wait for memory, which were asked for, and which have a grant. Pure.
//! Knows no slots and does not know who grants.
//!
//! ```text
//!                      granted before
//!     beginning ----------------------------+
//!         |                                 v
//!      Waiting --asked--> Waiting, asked --grant--> Granted --part ended or item finished--> forgotten
//!         ^     (never twice)
//!      pieces
//! ```
//!
//! A grant is for an item, not for a certain part. The best waiting part of the item gets it. If no
//! part waits, the grant is kept.

use super::events::Part;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use tender_units::{Bytes, Micros};

/// Identifies an item: the number of its plan in order of arrival, and its position in the plan.
pub(super) type ItemKey = (u64, usize);

/// A part that needs only memory and a slot to start. Sorts by the cost of its item, largest first,
/// because a large item that starts last leaves the other slots idle at the end; then by the age of
/// its plan; then by the cost of the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub cost: Reverse<Micros>,
    pub age: u64,
    pub position: usize,
    pub piece_cost: Reverse<u64>,
    pub part: Part,
}

impl Candidate {
    fn key(&self) -> ItemKey {
        (self.age, self.position)
    }
}

#[derive(Debug, Default)]
pub(super) struct Leases {
    accounts: HashMap<ItemKey, Account>,
    /// Waiting beginnings that were not asked for: those for any thread, and those for the main
    /// thread.
    unasked: BTreeSet<Candidate>,
    unasked_main: BTreeSet<Candidate>,
    /// How many waiting beginnings were asked for, and how many of them are for the main thread.
    asked: u32,
    asked_main: u32,
}

/// The grants and waiting parts of one item.
#[derive(Debug, Default)]
struct Account {
    grants: u32,
    waiting: Waiting,
    /// Parts that run or may run, each with its lease in bytes.
    granted: Vec<(Part, Bytes)>,
    /// Grants that no part has used yet, oldest first.
    spare: Vec<Bytes>,
}

#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Nothing,
    Beginning {
        candidate: Candidate,
        asked: bool,
    },
    Pieces {
        /// Sorted; the best is the last.
        candidates: Vec<Candidate>,
        /// How many grants were asked for and have not arrived.
        asked: u32,
    },
}

/// What an item holds by its grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub bytes: Bytes,
    /// How many grants have arrived.
    pub grants: u32,
    /// How many parts have a grant and have not ended.
    pub parts: u32,
}

impl Leases {
    /// Adds a waiting beginning. If the item already has a spare grant, the beginning gets it and
    /// is returned.
    pub fn add_beginning(&mut self, candidate: Candidate) -> Option<Candidate> {
        let account = self.accounts.entry(candidate.key()).or_default();
        if !account.spare.is_empty() {
            account.granted.push((candidate.part, account.spare.remove(0)));
            return Some(candidate);
        }
        account.waiting = Waiting::Beginning { candidate, asked: false };
        self.unasked_of(candidate.part).insert(candidate);
        None
    }

    /// Adds all pieces of an item, or its join, as waiting. Those that get a spare grant of the
    /// item are returned.
    pub fn add_pieces(&mut self, key: ItemKey, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates.sort_unstable_by(|a, b| b.cmp(a));
        let account = self.accounts.entry(key).or_default();
        let granted = candidates.split_off(candidates.len().saturating_sub(account.spare.len()));
        let parts = granted.iter().rev().map(|candidate| candidate.part);
        account.granted.extend(parts.zip(account.spare.drain(..granted.len())));
        account.waiting = if candidates.is_empty() {
            Waiting::Nothing
        } else {
            Waiting::Pieces { candidates, asked: 0 }
        };
        granted
    }

    /// Handles a grant of `bytes` for an unfinished item. Returns the part that may run with it, or
    /// `None` if no part waits.
    pub fn grant(&mut self, key: ItemKey, bytes: Bytes) -> Option<Candidate> {
        let account = self.accounts.entry(key).or_default();
        account.grants += 1;
        let candidate = match &mut account.waiting {
            Waiting::Nothing => None,
            Waiting::Beginning { .. } => self.take_beginning(key),
            Waiting::Pieces { candidates, asked } => {
                *asked = asked.saturating_sub(1);
                let best = candidates.pop();
                if candidates.is_empty() {
                    account.waiting = Waiting::Nothing;
                }
                best
            }
        };
        let account = self.accounts.entry(key).or_default();
        match candidate {
            Some(candidate) => account.granted.push((candidate.part, bytes)),
            None => account.spare.push(bytes),
        }
        candidate
    }

    /// How many pieces of the item to ask for now, so that at most `most` requests are outstanding.
    pub fn ask_for_pieces(&mut self, key: ItemKey, most: u32) -> u32 {
        let Some(Account { waiting: Waiting::Pieces { candidates, asked }, .. }) =
            self.accounts.get_mut(&key)
        else {
            return 0;
        };
        let more = most.min(candidates.len() as u32).saturating_sub(*asked);
        *asked += more;
        more
    }

    /// The best beginnings to ask for now, so that at most `most` requests are outstanding. At most
    /// one of them is for the main thread, and none if the main thread is not free.
    pub fn ask_for_beginnings(&mut self, most: u32, main_is_free: bool) -> Vec<ItemKey> {
        let mut keys = Vec::new();
        while self.asked < most {
            let main = self.unasked_main.first().filter(|_| main_is_free && self.asked_main == 0);
            let Some(best) = main.into_iter().chain(self.unasked.first()).min().copied() else {
                break;
            };
            self.unasked_of(best.part).remove(&best);
            self.asked += 1;
            self.asked_main += u32::from(best.part == Part::Translate);
            let account = self.accounts.get_mut(&best.key()).expect("what waits has an account");
            account.waiting = Waiting::Beginning { candidate: best, asked: true };
            keys.push(best.key());
        }
        keys
    }

    /// A part with a grant has ended or will not run.
    pub fn ended(&mut self, key: ItemKey, part: Part) {
        let account = self.accounts.get_mut(&key).expect("only what was granted ends");
        let at = account
            .granted
            .iter()
            .position(|(granted, _)| *granted == part)
            .expect("it was granted");
        account.granted.swap_remove(at);
    }

    /// Lowers the lease of the item's running beginning to `bytes`. Returns whether that is less
    /// than it was.
    pub fn shrink_beginning(&mut self, key: ItemKey, bytes: Bytes) -> bool {
        let granted =
            self.accounts.get_mut(&key).into_iter().flat_map(|account| &mut account.granted);
        let mut beginning =
            granted.filter(|(part, _)| matches!(part, Part::Begin | Part::Translate));
        match beginning.next() {
            Some((_, granted)) if bytes < *granted => {
                *granted = bytes;
                true
            }
            _ => false,
        }
    }

    /// Drops the waiting parts of the item.
    pub fn drop_waiting(&mut self, key: ItemKey) {
        if self.take_beginning(key).is_none()
            && let Some(account) = self.accounts.get_mut(&key)
        {
            account.waiting = Waiting::Nothing;
        }
    }

    /// Forgets an item that is finished.
    pub fn forget(&mut self, key: ItemKey) {
        self.drop_waiting(key);
        self.accounts.remove(&key);
    }

    pub fn held(&self, key: ItemKey) -> Held {
        let Some(account) = self.accounts.get(&key) else { return Held::default() };
        let granted = account.granted.iter().map(|(_, bytes)| bytes);
        // A plan written by hand may contain any numbers, so the sum saturates.
        let bytes = granted
            .chain(&account.spare)
            .fold(Bytes::ZERO, |sum, bytes| sum.saturating_add(*bytes));
        Held { bytes, grants: account.grants, parts: account.granted.len() as u32 }
    }

    fn unasked_of(&mut self, part: Part) -> &mut BTreeSet<Candidate> {
        if part == Part::Translate { &mut self.unasked_main } else { &mut self.unasked }
    }

    /// Removes the item's beginning from the waiting parts and returns it, if it waits.
    fn take_beginning(&mut self, key: ItemKey) -> Option<Candidate> {
        let account = self.accounts.get_mut(&key)?;
        let Waiting::Beginning { candidate, asked } = account.waiting else { return None };
        account.waiting = Waiting::Nothing;
        if asked {
            self.asked -= 1;
            self.asked_main -= u32::from(candidate.part == Part::Translate);
        } else {
            self.unasked_of(candidate.part).remove(&candidate);
        }
        Some(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(position: usize, cost: u64, part: Part) -> Candidate {
        Candidate { cost: Reverse(Micros(cost)), age: 0, position, piece_cost: Reverse(0), part }
    }

    fn piece(piece: u32, cost: u64) -> Candidate {
        Candidate { piece_cost: Reverse(cost), ..candidate(0, 0, Part::Piece(piece)) }
    }

    /// The waiting beginnings of items with these costs; the position is the index.
    fn waiting(costs: &[u64], part: Part) -> Leases {
        let mut leases = Leases::default();
        for (position, cost) in costs.iter().enumerate() {
            assert_eq!(leases.add_beginning(candidate(position, *cost, part)), None);
        }
        leases
    }

    fn parts(candidates: &[Candidate]) -> Vec<Part> {
        candidates.iter().map(|candidate| candidate.part).collect()
    }

    #[test]
    fn leases_ask_once_for_the_largest_beginnings() {
        let mut leases = waiting(&[1, 5, 3], Part::Begin);
        assert!(leases.ask_for_beginnings(0, true).is_empty());
        assert_eq!(leases.ask_for_beginnings(2, true), [(0, 1), (0, 2)]);
        assert!(leases.ask_for_beginnings(2, true).is_empty(), "two are asked for");
        assert_eq!(leases.grant((0, 1), Bytes(10)), Some(candidate(1, 5, Part::Begin)));
        assert_eq!(leases.ask_for_beginnings(2, true), [(0, 0)]);
        leases.forget((0, 0));
        assert!(leases.ask_for_beginnings(9, true).is_empty());
        assert_eq!(leases.grant((0, 2), Bytes(10)), Some(candidate(2, 3, Part::Begin)));
        assert_eq!((leases.asked, leases.unasked.len()), (0, 0));
    }

    #[test]
    fn leases_ask_for_one_beginning_on_the_main_thread() {
        let mut leases = waiting(&[7, 8], Part::Translate);
        assert_eq!(leases.add_beginning(candidate(2, 1, Part::Begin)), None);
        assert_eq!(leases.ask_for_beginnings(1, false), [(0, 2)]);
        assert_eq!(leases.ask_for_beginnings(9, true), [(0, 1)]);
        assert!(leases.ask_for_beginnings(9, true).is_empty());
        assert!(leases.grant((0, 0), Bytes(1)).is_some(), "unasked");
        leases.drop_waiting((0, 1));
        assert_eq!((leases.asked, leases.asked_main, leases.unasked_main.len()), (1, 0, 0));
    }

    #[test]
    fn leases_keep_a_grant_that_no_part_waits_for() {
        let mut leases = Leases::default();
        for bytes in [4, 5, 6] {
            assert_eq!(leases.grant((0, 0), Bytes(bytes)), None);
        }
        assert_eq!(leases.held((0, 0)), Held { bytes: Bytes(15), grants: 3, parts: 0 });
        assert!(leases.add_beginning(candidate(0, 0, Part::Begin)).is_some());
        leases.ended((0, 0), Part::Begin);
        assert_eq!(leases.held((0, 0)), Held { bytes: Bytes(11), grants: 3, parts: 0 });
        // The two largest pieces get the spare grants, the larger piece the older grant.
        let granted = leases.add_pieces((0, 0), vec![piece(0, 1), piece(1, 3), piece(2, 2)]);
        assert_eq!(parts(&granted), [Part::Piece(2), Part::Piece(1)]);
        leases.ended((0, 0), Part::Piece(1));
        assert_eq!(leases.held((0, 0)), Held { bytes: Bytes(6), grants: 3, parts: 1 });
        leases.forget((0, 0));
        assert_eq!(leases.held((0, 0)), Held::default());
        assert!(leases.accounts.is_empty());
    }

    #[test]
    fn leases_ask_for_pieces_gradually_and_grant_the_largest_first() {
        let mut leases = Leases::default();
        assert!(
            leases.add_pieces((0, 0), (0..4).map(|n| piece(n, u64::from(n))).collect()).is_empty()
        );
        assert_eq!(leases.ask_for_pieces((0, 0), 3), 3);
        assert_eq!(leases.ask_for_pieces((0, 0), 3), 0);
        assert_eq!(leases.grant((0, 0), Bytes(8)), Some(piece(3, 3)));
        assert_eq!(leases.ask_for_pieces((0, 0), 3), 1);
        assert_eq!(leases.grant((0, 0), Bytes(8)), Some(piece(2, 2)));
        assert_eq!(leases.ask_for_pieces((0, 0), 3), 0, "no other piece waits");
        assert_eq!(leases.grant((0, 0), Bytes(8)), Some(piece(1, 1)));
        assert_eq!(leases.grant((0, 0), Bytes(8)), Some(piece(0, 0)));
        assert_eq!(leases.grant((0, 0), Bytes(8)), None);
        assert_eq!(leases.ask_for_pieces((0, 0), 3), 0);
        assert_eq!(leases.held((0, 0)), Held { bytes: Bytes(40), grants: 5, parts: 4 });
    }

    #[test]
    fn leases_grant_nothing_to_dropped_pieces() {
        let mut leases = Leases::default();
        assert!(leases.add_pieces((0, 0), vec![piece(0, 0), piece(1, 0)]).is_empty());
        leases.drop_waiting((0, 0));
        assert_eq!(leases.ask_for_pieces((0, 0), 3), 0);
        assert_eq!(leases.grant((0, 0), Bytes(8)), None);
    }
}
