//! Properties of every assignment, on random graphs.

use super::{Assignment, Change, Edge, Graph, Limits, Node, Role, partition, ties};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn node() -> impl Strategy<Value = Node> {
    let flags = proptest::collection::vec(any::<bool>(), 8);
    (flags, 0u32..400, 0u64..9000, 0u8..10).prop_map(|(flags, instructions, bytes, kind)| {
        let function = kind < 7;
        let defined = kind != 0;
        Node {
            function,
            defined,
            local: flags[0] && defined,
            pinned: flags[1] && flags[2] && flags[3],
            follows_users: flags[0] && flags[5] && defined && !function,
            copyable: flags[4] && defined,
            replicable: flags[5] && (flags[0] || flags[1]) && defined,
            always_inline: flags[6] && flags[7] && function && defined,
            linkonce: !flags[0] && flags[1] && defined,
            optional: !flags[0] && !flags[1] && flags[2] && flags[3] && defined,
            special: false,
            instructions: if function { instructions } else { 0 },
            blocks: if function { 1 + instructions / 9 } else { 0 },
            bytes: if function { 0 } else { bytes },
        }
    })
}

fn graph() -> impl Strategy<Value = Graph> {
    proptest::collection::vec(node(), 2..60).prop_flat_map(|nodes| {
        let count = nodes.len() as u32;
        let edge =
            (0..count, 0..count, 0u32..4).prop_map(|(from, to, calls)| Edge { from, to, calls });
        let edges = proptest::collection::vec(edge, 0..150);
        let ties = proptest::collection::vec((0..count, 0..count), 0..6);
        (edges, ties).prop_map(move |(mut edges, ties)| {
            // An undefined symbol refers to nothing.
            edges.retain(|edge| nodes[edge.from as usize].defined);
            Graph { nodes: nodes.clone(), edges, ties }
        })
    })
}

/// Forces exactly `pieces`, at any cost.
fn limits(pieces: u32) -> Limits {
    Limits::optimised(pieces).forced()
}

fn owner(assignment: &Assignment, node: u32) -> Option<usize> {
    assignment.pieces.iter().position(|piece| piece.roles[node as usize] == Role::Definition)
}

fn check(graph: &Graph, assignment: &Assignment) {
    let graph = &graph.normalised();
    for (at, node) in graph.nodes.iter().enumerate() {
        let roles: Vec<Role> = assignment.pieces.iter().map(|piece| piece.roles[at]).collect();
        let owners = roles.iter().filter(|role| **role == Role::Definition).count();
        assert_eq!(owners, usize::from(node.needs_owner()), "{at} has {owners} owners");
        if !node.defined {
            assert!(roles.iter().all(|role| *role == Role::None), "{at} is only declared");
        }
        if roles.contains(&Role::Copy) {
            assert!(node.copyable, "{at} must not be copied");
        }
        if roles.contains(&Role::Replica) {
            assert!(node.replicable && node.function, "{at} must not be defined twice");
        }
        if assignment.changes[at] == Change::Promote {
            assert!(node.local && !node.pinned, "{at} must not be renamed");
        }
        if node.local && roles.iter().filter(|role| **role == Role::Replica).count() > 0 {
            assert!(node.always_inline, "{at} is local, and two definitions of it would stay");
        }
    }
    for &(a, b) in &graph.ties {
        let (a_home, b_home) = (owner(assignment, a), owner(assignment, b));
        assert!(a_home.is_none() || b_home.is_none() || a_home == b_home, "{a} and {b} are tied");
    }
    for piece in &assignment.pieces {
        assert!(piece.roles.contains(&Role::Definition), "a piece owns a symbol");
        for edge in &graph.edges {
            let (from, to) = (piece.roles[edge.from as usize], piece.roles[edge.to as usize]);
            let node = &graph.nodes[edge.to as usize];
            if from == Role::None || edge.from == edge.to || !node.defined {
                continue;
            }
            let change = assignment.changes[edge.to as usize];
            let seen = matches!(to, Role::Definition | Role::Replica)
                || !node.local
                || change == Change::Promote;
            assert!(seen, "{} refers to {}, which it cannot see", edge.from, edge.to);
            let kept =
                to != Role::None && to != Role::Copy || !node.linkonce || change == Change::Keep;
            assert!(kept, "{} refers to {}, which may vanish", edge.from, edge.to);
        }
    }
}

proptest! {
    #[test]
    fn partition_assignment_is_consistent(graph in graph(), pieces in 2u32..9) {
        if let Some(assignment) = partition(&graph, &limits(pieces)) {
            prop_assert!(assignment.pieces.len() as u32 <= pieces);
            check(&graph, &assignment);
        }
    }

    #[test]
    fn partition_forced_pieces_are_as_many_as_groups(graph in graph(), pieces in 2u32..10, optimised in any::<bool>()) {
        let normal = graph.normalised();
        let placed = normal.nodes.iter().zip(ties::groups(&normal)).filter(|(node, _)| node.is_placed());
        let groups = placed.map(|(_, group)| group).collect::<BTreeSet<_>>().len();
        let limits = if optimised { Limits::optimised(pieces) } else { Limits::unoptimised(pieces) };
        let found = partition(&graph, &limits.forced()).map_or(1, |assignment| assignment.pieces.len());
        prop_assert_eq!(found, groups.min(pieces as usize).max(1));
    }

    #[test]
    fn partition_is_independent_of_the_order_of_edges_and_ties(graph in graph(), pieces in 2u32..9, seed in any::<u64>()) {
        let mut other = graph.clone();
        let mut state = seed;
        let mut shuffle = |length: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % length.max(1)
        };
        for at in (1..other.edges.len()).rev() {
            other.edges.swap(at, shuffle(at + 1));
        }
        for at in (1..other.ties.len()).rev() {
            other.ties.swap(at, shuffle(at + 1));
        }
        prop_assert_eq!(partition(&graph, &limits(pieces)), partition(&other, &limits(pieces)));
    }

    #[test]
    fn partition_spreads_independent_functions_evenly(sizes in proptest::collection::vec(1u32..200, 64..200), pieces in 2u32..9) {
        let nodes: Vec<Node> = sizes
            .iter()
            .map(|&instructions| Node { function: true, defined: true, instructions, blocks: 1, ..Node::default() })
            .collect();
        let graph = Graph { nodes, ..Graph::default() };
        let assignment = partition(&graph, &limits(pieces)).unwrap();
        let costs: Vec<u64> = assignment.pieces.iter().map(|piece| piece.cost).collect();
        let mean = costs.iter().sum::<u64>() / costs.len() as u64;
        prop_assert!(costs.iter().all(|&cost| cost <= mean * 5 / 4), "{costs:?}");
    }
}

