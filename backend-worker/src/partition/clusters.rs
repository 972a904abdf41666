//! Joins groups that call each other into clusters, which are placed as a whole.

use super::graph::{Graph, References};
use super::ties::DisjointSets;
use std::collections::BTreeMap;

pub(super) struct Clusters {
    /// The cluster of each node.
    pub of: Vec<u32>,
    /// The cost of each cluster, by its number.
    pub cost: BTreeMap<u32, u64>,
}

/// A cluster that is joined only because of calls costs at most `limit`.
pub(super) fn cluster(
    graph: &Graph,
    references: &References,
    groups: &[u32],
    limit: u64,
) -> Clusters {
    let mut sets = DisjointSets::new(graph.nodes.len());
    let mut cost = vec![0u64; graph.nodes.len()];
    for (node, &group) in groups.iter().enumerate() {
        sets.join(node as u32, group);
        cost[group as usize] += references.cost(node as u32);
    }
    let mut join = |sets: &mut DisjointSets, a: u32, b: u32, limit: u64| {
        let (a, b) = (sets.find(a), sets.find(b));
        let sum = cost[a as usize] + cost[b as usize];
        if a != b && sum <= limit {
            sets.join(a, b);
            cost[sets.find(a) as usize] = sum;
        }
    };

    // A local with one user stays with that user, because it is often inlined there. Such chains
    // may cost more than other clusters, but not so much that the pieces become uneven.
    for (at, node) in graph.nodes.iter().enumerate() {
        if let ([(user, _)], true) = (references.users(at as u32), node.local && node.is_placed()) {
            join(&mut sets, at as u32, *user, limit.saturating_mul(2));
        }
    }

    // Then join along the edges with the most calls for the least code.
    let mut edges: Vec<(u64, u32, u32)> = graph
        .edges
        .iter()
        .filter(|edge| {
            graph.nodes[edge.from as usize].is_placed() && graph.nodes[edge.to as usize].is_placed()
        })
        .map(|edge| {
            let weight = u64::from(edge.calls) * 4 + 1;
            (weight * (1 << 20) / (references.cost(edge.to) + 1), edge.from, edge.to)
        })
        .collect();
    edges.sort_unstable_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for (_, from, to) in edges {
        join(&mut sets, from, to, limit);
    }

    let of: Vec<u32> = (0..graph.nodes.len() as u32).map(|node| sets.find(node)).collect();
    let mut costs = BTreeMap::new();
    for (node, &cluster) in of.iter().enumerate() {
        if graph.nodes[node].is_placed() {
            *costs.entry(cluster).or_insert(0) += references.cost(node as u32);
        }
    }
    Clusters { of, cost: costs }
}
