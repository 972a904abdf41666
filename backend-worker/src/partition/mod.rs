//! Decides how a module is cut into pieces. Pure: knows no LLVM, no clocks, no threads.
//!
//! Numbers of symbols in, roles of symbols out. The same graph and limits give the same assignment,
//! whatever the order of edges and ties.
//!
//! `cut_graph.cpp` makes the graph: symbols, references, and ties. Symbols that are tied (by a
//! comdat, an alias, a block address, a section, inline assembly, ...) get the same home.
//!
//! The steps, each in its own file:
//!
//! - `ties` groups what must have the same home.
//! - `clusters` joins groups that call each other much.
//! - `place` gives each cluster a piece as its home, so that the pieces cost about the same, copies
//!   included.
//! - `roles` says what each piece has of each symbol: its definition; a *copy*
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
mod place;
mod roles;
#[cfg(test)]
mod tests;
mod ties;

pub use assembly::Assembly;
pub use graph::{Edge, Graph, Node};
pub use limits::Limits;
pub use roles::{Assignment, Change, Piece, Role};

/// `None`: the module is not worth more than one piece.
pub fn partition(graph: &Graph, limits: &Limits) -> Option<Assignment> {
    let graph = graph.normal();
    let links = graph::Links::new(&graph);
    let total = total(&graph, &links);
    let groups = ties::groups(&graph);
    let mut count = limits.pieces(total);
    while count >= 2 {
        let clusters = clusters::cluster(&graph, &links, &groups, total / (4 * u64::from(count)));
        let homes = place::place(&graph, &links, &groups, &clusters, count, limits);
        let assignment = roles::assign(&graph, &links, &homes, limits);
        let sum = assignment.pieces.iter().map(|piece| piece.cost).fold(0, u64::saturating_add);
        if limits.allow_price(count, sum, total) {
            return (assignment.pieces.len() >= 2).then_some(assignment);
        }
        count /= 2;
    }
    None
}

/// Expected cost of compiling a module, in the unit of `Limits::piece`.
pub fn cost(graph: &Graph) -> u64 {
    let graph = graph.normal();
    total(&graph, &graph::Links::new(&graph))
}

fn total(graph: &Graph, links: &graph::Links) -> u64 {
    (0..graph.nodes.len() as u32).map(|node| links.cost(node)).fold(0, u64::saturating_add)
}
