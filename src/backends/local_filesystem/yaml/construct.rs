//! From the graph of nodes to values.

use std::{mem, rc::Rc};

use super::{
    super::{
        malformed::Malformed,
        value::{DictBuilder, Value},
    },
    MAX_DEPTH,
    compose::{Content, Document, Node, NodeId, too_deep},
    scalar,
    tag::Tag,
};

/// How many entries merge keys (`<<`) may copy, over the whole file.
const MAX_MERGED: usize = 1_000_000;

/// The value of the root, if there is one.
pub(super) fn construct(document: Document) -> Result<Option<Rc<Value>>, Malformed> {
    let mut constructor = Constructor {
        values: document.nodes.iter().map(|_| Progress::Waiting).collect(),
        nodes: document.nodes,
        depth: 0,
        merged: 0,
    };
    match document.root {
        Some(root) => Ok(Some(constructor.value(root)?.0)),
        None => Ok(None),
    }
}

struct Constructor {
    nodes: Vec<Node>,
    /// The value of each node.
    values: Vec<Progress>,
    depth: usize,
    merged: usize,
}

enum Progress {
    Waiting,
    Busy,
    /// The value, and how many levels it nests.
    Done(Rc<Value>, usize),
}

impl Constructor {
    fn value(&mut self, id: NodeId) -> Result<(Rc<Value>, usize), Malformed> {
        match self.values.get(id) {
            Some(Progress::Done(value, height)) => return Ok((value.clone(), *height)),
            Some(Progress::Waiting) => {}
            Some(Progress::Busy) | None => {
                return Err(self.error(
                    id,
                    "a YAML alias is inside the value that it refers to (YAML-2)",
                ));
            }
        }
        self.set(id, Progress::Busy);
        self.descend(id)?;
        let (value, height) = self.new_value(id)?;
        self.depth -= 1;
        if height > MAX_DEPTH {
            return Err(self.error(id, too_deep()));
        }
        let value = Rc::new(value);
        self.set(id, Progress::Done(value.clone(), height));
        Ok((value, height))
    }

    fn set(&mut self, id: NodeId, state: Progress) {
        if let Some(value) = self.values.get_mut(id) {
            *value = state;
        }
    }

    /// One level down; the caller takes the level back.
    fn descend(&mut self, id: NodeId) -> Result<(), Malformed> {
        self.depth += 1;
        if self.depth > MAX_DEPTH + 1 {
            return Err(self.error(id, too_deep()));
        }
        Ok(())
    }

    fn error(&self, id: NodeId, problem: impl Into<String>) -> Malformed {
        let line = self.nodes.get(id).map_or(1, |node| node.line);
        Malformed::at(line, problem)
    }

    fn tag(&self, id: NodeId) -> Tag {
        self.nodes.get(id).map_or(Tag::Unknown, |node| node.tag)
    }

    fn content(&self, id: NodeId) -> Option<&Content> {
        self.nodes.get(id).map(|node| &node.content)
    }

    fn new_value(&mut self, id: NodeId) -> Result<(Value, usize), Malformed> {
        let tag = self.tag(id);
        let scalar = match tag {
            Tag::Seq => return self.list(id),
            Tag::Map => return self.mapping(id),
            Tag::Unsupported(what) => return Ok((Value::Unsupported(what), 0)),
            Tag::Merge | Tag::Default | Tag::Unknown => {
                let problem = "a YAML tag, or a bare `=` or `<<`, does not give a value: put it between quotes";
                return Err(self.error(id, problem));
            }
            _ => self.scalar(id),
        };
        let value = scalar.and_then(|text| match tag {
            Tag::Null => Some(Value::Null),
            Tag::Bool => scalar::boolean(text).map(Value::Bool),
            Tag::Int => scalar::int(text),
            Tag::Float => scalar::float(text),
            _ => Some(Value::text(text)),
        });
        match value {
            Some(value) => Ok((value, 0)),
            None => Err(self.error(
                id,
                "a YAML value does not match its tag or notation: put it between quotes",
            )),
        }
    }

