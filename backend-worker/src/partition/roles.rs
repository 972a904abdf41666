//! From homes to what each piece has: definitions, copies, replicas; and what must change for
//! others to see it.

use super::graph::{Graph, Links, Node};
use super::limits::Limits;
use super::place::Homes;
use std::collections::VecDeque;

/// What a symbol is in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// At most declared.
    None = 0,
    Home = 1,
    /// `available_externally`: for inlining and folding, never emitted.
    Copy = 2,
    /// A definition of the piece's own.
    Replica = 3,
}

/// What happens to a symbol before the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    None = 0,
    /// A local becomes visible to other pieces.
    Promote = 1,
    /// A `linkonce` must not vanish from its home.
    Keep = 2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub roles: Vec<Role>,
    /// In the unit of `Limits::piece`, copies included.
    pub cost: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub pieces: Vec<Piece>,
    pub changes: Vec<Change>,
}

pub(super) fn assign(graph: &Graph, links: &Links, homes: &Homes, limits: &Limits) -> Assignment {
    let count = homes.iter().flatten().max().map_or(0, |last| last + 1);
    let mut pieces: Vec<Piece> =
        (0..count).map(|piece| fill(graph, links, homes, piece, limits)).collect();
    pieces.retain(|piece| piece.roles.contains(&Role::Home));

    let mut changes = vec![Change::None; graph.nodes.len()];
    for piece in &pieces {
        for (at, role) in piece.roles.iter().enumerate() {
            if !matches!(role, Role::None) {
                for &(to, _) in links.out(at as u32) {
                    let node = &graph.nodes[to as usize];
                    let elsewhere = matches!(piece.roles[to as usize], Role::None | Role::Copy);
                    if node.defined && elsewhere {
                        changes[to as usize] = change(node);
                    }
                }
            }
        }
    }
    Assignment { pieces, changes }
}

fn change(node: &Node) -> Change {
    if node.local {
        Change::Promote
    } else if node.linkonce {
        Change::Keep
    } else {
        Change::None
    }
}

/// The cost of one piece with its copies.
pub(super) fn cost(
    graph: &Graph,
    links: &Links,
    homes: &Homes,
    piece: u32,
    limits: &Limits,
) -> u64 {
    fill(graph, links, homes, piece, limits).cost
}

/// Everything that one piece has.
fn fill(graph: &Graph, links: &Links, homes: &Homes, piece: u32, limits: &Limits) -> Piece {
    let mut roles = vec![Role::None; graph.nodes.len()];
    let mut cost = 0;
    // Breadth first: a node is met first on its shortest way, so depth does not depend on the order
    // of edges.
    let mut queue: VecDeque<(u32, u32)> = VecDeque::new();
    for (at, home) in homes.iter().enumerate() {
        if *home == Some(piece) {
            roles[at] = Role::Home;
            cost += links.cost(at as u32);
            queue.push_back((at as u32, 0));
        }
    }
    while let Some((from, depth)) = queue.pop_front() {
        for &(to, _) in links.out(from) {
            if roles[to as usize] != Role::None {
                continue;
            }
            let role = borrowed(graph, links, to, depth, limits);
            if role == Role::None {
                continue;
            }
            roles[to as usize] = role;
            let node = &graph.nodes[to as usize];
            cost += match role {
                // Its callers have it in their costs.
                _ if node.always_inline => 0,
                // A copy is optimised with the rest, but no code is made of it.
                Role::Copy => links.cost(to) / 2,
                _ => links.cost(to),
            };
            queue.push_back((to, depth + 1));
        }
    }
    Piece { roles, cost }
}

/// What a piece that refers to `to` has of it when its home is elsewhere.
fn borrowed(graph: &Graph, links: &Links, to: u32, depth: u32, limits: &Limits) -> Role {
    let node = &graph.nodes[to as usize];
    if !node.defined || node.special {
        return Role::None;
    }
    if !node.function {
        // What a copy mentions has to be promoted, and loses more than the copy gains; a literal
        // loses nothing.
        let alone = || {
            links.out(to).iter().all(|&(other, _)| {
                let other = &graph.nodes[other as usize];
                !other.local || other.follows
            })
        };
        let small = node.copyable && node.bytes <= limits.table;
        return if small && (node.follows || alone()) { Role::Copy } else { Role::None };
    }
    if !node.copyable {
        return Role::None;
    }
    // What headers define inline mostly vanishes into its callers. A copy would keep it alive in
    // its home for nothing: on C++ that is twice the code, and half as much time again. The linker
    // drops all but one of those that are emitted. Nobody drops a second definition of a local, so
    // a local is defined twice only if it has to vanish.
    let inline = node.linkonce && node.instructions <= limits.copy;
    if node.replicable && (inline || node.always_inline) {
        return Role::Replica;
    }
    let small = node.instructions <= limits.copy && depth < limits.depth;
    if small || node.always_inline { Role::Copy } else { Role::None }
}
