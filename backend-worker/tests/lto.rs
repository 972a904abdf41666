//! Link-time optimisation compared with clang and lld: the same inputs must give the same
//! behaviour, about the same size, and the same dynamic symbols.

#[path = "lto/space.rs"]
mod space;

use space::{Notes, Space, tool};
use std::process::Command;
use tender_worker::llvm;
use tender_worker::lto::LinkJob;

const PRINT: &str = "int printf(const char *, ...);\n";

#[test]
fn lto_link_job_is_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<LinkJob>();
}

#[test]
fn lto_inlines_across_crates() {
    for mut space in [Space::new(), Space::fat()] {
        let main = space.bitcode(
            "main.c",
            &format!(
                "{PRINT}int twice(int);\n__attribute__((noinline)) int work(int a) {{ return twice(a) + 1; }}\n\
                 int main(int argc, char **argv) {{ printf(\"%d\\n\", work(argc)); return 0; }}\n"
            ),
        );
        let twice = space
            .bitcode("twice.c", "int add(int, int);\nint twice(int a) { return add(a, a); }\n");
        let add = space.bitcode(
            "add.c",
            "static int count;\nint calls(void) { return count; }\nint add(int a, int b) { count++; return a + b; }\n",
        );
        space.word(main).library("twice", &[twice]).library("add", &[add]);
        let program = space.same("3\n");
        let code = space.disassembly(&program, "work");
        assert!(code.contains("ret"), "{code}");
        assert!(!code.contains("call"), "{code}");
    }
}

#[test]
fn lto_keeps_symbols_that_only_assembly_uses() {
    for mut space in [Space::new(), Space::fat()] {
        let main = space.bitcode(
            "main.c",
            &format!(
                "{PRINT}int from_assembly(int);\nint used(int a) {{ return a + 40; }}\n\
                 int main(int argc, char **argv) {{ printf(\"%d\\n\", from_assembly(argc)); }}\n"
            ),
        );
        let assembly = space.native("asm.s", ".globl from_assembly\nfrom_assembly: jmp used@PLT\n");
        space.word(main).word(assembly);
        space.same("41\n");
    }
}

#[test]
fn lto_exports_symbols_that_a_shared_library_uses() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        &format!(
            "{PRINT}int run(int);\nint callback(int a) {{ return a + 6; }}\nint unused(int a) {{ return a; }}\n\
             int main(int argc, char **argv) {{ printf(\"%d\\n\", run(argc)); }}\n"
        ),
    );
    let shared =
        space.shared("librun.so", "int callback(int);\nint run(int a) { return callback(a); }\n");
    space.word(main).word(shared);
    let program = space.same("7\n");
    assert!(space.dynamic_symbols(&program).contains(&"callback".to_owned()));
    assert!(!space.symbols(&program).contains("unused"));
}

#[test]
fn lto_crate_may_define_runtime_functions() {
    for mut space in [Space::new(), Space::fat()] {
        let main = space.bitcode(
            "main.c",
            &format!(
                "{PRINT}struct big {{ char c[4000]; }} a, b;\nvoid *malloc(unsigned long);\nextern long copies, allocated;\n\
                 __attribute__((noinline)) void assign(struct big *x, struct big *y) {{ *x = *y; }}\n\
                 int main(int argc, char **argv) {{ assign(&a, &b); assign(&b, &a);\n\
                   char *volatile p = malloc(100); p[0] = 1; printf(\"%ld %d\\n\", copies, allocated >= 100); }}\n"
            ),
        );
        let memory = space.bitcode(
            "memory.c",
            "long copies;\n__attribute__((no_builtin)) void *memcpy(void *d, const void *s, unsigned long n) {\n\
               copies++; for (unsigned long i = 0; i < n; i++) ((volatile char *)d)[i] = ((const char *)s)[i]; return d; }\n",
        );
        let allocate = space.bitcode(
            "allocate.c",
            "static char arena[1 << 20] __attribute__((aligned(16))); long allocated;\n\
             void *malloc(unsigned long n) { void *p = arena + allocated; allocated += (n + 15) & -16L; return p; }\n\
             void free(void *p) {}\n\
             void *calloc(unsigned long n, unsigned long m) { return malloc(n * m); }\n\
             void *realloc(void *p, unsigned long n) { return malloc(n); }\n",
        );
        space.word(main).library("memory", &[memory, allocate]);
        space.same("2 1\n");
    }
}

