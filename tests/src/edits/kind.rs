//! The kinds of steps, and in which order a round takes them.

use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file has another content.
    Content,
    /// The same, and its size and modification time tell nothing of it.
    Disguised,
    /// A file has another modification time.
    Time,
    /// A file has another name, or two files change names.
    Rename,
    /// A file is deleted, or comes back; outputs are, too.
    Delete,
    /// A header, library or program comes or goes where it is found before another one.
    Shadow,
    /// A variable of the environment is set or unset.
    Environment,
    /// A manifest says something else.
    Arguments,
    /// What `[[generate]]` commands read, do and write.
    Generated,
    /// Symbolic and hard links.
    Links,
    /// Permissions.
    Mode,
    /// A directory has another name, or is another one.
    Directory,
}

/// How often each comes in a round. No kind is less than a twentieth, also when some steps are
/// taken back.
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

    /// The kinds of a round's steps, in random order.
    pub(super) fn shuffled(random: &mut Random) -> Vec<Kind> {
        let mut deck: Vec<Kind> =
            DECK.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count)).collect();
        for end in (1..deck.len()).rev() {
            deck.swap(end, random.below(end as u64 + 1) as usize);
        }
        deck
    }
}
