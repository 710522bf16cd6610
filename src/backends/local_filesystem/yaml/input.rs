//! Text on its way into the parser, which cannot take every end of a file and every tag.

use std::borrow::Cow;

use libyaml_safer::{Encoding, EventData, Mark, ScalarStyle, Scanner};
use secrecy::zeroize::Zeroizing;

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
        let is_tag = text.get(..comma).is_some_and(ends_with_flow_tag);
        if is_tag {
            text.to_mut().insert(comma, ' ');
        }
        from = comma + 1;
    }
    text
}

/// Where the next comma is, from byte `from` on, that could follow a tag at once.
fn comma_after_tag(text: &str, from: usize) -> Option<usize> {
    let marks = text.get(from..)?.match_indices('!');
    marks.map(|(mark, _)| from + mark).find_map(|mark| {
        let can_start = match text.get(..mark)?.chars().next_back() {
            Some(before) => before.is_whitespace() || "[]{},:?\"'\u{feff}".contains(before),
            None => true,
        };
        let tail = text.get(mark..)?;
        let length = tail.find(|c: char| c.is_whitespace() || "[]{},\"".contains(c))?;
        let comma = mark + length;
        (can_start && text.get(comma..)?.starts_with(',')).then_some(comma)
    })
}

/// Whether the last thing in `text` is a tag within `[` or `{`. Elsewhere a comma after a tag is an
/// error, and stays one.
fn ends_with_flow_tag(text: &str) -> bool {
    // What the scanner thinks of a text is learned from what it does not take after it.
    let is_tag = scan_error(format!("{text}#\n")).is_some_and(|error| {
        error.context() == Some("while scanning a tag")
            && error.problem() == "did not find expected whitespace or line break"
            && error
                .problem_mark()
                .is_some_and(|mark| is_at(&mark, text.len()))
    });
    is_tag
        && scan_error(format!("{text} - \n")).is_none_or(|error| {
            error.problem() != "block sequence entries are not allowed in this context"
        })
}

/// The first error in `text`.
fn scan_error(text: String) -> Option<libyaml_safer::Error> {
    let text = Zeroizing::new(text);
    let mut bytes = text.as_bytes();
    let mut scanner = Scanner::new();
    scanner.set_input(&mut bytes);
    scanner.set_encoding(Encoding::Utf8);
    scanner.find_map(Result::err)
}

fn is_at(mark: &Mark, index: usize) -> bool {
    usize::try_from(mark.index) == Ok(index)
}
