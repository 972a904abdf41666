//! `[[generate]]`: what its commands are, and what is said of wrong ones.

use super::*;

const CRATE: &str = "[package]\nname = \"zip\"\n[lib]\nsources = [\"src/*.c\"]\n[[generate]]\n";

/// The commands of one crate, each as `inputs: words -> outputs`.
fn commands(tree: &Tree) -> Vec<String> {
    let workspace = workspace(tree);
    let of = |generate: &Generate| {
        let words: Vec<String> = generate.run.iter().map(CommandWord::text).collect();
        let inputs = tree.short(&generate.inputs).join(" ");
        format!("{inputs}: {} -> {}", words.join(" "), generate.outputs.join(" "))
    };
    workspace.crates[0].generate.iter().map(of).collect()
}

fn tree(generate: &str, files: &[&str]) -> Tree {
    let mut all = vec![("Tender.toml".to_owned(), format!("{CRATE}{generate}"))];
    all.extend(["src/a.c"].iter().chain(files).map(|path| ((*path).to_owned(), String::new())));
    let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (&**path, &**text)).collect();
    Tree::new(&all)
}

#[test]
fn command_is_made_for_each_file() {
    let check = |generate: &str, files: &[&str], expect: &[&str]| {
        assert_eq!(commands(&tree(generate, files)), expect, "{generate}");
    };
    let outputs = "outputs = [\"$OUT_DIR/{stem}.h\"]";
    check(
        &format!("run = [\"x\", \"{{input}}\", \"{{output}}\"]\nfor-each = \"p/*.p\"\n{outputs}"),
        &["p/b.p", "p/a.p", "p/c.q"],
        &[
            "p/a.p: x p/a.p $OUT_DIR/a.h -> $OUT_DIR/a.h",
            "p/b.p: x p/b.p $OUT_DIR/b.h -> $OUT_DIR/b.h",
        ],
    );
    check(
        "run = [\"x\", \"-I{dir}\", \"{name}\", \"{{\", \"{outdir}x{outdir}\"]\n\
             for-each = [\"p/**\", \"top.p\", \"!**/no*\"]\ninputs = [\"src/*.c\"]\n\
             outputs = [\"{outdir}/{dir}/{stem}.c\", \"gen/{name}.h\"]",
        &["p/deep/x.y.p", "top.p", "p/not.p"],
        &[
            "p/deep/x.y.p src/a.c: x -Ip/deep x.y.p { $OUT_DIRx$OUT_DIR -> $OUT_DIR/p/deep/x.y.c gen/x.y.p.h",
            "src/a.c top.p: x -I. top.p { $OUT_DIRx$OUT_DIR -> $OUT_DIR/./top.c gen/top.p.h",
        ],
    );
    // Placeholders count only where `for-each` stands.
    check(
        "run = [\"x\", \"{input}\", \"{\"]\noutputs = [\"$OUT_DIR/{stem}.h\"]",
        &[],
        &[": x {input} { -> $OUT_DIR/{stem}.h"],
    );
    // What other commands write, whether it is there or not.
    check(
        &format!(
            "run = [\"x\", \"{{input}}\"]\nfor-each = \"$OUT_DIR/*.p\"\n{outputs}\n\
             [[generate]]\nrun = [\"y\"]\noutputs = [\"$OUT_DIR/one.p\", \"$OUT_DIR/one.q\"]"
        ),
        &[],
        &[
            "$OUT_DIR/one.p: x $OUT_DIR/one.p -> $OUT_DIR/one.h",
            ": y -> $OUT_DIR/one.p $OUT_DIR/one.q",
        ],
    );
    // A file whose name a program would take for an option.
    check(
        &format!("run = [\"x\", \"{{input}}\"]\nfor-each = \"*.p\"\n{outputs}"),
        &["-v.p"],
        &["-v.p: x ./-v.p -> $OUT_DIR/-v.h"],
    );
}

#[test]
fn outputs_of_for_each_are_not_its_inputs() {
    let generate = "run = [\"x\"]\nfor-each = \"p/*.p\"\noutputs = [\"p/{stem}_gen.p\"]";
    let expect = ["p/a.p: x -> p/a_gen.p"];
    assert_eq!(commands(&tree(generate, &["p/a.p"])), expect);
    // As an earlier build leaves it.
    assert_eq!(commands(&tree(generate, &["p/a.p", "p/a_gen.p", "p/a_gen_gen.p"])), expect);
}

