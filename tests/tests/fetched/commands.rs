//! `tender fetch`, `tender update`, `tender vendor`, and `[patch]`.

use crate::repositories::{commit, repository, url};
use crate::space::{app, greet, run, says, tender};
use tender_tests::TestSpace;

#[test]
fn fetch_gets_all_and_restores_what_was_edited() {
    let (space, _) = repository();
    greet(&space, "other", "other");
    space.edit("other/Tender.toml", "\"greet\"", "\"other\"");
    crate::repositories::git(&space, "other", &["init", "-q", "-b", "main"]);
    commit(&space, "other");
    let entry = format!(
        "{} }}\n[dev-dependencies]\nother = {{ {}",
        url(&space, "repo"),
        url(&space, "other")
    );
    app(&space, "ws", &entry);
    // A build needs no tests.
    says(&space, "ws", &[], "one");
    assert!(!space.read("ws/Tender.lock").contains("other"));
    let done = tender(&space, &["-C", "ws", "fetch"]).expect_ok();
    done.expect_stderr(&["Unpacking `other`", "Fetched 2 sources"]);
    let lock = space.read("ws/Tender.lock");
    assert!(lock.contains("crates = [\"other\"]"), "{lock}");
    tender(&space, &["-C", "ws", "fetch", "--frozen"]).expect_ok();
    // A build takes an edit as it is; nobody wants to keep it.
    let source = crate::space::files(&space, "ws/target/sources")
        .into_iter()
        .find(|path| path.starts_with("repo-") && path.ends_with("greet.c"))
        .map(|path| format!("ws/target/sources/{path}"))
        .unwrap();
    run(&space, "chmod", &["u+w", &source]).expect_ok();
    space.edit(&source, "\"one\"", "\"edited\"");
    says(&space, "ws", &["--frozen"], "edited");
    let done = tender(&space, &["-C", "ws", "fetch", "--frozen"]).expect_ok();
    done.expect_stderr(&["Restoring `greet`", "Fetched 2 sources"]);
    says(&space, "ws", &["--frozen"], "one");
    assert_eq!(space.read("ws/Tender.lock"), lock);
}

#[test]
fn update_chooses_commits_again() {
    let (space, first) = repository();
    app(&space, "ws", &url(&space, "repo"));
    says(&space, "ws", &[], "one");
    let same = tender(&space, &["-C", "ws", "update"]).expect_ok();
    same.expect_stderr(&["Updated nothing"]);
    greet(&space, "repo", "two");
    let second = commit(&space, "repo");
    tender(&space, &["-C", "ws", "update", "-p", "gret"])
        .expect_code(2)
        .expect_stderr(&["no crate `gret` is taken from elsewhere", "did you mean `greet`?"]);
    tender(&space, &["-C", "ws", "update", "--locked"]).expect_code(2);
    assert!(space.read("ws/Tender.lock").contains(&first));
    let done = tender(&space, &["-C", "ws", "update", "-p", "greet"]).expect_ok();
    done.expect_stderr(&[&format!("Updated `greet`: {} -> {}", &first[..12], &second[..12])]);
    says(&space, "ws", &["--frozen"], "two");
    // The branch is replaced: what was locked can be built from the cache, and is chosen again.
    crate::repositories::git(&space, "repo", &["reset", "-q", "--hard", &first]);
    greet(&space, "repo", "three");
    commit(&space, "repo");
    space.remove("ws/target");
    says(&space, "ws", &["--locked"], "two");
    tender(&space, &["-C", "ws", "update"]).expect_ok();
    says(&space, "ws", &["--frozen"], "three");
}

