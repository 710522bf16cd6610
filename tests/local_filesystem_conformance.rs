//! The local filesystem backend answers as the real Airflow did.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod local_filesystem_cases;

use std::{fs, path::Path};

use airflow_secrets::{
    SecretsBackend, backend::LookupOptions, backends::local_filesystem::LocalFilesystemBackend,
};
use local_filesystem_cases::{assert_all_equal, cases, connection, value};
use serde_json::Value;

fn bytes(case: &Value) -> Vec<u8> {
    match case["hex"].as_str() {
        Some(hex) => hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("hex"))
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect(),
        None => case["content"]
            .as_str()
            .expect("content")
            .as_bytes()
            .to_vec(),
    }
}

fn answer(folder: &Path, case: &Value) -> Value {
    let path = folder.join(case["name"].as_str().expect("name"));
    fs::write(&path, bytes(case)).expect("the file is written");
    let path_text = path.to_str().expect("a path of UTF-8");
    let id = case["id"].as_str().expect("id");
    let builder = LocalFilesystemBackend::builder();
    let ours = block_on(async {
        match case["kind"].as_str() {
            Some("connection") => {
                let backend = builder.connections_file_path(path_text).build();
                connection(backend.get_connection(id, &LookupOptions::new()).await)
            }
            Some("variable") => {
                let backend = builder.variables_file_path(path_text).build();
                value(backend.get_variable(id, &LookupOptions::new()).await)
            }
            _ => {
                let backend = builder.configs_file_path(path_text).build();
                value(backend.get_config(id, &LookupOptions::new()).await)
            }
        }
    });
    fs::remove_file(&path).expect("the file is removed");
    ours
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[test]
fn local_files_answer_as_airflow() {
    let cases = cases("local_files");
    let folder = std::env::temp_dir().join(format!("local-files-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    assert_all_equal(&cases, |case| answer(&folder, case));
    fs::remove_dir_all(&folder).expect("the folder is removed");
    let count = |is_one: fn(&&Value) -> bool| cases.iter().filter(is_one).count();
    let counts = [
        cases.len(),
        count(|case| case.get("json").is_some()),
        count(|case| case["difference"] == "YAML"),
        count(|case| case["difference"] == "no JSON"),
    ];
    assert_eq!(counts, [4000, 528, 107, 48]);
}
