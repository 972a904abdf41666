//! Driver flags that cannot take effect here, refused by name before clang is asked. Those that
//! show only in the parsed options (plugins, `-mllvm`, `-flto`, dependency files, other actions)
//! are refused by the shim.

/// How a word of the table is compared with an argument.
enum Match {
    Exact,
    Prefix,
    /// One of the values, which commas part, begins like this.
    Value,
}

use Match::{Exact, Prefix, Value};

/// What the plan itself decides.
const PLAN: &str = "the build decides inputs and outputs";
/// What would change or end the whole process.
const PROCESS: &str = "it concerns the whole compiler process, which is shared by many units";
/// What asks for something other than a compile.
const ACTION: &str = "it asks for something other than compiling";
/// What is right only if nothing of the program is left out.
const WHOLE_PROGRAM: &str = "it needs link-time optimisation that sees all types of a program, which no mode of `lto` promises: leave it out";
const NO_FILES: &str = "units never write files of their own";
const LINK: &str = "it is a flag of the link: put it in `link-args`";

const REFUSED: [(&str, Match, &str); 32] = [
    ("-c", Exact, PLAN),
    ("-o", Prefix, PLAN),
    ("-x", Prefix, PLAN),
    ("--", Exact, PLAN),
    ("-E", Exact, ACTION),
    ("-S", Exact, ACTION),
    ("-###", Exact, ACTION),
    ("-v", Exact, ACTION),
    ("--version", Exact, ACTION),
    ("--help", Exact, ACTION),
    ("-print-", Prefix, ACTION),
    ("-dumpversion", Exact, ACTION),
    ("-dumpmachine", Exact, ACTION),
    ("-fsyntax-only", Exact, ACTION),
    ("-emit-llvm", Exact, ACTION),
    ("--analyze", Exact, ACTION),
    ("-save-temps", Prefix, NO_FILES),
    ("--save-temps", Prefix, NO_FILES),
    // The driver itself would write these.
    ("-MJ", Prefix, NO_FILES),
    ("-gen-cdb-fragment-path", Prefix, NO_FILES),
    ("-mllvm", Exact, PROCESS),
    ("-fwhole-program-vtables", Exact, WHOLE_PROGRAM),
    ("-fvirtual-function-elimination", Exact, WHOLE_PROGRAM),
    ("-fsanitize=cfi", Value, WHOLE_PROGRAM),
    ("-fplugin", Prefix, PROCESS),
    ("-fpass-plugin", Prefix, PROCESS),
    ("-ftime-report", Prefix, PROCESS),
    ("-fno-integrated-as", Exact, "an outside assembler would be a process per unit"),
    ("-no-integrated-as", Exact, "an outside assembler would be a process per unit"),
    ("-working-directory", Prefix, "all paths start from the workspace root"),
    ("-Wl,", Prefix, LINK),
    ("@", Prefix, "response files hide what the unit depends on"),
];

/// The first argument that is refused, and why.
pub fn refused(args: &[String]) -> Option<(&str, &'static str)> {
    let mut words = args.iter();
    while let Some(arg) = words.next() {
        // The next word is an operand, whatever it looks like.
        if TAKES_OPERAND.contains(&arg.as_str()) {
            words.next();
            continue;
        }
        for (name, how, reason) in &REFUSED {
            let hit = match how {
                Exact => arg == name,
                Prefix => arg.starts_with(name) && !KEPT.contains(&arg.as_str()),
                Value => has_value(arg, name),
            };
            if hit {
                return Some((arg, reason));
            }
        }
    }
    None
}

/// `pattern` is `OPTION=START`.
fn has_value(arg: &str, pattern: &str) -> bool {
    match (arg.split_once('='), pattern.split_once('=')) {
        (Some((option, values)), Some((name, start))) => {
            option == name && values.split(',').any(|value| value.starts_with(start))
        }
        _ => false,
    }
}

const TAKES_OPERAND: [&str; 11] = [
    "-D",
    "-U",
    "-I",
    "-include",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-imacros",
    "-isysroot",
    "-target",
    "-Xclang",
];

/// Arguments that begin like a refused one and are something else.
const KEPT: [&str; 2] = ["-objcmt-migrate-literals", "-objcmt-migrate-subscripting"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], refused_word: Option<&str>) {
        let args: Vec<String> = args.iter().map(|s| (*s).to_owned()).collect();
        assert_eq!(refused(&args).map(|(word, _)| word), refused_word, "{args:?}");
    }

    #[test]
    fn what_cannot_take_effect_is_named() {
        for (name, ..) in &REFUSED {
            check(&["-O2", name], Some(name));
        }
        check(&["-ofoo"], Some("-ofoo"));
        check(&["-xc++"], Some("-xc++"));
        check(&["-save-temps=obj"], Some("-save-temps=obj"));
        check(&["-fplugin=x.so"], Some("-fplugin=x.so"));
        check(&["-Wl,-z,now"], Some("-Wl,-z,now"));
        check(&["-fsanitize=undefined,cfi-icall"], Some("-fsanitize=undefined,cfi-icall"));
    }

    #[test]
    fn operands_and_ordinary_flags_pass() {
        check(&["-O2", "-Wall", "-fPIC", "-march=native", "-std=c17"], None);
        check(&["-include", "-odd.h", "-D", "-x=1"], None);
        check(&["-fsanitize=address", "-Wextra", "-Ofast", "-Os"], None);
        check(&["-fsanitize=kcfi,undefined", "-fno-sanitize=cfi"], None);
    }
}