#[test]
fn files_of_for_each_may_lie_outside_the_crate() {
    let manifest = format!(
        "{CRATE}run = [\"x\", \"{{input}}\", \"{{dir}}\"]\nfor-each = \"../schemas/*.p\"\n\
         outputs = [\"$OUT_DIR/{{stem}}.h\"]"
    );
    let tree = Tree::new(&[
        ("Tender.toml", "[workspace]\nmembers = [\"c/zip\"]\n"),
        ("c/zip/Tender.toml", &manifest),
        ("c/zip/src/a.c", ""),
        ("c/schemas/a.p", ""),
    ]);
    let expect = ["c/schemas/a.p: x ../schemas/a.p ../schemas -> $OUT_DIR/a.h"];
    assert_eq!(commands(&tree), expect);
    // `..` of a directory that is a symbolic link leads elsewhere.
    std::fs::create_dir(tree.path("real")).unwrap();
    std::fs::rename(tree.path("c/zip"), tree.path("real/zip")).unwrap();
    std::os::unix::fs::symlink(tree.path("real/zip"), tree.path("c/zip")).unwrap();
    let schemas = tree.path("c/schemas");
    let expect = format!("c/schemas/a.p: x {schemas}/a.p {schemas} -> $OUT_DIR/a.h");
    assert_eq!(commands(&tree), [expect]);
}

#[test]
fn command_has_name_environment_and_depfile() {
    let generate = "name = \"moc\"\nrun = [\"x\"]\nfor-each = \"p/*.p\"\noutputs = [\"{outdir}/{stem}.h\"]\n\
                    depfile = \"{output}.d\"\nenv = { LANG = \"C\", IN = \"{input}:{outdir}\" }";
    let workspace = workspace(&tree(generate, &["p/a.p"]));
    let [generate] = &workspace.crates[0].generate[..] else { panic!("one command") };
    assert_eq!(generate.name.as_deref(), Some("moc"));
    assert_eq!(generate.depfile.as_deref(), Some("$OUT_DIR/a.h.d"));
    let env: Vec<(&str, String)> =
        generate.env.iter().map(|(name, word)| (&**name, word.with_out_dir("/out"))).collect();
    assert_eq!(env, [("LANG", "C".to_owned()), ("IN", "p/a.p:/out".to_owned())]);
}