#[test]
fn lto_finds_native_members_for_generated_calls() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        &format!(
            "{PRINT}struct big {{ char c[4000]; }} a, b;\n\
             __attribute__((noinline)) void assign(struct big *x, struct big *y) {{ *x = *y; }}\n\
             int main(int argc, char **argv) {{ b.c[9] = 5; assign(&a, &b); printf(\"%d\\n\", a.c[9]); }}\n"
        ),
    );
    let copy = space.native(
        "copy.s",
        ".globl memcpy\nmemcpy: mov %rdi, %rax\nmov %rdx, %rcx\nrep movsb\nret\n",
    );
    space.word(main).library("copy", &[copy]);
    // lld takes the function of the C library here, but without optimisation it takes the crate's.
    let program = space.link("ours");
    assert_eq!(space.output_of(&program), "5\n");
    assert!(
        space.disassembly(&program, "memcpy").contains("rep"),
        "the crate's own memcpy is linked"
    );
}

#[test]
fn lto_leaves_unneeded_members_out() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        &format!("{PRINT}int wanted(void);\nint main(void) {{ printf(\"%d\\n\", wanted()); return 0; }}\n"),
    );
    let loud = |name: &str, function: &str| {
        space.bitcode(
            name,
            &format!(
                "{PRINT}__attribute__((constructor)) static void start(void) {{ printf(\"{name}\\n\"); }}\n\
                 int {function}(void) {{ return 1; }}\n"
            ),
        )
    };
    let members = [loud("wanted.c", "wanted"), loud("unwanted.c", "unwanted")];
    space.word(main).library("some", &members);
    space.same("wanted.c\n1\n");
}

#[test]
fn lto_keeps_the_order_of_constructors() {
    for library_first in [true, false] {
        let mut space = Space::new();
        let text = |name: &str, calls: &str| {
            let call = if calls.is_empty() { String::new() } else { format!("{calls}();") };
            let declare =
                if calls.is_empty() { String::new() } else { format!("int {calls}(void);") };
            format!(
                "{PRINT}{declare}__attribute__((constructor)) static void start(void) {{ printf(\"{name} \"); }}\n\
                 int {name}(void) {{ {call} return 0; }}\n"
            )
        };
        let units = [("main", "b"), ("second", "a"), ("a", ""), ("b", "c"), ("c", "")];
        let bitcode =
            units.map(|(name, calls)| space.bitcode(&format!("{name}.c"), &text(name, calls)));
        let native = units
            .map(|(name, calls)| space.native(&format!("native-{name}.c"), &text(name, calls)));
        let [main, second, members @ ..] = bitcode;
        let [native_main, native_second, native_members @ ..] = native;
        space.run(tool("llvm-ar").args(["rcsD", "libnative.a"]).args(native_members));
        let archive = space.text("libnative.a");
        let words = if library_first {
            space.library("abc", &members).word(main).word(second);
            [archive, native_main, native_second]
        } else {
            space.word(main).word(second).library("abc", &members);
            [native_main, native_second, archive]
        };
        space.run(tool("clang").arg("-fuse-ld=lld").args(words).args(["-o", "native"]));
        let expect = space.output_of(&space.path("native"));
        assert_eq!(expect.split_whitespace().count(), 5);
        let program = space.link("ours");
        assert_eq!(space.output_of(&program), expect);
    }
}

#[test]
fn lto_strong_definition_overrides_weak() {
    for first in ["weak", "strong"] {
        let mut space = Space::new();
        let main = space.bitcode(
            "main.c",
            &format!(
                "{PRINT}int f(void);\nint main(void) {{ printf(\"%d\\n\", f()); return 0; }}\n"
            ),
        );
        let weak = space.bitcode("weak.c", "__attribute__((weak)) int f(void) { return 1; }\n");
        let strong = space.bitcode("strong.c", "int f(void) { return 2; }\n");
        let order = if first == "weak" { [weak, strong] } else { [strong, weak] };
        space.word(main).word(order[0].clone()).word(order[1].clone());
        space.same("2\n");
    }
}

#[test]
fn lto_common_symbols_have_the_largest_size() {
    for mut space in [Space::new(), Space::fat()] {
        space.flags = vec!["-fcommon"];
        let main = space.bitcode(
            "main.c",
            &format!("{PRINT}int shared[2];\nvoid set(void);\nint main(void) {{ set(); printf(\"%d\\n\", shared[1]); }}\n"),
        );
        let set = space.bitcode(
            "set.c",
            "int shared[64];\nvoid set(void) { shared[1] = 3; shared[63] = 4; }\n",
        );
        space.word(main).library("set", &[set]);
        space.same("3\n");
    }
}

