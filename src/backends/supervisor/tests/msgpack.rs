use super::*;

/// `SplitMix64`: a small generator with the same numbers on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn text(&mut self) -> String {
        let pieces = ["a", "é", "日本", "\0", "\u{10ffff}", "long long long long"];
        let count = match self.below(20) {
            0 => 300,
            1 if self.below(20) == 0 => 70_000,
            few => few,
        };
        let pieces = (0..count).map(|_| pieces[usize::try_from(self.below(6)).unwrap()]);
        pieces.collect()
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 5 } else { 7 }) {
            0 => Value::Nil,
            1 => Value::Bool(self.below(2) == 0),
            2 => {
                let bits = self.below(65);
                let number = self.next().checked_shr(u32::try_from(bits).unwrap());
                let number = i128::from(number.unwrap_or_default());
                let least = i128::from(i64::MIN);
                Value::Int(if self.below(2) == 0 {
                    number
                } else {
                    (-number).max(least)
                })
            }
            3 => Value::Float(f64::from_bits(self.next() >> 2)),
            4 => Value::Text(Zeroizing::new(self.text())),
            5 => Value::List((0..self.below(20)).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let members = (0..self.below(20)).map(|_| {
                    let key = Zeroizing::new(self.below(1000).to_string());
                    (key, self.value(depth - 1))
                });
                Value::Map(members.collect())
            }
        }
    }
}

/// The value, as it is written.
fn item(value: &Value) -> Item<'_> {
    match value {
        Value::Nil | Value::Other | Value::Moment(..) => Item::Nil,
        Value::Bool(is_true) => Item::Bool(*is_true),
        Value::Int(number) => match (u64::try_from(*number), i64::try_from(*number)) {
            (Ok(number), _) => Item::Unsigned(number),
            (_, Ok(number)) => Item::Signed(number),
            _ => panic!("{number}"),
        },
        Value::Float(number) => Item::Float(*number),
        Value::Text(text) => Item::Text(text),
        Value::List(items) => Item::List(items.iter().map(item).collect()),
        Value::Map(members) => {
            let members = members
                .iter()
                .map(|(key, value)| (key.as_str(), item(value)));
            Item::Map(members.collect())
        }
    }
}

fn text(text: &str) -> Value {
    Value::Text(Zeroizing::new(text.to_owned()))
}

#[test]
fn what_is_written_is_read_again() {
    let mut random = Random(1);
    for _ in 0..500 {
        let value = random.value(4);
        let bytes = item(&value).to_bytes();
        assert!(read(&bytes) == Ok(value));
        let mut reader = Reader::new(&bytes);
        let raw = reader.raw().unwrap();
        assert_eq!(raw.unwrap_or(&[0xc0]), bytes.as_slice());
        assert!(reader.is_at_end());
    }
}

#[test]
fn a_value_that_is_cut_short_is_malformed_wherever_it_is_cut() {
    let mut random = Random(2);
    for _ in 0..100 {
        let bytes = item(&random.value(3)).to_bytes();
        for end in (0..bytes.len()).take(300) {
            assert!(read(&bytes[..end]) == Err(Malformed));
            assert_eq!(Reader::new(&bytes[..end]).raw(), Err(Malformed));
        }
    }
}

#[test]
fn no_bytes_make_the_reader_panic_and_both_ways_of_reading_agree() {
    let mut random = Random(3);
    for round in 0..4_000 {
        let length = random.below(64);
        let mut bytes: Vec<u8> = (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        if round % 2 == 0 {
            // Mostly well-formed, with a byte that is not.
            let mut whole = item(&random.value(3)).to_bytes().to_vec();
            whole.truncate(4096);
            if let Some(at) = usize::try_from(random.below(4096))
                .ok()
                .filter(|at| *at < whole.len())
            {
                whole[at] = random.next().to_le_bytes()[0];
            }
            bytes = whole;
        }
        let value = Reader::new(&bytes).value();
        let raw = Reader::new(&bytes).raw();
        // A key that is not text, or text that is not UTF-8, is msgpack all the same.
        assert!(value.is_err() || raw.is_ok(), "{bytes:?}");
    }
}

#[test]
fn lengths_beyond_the_bytes_take_no_memory_and_no_time() {
    for head in [
        &[0xdb, 0xff, 0xff, 0xff, 0xff][..],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xc6, 0xff, 0xff, 0xff, 0xff],
        &[0xc9, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0xdc, 0xff, 0xff],
    ] {
        assert!(read(head) == Err(Malformed));
        assert_eq!(Reader::new(head).raw(), Err(Malformed));
    }
}

#[test]
fn nesting_and_the_number_of_values_have_bounds() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    assert!(read(&nested(DEEPEST)).is_ok());
    assert!(read(&nested(DEEPEST + 1)) == Err(Malformed));
    // Where a value is only passed over, depth costs nothing.
    assert!(Reader::new(&nested(100_000)).raw().is_ok());

    let count = u32::try_from(MOST_VALUES).unwrap();
    let many = |count: u32| {
        [
            &[0xdd],
            &count.to_be_bytes()[..],
            &vec![0xc0; count as usize],
        ]
        .concat()
    };
    assert!(read(&many(count - 1)).is_ok());
    assert!(read(&many(count)) == Err(Malformed));
}

#[test]
fn moments_come_in_three_forms() {
    let moment = |bytes: &[u8]| read(bytes).ok();
    let second = &[0xd6, 0xff, 0x65, 0x53, 0xf1, 0x00];
    assert!(moment(second) == Some(Value::Moment(0x6553_f100, 0)));
    let nanos = (123_456_789_u64 << 34 | 0x6553_f100).to_be_bytes();
    let nanos = [&[0xd7, 0xff], &nanos[..]].concat();
    assert!(moment(&nanos) == Some(Value::Moment(0x6553_f100, 123_456_789)));
    let early = [&[0xc7, 12, 0xff, 0, 0, 0, 1], &(-1_i64).to_be_bytes()[..]].concat();
    assert!(moment(&early) == Some(Value::Moment(-1, 1)));
    assert!(moment(&[0xc7, 3, 0xff, 0, 0, 0]).is_none());
    assert!(moment(&[0xd4, 0x05, 0]) == Some(Value::Other));
}

#[test]
fn a_member_is_found_by_its_key() {
    let map = Item::Map(vec![("a", Item::Text("x")), ("b", Item::Signed(-1))]).to_bytes();
    let map = read(&map).unwrap();
    assert!(map.get("a") == Some(&text("x")));
    assert_eq!(map.get("a").and_then(Value::as_text), Some("x"));
    assert_eq!(map.get("b").and_then(Value::as_int), Some(-1));
    assert!(map.get("c").is_none() && Value::Nil.get("a").is_none());
    let twice = Item::Map(vec![("a", Item::Text("x")), ("a", Item::Text("y"))]).to_bytes();
    assert!(read(&twice).unwrap().get("a") == Some(&text("y")));
}
