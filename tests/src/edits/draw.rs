//! Draws the edits of a step of some kind. Knows the purpose of the workspace's files; applies
//! nothing.

use super::edit::{Edit, Outputs, Spoiling, Time, Writing};
use super::kind::Kind;
use super::model::Model;
use super::sources::{number, renumbered};
use super::state::shows_its_time;

/// Places where a file hides another one, and that other one. Each is in a crate, or in the root.
const SHADOWS: [(&str, &str, &str); 15] = [
    // Include directories, the directory of the including file, directories of dependencies.
    ("core", "private/first/knob.h", "private/second/knob.h"),
    ("core", "src/knob.h", "private/second/knob.h"),
    ("core", "private/second/directory.h", "alt/one/directory.h"),
    // Hides a generated header.
    ("made", "src/made.h", ""),
    // Search paths of `#embed`, and of the assembler, which searches its working directory first.
    ("core", "embed/first/table.txt", "embed/second/table.txt"),
    ("low", "inc/first/blob.txt", "inc/second/blob.txt"),
    ("low", "inc/first/more.inc", "inc/second/more.inc"),
    ("", "deeper.inc", "crates/low/inc/second/deeper.inc"),
    ("low", "inc/first/low_abi.h", "inc/second/low_abi.h"),
    // Search paths of the linker, and of the environment.
    ("", "libs/first/libpick.a", "libs/second/libpick.a"),
    ("", "libs/second/libdir.a", "libs/kept/one/libdir.a"),
    ("", "env/one/libenv.a", "env/two/libenv.a"),
    ("", "env/earlier-packages/edits.pc", "env/packages/edits.pc"),
    // Programs.
    ("", "tools/first/link-tool", "tools/second/link-tool"),
    ("", "tools/first/made-tool", "tools/second/made-tool"),
];

/// Variables and their possible values; `None`: unset.
const VARIABLES: [(&[&str], &[Option<&str>]); 11] = [
    (&["CPATH"], &[None, Some("env/one"), Some("env/two"), Some("env/one:env/two")]),
    (&["C_INCLUDE_PATH"], &[None, Some("env/one"), Some("env/two:env/one")]),
    (&["CPLUS_INCLUDE_PATH"], &[None, Some("env/one")]),
    (&["LIBRARY_PATH"], &[Some("env/one:env/two"), Some("env/two"), Some("env/two:env/one")]),
    (&["CC", "CXX"], &[None, Some("@ROOT@/tools/second/link-tool"), Some("link-tool")]),
    (
        &["PATH"],
        &[
            Some("@ROOT@/tools/first:@ROOT@/tools/second:@PATH@"),
            Some("@ROOT@/tools/second:@ROOT@/tools/first:@PATH@"),
        ],
    ),
    (&["TZ"], &[None, Some("UTC"), Some("EST5"), Some("XXX-3")]),
    (
        &["PKG_CONFIG_PATH"],
        &[Some("@ROOT@/env/earlier-packages:@ROOT@/env/packages"), Some("@ROOT@/env/packages")],
    ),
    (&["TENDER_FORCE_PIECES"], &[None, Some("2"), Some("5")]),
    // A number that none has had, below.
    (&["SOURCE_DATE_EPOCH"], &[]),
    (&["SOURCE_DATE_EPOCH"], &[]),
];

/// Headers and the files that include them, in the same crate.
const HEADERS: [(&str, &str, &[&str]); 4] = [
    ("core", "include/deep/deep.h", &["include/core.h"]),
    ("core", "private/second/knob.h", &["src/core.c", "src/part.cpp"]),
    ("low", "inc/second/low_abi.h", &["src/a.S", "src/inline.c"]),
    ("low", "inc/second/deeper.inc", &["inc/second/more.inc"]),
];

/// Directories that can replace each other.
const TWINS: [(&str, &str, &str); 4] = [
    ("core", "private/second", "private/third"),
    ("core", "alt/one", "alt/two"),
    ("", "libs/second", "libs/third"),
    ("", "libs/kept/one", "libs/kept/two"),
];

