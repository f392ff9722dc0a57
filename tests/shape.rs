//! Holds the shape of the source: bands in order, one file that names the driver, one door to write, small files.

use std::{
    fs,
    path::{Path, PathBuf},
};

const LONGEST: usize = 400;

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
            (name.to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// The modules as `lib.rs` lists them: the lowest first.
fn bands(sources: &[(String, String)]) -> Vec<String> {
    let map = &sources.iter().find(|(name, _)| name == "lib.rs").expect("lib.rs").1;
    map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

/// What a file says outside its unit tests.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// The modules that a text names after `crate::`, groups such as `crate::{a, b::c}` included.
fn named<'a>(text: &'a str, modules: &'a [String]) -> Vec<&'a String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let direct = |rest: &str| modules.iter().find(|module| starts_with_word(rest, module));
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(members(group).into_iter().filter_map(direct));
        } else {
            found.extend(direct(rest));
        }
    }
    found
}

fn starts_with_word(text: &str, word: &str) -> bool {
    let rest = text.trim_start().strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// The members of a `{…}` group at its own level; `group` starts behind the brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut all) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                all.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    all
}

#[test]
fn imports_point_down_the_bands() {
    let sources = sources();
    let bands = bands(&sources);
    let rank = |module: &str| bands.iter().position(|band| band == module);
    let mut wrong = Vec::new();
    for (name, text) in &sources {
        let own = name.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(height) = rank(own) else { continue };
        for used in named(program(text), &bands) {
            if rank(used).unwrap() > height {
                wrong.push(format!("src/{name} uses {used}, which stands above {own}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_stands_in_the_map() {
    let sources = sources();
    let bands = bands(&sources);
    for (name, _) in &sources {
        let own = name.split('/').next().unwrap().trim_end_matches(".rs");
        assert!(own == "main" || own == "lib" || bands.iter().any(|band| band == own), "src/{name} is not in lib.rs");
    }
}

#[test]
fn one_file_names_the_driver_and_few_hold_the_writer() {
    for (name, text) in sources().into_iter().filter(|(name, _)| !name.ends_with("tests.rs")) {
        let program = program(&text);
        assert!(name.starts_with("storage/sqlite") || !program.contains("rusqlite"), "src/{name} names the driver");
        let may_write = ["storage/", "audit/", "jobs/", "server/"].iter().any(|folder| name.starts_with(folder));
        let writes = program.contains("storage::Writer") || program.contains(".writer()");
        assert!(may_write || !writes, "src/{name} goes around the audit log");
    }
}

#[test]
fn files_are_small() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "src/{name} has {lines} lines; look for a seam");
    }
}

#[test]
fn the_shape_test_sees_what_it_should() {
    let modules = ["error", "web", "audit"].map(str::to_owned);
    let text = "use crate::{\n    error::{Code, Error},\n    web::{self, audit},\n};\nfn f() { crate::audit::link() }";
    assert_eq!(named(text, &modules), ["error", "web", "audit"]);
    assert!(named("use crate::errors;", &modules).is_empty());
}
