//! Refuses driver flags that a worker cannot support, by name, before clang parses them. The shim
//! refuses those that can be recognised only in the parsed options: plugins, `-mllvm`, `-flto`,
//! dependency files, other actions.

/// How an entry of the table is compared with an argument.
enum Match {
    Exact,
    Prefix,
    /// One of the comma-separated values starts like this.
    Value,
}

use Match::{Exact, Prefix, Value};

/// The plan decides these.
const PLAN: &str = "tender chooses inputs and outputs";
/// These would change or end the whole process.
const PROCESS: &str = "it affects the whole compiler process, which many units share";
/// These ask for something other than a compile.
const ACTION: &str = "it asks for something other than compiling";
/// These are correct only if all of the program is optimised together.
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
    // The driver itself would write these files.
    ("-MJ", Prefix, NO_FILES),
    ("-gen-cdb-fragment-path", Prefix, NO_FILES),
    ("-mllvm", Exact, PROCESS),
    ("-fwhole-program-vtables", Exact, WHOLE_PROGRAM),
    ("-fvirtual-function-elimination", Exact, WHOLE_PROGRAM),
    ("-fsanitize=cfi", Value, WHOLE_PROGRAM),
    ("-fplugin", Prefix, PROCESS),
    ("-fpass-plugin", Prefix, PROCESS),
    ("-ftime-report", Prefix, PROCESS),
    ("-fno-integrated-as", Exact, "an external assembler would need a process per unit"),
    ("-no-integrated-as", Exact, "an external assembler would need a process per unit"),
    ("-working-directory", Prefix, "all paths start from the workspace root"),
    ("-Wl,", Prefix, LINK),
    (
        "@",
        Prefix,
        "tender does not read response files of compilers: put their flags into the manifest",
    ),
];

/// The first argument that is refused, and the reason.
pub fn refused(args: &[String]) -> Option<(&str, &'static str)> {
    let mut words = args.iter();
    while let Some(arg) = words.next() {
        // The next argument is an operand, even if it looks like a flag.
        if TAKES_OPERAND.contains(&arg.as_str()) {
            words.next();
            continue;
        }
        for (name, how, reason) in &REFUSED {
            let hit = match how {
                Exact => arg == name,
                Prefix => arg.starts_with(name) && !ACCEPTED.contains(&arg.as_str()),
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

/// Other arguments that start like a refused one.
const ACCEPTED: [&str; 2] = ["-objcmt-migrate-literals", "-objcmt-migrate-subscripting"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], refused_word: Option<&str>) {
        let args: Vec<String> = args.iter().map(|s| (*s).to_owned()).collect();
        assert_eq!(refused(&args).map(|(word, _)| word), refused_word, "{args:?}");
    }

    #[test]
    fn flags_without_effect_are_refused_by_name() {
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
    fn flags_and_operands_that_are_supported_pass() {
        check(&["-O2", "-Wall", "-fPIC", "-march=native", "-std=c17"], None);
        check(&["-include", "-odd.h", "-D", "-x=1"], None);
        check(&["-fsanitize=address", "-Wextra", "-Ofast", "-Os"], None);
        check(&["-fsanitize=kcfi,undefined", "-fno-sanitize=cfi"], None);
    }
}
