//! Decides how a module is cut into pieces. Pure: knows no LLVM, no clocks, no threads.
//!
//! Numbers of symbols in, roles of symbols out. The same graph and limits give the same assignment,
//! whatever the order of edges and ties.

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
