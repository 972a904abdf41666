//! `[[rule]]`: sources of other kinds.

use super::*;

const RULE: &str = "[[rule]]\nextensions = [\"re\"]\nrun = [\"re2c\", \"-o\", \"{output}\", \"{input}\"]\n\
                    outputs = [\"{outdir}/{dir}/{stem}.c\"]\n";

fn tree(manifest: &str, files: &[&str]) -> Tree {
    let manifest = format!("[package]\nname = \"zip\"\n{manifest}");
    let files = files.iter().map(|path| (*path, ""));
    Tree::new(&[("Tender.toml", &*manifest)].into_iter().chain(files).collect::<Vec<_>>())
}

fn loaded(manifest: &str, files: &[&str]) -> Crate {
    workspace(&tree(manifest, files)).crates.remove(0)
}

#[test]
fn rule_is_for_sources_of_all_targets() {
    let files = ["src/a.re", "src/b.c", "src/main.re", "src/bin/tool.re", "lists/c.re", "d.re"];
    let krate = loaded(RULE, &files);
    let names = |sources: &Sources| -> Vec<String> {
        let all = sources.all();
        all.map(|path| path.strip_prefix(&krate.dir).unwrap().to_string()).collect()
    };
    assert_eq!(names(&krate.libs[0].sources), ["src/b.c", "src/a.re"]);
    assert_eq!(krate.libs[0].sources.ruled.len(), 1);
    let bins: Vec<_> = krate.bins.iter().map(|bin| (&*bin.name, names(&bin.sources))).collect();
    assert_eq!(
        bins,
        [("zip", vec!["src/main.re".to_owned()]), ("tool", vec!["src/bin/tool.re".to_owned()])]
    );
    let outputs: Vec<&str> = krate.generate.iter().map(|one| &*one.outputs[0]).collect();
    assert_eq!(outputs, ["$OUT_DIR/src/a.c", "$OUT_DIR/src/bin/tool.c", "$OUT_DIR/src/main.c"]);
    assert!(krate.generate.iter().all(|one| one.is_rule && one.number == 0));
    // Named by lists, by one target or two.
    let lists = format!(
        "{RULE}[lib]\nsources = [\"lists/*.re\", \"!lists/none.re\"]\n[[bin]]\nname = \"p\"\nsources = [\"d.re\", \"lists/c.re\"]\n"
    );
    let krate = loaded(&lists, &["lists/c.re", "lists/none.re", "d.re", "src/unused.re"]);
    let outputs: Vec<&str> = krate.generate.iter().map(|one| &*one.outputs[0]).collect();
    assert_eq!(outputs, ["$OUT_DIR/./d.c", "$OUT_DIR/lists/c.c"]);
    assert_eq!((krate.libs[0].sources.ruled.len(), krate.bins[0].sources.ruled.len()), (1, 2));
}

#[test]
fn rule_takes_what_a_command_writes() {
    let rule = RULE.replace("{dir}/", "");
    let manifest = format!(
        "{rule}[[generate]]\nrun = [\"gen\"]\noutputs = [\"$OUT_DIR/g.re\"]\n[lib]\nsources = [\"$OUT_DIR/*.re\"]\n"
    );
    let krate = loaded(&manifest, &[]);
    assert_eq!(krate.libs[0].sources.ruled, ["$OUT_DIR/g.re"]);
    assert_eq!(krate.generate[1].outputs, ["$OUT_DIR/g.c"]);
}

#[test]
fn rule_that_makes_objects_makes_no_programs() {
    let rule = RULE.replace("{stem}.c", "{stem}.o");
    let krate = loaded(&rule, &["src/main.re", "src/bin/tool.re", "src/main.c"]);
    let bins: Vec<&str> = krate.bins.iter().map(|bin| &*bin.name).collect();
    assert_eq!(bins, ["zip"]);
    assert!(krate.generate.is_empty() && krate.libs.is_empty());
}

#[test]
fn rule_mistakes_are_reported() {
    let check = |manifest: &str, expect: &[&str]| {
        let found = problems(&tree(manifest, &["src/a.re", "src/b.c"]));
        let found: Vec<&str> = found.iter().map(|text| text.split_once(": ").unwrap().1).collect();
        assert_eq!(found, expect, "{manifest}");
    };
    check(RULE, &[]);
    let with = |from: &str, to: &str| RULE.replace(from, to);
    check(&with("[\"re\"]", "[\".re\"]"), &["`.re` is no extension"]);
    check(&with("[\"re\"]", "[\"c\"]"), &["files that end in `.c` are sources without a rule"]);
    check(&with("extensions = [\"re\"]\n", ""), &["`[[rule]]` has no `extensions`"]);
    check(&with("{stem}.c", "{stem}.h"), &["the rule makes no source"]);
    check(&with("{dir}", "{dri}"), &["unknown placeholder `{dri}`"]);
    check(&format!("{RULE}{RULE}"), &["two rules are for files that end in `.re`"]);
    check(&format!("{RULE}for-each = \"x\"\n"), &["unknown key `for-each` in `[[rule]]`"]);
}