#[test]
fn lto_cxx_features_across_crates() {
    let mut space = Space::cxx();
    let header = "#include <cstdio>\n#include <stdexcept>\n#include <string>\n#include <vector>\n\
        template <class T> T &once() { static T value{}; return value; }\n\
        struct Shape { virtual ~Shape() {} virtual int sides() const = 0; };\n\
        Shape *square();\nint count();\nvoid fail(const std::string &);\n";
    space.write("shape.h", header);
    let main = space.bitcode(
        "main.cpp",
        "#include \"shape.h\"\nstruct Global { Global() { once<int>() += 10; } } global;\n\
         int main() { Shape *s = square(); int sides = s->sides(); delete s;\n\
           try { fail(\"no\"); } catch (const std::runtime_error &e) { std::printf(\"%s \", e.what()); }\n\
           std::printf(\"%d %d\\n\", sides, count()); }\n",
    );
    let square = space.bitcode(
        "square.cpp",
        "#include \"shape.h\"\nstruct Square : Shape { int sides() const override { return 4; } };\n\
         Shape *square() { return new Square; }\n",
    );
    let other = space.bitcode(
        "other.cpp",
        "#include \"shape.h\"\nint count() { return once<int>() += 1; }\n\
         void fail(const std::string &why) { std::vector<std::string> all{why}; throw std::runtime_error(all.at(0) + \"!\"); }\n",
    );
    space.word(main).library("square", &[square]).library("other", &[other]);
    space.same("no! 4 11\n");
}

#[test]
fn lto_does_not_inline_wrapped_functions() {
    for mut space in [Space::new(), Space::fat()] {
        let main = space.bitcode(
            "main.c",
            &format!("{PRINT}int f(int);\nint main(int argc, char **argv) {{ printf(\"%d\\n\", f(argc)); return 0; }}\n"),
        );
        let f = space.bitcode("f.c", "volatile int seen = 1;\nint f(int a) { return a ^ seen; }\n");
        let wrap = space.bitcode(
            "wrap.c",
            "int __real_f(int);\nint __wrap_f(int a) { return __real_f(a) + 100; }\n",
        );
        space.word(main).library("f", &[f]).library("wrap", &[wrap]).word("-Wl,--wrap=f");
        space.same("100\n");
    }
}

#[test]
fn lto_shared_library_exports_only_its_version_script() {
    let mut space = Space::new();
    let api = space.bitcode(
        "api.c",
        "int inner(int);\nint api(int a) { return inner(a) + 1; }\nint lonely(int a) { return a; }\n",
    );
    let inner = space.bitcode("inner.c", "int inner(int a) { return a * 3; }\n");
    let map = space.write("lib.map", "{ global: api; local: *; };\n");
    space.word(api).library("inner", &[inner]).word("-shared").word("-Wl,--gc-sections");
    space.word(format!("-Wl,--version-script={map}"));
    let (ours, theirs) = (space.link("libours.so"), space.oracle("libtheirs.so"));
    space.alike(&ours, &theirs);
    assert_eq!(space.dynamic_symbols(&ours), ["api"]);
    let all = space.symbols(&ours);
    assert!(!all.contains("inner") && !all.contains("lonely"), "{all}");
}

#[test]
fn lto_excluded_libraries_export_nothing() {
    let mut space = Space::new();
    let api = space.bitcode("api.c", "int inner(int);\nint api(int a) { return inner(a) + 1; }\n");
    let inner = space
        .bitcode("inner.c", "__attribute__((noinline)) int inner(int a) { return a * a + a; }\n");
    space.word(api).library("inner", &[inner]).word("-shared").word("-Wl,--exclude-libs,ALL");
    let (ours, theirs) = (space.link("libours.so"), space.oracle("libtheirs.so"));
    space.alike(&ours, &theirs);
    assert_eq!(space.dynamic_symbols(&ours), ["api"]);
}

#[test]
fn lto_program_exports_on_request() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        "#include <dlfcn.h>\n#include <stdio.h>\nint plug(int a) { return a + 8; }\n\
         int main(void) { int (*f)(int) = (int (*)(int))dlsym(0, \"plug\"); printf(\"%d\\n\", f ? f(1) : -1); }\n",
    );
    space.word(main).word("-Wl,--export-dynamic").word("-ldl");
    space.same("9\n");
}

