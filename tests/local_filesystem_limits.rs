//! A small file cannot make this crate use up the stack or the memory.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "local_filesystem_cases/folder.rs"]
mod folder;

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use airflow_secrets::{
    Failure, Lookup, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::local_filesystem::LocalFilesystemBackend,
};
use folder::Folder;

async fn variable(name: &str, content: &str) -> Result<Lookup<Secret>, Failure> {
    let folder = Folder::new();
    let path = folder.write(name, content);
    let builder = LocalFilesystemBackend::builder();
    let backend = builder.variables_file_path(path).build();
    backend.get_variable("v", &LookupOptions::new()).await
}

/// The whole file is refused.
async fn assert_refused(name: &str, content: &str, problem: &str) {
    assert_fails(name, content, FailureKind::Unavailable, problem).await;
}

async fn assert_fails(name: &str, content: &str, kind: FailureKind, problem: &str) {
    let failure = variable(name, content)
        .await
        .expect_err("the file is refused");
    assert_eq!(failure.kind(), kind);
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
async fn long_integers_take_time_in_proportion_to_their_length() {
    let integer = format!("0x{}", "f".repeat(3_500));
    let integers = vec![integer; 300].join(",");
    let content = format!("v: found\nz: [{integers}]\n");
    let begin = Instant::now();
    assert_eq!(text(variable("v.yaml", &content).await), "found");
    // Digit for digit, it took a minute.
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_flood_of_tag_directives_is_refused() {
    let directives = |count| {
        let one = |number| format!("%TAG !t{number}! tag:example.com,2026:\n");
        let all = (0..count).map(one).collect::<String>();
        format!("# tags\n{all}---\nv: found\n")
    };
    assert_eq!(text(variable("v.yaml", &directives(64)).await), "found");
    let problem = "v.yaml:66: the file has more than 64 %TAG directives (YAML-2)";
    assert_refused("v.yaml", &directives(65), problem).await;
}

#[tokio::test]
async fn an_alias_bomb_is_read_but_not_written_out() {
    let bomb = alias_bomb();
    let written = format!("{bomb}v: *a11\n");
    let problem = "longer than 16 MiB";
    assert_fails("v.yaml", &written, FailureKind::InvalidValue, problem).await;
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
    let lookup = backend.get_connection("pg", &LookupOptions::new()).await;
    let failure = lookup.expect_err("the file is refused");
    assert!(
        failure
            .message()
            .contains("`extra` that is longer than 16 MiB"),
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
    assert_refused("v.json", &nested(980), "nests too deeply").await;
    assert_refused("v.json", &nested(100_000), "nests too deeply").await;
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
    let problem = "a YAML alias is inside the value that it refers to (YAML-2)";
    assert_refused("v.yaml", "v: &a [*a]\n", problem).await;
    assert_refused("v.yaml", "v: &a {b: {c: *a}}\n", problem).await;
    assert_eq!(
        text(variable("v.yaml", "x: &a {<<: *a, b: 1}\nv: *a\n").await),
        r#"{"b": 1}"#
    );
}

#[tokio::test]
async fn a_tag_before_a_comma_is_told_from_a_text_like_one() {
    let yaml = "v: [!!str, \"a !b, c\", 'x !y, z', !!int 1, ! , {k: !!null, l: !<tag:yaml.org,2002:str>, m: 1}, \
                # !!str, no\n  d !e, !!str ]\n";
    assert_eq!(
        text(variable("v.yaml", yaml).await),
        r#"["", "a !b, c", "x !y, z", 1, "", {"k": null, "l": "", "m": 1}, "d !e", ""]"#
    );
    assert_eq!(
        text(variable("v.yaml", "v: a !b:, c !d, e\n").await),
        "a !b:, c !d, e"
    );
    assert_eq!(
        text(variable("v.yaml", "v: |\n  a !b, c\n").await),
        "a !b, c\n"
    );
    // An error behind the tag.
    assert_refused(
        "v.yaml",
        "v: [!!str, \"\\q\"]\n",
        "the file is not valid YAML",
    )
    .await;
    assert_refused("v.yaml", "v: !!str, a\n", "the file is not valid YAML").await;
    // Whose comma follows which tag?
    assert_refused("v.yaml", "v: ['!<',!a,'>']\n", "which may be a YAML tag").await;
}

#[tokio::test]
async fn what_looks_like_many_tags_is_read() {
    let tags = vec!["!!str"; 20_000].join(", ");
    let read = text(variable("v.yaml", &format!("v: [{tags} ]\n")).await);
    assert_eq!(read.matches("\"\"").count(), 20_000);
    let marks = "!".repeat(200_000);
    let read = text(variable("v.yaml", &format!("v: '{marks}'\n")).await);
    assert_eq!(read.len(), marks.len());
    let spaced = "! ".repeat(100_000);
    let read = text(variable("v.yaml", &format!("v: '{spaced}x'\n")).await);
    assert_eq!(read.len(), spaced.len() + 1);
}
