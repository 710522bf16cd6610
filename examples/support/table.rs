//! A small table for people: columns as wide as their widest cell, with colours on a terminal.

use std::{fmt::Write as _, io::IsTerminal};

/// One cell: its text, on one line, and how it is coloured.
pub(crate) struct Cell {
    text: String,
    colour: Option<&'static str>,
}

impl Cell {
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        let mut shown = String::new();
        for character in text.as_ref().chars() {
            if character.is_control() {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        Self {
            text: shown,
            colour: None,
        }
    }

    /// The word for what a source did: green where it answered, yellow where it has nothing to say, red
    /// where it failed.
    pub(crate) fn outcome(word: &str) -> Self {
        let colour = match word {
            "found" | "reachable" => "\u{1b}[32m",
            "missing" | "skipped" => "\u{1b}[33m",
            _ => "\u{1b}[31m",
        };
        Self {
            text: word.to_owned(),
            colour: Some(colour),
        }
    }
}

/// Whether to colour what goes to `stream`.
pub(crate) fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The rows as lines, indented by two.
pub(crate) fn table<const N: usize>(rows: &[[Cell; N]], is_coloured: bool) -> String {
    let width = |cell: &Cell| cell.text.chars().count();
    let mut widths = [0; N];
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut lines = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, widest) in row.iter().zip(widths) {
            let padding = " ".repeat(widest - width(cell));
            let _ = match cell.colour.filter(|_| is_coloured) {
                Some(colour) => write!(line, "  {colour}{}\u{1b}[0m{padding}", cell.text),
                None => write!(line, "  {}{padding}", cell.text),
            };
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}
