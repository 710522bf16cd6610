//! From the parser's events to the graph of nodes.

use std::{collections::HashMap, mem};

use libyaml_safer::{Encoding, Event, EventData, Parser};
use secrecy::zeroize::Zeroizing;

use super::{
    super::malformed::{Malformed, line_at},
    MAX_DEPTH, Rules, go,
    input::Input,
    scalar,
    tag::Tag,
};

/// A node's place in its [`Document`].
pub(super) type NodeId = usize;

/// A scalar or collection, once for all its aliases.
pub(super) struct Node {
    pub(super) tag: Tag,
    pub(super) content: Content,
    /// The line it starts in, from 1.
    pub(super) line: usize,
}

pub(super) enum Content {
    Scalar(Zeroizing<String>),
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
}

/// The one document of a file; without a root if the file is empty.
#[derive(Default)]
pub(super) struct Document {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Option<NodeId>,
    /// The block scalar that ends with the file.
    last_block: Option<NodeId>,
}

impl Document {
    fn content_mut(&mut self, id: NodeId) -> Option<&mut Content> {
        self.nodes.get_mut(id).map(|node| &mut node.content)
    }

    fn take_text(&mut self, id: NodeId) -> Option<Zeroizing<String>> {
        match self.content_mut(id)? {
            Content::Scalar(text) => Some(mem::take(text)),
            Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    /// The lines of the root's keys.
    pub(super) fn lines_of_keys(&self) -> HashMap<String, usize> {
        let root = self.root.and_then(|root| self.nodes.get(root));
        let Some(Content::Mapping(pairs)) = root.map(|root| &root.content) else {
            return HashMap::new();
        };
        let keys = pairs.iter().filter_map(|(key, _)| self.nodes.get(*key));
        keys.filter_map(|node| match &node.content {
            Content::Scalar(text) => Some((text.to_string(), node.line)),
            _ => None,
        })
        .collect()
    }
}

/// Reads the one document in `content`, or by [`Rules::Go`] the first.
pub(super) fn compose(content: &str, rules: Rules) -> Result<Document, Malformed> {
    let mut document = read(content, &Input::new(content)?, rules)?;
    let Some(last_block) = document.last_block else {
        return Ok(document);
    };
    // Blanks after the last line break are a line of the last block scalar if they are more than
    // its indentation. Then it reads otherwise with them than without.
    if let Some(input) = Input::with_last_blanks(content)?
        && let Some(with_blanks) = read(content, &input, rules)?.take_text(last_block)
        && let Some(Content::Scalar(text)) = document.content_mut(last_block)
    {
        let is_line = *with_blanks != **text && with_blanks.strip_suffix('\n') != Some(text);
        if is_line {
            *text = with_blanks;
            drop_break(text);
        }
    }
    Ok(document)
}

/// Takes the line break off the end, if there is one.
fn drop_break(text: &mut String) {
    if text.ends_with('\n') {
        text.pop();
    }
}

fn read(content: &str, input: &Input<'_>, rules: Rules) -> Result<Document, Malformed> {
    let mut bytes = input.as_bytes();
    let mut parser = Parser::new();
    parser.set_input(&mut bytes);
    parser.set_encoding(Encoding::Utf8);
    let mut composer = Composer {
        rules,
        document: Document::default(),
        anchors: HashMap::new(),
        open: Vec::new(),
    };
    loop {
        let mut event = parser.parse().map_err(|error| syntax(content, &error))?;
        let is_end = match event.data {
            EventData::StreamEnd => true,
            EventData::DocumentEnd { .. } => rules == Rules::Go,
            _ => false,
        };
        if is_end {
            return Ok(composer.document);
        }
        if let Some(text) = input.last_block(&mut event) {
            if input.has_added_break() {
                drop_break(text);
            }
            composer.document.last_block = Some(composer.document.nodes.len());
        }
        composer.take(event)?;
    }
}

/// The parser's words are fixed ones, with nothing of the file in them.
fn syntax(content: &str, error: &libyaml_safer::Error) -> Malformed {
    let problem = format!("the file is not valid YAML: {}", error.problem());
    let at = error.problem_mark().map_or_else(
        || {
            // Only a character that no YAML has comes without its place.
            let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\u{85}');
            let control = content.find(is_control).unwrap_or(content.len());
            line_at(content.as_bytes(), control)
        },
        |mark| line(&mark),
    );
    Malformed::at(at, problem)
}

fn line(mark: &libyaml_safer::Mark) -> usize {
    usize::try_from(mark.line)
        .unwrap_or_default()
        .saturating_add(1)
}

struct Composer {
    rules: Rules,
    document: Document,
    anchors: HashMap<String, NodeId>,
    /// The collections whose end has not come; a mapping with the key that waits for its value.
    open: Vec<(NodeId, Option<NodeId>)>,
}

impl Composer {
    fn take(&mut self, event: Event) -> Result<(), Malformed> {
        let line = line(&event.start_mark);
        match event.data {
            EventData::DocumentStart { .. } if self.document.root.is_some() => Err(Malformed::at(
                line,
                "the file contains more than one YAML document",
            )),
            EventData::Alias { anchor } => match self.anchors.get(&anchor) {
                Some(&node) => {
                    self.attach(node);
                    Ok(())
                }
                None => Err(Malformed::at(
                    line,
                    "a YAML alias refers to an anchor that is not defined above it",
                )),
            },
            EventData::Scalar {
                anchor,
                tag,
                value,
                plain_implicit,
                ..
            } => {
                let (tag, value) = match tag.filter(|tag| tag != "!") {
                    Some(tag) => (self.named(&tag, Tag::Str), Zeroizing::new(value)),
                    None if plain_implicit => self.resolve_plain(value),
                    None => (Tag::Str, Zeroizing::new(value)),
                };
                self.add(anchor, tag, Content::Scalar(value), line)?;
                Ok(())
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let tag = self.of_collection(tag.as_deref(), Tag::Seq);
                let node = self.add(anchor, tag, Content::Sequence(Vec::new()), line)?;
                self.open(node, line)
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let tag = self.of_collection(tag.as_deref(), Tag::Map);
                let node = self.add(anchor, tag, Content::Mapping(Vec::new()), line)?;
                self.open(node, line)
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.open.pop();
                Ok(())
            }
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. } => Ok(()),
        }
    }

    fn resolve_plain(&self, value: String) -> (Tag, Zeroizing<String>) {
        match self.rules {
            Rules::Python => (scalar::resolve_plain(&value), Zeroizing::new(value)),
            Rules::Go => {
                let parent = self.open.last().and_then(|(parent, key)| {
                    let parent = self.document.nodes.get(*parent)?;
                    Some((parent, key.is_none()))
                });
                let is_key = parent.is_some_and(|(parent, has_no_key)| {
                    has_no_key && matches!(parent.content, Content::Mapping(_))
                });
                go::resolve_plain(value, is_key)
            }
        }
    }

    /// The tag of that name, of a node that is `otherwise`.
    fn named(&self, tag: &str, otherwise: Tag) -> Tag {
        match Tag::named(tag) {
            Tag::Unknown if self.rules == Rules::Go => otherwise,
            known => known,
        }
    }

    fn of_collection(&self, tag: Option<&str>, implicit: Tag) -> Tag {
        let tag = tag.filter(|tag| *tag != "!");
        tag.map_or(implicit, |tag| self.named(tag, implicit))
    }

    fn add(
        &mut self,
        anchor: Option<String>,
        tag: Tag,
        content: Content,
        line: usize,
    ) -> Result<NodeId, Malformed> {
        let id = self.document.nodes.len();
        self.document.nodes.push(Node { tag, content, line });
        if let Some(anchor) = anchor
            && self.anchors.insert(anchor, id).is_some()
            && self.rules == Rules::Python
        {
            return Err(Malformed::at(line, "a YAML anchor is defined twice"));
        }
        self.attach(id);
        Ok(id)
    }

    /// Makes `node` the next child of the innermost open collection, or the root.
    fn attach(&mut self, node: NodeId) {
        let Some((parent, key)) = self.open.last_mut() else {
            self.document.root = Some(node);
            return;
        };
        match self
            .document
            .nodes
            .get_mut(*parent)
            .map(|parent| &mut parent.content)
        {
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping(pairs)) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
            Some(Content::Scalar(_)) | None => {}
        }
    }

    fn open(&mut self, node: NodeId, line: usize) -> Result<(), Malformed> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Malformed::at(line, too_deep()));
        }
        self.open.push((node, None));
        Ok(())
    }
}

pub(super) fn too_deep() -> String {
    format!("the file nests deeper than {MAX_DEPTH} levels (YAML-2)")
}
