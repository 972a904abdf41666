//! A directory with crates: compiled to bitcode by clang, linked by us and, for comparison, by
//! clang and lld.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use tender_protocol::{Diagnostic, Lto, LtoArchive, LtoLibrary, LtoLink, Member, PhaseName};
use tender_worker::emit::{LinkCaches, Linked};
use tender_worker::frontend::Observer;
use tender_worker::llvm;
use tender_worker::lto::{ArchiveJob, LinkJob, LtoRequest};

pub fn tool(name: &str) -> Command {
    Command::new(format!("{}/bin/{name}", llvm::LLVM_PREFIX))
}

/// Collects diagnostics and the number of modules, from one thread.
#[derive(Default)]
pub struct Notes {
    pub diagnostics: RefCell<Vec<Diagnostic>>,
    live: Cell<i32>,
    /// The largest number of modules in memory.
    pub most_live: Cell<i32>,
}

impl Observer for Notes {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    fn enter(&self, _: PhaseName) {}

    fn live_modules(&self, change: i32) {
        self.live.set(self.live.get() + change);
        self.most_live.set(self.most_live.get().max(self.live.get()));
    }
}

pub struct Space {
    dir: tempfile::TempDir,
    pub mode: Lto,
    pub driver: Vec<String>,
    /// Compiler flags besides `-O2 -fPIC`.
    pub flags: Vec<&'static str>,
    /// Arguments of the link, for both linkers.
    words: Vec<String>,
    libraries: Vec<LtoLibrary>,
    pub threads: usize,
    links: LinkCaches,
}

