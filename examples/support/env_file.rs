//! Reads a `.env` file, which may be a pipe, as of `--env-file <(sops -d secrets.env)`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// In bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Its text.
///
/// # Errors
/// That of the system; where it is longer than [`LONGEST`] or not UTF-8, what to do about it.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(LONGEST + 1);
    file.read_to_end(&mut bytes)?;
    if file.limit() == 0 {
        let problem = "it is larger than 16 MiB, the most that is read";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(valid);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        let problem = format!("line {line} is not UTF-8; save the file as UTF-8");
        io::Error::new(io::ErrorKind::InvalidData, problem)
    })
}
