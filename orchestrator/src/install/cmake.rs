//! The package of a library for CMake. Pure: text out.
//!
//! `find_package(greet)` finds `greet-config.cmake` whatever the case of the name (cmake-packages(7)).
//! It makes the target `greet::greet`, and one for each form of the library. Paths start from the
//! file itself, so that a tree may be moved.

use super::interface::{LibraryInterface, RequiredLibrary};
use super::layout::{InstallLayout, way};
use camino::Utf8Path;
use std::fmt::Write as _;

/// The names of the two files, and their texts.
pub(super) fn cmake_files(
    library: &LibraryInterface,
    layout: &InstallLayout,
) -> [(String, String); 2] {
    let stem = library.name.to_lowercase();
    [
        (format!("{stem}-config.cmake"), config(library, layout)),
        (format!("{stem}-config-version.cmake"), version(library)),
    ]
}

/// The text of a version: compatible as cargo has it, so that 1.3 does for 1.2, and 0.3 does not
/// for 0.2.
fn version(library: &LibraryInterface) -> String {
    let mut numbers = library.version.split(['.', '-', '+']);
    let same = match (numbers.next(), numbers.next()) {
        (Some("0"), Some(minor)) => format!(
            "PACKAGE_FIND_VERSION_MAJOR EQUAL 0 AND (PACKAGE_FIND_VERSION_COUNT LESS 2 OR PACKAGE_FIND_VERSION_MINOR EQUAL {minor})"
        ),
        (major, _) => format!("PACKAGE_FIND_VERSION_MAJOR EQUAL {}", major.unwrap_or_default()),
    };
    format!(
        "set(PACKAGE_VERSION \"{}\")\n\
         set(PACKAGE_VERSION_COMPATIBLE FALSE)\n\
         if(PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION)\n  \
         if({same})\n    set(PACKAGE_VERSION_COMPATIBLE TRUE)\n  endif()\n  \
         if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)\n    set(PACKAGE_VERSION_EXACT TRUE)\n  endif()\n\
         endif()\n",
        library.version
    )
}

fn config(library: &LibraryInterface, layout: &InstallLayout) -> String {
    let name = &library.name;
    let prefix = prefix_variable(library);
    let way = way(&layout.cmake_dir(name), "".as_ref());
    // The real path: /lib may be a link to /usr/lib, beside which there is no include directory.
    let mut text = format!(
        "get_filename_component({prefix} \"${{CMAKE_CURRENT_LIST_DIR}}\" REALPATH)\n\
         get_filename_component({prefix} \"${{{prefix}}}/{way}\" ABSOLUTE)\n\n"
    );
    text += &dependencies(library);
    let _ = writeln!(text, "if(NOT TARGET {name}::{name})");
    let mut forms = Vec::new();
    if let Some((file, soname)) = &library.forms.shared {
        forms.push("shared");
        let properties = [
            ("IMPORTED_LOCATION", in_prefix(library, layout.libdir(), file)),
            ("IMPORTED_SONAME", soname.clone()),
        ];
        text += &target(library, "shared", "SHARED", &properties);
    }
    if let Some(file) = &library.forms.archive {
        forms.push("static");
        let language = if library.forms.cxx { "CXX" } else { "C" };
        let properties = [
            ("IMPORTED_LOCATION", in_prefix(library, layout.libdir(), file)),
            ("IMPORTED_LINK_INTERFACE_LANGUAGES", language.to_owned()),
        ];
        text += &target(library, "static", "STATIC", &properties);
    }
    let is = |form: &str| {
        format!(
            "set_target_properties({name}::{name} PROPERTIES INTERFACE_LINK_LIBRARIES {name}::{name}_{form})"
        )
    };
    let either = format!("  add_library({name}::{name} INTERFACE IMPORTED)\n");
    match forms[..] {
        [] => text += &target(library, "", "INTERFACE", &[]),
        [form] => text += &format!("{either}  {}\n", is(form)),
        _ => {
            text += &format!(
                "  # The shared library, unless {name}_USE_STATIC_LIBS is set.\n{either}  \
                 if({name}_USE_STATIC_LIBS)\n    {}\n  else()\n    {}\n  endif()\n",
                is("static"),
                is("shared")
            );
        }
    }
    text + &format!("endif()\nunset({prefix})\n")
}

