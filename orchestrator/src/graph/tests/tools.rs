//! Crates whose programs run in the build.

use super::*;

/// `app` runs `mk`, which links its own library and `base`; `app` depends on `base` too.
fn space() -> Workspace {
    let mut app = bin(krate("app"), "app", &["main.c"]);
    let each = |name: &str| Generate {
        name: Some("numbers".into()),
        each: Some(format!("/w/app/{name}.in").into()),
        run: vec!["mk".into(), name.into()],
        tool: Some(CrateId(2)),
        inputs: vec![format!("/w/app/{name}.in").into()],
        outputs: vec![format!("$OUT_DIR/{name}.c")],
        ..Generate::default()
    };
    app.generate = vec![each("a"), each("b")];
    let mk = bin(bin(lib(krate("mk"), &["lib.c"]), "mk", &["main.c"]), "other", &["other.c"]);
    let workspace =
        workspace(vec![(app, &["base"]), (lib(krate("base"), &["b.c"]), &[]), (mk, &["base"])]);
    assert_eq!(workspace.crates[2].name, "mk");
    workspace
}

const HOST: [&str; 6] = [
    "base host lib b.c",
    "base host archive",
    "mk host lib lib.c",
    "mk host archive",
    "mk host bin mk main.c",
    "mk host bin mk",
];

#[test]
fn program_of_a_build_dependency_is_built_for_the_build() {
    let graph = graph(&space(), &["app"]);
    let app = [
        "app generate [numbers] a.in",
        "app generate [numbers] b.in",
        "app bin app main.c",
        "app bin app $OUT_DIR/a.c",
        "app bin app $OUT_DIR/b.c",
        "app bin app",
    ];
    let expect: Vec<&str> =
        ["base lib b.c", "base archive"].into_iter().chain(HOST).chain(app).collect();
    assert_eq!(keys(&graph), expect);
    assert!(graph.items.iter().all(|item| item.host == item.key.contains(" host ")));
    assert_eq!(after(&graph, app[0]), ["mk host bin mk"]);
    let command = item(&graph, app[0]);
    assert_eq!(command.label, "numbers app/a.in");
    assert_eq!(command.program.as_ref().unwrap().name, "mk");
    match &command.run {
        Run::Command(command) => {
            assert_eq!(command.words, ["/w/target/debug/.tender/host/bin/mk", "a"]);
        }
        other => panic!("{other:?}"),
    }
    assert!(args(&graph, "mk host lib lib.c").starts_with("-O2 -fPIC"));
    assert!(args(&graph, "app bin app main.c").starts_with("-O0 -fPIE"));
    assert_eq!(
        args(&graph, "mk host bin mk"),
        "-pie target/debug/.tender/host/crates/mk/obj/bin-mk/main.c.o \
         target/debug/.tender/host/bin/libmk.a target/debug/.tender/host/bin/libbase.a"
    );
}

#[test]
fn both_builds_of_a_crate_have_nothing_in_common() {
    let profile = Profile { codegen_units: Some(2), ..profile("dev") };
    let cut = |workspace: &Workspace, roots: &[&str]| {
        try_graph_with(workspace, &profile, Mode::Build, roots, &[]).unwrap()
    };
    let alone = {
        let mut workspace = space();
        workspace.crates[0].generate.clear();
        cut(&workspace, &["base", "mk"])
    };
    let both = cut(&space(), &["app", "base", "mk"]);
    for of_users in &alone.items {
        let same = item(&both, &of_users.key);
        assert_eq!(format!("{:?}", same.run), format!("{:?}", of_users.run));
        assert_eq!((&same.outputs, &same.ingredients), (&of_users.outputs, &of_users.ingredients));
    }
    let suffix = |key: &str| match &item(&both, key).run {
        Run::Worker(Work::Compile { cut: Some(cut), .. }) => cut.suffix.clone(),
        other => panic!("{other:?}"),
    };
    assert_ne!(suffix("mk lib lib.c"), suffix("mk host lib lib.c"));
    let of_users = |item: &&Item| !item.host;
    let of_host = both.items.iter().filter(|item| item.host);
    for output in of_host.flat_map(|item| &item.outputs) {
        assert!(output.starts_with("target/debug/.tender/host"), "{output}");
        assert!(both.items.iter().filter(of_users).all(|item| !item.outputs.contains(output)));
    }
    assert!(!keys(&both).contains(&"mk host bin other"), "no command runs it");
}

#[test]
fn check_builds_what_commands_run() {
    let graph = try_graph(&space(), Mode::Check, &["app"]).unwrap();
    for key in HOST {
        assert!(keys(&graph).contains(&key), "{key}");
    }
    assert!(keys(&graph).contains(&"app check bin app main.c"));
    assert_eq!(after(&graph, "app check bin app main.c")[0], "app generate [numbers] a.in");
}

#[test]
fn commands_that_write_into_a_crate_run_once_for_both_builds() {
    let mut workspace = space();
    let command = |output: &str| Generate {
        run: vec!["gen".into()],
        outputs: vec![output.into()],
        ..Generate::default()
    };
    workspace.crates[2].generate = vec![command("lib.c")];
    let graph = graph(&workspace, &["app", "mk"]);
    assert!(!keys(&graph).contains(&"mk host generate 0"));
    for key in ["mk lib lib.c", "mk host lib lib.c"] {
        assert_eq!(after(&graph, key), ["mk generate 0"]);
    }
    workspace.crates[2].generate = vec![command("$OUT_DIR/x.h")];
    let graph = super::graph(&workspace, &["app", "mk"]);
    for host in ["", "host "] {
        let key = format!("mk {host}lib lib.c");
        assert_eq!(after(&graph, &key), [format!("mk {host}generate 0")]);
        let dir = if host.is_empty() { "" } else { "host/crates/" };
        let words = args(&graph, &key);
        assert!(words.contains(&format!("-Itarget/debug/.tender/{dir}mk/out")), "{words}");
    }
}

#[test]
fn shared_libraries_of_a_program_are_inputs_of_its_commands() {
    let mut workspace = space();
    let base = &mut workspace.crates[1].libs[0];
    (base.staticlib, base.cdylib) = (false, true);
    let graph = graph(&workspace, &["app"]);
    assert_eq!(
        item(&graph, "app generate [numbers] a.in").inputs,
        ["app/a.in", "target/debug/.tender/host/bin/libbase.so"]
    );
}
