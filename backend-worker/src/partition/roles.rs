//! Computes from the owners what each piece contains: definitions, copies and replicas; and how
//! symbols must change so that other pieces can refer to them.

use super::graph::{Graph, Node, References};
use super::limits::Limits;
use super::placement::Owners;
use std::collections::VecDeque;

/// The role of a symbol in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// At most declared.
    None = 0,
    /// The definition: this piece is the owner.
    Definition = 1,
    /// `available_externally`: used for inlining and constant folding, never emitted.
    Copy = 2,
    /// A further definition, for this piece alone.
    Replica = 3,
}

/// How a symbol changes before the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    None = 0,
    /// A local symbol becomes visible to other pieces.
    Promote = 1,
    /// A `linkonce` symbol becomes weak, so that its owner emits it.
    Keep = 2,
}

/// A piece of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// By node.
    pub roles: Vec<Role>,
    /// The expected cost in the unit of `Limits::piece`, copies included.
    pub cost: u64,
}

/// How a module is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub pieces: Vec<Piece>,
    /// By node.
    pub changes: Vec<Change>,
}

pub(super) fn assign(
    graph: &Graph,
    references: &References,
    owners: &Owners,
    limits: &Limits,
) -> Assignment {
    let count = owners.iter().flatten().max().map_or(0, |last| last + 1);
    let mut pieces: Vec<Piece> =
        (0..count).map(|piece| build_piece(graph, references, owners, piece, limits)).collect();
    pieces.retain(|piece| piece.roles.contains(&Role::Definition));

    let mut changes = vec![Change::None; graph.nodes.len()];
    for piece in &pieces {
        for (at, role) in piece.roles.iter().enumerate() {
            if !matches!(role, Role::None) {
                for &(to, _) in references.targets(at as u32) {
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

/// The cost of one piece, copies included.
pub(super) fn cost(
    graph: &Graph,
    references: &References,
    owners: &Owners,
    piece: u32,
    limits: &Limits,
) -> u64 {
    build_piece(graph, references, owners, piece, limits).cost
}

/// Builds one piece: its definitions, copies and replicas.
fn build_piece(
    graph: &Graph,
    references: &References,
    owners: &Owners,
    piece: u32,
    limits: &Limits,
) -> Piece {
    let mut roles = vec![Role::None; graph.nodes.len()];
    let mut cost = 0;
    // Breadth first: a node is reached on a shortest path, so its depth does not depend on the
    // order of edges.
    let mut queue: VecDeque<(u32, u32)> = VecDeque::new();
    for (at, owner) in owners.iter().enumerate() {
        if *owner == Some(piece) {
            roles[at] = Role::Definition;
            cost += references.cost(at as u32);
            queue.push_back((at as u32, 0));
        }
    }
    while let Some((from, depth)) = queue.pop_front() {
        for &(to, _) in references.targets(from) {
            if roles[to as usize] != Role::None {
                continue;
            }
            let role = role_outside_owner(graph, references, to, depth, limits);
            if role == Role::None {
                continue;
            }
            roles[to as usize] = role;
            let node = &graph.nodes[to as usize];
            cost += match role {
                // Its cost is included in its callers.
                _ if node.always_inline => 0,
                // A copy is optimised but not emitted.
                Role::Copy => references.cost(to) / 2,
                _ => references.cost(to),
            };
            queue.push_back((to, depth + 1));
        }
    }
    Piece { roles, cost }
}

/// The role of `to` in a piece that refers to it and is not its owner.
fn role_outside_owner(
    graph: &Graph,
    references: &References,
    to: u32,
    depth: u32,
    limits: &Limits,
) -> Role {
    let node = &graph.nodes[to as usize];
    if !node.defined || node.special {
        return Role::None;
    }
    if !node.function {
        // Local symbols that a copied constant refers to must be promoted, which costs more than
        // the copy gains. Literals are an exception.
        let alone = || {
            references.targets(to).iter().all(|&(other, _)| {
                let other = &graph.nodes[other as usize];
                !other.local || other.follows_users
            })
        };
        let small = node.copyable && node.bytes <= limits.table;
        return if small && (node.follows_users || alone()) { Role::Copy } else { Role::None };
    }
    if !node.copyable {
        return Role::None;
    }
    // Inline functions of headers are mostly inlined into their callers. A copy would force the
    // owner to emit them: for C++ that doubles the code and takes half as much time again. The
    // linker keeps one of the emitted replicas. It does not remove replicas of a local function, so
    // a local has replicas only if it must be inlined.
    let inline = node.linkonce && node.instructions <= limits.copy;
    if node.replicable && (inline || node.always_inline) {
        return Role::Replica;
    }
    let small = node.instructions <= limits.copy && depth < limits.depth;
    if small || node.always_inline { Role::Copy } else { Role::None }
}
