//! The `.pc` file of a library. Pure: text out.
//!
//! pc(5) of pkgconf has the format. `Requires` and `Libs` are for all links, `Requires.private` and
//! `Libs.private` for links with the archive; headers of both kinds of packages are found by
//! `--cflags`. The paths are absolute, because pkg-config leaves out `-I/usr/include` and
//! `-L/usr/lib` only where they are spelt so.

use super::interface::LibraryInterface;
use super::layout::InstallLayout;
use camino::Utf8Path;
use std::fmt::Write as _;

pub(super) fn pkg_config_file(library: &LibraryInterface, layout: &InstallLayout) -> String {
    let mut text = String::new();
    let mut variable = |name: &str, value: &str| writeln!(text, "{name}={value}").expect("a text");
    variable("prefix", &quoted(layout.prefix().as_str()));
    variable("libdir", &below("prefix", layout.libdir()));
    if let Some(first) = library.include_dirs.first() {
        variable("includedir", &below("prefix", first));
    }
    text.push('\n');
    let mut field = |name: &str, words: &[String]| {
        if !words.is_empty() {
            writeln!(text, "{name}: {}", words.join(" ")).expect("a text");
        }
    };
    field("Name", std::slice::from_ref(&library.name));
    field("Description", std::slice::from_ref(&library.description));
    field("URL", library.homepage.as_slice());
    field("Version", std::slice::from_ref(&library.version));
    field("License", library.license.as_slice());

    let is_static = library.is_static_alone();
    let (mut requires, mut requires_private) = (Vec::new(), Vec::new());
    for one in &library.requires {
        let list = if one.public { &mut requires } else { &mut requires_private };
        list.push(format!("{} >= {}", one.name, one.version));
    }
    let packages = if is_static { &mut requires } else { &mut requires_private };
    packages.extend(library.packages.iter().map(|package| spaced(package)));
    let list = |all: Vec<String>| match all.is_empty() {
        true => Vec::new(),
        false => vec![all.join(", ")],
    };
    field("Requires", &list(requires));
    field("Requires.private", &list(requires_private));

    let has_file = library.forms.archive.is_some() || library.forms.shared.is_some();
    let mut libs = Vec::new();
    if has_file {
        libs.extend(["-L${libdir}".to_owned(), format!("-l{}", library.name)]);
    }
    libs.extend(library.link_args.iter().map(|word| quoted(word)));
    let mut private: Vec<String> = Vec::new();
    for one in library.requires.iter().filter(|one| one.whole) {
        // One word, so that pkg-config does not take it apart.
        private.push(format!("-Wl,--whole-archive,-l{},--no-whole-archive", one.name));
    }
    private.extend(library.system_libs.iter().map(|name| quoted(&format!("-l{name}"))));
    if library.forms.cxx && library.forms.archive.is_some() {
        // For links of C with the archive. Those of C++ have it anyway.
        private.push("-lstdc++".to_owned());
    }
    match is_static {
        true => libs.extend(private),
        false => field("Libs.private", &private),
    }
    field("Libs", &libs);

    let dirs = library.include_dirs.iter().enumerate().map(|(number, dir)| match number {
        0 => "-I${includedir}".to_owned(),
        _ => format!("-I{}", below("prefix", dir)),
    });
    let defines = library.defines.iter().map(|define| quoted(&format!("-D{define}")));
    field("Cflags", &dirs.chain(defines).collect::<Vec<_>>());
    text
}

/// A directory below that of a variable.
fn below(variable: &str, dir: &Utf8Path) -> String {
    format!("${{{variable}}}/{}", quoted(dir.as_str()))
}

/// A package and its version, with blanks around the operator as pkg-config wants them.
fn spaced(package: &str) -> String {
    let Some(at) = package.find(['<', '>', '=', '!']) else { return package.trim().to_owned() };
    let (name, rest) = package.split_at(at);
    let version = rest.trim_start_matches(['<', '>', '=', '!']);
    let operator = &rest[..rest.len() - version.len()];
    format!("{} {operator} {}", name.trim(), version.trim())
}

