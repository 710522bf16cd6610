//! Text on its way into the parser, which cannot take every end of a file and every tag.

use std::borrow::Cow;

use libyaml_safer::{Encoding, EventData, Mark, ScalarStyle, Scanner, TokenData};

/// What YAML 1.1 takes as a line's end, but `\r`, which Python has replaced when it read the file.
const BREAKS: [char; 4] = ['\n', '\u{85}', '\u{2028}', '\u{2029}'];

/// Text that the parser can take, and what is needed to undo what was done to it.
pub(super) struct Input<'a> {
    text: Cow<'a, str>,
    has_added_break: bool,
}

impl<'a> Input<'a> {
    pub(super) fn new(content: &'a str) -> Self {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        // Blanks alone after the last break are nothing; without them there is no line to end.
        let end = content.trim_end_matches(' ');
        let content = if end.ends_with(BREAKS) { end } else { content };
        let mut text = space_tags(content);
        let has_added_break = !text.is_empty() && !text.ends_with(BREAKS);
        if has_added_break {
            // The parser panics where a block scalar ends with the file and no line break.
            text.to_mut().push('\n');
        }
        Self {
            text,
            has_added_break,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Takes the line break that was added out of the block scalar that ended with the file.
    pub(super) fn undo(&self, event: &mut libyaml_safer::Event) {
        let EventData::Scalar { value, style, .. } = &mut event.data else {
            return;
        };
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let is_at_end = is_at(&event.end_mark, self.text.len());
        if self.has_added_break && is_block && is_at_end && value.ends_with('\n') {
            value.pop();
        }
    }
}

/// Puts a blank between a tag and a comma that follows at once, as in `{a: !!str, b: c}`, which
/// means the same. The parser panics without it.
fn space_tags(content: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(content);
    let mut from = 0;
    while let Some(comma) = comma_after_tag(&text, from) {
        let is_tag = text.get(..comma).is_some_and(ends_with_tag);
        if is_tag {
            text.to_mut().insert(comma, ' ');
        }
        from = comma + 1;
    }
    text
}

/// Where the next comma is, from byte `from` on, that could follow a tag at once.
fn comma_after_tag(text: &str, from: usize) -> Option<usize> {
    let mut rest = text.get(from..)?;
    let mut start = from;
    loop {
        let mark = rest.find('!')?;
        let before = text.get(..start + mark)?.chars().next_back();
        let tail = rest.get(mark..)?;
        let length = tail
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}' | '"'))
            .unwrap_or(tail.len());
        let can_start = before.is_none_or(|c| {
            c.is_whitespace() || matches!(c, '[' | '{' | ',' | ':' | '?' | '"' | '\'' | '\u{feff}')
        });
        let end = start + mark + length;
        if can_start && text.get(end..)?.starts_with(',') {
            return Some(end);
        }
        start = end;
        rest = text.get(end..)?;
    }
}

/// Whether the last thing in `text` is a tag.
fn ends_with_tag(text: &str) -> bool {
    let ended = format!("{text}\n");
    let mut bytes = ended.as_bytes();
    let mut scanner = Scanner::new();
    scanner.set_input(&mut bytes);
    scanner.set_encoding(Encoding::Utf8);
    loop {
        match scanner.next() {
            None => return false,
            Some(Ok(token)) => match token.data {
                TokenData::Tag { .. } if is_at(&token.end_mark, text.len()) => return true,
                _ => {}
            },
            // A `[` or `{` that may still turn out to be a key keeps back the tokens after it.
            // There a blank before the comma is nothing, after a tag or not.
            Some(Err(error)) => {
                let open = error
                    .context_mark()
                    .and_then(|mark| usize::try_from(mark.index).ok());
                let open = open.and_then(|open| text.get(open..));
                return open.is_some_and(|open| open.starts_with(['[', '{']));
            }
        }
    }
}

fn is_at(mark: &Mark, index: usize) -> bool {
    usize::try_from(mark.index) == Ok(index)
}