#[test]
fn command_mistakes_are_reported() {
    let check = |generate: &str, expect: &[&str]| {
        assert_eq!(problems(&tree(generate, &["p/a.p", "p/b.p", "q/a.p"])), expect, "{generate}");
    };
    let each = |rest: &str| format!("run = [\"x\"]\nfor-each = \"p/*.p\"\n{rest}");
    check(
        &each("outputs = [\"$OUT_DIR/{stme}.h\"]"),
        &["Tender.toml:8 `{stme}`: unknown placeholder `{stme}`"],
    );
    check(&each("outputs = [\"$OUT_DIR/{stem.h\"]"), &["Tender.toml:8 `{`: `{` is not closed"]);
    check(
        &each("outputs = [\"{stem}.h\"]\nenv = { A = '{b}' }\ndepfile = '''}'''"),
        &[
            "Tender.toml:9 `{b}`: unknown placeholder `{b}`",
            "Tender.toml:10 `}`: `}` without a `{` before it",
        ],
    );
    // An escape in the text: the caret is under all of it.
    check(
        &each("outputs = [\"\\t{x}.h\"]"),
        &["Tender.toml:8 `\"\\t{x}.h\"`: unknown placeholder `{x}`"],
    );
    check(
        &each("outputs = [\"{output}.h\"]"),
        &["Tender.toml:8 `{output}`: `{output}` cannot stand in `outputs`, which says what it is"],
    );
    check(
        &each("outputs = [\"{stem}.h\", \"{stem}.c\"]\ndepfile = \"{output}.d\""),
        &["Tender.toml:9 `{output}`: `{output}` is the only output, and there are 2"],
    );
    check(
        &each("outputs = [\"$OUT_DIR/x.h\"]"),
        &[
            "Tender.toml:8 `\"$OUT_DIR/x.h\"`: `$OUT_DIR/x.h` is written for `p/a.p` and for `p/b.p`",
        ],
    );
    check(
        "run = [\"x\"]\nfor-each = \"*/a.p\"\noutputs = [\"gen/{name}\", \"gen/./{stem}.p\"]",
        &[
            "Tender.toml:8 `\"gen/{name}\"`: `gen/a.p` is written for `p/a.p` and for `q/a.p`",
            "Tender.toml:8 `\"gen/./{stem}.p\"`: `gen/./a.p` is written twice",
        ],
    );
    check(
        &each("outputs = [\"../{stem}.h\"]"),
        &["Tender.toml:8 `\"../{stem}.h\"`: `../a.h` lies outside the crate"],
    );
    check(
        "run = [\"x\"]\nfor-each = \"r/*.p\"\noutputs = [\"{stem}.h\"]",
        &["Tender.toml:7 `\"r/*.p\"`: `r/*.p` matches no file"],
    );
    check(
        "run = [\"x\"]\nfor-each = 1\noutputs = [\"x.h\"]\nenv = \"A=B\"\nname = \"a b\"\ndepfile = []",
        &[
            "Tender.toml:7 `1`: `for-each` must be a string or an array of strings, not an integer",
            "Tender.toml:9 `\"A=B\"`: `env` must be a table, `[generate.env]`, not a string",
            "Tender.toml:10 `\"a b\"`: the character ` ` cannot stand in a command name",
            "Tender.toml:11 `[]`: `depfile` must be a string, not an array",
        ],
    );
    check(
        "run = [\"x\"]\noutputs = [\"x.h\"]\nenv = { A = 1, \"\" = \"x\", \"a=b\" = \"x\", OUT_DIR = \"x\", MAKEFLAGS = \"-j9\", PATH = \"x\" }",
        &[
            "Tender.toml:8 `1`: `A` must be a string, not an integer",
            "Tender.toml:8 `\"\"`: `` is no name of a variable",
            "Tender.toml:8 `\"a=b\"`: `a=b` is no name of a variable",
            "Tender.toml:8 `OUT_DIR`: the build sets `OUT_DIR` itself",
            "Tender.toml:8 `MAKEFLAGS`: the build sets `MAKEFLAGS` itself",
            "Tender.toml:8 `PATH`: the build sets `PATH` itself",
        ],
    );
    check(
        "name = \"g\"\nrun = [\"x\"]\noutputs = [\"x.h\"]\n[[generate]]\nname = \"g\"\nrun = [\"y\"]\noutputs = [\"y.h\"]",
        &["Tender.toml:10 `\"g\"`: two commands are named `g`"],
    );
}

/// `zip`, which has `rest` in its manifest, and `mk`, whose program `run` is.
fn check_tools(rest: &str, mk: &str, expect: &[&str]) {
    let zip = format!("[package]\nname = \"zip\"\n{rest}");
    let tree = Tree::new(&[
        ("Tender.toml", "[workspace]\nmembers = [\"zip\", \"mk\"]\n"),
        ("zip/Tender.toml", &zip),
        ("zip/src/a.c", ""),
        ("zip/p/a.p", ""),
        ("mk/Tender.toml", &format!("[package]\nname = \"mk\"\n{mk}")),
        ("mk/src/main.c", ""),
        ("mk/src/bin/two.c", ""),
    ]);
    assert_eq!(problems(&tree), expect, "{rest}");
}

const USES_MK: &str = "[build-dependencies]\nmk = { path = \"../mk\" }\n[[generate]]\n";

#[test]
fn command_may_run_a_program_of_a_build_dependency() {
    let check = |rest: &str, expect: &[&str]| check_tools(&format!("{USES_MK}{rest}"), "", expect);
    check("run = [\"mk\", \"{outdir}\"]\noutputs = [\"{outdir}/a.h\"]", &[]);
    check("run = [\"two\", \"{output}\"]\noutputs = [\"{outdir}/a.h\"]", &[]);
    check(
        "run = [\"mk\", \"{input}\"]\nfor-each = \"p/*.p\"\noutputs = [\"{outdir}/{stem}.h\"]",
        &[],
    );
    check(
        "run = [\"mk\", \"{input}\", \"{\"]\noutputs = [\"a.h\"]",
        &[
            "zip/Tender.toml:6 `{input}`: `{input}` is about a file of `for-each`, and there is none",
            "zip/Tender.toml:6 `{`: `{` is not closed",
        ],
    );
    // A path is no plain name.
    check(
        "run = [\"./mk\", \"{\"]\noutputs = [\"a.h\"]",
        &["warning: zip/Tender.toml:4 `mk`: no `[[generate]]` command runs a program of `mk`"],
    );
}

