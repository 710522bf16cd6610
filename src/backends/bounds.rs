//! How long and how deep a server's answer may be. Both are checked before a parser sees the answer:
//! a parser that recurses could overflow the stack, and an answer without end fills the memory.
//!
//! One that grows beyond [`SHORT_ANSWER`] waits for its share of the budget of long answers.

use std::{error::Error, fmt, pin::pin};

use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::long_answers::{self, SHORT_ANSWER};

/// The bounds of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// In bytes.
    pub(super) longest: usize,
    /// In nested arrays and objects.
    pub(super) deepest: usize,
}

impl Default for Bounds {
    /// For one secret, a token or a machine's metadata: 2 MiB and 128 levels.
    fn default() -> Self {
        Self {
            longest: 2 * 1024 * 1024,
            deepest: 128,
        }
    }
}

impl Bounds {
    /// The whole of `body`.
    ///
    /// # Errors
    /// When it does not arrive, or is too long or too deep. No more than the bound is read.
    pub(super) async fn read<B>(self, body: B) -> Result<Bytes, ReadError<B::Error>>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let mut body = pin!(body);
        let mut bytes = Vec::new();
        let mut share = None;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(ReadError::Body)?.into_data() else {
                continue;
            };
            let length = bytes.len().saturating_add(data.len());
            if length > self.longest {
                return Err(OutOfBounds::Length(self.longest).into());
            }
            if length > SHORT_ANSWER && share.is_none() {
                share = long_answers::share(self.longest).await;
            }
            // Copied: a body in tiny pieces would cost many times its length.
            bytes.extend_from_slice(&data);
        }
        self.check_depth(&bytes)?;
        Ok(bytes.into())
    }

    /// Checks how deep the JSON text `json` nests, in one pass and without memory of its own. In
    /// another text the brackets outside double quotes are counted as well.
    ///
    /// # Errors
    /// When it is too deep.
    pub(super) fn check_depth(self, json: &[u8]) -> Result<(), OutOfBounds> {
        let mut depth = 0_usize;
        let (mut is_in_string, mut is_escaped) = (false, false);
        for byte in json {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = is_in_string,
                b'"' => is_in_string = !is_in_string,
                _ if is_in_string => {}
                b'[' | b'{' => {
                    depth += 1;
                    if depth > self.deepest {
                        return Err(OutOfBounds::Depth(self.deepest));
                    }
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadError<E> {
    /// It did not arrive.
    Body(E),
    OutOfBounds(OutOfBounds),
}

impl<E> From<OutOfBounds> for ReadError<E> {
    fn from(error: OutOfBounds) -> Self {
        Self::OutOfBounds(error)
    }
}

/// An answer that no service gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::enum_variant_names,
    reason = "too long, too deep, too many: that is what they are"
)]
pub(super) enum OutOfBounds {
    /// Longer than so many bytes.
    Length(usize),
    /// Deeper than so many levels.
    Depth(usize),
    /// More than so many interim answers (1xx) before it.
    InterimAnswers(usize),
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(longest) => write!(f, "the answer is longer than {longest} bytes"),
            Self::Depth(deepest) => write!(f, "the answer nests deeper than {deepest} levels"),
            Self::InterimAnswers(most) => {
                write!(
                    f,
                    "more than {most} interim answers (HTTP 1xx) came before the answer"
                )
            }
        }
    }
}

impl Error for OutOfBounds {}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    const SMALL: Bounds = Bounds {
        longest: 8,
        deepest: 2,
    };

    async fn read(text: &'static str) -> Result<Bytes, ReadError<Infallible>> {
        SMALL.read(Full::from(text)).await
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        assert_eq!(read("12345678").await, Ok(Bytes::from("12345678")));
        let too_long = OutOfBounds::Length(8);
        assert_eq!(read("123456789").await, Err(too_long.into()));
    }

    #[tokio::test]
    async fn a_body_without_end_is_read_no_further_than_its_bound() {
        let mut pieces = 0;
        let endless = stream::repeat_with(|| {
            pieces += 1;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"abc")))
        });
        let read = SMALL.read(StreamBody::new(endless)).await;
        assert_eq!(read, Err(OutOfBounds::Length(8).into()));
        assert_eq!(pieces, 3);
    }

    #[test]
    fn nested_arrays_and_objects_are_counted_outside_strings() {
        let check = |text: &str| SMALL.check_depth(text.as_bytes());
        for fine in [
            r#"[{}, [], {"[[[": "]\"[[[{"}]"#,
            "",
            "]]]]",
            "[[]] {}",
            r#""\\" []"#,
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for deep in ["[[[", r#"{"a": [{}]}"#, r#"["\\", [[]]]"#, "[][][[[]]]"] {
            assert_eq!(check(deep), Err(OutOfBounds::Depth(2)), "{deep}");
        }
    }
}
