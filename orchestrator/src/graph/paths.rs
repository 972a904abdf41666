//! Where things go: paths as workers see them, object files, archive members. Does no I/O.
//!
//! Workers run in the workspace root, and every path below it is given relative to it, so that two
//! copies of a workspace in different directories are built by the same words into the same bytes.

use crate::manifest::{Crate, Profile};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use std::collections::{HashMap, HashSet};

/// The directory below the target directory that a profile's outputs go to.
pub fn profile_dir(profile: &Profile) -> &str {
    match profile.name.as_str() {
        "dev" => "debug",
        name => name,
    }
}

/// `path` for a worker in `root`: relative if it is below, else absolute. A name
/// that a driver or linker would take for an option or a response file gets a leading `./`.
pub fn seen_from(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    match below(root, path) {
        Some("") => Utf8PathBuf::from("."),
        Some(rest) if rest.starts_with(['-', '@']) => Utf8PathBuf::from(format!("./{rest}")),
        Some(rest) => Utf8PathBuf::from(rest),
        None => path.to_owned(),
    }
}

/// `path` relative to `dir`, if it is below. As `Utf8Path::strip_prefix`, which parses both, and is
/// asked here several times for each source of a build.
fn below<'p>(dir: &Utf8Path, path: &'p Utf8Path) -> Option<&'p str> {
    let plain = path.as_str().strip_prefix(dir.as_str()).and_then(|rest| rest.strip_prefix('/'));
    match plain {
        Some(rest)
            if !dir.as_str().is_empty() && !rest.is_empty() && !rest.starts_with(['/', '.']) =>
        {
            Some(rest)
        }
        _ => path.strip_prefix(dir).ok().map(Utf8Path::as_str),
    }
}

/// How long the directory of shared libraries is that links write into their outputs.
pub const RUNTIME_PATH_BYTES: usize = 80;

/// The directory of shared libraries, for a program or library that lies `below` directories below
/// the directory of outputs. Slashes at its end make it as long as any that an installation may put
/// in its place: so no installed program has to be linked again. The loader ignores them
/// (`fillin_rpath` in glibc's elf/dl-load.c).
pub(super) fn runtime_path(below: usize) -> String {
    let path = format!("$ORIGIN{}", "/..".repeat(below));
    format!("{path:/<RUNTIME_PATH_BYTES$}")
}

/// How a source is named within its crate: relative to the crate's directory, `$OUT_DIR/...` if
/// generated there, with `..` if it is elsewhere in the workspace, else absolute. Stable when
/// the workspace moves.
pub(super) fn name_in_crate(
    root: &Utf8Path,
    krate: &Crate,
    crate_out: &Utf8Path,
    source: &Utf8Path,
) -> String {
    if let Some(rest) = below(crate_out, source) {
        return format!("$OUT_DIR/{rest}");
    }
    if let Some(rest) = below(&krate.dir, source) {
        return rest.to_owned();
    }
    let (Ok(dir), Ok(source_in_root)) = (krate.dir.strip_prefix(root), source.strip_prefix(root))
    else {
        return source.to_string();
    };
    let common =
        dir.components().zip(source_in_root.components()).take_while(|(a, b)| a == b).count();
    let mut name = Utf8PathBuf::new();
    for _ in dir.components().skip(common) {
        name.push("..");
    }
    name.extend(source_in_root.components().skip(common));
    name.into_string()
}

/// A source's name in its crate, or for one outside the workspace its file name with a number, so
/// that the result does not depend on the directory of the workspace. `outside` has how often each
/// such file name came before, in one target.
pub(super) fn portable_name(name_in_crate: &str, outside: &mut HashMap<String, u32>) -> String {
    let path = Utf8Path::new(name_in_crate);
    if !path.is_absolute() {
        return name_in_crate.to_owned();
    }
    let file = path.file_name().unwrap_or(name_in_crate);
    let count = outside.entry(file.to_owned()).or_default();
    *count += 1;
    format!("/{count}/{file}")
}

/// The object file of the source with this name, relative to its target's object directory.
/// Different names give different paths: what is not a plain component becomes one that begins with
/// `__`, which plain ones are kept from.
pub(super) fn object_path(name: &str) -> Utf8PathBuf {
    let mut path = Utf8PathBuf::new();
    let name = match name.strip_prefix("$OUT_DIR/") {
        Some(rest) => {
            path.push("__out");
            rest
        }
        None => name,
    };
    for component in Utf8Path::new(name).components() {
        match component {
            Utf8Component::RootDir | Utf8Component::Prefix(_) => path.push("__abs"),
            Utf8Component::ParentDir => path.push("__up"),
            Utf8Component::CurDir => {}
            Utf8Component::Normal(plain) if plain.starts_with("__") => {
                path.push(format!("__{plain}"))
            }
            Utf8Component::Normal(plain) => path.push(plain),
        }
    }
    let mut path = path.into_string();
    path.push_str(".o");
    path.into()
}