/// Symbolic links and their possible targets.
const LINKS: [(&str, &str, &[&str]); 4] = [
    ("core", "include/deep/linked.h", &["../../alt/linked-a.h", "../../alt/linked-b.h"]),
    ("core", "private/turned", &["../alt/one", "../alt/two"]),
    ("", "libs/second/libsym.a", &["../kept/libsym.1.a", "../kept/libsym.2.a"]),
    ("", "libs/turned", &["kept/one", "kept/two"]),
];

/// Flags that change the compiled code, and arguments for links.
const FLAGS: [&str; 5] = [
    "-fno-inline",
    "-ffunction-sections",
    "-fno-omit-frame-pointer",
    "-Wall",
    "-fstack-protector-all",
];
const LINK_WORDS: [&str; 5] = [
    "-Wl,--gc-sections",
    "-Wl,--build-id=sha1",
    "-Wl,-O0",
    "-Wl,--hash-style=sysv",
    "-Wl,--icf=safe",
];

impl Model {
    pub(super) fn draw(&mut self, kind: Kind) -> Option<Vec<Edit>> {
        match kind {
            Kind::Content => self.content(),
            Kind::Disguised => self.disguised(),
            Kind::Time => self.time(),
            Kind::Rename => self.rename(),
            Kind::Delete => self.delete(),
            Kind::Shadow => self.shadow(),
            Kind::Environment => self.variable(),
            Kind::Arguments => self.arguments(),
            Kind::Generated => self.generated(),
            Kind::Links => self.links(),
            Kind::Mode => self.mode(),
            Kind::Directory => self.directory(),
        }
    }

    /// One in so many times.
    fn one_in(&mut self, many: u64) -> bool {
        self.random.below(many) == 0
    }

    /// A file with a number in it that is not a manifest.
    fn any_file(&mut self) -> String {
        let is_manifest = |path: &str| path.ends_with("Tender.toml");
        let files = self.state.files().map(|(path, _)| path);
        let files: Vec<&str> = files.filter(|path| !is_manifest(path)).collect();
        self.random.one_of(&files).to_owned()
    }

    fn in_crate(&self, krate: &str, path: &str) -> String {
        if krate.is_empty() { path.to_owned() } else { self.at(krate, path) }
    }

    fn renumbered(&mut self, path: &str) -> Option<Vec<u8>> {
        renumbered(&self.state.file(path)?.content, &mut self.random)
    }

    fn content(&mut self) -> Option<Vec<Edit>> {
        let path = self.any_file();
        let mut content = self.renumbered(&path)?;
        let is_longer = self.one_in(4) && self.state.text(&path).is_some();
        if is_longer {
            // In all of these languages an empty line has no meaning.
            content.push(b'\n');
        }
        let mut edits = vec![Edit::write(&path, content, self.any_way())];
        if self.one_in(5) {
            // The file is empty for a moment.
            edits.insert(0, Edit::write(&path, "", Writing::InPlace));
        }
        Some(edits)
    }

    fn disguised(&mut self) -> Option<Vec<Edit>> {
        let path = self.any_file();
        let content = self.renumbered(&path)?;
        let how = self.random.one_of(&Writing::TIME_KEPT);
        if how != Writing::ConstantTime {
            return Some(vec![Edit::write(&path, content, how)]);
        }
        // A file that has had this time before.
        let before = self.state.file(&path)?.content.clone();
        Some(vec![Edit::write(&path, before, how), Edit::write(&path, content, how)])
    }

    fn time(&mut self) -> Option<Vec<Edit>> {
        let times =
            [Time::Now, Time::At(1_000_000_000 + self.random.below(1 << 20) as i64), Time::AndBack];
        let times = [times[0], times[1], times[1], times[2], Time::Ahead(100_000)];
        let time = self.random.one_of(&times);
        let files = self.state.files();
        let shown = files
            .filter(|(_, file)| shows_its_time(&file.content))
            .map(|(path, _)| path.to_owned());
        let shown: Vec<String> = shown.collect();
        if self.one_in(6) {
            // As in a fresh checkout.
            let paths: Vec<String> = self.state.files().map(|(path, _)| path.to_owned()).collect();
            return Some(paths.into_iter().map(|path| Edit::SetTime { path, time }).collect());
        }
        let path = match shown.first() {
            Some(path) if self.one_in(2) => path.clone(),
            _ => self.any_file(),
        };
        Some(vec![Edit::SetTime { path, time }])
    }