#[test]
fn lto_keeps_sections_with_used_bounds() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        &format!(
            "{PRINT}extern const int __start_table[], __stop_table[];\nvoid keep(void);\n\
             int main(void) {{ keep(); printf(\"%d\\n\", (int)(__stop_table - __start_table)); return 0; }}\n"
        ),
    );
    let table = space.bitcode(
        "table.c",
        "__attribute__((used, section(\"table\"))) static const int a = 1, b = 2;\n\
         __attribute__((section(\"table\"))) const int c = 3;\nvoid keep(void) {}\n",
    );
    space.word(main).library("table", &[table]);
    space.same("3\n");
}

#[test]
fn lto_thread_locals_and_computed_gotos() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        &format!(
            "#include <pthread.h>\n{PRINT}extern __thread int local; int step(int);\n\
             static void *run(void *p) {{ local += 5; return (void *)(long)local; }}\n\
             int main(int argc, char **argv) {{ local = 1; pthread_t t; void *got; pthread_create(&t, 0, run, 0);\n\
               pthread_join(t, &got); printf(\"%ld %d %d\\n\", (long)got, local, step(argc)); return 0; }}\n"
        ),
    );
    let local = space.bitcode(
        "local.c",
        "__thread int local = 2;\n\
         int step(int n) { static void *const go[] = {&&zero, &&one, &&two}; goto *go[n];\n\
           zero: return 7; one: n += 10; two: return n + 1; }\n",
    );
    space.word(main).library("local", &[local]).word("-pthread");
    space.same("7 1 12\n");
}

#[test]
fn lto_with_native_archives_and_linker_options() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        &format!(
            "{PRINT}int native(int);\nint back(int a) {{ return a * 2; }}\n\
             int main(int argc, char **argv) {{ printf(\"%d\\n\", native(argc)); return 0; }}\n"
        ),
    );
    let native = space.native(
        "native.c",
        "int back(int);\nint deep(int);\nint native(int a) { return back(a) + deep(a); }\n",
    );
    let deep = space.bitcode("deep.c", "int deep(int a) { return a + 20; }\n");
    space.run(tool("llvm-ar").args(["rcsD", "libnative.a", &native]));
    let search = format!("-L{}", space.text(""));
    space.word(main).word(search).word("-lnative").library("deep", &[deep]);
    space.word("-Wl,--gc-sections").word("-Wl,--icf=all").word("-s");
    space.same("23\n");
}

#[test]
fn lto_duplicate_definition_error_names_both_crates() {
    let mut space = Space::new();
    let main = space.bitcode(
        "main.c",
        "int f(void) { return 1; }\nint g(void);\nint main(void) { return f() + g(); }\n",
    );
    let other =
        space.bitcode("other.c", "int f(void) { return 2; }\nint g(void) { return f(); }\n");
    space.word(main).library("other", &[other]);
    let errors = space.open("ours").err().expect("the link fails");
    let [only] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(
        only.message,
        "duplicate symbol `f`: defined in crate `app` (main.c) and in crate `other` (other.c)"
    );
}

#[test]
fn lto_undefined_symbol_is_reported_by_the_linker() {
    let mut space = Space::new();
    let main = space.bitcode("main.c", "int g(void);\nint main(void) { return g(); }\n");
    let other = space.bitcode("other.c", "int missing(void);\nint g(void) { return missing(); }\n");
    space.flags = vec!["-g"];
    space.word(main).library("other", &[other]);
    let job = space.open("ours").unwrap_or_else(|errors| panic!("{errors:?}"));
    let linked = space.complete(&job);
    assert!(linked.error.is_some());
    assert!(
        linked.text.contains("undefined symbol:") && linked.text.contains("missing"),
        "{}",
        linked.text
    );
    assert!(
        linked.text.contains("ours.lto/other.other.c.0.o")
            || linked.text.contains("ours.lto/app.main.c.0.o"),
        "{}",
        linked.text
    );
}

