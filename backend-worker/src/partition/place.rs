//! Gives clusters to pieces: where their callers and callees are, as long as the pieces stay even.

use super::clusters::Clusters;
use super::graph::{Graph, Links};
use super::limits::Limits;
use super::roles;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// For each node its home, `None` if it needs none.
pub(super) type Homes = Vec<Option<u32>>;

pub(super) fn place(
    graph: &Graph,
    links: &Links,
    groups: &[u32],
    clusters: &Clusters,
    count: u32,
    limits: &Limits,
) -> Homes {
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

    let mut homes: Homes = vec![None; graph.nodes.len()];
    let mut load = vec![0u64; count as usize];
    let full = total * 102 / 100 / u64::from(count);
    for &(cost, cluster) in &order {
        let affinity = affinity(links, &members[&cluster], &homes, count);
        let piece = (0..count as usize)
            .filter(|&piece| load[piece] + cost <= full)
            .max_by(|&a, &b| {
                affinity[a].cmp(&affinity[b]).then(load[b].cmp(&load[a])).then(b.cmp(&a))
            })
            .or_else(|| (0..count as usize).min_by_key(|&piece| (load[piece], piece)))
            .unwrap_or(0);
        load[piece] += cost;
        for &node in &members[&cluster] {
            homes[node as usize] = Some(piece as u32);
        }
    }
    even(graph, links, &order, &members, &mut homes, count, limits);
    spread(groups, &mut homes, count.min(limits.least));
    follow(graph, links, &mut homes, count);
    homes
}

/// Gives empty pieces a group each until `least` pieces have something, if there are as many
/// groups.
fn spread(groups: &[u32], homes: &mut Homes, least: u32) {
    for empty in 0..least {
        if homes.contains(&Some(empty)) {
            continue;
        }
        let mut held: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (home, group) in homes.iter().zip(groups) {
            if let Some(piece) = home {
                held.entry(*piece).or_default().insert(*group);
            }
        }
        let richest = held.values().max_by_key(|held| held.len()).filter(|held| held.len() > 1);
        let Some(moved) = richest.and_then(|held| held.last().copied()) else { return };
        for (home, group) in homes.iter_mut().zip(groups) {
            if *group == moved && home.is_some() {
                *home = Some(empty);
            }
        }
    }
}

/// What may be anywhere goes where most of its users are.
fn follow(graph: &Graph, links: &Links, homes: &mut Homes, count: u32) {
    let mut left: Vec<u32> = (0..graph.nodes.len() as u32).collect();
    left.retain(|&node| {
        graph.nodes[node as usize].has_home() && graph.nodes[node as usize].follows
    });
    loop {
        let before = left.len();
        left.retain(|&node| {
            let mut users = vec![0u32; count as usize];
            for &(user, _) in links.into(node) {
                if let Some(piece) = homes[user as usize] {
                    users[piece as usize] += 1;
                }
            }
            let most = (0..count).max_by_key(|&piece| (users[piece as usize], Reverse(piece)));
            homes[node as usize] = most.filter(|&piece| users[piece as usize] > 0);
            homes[node as usize].is_none()
        });
        if left.len() == before {
            break;
        }
    }
    for node in left {
        homes[node as usize] = Some(0);
    }
}

/// Calls between these nodes and what is at home in each piece.
fn affinity(links: &Links, nodes: &[u32], homes: &Homes, count: u32) -> Vec<u64> {
    let mut sum = vec![0u64; count as usize];
    for &node in nodes {
        for &(other, calls) in links.out(node).iter().chain(links.into(node)) {
            if let Some(piece) = homes[other as usize] {
                sum[piece as usize] += u64::from(calls) * 4 + 1;
            }
        }
    }
    sum
}

/// Copies count too, and are known only now: moves clusters from the fullest piece to the emptiest
/// while that helps.
fn even(
    graph: &Graph,
    links: &Links,
    order: &[(u64, u32)],
    members: &BTreeMap<u32, Vec<u32>>,
    homes: &mut Homes,
    count: u32,
    limits: &Limits,
) {
    const ROUNDS: u32 = 8;
    let cost_of = |homes: &Homes, piece: u32| roles::cost(graph, links, homes, piece, limits);
    let mut costs: Vec<u64> = (0..count).map(|piece| cost_of(homes, piece)).collect();
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
            if cost > 0 && cost <= gap && homes[nodes[0] as usize] == Some(most as u32) {
                gap -= cost;
                moved = true;
                for &node in nodes {
                    homes[node as usize] = Some(least as u32);
                }
            }
        }
        if !moved {
            return;
        }
        for piece in [most, least] {
            costs[piece] = cost_of(homes, piece as u32);
        }
    }
}
