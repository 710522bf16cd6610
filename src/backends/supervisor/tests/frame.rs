use super::*;
use crate::backends::supervisor::msgpack::tests::Random;

fn framed(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&length.to_be_bytes(), content].concat()
}

/// A stream that gives its bytes in pieces of these lengths.
struct Pieces<'b> {
    bytes: &'b [u8],
    random: Random,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let most = 1 + usize::try_from(self.random.below(20_000)).unwrap();
        let length = most.min(self.bytes.len()).min(buffer.remaining());
        let (piece, rest) = self.bytes.split_at(length);
        buffer.put_slice(piece);
        self.bytes = rest;
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn frames_are_read_in_whatever_pieces_they_come() {
    let mut random = Random(1);
    for round in 0..100 {
        let contents = (0..random.below(20)).map(|_| {
            let length = match random.below(10) {
                0 => random.below(200_000),
                _ => random.below(100),
            };
            (0..length)
                .map(|_| random.next().to_le_bytes()[0])
                .collect::<Vec<_>>()
        });
        let contents = contents.collect::<Vec<_>>();
        let bytes = contents
            .iter()
            .flat_map(|content| framed(content))
            .collect::<Vec<_>>();
        let pieces = Pieces {
            bytes: &bytes,
            random: Random(round),
        };
        let mut reader = FrameReader::new(pieces, 200_000);
        for content in &contents {
            assert_eq!(reader.next().await.unwrap().as_slice(), content);
        }
        let end = reader.next().await.unwrap_err();
        assert!(
            matches!(
                end,
                FrameError::End {
                    in_the_middle: false
                }
            ),
            "{end}"
        );
    }
}

#[tokio::test]
async fn a_long_frame_leaves_no_room_and_no_bytes_behind() {
    let contents = [vec![0xaa; 100_000], vec![0xbb; 10], vec![0xcc; 10]];
    let bytes = contents.iter().flat_map(|content| framed(content));
    let bytes = bytes.collect::<Vec<_>>();
    let mut reader = FrameReader::new(&*bytes, 100_000);
    for content in &contents {
        assert_eq!(reader.next().await.unwrap().as_slice(), content);
        let given = reader.buffer.get(..reader.given).unwrap();
        assert!(!given.iter().any(|byte| content.contains(byte)));
    }
    reader.next().await.unwrap_err();
    assert_eq!((reader.buffer.capacity(), reader.given), (PIECE, 0));
}

#[tokio::test]
async fn a_frame_that_ends_early_is_an_end_in_the_middle() {
    let whole = framed(b"content");
    for end in 1..whole.len() {
        let error = FrameReader::new(&whole[..end], 100)
            .next()
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                FrameError::End {
                    in_the_middle: true
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_frame_beyond_the_bound_is_refused_before_it_is_read() {
    let head = u32::MAX.to_be_bytes();
    let error = FrameReader::new(&head[..], 1 << 26)
        .next()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the supervisor announced a message of 4294967295 bytes, and at most 67108864 are read"
    );
    // One within it takes memory only as its bytes come.
    let announced = [&(1_u32 << 26).to_be_bytes()[..], b"few"].concat();
    let mut reader = FrameReader::new(&announced[..], 1 << 26);
    assert!(reader.next().await.is_err());
    assert!(reader.buffer.capacity() <= 2 * PIECE);
}

#[test]
fn a_request_is_its_id_and_its_body() {
    let body = Body::from_json(r#"{"a": 1}"#).unwrap();
    let frame = request(300, &body).unwrap();
    assert_eq!(frame.as_slice(), b"\0\0\0\x08\x92\xcd\x01\x2c\x81\xa1a\x01");
    assert_eq!(
        response(&frame[4..]).unwrap(),
        (300, Ok(Answer::body(body)))
    );
}

#[test]
fn an_answer_has_one_to_three_parts_and_later_ones_are_left_alone() {
    let body = || Body::from_msgpack([0x01]);
    for (frame, expected) in [
        (&[0x91, 7][..], Answer::empty()),
        (&[0x92, 7, 0xc0], Answer::empty()),
        (&[0x92, 7, 0x01], Answer::body(body())),
        (&[0x93, 7, 0xc0, 0x01], Answer::error(body())),
        (&[0x94, 7, 0x01, 0xc0, 0x90], Answer::body(body())),
    ] {
        assert_eq!(response(frame), Ok((7, Ok(expected))));
    }
    // Whose answer it is can be told, and no more.
    for frame in [
        &[0x92, 7][..],
        &[0x92, 7, 0xc1],
        &[0x91, 7, 0],
        &[0x93, 7, 0xa5, b'a'],
    ] {
        assert_eq!(response(frame), Ok((7, Err(Malformed))));
    }
    for frame in [&[][..], &[0xc0], &[0x90], &[0x91, 0xa1, b'7'], &[0xff; 9]] {
        assert_eq!(response(frame), Err(Malformed));
    }
}

#[test]
fn no_bytes_make_the_reader_of_answers_panic() {
    let mut random = Random(4);
    for _ in 0..20_000 {
        let length = random.below(40);
        let mut frame = vec![0x93, 0x07];
        frame.extend((0..length).map(|_| random.next().to_le_bytes()[0]));
        if let Ok((_, Ok(answer))) = response(&frame) {
            let _ = crate::backends::supervisor::answer::read(&answer);
        }
    }
}