#[test]
fn vendor_copies_all_and_builds_take_the_copies() {
    let (space, _) = repository();
    app(&space, "ws", &url(&space, "repo"));
    space.write("ws/vendor/mine", "");
    let refused = tender(&space, &["-C", "ws", "vendor"]).expect_code(2);
    refused.expect_stderr(&["vendor` is there, and `tender vendor` has not made it"]);
    space.remove("ws/vendor");
    tender(&space, &["-C", "ws", "vendor"]).expect_ok().expect_stderr(&["Copied 1 source to"]);
    // Neither repository nor cache nor what was unpacked.
    for gone in ["repo", "cache", "ws/target"] {
        space.remove(gone);
    }
    says(&space, "ws", &["--frozen"], "one");
    assert!(!space.exists("ws/target/sources"));
    let list = tender(&space, &["-C", "ws", "package", "--list"]).expect_ok();
    assert!(!list.stdout.contains("vendor"), "{list}");
    // The copies belong to the user, who is told of edits when it is asked for.
    space.edit("ws/vendor/greet/src/greet.c", "\"one\"", "\"mine\"");
    says(&space, "ws", &["--frozen"], "mine");
    let told = tender(&space, &["-C", "ws", "fetch", "--frozen"]).expect_ok();
    told.expect_stderr(&["vendor/greet are not those of file://", "they have been changed"]);
    // What is not among them is an error.
    greet(&space, "repo", "two");
    crate::repositories::git(&space, "repo", &["init", "-q", "-b", "main"]);
    commit(&space, "repo");
    app(&space, "ws", &format!("{}, branch = \"main\"", url(&space, "repo")));
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(2);
    run.expect_stderr(&[
        "the copies of sources in",
        "do not have `greet`",
        "run `tender vendor` again",
    ]);
    tender(&space, &["-C", "ws", "vendor"]).expect_ok();
    says(&space, "ws", &["--frozen"], "two");
}

#[test]
fn patch_takes_the_place_of_sources() {
    let (space, _) = repository();
    app(&space, "ws", &url(&space, "repo"));
    says(&space, "ws", &[], "one");
    greet(&space, "mine", "mine");
    let manifest = space.read("ws/Tender.toml");
    space.write("ws/Tender.toml", format!("{manifest}[patch]\ngreet = {{ path = \"../mine\" }}\n"));
    let locked = tender(&space, &["-C", "ws", "build", "--locked"]).expect_code(2);
    locked.expect_stderr(&["sources that no manifest names"]);
    // Of the user's own crates warnings are shown.
    let run = tender(&space, &["-C", "ws", "run"]).expect_ok();
    assert!(run.stdout == "mine\n" && run.stderr.contains("unused variable"), "{run}");
    assert!(!space.read("ws/Tender.lock").contains("[[source]]"));
    space.edit("mine/src/greet.c", "\"mine\"", "\"edited\"");
    assert_eq!(tender(&space, &["-C", "ws", "run"]).expect_ok().stdout, "edited\n");
}

#[test]
fn sources_that_differ_are_a_conflict() {
    let (space, _) = repository();
    let two = format!("{} }}\nb = {{ path = \"b\"", url(&space, "repo"));
    app(&space, "ws", &two);
    space.write(
        "ws/b/Tender.toml",
        format!(
            "[package]\nname = \"b\"\n[dependencies]\ngreet = {{ {}, branch = \"main\" }}\n",
            url(&space, "repo")
        ),
    );
    space.write("ws/b/src/b.c", "int b;\n");
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(2);
    run.expect_stderr(&[
        "the crates `app` and `b` take `greet` from different sources",
        "b/Tender.toml:4",
        "choose it for all by `[patch]`",
    ]);
    let manifest = space.read("ws/Tender.toml");
    let patch = format!("[patch]\ngreet = {{ {}, branch = \"main\" }}\n", url(&space, "repo"));
    space.write("ws/Tender.toml", format!("{manifest}{patch}"));
    says(&space, "ws", &[], "one");
}

#[test]
fn commands_say_nothing_where_nothing_is_taken_from_elsewhere() {
    let space = TestSpace::new();
    space.write("ws/Tender.toml", "[package]\nname = \"app\"\n");
    space.write("ws/src/main.c", "int main(void) { return 0; }\n");
    for command in ["fetch", "update", "vendor"] {
        tender(&space, &["-C", "ws", command]).expect_ok();
    }
    for path in ["ws/Tender.lock", "ws/vendor", "cache"] {
        assert!(!space.exists(path), "{path}");
    }
}
