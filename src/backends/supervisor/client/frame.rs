//! Frames: a length of four bytes, big-endian, and so many bytes of msgpack.

use std::{fmt, io};

use secrecy::zeroize::{Zeroize as _, Zeroizing};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::backends::supervisor::{
    Body,
    msgpack::{Malformed, Reader},
    transport::Answer,
};

/// How many bytes the length takes.
const HEAD: usize = 4;

/// How much is read at once, at least; and how much room is kept when nothing is left to be given.
const PIECE: usize = 8 * 1024;

/// Reads frames from a stream.
pub(super) struct FrameReader<R> {
    stream: R,
    /// What was read.
    buffer: Zeroizing<Vec<u8>>,
    /// How much of it was given, and wiped.
    given: usize,
    longest: usize,
}

/// Why there are no more frames.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The supervisor has closed the connection; in the middle of a frame, or between two.
    End {
        in_the_middle: bool,
    },
    /// A frame of so many bytes.
    TooLong {
        length: u32,
        longest: usize,
    },
    Io(io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End {
                in_the_middle: false,
            } => f.write_str("the supervisor has closed the connection"),
            Self::End {
                in_the_middle: true,
            } => f.write_str("the supervisor has closed the connection in the middle of a message"),
            Self::TooLong { length, longest } => write!(
                f,
                "the supervisor announced a message of {length} bytes, and at most {longest} are read"
            ),
            Self::Io(error) => write!(f, "the connection to the supervisor has failed: {error}"),
        }
    }
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(stream: R, longest: usize) -> Self {
        Self {
            stream,
            buffer: Zeroizing::new(Vec::with_capacity(PIECE)),
            given: 0,
            longest,
        }
    }

    /// The content of the next frame. Memory is taken as the bytes come, whatever the length says.
    pub(super) async fn next(&mut self) -> Result<Zeroizing<Vec<u8>>, FrameError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(frame);
            }
            self.make_room();
            match self.stream.read_buf(&mut *self.buffer).await {
                Ok(0) => {
                    return Err(FrameError::End {
                        in_the_middle: !self.buffer.is_empty(),
                    });
                }
                Ok(_) => {}
                Err(error) => return Err(FrameError::Io(error)),
            }
        }
    }

    /// A frame that is there already.
    fn buffered(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, FrameError> {
        let unread = self.buffer.get_mut(self.given..).unwrap_or_default();
        let Some(head) = unread.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*head);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > self.longest {
            return Err(FrameError::TooLong {
                length: announced,
                longest: self.longest,
            });
        }
        let end = HEAD + length;
        let Some(bytes) = unread.get_mut(HEAD..end) else {
            return Ok(None);
        };
        let frame = Zeroizing::new(bytes.to_vec());
        bytes.zeroize();
        self.given += end;
        Ok(Some(frame))
    }

    /// Makes room for what is read next: once for all frames that were given, since there may be many
    /// short ones behind a long one.
    fn make_room(&mut self) {
        let given = std::mem::take(&mut self.given).min(self.buffer.len());
        self.buffer.drain(..given);
        let capacity = if self.buffer.is_empty() {
            PIECE
        } else if self.buffer.len() == self.buffer.capacity() {
            self.buffer.capacity().saturating_mul(2)
        } else {
            return;
        };
        if capacity != self.buffer.capacity() {
            // A buffer that grew by itself would leave copies of secrets behind.
            let mut other = Zeroizing::new(Vec::with_capacity(capacity));
            other.extend_from_slice(&self.buffer);
            self.buffer = other;
        }
    }
}

/// The frame of a request: `[id, body]`.
pub(super) fn request(id: u64, body: &Body) -> Option<Zeroizing<Vec<u8>>> {
    let body = body.as_msgpack();
    // A list of two, and an integer of at most nine bytes.
    let mut frame = Zeroizing::new(Vec::with_capacity(HEAD + 1 + 9 + body.len()));
    frame.extend_from_slice(&[0; HEAD]);
    rmp::encode::write_array_len(&mut *frame, 2).ok()?;
    rmp::encode::write_uint(&mut *frame, id).ok()?;
    frame.extend_from_slice(body);
    let length = u32::try_from(frame.len() - HEAD).ok()?;
    *frame.first_chunk_mut::<HEAD>()? = length.to_be_bytes();
    Some(frame)
}

/// What a frame of the supervisor's says: the id of the request, and the answer to it. Of an answer
/// that is malformed only the id is told.
pub(super) fn response(frame: &[u8]) -> Result<(i128, Result<Answer, Malformed>), Malformed> {
    let mut reader = Reader::new(frame);
    let parts = reader.list()?;
    let id = reader.value()?.as_int().ok_or(Malformed)?;
    Ok((id, answer(&mut reader, parts)))
}

/// The rest of a frame of so many parts. Further ones, of a later protocol, are left alone.
fn answer(reader: &mut Reader<'_>, parts: usize) -> Result<Answer, Malformed> {
    let mut part = |number: usize| {
        let raw = if parts >= number { reader.raw()? } else { None };
        Ok(raw.map(Body::from_msgpack))
    };
    let answer = Answer {
        body: part(2)?,
        error: part(3)?,
    };
    for number in 4..=parts {
        part(number)?;
    }
    reader.is_at_end().then_some(answer).ok_or(Malformed)
}

#[cfg(test)]
#[path = "../tests/frame.rs"]
mod tests;