/// Finds what the library requires.
fn dependencies(library: &LibraryInterface) -> String {
    let mut text = String::new();
    if library.requires.is_empty() && library.packages.is_empty() {
        return text;
    }
    text += "include(CMakeFindDependencyMacro)\n";
    for RequiredLibrary { name, version, .. } in &library.requires {
        // Those of the same prefix come first.
        let prefix = prefix_variable(library);
        let _ = writeln!(text, "find_dependency({name} {version} CONFIG HINTS \"${{{prefix}}}\")");
    }
    if !library.packages.is_empty() {
        text += "find_dependency(PkgConfig)\n";
    }
    for (number, package) in library.packages.iter().enumerate() {
        let package: String = package.split_whitespace().collect();
        let variable = package_variable(library, number);
        let _ = write!(
            text,
            "pkg_check_modules({variable} QUIET IMPORTED_TARGET \"{package}\")\n\
             if(NOT {variable}_FOUND)\n  \
             set(${{CMAKE_FIND_PACKAGE_NAME}}_FOUND FALSE)\n  \
             set(${{CMAKE_FIND_PACKAGE_NAME}}_NOT_FOUND_MESSAGE \"pkg-config does not find {package}\")\n  \
             return()\nendif()\n"
        );
    }
    text + "\n"
}

/// Files of other packages, which are read in the midst of this one, have variables of their own.
fn plain_name(library: &LibraryInterface) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    library.name.chars().map(plain).collect()
}

fn prefix_variable(library: &LibraryInterface) -> String {
    format!("_{}_prefix", plain_name(library))
}

fn package_variable(library: &LibraryInterface, number: usize) -> String {
    format!("_{}_package{number}", plain_name(library))
}

fn in_prefix(library: &LibraryInterface, dir: &Utf8Path, file: &str) -> String {
    let path = dir.join(file);
    format!("${{{}}}/{}", prefix_variable(library), path.as_str().trim_end_matches('/'))
}

/// An imported target and its properties.
fn target(library: &LibraryInterface, form: &str, kind: &str, own: &[(&str, String)]) -> String {
    let name = &library.name;
    // Links with all that it requires.
    let is_static = form != "shared";
    let target = match form {
        "" => format!("{name}::{name}"),
        form => format!("{name}::{name}_{form}"),
    };
    let dirs = library.include_dirs.iter().map(|dir| in_prefix(library, dir, ""));
    let mut dirs: Vec<String> = dirs.collect();
    let mut links: Vec<String> = Vec::new();
    for RequiredLibrary { name: other, public, whole, .. } in &library.requires {
        if is_static && *whole {
            let file = format!("$<TARGET_FILE:{other}::{other}_static>");
            links.push(format!("-Wl,--whole-archive,{file},--no-whole-archive"));
            links.push(format!(
                "$<TARGET_PROPERTY:{other}::{other}_static,INTERFACE_LINK_LIBRARIES>"
            ));
        } else if is_static || *public {
            links.push(format!("{other}::{other}"));
            continue;
        }
        // The shared library has it already. Its headers may be included.
        dirs.push(format!("$<TARGET_PROPERTY:{other}::{other},INTERFACE_INCLUDE_DIRECTORIES>"));
    }
    for number in 0..library.packages.len() {
        let variable = package_variable(library, number);
        match is_static {
            true => links.push(format!("PkgConfig::{variable}")),
            false => dirs.push(format!("${{{variable}_INCLUDE_DIRS}}")),
        }
    }
    if is_static {
        links.extend(library.system_libs.iter().cloned());
    }
    let mut text = format!("  add_library({target} {kind} IMPORTED)\n");
    let of_users = [
        ("INTERFACE_INCLUDE_DIRECTORIES", dirs.join(";")),
        ("INTERFACE_COMPILE_DEFINITIONS", library.defines.join(";")),
        ("INTERFACE_LINK_LIBRARIES", links.join(";")),
        ("INTERFACE_LINK_OPTIONS", library.link_args.join(";")),
    ];
    let set = own.iter().chain(&of_users).filter(|(_, value)| !value.is_empty());
    let set: Vec<String> =
        set.map(|(property, value)| format!("\n    {property} \"{}\"", quoted(value))).collect();
    if !set.is_empty() {
        let _ = writeln!(text, "  set_target_properties({target} PROPERTIES{})", set.concat());
    }
    text
}

