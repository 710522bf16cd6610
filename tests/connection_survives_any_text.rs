//! No text makes the codec panic, run out of stack, or take more than linear time.

// A test may panic: so it fails.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use airflow_secrets::{Connection, Dialect, Fields, Secret};

const DIALECTS: [Dialect; 2] = [Dialect::Core, Dialect::TaskSdk];

/// `SplitMix64`: a small generator with the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn text(&mut self, pieces: &[&str]) -> String {
        (0..self.below(24))
            .map(|_| pieces[self.below(pieces.len())])
            .collect()
    }
}

#[test]
fn extra_dejson_is_as_deep_as_serde_json_reads() {
    for (depth, is_read) in [(126, true), (127, false)] {
        let extra = format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        let json = format!("{{\"extra\": {extra}}}");
        let connection = Connection::from_json("id", &json, Dialect::Core).unwrap();
        assert_eq!(connection.extra_dejson().is_ok(), is_read);
        assert_eq!(connection.extra_dejson_nested().is_ok(), is_read);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&extra).is_ok(),
            is_read
        );
    }
}

/// Uses all that a connection can answer.
fn exercise(connection: &Connection) {
    let uri = connection.get_uri();
    let _ = Connection::from_uri("id", uri.expose(), Dialect::Core);
    let _ = connection.as_json();
    let _ = connection.extra_dejson();
    let _ = connection.extra_dejson_nested();
}

fn read_every_way(text: &str) {
    for dialect in DIALECTS {
        let mut fields = Fields::default();
        fields.host = Some(text.to_owned());
        fields.extra = Some(Secret::from(text));
        let read = [
            Connection::from_uri("id", text, dialect),
            Connection::from_json("id", text, dialect),
            Connection::from_value("id", text, dialect),
            Connection::from_fields("id", fields, dialect),
        ];
        for connection in read.into_iter().flatten() {
            exercise(&connection);
        }
    }
}

#[test]
fn random_pieces_never_panic() {
    let pieces = [
        "://",
        ":",
        "/",
        "//",
        "?",
        "#",
        "@",
        "[",
        "]",
        "&",
        "=",
        "%",
        "%2",
        "%zz",
        "%C3",
        "%28",
        "%f0%9f",
        "+",
        ";",
        " ",
        "\t",
        "\n",
        "\0",
        "a",
        "B",
        "0",
        "65536",
        "postgres",
        "HTTP",
        "__extra__",
        "é",
        "Σ",
        "İ",
        "😀",
        "\u{ff0f}",
        "\u{feff}",
        "\u{85}",
        "v1.",
        "::1",
        ".",
        "-",
        "_",
        "{",
        "}",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "\\ude00",
        "d800",
        ",",
        "null",
        "NaN",
        "-Infinity",
        "1e400",
        "-0",
        "\"extra\":",
        "\"port\":",
        "\"uri\":",
        "{\"a\":",
        "1.5E-7",
    ];
    let mut random = Random(1);
    for _ in 0..4_000 {
        read_every_way(&random.text(&pieces));
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(2);
    for _ in 0..2_000 {
        let length = random.below(40);
        let bytes = (0..length).map(|_| random.next().to_le_bytes()[0]);
        let bytes = bytes.collect::<Vec<_>>();
        let text = String::from_utf8_lossy(&bytes);
        read_every_way(&text);
        read_every_way(&format!("a://{text}"));
        read_every_way(&format!("{{\"extra\": {text}}}"));
    }
}

#[test]
fn deep_json_needs_little_stack() {
    let nested = |open: &str, close: &str, depth: usize| {
        [open.repeat(depth), "1".to_owned(), close.repeat(depth)].concat()
    };
    let work = move || {
        for depth in [900, 978] {
            let array = nested("[", "]", depth);
            let object = nested("{\"a\":", "}", depth);
            for value in [array, object] {
                let json = format!("{{\"extra\": {{\"a\": {value}}}}}");
                let uri = format!("a://h/?b={value}");
                for dialect in DIALECTS {
                    exercise(&Connection::from_json("id", &json, dialect).unwrap());
                    exercise(&Connection::from_uri("id", &uri, dialect).unwrap());
                }
            }
        }
        for depth in [981, 1_000_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[", "")] {
                let value = nested(open, close, depth);
                let json = format!("{{\"extra\": {value}}}");
                let uri = format!("a://h/?b={value}");
                assert!(Connection::from_json("id", &json, Dialect::Core).is_err());
                assert!(Connection::from_json("id", &json, Dialect::TaskSdk).is_err());
                assert!(Connection::from_uri("id", &uri, Dialect::Core).is_err());
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(1 << 19);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn many_keys_take_no_quadratic_time() {
    // A hundred thousand keys, twice each: comparing all pairs would take minutes.
    let members = (0..200_000).map(|number| format!("\"{}\": {number}", number % 100_000));
    let extra = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    let json = format!("{{\"extra\": {extra}}}");
    let connection = Connection::from_json("id", &json, Dialect::Core).unwrap();
    let dejson = connection.extra_dejson().unwrap();
    assert_eq!(dejson.as_object().unwrap().len(), 100_000);
    assert_eq!(dejson["7"], 100_007);

    let pairs = (0..200_000).map(|number| format!("{}={number}", number % 100_000));
    let uri = format!("a://h/?{}", pairs.collect::<Vec<_>>().join("&"));
    let connection = Connection::from_uri("id", &uri, Dialect::Core).unwrap();
    assert_eq!(connection.extra_dejson().unwrap()["7"], 100_007);
}