    fn rename(&mut self) -> Option<Vec<Edit>> {
        match self.random.below(5) {
            0 | 1 => {
                // A source that a glob matches under any name.
                let krate =
                    self.random.one_of(&["core", "core", "low", "low", "made", "wrap", "pre"]);
                let sources = self.at(krate, "src");
                let found: Vec<&str> =
                    self.state.below(&sources).filter(|path| !path.ends_with(".h")).collect();
                if found.is_empty() {
                    return None;
                }
                let from = self.random.one_of(&found).to_owned();
                let (directory, name) = from.rsplit_once('/')?;
                let to = match name.strip_prefix("renamed_") {
                    Some(name) => format!("{directory}/{name}"),
                    None => format!("{directory}/renamed_{name}"),
                };
                Some(vec![Edit::Rename { from, to }])
            }
            2 => {
                // A header, with the files that include it.
                let (krate, header, users) = self.random.one_of(&HEADERS);
                let name = header.rsplit('/').next()?;
                let changed = format!("new-{name}");
                let from = self.at(krate, header);
                let to = self.at(krate, &header.replace(name, &changed));
                let (from, to, old, new) = match self.state.file(&from) {
                    Some(_) => (from, to, name, changed.as_str()),
                    None => (to, from, changed.as_str(), name),
                };
                let mut edits = vec![Edit::Rename { from, to }];
                for user in users {
                    let path = self.at(krate, user);
                    let quoted = |name: &str| ["\"", "/"].map(|before| format!("{before}{name}\""));
                    let mut text = self.state.text(&path)?.to_owned();
                    for (old, new) in quoted(old).iter().zip(quoted(new)) {
                        text = text.replace(old, &new);
                    }
                    edits.push(Edit::write(&path, text, self.any_way()));
                }
                Some(edits)
            }
            3 => {
                // Two files of one kind exchange their contents, and their times.
                let pairs = [
                    self.pair("made", "in/a.txt", "in/b.txt"),
                    self.pair("core", "alt/linked-a.h", "alt/linked-b.h"),
                    self.pair("core", "private/second/knob.h", "private/third/knob.h"),
                    self.pair("", "data/plain.txt", "data/inline.txt"),
                    self.pair("", "data/inline.txt", "data/within.txt"),
                    self.pair("", "libs/kept/libsym.1.a", "libs/kept/libsym.2.a"),
                    self.pair("", "libs/second/libpick.a", "libs/third/libpick.a"),
                    self.pair("", "env/one/envknob.h", "env/two/envknob.h"),
                ];
                let at = self.random.below(pairs.len() as u64) as usize;
                Some(vec![pairs.into_iter().nth(at)?])
            }
            _ => {
                // The old name does not exist any more.
                let from = self.any_file();
                let to = format!("{from}.away");
                Some(vec![Edit::Rename { from, to }])
            }
        }
    }

    fn pair(&self, krate: &str, a: &str, b: &str) -> Edit {
        Edit::Swap { a: self.in_crate(krate, a), b: self.in_crate(krate, b) }
    }

    fn delete(&mut self) -> Option<Vec<Edit>> {
        match self.random.below(7) {
            // Creates or removes a file that may be absent.
            0 => {
                let path = self.at("core", "include/deep/option.h");
                let text = format!("#define OPTION {}\n", number(&mut self.random));
                self.come_or_go(path, text)
            }
            1 => {
                let path = self.at("core", "src/weak.c");
                let text = format!(
                    "int core_weak(int x) {{ return x ^ {}; }}\n",
                    number(&mut self.random)
                );
                self.come_or_go(path, text)
            }
            2 => {
                let path = self.at("app", "src/bin/more.c");
                let text =
                    format!("int main(void) {{ return {} & 7; }}\n", number(&mut self.random));
                self.come_or_go(path, text)
            }
            3 | 4 => self.go_back(),
            5 => {
                let how = self.any_spoiling();
                let pick = self.random.below(1 << 20);
                Some(vec![Edit::Spoil { pick, how, which: Outputs::Built }])
            }
            _ => Some(vec![Edit::Remove { path: self.any_file() }]),
        }
    }

