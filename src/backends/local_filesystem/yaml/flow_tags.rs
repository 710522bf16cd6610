//! A tag that a comma follows at once, as in `{a: !!str, b: c}`: the parser panics there.
//!
//! A blank between the two means the same. Whether a `!` starts a tag, or is a part of a text or a
//! comment, is the scanner's to say. It is asked once, about a text with a blank wherever one may be
//! needed; those that turn out to follow a tag are kept.

use std::{borrow::Cow, collections::HashSet};

use libyaml_safer::{Encoding, Scanner, TokenData};
use memchr::memchr_iter;
use secrecy::zeroize::Zeroizing;

use super::{
    super::malformed::{Malformed, line_at},
    MAX_DEPTH,
};

/// `content`, with a blank between each tag and the comma behind it.
///
/// # Errors
/// When a tag is written as `!<…>` in a way that cannot be told from several.
pub(super) fn space_tags(content: &str) -> Result<Cow<'_, str>, Malformed> {
    let commas = candidates(content)?;
    if commas.is_empty() {
        return Ok(Cow::Borrowed(content));
    }
    let scanned = Zeroizing::new(spaced(content, &commas, true));
    let tags = Tags::within_flow(&scanned);
    // Each blank before a comma moves what follows by one.
    let commas = commas.iter().enumerate();
    let commas = commas.filter(|(index, comma)| tags.may_end_at(*comma + index));
    let commas = commas.map(|(_, comma)| *comma).collect::<Vec<_>>();
    Ok(Cow::Owned(spaced(content, &commas, false)))
}

/// Where the commas are that may follow a tag at once.
fn candidates(content: &str) -> Result<Vec<usize>, Malformed> {
    let is_delimiter = |byte: &u8| byte.is_ascii_whitespace() || b"[]{},\"".contains(byte);
    let bytes = content.as_bytes();
    let mut commas = Vec::new();
    // The end of the run of characters that the last `!` is in: others in it end there too.
    let mut run_end = 0;
    let mut verbatim_end = 0;
    for mark in memchr_iter(b'!', bytes) {
        let before = content.get(..mark).unwrap_or_default();
        let can_start = before
            .chars()
            .next_back()
            .is_none_or(|before| before.is_whitespace() || "[]{},:?\"'\u{feff}".contains(before));
        if !can_start {
            continue;
        }
        let after = bytes.get(mark + 1..).unwrap_or_default();
        let end = if after.starts_with(b"<") {
            verbatim_end = verbatim_end.max(mark + 1 + verbatim_length(after));
            mark + 1 + verbatim_length(after)
        } else {
            if run_end <= mark {
                let length = after.iter().position(is_delimiter);
                run_end = length.map_or(bytes.len(), |length| mark + 1 + length);
            }
            run_end
        };
        if bytes.get(end) != Some(&b',') {
            continue;
        }
        if end < verbatim_end {
            let problem = "a text starts with `!<` and has `!` in it, which may be a YAML tag: write \
                           it without `!<` (YAML-3)";
            return Err(Malformed::at(line_at(bytes, mark), problem));
        }
        if commas.last() != Some(&end) {
            commas.push(end);
        }
    }
    Ok(commas)
}

/// The length of the rest of a tag such as `!<tag:yaml.org,2002:str>`, which may have commas in it; 0
/// where it does not end.
fn verbatim_length(text: &[u8]) -> usize {
    let is_inside = |byte: &&u8| byte.is_ascii_graphic() && !b"<>{}\"\\^`|".contains(byte);
    let inside = text.iter().skip(1).take_while(is_inside).count();
    match text.get(inside + 1) {
        Some(b'>') => inside + 2,
        _ => 0,
    }
}

/// `content`, with a blank before each of `commas`. A `:` before the blank, which would then mark a
/// key where it ends no tag, is another letter in a text that is only scanned.
fn spaced(content: &str, commas: &[usize], is_scanned_only: bool) -> String {
    let mut text = String::with_capacity(content.len() + commas.len() + 1);
    let mut from = 0;
    for comma in commas {
        let piece = content.get(from..*comma).unwrap_or_default();
        match piece.strip_suffix(':').filter(|_| is_scanned_only) {
            Some(piece) => text.extend([piece, "x"]),
            None => text.push_str(piece),
        }
        text.push(' ');
        from = *comma;
    }
    text.push_str(content.get(from..).unwrap_or_default());
    if is_scanned_only {
        // The scanner panics where a block scalar ends with the file and no line break.
        text.push('\n');
    }
    text
}

/// Where the tags within `[` or `{` end. Elsewhere a comma after a tag is an error, and stays one.
struct Tags {
    ends: HashSet<usize>,
    /// Where the scanner stopped: at an error, at which the parser stops too.
    unknown_from: Option<usize>,
}

impl Tags {
    fn within_flow(text: &str) -> Self {
        let mut bytes = text.as_bytes();
        let mut scanner = Scanner::new();
        scanner.set_input(&mut bytes);
        scanner.set_encoding(Encoding::Utf8);
        let mut tags = Self {
            ends: HashSet::new(),
            unknown_from: Some(0),
        };
        let mut depth = 0_usize;
        for token in scanner {
            // The parser does not go deeper either.
            let Some(token) = token.ok().filter(|_| depth <= MAX_DEPTH) else {
                return tags;
            };
            let end = usize::try_from(token.end_mark.index).unwrap_or(usize::MAX);
            tags.unknown_from = Some(end);
            match token.data {
                TokenData::FlowSequenceStart | TokenData::FlowMappingStart => depth += 1,
                TokenData::FlowSequenceEnd | TokenData::FlowMappingEnd => {
                    depth = depth.saturating_sub(1);
                }
                TokenData::Tag { .. } if depth > 0 => {
                    tags.ends.insert(end);
                }
                _ => {}
            }
        }
        tags.unknown_from = None;
        tags
    }

    fn may_end_at(&self, at: usize) -> bool {
        self.ends.contains(&at) || self.unknown_from.is_some_and(|from| at >= from)
    }
}
