//! The same sources give the same bytes, whatever the number of jobs, the directory, and earlier
//! builds.

use std::collections::BTreeMap;
use tender_tests::{TestSpace, vendored};

type Outputs = BTreeMap<String, Vec<u8>>;

/// Expects outputs with the same names and bytes. Shows only the names of different ones.
#[track_caller]
fn same(what: &str, expect: &Outputs, found: &Outputs) {
    let names = |outputs: &Outputs| outputs.keys().cloned().collect::<Vec<_>>();
    assert!(!expect.is_empty());
    assert_eq!(names(expect), names(found), "{what}");
    let differ: Vec<&String> = expect.keys().filter(|name| expect[*name] != found[*name]).collect();
    assert!(differ.is_empty(), "{what}: these differ: {differ:?}");
}

/// `new` writes the workspace, each time in another directory. `edit` changes one of its sources,
/// and `undo` reverts that.
#[track_caller]
fn check(new: impl Fn() -> TestSpace, profile: &str, edit: (&str, &str, &str)) {
    let args = |jobs: &'static str| ["build", jobs, "--profile", profile];
    let directory = if profile == "dev" { "debug" } else { profile };
    let (one, four) = (new(), new());
    one.tender(&args("-j1")).expect_ok();
    let expect = one.outputs(directory);
    four.tender(&args("-j4")).expect_ok();
    same("-j1 and -j4, in two directories", &expect, &four.outputs(directory));

    let (path, from, to) = edit;
    four.edit(path, from, to);
    four.tender(&args("-j2")).expect_ok();
    let edited = four.outputs(directory);
    assert!(edited != expect, "the edit of {path} makes no difference");
    one.edit(path, from, to);
    one.remove("target");
    one.tender(&args("-j3")).expect_ok();
    same("after an edit, and from nothing", &one.outputs(directory), &edited);

    four.edit(path, to, from);
    four.tender(&args("-j2")).expect_ok();
    same("after an edit was undone", &expect, &four.outputs(directory));
}

const DIAMOND_EDIT: (&str, &str, &str) = ("crates/text/src/leader.c", "'.'", "'_'");

#[test]
fn outputs_of_diamond_with_debug_info_are_reproducible() {
    check(|| TestSpace::example("diamond"), "dev", DIAMOND_EDIT);
}

#[test]
fn outputs_of_diamond_without_debug_info_are_reproducible() {
    check(|| TestSpace::example("diamond"), "release", DIAMOND_EDIT);
}

#[test]
fn outputs_optimised_with_debug_info_are_reproducible() {
    let profile = "\n[profile.traced]\ninherits = \"release\"\ndebug = true\n";
    let new = || {
        let space = TestSpace::example("diamond");
        space.write("Tender.toml", space.read("Tender.toml") + profile);
        space
    };
    check(new, "traced", DIAMOND_EDIT);
}

/// The Lua of `real-world` in a workspace of its own, and a program that runs a line of Lua.
fn lua() -> TestSpace {
    let space = TestSpace::example("real-world");
    space.write("Tender.toml", "[workspace]\nmembers = [\"lua\", \"line\"]\n");
    space.write(
        "line/Tender.toml",
        "[package]\nname = \"line\"\n[dependencies]\nlua = { path = \"../lua\" }\n",
    );
    space.write(
        "line/src/main.c",
        r#"#include <lauxlib.h>
#include <lualib.h>
int main(void) {
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    return luaL_dostring(lua, "print(string.rep('tender', 3, ' '))");
}
"#,
    );
    space
}

#[test]
fn outputs_of_lua_are_reproducible() {
    if vendored() {
        let edit = ("line/src/main.c", "tender", "legal");
        check(lua, "dev", edit);
        check(lua, "release", edit);
    }
}

#[test]
fn paths_of_this_machine_do_not_reach_outputs() {
    for profile in ["debug", "release"] {
        let space = TestSpace::example("diamond");
        let args: &[&str] = if profile == "debug" { &["build"] } else { &["build", "--release"] };
        space.tender(args).expect_ok();
        let root = space.root().as_str().as_bytes();
        for (name, bytes) in space.outputs(profile) {
            let found = bytes.windows(root.len()).any(|window| window == root);
            assert!(!found, "{name} of profile {profile} names {}", space.root());
        }
    }
}
