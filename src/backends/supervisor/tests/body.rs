use super::*;

#[test]
fn a_body_is_the_same_in_json_and_msgpack() {
    let json = r#"{"a": [1, -2, 0.5, true, null], "b": {"c": "\u00e9"}}"#;
    let body = Body::from_json(json).unwrap();
    assert_eq!(body.to_json().unwrap().expose(), json);
    assert_eq!(Body::from_msgpack(body.as_msgpack()), body);
    assert_eq!(
        Body::from_json("{").unwrap_err().kind().as_str(),
        "invalid_value"
    );
    assert_eq!(
        Body::from_msgpack([0xc1]).to_json().unwrap_err(),
        not_msgpack()
    );
}

#[test]
fn debug_shows_no_content() {
    let body = Body::from_json(r#""marker""#).unwrap();
    assert_eq!(format!("{body:?}"), "Body(7 bytes)");
}

#[test]
fn moments_are_dates_of_the_gregorian_calendar() {
    for (seconds, nanoseconds, expected) in [
        (0, 0, "1970-01-01T00:00:00.000000Z"),
        (951_782_400, 999_999_999, "2000-02-29T00:00:00.999999Z"),
        (-1, 1000, "1969-12-31T23:59:59.000001Z"),
        (1_795_710_158, 0, "2026-11-26T16:22:38.000000Z"),
        (253_402_300_799, 0, "9999-12-31T23:59:59.000000Z"),
    ] {
        assert_eq!(moment(seconds, nanoseconds), expected);
    }
    for seconds in [i64::MIN, i64::MAX] {
        assert!(moment(seconds, u32::MAX).ends_with('Z'));
    }
}
