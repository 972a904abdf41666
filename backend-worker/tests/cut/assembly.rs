//! Inline assembly: the names in it are found, and unknown directives keep a file whole.

use super::program::{CollectedDiagnostics, SUFFIXES, bulks, program, same};
use std::cell::RefCell;
use tender_protocol::Lto;
use tender_worker::llvm::{Clang, Context};

#[cfg(target_arch = "x86_64")]
#[test]
fn cut_assembly_names_objects_in_every_spelling() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static int table[4] __attribute__((used)) = {{10, 20, 30, 40}};\n\
         static int other[4] __attribute__((used)) = {{1, 2, 3, 4}};\n\
         static int odd[2] __asm__(\"an odd name\") __attribute__((used)) = {{7, 8}};\n\
         __attribute__((used, noinline)) static int callee(int x) {{ return one(x) - one(x) + x + 1; }}\n\
         __attribute__((used, noinline)) static int callee_slow(int x) {{ return two(x) - two(x) + x + 2; }}\n\
         __attribute__((noinline)) int *immediate(void) {{ int *r; __asm__(\"movq $table, %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int offset(void) {{ int r; __asm__(\"movl table+4(%%rip), %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int dialects(void) {{ int r; __asm__(\"mov{{l table+8(%%rip), %0| %0, dword ptr table[rip+8]}}\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int quoted(void) {{ int r; __asm__(\"movl \\\"an odd name\\\"+4(%%rip), %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int plt(int x) {{ int r; __asm__(\"call callee@PLT\" : \"=a\"(r), \"+D\"(x) : : \"rcx\", \"rdx\", \"rsi\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\"); return r; }}\n\
         __attribute__((noinline)) int operand(int x) {{ int r; __asm__(\"call %P2\" : \"=a\"(r), \"+D\"(x) : \"i\"(callee) : \"rcx\", \"rdx\", \"rsi\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\"); return r; }}\n\
         __attribute__((noinline)) int joined(int x) {{ int r; __asm__(\"call %c2_slow\" : \"=a\"(r), \"+D\"(x) : \"i\"(callee) : \"rcx\", \"rdx\", \"rsi\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\"); return r; }}\n\
         __attribute__((noinline)) int constant(void) {{ int r; __asm__(\"movl %c1(%%rip), %0\" : \"=r\"(r) : \"i\"(other)); return r; }}\n\
         __attribute__((noinline)) int defines(int x) {{ int r = x; __asm__ volatile(\".globl given_by_text\\n.set given_by_text, 42\\n.set private_to_text, 43\\njmp 1f\\nentry_in_text: incl %%eax\\nret\\n1:\" : \"+r\"(r)); return r; }}\n\
         __attribute__((noinline)) int uses(void) {{ int r; __asm__(\"movl $private_to_text, %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int calls(int x) {{ __asm__ volatile(\"call entry_in_text\" : \"+a\"(x)); return x; }}\n\
         static inline __attribute__((always_inline)) int must_inline(const int x) {{ int r; __asm__(\"movl %c1+other(%%rip), %0\" : \"=r\"(r) : \"i\"(x)); return r; }}\n\
         __attribute__((noinline)) int inlined_a(void) {{ return must_inline(4); }}\n\
         __attribute__((noinline)) int inlined_b(void) {{ return must_inline(8) + three(1) * 0; }}\n\
         extern char given_by_text[];\n\
         __attribute__((noinline)) int by_c(int x) {{ table[1] += x; other[0] += x; odd[1] += x; return table[2] + callee(x) + callee_slow(x) + (int)(long)given_by_text; }}\n\
         int main(void) {{ printf(\"%d\\n\", by_c(2)); printf(\"%d\\n\", immediate()[0]); printf(\"%d %d %d\\n\", offset(), dialects(), quoted());\n\
           printf(\"%d %d %d %d\\n\", plt(1), operand(2), joined(3), constant()); printf(\"%d %d %d\\n\", defines(3), uses(), calls(5));\n\
           printf(\"%d %d\\n\", inlined_a(), inlined_b()); return four(1) * 0; }}\n",
        bulks(&["one", "two", "three", "four", "five", "six"])
    );
    for args in ["-O2 -fno-pie", "-O1 -fno-pie"] {
        same(args, &[("a.c", &text)]);
    }
}

