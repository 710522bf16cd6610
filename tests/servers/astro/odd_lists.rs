//! A list that is odd itself, or holds what has no key.

use airflow_secrets::SecretsBackend as _;
use serde_json::{Value, json};

use crate::{
    builder, connection,
    odd_objects::{MARKER, http, list, with, without},
    support::{
        astro_platform::Platform,
        https::Reply,
        log::{Log, of_this_thread},
    },
};

#[tokio::test]
async fn a_list_whose_outer_shape_is_wrong_is_unavailable() {
    let platform = Platform::start(Vec::new());
    for body in [
        json!({}),
        json!(null),
        json!([]),
        json!([[], 0]),
        json!(MARKER),
        json!({"environmentObjects": [http("x", "h")]}),
        json!({"totalCount": 0}),
        json!({"environmentObjects": null, "totalCount": 0}),
        json!({"environmentObjects": {"x": http("x", "h")}, "totalCount": 1}),
        json!({"environmentObjects": [http("x", "h")], "totalCount": "1"}),
        json!({"environmentObjects": [http("x", "h")], "totalCount": -1}),
    ] {
        platform.world().first.push_back(Reply::json(200, &body));
        let astro = builder(platform.reach(Some("d1"))).build().unwrap();
        let expected = "Unavailable: the answer is not one of Astro's (HTTP 200): check ASTRO_DOMAIN and the proxy";
        let answer = connection(&astro, "x").await;
        assert_eq!(answer, Err(expected.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn what_has_no_key_is_passed_over_with_one_warning_without_contents() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .without_time()
        .with_writer(log.clone())
        .finish();
    let _guard = of_this_thread(subscriber);
    let platform = Platform::start(Vec::new());
    let objects = [
        with(http(MARKER, MARKER), "objectKey", json!([MARKER])),
        with(http(MARKER, MARKER), "objectKey", "".into()),
        without(http(MARKER, MARKER), "objectKey"),
        json!(MARKER),
        json!([MARKER, "CONNECTION"]),
        json!(null),
        http("x", "h"),
    ];
    platform
        .world()
        .first
        .extend([list(&objects), list(&objects), list(&objects[6..])]);
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    for _ in 0..3 {
        assert_eq!(connection(&astro, "x").await, Ok("http://h".to_owned()));
        assert_eq!(connection(&astro, MARKER).await, Err("missing".to_owned()));
        astro.invalidate();
    }
    let warning = "Astro, --deployment-id=d1: passed over what has no objectKey that is a text, in the list of \
                   CONNECTION: 6 of the environment objects; save them again in Astro's Environment Manager, or \
                   report it to Astro's support";
    let log = log.text();
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(!log.contains(MARKER), "{log}");
}

#[tokio::test]
async fn pages_are_counted_with_what_is_passed_over() {
    let platform = Platform::start(Vec::new());
    let page = |objects: &[Value]| {
        Reply::json(
            200,
            &json!({"environmentObjects": objects, "totalCount": 4}),
        )
    };
    let pages = [
        page(&[json!(1), http("x", "h")]),
        page(&[json!(1), http("y", "h")]),
    ];
    platform.world().first.extend(pages);
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    assert_eq!(connection(&astro, "y").await, Ok("http://h".to_owned()));
    let requests = platform.take_requests();
    let offsets = requests.iter().map(|request| request.parameter("offset"));
    assert_eq!(offsets.collect::<Vec<_>>(), ["0", "2"]);
    // The first of a page that comes again is found behind what is passed over.
    let again = page(&[json!(1), http("x", "h")]);
    platform.world().first.extend([again.clone(), again]);
    astro.invalidate();
    let failure = connection(&astro, "y").await.unwrap_err();
    let expected = "Unavailable: Astro's list of environment objects ended before";
    assert!(failure.starts_with(expected), "{failure}");
}
