//! Git repositories: the lock file pins a commit, and neither variables nor the user's configuration
//! change what is built.

use crate::space::{app, command, files, greet, run, says, tender};
use tender_tests::TestSpace;

pub fn git(space: &TestSpace, dir: &str, args: &[&str]) -> String {
    let own = [
        "-C",
        dir,
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x",
        "-c",
        "protocol.file.allow=always",
    ];
    let run = run(space, "git", &[&own[..], args].concat()).expect_ok();
    run.stdout.trim().to_owned()
}

/// A commit of all that is in `dir`, its name.
pub fn commit(space: &TestSpace, dir: &str) -> String {
    git(space, dir, &["add", "--all"]);
    git(space, dir, &["commit", "-q", "-m", "x"]);
    git(space, dir, &["rev-parse", "HEAD"])
}

/// A repository `repo` with `greet`, which says `one`, and its commit.
pub fn repository() -> (TestSpace, String) {
    let space = TestSpace::new();
    greet(&space, "repo", "one");
    git(&space, "repo", &["init", "-q", "-b", "main"]);
    let first = commit(&space, "repo");
    (space, first)
}

pub fn url(space: &TestSpace, dir: &str) -> String {
    format!("git = \"file://{}\"", space.path(dir))
}

#[test]
fn repository_stays_at_the_commit_of_the_lock_file() {
    let (space, first) = repository();
    app(&space, "ws", &url(&space, "repo"));
    says(&space, "ws", &[], "one");
    assert!(space.read("ws/Tender.lock").contains(&format!("commit = \"{first}\"")));
    greet(&space, "repo", "two");
    let second = commit(&space, "repo");
    says(&space, "ws", &["--locked"], "one");
    tender(&space, &["-C", "ws", "clean"]).expect_ok();
    says(&space, "ws", &["--frozen"], "one");
    let tree = tender(&space, &["-C", "ws", "tree"]).expect_ok();
    assert!(tree.stdout.contains(&format!("/repo#{})", &first[..8])), "{tree}");
    // Another reference is another source.
    app(&space, "ws", &format!("{}, branch = \"main\"", url(&space, "repo")));
    tender(&space, &["-C", "ws", "build", "--locked"]).expect_code(2);
    says(&space, "ws", &[], "two");
    let lock = space.read("ws/Tender.lock");
    assert!(lock.contains(&second) && !lock.contains(&first), "{lock}");
}

#[test]
fn repository_has_branches_tags_and_commits() {
    let (space, first) = repository();
    git(&space, "repo", &["tag", "-a", "v1", "-m", "one"]);
    git(&space, "repo", &["checkout", "-q", "-b", "work"]);
    greet(&space, "repo", "two");
    let second = commit(&space, "repo");
    greet(&space, "repo", "three");
    commit(&space, "repo");
    let check = |reference: &str, text: &str| {
        app(&space, "ws", &format!("{}, {reference}", url(&space, "repo")));
        says(&space, "ws", &[], text);
    };
    check("branch = \"main\"", "one");
    check("branch = \"work\"", "three");
    check("tag = \"v1\"", "one");
    check(&format!("rev = \"{second}\""), "two");
    check(&format!("rev = \"{}\"", &second[..9]), "two");
    check(&format!("rev = \"{}\"", &first[..9]), "one");
    check("rev = \"refs/heads/work\"", "three");
    let refused = |reference: &str, expect: &str| {
        app(&space, "ws", &format!("{}, {reference}", url(&space, "repo")));
        let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
        run.expect_stderr(&[expect]);
    };
    refused("branch = \"none\"", "has no branch `none`");
    refused("tag = \"none\"", "has no tag `none`");
    refused("rev = \"main\"", "has no rev `main`");
    refused("rev = \"0123456\"", "the commit 0123456 is not in");
    let none = "0".repeat(40);
    refused(&format!("rev = \"{none}\""), &format!("the commit {none} is not in"));
}

