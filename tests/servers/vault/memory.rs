//! What stays in memory.
#![cfg(target_os = "linux")]

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use airflow_secrets::backends::vault::VaultCredential;
use serde_json::json;

use crate::{support::openbao::OpenBao, variable, vault};

/// How often `text` is in the memory of this process.
fn copies(text: &str) -> usize {
    let mut memory = File::open("/proc/self/mem").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let writable = maps.lines().filter(|line| line.contains(" rw-p "));
    let ranges = writable.map(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        [start, end].map(|address| u64::from_str_radix(address, 16).unwrap())
    });
    let mut page = vec![0; 4096];
    let mut count = 0;
    for [start, end] in ranges {
        let Ok(_) = memory.seek(SeekFrom::Start(start)) else {
            continue;
        };
        for _ in 0..(end - start) / 4096 {
            // Some pages cannot be read.
            if memory.read_exact(&mut page).is_err() {
                break;
            }
            let found = page
                .windows(text.len())
                .filter(|bytes| bytes == &text.as_bytes());
            count += found.count();
            page.fill(0);
        }
    }
    count
}

#[tokio::test]
async fn a_lookup_leaves_no_copy_of_the_token_behind() {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    server.policy("reader", &["airflow/data/variables/x"]).await;
    let token = server.token("reader", json!({})).await;
    let vault = vault(&server.url, VaultCredential::token(token.as_str()));
    let vault = vault.build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    let before = copies(&token);
    for _ in 0..50 {
        assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    }
    let after = copies(&token);
    assert!(before > 0);
    assert!(after <= before + 3, "{before} copies became {after}");
}