    fn any_spoiling(&mut self) -> Spoiling {
        self.random.one_of(&[
            Spoiling::Removed,
            Spoiling::Written,
            Spoiling::TimeKept,
            Spoiling::Touched,
        ])
    }

    fn come_or_go(&mut self, path: String, text: String) -> Option<Vec<Edit>> {
        if self.state.is_there(&path) {
            return Some(vec![Edit::Remove { path }]);
        }
        let how =
            self.random.one_of(&[Writing::Recreated, Writing::Replaced, Writing::ConstantTime]);
        Some(vec![Edit::write(&path, text, how)])
    }

    fn shadow(&mut self) -> Option<Vec<Edit>> {
        let (krate, path, donor) = self.random.one_of(&SHADOWS);
        let (path, donor) = (self.in_crate(krate, path), self.in_crate(krate, donor));
        if self.state.is_there(&path) {
            return Some(vec![Edit::Remove { path }]);
        }
        let how =
            self.random.one_of(&[Writing::Recreated, Writing::Replaced, Writing::ConstantTime]);
        if path.ends_with("made.h") {
            let (made, total) = (number(&mut self.random), number(&mut self.random));
            let text = format!("#define MADE {made}\n#define MADE_TOTAL {total}\n");
            return Some(vec![Edit::write(&path, text, how)]);
        }
        if path.starts_with("tools/") {
            let content = self.renumbered(&donor)?;
            let programs = Edit::SetMode { path: path.clone(), mode: 0o755 };
            return Some(vec![Edit::write(&path, content, how), programs]);
        }
        if self.one_in(6) {
            // A hard link to a file that is older than the last build.
            let spare = format!("{donor}.spare");
            let content = self.renumbered(&donor)?;
            let moved = Edit::Rename { from: spare.clone(), to: path };
            return Some(vec![Edit::write(&spare, content, Writing::CopiedTimeKept), moved]);
        }
        let content = self.renumbered(&donor)?;
        Some(vec![Edit::write(&path, content, how)])
    }

    fn variable(&mut self) -> Option<Vec<Edit>> {
        let (names, values) = self.random.one_of(&VARIABLES);
        let value = match values {
            [] => Some(format!("{}00000", number(&mut self.random))),
            values => self.random.one_of(values).map(str::to_owned),
        };
        if self.state.environment.get(names[0]) == value.as_ref() {
            return None;
        }
        let set =
            |name: &&str| Edit::SetVariable { name: (*name).to_owned(), value: value.clone() };
        Some(names.iter().map(set).collect())
    }

