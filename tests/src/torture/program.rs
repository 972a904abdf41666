//! A program of another project: its sources, and how its directives say to compile them. Pure.

use super::directive::{Directive, directives};
use super::draw::{Mode, Setting};
use super::target;
use camino::{Utf8Path, Utf8PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name, such as `c-torture/930408-1`.
    pub name: String,
    pub setting: Setting,
    pub sources: Vec<Utf8PathBuf>,
    /// Flags for the compiler, without the level.
    pub flags: Vec<String>,
    /// Flags for the link only.
    pub link_args: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Cxx,
}

/// Flags for code that GCC accepts and clang refuses by default, although both compile it to the
/// same.
const LENIENT: [&str; 8] = [
    "-w",
    "-Wno-implicit-function-declaration",
    "-Wno-implicit-int",
    "-Wno-int-conversion",
    "-Wno-incompatible-pointer-types",
    "-Wno-return-mismatch",
    "-Wno-narrowing",
    "-Wno-reserved-user-defined-literal",
];

/// The order in which standards are tried for a C++ test; the first that it supports is used. GCC
/// 12 begins with its own default.
const STANDARDS: [(u32, &str); 6] = [
    (17, "-std=gnu++17"),
    (20, "-std=gnu++20"),
    (23, "-std=gnu++23"),
    (14, "-std=gnu++14"),
    (11, "-std=gnu++11"),
    (98, "-std=gnu++98"),
];

/// Options that choose GCC's passes or dump files, and do not change the meaning of the program.
const OF_GCC_ALONE: [&str; 14] = [
    "-fdump-",
    "-fopt-info",
    "--param",
    "-save-temps",
    "-fno-tree-",
    "-ftree-",
    "-fipa-",
    "-fno-ipa-",
    "-fno-early-inlining",
    "-fno-tracer",
    "-fmodulo-sched",
    "-fno-dce",
    "-fexpensive-optimizations",
    "-fno-ira-",
];

impl Program {
    /// A test of GCC. `source` is the text of the first of `sources`; `flags` are those of its
    /// directory.
    ///
    /// # Errors
    /// The reason why it cannot be run here.
    pub(super) fn from_test(
        name: &str,
        setting: Setting,
        source: &str,
        mut sources: Vec<Utf8PathBuf>,
        flags: &[&str],
    ) -> Result<Program, String> {
        let directives = directives(source);
        let language = language(&sources[0]);
        let (std, standard) = standard(&directives, language)?;
        let mut program = Program {
            name: name.to_owned(),
            setting,
            sources: Vec::new(),
            flags: Vec::new(),
            link_args: Vec::new(),
        };
        program.flags.extend(LENIENT.map(str::to_owned));
        program.flags.extend(standard);
        program.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        for directive in &directives {
            program.follow(directive, std, &mut sources)?;
        }
        // Skips may depend on all options.
        for directive in directives.iter().filter(|directive| directive.name == "skip-if") {
            if program.is_skipped(directive, std) {
                return Err("dg-skip-if holds".to_owned());
            }
        }
        program.sources = sources;
        Ok(program)
    }

    /// Whether it is linked by the C++ driver.
    pub(super) fn is_cxx(&self) -> bool {
        self.sources.iter().any(|source| language(source) == Language::Cxx)
    }