#[test]
fn lto_damaged_bitcode_error_names_crate_and_unit() {
    let damage = |change: &dyn Fn(Vec<u8>) -> Vec<u8>, expect: &str| {
        let mut space = Space::new();
        let main = space.bitcode("main.c", "int g(void);\nint main(void) { return g(); }\n");
        space.bitcode("other.c", "int g(void) { return 0; }\n");
        let whole = std::fs::read(space.path("other.c.bc")).unwrap();
        let content = change(whole);
        let container =
            llvm::archive(&[llvm::ArchiveMember { name: "0.bc", content: &content }]).unwrap();
        let other = space.write("other.c.o", &*container);
        space.word(main).library("other", &[other]);
        let errors = space.open("ours").err().expect("the link fails");
        assert_eq!(errors.len(), 1);
        let message = &errors[0].message;
        assert!(message.contains("crate `other`") && message.contains("other.c"), "{message}");
        assert!(message.contains(expect), "{message}");
    };
    damage(&|whole| whole[..whole.len() / 2 / 4 * 4].to_vec(), "cannot be read");
    // The identification block contains the epoch; another producer may have another epoch.
    let epoch = |mut whole: Vec<u8>| {
        let at = whole.windows(4).position(|word| word == b"LLVM").map_or(0, |_| epoch_at(&whole));
        whole[at] ^= 0x20;
        whole
    };
    damage(&epoch, "cannot be read");
}

/// Finds the byte of the epoch in the identification block (LLVM, BitCodes.h), which is the first
/// one: 4 bytes of magic, its header, the producer's string, and the epoch.
fn epoch_at(whole: &[u8]) -> usize {
    (4..64.min(whole.len()))
        .find(|at| {
            let mut changed = whole.to_vec();
            changed[*at] ^= 0x20;
            let range = 0..changed.len();
            let opened =
                llvm::Bitcode::open(llvm::SharedSlice { content: changed.into(), range }, "x");
            opened.err().is_some_and(|why| why.contains("epoch"))
        })
        .expect("one of the first bytes is the epoch")
}

#[test]
fn lto_debugger_sees_lines_and_inlined_frames() {
    let mut space = Space::new();
    space.flags = vec!["-g"];
    let main = space.bitcode(
        "main.c",
        "int middle(int);\nint main(int argc, char **argv) {\n  return middle(argc) & 1;\n}\n",
    );
    let middle = space.bitcode(
        "middle.c",
        "void stop(int);\nint middle(int a) {\n  stop(a);\n  return a + 1;\n}\n",
    );
    let stop = space.bitcode(
        "stop.c",
        "volatile int seen;\n__attribute__((noinline)) void stop(int a) {\n  seen = a;\n}\n",
    );
    space.word(main).library("middle", &[middle]).library("stop", &[stop]);
    let program = space.link("ours");
    let text = space.run(
        Command::new("gdb")
            .args(["-nx", "-batch", "-ex", "break stop", "-ex", "run", "-ex", "backtrace"])
            .arg(&program),
    );
    for frame in ["stop", "middle.c:3", "main.c:3"] {
        assert!(text.contains(frame), "{frame} in\n{text}");
    }
    let code = space.disassembly(&program, "main");
    assert!(!code.contains("<middle>"), "middle is inlined:\n{code}");
}

#[test]
fn lto_output_is_independent_of_threads_and_directory() {
    let build = |threads: usize, mode| -> Vec<u8> {
        let mut space = Space::new();
        (space.threads, space.mode) = (threads, mode);
        let main = space.bitcode(
            "main.c",
            &format!("{PRINT}int f0(int);\nint main(int argc, char **argv) {{ printf(\"%d\\n\", f0(argc)); return 0; }}\n"),
        );
        let members: Vec<String> = (0..12)
            .map(|n| {
                let body = format!(
                    "static int count{n}; static int odd(int a) {{ count{n} += a; return count{n} ^ {n}; }}\n\
                     int f{m}(int);\nint f{n}(int a) {{ return a > 100 ? odd(a) : f{m}(a + odd(a)); }}\n",
                    m = (n + 1) % 12
                );
                space.bitcode(&format!("f{n}.c"), &body)
            })
            .collect();
        space.word(main).library("f", &members);
        std::fs::read(space.link("ours")).unwrap()
    };
    for mode in [tender_protocol::Lto::Thin, tender_protocol::Lto::Fat] {
        assert!(build(1, mode) == build(8, mode), "{mode:?}");
    }
}