    /// A scalar's text; for a mapping, that of the value of its key `=`.
    fn scalar(&self, mut id: NodeId) -> Option<&str> {
        for _ in 0..=MAX_DEPTH {
            match self.content(id)? {
                Content::Scalar(text) => return Some(text),
                Content::Sequence(_) => return None,
                Content::Mapping(pairs) => {
                    let mut pairs = pairs.iter();
                    (_, id) = *pairs.find(|(key, _)| self.tag(*key) == Tag::Default)?;
                }
            }
        }
        None
    }

    fn list(&mut self, id: NodeId) -> Result<(Value, usize), Malformed> {
        let Some(Content::Sequence(children)) = self.content(id) else {
            return Err(self.error(id, "a YAML value is tagged as a sequence, but is not one"));
        };
        let mut height = 0;
        let mut items = Vec::with_capacity(children.len());
        for child in children.clone() {
            let (item, item_height) = self.value(child)?;
            height = height.max(item_height);
            items.push(item);
        }
        Ok((Value::List(items), height + 1))
    }

    fn mapping(&mut self, id: NodeId) -> Result<(Value, usize), Malformed> {
        self.flatten(id)?;
        let Some(Content::Mapping(pairs)) = self.content(id) else {
            return Err(self.error(id, "a YAML value is tagged as a mapping, but is not one"));
        };
        let mut height = 0;
        let mut dict = DictBuilder::default();
        for (key_id, value_id) in pairs.clone() {
            let (key, _) = self.value(key_id)?;
            let (value, value_height) = self.value(value_id)?;
            height = height.max(value_height);
            if !dict.set(key, value) {
                return Err(self.error(
                    key_id,
                    "a YAML key is a sequence or a mapping; it must be a text",
                ));
            }
        }
        let line = self.nodes.get(id).map(|node| node.line);
        Ok((Value::Dict(dict.finish(line)), height + 1))
    }

    /// Replaces a mapping's merge keys by the entries that they merge, before its own.
    fn flatten(&mut self, id: NodeId) -> Result<(), Malformed> {
        let Some(Node {
            content: Content::Mapping(pairs),
            ..
        }) = self.nodes.get_mut(id)
        else {
            return Ok(());
        };
        let pairs = mem::take(pairs);
        self.descend(id)?;
        let mut merged = Vec::new();
        let mut own = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            match self.tag(key) {
                Tag::Merge => {
                    self.merge(value, &mut merged)?;
                    continue;
                }
                Tag::Default => {
                    if let Some(key) = self.nodes.get_mut(key) {
                        key.tag = Tag::Str;
                    }
                }
                _ => {}
            }
            own.push((key, value));
        }
        self.depth -= 1;
        merged.append(&mut own);
        if let Some(node) = self.nodes.get_mut(id) {
            node.content = Content::Mapping(merged);
        }
        Ok(())
    }

    /// Appends the entries of mapping `id`, or of the mappings in sequence `id`, the last first.
    fn merge(&mut self, id: NodeId, merged: &mut Vec<(NodeId, NodeId)>) -> Result<(), Malformed> {
        let mappings = match self.content(id) {
            Some(Content::Mapping(_)) => vec![id],
            Some(Content::Sequence(children)) => children.clone(),
            Some(Content::Scalar(_)) | None => Vec::new(),
        };
        let is_scalar = matches!(self.content(id), Some(Content::Scalar(_)) | None);
        for &mapping in &mappings {
            self.flatten(mapping)?;
        }
        for &mapping in mappings.iter().rev() {
            let Some(Content::Mapping(pairs)) = self.nodes.get(mapping).map(|node| &node.content)
            else {
                return Err(self.error(id, "`<<` needs a mapping or a list of mappings"));
            };
            self.merged += pairs.len();
            if self.merged > MAX_MERGED {
                return Err(self.error(id, "`<<` merges more than a million entries (YAML-2)"));
            }
            merged.extend_from_slice(pairs);
        }
        if is_scalar {
            return Err(self.error(id, "`<<` needs a mapping or a list of mappings"));
        }
        Ok(())
    }
}
