//! A module as the partition sees it: symbols, references, and what must stay together.

/// One symbol. Which way round the facts imply each other is the business of whoever makes the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub function: bool,
    pub defined: bool,
    /// Other pieces can see it only after promotion.
    pub local: bool,
    /// Must not be renamed, so if it is local its users must be where it is.
    pub pinned: bool,
    pub copyable: bool,
    pub replicable: bool,
    pub always_inline: bool,
    /// Not emitted where its home does not use it, unless it is kept on purpose.
    pub linkonce: bool,
    /// Needs no home: another object defines it.
    pub optional: bool,
    /// Neither placed nor given a role.
    pub special: bool,
    /// IR instructions of a function.
    pub instructions: u32,
    pub blocks: u32,
    /// Size of a variable.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: u32,
    pub to: u32,
    /// Direct calls; 0 where `to` is only mentioned.
    pub calls: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub ties: Vec<(u32, u32)>,
}

impl Node {
    /// What optimising and emitting takes by itself, in units of one instruction; 60,000 to 90,000 are a second or so at -O2.
    /// Blocks count, because control flow is what the expensive passes walk.
    fn own_cost(&self) -> u64 {
        if !self.defined || self.special {
            0
        } else if self.function {
            u64::from(self.instructions) + 4 * u64::from(self.blocks) + 8
        } else {
            1 + self.bytes / 512
        }
    }

    /// What all nodes of a module that has as much of everything cost together, or a little more.
    pub fn most_cost(functions: u64, blocks: u64, instructions: u64, bytes: u64) -> u64 {
        instructions + 4 * blocks + 8 * functions + bytes / 512
    }

    /// Whether exactly one piece must have it.
    pub fn has_home(&self) -> bool {
        self.defined && !self.special && !self.optional && !self.everywhere()
    }

    /// A constant without identity: each piece that mentions it gets its own.
    pub fn everywhere(&self) -> bool {
        self.replicable && !self.function
    }
}

impl Graph {
    /// In one order, with one edge for each pair, and with what follows from edges written into the nodes.
    pub(super) fn normal(&self) -> Graph {
        let mut edges = self.edges.clone();
        edges.retain(|edge| edge.from != edge.to);
        edges.sort_unstable();
        edges.dedup_by(|next, kept| {
            let same = (next.from, next.to) == (kept.from, kept.to);
            if same {
                kept.calls = kept.calls.saturating_add(next.calls);
            }
            same
        });
        let mut nodes = self.nodes.clone();
        for edge in &edges {
            let to = self.nodes[edge.to as usize];
            if to.pinned && (to.local || !to.defined) {
                // A copy elsewhere could not refer to it.
                let from = &mut nodes[edge.from as usize];
                (from.copyable, from.replicable, from.always_inline) = (false, false, false);
            }
        }
        Graph { nodes, edges, ties: self.ties.clone() }
    }
}

/// Edges by their ends, and what follows from them.
pub(super) struct Links {
    out: Vec<Vec<(u32, u32)>>,
    into: Vec<Vec<(u32, u32)>>,
    cost: Vec<u64>,
}

impl Links {
    /// Of a graph in normal form.
    pub fn new(graph: &Graph) -> Links {
        let count = graph.nodes.len();
        let (out, into) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        let mut links = Links { out, into, cost: Vec::new() };
        for edge in &graph.edges {
            links.out[edge.from as usize].push((edge.to, edge.calls));
            links.into[edge.to as usize].push((edge.from, edge.calls));
        }
        let mut expanded = vec![None; count];
        for node in 0..count as u32 {
            links.expand(graph, node, &mut expanded);
        }
        links.cost = expanded.into_iter().map(Option::unwrap_or_default).collect();
        for (cost, node) in links.cost.iter_mut().zip(&graph.nodes) {
            if node.always_inline && node.local {
                *cost = 0;
            }
        }
        links
    }

    /// A function's cost with all that must be inlined into it. Some files are hardly anything else, and take many
    /// times what their instructions suggest.
    fn expand(&self, graph: &Graph, node: u32, expanded: &mut [Option<u64>]) -> u64 {
        if let Some(cost) = expanded[node as usize] {
            return cost;
        }
        let own = graph.nodes[node as usize].own_cost();
        // Holds while this one is worked on, so that a cycle ends.
        expanded[node as usize] = Some(own);
        let inlined = self.out(node).iter().filter(|(to, _)| graph.nodes[*to as usize].always_inline);
        let cost = inlined.fold(own, |sum, &(to, calls)| {
            sum.saturating_add(self.expand(graph, to, expanded).saturating_mul(u64::from(calls)))
        });
        let cost = cost.min(Self::MOST);
        expanded[node as usize] = Some(cost);
        cost
    }

    /// One function is never taken for more than this.
    const MOST: u64 = 1 << 32;

    /// Expected cost of compiling `node` at its home. What is inlined and vanishes costs where it goes.
    pub fn cost(&self, node: u32) -> u64 {
        self.cost[node as usize]
    }

    /// What `node` refers to, with the number of calls.
    pub fn out(&self, node: u32) -> &[(u32, u32)] {
        &self.out[node as usize]
    }

    /// Who refers to `node`.
    pub fn into(&self, node: u32) -> &[(u32, u32)] {
        &self.into[node as usize]
    }
}