#[test]
fn lto_archive_members_are_optimised_together_and_stand_alone() {
    let space = Space::cxx();
    let header = "template <class T> __attribute__((noinline)) int shared_copy(T a) { static int n; return n += a; }\n";
    space.write("shared.h", header);
    let front = space.bitcode(
        "front.cpp",
        "#include \"shared.h\"\nint behind(int);\nextern \"C\" int front(int a) { return behind(a) + shared_copy(a); }\n",
    );
    let behind = space.bitcode("behind.cpp", "int behind(int a) { return a * 5; }\n");
    let loud = space.bitcode(
        "loud.cpp",
        "#include \"shared.h\"\n#include <cstdio>\nstatic struct Loud { Loud() { std::puts(\"loud\"); } } loud;\n\
         extern \"C\" int noisy(int a) { return shared_copy(a); }\nextern \"C\" int overridden() { return 1; }\n",
    );
    let archive = space.archive("libours.a", &[front, behind, loud]);
    let code = space.disassembly(&space.path("libours.a"), "front");
    assert_eq!(code.matches("call").count(), 1, "one of two is inlined over members:\n{code}");
    let main = space.native(
        "main.c",
        &format!("{PRINT}int front(int);\nint overridden(void) {{ return 2; }}\n\
                  int main(int argc, char **argv) {{ printf(\"%d %d\\n\", front(argc), overridden()); return 0; }}\n"),
    );
    // The unneeded member is not linked, although it has a copy of a function that `front` uses.
    space.run(tool("clang++").args(["-fuse-ld=lld", &main, &archive, "-o", "program"]));
    assert_eq!(space.output_of(&space.path("program")), "6 2\n");
}

#[test]
fn lto_archive_members_may_be_alternatives() {
    let space = Space::new();
    let members = [
        space
            .bitcode("one.c", "int which(void) { return 1; }\nint one(void) { return which(); }\n"),
        space
            .bitcode("two.c", "int which(void) { return 2; }\nint two(void) { return which(); }\n"),
        space.bitcode("user.c", "int which(void);\nint user(void) { return which(); }\n"),
    ];
    let archive = space.archive("libours.a", &members);
    let main = space.native(
        "main.c",
        &format!("{PRINT}int two(void);\nint user(void);\nint main(void) {{ printf(\"%d %d\\n\", two(), user()); return 0; }}\n"),
    );
    space.run(tool("clang").args(["-fuse-ld=lld", &main, &archive, "-o", "program"]));
    assert_eq!(space.output_of(&space.path("program")), "2 2\n");
}

#[test]
fn lto_archive_has_one_member_per_unit() {
    const FIRST: &str = "__attribute__((visibility(\"hidden\"))) int part(int);\nint whole(int a) { return part(a) + 1; }\n";
    const SECOND: &str = "volatile int seen;\n\
        __attribute__((visibility(\"hidden\"), noinline)) int part(int a) { seen = a; return a * 7; }\n";
    for mut space in [Space::new(), Space::fat()] {
        let main = space.bitcode(
            "main.c",
            &format!(
                "{PRINT}int whole(int);\nint main(int argc, char **argv) {{ printf(\"%d\\n\", whole(argc)); return 0; }}\n"
            ),
        );
        let unit = space.cut("unit.c", FIRST, SECOND);
        space.word(main).library("unit", &[unit]);
        assert_eq!(space.output_of(&space.link("ours")), "8\n");
    }
    let space = Space::new();
    let archive = space.archive("libunit.a", &[space.cut("unit.c", FIRST, SECOND)]);
    assert_eq!(space.run(tool("llvm-ar").args(["t", &archive])), "unit.c.o\n");
    let main = space.native(
        "main.c",
        "int whole(int);\nint main(int argc, char **argv) { return whole(argc) - 8; }\n",
    );
    space.run(tool("clang").args(["-fuse-ld=lld", &main, &archive, "-o", "program"]));
    space.output_of(&space.path("program"));
}

#[test]
fn lto_fat_merge_keeps_two_modules_in_memory() {
    let mut space = Space::fat();
    let members: Vec<String> = (0..6)
        .map(|n| space.bitcode(&format!("f{n}.c"), &format!("int f{n}(void) {{ return {n}; }}\n")))
        .collect();
    let calls: String = (0..6).map(|n| format!("int f{n}(void);\n")).collect();
    let main = space.bitcode(
        "main.c",
        &format!(
            "{calls}int main(void) {{ return f0() + f1() + f2() + f3() + f4() + f5() - 15; }}\n"
        ),
    );
    space.word(main).library("f", &members);
    let notes = Notes::default();
    let job = space.open_watched("ours", &notes).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(notes.most_live.get(), 2);
    assert!(notes.diagnostics.borrow().is_empty());
    assert!(space.complete(&job).error.is_none());
    space.output_of(&space.path("ours"));
}
