//! Functions in C and C++ whose results are known without a compiler: each is data, which is
//! written as source and computed in Rust. Knows no files and no crates.
//!
//! All numbers are `unsigned` of 32 bits, so no result depends on the machine, and nothing is
//! undefined.

use super::lists::List;
use crate::random::Random;
use std::fmt::Write;

/// An index into [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FunctionIx(usize);

/// All functions of a workspace. A function calls only earlier ones, so that every call ends.
#[derive(Debug, Default)]
pub(super) struct Code {
    functions: Vec<Function>,
}

/// `unsigned NAME(unsigned x)`, which begins with `y = start`, takes its steps, and returns `x ^ (y
/// << 1)`.
#[derive(Clone, Debug)]
struct Function {
    name: String,
    start: u32,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Mix {
        times: u32,
        factor: u32,
        shift: u32,
    },
    /// A table of constants: much memory in the front end, and nearly no work after it.
    Look {
        table: Vec<u32>,
    },
    /// All numbers of a table, one after the other.
    Fold {
        table: Vec<u32>,
    },
    Choose {
        addends: Vec<u32>,
    },
    Call {
        callee: FunctionIx,
        mask: u32,
    },
    /// Continues with the result of a function.
    Pass {
        callee: FunctionIx,
    },
    /// C++ only.
    Run {
        list: List,
    },
}

/// Applied for each number of a table. The output of a command has the same step.
const FACTOR: u32 = 16_777_619;

/// The shape of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub steps: u32,
    /// The length of its table, or 0.
    pub table: u32,
}

impl Code {
    /// A function of this shape that calls some of `callees`.
    pub(super) fn add(
        &mut self,
        name: String,
        random: &mut Random,
        Shape { steps, table }: Shape,
        callees: &[FunctionIx],
    ) -> FunctionIx {
        let mut made: Vec<Step> = (0..steps).map(|_| step(random, callees)).collect();
        if table > 0 {
            made.push(Step::Look { table: (0..table).map(|_| random.word()).collect() });
        }
        self.push(Function { name, start: random.word(), steps: made })
    }

    /// A function that passes its number through all `callees`.
    pub(super) fn add_chain(&mut self, name: String, callees: &[FunctionIx]) -> FunctionIx {
        let steps = callees.iter().map(|callee| Step::Pass { callee: *callee }).collect();
        self.push(Function { name, start: 0, steps })
    }

    /// A function in C++ that passes its number through all `lists`.
    pub(super) fn add_lists(&mut self, name: String, lists: Vec<List>) -> FunctionIx {
        let steps = lists.into_iter().map(|list| Step::Run { list }).collect();
        self.push(Function { name, start: 0, steps })
    }

    /// A function that adds all numbers of `table`.
    pub(super) fn add_fold(&mut self, name: String, table: Vec<u32>) -> FunctionIx {
        self.push(Function { name, start: 0, steps: vec![Step::Fold { table }] })
    }

    fn push(&mut self, function: Function) -> FunctionIx {
        self.functions.push(function);
        FunctionIx(self.functions.len() - 1)
    }

    pub(super) fn name(&self, ix: FunctionIx) -> &str {
        &self.functions[ix.0].name
    }

    /// The result of a call.
    pub(super) fn result(&self, ix: FunctionIx, mut x: u32) -> u32 {
        let function = &self.functions[ix.0];
        let mut y = function.start;
        for step in &function.steps {
            match step {
                Step::Mix { times, factor, shift } => {
                    for i in 0..*times {
                        y = y.wrapping_mul(*factor) ^ (x >> shift);
                        x = x.wrapping_add(y).wrapping_add(i);
                    }
                }
                Step::Look { table } => x ^= table[y as usize % table.len()],
                Step::Fold { table } => {
                    x = table.iter().fold(x, |x, value| (x ^ value).wrapping_mul(FACTOR))
                }
                Step::Choose { addends } => y = y.wrapping_add(addends[x as usize % addends.len()]),
                Step::Call { callee, mask } => y = y.wrapping_add(self.result(*callee, x & mask)),
                Step::Pass { callee } => x = self.result(*callee, x),
                Step::Run { list } => x = list.result(x),
            }
        }
        x ^ (y << 1)
    }

    pub(super) fn declaration(&self, ix: FunctionIx) -> String {
        format!("unsigned {}(unsigned x);\n", self.name(ix))
    }

    /// Its definition, after `prefix`, such as `static `.
    pub(super) fn write(&self, ix: FunctionIx, prefix: &str, out: &mut String) {
        let Function { name, start, steps } = &self.functions[ix.0];
        let _ =
            writeln!(out, "{prefix}unsigned {name}(unsigned x)\n{{\n    unsigned y = {start}u;");
        for step in steps {
            self.write_step(step, out);
        }
        out.push_str("    return x ^ (y << 1);\n}\n\n");
    }

