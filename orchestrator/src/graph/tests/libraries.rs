//! What edges between crates say, and crates with several libraries.

use super::*;

/// The edge from one crate to another.
fn edge<'w>(workspace: &'w mut Workspace, from: &str, to: &str) -> &'w mut Dependency {
    let krate = workspace.crates.iter_mut().find(|krate| krate.name == from).unwrap();
    krate.dependencies.iter_mut().find(|dependency| dependency.name == to).unwrap()
}

fn change_lib(workspace: &mut Workspace, name: &str, change: impl FnOnce(&mut Lib)) {
    let krate = workspace.crates.iter_mut().find(|krate| krate.name == name).unwrap();
    change(&mut krate.libs[0]);
}

/// app -> middle -> low, each with words for compiling and links.
fn chain() -> Workspace {
    let mut chain = workspace(vec![
        (bin(krate("app"), "app", &["main.c"]), &["middle"]),
        (lib(krate("middle"), &["m.c"]), &["low"]),
        (lib(krate("low"), &["l.c"]), &[]),
    ]);
    for name in ["middle", "low"] {
        change_lib(&mut chain, name, |lib| {
            lib.public_defines = vec![format!("D_{name}")];
            lib.public_link_args = vec![format!("-Wl,--{name}")];
            lib.settings.link = vec![format!("sys{name}")];
        });
    }
    chain
}

#[test]
fn private_dependency_is_linked_and_not_shown() {
    let mut chain = chain();
    edge(&mut chain, "middle", "low").public = false;
    let graph = graph(&chain, &["app"]);
    let unit = args(&graph, "app bin app main.c");
    assert!(unit.ends_with("-Imiddle/include -DD_middle"), "{unit}");
    let unit = args(&graph, "middle lib m.c");
    assert!(unit.ends_with("-Ilow/include -DD_low"), "{unit}");
    let link = args(&graph, "app bin app");
    assert!(
        link.ends_with("libmiddle.a target/debug/liblow.a -Wl,--middle -lsysmiddle -lsyslow"),
        "{link}"
    );
}

#[test]
fn private_dependency_is_shown_where_another_path_is_public() {
    let mut chain = chain();
    edge(&mut chain, "middle", "low").public = false;
    let app = chain.crates.iter_mut().find(|krate| krate.name == "app").unwrap();
    app.dependencies.push(Dependency::on(CrateId(1), "low"));
    assert_eq!(chain.crates[1].name, "low");
    let graph = graph(&chain, &["app"]);
    assert!(args(&graph, "app bin app main.c").ends_with("-DD_middle -Ilow/include -DD_low"));
    assert!(args(&graph, "app bin app").contains("-Wl,--middle -Wl,--low"));
}

#[test]
fn headers_only_dependency_is_neither_built_nor_linked() {
    let mut chain = chain();
    edge(&mut chain, "app", "middle").headers_only = true;
    change_generates_header(&mut chain, "low");
    let graph = graph(&chain, &["app"]);
    let unit = "app bin app main.c";
    assert_eq!(keys(&graph), ["low generate 0", unit, "app bin app"]);
    assert!(args(&graph, unit).contains("-Imiddle/include -DD_middle -Ilow/include"));
    assert_eq!(after(&graph, unit), ["low generate 0"]);
    assert_eq!(args(&graph, "app bin app"), "-pie target/debug/.tender/app/obj/bin-app/main.c.o");
}

fn change_generates_header(workspace: &mut Workspace, name: &str) {
    let krate = workspace.crates.iter_mut().find(|krate| krate.name == name).unwrap();
    krate.generate.push(Generate {
        run: vec!["sh".into()],
        outputs: vec!["$OUT_DIR/g.h".into()],
        ..Generate::default()
    });
}

#[test]
fn crate_that_another_one_links_is_built_though_one_needs_its_headers_alone() {
    let mut chain = chain();
    edge(&mut chain, "app", "middle").headers_only = true;
    let graph = graph(&chain, &["app", "middle"]);
    assert!(keys(&graph).contains(&"middle archive"));
    assert!(!args(&graph, "app bin app").contains(".a"));
}

#[test]
fn system_headers_are_chosen_by_edge() {
    let mut chain = chain();
    edge(&mut chain, "middle", "low").system = Some(true);
    let whole = graph(&chain, &["app"]);
    for unit in ["app bin app main.c", "middle lib m.c"] {
        assert!(args(&whole, unit).contains("-isystemlow/include"), "{unit}");
    }
    assert!(args(&whole, "app bin app main.c").contains("-Imiddle/include"));
    // What a crate says of its own dependency counts.
    let app = chain.crates.iter_mut().find(|krate| krate.name == "app").unwrap();
    let own = Dependency { system: Some(false), ..Dependency::on(CrateId(1), "low") };
    app.dependencies.push(own);
    let whole = graph(&chain, &["app"]);
    assert!(args(&whole, "app bin app main.c").contains("-Ilow/include"));
    assert!(args(&whole, "middle lib m.c").contains("-isystemlow/include"));
}

#[test]
fn whole_archive_is_of_one_edge_and_not_of_what_a_shared_library_holds() {
    let mut chain = chain();
    edge(&mut chain, "middle", "low").whole_archive = true;
    let whole = "-Wl,--whole-archive target/debug/liblow.a -Wl,--no-whole-archive";
    let link = args(&graph(&chain, &["app"]), "app bin app");
    assert!(link.contains(&format!("target/debug/libmiddle.a {whole}")), "{link}");
    change_lib(&mut chain, "middle", |lib| (lib.staticlib, lib.cdylib) = (false, true));
    let graph = graph(&chain, &["app"]);
    assert!(args(&graph, "middle shared").contains(whole));
    let link = args(&graph, "app bin app");
    assert!(link.contains("target/debug/libmiddle.so target/debug/liblow.a "), "{link}");
}

