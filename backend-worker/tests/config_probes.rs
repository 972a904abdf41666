//! Probes of configuration headers have the same answers together as alone: random sets of them,
//! with the real clang and the real linker.

use proptest::prelude::*;
use std::sync::Once;
use tender_protocol::{Configure, Language, Probe, ProbeTest};
use tender_worker::configure::{Batching, verdicts};
use tender_worker::emit::LinkCaches;
use tender_worker::llvm;

/// A test, its headers, and its libraries.
type Row = (ProbeTest, Option<&'static [&'static str]>, &'static [&'static str]);

/// Probes that are true and false, and some that would spoil a unit for others.
fn tests() -> Vec<Row> {
    use ProbeTest::{
        Alignof, Compiles, Endian, HasDecl, HasFlag, HasFunction, HasHeader, HasLibrary, HasMember,
        HasSymbol, HasType, Links, Sizeof,
    };
    let none: &[&str] = &[];
    vec![
        (HasHeader("stdio.h".into()), None, none),
        (HasHeader("tender_absent.h".into()), None, none),
        // It stops without the macro that another header defines.
        (HasHeader("needs_first.h".into()), None, none),
        (HasHeader("first.h".into()), None, none),
        (HasHeader("first.h".into()), Some(&["sys/types.h"]), none),
        // It includes a header that is absent, which is fatal.
        (HasHeader("broken.h".into()), None, none),
        (HasFunction("printf".into()), None, none),
        (HasFunction("tender_absent".into()), None, none),
        (HasFunction("main".into()), None, none),
        (HasFunction("cos".into()), None, &["m"]),
        (HasFunction("tender_absent".into()), None, &["m"]),
        (HasFunction("cos".into()), None, &["tender_absent"]),
        (HasFunction("printf".into()), Some(&["stdio.h"]), none),
        (HasFunction("printf".into()), Some(&["string.h"]), none),
        (HasFunction("declared_only".into()), Some(&["first.h"]), none),
        (HasSymbol("EOF".into()), Some(&["stdio.h"]), none),
        (HasSymbol("stdout".into()), Some(&["stdio.h"]), none),
        (HasSymbol("stdout".into()), Some(&["broken.h"]), none),
        (HasDecl("printf".into()), None, none),
        (HasDecl("tender_absent".into()), None, none),
        (HasDecl("declared_only".into()), Some(&["first.h"]), none),
        (HasDecl("x; } int y = z; void g(void) {".into()), None, none),
        (HasType("size_t".into()), None, none),
        (HasType("tender_absent_t".into()), None, none),
        (HasType("struct tender_absent".into()), None, none),
        (HasType("errno".into()), Some(&["errno.h"]), none),
        (HasType("unbalanced(".into()), None, none),
        (HasMember("struct stat.st_mode".into()), None, none),
        (HasMember("struct stat.st_absent".into()), None, none),
        (HasMember("struct first.bits".into()), Some(&["first.h"]), none),
        (Sizeof("int".into()), None, none),
        (Sizeof("void *".into()), None, none),
        (Sizeof("tender_absent_t".into()), None, none),
        (Alignof("double".into()), None, none),
        (Endian("big".into()), None, none),
        (Endian("little".into()), None, none),
        (HasLibrary("m".into()), None, none),
        (HasLibrary("tender_absent".into()), None, none),
        (Compiles("int x;\n#define size_t 7\n".into()), None, none),
        (Compiles("int x = ;\n".into()), None, none),
        (Links("int f(void) { return 0; } int main(void) { return f(); }".into()), None, none),
        (Links("int f(void) { return 1; } int main(void) { return f(); }".into()), None, none),
        (Links("int f(void); int main(void) { return f(); }".into()), None, none),
        (Links("int no_main;".into()), None, none),
        (HasFlag("-Wall".into()), None, none),
        (HasFlag("-Wtender-absent".into()), None, none),
        (HasFlag("-ftender-absent".into()), None, none),
    ]
}

const HEADERS: [(&str, &str); 3] = [
    ("first.h", "#define FIRST 1\nint declared_only(void);\nstruct first { int bits : 3; };\n"),
    ("needs_first.h", "#ifndef FIRST\n#error first.h first\n#endif\n"),
    ("broken.h", "#include <tender_absent_within.h>\n"),
];

/// With lld, and with the linker that the system has.
fn drivers() -> [Vec<String>; 2] {
    const DIRECTORY: &str = concat!("-B", env!("TENDER_LLVM_PREFIX"), "/bin");
    [vec!["cc", DIRECTORY, "-fuse-ld=lld"], vec!["cc"]]
        .map(|words| words.into_iter().map(str::to_owned).collect())
}

fn check(chosen: &[usize], cxx: bool, driver: Vec<String>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| llvm::initialise(|text| panic!("LLVM: {text}")));
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in HEADERS {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let language = if cxx { Language::Cxx } else { Language::C };
    let all = tests();
    let probes: Vec<Probe> = chosen
        .iter()
        .enumerate()
        .map(|(number, at)| {
            let (test, headers, libs) = all[*at % all.len()].clone();
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            Probe {
                name: format!("P{number}"),
                test,
                headers: headers.map(owned),
                libs: owned(libs),
                language,
            }
        })
        .collect();
    let args = vec![format!("-I{}", dir.path().display())];
    let request = Configure {
        header: dir.path().join("config.h").display().to_string(),
        results: dir.path().join("config.json").display().to_string(),
        template: None,
        c_args: args.clone(),
        cxx_args: args,
        c_driver: driver.clone(),
        cxx_driver: driver,
        link_args: Vec::new(),
        probes,
        values: Vec::new(),
    };
    let caches = LinkCaches::default();
    let together = verdicts(&request, &caches, Batching::Together);
    let alone = verdicts(&request, &caches, Batching::Alone);
    for ((probe, together), alone) in request.probes.iter().zip(&together).zip(&alone) {
        assert_eq!(
            (together.found, together.value),
            (alone.found, alone.value),
            "{probe:?}\ntogether: {}\nalone: {}",
            together.error,
            alone.error
        );
        assert_eq!(together.found, together.error.is_empty(), "{probe:?}: {}", together.error);
    }
}

/// All of them in one header.
#[test]
fn probes_of_all_kinds_have_the_same_answers_together_as_alone() {
    let all: Vec<usize> = (0..tests().len()).collect();
    for driver in drivers() {
        check(&all, false, driver);
    }
    check(&all, true, drivers()[0].clone());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn probes_have_the_same_answers_together_as_alone(
        chosen in prop::collection::vec(any::<usize>(), 1..20),
        cxx in any::<bool>(),
        lld in any::<bool>(),
    ) {
        check(&chosen, cxx, drivers()[usize::from(!lld)].clone());
    }
}