    fn arguments(&mut self) -> Option<Vec<Edit>> {
        let level = number(&mut self.random) as u32;
        let krate = self.random.one_of(&["core", "low", "made", "wrap", "pre", "app"]);
        let toggle = |words: &mut Vec<String>, word: &str| match words
            .iter()
            .position(|known| known == word)
        {
            Some(at) => {
                words.remove(at);
            }
            None => words.push(word.to_owned()),
        };
        match self.random.below(14) {
            0 | 1 => self.manifests.krate(krate).level = level,
            2 => self.manifests.krate("core").public_level = Some(level),
            3 => self.manifests.profiles[0].level = level,
            4 => {
                let flag = self.random.one_of(&FLAGS);
                toggle(&mut self.manifests.krate(krate).flags, flag);
            }
            5 => {
                let krate = self.random.one_of(&["app", "wrap"]);
                let word = self.random.one_of(&LINK_WORDS);
                toggle(&mut self.manifests.krate(krate).link_args, word);
            }
            6 => {
                let symbol = format!("-Wl,--defsym=argument_mark={level}");
                toggle(&mut self.manifests.krate("app").link_args, &symbol);
            }
            7 => self.manifests.krate("app").link_args.swap(0, 1),
            8 => {
                // Two headers with one name: that of the first crate is found.
                let first = &mut self.manifests.krate("app").dependencies;
                first.swap(0, 1);
            }
            9 => {
                let name = self.random.one_of(&["core", "low"]);
                self.manifests.krate(name).includes.swap(0, 1);
            }
            10 => {
                let library = self.manifests.krate("wrap").library.as_mut()?;
                toggle(library, "exports = \"wrap.map\"");
            }
            11 => {
                let library = self.manifests.krate("wrap").library.as_mut()?;
                toggle(library, "crate-type = [\"cdylib\"]");
                toggle(library, "crate-type = [\"staticlib\", \"cdylib\"]");
            }
            12 => {
                let profile = &mut self.manifests.profiles[0];
                profile.opt_level = self.random.one_of(&["0", "1", "2", "3", "\"s\""]);
                profile.debug = self.random.one_of(&["true", "false", "\"line-tables-only\""]);
            }
            _ => {
                let profile = &mut self.manifests.profiles[0];
                profile.lto = self.random.one_of(&["off", "thin-local", "thin", "fat"]);
                profile.codegen_units = self.random.one_of(&[1, 2, 8]);
            }
        }
        Some(self.manifest_edits())
    }

    fn generated(&mut self) -> Option<Vec<Edit>> {
        match self.random.below(8) {
            0 | 1 => {
                let name = self.random.one_of(&["in/a.txt", "in/b.txt", "tree.txt", "make.sh"]);
                let path = self.at("made", name);
                let content = self.renumbered(&path)?;
                Some(vec![Edit::write(&path, content, self.any_way())])
            }
            2 => {
                let path = self.at("made", "in/more.txt");
                let text = format!("{}\n", number(&mut self.random));
                self.come_or_go(path, text)
            }
            3 => {
                let word = number(&mut self.random).to_string();
                *self.manifests.krate("made").commands[0].run.last_mut()? = word;
                Some(self.manifest_edits())
            }
            4 => {
                // The program that PATH finds.
                let path = "tools/second/made-tool";
                let content = self.renumbered(path)?;
                Some(vec![Edit::write(path, content, self.any_way())])
            }
            5 => {
                // The output gets another name, and the `#include` too, or else the header is not
                // found.
                let (old, new) = ("made.h", "made_new.h");
                let paths = [("made", "make.sh"), ("made", "src/made.c"), ("app", "src/main.c")];
                let script = self.state.text(&self.at("made", "make.sh"))?;
                let (old, new) = if script.contains(new) { (new, old) } else { (old, new) };
                let follow = if self.one_in(3) { 1 } else { 3 };
                let mut edits = Vec::new();
                for (krate, path) in &paths[..follow] {
                    let path = self.at(krate, path);
                    let text =
                        self.state.text(&path)?.replace(&format!("{old}\""), &format!("{new}\""));
                    edits.push(Edit::write(&path, text, self.any_way()));
                }
                let outputs = &mut self.manifests.krate("made").commands[0].outputs;
                outputs[0] = format!("$OUT_DIR/{new}");
                edits.extend(self.manifest_edits());
                Some(edits)
            }
            _ => {
                let how = self.any_spoiling();
                let pick = self.random.below(1 << 20);
                Some(vec![Edit::Spoil { pick, how, which: Outputs::Generated }])
            }
        }
    }

