//! What must have the same home, as numbered groups.

use super::graph::Graph;

/// Disjoint sets. The smallest member stands for a set, so the result does not depend on the order of joining.
pub(super) struct Sets(Vec<u32>);

impl Sets {
    pub fn new(count: usize) -> Sets {
        Sets((0..count as u32).collect())
    }

    pub fn find(&mut self, node: u32) -> u32 {
        let parent = self.0[node as usize];
        if parent == node {
            return node;
        }
        let root = self.find(parent);
        self.0[node as usize] = root;
        root
    }

    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

/// For each node the smallest node of its group.
pub(super) fn groups(graph: &Graph) -> Vec<u32> {
    let mut sets = Sets::new(graph.nodes.len());
    for &(a, b) in &graph.ties {
        sets.join(a, b);
    }
    (0..graph.nodes.len() as u32).map(|node| sets.find(node)).collect()
}
