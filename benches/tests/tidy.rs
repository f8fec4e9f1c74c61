//! What the style guide says that a machine can check: files open with a sentence about what they
//! own, stay readable in one sitting, and decision cores know neither actors, disks nor clocks.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest source file. Longer means two concepts.
const LINES_MAX: usize = 700;
/// Longer all the same: FRAME wants the 64 calls of the content pallet in one block.
const LONGER: &str = "runtime/pallets/content/src/calls.rs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust sources of the workspace.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules"
            {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).expect("a readable source file");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 50, "only {} sources found", found.len());
    found
}

fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn files_open_with_what_they_own() {
    let complaints: Vec<_> = sources()
        .iter()
        .filter(|(_, text)| {
            let first = text
                .lines()
                .find(|line| !line.starts_with("#![") && !line.trim().is_empty());
            !first.unwrap_or_default().starts_with("//!")
        })
        .map(|(path, _)| format!("{} does not open with a //! sentence", path.display()))
        .collect();
    complain(&complaints);
}

#[test]
fn files_are_readable_in_one_sitting() {
    let complaints: Vec<_> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(path, lines)| *lines > LINES_MAX && !path.ends_with(LONGER))
        .map(|(path, lines)| format!("{} has {lines} lines, {LINES_MAX} at most", path.display()))
        .collect();
    complain(&complaints);
}

#[test]
fn cores_know_no_actors_disks_sockets_or_clocks() {
    let banned = [
        "actix",
        "std::fs",
        "tokio::fs",
        "tokio::net",
        "reqwest",
        "Instant::now",
        "SystemTime::now",
        "spawn(",
    ];
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        if path.file_name().is_none_or(|name| name != "core.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for word in banned.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{} uses {word}: {}", path.display(), line.trim()));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn no_work_is_left_for_later() {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("#[ig", "nore"),
    ];
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{} has {word}", path.display(), number + 1));
            }
        }
    }
    complain(&complaints);
}

/// `docs/what-operators-suffered.md` promises a test for each line.
#[test]
fn tests_that_a_document_names_exist() {
    let document = root().join("docs/what-operators-suffered.md");
    let document = fs::read_to_string(document).expect("the document");
    let is_test = |word: &&str| {
        word.matches('_').count() > 1
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let named: Vec<_> = document.split('`').filter(is_test).collect();
    assert!(named.len() > 20, "only {} tests are named", named.len());
    let sources = sources();
    let is_there = |name: &str| {
        let start = format!("fn {name}(");
        sources.iter().any(|(_, text)| text.contains(&start))
    };
    let complaints: Vec<_> = named
        .into_iter()
        .filter(|name| !is_there(name))
        .map(|name| format!("there is no test {name}"))
        .collect();
    complain(&complaints);
}
