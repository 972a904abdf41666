//! Assigns clusters to pieces: to the piece of their callers and callees, as long as the pieces
//! stay even.

use super::clusters::Clusters;
use super::graph::{Graph, References};
use super::limits::Limits;
use super::roles;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The owner of each node: the piece that defines it; `None` if it needs none.
pub(super) type Owners = Vec<Option<u32>>;

/// Computes the owner of each node.
pub(super) fn place(
    graph: &Graph,
    references: &References,
    groups: &[u32],
    clusters: &Clusters,
    count: u32,
    limits: &Limits,
) -> Owners {
    let total: u64 = clusters.cost.values().sum();
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (node, &cluster) in clusters.of.iter().enumerate() {
        if graph.nodes[node].is_placed() {
            members.entry(cluster).or_default().push(node as u32);
        }
    }
    let mut order: Vec<(u64, u32)> =
        clusters.cost.iter().map(|(&cluster, &cost)| (cost, cluster)).collect();
    order.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));

    let mut owners: Owners = vec![None; graph.nodes.len()];
    let mut load = vec![0u64; count as usize];
    let full = total * 102 / 100 / u64::from(count);
    for &(cost, cluster) in &order {
        let affinity = affinity(references, &members[&cluster], &owners, count);
        let piece = (0..count as usize)
            .filter(|&piece| load[piece] + cost <= full)
            .max_by(|&a, &b| {
                affinity[a].cmp(&affinity[b]).then(load[b].cmp(&load[a])).then(b.cmp(&a))
            })
            .or_else(|| (0..count as usize).min_by_key(|&piece| (load[piece], piece)))
            .unwrap_or(0);
        load[piece] += cost;
        for &node in &members[&cluster] {
            owners[node as usize] = Some(piece as u32);
        }
    }
    balance(graph, references, &order, &members, &mut owners, count, limits);
    fill_empty_pieces(groups, &mut owners, count.min(limits.least));
    place_with_users(graph, references, &mut owners, count);
    owners
}

/// Moves one group to each empty piece until `least` pieces are not empty, if there are enough
/// groups.
fn fill_empty_pieces(groups: &[u32], owners: &mut Owners, least: u32) {
    for empty in 0..least {
        if owners.contains(&Some(empty)) {
            continue;
        }
        let mut held: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (owner, group) in owners.iter().zip(groups) {
            if let Some(piece) = owner {
                held.entry(*piece).or_default().insert(*group);
            }
        }
        let richest = held.values().max_by_key(|held| held.len()).filter(|held| held.len() > 1);
        let Some(moved) = richest.and_then(|held| held.last().copied()) else { return };
        for (owner, group) in owners.iter_mut().zip(groups) {
            if *group == moved && owner.is_some() {
                *owner = Some(empty);
            }
        }
    }
}

/// Assigns each node that may be in any piece to the piece with most of its users.
fn place_with_users(graph: &Graph, references: &References, owners: &mut Owners, count: u32) {
    let mut left: Vec<u32> = (0..graph.nodes.len() as u32).collect();
    left.retain(|&node| {
        graph.nodes[node as usize].needs_owner() && graph.nodes[node as usize].follows_users
    });
    loop {
        let before = left.len();
        left.retain(|&node| {
            let mut users = vec![0u32; count as usize];
            for &(user, _) in references.users(node) {
                if let Some(piece) = owners[user as usize] {
                    users[piece as usize] += 1;
                }
            }
            let most = (0..count).max_by_key(|&piece| (users[piece as usize], Reverse(piece)));
            owners[node as usize] = most.filter(|&piece| users[piece as usize] > 0);
            owners[node as usize].is_none()
        });
        if left.len() == before {
            break;
        }
    }
    for node in left {
        owners[node as usize] = Some(0);
    }
}

/// The weight of calls between these nodes and each piece.
fn affinity(references: &References, nodes: &[u32], owners: &Owners, count: u32) -> Vec<u64> {
    let mut sum = vec![0u64; count as usize];
    for &node in nodes {
        for &(other, calls) in references.targets(node).iter().chain(references.users(node)) {
            if let Some(piece) = owners[other as usize] {
                sum[piece as usize] += u64::from(calls) * 4 + 1;
            }
        }
    }
    sum
}

/// Moves clusters from the most expensive piece to the cheapest as long as that helps. Copies are
/// known only now, and count.
fn balance(
    graph: &Graph,
    references: &References,
    order: &[(u64, u32)],
    members: &BTreeMap<u32, Vec<u32>>,
    owners: &mut Owners,
    count: u32,
    limits: &Limits,
) {
    const ROUNDS: u32 = 8;
    let cost_of =
        |owners: &Owners, piece: u32| roles::cost(graph, references, owners, piece, limits);
    let mut costs: Vec<u64> = (0..count).map(|piece| cost_of(owners, piece)).collect();
    for _ in 0..ROUNDS {
        let Some(most) = (0..count as usize).max_by_key(|&piece| (costs[piece], piece)) else {
            return;
        };
        let Some(least) = (0..count as usize).min_by_key(|&piece| (costs[piece], piece)) else {
            return;
        };
        let mut gap = (costs[most] - costs[least]) / 2;
        let mean = costs.iter().sum::<u64>() / u64::from(count);
        if costs[most] <= mean + mean / 20 {
            return;
        }
        let mut moved = false;
        for &(cost, cluster) in order {
            let nodes = &members[&cluster];
            if cost > 0 && cost <= gap && owners[nodes[0] as usize] == Some(most as u32) {
                gap -= cost;
                moved = true;
                for &node in nodes {
                    owners[node as usize] = Some(least as u32);
                }
            }
        }
        if !moved {
            return;
        }
        for piece in [most, least] {
            costs[piece] = cost_of(owners, piece as u32);
        }
    }
}
