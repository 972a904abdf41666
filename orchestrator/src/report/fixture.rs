//! A small workspace and its graph, for the tests of reports: the library `zip`, and the program
//! `app` that uses it.

use crate::graph::{Artifact, ArtifactKind, Graph, Ingredients, Item, ItemKind, Run};
use crate::keys::ItemId;
use crate::manifest::{
    Bin, BuildSettings, Crate, CrateId, Dependency, Launch, Lib, Profile, ProgramKind, Sources,
    TargetSettings, Workspace,
};
use tender_protocol::{Diagnostic, Language, Level, Member, Work};

pub const ZIP_A: ItemId = ItemId(0);
pub const ZIP_B: ItemId = ItemId(1);
pub const ZIP_ARCHIVE: ItemId = ItemId(2);
pub const APP_MAIN: ItemId = ItemId(3);
pub const APP_LINK: ItemId = ItemId(4);

fn sources(files: &[&str]) -> Sources {
    Sources { files: files.iter().map(|f| (*f).into()).collect(), ruled: vec![], patterns: vec![] }
}

fn krate(name: &str) -> Crate {
    Crate {
        name: name.into(),
        version: "0.1.0".into(),
        dir: format!("/ws/{name}").into(),
        manifest: format!("/ws/{name}/Tender.toml").into(),
        libs: vec![],
        bins: vec![],
        default_run: None,
        scan_modules: None,
        dependencies: vec![],
        generate: vec![],
        config_headers: vec![],
        left_out: vec![],
        about: Default::default(),
        install: Default::default(),
        declared: vec![],
        features: Default::default(),
        source: None,
        files_for_sources: Vec::new(),
    }
}

pub fn profile() -> Profile {
    Profile::release()
}

pub fn workspace() -> Workspace {
    let bin = |name: &str, file: &str| Bin {
        name: name.into(),
        kind: ProgramKind::Bin,
        launch: Launch::default(),
        sources: sources(&[file]),
        settings: TargetSettings::default(),
    };
    let app = Crate {
        bins: vec![bin("app", "/ws/app/src/main.c"), bin("app two", "/ws/app/src/bin/two.c")],
        default_run: None,
        dependencies: vec![Dependency::on(CrateId(1), "zip")],
        ..krate("app")
    };
    let zip = Crate {
        libs: vec![Lib {
            name: "zip".into(),
            in_list: false,
            found: false,
            sources: sources(&["/ws/zip/src/a.c", "/ws/zip/src/b.c"]),
            modules: None,
            headers: vec![],
            public_defines: vec![],
            public_link_args: vec![],
            staticlib: true,
            cdylib: false,
            object: false,
            exports: None,
            output: None,
            soname: None,
            version: None,
            uses: vec![],
            settings: TargetSettings::default(),
        }],
        ..krate("zip")
    };
    Workspace {
        root: "/ws".into(),
        manifest: "/ws/Tender.toml".into(),
        crates: vec![app, zip],
        default_members: vec![CrateId(0), CrateId(1)],
        members: vec![CrateId(0), CrateId(1)],
        build: BuildSettings::default(),
        profiles: [("release".to_owned(), profile())].into(),
        host_crates: Default::default(),
        dev_crates: Default::default(),
        target: None,
        awaits_probes: false,
        files_for_sources: Vec::new(),
    }
}

fn item(krate: u32, kind: ItemKind, key: &str, label: &str, run: Run, output: &str) -> Item {
    Item {
        krate: CrateId(krate),
        krate_name: ["app", "zip"][krate as usize].into(),
        host: false,
        kind,
        key: key.into(),
        label: label.into(),
        after: vec![],
        run,
        program: None,
        inputs: vec![],
        outputs: vec![output.into()],
        ingredients: Ingredients { own: vec![], profile: vec![], interfaces: vec![] },
        size: 1000,
    }
}

fn compile(krate: u32, key: &str, source: &str, object: &str) -> Item {
    let work = Work::Compile {
        source: source.into(),
        language: Language::C,
        args: vec!["-O2".into(), "-DNAME=\"a b\"".into()],
        object: object.into(),
        cut: None,
        lto: Default::default(),
        share: None,
        translation: None,
    };
    item(krate, ItemKind::Compile, key, source, Run::Worker(work), object)
}

pub fn graph() -> Graph {
    let archive = Work::Archive {
        output: "target/release/libzip.a".into(),
        members: vec![Member { name: "a.o".into(), path: "target/release/.tender/zip/a.o".into() }],
        lto: None,
    };
    let link = Work::Link {
        driver: vec!["cc".into(), "-fuse-ld=lld".into()],
        args: vec!["target/release/.tender/app/main.o".into()],
        output: "target/release/app".into(),
        lto: None,
    };
    Graph {
        root: "/ws".into(),
        host_profile: Profile::dev(),
        profile: profile(),
        out_dir: "/ws/target/release".into(),
        state_dir: "/ws/target/release/.tender".into(),
        items: vec![
            compile(1, "zip lib src/a.c", "zip/src/a.c", "target/release/.tender/zip/a.o"),
            compile(1, "zip lib src/b.c", "zip/src/b.c", "target/release/.tender/zip/b.o"),
            item(
                1,
                ItemKind::Archive,
                "zip archive",
                "libzip.a",
                Run::Worker(archive),
                "target/release/libzip.a",
            ),
            compile(
                0,
                "app bin app src/main.c",
                "app/src/main.c",
                "target/release/.tender/app/main.o",
            ),
            item(
                0,
                ItemKind::Program,
                "app bin app",
                "app",
                Run::Worker(link),
                "target/release/app",
            ),
        ],
        modules: vec![],
        unbuilt_archives: vec![],
        unscanned: vec![],
        artifacts: vec![
            Artifact {
                item: APP_LINK,
                krate: CrateId(0),
                kind: ArtifactKind::Program(ProgramKind::Bin),
                name: "app".into(),
                path: "/ws/target/release/app".into(),
            },
            Artifact {
                item: ZIP_ARCHIVE,
                krate: CrateId(1),
                kind: ArtifactKind::Staticlib,
                name: "zip".into(),
                path: "/ws/target/release/libzip.a".into(),
            },
        ],
    }
}

/// A diagnostic as clang renders it: in colour, with a newline.
pub fn diagnostic(level: Level, message: &str) -> Diagnostic {
    let word = if level == Level::Error { "error" } else { "warning" };
    Diagnostic {
        level,
        message: message.into(),
        file: Some("zip/src/a.c".into()),
        line: 3,
        column: 5,
        rendered: format!("zip/src/a.c:3:5: \u{1b}[31m{word}: \u{1b}[0m{message}\n  f();\n  ^\n"),
    }
}

/// Output that a sink writes to and a test reads.
#[derive(Clone, Default)]
pub struct Shared(pub std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
