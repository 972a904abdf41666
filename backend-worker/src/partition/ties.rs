//! Groups of symbols that must have the same owner.

use super::graph::Graph;

/// Disjoint sets. The smallest member represents a set, so the result does not depend on the order
/// of joins.
pub(super) struct DisjointSets(Vec<u32>);

impl DisjointSets {
    pub fn new(count: usize) -> DisjointSets {
        DisjointSets((0..count as u32).collect())
    }

    pub fn find(&mut self, node: u32) -> u32 {
        let mut root = node;
        while self.0[root as usize] != root {
            root = self.0[root as usize];
        }
        // Path compression. Without recursion, because the chain may be as long as the number of
        // nodes.
        let mut at = node;
        while at != root {
            at = std::mem::replace(&mut self.0[at as usize], root);
        }
        root
    }

    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

/// The smallest node in the group of each node.
pub(super) fn groups(graph: &Graph) -> Vec<u32> {
    let mut sets = DisjointSets::new(graph.nodes.len());
    for &(a, b) in &graph.ties {
        sets.join(a, b);
    }
    (0..graph.nodes.len() as u32).map(|node| sets.find(node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_chain_needs_no_stack() {
        const COUNT: usize = 1_000_000;
        let mut sets = DisjointSets::new(COUNT);
        (1..COUNT as u32).rev().for_each(|node| sets.join(node, node - 1));
        assert_eq!(sets.find(COUNT as u32 - 1), 0);
    }
}