/// Names of archive members, in the order of `sources` (names in the crate): `<stem>.o` where no
/// other has that stem, else the whole path with `_` between its parts, and a number where even
/// that is taken.
pub(super) fn member_names(sources: &[(String, bool)]) -> Vec<String> {
    let short = |(name, prebuilt): &(String, bool)| {
        let path = Utf8Path::new(name);
        if *prebuilt {
            path.file_name().unwrap_or(name).to_owned()
        } else {
            format!("{}.o", path.file_stem().unwrap_or(name))
        }
    };
    let mut uses: HashMap<String, u32> = HashMap::new();
    for source in sources {
        *uses.entry(short(source)).or_default() += 1;
    }
    let mut taken: HashSet<String> = HashSet::new();
    let mut names = Vec::with_capacity(sources.len());
    for source in sources {
        let mut name = short(source);
        if uses[&name] > 1 {
            let flat = object_path(&source.0).into_string().replace('/', "_");
            let flat = flat.strip_suffix(".o").unwrap_or(&flat).to_owned();
            name = format!("{flat}.o");
            let mut number = 2;
            while taken.contains(&name) || uses.contains_key(&name) {
                name = format!("{flat}-{number}.o");
                number += 1;
            }
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_below_a_directory_is_that_of_strip_prefix() {
        for dir in ["/w", "/", "/w/a", "", "w"] {
            for path in ["/w/a/b.c", "/w", "/w/", "/wa/b", "/w//a", "/w/./a", "/", "w/a", "w", ""] {
                let (dir, path) = (Utf8Path::new(dir), Utf8Path::new(path));
                let expect = path.strip_prefix(dir).ok().map(Utf8Path::as_str);
                assert_eq!(below(dir, path), expect, "{dir} {path}");
            }
        }
    }

    #[test]
    fn paths_below_the_root_are_relative() {
        let check = |path: &str, expect: &str| {
            assert_eq!(seen_from("/w".into(), path.into()), Utf8Path::new(expect), "{path}");
        };
        check("/w/a/x.c", "a/x.c");
        check("/w", ".");
        check("/elsewhere/x.c", "/elsewhere/x.c");
        check("/ww/x.c", "/ww/x.c");
        check("/w/-x.c", "./-x.c");
        check("/w/@x.c", "./@x.c");
    }

    #[test]
    fn runtime_paths_have_one_length() {
        for below in [0, 1, 5] {
            assert_eq!(runtime_path(below).len(), RUNTIME_PATH_BYTES);
        }
        assert_eq!(runtime_path(1).trim_end_matches('/'), "$ORIGIN/..");
    }

    #[test]
    fn portable_names_have_no_directory_outside() {
        let mut outside = HashMap::new();
        let mut check =
            |name: &str, expect: &str| assert_eq!(portable_name(name, &mut outside), expect);
        check("src/a.c", "src/a.c");
        check("$OUT_DIR/a.c", "$OUT_DIR/a.c");
        check("../b/a.c", "../b/a.c");
        check("/usr/src/a.c", "/1/a.c");
        check("/usr/src/b.c", "/1/b.c");
        check("/usr/src/x/a.c", "/2/a.c");
    }

    #[test]
    fn object_names_do_not_collide() {
        let check = |name: &str, expect: &str| {
            assert_eq!(object_path(name), Utf8Path::new(expect), "{name}")
        };
        check("src/a.c", "src/a.c.o");
        check("src/a.cc", "src/a.cc.o");
        check("../b/a.c", "__up/b/a.c.o");
        check("__up/b/a.c", "____up/b/a.c.o");
        check("/usr/src/a.c", "__abs/usr/src/a.c.o");
        check("$OUT_DIR/a.c", "__out/a.c.o");
    }

    #[test]
    fn member_is_named_by_stem_unless_two_share_it() {
        let names = |sources: &[&str]| {
            member_names(
                &sources.iter().map(|s| (s.to_string(), s.ends_with(".o"))).collect::<Vec<_>>(),
            )
        };
        assert_eq!(names(&["src/a.c", "src/b.c"]), ["a.o", "b.o"]);
        assert_eq!(
            names(&["src/x/a.c", "src/y/a.c", "b.c"]),
            ["src_x_a.c.o", "src_y_a.c.o", "b.o"]
        );
        assert_eq!(names(&["a.c", "a.S"]), ["a.c.o", "a.S.o"]);
        assert_eq!(names(&["a/b_c.c", "a_b/c.c", "x/b_c.c", "x/c.c"])[0], "a_b_c.c.o");
        assert_eq!(names(&["a/b_c.c", "a_b/c.c", "x/b_c.c", "x/c.c"])[1], "a_b_c.c-2.o");
        assert_eq!(names(&["pre/z.o", "z.c"]), ["pre_z.o.o", "z.c.o"]);
    }
}
