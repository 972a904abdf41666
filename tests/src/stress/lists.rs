//! Lists of types in C++ that the compiler sorts, with one instantiation for each step, and whose
//! result is known without a compiler.
//!
//! Each step makes types whose names contain a whole list, so memory grows with the third power of
//! the list's length. This loads a front end like heavy templates, without headers of a standard
//! library.

use crate::random::Random;
use std::fmt::{self, Display, Formatter};

/// The templates, for a header.
pub(super) const HEADER: &str = "// Lists of types: sorted by the compiler, run by the program.
#pragma once

template <unsigned Factor, unsigned Shift> struct Op {
    static constexpr unsigned factor = Factor;
    static unsigned run(unsigned x) { return x * Factor ^ (x >> Shift); }
};

template <class...> struct List {};

template <class First, class Rest> struct Prepend;
template <class First, class... Rest> struct Prepend<First, List<Rest...>> {
    using type = List<First, Rest...>;
};

// A list with an item inserted before the first larger one.
template <class Item, class Sorted> struct Insert;
template <bool IsLess, class Item, class Sorted> struct Place;
template <class Item> struct Insert<Item, List<>> {
    using type = List<Item>;
};
template <class Item, class First, class... Rest> struct Insert<Item, List<First, Rest...>> {
    using type = typename Place<(Item::factor < First::factor), Item, List<First, Rest...>>::type;
};
template <class Item, class... Sorted> struct Place<true, Item, List<Sorted...>> {
    using type = List<Item, Sorted...>;
};
template <class Item, class First, class... Rest> struct Place<false, Item, List<First, Rest...>> {
    using type = typename Prepend<First, typename Insert<Item, List<Rest...>>::type>::type;
};

template <class Items> struct Sort {
    using type = List<>;
};
template <class First, class... Rest> struct Sort<List<First, Rest...>> {
    using type = typename Insert<First, typename Sort<List<Rest...>>::type>::type;
};

template <class Items> struct Chain {
    static unsigned run(unsigned x) { return x; }
};
template <class First, class... Rest> struct Chain<List<First, Rest...>> {
    static unsigned run(unsigned x) { return Chain<List<Rest...>>::run(First::run(x)); }
};
";

/// Clang nests at most 1024 instantiations; an item of a list takes four.
const LONGEST: u32 = 200;

/// The C++ function that evaluates it.
#[derive(Clone, Debug)]
pub(super) struct List {
    /// In the order of the source; no two factors are the same.
    ops: Vec<Op>,
}

#[derive(Clone, Copy, Debug)]
struct Op {
    factor: u32,
    shift: u32,
}

impl List {
    pub(super) fn new(random: &mut Random, length: u32) -> List {
        // The low bits are the position, so that no item occurs twice and the order is unique.
        let factor = |place: u32, random: &mut Random| (random.word() & !0xff) | place;
        let ops = (0..length.min(LONGEST))
            .map(|place| Op { factor: factor(place, random), shift: 1 + random.below(15) as u32 })
            .collect();
        List { ops }
    }

    pub(super) fn result(&self, x: u32) -> u32 {
        let mut ops = self.ops.clone();
        ops.sort_by_key(|op| op.factor);
        ops.iter().fold(x, |x, op| x.wrapping_mul(op.factor) ^ (x >> op.shift))
    }
}

impl Display for List {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Chain<Sort<List<")?;
        for (place, Op { factor, shift }) in self.ops.iter().enumerate() {
            let before = match place {
                0 => "",
                _ if place % 5 == 0 => ",\n        ",
                _ => ", ",
            };
            write!(f, "{before}Op<{factor}u, {shift}>")?;
        }
        f.write_str(">>::type>::run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_runs_in_the_order_of_its_factors() {
        let ops = vec![Op { factor: 7, shift: 1 }, Op { factor: 3, shift: 2 }];
        let list = List { ops };
        assert_eq!(list.to_string(), "Chain<Sort<List<Op<7u, 1>, Op<3u, 2>>>::type>::run");
        // 8 * 3 ^ (8 >> 2) = 26; 26 * 7 ^ (26 >> 1) = 187.
        assert_eq!(list.result(8), 187);
    }

    #[test]
    fn factors_are_there_once() {
        let list = List::new(&mut Random::new(1), 1000);
        let mut factors: Vec<u32> = list.ops.iter().map(|op| op.factor).collect();
        factors.sort_unstable();
        factors.dedup();
        assert_eq!(factors.len(), LONGEST as usize);
    }
}
