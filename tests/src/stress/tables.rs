//! Tables that a command generates and that are known without it: its script, its input, and the
//! numbers.
//!
//! A script of awk, which every system has. The command keeps a long list until its end and reads
//! it in many places, so it holds its memory for longer than it took to allocate, and needs all of
//! it. All numbers are below 2^53, so awk computes exactly.

use crate::random::Random;

/// The script. It skips lines of the input that it does not know.
pub(super) const SCRIPT: &str =
    "# Writes a function with a table: each of its numbers is at the end of a walk through a long list.
$1 == \"function\" { name = $2 }
$1 == \"list\" { count = $2; number = $3 }
$1 == \"walks\" { walks = $2; steps = $3 }
END {
    for (i = 0; i < count; i++) {
        number = number * 16807 % 2147483647
        list[i] = number
    }
    out = ENVIRON[\"OUT_DIR\"] \"/\" name \".c\"
    printf \"unsigned %s(unsigned x)\\n{\\n    unsigned y = 0u;\\n\", name > out
    printf \"    static const unsigned table[%d] = {\", walks > out
    for (i = 0; i < walks; i++) {
        number = list[i % count]
        for (step = 0; step < steps; step++)
            number = list[number % count]
        printf \"%s%#x,\", i % 10 ? \" \" : \"\\n        \", number > out
    }
    printf \"\\n    };\\n    for (unsigned i = 0; i < %d; i++)\\n\", walks > out
    print \"        x = (x ^ table[i]) * 16777619u;\" > out
    print \"    return x ^ (y << 1);\\n}\\n\" > out
}
";

/// The contents of the command's input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walks {
    /// The length of the list.
    pub count: u32,
    /// The number before the first one.
    pub number: u32,
    /// The length of the table, and the number of steps to each of its numbers.
    pub walks: u32,
    pub steps: u32,
}

impl Walks {
    pub(super) fn new(random: &mut Random, count: u32) -> Walks {
        // Neither 0 nor the divisor, after which all numbers would be 0.
        let number = 1 + random.below(0x7fff_fffe) as u32;
        Walks { count: count.max(1), number, walks: 500, steps: 3000 }
    }

    pub(super) fn table(&self) -> Vec<u32> {
        let mut list = Vec::with_capacity(self.count as usize);
        let mut number = self.number;
        for _ in 0..self.count {
            number = (u64::from(number) * 16807 % 0x7fff_ffff) as u32;
            list.push(number);
        }
        let at = |number: u32| list[number as usize % list.len()];
        (0..self.walks).map(|walk| (0..self.steps).fold(at(walk), |number, _| at(number))).collect()
    }

    /// The input of a command that writes the function `name`.
    pub(super) fn input(&self, name: &str) -> String {
        let Walks { count, number, walks, steps } = self;
        format!("function {name}\nlist {count} {number}\nwalks {walks} {steps}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::Code;
    use super::*;
    use crate::space::TestSpace;
    use std::process::Command;

    #[test]
    fn command_writes_what_is_computed() {
        let space = TestSpace::new();
        let walks = Walks { count: 1000, number: 7, walks: 25, steps: 3 };
        space.write("made.awk", SCRIPT);
        // With an empty line, which changes the input and not the output.
        space.write("f.txt", walks.input("f") + "\n");
        let mut command = Command::new("awk");
        space.prepare(&mut command);
        command.args(["-f", "made.awk", "f.txt"]).env("OUT_DIR", space.root());
        space.run(command).expect_ok();
        let mut code = Code::default();
        let function = code.add_fold("f".into(), walks.table());
        let mut expect = String::new();
        code.write(function, "", &mut expect);
        assert_eq!(space.read("f.c"), expect);
    }

    #[test]
    fn walk_depends_on_what_it_finds() {
        // The list is 16807, 282475249, 1622650073. The last two are their own successors.
        let walks = Walks { count: 3, number: 1, walks: 3, steps: 1 };
        assert_eq!(walks.table(), [282_475_249, 282_475_249, 1_622_650_073]);
    }
}
