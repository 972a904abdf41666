//! The kinds of steps, and their order in a round.

use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The content of a file changes.
    Content,
    /// The same, without a change of size and modification time.
    Disguised,
    /// The modification time of a file changes.
    Time,
    /// A file is renamed, or two files exchange their names.
    Rename,
    /// A file or an output is deleted, or restored.
    Delete,
    /// A header, library or program that hides another one appears or disappears.
    Shadow,
    /// A variable of the environment is set or unset.
    Environment,
    /// A manifest changes.
    Arguments,
    /// The inputs, outputs or programs of `[[generate]]` commands.
    Generated,
    /// Symbolic and hard links.
    Links,
    /// Permissions.
    Mode,
    /// A directory is renamed or replaced.
    Directory,
}

/// How often each occurs in a round: each is at least a twentieth, also when some steps are undone.
const DECK: [(Kind, usize); 12] = [
    (Kind::Content, 6),
    (Kind::Disguised, 5),
    (Kind::Time, 3),
    (Kind::Rename, 3),
    (Kind::Delete, 3),
    (Kind::Shadow, 5),
    (Kind::Environment, 4),
    (Kind::Arguments, 4),
    (Kind::Generated, 4),
    (Kind::Links, 3),
    (Kind::Mode, 3),
    (Kind::Directory, 3),
];

impl Kind {
    pub fn all() -> impl Iterator<Item = Kind> {
        DECK.into_iter().map(|(kind, _)| kind)
    }

    /// The kinds of a round's steps in random order.
    pub(super) fn shuffled(random: &mut Random) -> Vec<Kind> {
        let mut deck: Vec<Kind> =
            DECK.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count)).collect();
        for end in (1..deck.len()).rev() {
            deck.swap(end, random.below(end as u64 + 1) as usize);
        }
        deck
    }
}
