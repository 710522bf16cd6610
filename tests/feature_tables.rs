//! The feature tables of the README and of the crate's documentation name the features that are.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, fs, path::Path};

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The features that `Cargo.toml` offers to users.
fn features() -> BTreeSet<String> {
    let manifest = file("Cargo.toml");
    let (_, features) = manifest.split_once("\n[features]\n").expect("features");
    let lines = features.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    let public = names.filter(|name| !name.starts_with(['#', '_', ' ']) && *name != "default");
    public.map(str::to_owned).collect()
}

/// The names in the first column of the table that begins with `| feature |`.
fn table(path: &str) -> BTreeSet<String> {
    let text = file(path).replace("//! ", "");
    let (_, table) = text.split_once("| feature |").expect("a table");
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let names = rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn each_public_feature_is_in_both_tables_and_each_row_is_a_feature() {
    let features = features();
    assert!(features.contains("full"), "{features:?}");
    assert_eq!(table("README.md"), features, "README.md");
    assert_eq!(table("src/lib.rs"), features, "src/lib.rs");
}
