//! Text on its way into the parser, which cannot take every end of a file and every tag.

use std::borrow::Cow;

use libyaml_safer::{Event, EventData, Mark, ScalarStyle};

use super::{super::malformed::Malformed, flow_tags::space_tags};

/// The line breaks of YAML 1.1 except `\r`, which Python has replaced when it read the file.
const BREAKS: [char; 4] = ['\n', '\u{85}', '\u{2028}', '\u{2029}'];

/// Text that the parser can take.
pub(super) struct Input<'a> {
    text: Cow<'a, str>,
    has_added_break: bool,
}

impl<'a> Input<'a> {
    /// The content, ended with a line break where it is not; blanks alone after the last one are
    /// left out.
    ///
    /// # Errors
    /// As [`space_tags`].
    pub(super) fn new(content: &'a str) -> Result<Self, Malformed> {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let end = content.trim_end_matches(' ');
        let content = if end.ends_with(BREAKS) { end } else { content };
        let mut text = space_tags(content)?;
        let has_added_break = !text.is_empty() && !text.ends_with(BREAKS);
        if has_added_break {
            // The parser panics where a block scalar ends with the file and no line break.
            text.to_mut().push('\n');
        }
        Ok(Self {
            text,
            has_added_break,
        })
    }

    /// The content with the blanks that [`new`](Self::new) left out and a line break after them.
    pub(super) fn with_last_blanks(content: &'a str) -> Result<Option<Self>, Malformed> {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let end = content.trim_end_matches(' ');
        if end.len() == content.len() || !end.ends_with(BREAKS) {
            return Ok(None);
        }
        let mut text = space_tags(content)?;
        text.to_mut().push('\n');
        Ok(Some(Self {
            text,
            has_added_break: false,
        }))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The text of a block scalar that ends with the file.
    pub(super) fn last_block<'e>(&self, event: &'e mut Event) -> Option<&'e mut String> {
        let is_at_end = is_at(&event.end_mark, self.text.len());
        match &mut event.data {
            EventData::Scalar { value, style, .. } => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                (is_block && is_at_end).then_some(value)
            }
            _ => None,
        }
    }

    /// Whether the line break at the end is not the content's own.
    pub(super) fn has_added_break(&self) -> bool {
        self.has_added_break
    }
}

fn is_at(mark: &Mark, index: usize) -> bool {
    usize::try_from(mark.index) == Ok(index)
}
