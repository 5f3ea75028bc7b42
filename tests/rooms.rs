//! The house's doors: which room may name which, what the Rust may not contain, and how long files may grow.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may name in a `crate::` path.
const DOORS: &[(&str, &[&str])] = &[
    ("fork", &[]),
    ("clock", &["fork"]),
    ("item", &[]),
    ("kv", &["clock", "fork"]),
    ("error", &["item", "kv"]),
    ("expression", &["item", "error"]),
    ("keyspace", &["kv", "item", "clock", "error"]),
    ("store", &["keyspace", "kv", "item", "error", "clock", "fork"]),
    ("api", &["store", "expression", "item", "error", "clock"]),
    // The two boundaries open the house: they choose an engine, and otherwise speak to `api`.
    ("python", &["api", "store", "kv", "item", "error", "clock", "fork"]),
];

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// A file below `src`, its room, and its text.
type Source = (PathBuf, String, String);

fn sources() -> Result<Vec<Source>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files)?;
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let inside = file.strip_prefix(&root)?.to_path_buf();
            let first = inside.components().next().ok_or("a file without a name")?;
            let room = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&file)?;
            Ok((inside, room, text))
        })
        .collect()
}

/// The text without its comments and without its tests, which stand last in a file.
fn code_of(text: &str) -> String {
    let begins_tests = |at: usize| {
        // The attributes of the module stand between `#[cfg(test)]` and its name.
        let mut behind =
            text[at..].lines().skip(1).skip_while(|line| line.starts_with("#[") || line.starts_with("    "));
        behind.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = text.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(|at| begins_tests(*at));
    text[..end.unwrap_or(text.len())]
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The rooms a text names: `crate::room…` and each branch of `crate::{a, b::c}`.
fn named_rooms(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let heads: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => {
                let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
                for (position, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => {
                            heads.push(&group[start..position]);
                            break;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            heads.push(&group[start..position]);
                            start = position + 1;
                        }
                        _ => {}
                    }
                }
                heads
            }
            None => vec![rest],
        };
        for head in heads {
            let name: String =
                head.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            if !name.is_empty() {
                rooms.push(name);
            }
        }
    }
    rooms
}

#[test]
fn doors_open_one_way_only() -> Result<(), Box<dyn Error>> {
    let doors: BTreeMap<&str, &[&str]> = DOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, room, text) in sources()? {
        if room == "lib" {
            continue;
        }
        let allowed = doors.get(room.as_str()).ok_or_else(|| format!("{} is in no known room", file.display()))?;
        for named in named_rooms(&code_of(&text)) {
            if named != room && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{} names crate::{named}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "doors opened the wrong way:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_door_reader_sees_what_it_must() {
    assert_eq!(named_rooms("use crate::{kv::{self, Error}, item::Map}; crate::api::x()"), ["kv", "item", "api"]);
    assert_eq!(code_of("a // crate::api\nb"), "a \nb");
    assert_eq!(
        code_of("a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\n#[expect(x)]\nmod tests {\nc\n}"),
        "a\n#[cfg(test)]\nmod tests;\nb"
    );
}

#[test]
fn every_file_says_what_it_is_for() -> Result<(), Box<dyn Error>> {
    let silent: Vec<String> = sources()?
        .into_iter()
        .filter(|(_, _, text)| !text.starts_with("//!"))
        .map(|(file, _, _)| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "files without a //! opening:\n{}", silent.join("\n"));
    Ok(())
}

#[test]
fn nothing_outside_tests_can_panic_by_choice_or_read_the_machines_clock() -> Result<(), Box<dyn Error>> {
    // What clippy's lints in Cargo.toml deny as well; here without a compiler, and for the house's own rules.
    let forbidden = [
        (".unwrap()", &[][..]),
        (".expect(\"", &[]),
        ("panic!(", &[]),
        ("todo!(", &[]),
        ("unimplemented!(", &[]),
        ("thread::sleep", &[]),
        ("SystemTime", &["clock.rs"]),
        ("Result<(), String>", &[]),
        ("is_human_readable", &[]),
    ];
    let mut found = Vec::new();
    for (file, _, text) in sources()? {
        // Whole files of tests are named so.
        let name = file.display().to_string();
        if name.contains("tests") || name.contains("contract") {
            continue;
        }
        let code = code_of(&text);
        for (needle, exempt) in forbidden {
            if code.contains(needle) && !exempt.contains(&name.as_str()) {
                found.push(format!("{name}: {needle}"));
            }
        }
    }
    assert!(found.is_empty(), "forbidden in src:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn only_keyspace_builds_keys_and_only_the_write_path_writes_rows() -> Result<(), Box<dyn Error>> {
    // Rows are written by `Loaded::write`, which stands in `store/blob.rs` and is called once.
    let (mut wrong, mut row_writers) = (Vec::new(), Vec::new());
    for (file, room, text) in sources()? {
        let name = file.display().to_string();
        let code = code_of(&text);
        if code.contains("Loaded::write(") {
            row_writers.push(name.clone());
        }
        // Whoever sets a key that no function of the keyspace gave would have to spell it out.
        if room == "store" && ["b\"", "&[0x", "vec![0x"].iter().any(|spelled| code.contains(spelled)) {
            wrong.push(format!("{name} spells out bytes"));
        }
        if matches!(room.as_str(), "api" | "python")
            && (code.contains("keyspace") || code.contains("set_versionstamped"))
        {
            wrong.push(format!("{name} reaches below store"));
        }
    }
    assert_eq!(row_writers, ["store/write.rs"]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