/// A crate with the libraries `core`, `extra`, which uses `core`, and `lone`, and a program `tool`.
/// `app` depends on it.
fn several() -> Workspace {
    let mut several = bin(krate("set"), "tool", &["tool.c"]);
    for (name, uses) in [("core", vec![]), ("extra", vec![0]), ("lone", vec![])] {
        several = lib(several, &[&format!("{name}.c")]);
        let lib = several.libs.last_mut().unwrap();
        (lib.name, lib.in_list, lib.uses) = (name.into(), true, uses);
        lib.headers = vec![format!("/w/set/{name}").into()];
    }
    let app = bin(krate("app"), "app", &["main.c"]);
    workspace(vec![(app, &["set"]), (several, &[])])
}

#[test]
fn libraries_of_a_crate_are_items_of_their_own() {
    let graph = graph(&several(), &["set"]);
    assert_eq!(
        keys(&graph),
        [
            "set lib core core.c",
            "set archive core",
            "set lib extra extra.c",
            "set archive extra",
            "set lib lone lone.c",
            "set archive lone",
            "set bin tool tool.c",
            "set bin tool",
        ]
    );
    let object = "target/debug/.tender/set/obj/lib-extra/extra.c.o";
    assert_eq!(item(&graph, "set lib extra extra.c").outputs, [object]);
    assert_eq!(item(&graph, "set archive extra").outputs, ["target/debug/libextra.a"]);
    assert!(args(&graph, "set lib extra extra.c").ends_with("-Iset/extra -Iset/core"));
    assert!(args(&graph, "set lib core core.c").ends_with(" -Iset/core"));
    assert!(args(&graph, "set bin tool tool.c").ends_with("-Iset/core -Iset/extra -Iset/lone"));
    assert!(
        args(&graph, "set bin tool")
            .ends_with("libextra.a target/debug/libcore.a target/debug/liblone.a")
    );
    let names: Vec<&str> = graph.artifacts.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["core", "extra", "lone", "tool"]);
}

#[test]
fn chosen_library_brings_those_that_it_uses_and_no_others() {
    let mut several = several();
    let check = |several: &Workspace, units: &[&str], headers: &str, libraries: &str| {
        let graph = graph(several, &["app"]);
        let lone: Vec<&str> = keys(&graph).into_iter().filter(|key| key.ends_with(".c")).collect();
        assert_eq!(lone, units);
        let unit = args(&graph, "app bin app main.c");
        assert!(unit.ends_with(headers), "{unit}");
        let link = args(&graph, "app bin app");
        assert!(link.ends_with(libraries), "{link}");
    };
    let main = "app bin app main.c";
    edge(&mut several, "app", "set").libs = Some(vec![1]);
    check(
        &several,
        &["set lib core core.c", "set lib extra extra.c", main],
        "-Iset/core -Iset/extra",
        "main.c.o target/debug/libextra.a target/debug/libcore.a",
    );
    edge(&mut several, "app", "set").libs = Some(vec![2]);
    check(
        &several,
        &["set lib lone lone.c", main],
        "-Iset/lone",
        "main.c.o target/debug/liblone.a",
    );
}

#[test]
fn shared_library_is_linked_with_those_that_it_uses() {
    let mut several = several();
    let set = several.crates.iter_mut().find(|krate| krate.name == "set").unwrap();
    (set.libs[1].staticlib, set.libs[1].cdylib) = (false, true);
    // It may stand before what it uses.
    set.libs.swap(0, 1);
    set.libs[0].uses = vec![1];
    let graph = graph(&several, &["set"]);
    let link = args(&graph, "set shared extra");
    assert!(link.ends_with("lib-extra/extra.c.o target/debug/libcore.a"), "{link}");
    assert!(after(&graph, "set shared extra").contains(&"set archive core"));
}

#[test]
fn package_of_a_library_that_nobody_uses_may_be_missing() {
    let mut several = several();
    let set = several.crates.iter_mut().find(|krate| krate.name == "set").unwrap();
    set.libs[2].settings.pkg_config = vec!["missing".into()];
    edge(&mut several, "app", "set").libs = Some(vec![0]);
    graph(&several, &["app"]);
    assert!(matches!(
        try_graph(&several, Mode::Build, &["set"]),
        Err(GraphError::PkgConfig { .. })
    ));
}

#[test]
fn object_library_is_linked_object_by_object() {
    let mut chain = chain();
    change_lib(&mut chain, "low", |lib| (lib.staticlib, lib.object) = (false, true));
    let low = chain.crates.iter_mut().find(|krate| krate.name == "low").unwrap();
    low.libs[0].sources = sources(low, &["l.c", "pre.o", "pre.a"]);
    let object = "target/debug/.tender/low/obj/lib/l.c.o";
    let all =
        format!("{object} low/pre.o -Wl,--whole-archive low/pre.a -Wl,--no-whole-archive -Wl,--");
    let whole = graph(&chain, &["app", "low"]);
    assert!(!keys(&whole).contains(&"low archive"));
    let link = args(&whole, "app bin app");
    assert!(link.contains(&format!("target/debug/libmiddle.a {all}")), "{link}");
    assert!(after(&whole, "app bin app").contains(&"low lib l.c"));
    // A shared library between them has the objects.
    change_lib(&mut chain, "middle", |lib| (lib.staticlib, lib.cdylib) = (false, true));
    let graph = graph(&chain, &["app"]);
    assert!(args(&graph, "middle shared").contains(&all));
    let link = args(&graph, "app bin app");
    assert!(link.contains("libmiddle.so -Wl,-rpath") && !link.contains("low/"), "{link}");
}
