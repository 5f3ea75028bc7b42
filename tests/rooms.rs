//! The house's rules for `src`: which room may name which, what code outside of tests may not contain, who builds keys and
//! writes rows, and that files open with what they are for and stay short enough to read.
//!
//! It reads text, not Rust: what it finds is there, and what a macro or an alias hides it does not find. What the compiler can
//! check itself stands in Cargo.toml's lints, and again here only where a file is to be named.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may name in a `crate::` path.
const DOORS: &[(&str, &[&str])] = &[
    ("fork", &[]),
    ("clock", &["fork"]),
    ("bucket", &[]),
    ("item", &[]),
    ("kv", &["clock", "fork"]),
    ("error", &["item", "kv"]),
    ("expression", &["item", "error"]),
    ("partiql", &["expression", "item", "error"]),
    ("keyspace", &["kv", "item", "clock", "error"]),
    ("store", &["keyspace", "kv", "item", "error", "clock", "bucket", "fork"]),
    ("api", &["store", "partiql", "expression", "item", "error", "clock", "bucket"]),
    // The two boundaries. HTTP is given an open database.
    ("http", &["api", "store", "error", "clock", "fork"]),
    // Python opens the house: it chooses an engine, starts the HTTP server, and otherwise speaks to `api`.
    ("python", &["http", "api", "store", "kv", "item", "error", "clock", "bucket", "fork"]),
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

/// What follows `Result<` up to its last comma, where there is one: the error types a text spells out.
fn error_types(code: &str) -> Vec<&str> {
    let mut types = Vec::new();
    for (at, opening) in code.match_indices("Result<") {
        let rest = &code[at + opening.len()..];
        let (mut depth, mut comma, mut before) = (0, None, ' ');
        for (position, character) in rest.char_indices() {
            match character {
                // The end of an arrow closes nothing.
                '>' if before == '-' => {}
                '>' if depth == 0 => {
                    types.extend(comma.map(|comma: usize| rest[comma + 1..position].trim()));
                    break;
                }
                '<' | '(' | '[' => depth += 1,
                '>' | ')' | ']' => depth -= 1,
                ',' if depth == 0 => comma = Some(position),
                _ => {}
            }
            before = character;
        }
    }
    types
}

/// Every use of the crate of random numbers but as a generator that is given its seed.
fn unseeded(code: &str) -> Vec<&str> {
    code.match_indices("fastrand::")
        .map(|(at, _)| code[at..].lines().next().unwrap_or_default())
        .filter(|used| {
            let Some(rest) = used.strip_prefix("fastrand::Rng") else { return true };
            rest.starts_with("::") && !rest.starts_with("::with_seed(")
        })
        .collect()
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
    assert_eq!(
        error_types("a() -> kv::Result<String>; b() -> Result<(A, B), String>; Result<impl Fn(A) -> B, &'static str>"),
        ["String", "&'static str"]
    );
    assert_eq!(error_types("Result<\n    Vec<Result<A, X>>,\n    Y,\n>"), ["", "X"]);
    assert_eq!(
        unseeded("fastrand::Rng::with_seed(1); random: fastrand::Rng,\nfastrand::Rng::new()\nfastrand::u64(..)"),
        ["fastrand::Rng::new()", "fastrand::u64(..)"]
    );
}

#[test]
fn every_file_opens_with_what_it_is_for_and_is_short_enough_to_read() -> Result<(), Box<dyn Error>> {
    const MOST_LINES: usize = 600;
    let mut wrong = Vec::new();
    for (file, _, text) in sources()? {
        if !text.starts_with("//!") {
            wrong.push(format!("{} has no //! opening", file.display()));
        }
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{} has {lines} lines, more than {MOST_LINES}: it does two things", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn code_outside_tests_has_one_clock_one_source_of_randomness_and_typed_errors() -> Result<(), Box<dyn Error>> {
    // A text that must not stand in the code, and the files that may have it.
    let forbidden = [
        // These, and `unsafe`, are clippy's and rustc's to deny as well; here without a compiler, and with the files named.
        (".unwrap()", &[][..]),
        (".expect(\"", &[]),
        ("panic!(", &[]),
        ("todo!(", &[]),
        ("unimplemented!(", &[]),
        ("unsafe", &["kv/foundationdb/network.rs", "kv/foundationdb/owned.rs"]),
        ("thread::sleep", &[]),
        ("SystemTime", &["clock.rs"]),
        // The age of snapshots, how long a sync took, how long a cluster or a client may take, and how long requests took: none of
        // it shows in what is stored.
        (
            "Instant",
            &["kv/disk/log.rs", "kv/embedded.rs", "kv/foundationdb/answer.rs", "http/line.rs", "http/metrics.rs"],
        ),
        // Of a socket it makes one for IPv4.
        ("new_v4", &["clock.rs", "http/server.rs"]),
        ("RandomState", &[]),
        ("getrandom", &[]),
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
        found.extend(unseeded(&code).into_iter().map(|used| format!("{name}: {used} without a seed")));
        let texts = error_types(&code).into_iter().filter(|error| matches!(*error, "String" | "&str" | "&'static str"));
        found.extend(texts.map(|error| format!("{name}: Result<_, {error}>")));
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
        if matches!(room.as_str(), "api" | "http" | "python")
            && (code.contains("keyspace") || code.contains("set_versionstamped"))
        {
            wrong.push(format!("{name} reaches below store"));
        }
    }
    assert_eq!(row_writers, ["store/write.rs"]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