    fn links(&mut self) -> Option<Vec<Edit>> {
        let (krate, path, targets) = self.random.one_of(&LINKS);
        let path = self.in_crate(krate, path);
        match self.random.below(8) {
            0..4 => {
                let target = self.random.one_of(targets);
                let is_new = self.state.link(&path)? != target;
                is_new.then(|| vec![Edit::Symlink { path, target: target.to_owned() }])
            }
            4 => {
                // A chain: the target of the link is a link.
                let target = self.state.link(&path)?.to_owned();
                let (directory, name) = path.rsplit_once('/')?;
                let between = format!("{directory}/.{name}-between");
                let other = self.random.one_of(targets).to_owned();
                let other = if other == target { targets[0].to_owned() } else { other };
                let to_it =
                    Edit::Symlink { path: path.clone(), target: format!(".{name}-between") };
                Some(vec![Edit::Symlink { path: between, target: other }, to_it])
            }
            5 => {
                // Replaces a link by a file, or a file by a link.
                let header = self.at("core", "include/deep/linked.h");
                if self.state.link(&header).is_some() {
                    let content = self.renumbered(&self.at("core", "alt/linked-a.h"))?;
                    let written = Edit::write(&header, content, Writing::Recreated);
                    return Some(vec![Edit::Remove { path: header }, written]);
                }
                let target = "../../alt/linked-b.h".to_owned();
                Some(vec![Edit::Symlink { path: header, target }])
            }
            6 => {
                // Makes a hard link, and changes the file through that name.
                let of = self.any_file();
                let other = format!("{of}.other-name");
                let content = self.renumbered(&of)?;
                let how = self.random.one_of(&[Writing::InPlace, Writing::InPlaceTimeKept]);
                Some(vec![
                    Edit::HardLink { of, path: other.clone() },
                    Edit::write(&other, content, how),
                ])
            }
            _ => Some(vec![Edit::Symlink { path, target: "nowhere".to_owned() }]),
        }
    }

    fn mode(&mut self) -> Option<Vec<Edit>> {
        let path = self.any_file();
        let is_program = self.state.file(&path)?.mode & 0o111 != 0;
        let modes = if is_program { [0o755, 0o700, 0o750] } else { [0o644, 0o600, 0o664] };
        let mode = self.random.one_of(&modes);
        (self.state.file(&path)?.mode != mode).then(|| vec![Edit::SetMode { path, mode }])
    }

    fn directory(&mut self) -> Option<Vec<Edit>> {
        match self.random.below(6) {
            0..3 => {
                let (krate, a, b) = self.random.one_of(&TWINS);
                let swapped = self.pair(krate, a, b);
                Some(vec![swapped])
            }
            3 => {
                // A crate.
                let name = self.random.one_of(&["core", "low", "made", "wrap", "pre"]);
                let from = self.manifests.home(name).to_owned();
                let to = match from.strip_suffix("-moved") {
                    Some(home) => home.to_owned(),
                    None => format!("{from}-moved"),
                };
                self.manifests.krate(name).home.clone_from(&to);
                let mut edits = vec![Edit::Rename { from: from.clone(), to: to.clone() }];
                // The manifests that have its path. Its own has moved with it.
                for (path, text) in self.manifests.texts() {
                    let in_it = path.strip_prefix(&to).filter(|rest| rest.starts_with('/'));
                    let before = in_it.map_or(path.clone(), |rest| format!("{from}{rest}"));
                    if self.state.text(&before) != Some(&text) {
                        let how = self.any_way();
                        edits.push(Edit::write(&path, text, how));
                    }
                }
                Some(edits)
            }
            4 => {
                // Moves it, with a link in its place; or moves it back.
                let (krate, path) = self.random.one_of(&[
                    ("core", "private/second"),
                    ("", "libs/thin"),
                    ("", "data"),
                ]);
                let path = self.in_crate(krate, path);
                let real = format!("{path}-real");
                if self.state.link(&path).is_some() {
                    return Some(vec![
                        Edit::Remove { path: path.clone() },
                        Edit::Rename { from: real, to: path },
                    ]);
                }
                let target = real.rsplit('/').next()?.to_owned();
                Some(vec![
                    Edit::Rename { from: path.clone(), to: real },
                    Edit::Symlink { path, target },
                ])
            }
            _ => {
                // Moves it away.
                let (krate, path) = self.random.one_of(&[
                    ("core", "private/third"),
                    ("core", "private/second"),
                    ("low", "inc/second"),
                    ("", "libs/third"),
                    ("", "env/one"),
                ]);
                Some(vec![Edit::Remove { path: self.in_crate(krate, path) }])
            }
        }
    }
}
