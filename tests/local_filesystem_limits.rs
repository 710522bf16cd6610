//! A small file cannot make this crate use up the stack or the memory.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "local_filesystem_cases/folder.rs"]
mod folder;

use std::fmt::Write as _;

use airflow_secrets::{
    Dialect, Failure, FailureKind, Lookup, Secret, SecretsBackend, backends::LocalFilesystemBackend,
};
use folder::Folder;

async fn variable(name: &str, content: &str) -> Result<Lookup<Secret>, Failure> {
    let folder = Folder::new();
    let path = folder.write(name, content);
    let builder = LocalFilesystemBackend::builder();
    let backend = builder.variables_file_path(path).build();
    backend.get_variable("v", None).await
}

async fn assert_refused(name: &str, content: &str, problem: &str) {
    let failure = variable(name, content)
        .await
        .expect_err("the file is refused");
    assert_eq!(failure.kind(), FailureKind::InvalidValue);
    let message = failure.message();
    assert!(message.contains(problem), "{message}");
}

fn text(lookup: Result<Lookup<Secret>, Failure>) -> String {
    match lookup {
        Ok(Lookup::Found { value, .. }) => value.expose().to_owned(),
        other => panic!("not found: {other:?}"),
    }
}

/// Twelve levels of ten aliases each.
fn alias_bomb() -> String {
    let mut bomb = "a0: &a0 boom\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").expect("a String takes all");
    }
    bomb
}

#[tokio::test]
async fn an_alias_bomb_is_read_but_not_written_out() {
    let bomb = alias_bomb();
    assert_refused("v.yaml", &format!("{bomb}v: *a11\n"), "longer than 16 MiB").await;
    assert_eq!(
        text(variable("v.yaml", &format!("{bomb}v: calm\n")).await),
        "calm"
    );
}

#[tokio::test]
async fn an_alias_bomb_in_extra_is_refused() {
    let folder = Folder::new();
    let content = format!(
        "pg: {{extra_dejson: {{\n{}}}}}\n",
        alias_bomb().replace('\n', ",\n")
    );
    let path = folder.write("c.yaml", content);
    let builder = LocalFilesystemBackend::builder();
    let backend = builder.connections_file_path(path).build();
    let lookup = backend.get_connection("pg", None, Dialect::Core).await;
    let failure = lookup.expect_err("the file is refused");
    assert!(
        failure.message().contains("`extra` that is too long"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_merge_bomb_is_refused() {
    let mut bomb = "a0: &a0 {x: 1}\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} {{<<: [{aliases}]}}").expect("a String takes all");
    }
    assert_refused("v.yaml", &bomb, "merges more than a million entries").await;
}

#[tokio::test]
async fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let nested = |depth| format!("v: {}1{}\n", open.repeat(depth), close.repeat(depth));
        assert!(text(variable("v.yaml", &nested(255)).await).len() > 255);
        assert_refused("v.yaml", &nested(256), "nests deeper than 256 levels").await;
        assert_refused("v.yaml", &nested(100_000), "nests deeper than 256 levels").await;
    }
    let nested = |depth| format!("{{\"v\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(text(variable("v.json", &nested(979)).await).len(), 979 * 2);
    assert_refused("v.json", &nested(980), "nests too deep").await;
    assert_refused("v.json", &nested(100_000), "nests too deep").await;
}

#[tokio::test]
async fn nesting_through_aliases_is_refused() {
    let mut chain = "a0: &a0 []\n".to_owned();
    let mut backwards = "x: [&b0 {k: 1}".to_owned();
    for link in 1..20_000 {
        let before = link - 1;
        writeln!(chain, "a{link}: &a{link} [*a{before}]").expect("a String takes all");
        write!(backwards, ", &b{link} {{k: *b{before}}}").expect("a String takes all");
    }
    assert_refused("v.yaml", &chain, "nests deeper than 256 levels").await;
    backwards.push_str("]\n<<: *b19999\n");
    assert_refused("v.yaml", &backwards, "nests deeper than 256 levels").await;
}

#[tokio::test]
async fn an_alias_within_its_own_anchor_is_refused() {
    let problem = "a YAML alias stands within what it stands for";
    assert_refused("v.yaml", "v: &a [*a]\n", problem).await;
    assert_refused("v.yaml", "v: &a {b: {c: *a}}\n", problem).await;
    assert_eq!(
        text(variable("v.yaml", "x: &a {<<: *a, b: 1}\nv: *a\n").await),
        "{'b': 1}"
    );
}