/// Inside of quotes. Variables and generator expressions stay what they are.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::super::interface::LibraryForms;
    use super::*;

    fn config_of(library: LibraryInterface) -> String {
        let library = LibraryInterface { name: "greet".into(), ..library };
        let layout =
            InstallLayout::new("/".into(), "/usr".as_ref(), "lib/arch".as_ref(), None).unwrap();
        let [(name, text), _] = cmake_files(&library, &layout);
        assert_eq!(name, "greet-config.cmake");
        let head = "get_filename_component(_greet_prefix \"${CMAKE_CURRENT_LIST_DIR}\" REALPATH)\n\
                    get_filename_component(_greet_prefix \"${_greet_prefix}/../../../..\" ABSOLUTE)\n\n";
        let rest = text.strip_prefix(head).expect(&text);
        rest.strip_suffix("endif()\nunset(_greet_prefix)\n").expect(rest).to_owned()
    }

    #[test]
    fn cmake_package_of_headers_is_an_interface() {
        let library = LibraryInterface {
            include_dirs: vec!["include".into()],
            defines: vec!["NAME=\"x\"".into(), "ON".into()],
            ..LibraryInterface::default()
        };
        assert_eq!(
            config_of(library),
            "if(NOT TARGET greet::greet)\n  add_library(greet::greet INTERFACE IMPORTED)\n  \
             set_target_properties(greet::greet PROPERTIES\n    \
             INTERFACE_INCLUDE_DIRECTORIES \"${_greet_prefix}/include\"\n    \
             INTERFACE_COMPILE_DEFINITIONS \"NAME=\\\"x\\\";ON\")\n"
        );
    }

    #[test]
    fn cmake_package_of_two_forms_lets_users_choose() {
        let library = LibraryInterface {
            forms: LibraryForms {
                archive: Some("libgreet.a".into()),
                shared: Some(("libgreet.so.1.2".into(), "libgreet.so.1".into())),
                cxx: true,
            },
            system_libs: vec!["m".into()],
            packages: vec!["zlib >= 1.2".into()],
            requires: vec![RequiredLibrary {
                name: "low".into(),
                version: "0.3".into(),
                public: false,
                whole: false,
            }],
            ..LibraryInterface::default()
        };
        assert_eq!(
            config_of(library),
            "include(CMakeFindDependencyMacro)\n\
             find_dependency(low 0.3 CONFIG HINTS \"${_greet_prefix}\")\n\
             find_dependency(PkgConfig)\n\
             pkg_check_modules(_greet_package0 QUIET IMPORTED_TARGET \"zlib>=1.2\")\n\
             if(NOT _greet_package0_FOUND)\n  set(${CMAKE_FIND_PACKAGE_NAME}_FOUND FALSE)\n  \
             set(${CMAKE_FIND_PACKAGE_NAME}_NOT_FOUND_MESSAGE \"pkg-config does not find zlib>=1.2\")\n  \
             return()\nendif()\n\n\
             if(NOT TARGET greet::greet)\n  add_library(greet::greet_shared SHARED IMPORTED)\n  \
             set_target_properties(greet::greet_shared PROPERTIES\n    \
             IMPORTED_LOCATION \"${_greet_prefix}/lib/arch/libgreet.so.1.2\"\n    \
             IMPORTED_SONAME \"libgreet.so.1\"\n    \
             INTERFACE_INCLUDE_DIRECTORIES \"$<TARGET_PROPERTY:low::low,INTERFACE_INCLUDE_DIRECTORIES>;${_greet_package0_INCLUDE_DIRS}\")\n  \
             add_library(greet::greet_static STATIC IMPORTED)\n  \
             set_target_properties(greet::greet_static PROPERTIES\n    \
             IMPORTED_LOCATION \"${_greet_prefix}/lib/arch/libgreet.a\"\n    \
             IMPORTED_LINK_INTERFACE_LANGUAGES \"CXX\"\n    \
             INTERFACE_LINK_LIBRARIES \"low::low;PkgConfig::_greet_package0;m\")\n  \
             # The shared library, unless greet_USE_STATIC_LIBS is set.\n  \
             add_library(greet::greet INTERFACE IMPORTED)\n  if(greet_USE_STATIC_LIBS)\n    \
             set_target_properties(greet::greet PROPERTIES INTERFACE_LINK_LIBRARIES greet::greet_static)\n  \
             else()\n    \
             set_target_properties(greet::greet PROPERTIES INTERFACE_LINK_LIBRARIES greet::greet_shared)\n  \
             endif()\n"
        );
    }

    #[test]
    fn cmake_version_is_compatible_by_its_first_number() {
        let same = |version: &str| {
            let library =
                LibraryInterface { version: version.into(), ..LibraryInterface::default() };
            let text = super::version(&library);
            text.lines().find_map(|line| line.strip_prefix("  if(")).unwrap().to_owned()
        };
        assert_eq!(same("1.3.1"), "PACKAGE_FIND_VERSION_MAJOR EQUAL 1)");
        assert_eq!(same("10"), "PACKAGE_FIND_VERSION_MAJOR EQUAL 10)");
        let below_one = "PACKAGE_FIND_VERSION_MAJOR EQUAL 0 AND \
                         (PACKAGE_FIND_VERSION_COUNT LESS 2 OR PACKAGE_FIND_VERSION_MINOR EQUAL 3))";
        assert_eq!(same("0.3.1"), below_one);
        assert_eq!(same("0"), "PACKAGE_FIND_VERSION_MAJOR EQUAL 0)");
    }
}
