//! A module as the partition sees it: symbols, references, and what must stay together.

/// One symbol. Which way round the facts imply each other is the business of whoever makes the
/// graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub function: bool,
    pub defined: bool,
    /// Other pieces can see it only after promotion.
    pub local: bool,
    /// Must not be renamed, and its users must be where it is.
    pub pinned: bool,
    /// A constant whose place decides nothing: it has its home where its users are, and joins
    /// nobody to anybody.
    pub follows: bool,
    /// Other pieces may have it as `available_externally`.
    pub copyable: bool,
    /// A function that several pieces may define. No variable is: its address would be several.
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
    /// What optimising and emitting takes by itself, in units of one instruction; 60,000 to 90,000
    /// are a second or so at -O2. Blocks count, because control flow is what the expensive passes
    /// walk.
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
        self.defined && !self.special && !self.optional
    }

    /// Whether it takes part in deciding who is where.
    pub(super) fn is_placed(&self) -> bool {
        self.has_home() && !self.follows
    }
}

impl Graph {
    /// In one order, with one edge for each pair, and with what follows from edges written into the
    /// nodes.
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
        let (mut nodes, mut ties) = (self.nodes.clone(), self.ties.clone());
        for node in &mut nodes {
            node.replicable &= node.copyable && node.function;
        }
        for edge in &edges {
            if self.nodes[edge.to as usize].pinned {
                // A copy elsewhere could not refer to it.
                nodes[edge.from as usize].be_one();
                ties.push((edge.from, edge.to));
            }
        }
        // What has to be inlined and must not be copied is where it is called, because some of it
        // is no valid function of its own; and then its callers must not be copied either.
        let mut bound: Vec<u32> = (0..nodes.len() as u32).collect();
        bound.retain(|&node| {
            let node = &nodes[node as usize];
            node.always_inline && !node.copyable && node.defined
        });
        let mut callers = vec![Vec::new(); if bound.is_empty() { 0 } else { nodes.len() }];
        if !bound.is_empty() {
            edges
                .iter()
                .filter(|edge| edge.calls > 0)
                .for_each(|edge| callers[edge.to as usize].push(edge.from));
        }
        while let Some(callee) = bound.pop() {
            for &caller in &callers[callee as usize] {
                ties.push((caller, callee));
                let node = &mut nodes[caller as usize];
                if node.copyable && node.always_inline {
                    bound.push(caller);
                }
                node.be_one();
            }
        }
        for node in &mut nodes {
            node.always_inline &= node.copyable;
        }
        for &(a, b) in &ties {
            nodes[a as usize].follows = false;
            nodes[b as usize].follows = false;
        }
        Graph { nodes, edges, ties }
    }
}

impl Node {
    /// It is in one piece only.
    pub(super) fn be_one(&mut self) {
        (self.copyable, self.replicable) = (false, false);
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

    /// A function's cost with all that must be inlined into it. Some files are hardly anything
    /// else, and take many times what their instructions suggest.
    fn expand(&self, graph: &Graph, node: u32, expanded: &mut [Option<u64>]) -> u64 {
        if let Some(cost) = expanded[node as usize] {
            return cost;
        }
        let own = graph.nodes[node as usize].own_cost();
        // Holds while this one is worked on, so that a cycle ends.
        expanded[node as usize] = Some(own);
        let inlined =
            self.out(node).iter().filter(|(to, _)| graph.nodes[*to as usize].always_inline);
        let cost = inlined.fold(own, |sum, &(to, calls)| {
            sum.saturating_add(self.expand(graph, to, expanded).saturating_mul(u64::from(calls)))
        });
        let cost = cost.min(Self::MOST);
        expanded[node as usize] = Some(cost);
        cost
    }

    /// One function is never taken for more than this.
    const MOST: u64 = 1 << 32;

    /// Expected cost of compiling `node` at its home. What is inlined and vanishes costs where it
    /// goes.
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