#[test]
fn repository_is_the_same_whatever_the_user_has_set() {
    let (space, _) = repository();
    space.write(
        "repo/.gitattributes",
        "*.c text eol=crlf\ninclude export-ignore\nsrc/* filter=evil\n",
    );
    let first = commit(&space, "repo");
    app(&space, "one", &url(&space, "repo"));
    says(&space, "one", &[], "one");
    app(&space, "two", &url(&space, "repo"));
    space.write("home/.gitconfig", format!(
        "[core]\nautocrlf = true\nhooksPath = {0}\n[filter \"evil\"]\nsmudge = touch {0}/evil\n[url \"file:///nonexistent\"]\ninsteadOf = file://\n",
        space.path("")
    ));
    let mut build = command(&space, &["-C", "two", "build"]);
    build.env("HOME", space.path("home")).env("XDG_CACHE_HOME", space.path("cache2"));
    for (name, value) in [
        ("GIT_DIR", "/nonexistent"),
        ("GIT_WORK_TREE", "/nonexistent"),
        ("GIT_INDEX_FILE", "/nonexistent"),
        ("GIT_OBJECT_DIRECTORY", "/nonexistent"),
        ("GIT_SSH_COMMAND", "false"),
        ("GIT_EXTERNAL_DIFF", "false"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.autocrlf"),
        ("GIT_CONFIG_VALUE_0", "true"),
        ("GIT_DEFAULT_HASH", "sha256"),
    ] {
        build.env(name, value);
    }
    space.run(build).expect_ok();
    assert_eq!(space.read("one/Tender.lock"), space.read("two/Tender.lock"));
    assert!(space.read("two/Tender.lock").contains(&first) && !space.exists("evil"));
    let source =
        files(&space, "two/target/sources").into_iter().find(|path| path.ends_with("greet.c"));
    let text = space.read(&format!("two/target/sources/{}", source.unwrap()));
    assert!(!text.contains('\r'));
}

#[test]
fn repository_has_its_submodules() {
    let (space, _) = repository();
    space.write("inner/deep.h", "#define DEEP \"deep\"\n");
    git(&space, "inner", &["init", "-q", "-b", "main"]);
    commit(&space, "inner");
    space.write("sub/sub.h", "#include \"inner/deep.h\"\n");
    git(&space, "sub", &["init", "-q", "-b", "main"]);
    git(&space, "sub", &["submodule", "add", "-q", "../inner", "inner"]);
    commit(&space, "sub");
    git(
        &space,
        "repo",
        &["submodule", "add", "-q", &format!("file://{}", space.path("sub")), "third/sub"],
    );
    space.write(
        "repo/src/greet.c",
        "#include <greet.h>\n#include \"../third/sub/sub.h\"\nconst char *greet(void) { return DEEP; }\n",
    );
    commit(&space, "repo");
    app(&space, "ws", &url(&space, "repo"));
    says(&space, "ws", &[], "deep");
    // One that nobody describes.
    git(&space, "repo", &["rm", "-q", "--cached", ".gitmodules"]);
    space.remove("repo/.gitmodules");
    commit(&space, "repo");
    app(&space, "other", &url(&space, "repo"));
    let run = tender(&space, &["-C", "other", "build"]).expect_code(101);
    run.expect_stderr(&["the submodule `third/sub` of", "`.gitmodules` does not say where it is"]);
}

#[test]
fn repository_that_is_gone_is_needed_no_more() {
    let (space, first) = repository();
    app(&space, "ws", &url(&space, "repo"));
    says(&space, "ws", &[], "one");
    std::fs::rename(space.path("repo"), space.path("moved")).unwrap();
    space.remove("ws/target");
    says(&space, "ws", &[], "one");
    space.remove("ws/target");
    space.remove("cache");
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    run.expect_stderr(&["git cannot fetch file://"]);
    // Another history in its place.
    greet(&space, "repo", "other");
    git(&space, "repo", &["init", "-q", "-b", "main"]);
    let other = commit(&space, "repo");
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    run.expect_stderr(&[&format!("the commit {first} is not in"), "`tender update`"]);
    space.remove("ws/Tender.lock");
    says(&space, "ws", &[], "other");
    assert!(space.read("ws/Tender.lock").contains(&other));
}

#[test]
fn repository_of_several_crates_is_fetched_once() {
    let space = TestSpace::new();
    greet(&space, "repo/crates/greet", "one");
    space.write("repo/Tender.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
    space.write(
        "repo/crates/other/Tender.toml",
        "[package]\nname = \"other\"\n[dependencies]\ngreet = { path = \"../greet\" }\n",
    );
    space.write("repo/crates/other/src/other.c", "int other;\n");
    git(&space, "repo", &["init", "-q", "-b", "main"]);
    commit(&space, "repo");
    app(&space, "ws", &format!("{} }}\nother = {{ {}", url(&space, "repo"), url(&space, "repo")));
    says(&space, "ws", &[], "one");
    assert!(space.read("ws/Tender.lock").contains("crates = [\"greet\", \"other\"]"));
    assert_eq!(space.path("ws/target/sources").read_dir_utf8().unwrap().count(), 1);
}