#[test]
fn cut_unknown_assembly_keeps_a_file_whole() {
    for (assembly, reason) in [
        (".macro twice\\nnop\\nnop\\n.endm", "it has assembly with the directive .macro"),
        (
            ".pushsection notes, \\\"a\\\"\\n.long 1\\n.popsection",
            "it has assembly with the directive .pushsection",
        ),
    ] {
        let text = format!(
            "{}void f(void) {{ __asm__(\"{assembly}\"); }}\n",
            bulks(&["a", "b", "c", "d"])
        );
        let program = program("-O2", &[("a.c", &text)]);
        let diagnostics = CollectedDiagnostics(RefCell::default());
        program.cut("a.c", SUFFIXES[0], &diagnostics, |cut, _| assert_eq!(cut.err(), Some(reason)));
    }
}

#[test]
fn cut_assembly_outside_of_functions_keeps_a_file_whole() {
    let text = format!("{}asm(\".globl here\\nhere: ret\\n\");\n", bulks(&["a", "b", "c", "d"]));
    let program = program("-O2", &[("a.c", &text)]);
    let diagnostics = CollectedDiagnostics(RefCell::default());
    program.cut("a.c", SUFFIXES[0], &diagnostics, |cut, _| {
        assert_eq!(cut.err(), Some("it has assembly outside of functions"));
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn cut_assembly_that_names_locals() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static int hidden_value __attribute__((used)) = 7;\n\
         __attribute__((noinline, used)) static int callee(int x) {{ return x + 1; }}\n\
         __attribute__((noinline)) int by_text(void) {{ int r; asm volatile(\"movl hidden_value(%%rip), %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int by_c(int x) {{ hidden_value += x; return hidden_value + callee(x); }}\n\
         extern char label_in_text[];\n\
         __attribute__((noinline)) int defines(void) {{ asm volatile(\"label_in_text: nop\"); return 3; }}\n\
         __attribute__((noinline)) int mentions(void) {{ return label_in_text != (char *)0; }}\n\
         static inline __attribute__((always_inline)) int constant(int x) {{ int r; asm(\"movl %1, %0\" : \"=r\"(r) : \"i\"(41)); return r + x; }}\n\
         int main(void) {{ int sum = by_c(2); printf(\"%d %d %d %d %d\\n\", sum, by_text(), defines(), mentions(), constant(1)); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c"])
    );
    same("-O2", &[("a.c", &text)]);
}

#[test]
fn cut_assembly_errors_are_reported_once_with_their_location() {
    let text = format!(
        "{}\nint broken(int x) {{\n\tasm volatile(\"nop\\n\\tnosuch %0\" : : \"r\"(x));\n\treturn x;\n}}\n",
        bulks(&["a", "b", "c"])
    );
    let program = program("-O2", &[("a.c", &text)]);
    let diagnostics = CollectedDiagnostics(RefCell::default());
    program.cut("a.c", SUFFIXES[0], &diagnostics, |cut, request| {
        let cut = cut.unwrap();
        for index in 0..cut.costs().len() {
            let context = Context::create();
            let mut clang = Clang::open(request, Lto::Off, &diagnostics)
                .unwrap_or_else(|_| panic!("as before"));
            let module = cut.piece(&context, index).unwrap();
            clang.adopt(&module).unwrap();
            clang.optimise(&module).unwrap();
            let _ = clang.emit(&module);
        }
    });
    let diagnostics = diagnostics.0.into_inner();
    let [error] = &diagnostics[..] else { panic!("one error is expected: {diagnostics:?}") };
    assert!(error.file.as_ref().is_some_and(|file| file.ends_with("a.c")), "{error:?}");
    assert_eq!(error.line, 6, "{error:?}");
    assert!(error.message.contains("nosuch"), "{error:?}");
}