impl Space {
    pub fn new() -> Space {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| llvm::initialise(|text| panic!("LLVM: {text}")));
        let driver = vec![
            "cc".to_owned(),
            format!("-B{}/bin", llvm::LLVM_PREFIX),
            "-fuse-ld=lld".to_owned(),
        ];
        Space {
            dir: tempfile::tempdir().unwrap(),
            mode: Lto::Thin,
            driver,
            flags: Vec::new(),
            words: Vec::new(),
            libraries: Vec::new(),
            threads: 2,
            links: LinkCaches::default(),
        }
    }

    /// Links with the C++ driver.
    pub fn cxx() -> Space {
        let mut space = Space::new();
        space.driver[0] = "c++".to_owned();
        space
    }

    pub fn fat() -> Space {
        Space { mode: Lto::Fat, ..Space::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
        self.text(name)
    }

    /// Runs a tool in the directory. It must succeed. Returns its standard output.
    pub fn run(&self, command: &mut Command) -> String {
        let done = self.output(command);
        assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    pub fn output(&self, command: &mut Command) -> Output {
        command.current_dir(self.dir.path()).env_remove("MAKEFLAGS").output().unwrap()
    }

    fn clang(&self, source: &str, object: &str, flags: &[&str]) {
        let program = if source.ends_with("pp") { "clang++" } else { "clang" };
        self.run(
            tool(program)
                .args(["-O2", "-fPIC", "-c", source, "-o", object])
                .args(flags)
                .args(&self.flags),
        );
    }

    /// Compiles `text` to an archive of bitcode, as a unit's object is with link-time optimisation.
    pub fn bitcode(&self, name: &str, text: &str) -> String {
        self.write(name, text);
        let object = format!("{name}.o");
        let raw = format!("{name}.bc");
        match self.mode {
            Lto::Fat => {
                self.clang(name, &raw, &["-flto=full"]);
                // Without a summary, so that each module is merged at once.
                self.run(tool("opt").args(["-passes=", "-o", &raw, &raw]));
            }
            _ => self.clang(name, &raw, &["-flto=thin"]),
        }
        let content = std::fs::read(self.path(&raw)).unwrap();
        let container =
            llvm::archive(&[llvm::ArchiveMember { name: "0.bc", content: &content }]).unwrap();
        self.write(&object, &*container)
    }

    /// One unit of two modules, as after cutting.
    pub fn cut(&self, name: &str, first: &str, second: &str) -> String {
        let modules = [(format!("{name}.0.c"), first), (format!("{name}.1.c"), second)].map(
            |(name, text)| {
                self.bitcode(&name, text);
                std::fs::read(self.path(&format!("{name}.bc"))).unwrap()
            },
        );
        let container = llvm::archive(&[
            llvm::ArchiveMember { name: "0.bc", content: &modules[0] },
            llvm::ArchiveMember { name: "1.bc", content: &modules[1] },
        ]);
        self.write(&format!("{name}.o"), &*container.unwrap())
    }

    /// Compiles `text` to machine code.
    pub fn native(&self, name: &str, text: &str) -> String {
        self.write(name, text);
        self.clang(name, &format!("{name}.o"), &[]);
        self.text(&format!("{name}.o"))
    }

    pub fn shared(&self, name: &str, text: &str) -> String {
        let object = self.native(&format!("{name}.c"), text);
        self.run(tool("clang").args(["-fuse-ld=lld", "-shared", &object, "-o", name]));
        self.text(name)
    }

    /// Adds an argument to the link.
    pub fn word(&mut self, word: impl Into<String>) -> &mut Space {
        self.words.push(word.into());
        self
    }

    /// Adds a library of which only the members exist, given as paths.
    pub fn library(&mut self, krate: &str, members: &[String]) -> &mut Space {
        let word = self.text(&format!("lib{krate}.a"));
        let members = members_of(members);
        self.libraries.push(LtoLibrary { word: word.clone(), krate: krate.to_owned(), members });
        self.word(word)
    }

    /// Runs the thin link of a link to `output`, whose objects go to `output.lto`.
    pub fn open(&self, output: &str) -> Result<LinkJob, Vec<Diagnostic>> {
        self.open_watched(output, &Notes::default())
    }

    pub fn open_watched(&self, output: &str, notes: &Notes) -> Result<LinkJob, Vec<Diagnostic>> {
        let lto = LtoLink {
            mode: self.mode,
            opt_level: 2,
            work_dir: self.text(&format!("{output}.lto")),
            libraries: self.libraries.clone(),
        };
        let output = self.text(output);
        LinkJob::open(
            LtoRequest {
                krate: "app",
                driver: &self.driver,
                args: &self.words,
                output: &output,
                lto: &lto,
            },
            &self.links,
            notes,
        )
    }

    /// Runs the backends on threads, then links.
    pub fn complete(&self, job: &LinkJob) -> Linked {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= job.jobs().len() {
                            break;
                        }
                        job.backend(index, &Notes::default()).unwrap();
                    }
                });
            }
        });
        job.finish(2, &self.links)
    }

    /// Links. It must succeed.
    pub fn link(&self, output: &str) -> PathBuf {
        let job = self.open(output).unwrap_or_else(|errors| panic!("{errors:?}"));
        let linked = self.complete(&job);
        assert!(linked.error.is_none(), "{:?}\n{}", linked.error, linked.text);
        self.path(output)
    }

    fn driver_of_oracle(&self) -> &'static str {
        if self.driver[0] == "c++" { "clang++" } else { "clang" }
    }

    /// The same link by clang and lld, from the same bitcode.
    pub fn oracle(&self, output: &str) -> PathBuf {
        let raw = |path: &str| {
            let bitcode = path.strip_suffix(".o").map(|stem| format!("{stem}.bc"));
            bitcode.filter(|path| Path::new(path).exists()).unwrap_or_else(|| path.to_owned())
        };
        for library in &self.libraries {
            let members = library.members.iter().map(|member| raw(&member.path));
            let _ = std::fs::remove_file(&library.word);
            self.run(tool("llvm-ar").arg("rcsD").arg(&library.word).args(members));
        }
        let words = self.words.iter().map(|word| raw(word));
        let mode = if self.mode == Lto::Fat { "-flto=full" } else { "-flto=thin" };
        self.run(
            tool(self.driver_of_oracle())
                .args(["-fuse-ld=lld", "-O2", mode, "-o", output])
                .args(words),
        );
        self.path(output)
    }

    /// Writes an archive of `members` that are optimised together.
    pub fn archive(&self, output: &str, members: &[String]) -> String {
        let lto = LtoArchive {
            mode: self.mode,
            opt_level: 2,
            work_dir: self.text(&format!("{output}.lto")),
        };
        let notes = Notes::default();
        let job = ArchiveJob::open("lib", &self.text(output), &members_of(members), &lto, &notes)
            .unwrap_or_else(|errors| panic!("{errors:?}"));
        // Backends run in any order.
        for index in (0..job.jobs().len()).rev() {
            job.backend(index, &notes).unwrap();
        }
        job.finish().unwrap();
        self.text(output)
    }

    /// The output of a program, which must succeed.
    pub fn output_of(&self, program: &Path) -> String {
        self.run(Command::new(program).env("LD_LIBRARY_PATH", self.dir.path()))
    }

    /// Links with both. Both programs must print `expect`. The sizes of .text may differ by a tenth
    /// and a page, and the dynamic symbols must be the same.
    pub fn same(&self, expect: &str) -> PathBuf {
        let ours = self.link("ours");
        assert_eq!(self.output_of(&ours), expect);
        let theirs = self.oracle("theirs");
        assert_eq!(self.output_of(&theirs), expect, "of the oracle");
        self.alike(&ours, &theirs);
        ours
    }

    pub fn alike(&self, ours: &Path, theirs: &Path) {
        let (a, b) = (self.text_size(ours), self.text_size(theirs));
        assert!(a.abs_diff(b) <= b / 10 + 512, "text {a} against {b}");
        assert_eq!(self.dynamic_symbols(ours), self.dynamic_symbols(theirs));
    }

    pub fn text_size(&self, file: &Path) -> u64 {
        let table = self.run(tool("llvm-size").arg("-A").arg(file));
        let row = table.lines().find(|line| line.starts_with(".text ")).unwrap();
        row.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn dynamic_symbols(&self, file: &Path) -> Vec<String> {
        let table = self.run(tool("llvm-nm").args(["-D", "--defined-only", "-j"]).arg(file));
        let mut names: Vec<String> = table.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// All symbols, defined and undefined.
    pub fn symbols(&self, file: &Path) -> String {
        self.run(tool("llvm-nm").arg("-j").arg(file))
    }

    /// The instructions of one function.
    pub fn disassembly(&self, file: &Path, function: &str) -> String {
        let symbols = format!("--disassemble-symbols={function}");
        self.run(tool("llvm-objdump").args(["--no-show-raw-insn", &symbols]).arg(file))
    }
}

fn members_of(paths: &[String]) -> Vec<Member> {
    let member = |path: &String| Member {
        name: Path::new(path).file_name().unwrap().to_str().unwrap().to_owned(),
        path: path.clone(),
    };
    paths.iter().map(member).collect()
}