fn function(instructions: u32) -> Node {
    Node {
        function: true,
        defined: true,
        instructions,
        blocks: 1,
        copyable: true,
        ..Node::default()
    }
}

#[test]
fn partition_keeps_a_small_module_whole() {
    let graph = Graph { nodes: vec![function(100); 20], ..Graph::default() };
    assert_eq!(partition(&graph, &Limits::optimised(16)), None);
}

#[test]
fn partition_keeps_a_local_with_its_only_caller() {
    let local = Node { local: true, ..function(300) };
    let mut nodes = vec![function(300); 9];
    nodes.push(local);
    let graph = Graph { nodes, edges: vec![Edge { from: 3, to: 9, calls: 1 }], ties: vec![] };
    // With two pieces a cluster may cost an eighth of the whole, and such a pair twice that.
    let assignment = partition(&graph, &limits(2)).unwrap();
    assert_eq!(owner(&assignment, 9), owner(&assignment, 3));
    assert_eq!(assignment.changes[9], Change::None);
}

#[test]
fn partition_copies_always_inline_functions_at_any_depth() {
    let inlined = Node { always_inline: true, ..function(1000) };
    let mut nodes = vec![inlined; 9];
    nodes.extend(vec![function(3000); 4]);
    let mut edges: Vec<Edge> = (0..8).map(|at| Edge { from: at, to: at + 1, calls: 1 }).collect();
    edges.extend((9..13).map(|from| Edge { from, to: 0, calls: 1 }));
    let graph = Graph { nodes, edges, ties: vec![] };
    let assignment = partition(&graph, &limits(4)).unwrap();
    for piece in &assignment.pieces {
        let uses = (9..13).any(|at| piece.roles[at] == Role::Definition);
        assert!(
            !uses || piece.roles[..9].iter().all(|role| *role != Role::None),
            "{:?}",
            piece.roles
        );
    }
}

#[test]
fn partition_replicates_small_inline_functions() {
    let inline = |instructions| Node { linkonce: true, replicable: true, ..function(instructions) };
    let mut nodes = vec![function(3000); 4];
    nodes.extend([inline(100), inline(101)]);
    let uses = |to| (0..4).map(move |from| Edge { from, to, calls: 1 });
    let graph = Graph { nodes, edges: uses(4).chain(uses(5)).collect(), ties: vec![] };
    let assignment = partition(&graph, &limits(4)).unwrap();
    let roles = |at: usize| assignment.pieces.iter().map(move |piece| piece.roles[at]);
    assert!(roles(4).all(|role| matches!(role, Role::Definition | Role::Replica)));
    assert_eq!(assignment.changes[4], Change::None);
    // A larger one is emitted once.
    assert!(roles(5).all(|role| matches!(role, Role::Definition | Role::None)));
    assert_eq!(assignment.changes[5], Change::Keep);
}

/// All functions call all `shared` functions, so cutting them apart is expensive.
#[test]
fn partition_limits_the_price_of_pieces() {
    let cut = |callers: u32, of_their_own: u32, shared: u32| {
        let mut nodes = vec![function(of_their_own); callers as usize];
        let inline = Node { linkonce: true, replicable: true, ..function(100) };
        nodes.extend(vec![inline; shared as usize]);
        let uses = |from| (callers..callers + shared).map(move |to| Edge { from, to, calls: 1 });
        let graph = Graph { nodes, edges: (0..callers).flat_map(uses).collect(), ties: vec![] };
        partition(&graph, &Limits::optimised(8)).map(|assignment| assignment.pieces.len())
    };
    // From 1 % to half of the code is shared.
    assert_eq!(cut(8, 12_000, 5), Some(8));
    assert_eq!(cut(8, 12_000, 30), Some(8));
    assert_eq!(cut(8, 12_000, 60), Some(4));
    assert_eq!(cut(8, 12_000, 860), None);
}

#[test]
fn partition_keeps_users_with_a_pinned_symbol() {
    let pinned = Node { local: true, pinned: true, ..function(10) };
    let mut nodes = vec![function(500); 8];
    nodes.push(Node { copyable: false, ..pinned });
    let edges = vec![Edge { from: 0, to: 8, calls: 1 }, Edge { from: 7, to: 8, calls: 0 }];
    let assignment = partition(&Graph { nodes, edges, ties: vec![] }, &limits(4)).unwrap();
    assert_eq!(owner(&assignment, 0), owner(&assignment, 8));
    assert_eq!(owner(&assignment, 7), owner(&assignment, 8));
}
