//! A program that ends with the test, however the test ends.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Runs the program, and ends it when nobody holds the other end of its input any more.
const WATCHER: &str = r#"signal="$1" folder="$2"; shift 2; exec 3<&0
    "$@" </dev/null 3<&- & program=$!
    (cat <&3 >/dev/null; kill -"$signal" $program) 2>/dev/null & watcher=$!
    exec 3<&-; wait $program; status=$?; kill $watcher
    [ -z "$folder" ] || rm -rf "$folder"
    exit $status"#;

/// A shell that runs `command`, and ends it with `signal` when the shell's input ends: when that is
/// dropped, or when the test itself is gone. It then removes `folder`.
pub(super) fn watched(command: &Command, signal: &str, folder: Option<&Path>) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", WATCHER, "sh", signal])
        .arg(folder.unwrap_or(Path::new("")))
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped());
    shell
}
