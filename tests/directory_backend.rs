//! Secrets that are mounted as files.
#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use airflow_secrets::{
    ErrorKind, Failure, Lookup, Resolver, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::directory::DirectoryBackend,
};

#[path = "support/example.rs"]
mod example;
#[path = "support/folder.rs"]
mod folder;

use example::{Run, run};
use folder::Folder;

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn outcome(looked_up: Result<Lookup<Secret>, Failure>) -> Result<String, String> {
    match looked_up {
        Ok(Lookup::Found { value, .. }) => Ok(value.expose().to_owned()),
        Ok(Lookup::Missing { .. }) => Err("missing".to_owned()),
        Ok(Lookup::Skipped { reason, .. }) => Err(format!("skipped: {reason}")),
        Err(failure) => Err(format!("{}: {failure}", failure.kind().as_str())),
        Ok(_) => Err("another outcome".to_owned()),
    }
}

async fn variable(backend: &DirectoryBackend, key: &str) -> Result<String, String> {
    outcome(backend.get_variable(key, &LookupOptions::new()).await)
}

/// What Kubernetes makes of a volume: each file is a link into `..data`, which is a link to a folder.
fn mount(volume: &Path, version: &str, files: &[(&str, &str)]) {
    for (name, text) in files {
        write(&volume.join(format!("..{version}")), name, text);
        let link = volume.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    symlink(format!("..{version}"), volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[tokio::test]
async fn a_connection_and_a_variable_are_read_from_their_files() {
    let folder = Folder::new();
    write(
        folder.path(),
        "connections/pg",
        "postgres://u:p%2Fw@h:5432/s\n",
    );
    write(folder.path(), "variables/colour", "blue");
    let resolver = Resolver::builder()
        .backend(DirectoryBackend::new(folder.path()))
        .build();
    let pg = resolver.get_connection("pg").await.unwrap();
    assert_eq!(pg.get_uri().expose(), "postgres://u:p%2Fw@h:5432/s");
    let path = folder.path().join("connections/pg");
    assert_eq!(
        pg.source().to_string(),
        format!("directory: {}", path.display())
    );
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    let error = resolver.get_variable("shape").await.unwrap_err();
    let missing = format!("({}/variables/shape) missing", folder.path().display());
    assert!(error.to_string().contains(&missing), "{error}");
}

#[tokio::test]
async fn one_line_break_at_the_end_is_taken_off_unless_it_is_kept() {
    let folder = Folder::new();
    let backend = DirectoryBackend::new(folder.path());
    let keeps = backend.clone().keep_final_newline();
    for (text, expected) in [
        ("", ""),
        ("\n", ""),
        ("a", "a"),
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a\n\n", "a\n"),
        ("a\r", "a\r"),
        (" a \n", " a "),
        ("\na", "\na"),
    ] {
        write(folder.path(), "variables/x", text);
        assert_eq!(
            variable(&backend, "x").await,
            Ok(expected.into()),
            "{text:?}"
        );
        assert_eq!(variable(&keeps, "x").await, Ok(text.into()), "{text:?}");
    }
}

#[tokio::test]
async fn a_volume_of_kubernetes_is_read_and_its_swap_is_seen_at_once() {
    let folder = Folder::new();
    let volume = folder.path().join("variables");
    mount(&volume, "first", &[("x", "one"), ("y", "one")]);
    let backend = DirectoryBackend::new(folder.path());
    assert_eq!(variable(&backend, "x").await, Ok("one".into()));
    mount(
        &volume,
        "second",
        &[("x", "two"), ("y", "two"), ("z", "two")],
    );
    fs::remove_dir_all(volume.join("..first")).unwrap();
    for id in ["x", "y", "z"] {
        assert_eq!(variable(&backend, id).await, Ok("two".into()), "{id}");
    }
    // One that is gone in the next version leaves a link that leads nowhere.
    fs::remove_file(volume.join("..second/z")).unwrap();
    assert_eq!(variable(&backend, "z").await, Err("missing".into()));
    // Nobody knows what a version holds that is gone as a whole.
    fs::remove_dir_all(volume.join("..second")).unwrap();
    let lost = format!(
        "unavailable: {}: cannot be read: No such file or directory (os error 2); check the volume and who \
         may read it",
        folder.path().display()
    );
    assert_eq!(variable(&backend, "x").await, Err(lost));
}

/// What Docker and Podman make in a container: each secret is a file of its own, read-only, below
/// `/run/secrets`, which `/var/run/secrets` leads to; its target, where it has one, is a path there.
fn mount_secrets(root: &Path, secrets: &[(&str, &str)]) {
    let folder = root.join("run/secrets");
    for (target, text) in secrets {
        write(&folder, target, text);
        let file = folder.join(target);
        let mut permissions = file.metadata().unwrap().permissions();
        permissions.set_mode(0o444);
        fs::set_permissions(file, permissions).unwrap();
    }
    fs::create_dir(root.join("var")).unwrap();
    symlink("../run", root.join("var/run")).unwrap();
}

#[tokio::test]
async fn secrets_of_docker_and_podman_are_read_where_their_targets_put_them() {
    let root = Folder::new();
    let secrets = [
        ("connections/pg", "postgres://u:p@h/s\n"),
        ("connections/web.api-1_x", "{\"conn_type\": \"http\"}"),
        ("variables/colour", "blue\n"),
        // Those of other programs, and one without a target.
        ("tls.key", "m4rk3r"),
        ("shape", "m4rk3r"),
    ];
    mount_secrets(root.path(), &secrets);
    for folder in ["run/secrets", "var/run/secrets"] {
        let folder = root.path().join(folder);
        let resolver = Resolver::builder()
            .backend(DirectoryBackend::new(&folder))
            .build();
        let pg = resolver.get_connection("pg").await.unwrap();
        assert_eq!(pg.get_uri().expose(), "postgres://u:p@h/s");
        let web = resolver.get_connection("web.api-1_x").await.unwrap();
        assert_eq!(web.conn_type(), Some("http"));
        let colour = resolver.get_variable("colour").await.unwrap();
        assert_eq!(colour.expose(), "blue");
        for (kind, error) in [
            (
                "variables",
                resolver.get_variable("shape").await.unwrap_err(),
            ),
            (
                "connections",
                resolver.get_connection("shape").await.unwrap_err(),
            ),
        ] {
            let why = format!(
                "missing: {} itself has a file of this name: mount it as {kind}/shape",
                folder.display()
            );
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains(&why), "{error}");
            assert!(!error.to_string().contains("m4rk3r"), "{error}");
        }
        // A folder of that name is none.
        let error = resolver.get_variable("connections").await.unwrap_err();
        assert!(!error.to_string().contains("itself"), "{error}");
    }
}

#[tokio::test]
async fn a_folder_of_files_that_compose_mounts_as_one_secret_is_read_like_any_other() {
    let root = Folder::new();
    let secrets = [
        ("airflow/connections/pg", "postgres://h"),
        ("airflow/variables/x", "y"),
    ];
    mount_secrets(root.path(), &secrets);
    let backend = DirectoryBackend::new(root.path().join("run/secrets/airflow"));
    assert_eq!(variable(&backend, "x").await, Ok("y".into()));
}

#[tokio::test]
async fn a_value_is_never_missing_while_a_volume_is_swapped() {
    let folder = Folder::new();
    let volume = folder.path().join("variables");
    mount(&volume, "0", &[("x", "0")]);
    let backend = DirectoryBackend::new(folder.path());
    let swaps = std::thread::spawn(move || {
        for version in 1..200_u32 {
            mount(
                &volume,
                &version.to_string(),
                &[("x", &version.to_string())],
            );
            fs::remove_dir_all(volume.join(format!("..{}", version - 1))).unwrap();
        }
    });
    let mut last = 0;
    while !swaps.is_finished() {
        let found = variable(&backend, "x").await;
        let version = found.as_ref().unwrap().parse::<u32>().unwrap();
        assert!(version >= last, "{version} after {last}");
        last = version;
    }
    swaps.join().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok("199".into()));
}

#[tokio::test]
async fn no_link_leads_out_of_the_folder() {
    let folder = Folder::new();
    let inside = folder.path().join("mounted");
    write(folder.path(), "outside", "not for us");
    write(&inside, "variables/real", "text");
    let variables = inside.join("variables");
    symlink("../../outside", variables.join("relative")).unwrap();
    symlink(folder.path().join("outside"), variables.join("absolute")).unwrap();
    symlink("real", variables.join("within")).unwrap();
    symlink(folder.path(), inside.join("connections")).unwrap();
    let backend = DirectoryBackend::new(&inside);
    assert_eq!(variable(&backend, "within").await, Ok("text".into()));
    for id in ["relative", "absolute"] {
        let path = variables.join(id).display().to_string();
        let expected = format!(
            "access_denied: {path}: is a link that leads out of {}: mount the secret there",
            inside.display()
        );
        assert_eq!(variable(&backend, id).await, Err(expected));
    }
    let through = backend
        .get_conn_value("outside", &LookupOptions::new())
        .await;
    assert_eq!(through.unwrap_err().kind(), FailureKind::AccessDenied);
    // The folder itself may be reached by one.
    symlink(&inside, folder.path().join("link")).unwrap();
    let linked = DirectoryBackend::new(folder.path().join("link"));
    assert_eq!(variable(&linked, "real").await, Ok("text".into()));
}

#[tokio::test]
async fn an_id_that_is_no_files_name_there_is_skipped() {
    let folder = Folder::new();
    write(folder.path(), "variables/x", "text");
    write(folder.path(), "variables/sub/y", "text");
    let backend = DirectoryBackend::new(folder.path());
    let long = "x".repeat(256);
    for id in [
        "",
        ".",
        "..",
        "../variables/x",
        "..data",
        "sub/y",
        "/etc/passwd",
        "a\\b",
        "c:x",
        "x\0",
        "x\n",
        &long,
    ] {
        let expected = "skipped: invalid id: it cannot be the name of a file in the folder";
        assert_eq!(variable(&backend, id).await, Err(expected.into()), "{id:?}");
    }
    for id in ["x.y", "größe", "x y", "x ", &"x".repeat(255)] {
        assert_eq!(
            variable(&backend, id).await,
            Err("missing".into()),
            "{id:?}"
        );
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_outage_and_not_a_missing_secret() {
    let folder = Folder::new();
    let gone = folder.path().join("gone");
    let backend = DirectoryBackend::new(&gone);
    let expected = format!(
        "unavailable: {}: cannot be read: No such file or directory (os error 2); check the volume and who \
         may read it",
        gone.display()
    );
    assert_eq!(variable(&backend, "x").await, Err(expected));
    assert!(backend.check(&LookupOptions::new()).await.is_err());
    write(&gone, "variables/x", "text");
    assert_eq!(variable(&backend, "x").await, Ok("text".into()));
    assert!(backend.check(&LookupOptions::new()).await.is_ok());
}

#[tokio::test]
async fn what_is_no_text_file_is_a_failure_and_no_secret_is_shown() {
    let folder = Folder::new();
    write(folder.path(), "variables/bytes", b"m4rk3r\xff");
    fs::create_dir(folder.path().join("variables/folder")).unwrap();
    write(
        folder.path(),
        "connections/bad",
        "{\"conn_type\": \"m4rk3r\"",
    );
    let backend = DirectoryBackend::new(folder.path());
    let failed = |id: &str, words: &str| {
        let path = folder.path().join("variables").join(id);
        let remedy = "check the volume and who may read it";
        Err(format!(
            "{}; {remedy}",
            words.replace('…', &path.display().to_string())
        ))
    };
    assert_eq!(
        variable(&backend, "bytes").await,
        failed("bytes", "invalid_value: …: cannot be read: it is not UTF-8")
    );
    assert_eq!(
        variable(&backend, "folder").await,
        failed(
            "folder",
            "configuration: …: cannot be read: it is a directory"
        )
    );
    let bad = backend.get_connection("bad", &LookupOptions::new()).await;
    let bad = bad.unwrap_err();
    assert_eq!(bad.kind(), FailureKind::InvalidValue);
    assert!(
        !format!("{bad:?} {backend:?}").contains("m4rk3r"),
        "{bad:?}"
    );
}

#[tokio::test]
async fn many_ids_are_answered_as_each_by_itself() {
    let folder = Folder::new();
    write(folder.path(), "connections/a", "http://a");
    write(folder.path(), "connections/empty", "\n");
    let backend = DirectoryBackend::new(folder.path());
    let options = LookupOptions::new();
    let ids = ["a", "absent", "a", "..", "empty"];
    let at_once = backend.get_connections(&ids, &options).await;
    for (id, answer) in std::iter::zip(ids, at_once) {
        assert_eq!(answer, backend.get_connection(id, &options).await, "{id}");
    }
}

#[test]
fn the_example_reads_a_connection_of_a_folder() {
    let root = Folder::new();
    let uri = "postgres://user:MARKER@db.example.com/sales\n";
    mount_secrets(root.path(), &[("connections/pg", uri)]);
    let folder = root.path().join("run/secrets").display().to_string();
    let found = Run {
        code: Some(0),
        stdout: format!(
            "pg: Some(\"postgres\") at Some(\"db.example.com\"), from directory: {folder}/connections/pg\n"
        ),
        stderr: String::new(),
    };
    assert_eq!(run("mounted_files", &[&folder, "pg"], []), found);
    assert_eq!(run("mounted_files", &[&folder], []), found);
    let absent = run("mounted_files", &[&folder, "absent"], []);
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(1), ""));
}