    fn write_step(&self, step: &Step, out: &mut String) {
        let _ = match step {
            Step::Mix { times, factor, shift } => writeln!(
                out,
                "    for (unsigned i = 0; i < {times}; i++) {{\n        y = y * {factor}u ^ (x >> {shift});\n        x += y + i;\n    }}"
            ),
            Step::Look { table } => {
                write_table(table, out);
                writeln!(out, "    x ^= table[y % {}];", table.len())
            }
            Step::Fold { table } => {
                write_table(table, out);
                let length = table.len();
                writeln!(
                    out,
                    "    for (unsigned i = 0; i < {length}; i++)\n        x = (x ^ table[i]) * {FACTOR}u;"
                )
            }
            Step::Choose { addends } => {
                let _ = writeln!(out, "    switch (x % {}) {{", addends.len());
                for (case, addend) in addends.iter().enumerate() {
                    let _ = writeln!(out, "    case {case}: y += {addend}u; break;");
                }
                writeln!(out, "    }}")
            }
            Step::Call { callee, mask } => {
                writeln!(out, "    y += {}(x & {mask}u);", self.name(*callee))
            }
            Step::Pass { callee } => writeln!(out, "    x = {}(x);", self.name(*callee)),
            Step::Run { list } => writeln!(out, "    x = {list}(x);"),
        };
    }
}

fn write_table(table: &[u32], out: &mut String) {
    let _ = write!(out, "    static const unsigned table[{}] = {{", table.len());
    for (place, value) in table.iter().enumerate() {
        let space = if place % 10 == 0 { "\n        " } else { " " };
        let _ = write!(out, "{space}{value:#x},");
    }
    out.push_str("\n    };\n");
}

fn step(random: &mut Random, callees: &[FunctionIx]) -> Step {
    match random.below(if callees.is_empty() { 3 } else { 4 }) {
        0 | 1 => Step::Mix {
            times: 2 + random.below(6) as u32,
            factor: random.word() | 1,
            shift: 1 + random.below(15) as u32,
        },
        2 => Step::Choose { addends: (0..2 + random.below(5)).map(|_| random.word()).collect() },
        _ => Step::Call { callee: random.one_of(callees), mask: (1 << (4 + random.below(20))) - 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(steps: Vec<Step>) -> (Code, FunctionIx) {
        let function = Function { name: "f".into(), start: 3, steps };
        (Code { functions: vec![function] }, FunctionIx(0))
    }

    #[test]
    fn results_are_those_of_the_written_steps() {
        let check = |steps: Vec<Step>, x, expect| {
            let (code, f) = one(steps);
            assert_eq!(code.result(f, x), expect);
        };
        check(vec![], 8, 8 ^ 6);
        // y = 3 * 5 ^ (8 >> 1) = 11, x = 8 + 11 + 0 = 19; y = 55 ^ 9 = 62, x = 19 + 62 + 1 = 82.
        check(vec![Step::Mix { times: 2, factor: 5, shift: 1 }], 8, 82 ^ 124);
        check(vec![Step::Look { table: vec![0, 16] }], 8, 24 ^ 6);
        // (8 ^ 1) * 2^24 + 403 each time.
        check(vec![Step::Fold { table: vec![1] }], 8, ((9 << 24) + 9 * 403) ^ 6);
        check(vec![Step::Choose { addends: vec![0, 0, 7] }], 8, 8 ^ 20);
    }

    #[test]
    fn function_is_written_as_it_is_computed() {
        let (mut code, callee) = one(vec![]);
        let steps = vec![
            Step::Mix { times: 2, factor: 5, shift: 1 },
            Step::Look { table: vec![0, 16] },
            Step::Choose { addends: vec![0, 7] },
            Step::Call { callee, mask: 15 },
            Step::Pass { callee },
        ];
        code.functions.push(Function { name: "g".into(), start: 9, steps });
        let mut text = String::new();
        code.write(FunctionIx(1), "static ", &mut text);
        let expect = "static unsigned g(unsigned x)
{
    unsigned y = 9u;
    for (unsigned i = 0; i < 2; i++) {
        y = y * 5u ^ (x >> 1);
        x += y + i;
    }
    static const unsigned table[2] = {
        0x0, 0x10,
    };
    x ^= table[y % 2];
    switch (x % 2) {
    case 0: y += 0u; break;
    case 1: y += 7u; break;
    }
    y += f(x & 15u);
    x = f(x);
    return x ^ (y << 1);
}

";
        assert_eq!(text, expect);
    }
}
