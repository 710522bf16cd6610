//! `$NAME`, `${NAME}` and its forms with a default, as Docker Compose replaces them.

use memchr::memrchr;
use secrecy::zeroize::Zeroizing;

/// How deep defaults may stand within defaults.
const MAX_DEPTH: usize = 64;

/// What is wrong with values that take more than their room.
pub(super) const TOO_LARGE: &str = "with this value, the values of the file take more than 64 MiB, the most that is read; a value \
     that repeats others grows fast";

/// Where the values of variables come from.
pub(super) trait Scope {
    /// The value of `name`, if it is set.
    ///
    /// # Errors
    /// Why its value cannot be given.
    fn value_of(&self, name: &str) -> Result<Option<&str>, String>;
}

/// `template` with its variables replaced; the result has at most `room` bytes.
///
/// # Errors
/// What is wrong, without any value.
pub(super) fn expand(
    template: &str,
    scope: &impl Scope,
    room: usize,
) -> Result<Zeroizing<String>, String> {
    let mut expansion = Expansion {
        scope,
        room,
        out: Zeroizing::new(String::with_capacity(template.len().min(room))),
    };
    expansion.expand(template, 0)?;
    Ok(expansion.out)
}

struct Expansion<'a, S> {
    scope: &'a S,
    room: usize,
    out: Zeroizing<String>,
}

impl<S: Scope> Expansion<'_, S> {
    fn expand(&mut self, template: &str, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "a default holds defaults more than {MAX_DEPTH} deep; write the value out"
            ));
        }
        let mut rest = template;
        let mut line = Line::default();
        while let Some((before, after)) = rest.split_once('$') {
            self.push(before)?;
            let mut chars = after.chars();
            rest = match chars.next() {
                Some('$') => {
                    self.push("$")?;
                    chars.as_str()
                }
                Some('{') => {
                    let inside = chars.as_str();
                    let last_brace = line.last_brace(inside);
                    self.braced(inside, last_brace, depth)?
                }
                Some(c) if is_first(c) => {
                    let (name, following) = name(after);
                    let value = self.scope.value_of(name)?.unwrap_or_default();
                    push(&mut self.out, self.room, value)?;
                    following
                }
                _ => {
                    self.push("$")?;
                    after
                }
            };
        }
        self.push(rest)
    }

    /// Replaces what began with `${`, and gives what follows it. `inside` follows the brace;
    /// `last_brace` is how many bytes of it stand before the last `}` of the line.
    fn braced<'t>(
        &mut self,
        inside: &'t str,
        last_brace: Option<usize>,
        depth: usize,
    ) -> Result<&'t str, String> {
        let invalid = "a '${' begins no variable: write ${NAME}, or $$ for a '$'";
        let (name, following) = name(inside);
        if name.is_empty() {
            return Err(invalid.to_owned());
        }
        if let Some(following) = following.strip_prefix('}') {
            let value = self.scope.value_of(name)?.unwrap_or_default();
            push(&mut self.out, self.room, value)?;
            return Ok(following);
        }
        let unless_empty = following.strip_prefix(':');
        let mut chars = unless_empty.unwrap_or(following).chars();
        let operator = chars.next().filter(|c| matches!(c, '-' | '+' | '?'));
        let (Some(operator), Some(last)) = (operator, last_brace) else {
            return Err(invalid.to_owned());
        };
        let word_at = inside.len() - chars.as_str().len();
        let end = closing_brace(inside.get(..=last).unwrap_or_default()).unwrap_or(last);
        let word = inside.get(word_at..end).unwrap_or_default();
        let rest = inside.get(end + 1..).unwrap_or_default();
        let value = self.scope.value_of(name)?;
        let is_there = value.is_some_and(|value| unless_empty.is_none() || !value.is_empty());
        match (operator, is_there) {
            ('-', false) | ('+', true) => self.expand(word, depth + 1)?,
            ('?', false) => {
                return Err(format!(
                    "the value requires the variable {name}, which is not set{}; set it",
                    if unless_empty.is_some() {
                        " or empty"
                    } else {
                        ""
                    }
                ));
            }
            _ => push(&mut self.out, self.room, value.unwrap_or_default())?,
        }
        Ok(rest)
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        push(&mut self.out, self.room, text)
    }
}

fn push(out: &mut String, room: usize, text: &str) -> Result<(), String> {
    if out.len() + text.len() > room {
        return Err(TOO_LARGE.to_owned());
    }
    out.push_str(text);
    Ok(())
}

/// The last `}` of a line: looked for once, however many variables the line has.
#[derive(Default)]
struct Line {
    /// How many bytes of the template there were after the line, and from its last brace on.
    known: Option<(usize, Option<usize>)>,
}

impl Line {
    /// How many bytes of `rest`, an end of the template, stand before the last `}` of its line.
    fn last_brace(&mut self, rest: &str) -> Option<usize> {
        let (_, from_brace) = match self.known {
            Some(known) if known.0 < rest.len() => known,
            _ => {
                let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
                let brace = memrchr(b'}', line.as_bytes());
                let known = (rest.len() - line.len(), brace.map(|at| rest.len() - at));
                self.known = Some(known);
                known
            }
        };
        from_brace.and_then(|from_brace| rest.len().checked_sub(from_brace))
    }
}

/// Where the brace that opened before `inside` closes. As Compose counts: whatever follows an opening
/// brace is passed over.
fn closing_brace(inside: &str) -> Option<usize> {
    let mut open = 1_usize;
    let mut bytes = inside.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b'{' => {
                open += 1;
                bytes.next();
            }
            _ => {}
        }
    }
    None
}

fn is_first(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

/// The name at the start of `text`, which may be empty, and what follows.
fn name(text: &str) -> (&str, &str) {
    if !text.starts_with(is_first) {
        return ("", text);
    }
    let end = text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
    let end = end.unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
