//! Decides how a module is cut into pieces. Pure. Knows no LLVM, no clocks and no threads.
//!
//! The input is a graph of symbols, by number; the output is the role of each symbol in each piece.
//! The same graph and limits give the same assignment, in any order of edges and ties.
//!
//! `cut_graph.cpp` makes the graph: symbols, references, and ties. Symbols that are tied (by a
//! comdat, an alias, a block address, a section, inline assembly, ...) get the same owner.
//!
//! The steps, each in its own file:
//!
//! - `ties` groups what must have the same owner.
//! - `clusters` joins groups that call each other much.
//! - `placement` gives each cluster a piece as its owner, so that the pieces cost about the same,
//!   copies included.
//! - `roles` decides the role of each symbol in each piece: its definition; a *copy*
//!   (`available_externally`), which may be inlined and leaves no code; or a *replica*, a
//!   definition of its own. Replicas are for small inline functions of C++: most of them vanish
//!   when they are inlined. No variable is ever defined twice: programs compare addresses.
//! - `limits` has the numbers, and what they were measured with. A module of which the pieces would
//!   cost too much together is cut into fewer pieces, or not at all. Most C++ is not cut.
//!
//! A local symbol that another piece needs is *promoted*: it gets hidden visibility and a unique
//! suffix while the pieces are apart, and its old name and binding when they are joined. The number
//! of pieces depends on the module and the profile, never on the machine, so that outputs do not.
//!
//! `assembly` reads the names in inline assembly. Where it cannot tell what is named, the module
//! stays whole.

mod assembly;
mod clusters;
mod graph;
mod limits;
mod placement;
mod roles;
#[cfg(test)]
mod tests;
mod ties;

pub use assembly::Assembly;
pub use graph::{Edge, Graph, Node};
pub use limits::Limits;
pub use roles::{Assignment, Change, Piece, Role};

/// Assigns the symbols of a module to pieces. `None` if more than one piece is not worthwhile.
pub fn partition(graph: &Graph, limits: &Limits) -> Option<Assignment> {
    let graph = graph.normalised();
    let references = graph::References::new(&graph);
    let total = total(&graph, &references);
    let groups = ties::groups(&graph);
    let mut count = limits.pieces(total);
    while count >= 2 {
        let clusters =
            clusters::cluster(&graph, &references, &groups, total / (4 * u64::from(count)));
        let owners = placement::place(&graph, &references, &groups, &clusters, count, limits);
        let assignment = roles::assign(&graph, &references, &owners, limits);
        let sum = assignment.pieces.iter().map(|piece| piece.cost).fold(0, u64::saturating_add);
        if limits.allow_price(count, sum, total) {
            return (assignment.pieces.len() >= 2).then_some(assignment);
        }
        count /= 2;
    }
    None
}

/// The expected cost of compiling a module, in the unit of `Limits::piece`.
pub fn cost(graph: &Graph) -> u64 {
    let graph = graph.normalised();
    total(&graph, &graph::References::new(&graph))
}

fn total(graph: &Graph, references: &graph::References) -> u64 {
    (0..graph.nodes.len() as u32).map(|node| references.cost(node)).fold(0, u64::saturating_add)
}
