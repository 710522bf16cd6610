//! `shlex.split`.

/// Where the next character is.
#[derive(Clone, Copy, PartialEq)]
enum Position {
    Blank,
    Word,
    SingleQuoted,
    DoubleQuoted,
}

/// Splits a text into words.
///
/// Not as a shell does: `#` starts no comment, a backslash in double quotes escapes only `"` and
/// itself, and a backslash before a line's end keeps the line's end. The crates `shlex` and
/// `shell-words` read all three as a shell.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn split(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut state = Position::Blank;
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        state = match (state, c) {
            (Position::Blank, ' ' | '\t' | '\r' | '\n') => Position::Blank,
            (Position::Word, ' ' | '\t' | '\r' | '\n') => {
                words.push(std::mem::take(&mut word));
                Position::Blank
            }
            (Position::Blank | Position::Word, '\'') => Position::SingleQuoted,
            (Position::Blank | Position::Word, '"') => Position::DoubleQuoted,
            (Position::SingleQuoted, '\'') | (Position::DoubleQuoted, '"') => Position::Word,
            (Position::Blank | Position::Word | Position::DoubleQuoted, '\\') => {
                let escaped = characters
                    .next()
                    .ok_or("ends with a backslash that escapes nothing")?;
                if state == Position::DoubleQuoted && !matches!(escaped, '"' | '\\') {
                    word.push('\\');
                }
                word.push(escaped);
                if state == Position::DoubleQuoted {
                    state
                } else {
                    Position::Word
                }
            }
            (Position::Blank | Position::Word, c) => {
                word.push(c);
                Position::Word
            }
            (quoted, c) => {
                word.push(c);
                quoted
            }
        };
    }
    match state {
        Position::Blank => {}
        Position::Word => words.push(word),
        Position::SingleQuoted | Position::DoubleQuoted => {
            return Err("has a quote that is not closed");
        }
    }
    Ok(words)
}
