//! Prints what is public in a library, one item a line, from the JSON that rustdoc made of it.
//!
//! Exit status 3: that JSON is of another Rust than this reads.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{error::Error, fs, process::ExitCode};

use public_api::Builder;
use rustdoc_types::FORMAT_VERSION;
use serde_json::Value;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: list FILE.json")?;
    let json = serde_json::from_str::<Value>(&fs::read_to_string(&path)?)?;
    let format = json.get("format_version");
    if format != Some(&FORMAT_VERSION.into()) {
        eprintln!("the JSON has format {format:?}, and this reads {FORMAT_VERSION}");
        return Ok(ExitCode::from(3));
    }
    let api = Builder::from_rustdoc_json(path)
        .omit_auto_derived_impls(true)
        .omit_auto_trait_impls(true)
        .omit_blanket_impls(true)
        .build()?;
    println!("{api}");
    Ok(ExitCode::SUCCESS)
}
