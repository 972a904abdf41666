//! Decides how a module is cut into pieces. Pure: knows no LLVM, no clocks, no threads.
//!
//! Numbers of symbols in, roles of symbols out. The same graph and limits give the same assignment, whatever the order
//! of edges and ties.

mod clusters;
mod graph;
mod limits;
mod place;
mod roles;
#[cfg(test)]
mod tests;
mod ties;

pub use graph::{Edge, Graph, Node};
pub use limits::Limits;
pub use roles::{Assignment, Change, Piece, Role};

/// `None`: the module is not worth more than one piece.
pub fn partition(graph: &Graph, limits: &Limits) -> Option<Assignment> {
    let total: u64 = graph.nodes.iter().map(Node::cost).sum();
    let count = limits.pieces(total);
    if count < 2 {
        return None;
    }
    let graph = graph.normal();
    let links = graph::Links::new(&graph);
    let groups = ties::groups(&graph, &links);
    let clusters = clusters::cluster(&graph, &links, &groups, total / (4 * count as u64));
    let homes = place::place(&graph, &links, &clusters, count, limits);
    let assignment = roles::assign(&graph, &links, &homes, limits);
    (assignment.pieces.len() >= 2).then_some(assignment)
}
