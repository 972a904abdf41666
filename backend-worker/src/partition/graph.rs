//! The graph of a module: symbols, references, and which symbols must stay in one piece.

/// A symbol. The creator of the graph ensures that the fields are consistent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub function: bool,
    pub defined: bool,
    /// Other pieces can refer to it only after promotion.
    pub local: bool,
    /// Must not be renamed, so its users must be in its piece.
    pub pinned: bool,
    /// A constant that may be in any piece. It is placed with its users and does not keep symbols
    /// together.
    pub follows_users: bool,
    /// Other pieces may have a copy of it as `available_externally`.
    pub copyable: bool,
    /// A function that several pieces may define. Never a variable, because it would have several
    /// addresses.
    pub replicable: bool,
    pub always_inline: bool,
    /// Its owner does not emit it if it does not use it, unless `Change::Keep` is applied.
    pub linkonce: bool,
    /// Needs no owner: another object defines it.
    pub optional: bool,
    /// Has neither an owner nor a role.
    pub special: bool,
    /// IR instructions of a function.
    pub instructions: u32,
    pub blocks: u32,
    /// The size of a variable.
    pub bytes: u64,
}

/// A reference from one symbol to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: u32,
    pub to: u32,
    /// The number of direct calls; 0 if there are only other references.
    pub calls: u32,
}

/// The symbols of a module and their relations.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// Pairs of symbols that must have the same owner.
    pub ties: Vec<(u32, u32)>,
}

impl Node {
    /// The cost of optimising and emitting the symbol alone, in units of one instruction. 60,000 to
    /// 90,000 take about a second at -O2. Blocks count, because the expensive passes work on
    /// control flow.
    fn own_cost(&self) -> u64 {
        if !self.defined || self.special {
            0
        } else if self.function {
            u64::from(self.instructions) + 4 * u64::from(self.blocks) + 8
        } else {
            1 + self.bytes / 512
        }
    }

    /// An upper bound for the cost of all nodes of a module with these totals.
    pub fn most_cost(functions: u64, blocks: u64, instructions: u64, bytes: u64) -> u64 {
        instructions + 4 * blocks + 8 * functions + bytes / 512
    }

    /// Whether exactly one piece must define it.
    pub fn needs_owner(&self) -> bool {
        self.defined && !self.special && !self.optional
    }

    /// Whether it is assigned to a piece before its users are known.
    pub(super) fn is_placed(&self) -> bool {
        self.needs_owner() && !self.follows_users
    }
}

impl Graph {
    /// The graph in canonical order, with one edge for each pair of symbols. Consequences of the
    /// edges are written into the nodes.
    pub(super) fn normalised(&self) -> Graph {
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
                // A copy in another piece could not refer to it.
                nodes[edge.from as usize].keep_in_one_piece();
                ties.push((edge.from, edge.to));
            }
        }
        // A function that must be inlined and must not be copied has to be in the piece of its
        // callers, because it may not be valid as a separate function. Then its callers must not be
        // copied either.
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
                node.keep_in_one_piece();
            }
        }
        for node in &mut nodes {
            node.always_inline &= node.copyable;
        }
        for &(a, b) in &ties {
            nodes[a as usize].follows_users = false;
            nodes[b as usize].follows_users = false;
        }
        Graph { nodes, edges, ties }
    }
}

impl Node {
    /// Allows neither copies nor replicas.
    pub(super) fn keep_in_one_piece(&mut self) {
        (self.copyable, self.replicable) = (false, false);
    }
}

/// The edges by their ends, and the costs that follow from them.
pub(super) struct References {
    out: Vec<Vec<(u32, u32)>>,
    into: Vec<Vec<(u32, u32)>>,
    cost: Vec<u64>,
}

impl References {
    /// `graph` must be normalised.
    pub fn new(graph: &Graph) -> References {
        let count = graph.nodes.len();
        let (out, into) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        let mut references = References { out, into, cost: Vec::new() };
        for edge in &graph.edges {
            references.out[edge.from as usize].push((edge.to, edge.calls));
            references.into[edge.to as usize].push((edge.from, edge.calls));
        }
        let mut expanded = vec![None; count];
        for node in 0..count as u32 {
            references.expand(graph, node, &mut expanded);
        }
        references.cost = expanded.into_iter().map(Option::unwrap_or_default).collect();
        for (cost, node) in references.cost.iter_mut().zip(&graph.nodes) {
            if node.always_inline && node.local {
                *cost = 0;
            }
        }
        references
    }

    /// The cost of a function with everything that must be inlined into it. Some files consist
    /// mostly of such functions and cost many times what their instructions suggest.
    fn expand(&self, graph: &Graph, node: u32, expanded: &mut [Option<u64>]) -> u64 {
        if let Some(cost) = expanded[node as usize] {
            return cost;
        }
        let own = graph.nodes[node as usize].own_cost();
        // A preliminary value, so that the recursion ends at a cycle.
        expanded[node as usize] = Some(own);
        let inlined =
            self.targets(node).iter().filter(|(to, _)| graph.nodes[*to as usize].always_inline);
        let cost = inlined.fold(own, |sum, &(to, calls)| {
            sum.saturating_add(self.expand(graph, to, expanded).saturating_mul(u64::from(calls)))
        });
        let cost = cost.min(Self::MOST);
        expanded[node as usize] = Some(cost);
        cost
    }

    /// The largest cost of one function.
    const MOST: u64 = 1 << 32;

    /// The expected cost of compiling `node` in its owner. A local function that is always inlined
    /// costs only in its callers.
    pub fn cost(&self, node: u32) -> u64 {
        self.cost[node as usize]
    }

    /// The symbols that `node` refers to, with the number of calls.
    pub fn targets(&self, node: u32) -> &[(u32, u32)] {
        &self.out[node as usize]
    }

    /// The symbols that refer to `node`, with the number of calls.
    pub fn users(&self, node: u32) -> &[(u32, u32)] {
        &self.into[node as usize]
    }
}