/// A word as pkg-config reads it: `$` begins a variable, `#` a comment, and the rest is as for a
/// shell.
fn quoted(word: &str) -> String {
    let mut text = String::new();
    for c in word.chars() {
        match c {
            '$' => text.push_str("$$"),
            ' ' | '\t' | '"' | '\'' | '\\' | '#' | '(' | ')' | '<' | '>' | '|' | '&' | ';'
            | '`' | '*' | '?' => {
                text.push('\\');
                text.push(c);
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::interface::{LibraryForms, RequiredLibrary};
    use super::*;

    fn file(library: LibraryInterface) -> String {
        let library = LibraryInterface {
            name: "greet".into(),
            version: "1.2.0".into(),
            description: "Greets".into(),
            ..library
        };
        let layout =
            InstallLayout::new("/".into(), "/opt/a b".as_ref(), "lib64".as_ref(), None).unwrap();
        let text = pkg_config_file(&library, &layout);
        let head = "prefix=/opt/a\\ b\nlibdir=${prefix}/lib64\n";
        text.strip_prefix(head).expect(&text).to_owned()
    }

    fn shared() -> LibraryForms {
        LibraryForms { shared: Some(("libgreet.so.1".into(), "libgreet.so.1".into())), ..archive() }
    }

    fn archive() -> LibraryForms {
        LibraryForms { archive: Some("libgreet.a".into()), ..LibraryForms::default() }
    }

    fn required(name: &str, public: bool, whole: bool) -> RequiredLibrary {
        RequiredLibrary { name: name.into(), version: "0.3".into(), public, whole }
    }

    #[test]
    fn pkg_config_file_of_headers_names_no_library() {
        let library = LibraryInterface {
            include_dirs: vec!["include".into()],
            homepage: Some("https://greet.example/#a".into()),
            license: Some("MIT".into()),
            defines: vec!["NAME=\"a b\"".into()],
            ..LibraryInterface::default()
        };
        assert_eq!(
            file(library),
            "includedir=${prefix}/include\n\nName: greet\nDescription: Greets\n\
             URL: https://greet.example/#a\nVersion: 1.2.0\nLicense: MIT\n\
             Cflags: -I${includedir} -DNAME=\\\"a\\ b\\\"\n"
        );
    }

    #[test]
    fn pkg_config_file_of_a_shared_library_keeps_what_it_has_in_it_private() {
        let library = LibraryInterface {
            forms: shared(),
            system_libs: vec!["m".into()],
            packages: vec!["openssl>=3".into(), "zlib".into()],
            link_args: vec!["-pthread".into()],
            requires: vec![required("low", false, false), required("loaded", true, false)],
            ..LibraryInterface::default()
        };
        assert_eq!(
            file(library),
            "\nName: greet\nDescription: Greets\nVersion: 1.2.0\nRequires: loaded >= 0.3\n\
             Requires.private: low >= 0.3, openssl >= 3, zlib\nLibs.private: -lm\n\
             Libs: -L${libdir} -lgreet -pthread\n"
        );
    }

    #[test]
    fn pkg_config_file_of_an_archive_alone_names_all() {
        let library = LibraryInterface {
            forms: LibraryForms { cxx: true, ..archive() },
            include_dirs: vec!["include/greet".into(), "include/greet/c++".into()],
            system_libs: vec!["m".into()],
            packages: vec!["zlib".into()],
            requires: vec![required("low", true, true)],
            ..LibraryInterface::default()
        };
        assert_eq!(
            file(library),
            "includedir=${prefix}/include/greet\n\nName: greet\nDescription: Greets\n\
             Version: 1.2.0\nRequires: low >= 0.3, zlib\n\
             Libs: -L${libdir} -lgreet -Wl,--whole-archive,-llow,--no-whole-archive -lm -lstdc++\n\
             Cflags: -I${includedir} -I${prefix}/include/greet/c++\n"
        );
    }

    #[test]
    fn pkg_config_words_are_quoted() {
        let check = |word: &str, expect: &str| assert_eq!(quoted(word), expect);
        check("-DA=1", "-DA=1");
        check("-DA='x'", "-DA=\\'x\\'");
        check("$ORIGIN", "$$ORIGIN");
        check("a#b", "a\\#b");
        let check = |package: &str, expect: &str| assert_eq!(spaced(package), expect);
        check("zlib", "zlib");
        check("openssl >= 3", "openssl >= 3");
        check("openssl>=3", "openssl >= 3");
        check("a =1", "a = 1");
    }
}
