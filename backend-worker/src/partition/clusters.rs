//! Joins groups that belong together by their calls into clusters, the unit of placing.

use super::graph::{Graph, Links};
use super::ties::Sets;
use std::collections::BTreeMap;

pub(super) struct Clusters {
    /// For each node its cluster.
    pub of: Vec<u32>,
    /// Cost of each cluster, by its number.
    pub cost: BTreeMap<u32, u64>,
}

/// No cluster that is joined by calls alone costs more than `limit`.
pub(super) fn cluster(graph: &Graph, links: &Links, groups: &[u32], limit: u64) -> Clusters {
    let mut sets = Sets::new(graph.nodes.len());
    let mut cost = vec![0u64; graph.nodes.len()];
    for (node, &group) in groups.iter().enumerate() {
        sets.join(node as u32, group);
        cost[group as usize] += links.cost(node as u32);
    }
    let mut join = |sets: &mut Sets, a: u32, b: u32, limit: u64| {
        let (a, b) = (sets.find(a), sets.find(b));
        let sum = cost[a as usize] + cost[b as usize];
        if a != b && sum <= limit {
            sets.join(a, b);
            cost[sets.find(a) as usize] = sum;
        }
    };

    // A local with one user is that user's part: optimised together, it often vanishes into it.
    // Such chains may be longer than other clusters, but not so long that the pieces get uneven.
    for (at, node) in graph.nodes.iter().enumerate() {
        if let ([(user, _)], true) = (links.into(at as u32), node.local && node.is_placed()) {
            join(&mut sets, at as u32, *user, limit.saturating_mul(2));
        }
    }

    // Then the edges along which most is called for the least code.
    let mut edges: Vec<(u64, u32, u32)> = graph
        .edges
        .iter()
        .filter(|edge| {
            graph.nodes[edge.from as usize].is_placed() && graph.nodes[edge.to as usize].is_placed()
        })
        .map(|edge| {
            let weight = u64::from(edge.calls) * 4 + 1;
            (weight * (1 << 20) / (links.cost(edge.to) + 1), edge.from, edge.to)
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
            *costs.entry(cluster).or_insert(0) += links.cost(node as u32);
        }
    }
    Clusters { of, cost: costs }
}