#[test]
fn build_dependencies_are_checked() {
    let run = "run = [\"mk\"]\noutputs = [\"a.h\"]";
    check_tools(
        "[build-dependencies]\nmk = { path = \"../mk\" }",
        "",
        &["warning: zip/Tender.toml:4 `mk`: no `[[generate]]` command runs a program of `mk`"],
    );
    check_tools(
        &format!("{USES_MK}{run}"),
        "[lib]\nsources = [\"src/main.c\", \"src/bin/two.c\"]\n",
        &[],
    );
    check_tools(
        "[build-dependencies]\nzip = { path = \".\" }",
        "",
        &[
            "zip/Tender.toml:4 `zip`: the package `zip` has no program to run",
            "zip/Tender.toml:4 `zip`: dependency cycle: zip -> zip",
        ],
    );
    // Cycles over dependencies of both kinds.
    check_tools(
        &format!("{USES_MK}{run}"),
        "[dependencies]\nzip = { path = \"../zip\" }\n",
        &["mk/Tender.toml:4 `zip`: dependency cycle: zip -> mk -> zip"],
    );
    check_tools(
        "[build-dependencies]\nkm = { path = \"../mk\" }\nno = { path = \"../no\" }",
        "",
        &[
            "zip/Tender.toml:4 `km`: the package in `../mk` is named `mk`",
            "zip/Tender.toml:5 `\"../no\"`: the directory `../no` does not exist",
        ],
    );
    check_tools(
        "[build-dependencies]\nmk = \"../mk\"",
        "",
        &["zip/Tender.toml:4 `\"../mk\"`: `mk` must be a table, not a string"],
    );
    // A program that stands for another name.
    check_tools(
        &format!("{USES_MK}run = [\"one\"]\noutputs = [\"a.h\"]"),
        "[[bin]]\nname = \"one\"\nsources = [\"src/main.c\"]\n",
        &[],
    );
}

#[test]
fn tests_and_their_dependencies_are_checked() {
    check_tools(
        "[dev-dependencies]\nmk = { path = \"../mk\" }",
        "",
        &["zip/Tender.toml:4 `mk`: the package `mk` has no library to depend on"],
    );
    // Tests may use a crate that uses this one.
    check_tools(
        "[dev-dependencies]\nmk = { path = \"../mk\" }",
        "[lib]\nheaders = [\"src\"]\n[dependencies]\nzip = { path = \"../zip\" }\n",
        &[],
    );
    check_tools(
        "[dev-dependencies]\nno = { path = \"../no\" }\n[[test]]\nname = \"a b\"\nsources = [\"p/*.c\"]\n\
         [[test]]\nname = \"two\"\n[[test]]\nname = \"t\"\nsources = [\"src/a.c\"]\nflags = 1\n\
         [[test]]\nname = \"t\"\nsources = [\"src/a.c\"]\n",
        "",
        &[
            "zip/Tender.toml:4 `\"../no\"`: the directory `../no` does not exist",
            "zip/Tender.toml:6 `\"a b\"`: the character ` ` cannot stand in a test name",
            "zip/Tender.toml:8 `[[test]]`: the test `two` has no sources",
            "zip/Tender.toml:13 `1`: `flags` must be an array of strings, not an integer",
            "zip/Tender.toml:15 `\"t\"`: two tests are named `t`",
        ],
    );
    check_tools(
        "[[test]]\nname = \"t\"\nsources = [\"p/*.c\", \"no.c\"]\n",
        "",
        &[
            "zip/Tender.toml:5 `\"p/*.c\"`: `p/*.c` matches no file",
            "zip/Tender.toml:5 `\"no.c\"`: the file `no.c` does not exist",
        ],
    );
    // A source of a test is none of the library.
    let tree = Tree::new(&[
        (
            "Tender.toml",
            "[package]\nname = \"zip\"\n[[test]]\nname = \"t\"\nsources = [\"src/t.c\"]\n",
        ),
        ("src/a.c", ""),
        ("src/t.c", ""),
    ]);
    let workspace = workspace(&tree);
    let lib = &workspace.crates[0].libs[0];
    assert_eq!(tree.short(&lib.sources.files), ["src/a.c"]);
}