    fn follow(
        &mut self,
        directive: &Directive,
        std: u32,
        sources: &mut Vec<Utf8PathBuf>,
    ) -> Result<(), String> {
        let selected = |at: usize| target::is_target(directive.word(at), std) == Some(true);
        match directive.name.as_str() {
            "options" | "additional-options" if selected(1) => {
                self.add_options(directive.word(0))?
            }
            "require-effective-target"
                if selected(1) && target::holds(directive.word(0), std) == Some(false) =>
            {
                return Err(format!("needs the target {}", directive.word(0)));
            }
            "additional-sources" if selected(1) => {
                let dir = sources[0].parent().unwrap_or(Utf8Path::new("")).to_owned();
                sources.extend(directive.word(0).split_whitespace().map(|name| dir.join(name)));
            }
            "set-target-env-var" => return Err("needs an environment of its own".to_owned()),
            "shouldfail" => return Err("is expected to fail".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn add_options(&mut self, options: &str) -> Result<(), String> {
        let words = shlex::split(options)
            .ok_or_else(|| format!("has options that are no words: {options}"))?;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word.starts_with("-flto") || word == "-ffat-lto-objects" {
                return Err("asks for link-time optimisation itself".to_owned());
            }
            if word == "--param" || word == "-x" {
                // The language follows from the file's name, for tender and for the compiler.
                words.next();
            } else if word.starts_with("-O")
                || OF_GCC_ALONE.iter().any(|prefix| word.starts_with(prefix))
            {
                // The test harness chooses the level.
            } else if word.starts_with("-l")
                || word.starts_with("-Wl,")
                || word == "-static"
                || word == "-rdynamic"
            {
                self.link_args.push(word);
            } else {
                if word.starts_with("-fsanitize")
                    || word == "-pthread"
                    || word == "--coverage"
                    || word.starts_with("-fprofile")
                {
                    self.link_args.push(word.clone());
                }
                self.flags.push(word);
            }
        }
        Ok(())
    }

    /// `{ dg-skip-if WHY { TARGETS } { OPTIONS } { OTHER OPTIONS } }`: for these targets, if one of
    /// the options is given and none of the others.
    fn is_skipped(&self, directive: &Directive, std: u32) -> bool {
        let given = |at: usize, default: bool| match directive.words.get(at) {
            None => default,
            Some(word) => {
                super::tcl::list(&word.text).iter().any(|options| self.has_options(&options.text))
            }
        };
        target::holds(directive.word(1), std) == Some(true) && given(2, true) && !given(3, false)
    }

    /// Whether all of these patterns are among the options.
    fn has_options(&self, patterns: &str) -> bool {
        let lto = (self.setting.mode != Mode::Off).then_some("-flto");
        let options: Vec<&str> = self
            .flags
            .iter()
            .map(String::as_str)
            .chain([self.setting.level.flag()])
            .chain(lto)
            .collect();
        let has = |pattern: &str| {
            options.iter().any(|option| target::matches(pattern.as_bytes(), option.as_bytes()))
        };
        let mut patterns = patterns.split_whitespace().peekable();
        patterns.peek().is_some() && patterns.all(has)
    }
}

pub(super) fn language(source: &Utf8Path) -> Language {
    if source.extension() == Some("c") { Language::C } else { Language::Cxx }
}

/// The standard's year and the option that chooses it.
fn standard(directives: &[Directive], language: Language) -> Result<(u32, Option<String>), String> {
    let run = directives.iter().find(|directive| directive.name == "do");
    let what = run.map_or("run", |run| run.word(0));
    if what != "run" {
        return Err(format!("dg-do {what}"));
    }
    if language == Language::C {
        let selected = run.is_none_or(|run| target::is_target(run.word(1), 0) != Some(false));
        let standard = Some("-std=gnu17".to_owned());
        return if selected { Ok((0, standard)) } else { Err("is for other targets".to_owned()) };
    }
    let options = || directives.iter().filter(|directive| directive.name == "options");
    let own = options().flat_map(|options| options.word(0).split_whitespace()).find_map(year);
    let suits = |std: u32| {
        let is_wanted = run.is_none_or(|run| target::is_target(run.word(1), std) != Some(false));
        let mut required =
            directives.iter().filter(|directive| directive.name == "require-effective-target");
        is_wanted
            && required.all(|needed| {
                !needed.word(0).starts_with("c++")
                    || target::holds(needed.word(0), std) != Some(false)
            })
    };
    if let Some(year) = own {
        return if suits(year) { Ok((year, None)) } else { Err("is for other targets".to_owned()) };
    }
    let first = STANDARDS.iter().find(|(year, _)| suits(*year));
    first
        .map(|(year, option)| (*year, Some((*option).to_owned())))
        .ok_or_else(|| "is for other targets".to_owned())
}

/// The standard in options such as `-std=c++11`.
fn year(option: &str) -> Option<u32> {
    let standard = option.strip_prefix("-std=")?;
    let year = standard.strip_prefix("c++").or(standard.strip_prefix("gnu++"))?;
    match year {
        "0x" => Some(11),
        "1y" => Some(14),
        "1z" => Some(17),
        "2a" => Some(20),
        "2b" => Some(23),
        "03" => Some(98),
        year => year.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::Level;
    use super::*;

    const SETTING: Setting = Setting { level: Level::O2, pieces: 3, mode: Mode::Off };

    fn read(file: &str, text: &str) -> Result<Program, String> {
        Program::from_test("name", SETTING, text, vec![file.into()], &[])
    }

    #[test]
    fn options_of_a_test_are_read() {
        let check = |file: &str, text: &str, flags: &str, link_args: &str| {
            let program = read(file, text).unwrap();
            assert_eq!(program.flags[LENIENT.len()..].join(" "), flags, "{text}");
            assert_eq!(program.link_args.join(" "), link_args, "{text}");
        };
        check("a.c", "int main() {}", "-std=gnu17", "");
        check(
            "a.c",
            "/* { dg-options \"-O2 -fwrapv -fno-tree-vrp\" } */",
            "-std=gnu17 -fwrapv",
            "",
        );
        check("a.c", "/* { dg-options \"-mx\" { target arm*-*-* } } */", "-std=gnu17", "");
        check("a.c", "/* { dg-options \"-my\" { target x86_64-*-* } } */", "-std=gnu17 -my", "");
        check("a.C", "// { dg-do run { target c++20 } }", "-std=gnu++20", "");
        check("a.C", "// { dg-do run { target c++14_down } }", "-std=gnu++14", "");
        check(
            "a.C",
            "// { dg-do run }\n// { dg-options \"-std=c++11 --param x=1 -pthread\" }",
            "-std=c++11 -pthread",
            "-pthread",
        );
        check(
            "a.C",
            "// { dg-do run }\n// { dg-require-effective-target c++2a }",
            "-std=gnu++20",
            "",
        );
        check(
            "a.C",
            "// { dg-do run }\n// { dg-additional-options \"-lm -g\" }",
            "-std=gnu++17 -g",
            "-lm",
        );
    }

    #[test]
    fn sources_stand_beside_the_first() {
        let text = "// { dg-do run }\n// { dg-additional-sources \"b.cc c.cc\" }";
        let program = read("/dir/a.C", text).unwrap();
        assert_eq!(program.sources, ["/dir/a.C", "/dir/b.cc", "/dir/c.cc"]);
    }

    #[test]
    fn excluded_test_tells_why() {
        let check = |text: &str, why: &str| assert_eq!(read("a.C", text).unwrap_err(), why);
        check("// { dg-do compile }", "dg-do compile");
        check("// { dg-do run { target arm*-*-* } }", "is for other targets");
        check(
            "// { dg-do run { target c++11 } }\n// { dg-options -std=c++98 }",
            "is for other targets",
        );
        check(
            "// { dg-do run }\n// { dg-require-effective-target ilp32 }",
            "needs the target ilp32",
        );
        check(
            "// { dg-do run }\n// { dg-options \"-O2 -flto\" }",
            "asks for link-time optimisation itself",
        );
        check("// { dg-do run }\n// { dg-shouldfail \"asan\" }", "is expected to fail");
        check(
            "// { dg-do run }\n// { dg-set-target-env-var A \"b\" }",
            "needs an environment of its own",
        );
        check("// { dg-do run }\n// { dg-skip-if \"\" { *-*-* } }", "dg-skip-if holds");
        check(
            "// { dg-do run }\n// { dg-skip-if \"\" { *-*-* } { \"*\" } { \"-O0\" } }",
            "dg-skip-if holds",
        );
        check("// { dg-do run }\n// { dg-skip-if \"\" { *-*-* } { \"-O2\" } }", "dg-skip-if holds");
        for kept in [
            "{ dg-skip-if \"\" { arm*-*-* } }",
            "{ dg-skip-if \"\" { *-*-* } { \"-O0\" } { \"\" } }",
            "{ dg-skip-if \"\" { *-*-* } { \"*\" } { \"-O2\" } }",
            "{ dg-skip-if \"\" { *-*-* } { \"-flto\" } { \"\" } }",
            "{ dg-skip-if \"io\" { freestanding } }",
        ] {
            assert!(read("a.C", &format!("// {{ dg-do run }}\n// {kept}")).is_ok(), "{kept}");
        }
    }
}
