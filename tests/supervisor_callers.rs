//! Many callers share one socket, and none is in another's way.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/supervisor.rs"]
mod supervisor;

use std::{collections::BTreeSet, sync::Arc, task::Poll};

use airflow_secrets::{
    Resolver, SecretsBackend,
    backend::{LookupOptions, VariableStore as _},
    backends::supervisor::{Body, SupervisorBackend, TcpTransport, Transport as _},
};
use serde_json::{Value, json};
use supervisor::{connect, holds_all, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_lookups_of_a_hundred_ids_are_a_hundred_requests_and_each_gets_its_own_answer() {
    let (all_asked, may_answer) = std::sync::mpsc::channel();
    // The last request is answered first.
    let (address, requests) = start(move |mut socket| {
        let hundred = (0..100).map(|_| socket.request().unwrap());
        let hundred = hundred.collect::<Vec<_>>();
        may_answer.recv().unwrap();
        for (id, request) in hundred.iter().rev() {
            socket.answer(*id, &holds_all(request));
        }
        socket.serve(holds_all);
    });
    let resolver = Resolver::builder().backend(connect(address).await).build();
    let lookups = (0..1000).map(|number| {
        let resolver = resolver.clone();
        Box::pin(async move {
            let key = format!("key {}", number % 100);
            let found = resolver.get_variable(&key).await.unwrap();
            assert_eq!(found.expose(), format!("value of {key}"));
        })
    });
    let mut lookups = lookups.collect::<Vec<_>>();
    // Each is begun before the first answer comes.
    for lookup in &mut lookups {
        assert!(is_pending(lookup).await);
    }
    all_asked.send(()).unwrap();
    for lookup in lookups.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
        lookup.await.unwrap();
    }
    let requests = requests.lock().unwrap();
    let keys = requests
        .iter()
        .map(|request| request["key"].as_str().unwrap());
    assert_eq!(keys.clone().count(), 100);
    assert_eq!(keys.collect::<BTreeSet<_>>().len(), 100);
}

/// Begins `future`; whether it has not ended with that.
async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    let mut future = std::pin::Pin::new(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_on_all_threads_get_their_own_answers_without_a_resolver() {
    let (address, _) = start(|socket| socket.serve(holds_all));
    let backend = connect(address).await;
    let callers = (0..64).map(|caller| {
        let backend = backend.clone();
        tokio::spawn(async move {
            for round in 0..50 {
                let key = format!("{caller}-{round}");
                let found = backend
                    .get_variable(&key, &LookupOptions::new())
                    .await
                    .unwrap();
                assert_eq!(found.value(), Some(&format!("value of {key}").into()));
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn a_lookup_that_is_kept_and_not_waited_for_holds_nobody_up() {
    let (address, requests) = start(|socket| socket.serve(holds_all));
    let backend = connect(address).await;
    let options = LookupOptions::new();
    let mut kept = Vec::new();
    for number in 0..10 {
        let key = format!("kept {number}");
        let backend = backend.clone();
        let mut lookup =
            Box::pin(async move { backend.get_variable(&key, &LookupOptions::new()).await });
        // Begun, so that its request is sent, and left alone.
        assert!(is_pending(&mut lookup).await);
        kept.push(lookup);
    }
    for number in 0..10 {
        let found = backend
            .get_variable(&format!("{number}"), &options)
            .await
            .unwrap();
        assert_eq!(found.value(), Some(&format!("value of {number}").into()));
    }
    assert_eq!(requests.lock().unwrap().len(), 20);
    for (number, lookup) in kept.into_iter().enumerate() {
        let found = lookup.await.unwrap();
        assert_eq!(
            found.value(),
            Some(&format!("value of kept {number}").into())
        );
    }
}

/// More than a socket takes at once.
const LONG: usize = 3 * 1024 * 1024;

#[tokio::test]
async fn callers_who_give_up_leave_no_half_frames_behind() {
    let (address, _) = start(|mut socket| {
        for _ in 0..5 {
            assert!(socket.frame().unwrap().len() > LONG);
        }
        socket.serve(holds_all);
    });
    let backend = connect(address).await;
    let options = LookupOptions::new();
    let long = "x".repeat(LONG).into();
    for _ in 0..5 {
        let mut change = Box::pin(backend.set_variable("long", &long, None, &options));
        assert!(is_pending(&mut change).await);
    }
    let found = backend.get_variable("colour", &options).await.unwrap();
    assert_eq!(found.value(), Some(&"value of colour".into()));
}

#[tokio::test]
async fn a_supervisor_that_does_not_read_is_not_sent_more_than_64_mib() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let (address, _) = start(move |socket| {
        let _ = stopped.recv();
        drop(socket);
    });
    let (transport, _) = TcpTransport::connect(address).await.unwrap();
    let long = Body::from_json(&json!("x".repeat(11 * LONG)).to_string()).unwrap();
    let mut failed = None;
    for _ in 0..2 {
        let mut exchange = Box::pin(transport.exchange(long.clone()));
        let polled = std::future::poll_fn(|context| {
            Poll::Ready(match exchange.as_mut().poll(context) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            })
        });
        failed = failed.or(polled.await);
    }
    let failure = failed.unwrap().unwrap_err();
    assert!(failure.message().contains("does not read"), "{failure}");
    drop(stop);
}

#[tokio::test]
async fn one_message_may_be_longer_than_what_else_may_wait() {
    let (address, _) = start(|mut socket| {
        // As Airflow's own reader, it takes any length.
        while let Some(frame) = socket.frame() {
            let id = u64::from(frame[1]);
            socket.answer(id, &Value::Null);
        }
    });
    let (backend, options) = (connect(address).await, LookupOptions::new());
    let long = "x".repeat(65 * 1024 * 1024).into();
    let set = backend.set_variable("long", &long, None, &options).await;
    assert_eq!(set, Ok(()));
}

#[tokio::test]
async fn all_handles_share_the_socket_and_the_last_one_closes_it() {
    let (ended, end) = std::sync::mpsc::channel();
    let (address, _) = start(move |socket| {
        socket.serve(holds_all);
        ended.send(()).unwrap();
    });
    let (transport, _) = TcpTransport::connect(address).await.unwrap();
    let other = transport.clone();
    drop(transport);
    let backend = SupervisorBackend::new(other);
    let options = LookupOptions::new();
    assert!(backend.get_variable("colour", &options).await.is_ok());
    drop(backend);
    tokio::task::spawn_blocking(move || end.recv().unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_come_page_by_page_in_ascending_order() {
    let keys = Arc::new(
        (0..2500)
            .rev()
            .map(|n| format!("key {n:04}"))
            .collect::<Vec<_>>(),
    );
    let held = Arc::clone(&keys);
    let (address, requests) = start(move |socket| {
        socket.serve(move |request| {
            let number = |name: &str| usize::try_from(request[name].as_u64().unwrap()).unwrap();
            let page = held.iter().skip(number("offset")).take(number("limit"));
            json!({
                "type": "VariableKeysResult", "total_entries": held.len(),
                "keys": page.collect::<Vec<_>>(),
            })
        });
    });
    let backend = connect(address).await;
    let listed = backend
        .variable_keys("key", &LookupOptions::new())
        .await
        .unwrap();
    assert!(listed.iter().eq(keys.iter().rev()));
    let asked = requests.lock().unwrap().clone();
    let page = |offset| json!({"type": "GetVariableKeys", "prefix": "key", "limit": 1000, "offset": offset});
    assert_eq!(asked, [page(0), page(1000), page(2000)]);
}

#[tokio::test]
async fn a_list_of_keys_ends() {
    let (address, requests) = start(|socket| {
        socket.serve(|request| {
            let most = request["limit"].as_u64().unwrap();
            let length = match request["prefix"].as_str() {
                Some("more than asked for") => most + 1,
                _ => most,
            };
            json!({
                "type": "VariableKeysResult", "total_entries": 1,
                "keys": vec!["key"; usize::try_from(length).unwrap()],
            })
        });
    });
    let (backend, options) = (connect(address).await, LookupOptions::new());
    for (prefix, why, pages) in [
        (
            "more than asked for",
            "the supervisor gave 1001 keys, and was asked for 1000 at most",
            1,
        ),
        (
            "without end",
            "there are more than 1000000 keys, which is the most that is read: ask for a longer prefix",
            1000,
        ),
    ] {
        let failure = backend.variable_keys(prefix, &options).await.unwrap_err();
        assert_eq!(
            (failure.kind().as_str(), failure.message()),
            ("unavailable", why)
        );
        assert_eq!(std::mem::take(&mut *requests.lock().unwrap()).len(), pages);
    }
}

#[tokio::test]
async fn a_variable_is_set_and_deleted_where_the_supervisor_can_hold_its_key() {
    let (address, requests) = start(|socket| {
        socket.serve(|request| match request["type"].as_str() {
            Some("DeleteVariable") => json!({"type": "OKResponse", "ok": true}),
            _ => Value::Null,
        });
    });
    let (backend, options) = (connect(address).await, LookupOptions::new());
    let value = "v".into();
    backend
        .set_variable("a/b", &value, None, &options)
        .await
        .unwrap();
    backend
        .set_variable("k", &value, Some("d"), &options)
        .await
        .unwrap();
    backend.delete_variable("k", &options).await.unwrap();
    for key in ["", "keys", "a/../b", "a?", "%41"] {
        let set = backend
            .set_variable(key, &value, None, &options)
            .await
            .unwrap_err();
        let deleted = backend.delete_variable(key, &options).await.unwrap_err();
        assert_eq!((set.kind().as_str(), &set), ("invalid_value", &deleted));
    }
    let put = |key, description| json!({"type": "PutVariable", "key": key, "value": "v", "description": description});
    let expected = [
        put("a/b", Value::Null),
        put("k", json!("d")),
        json!({"type": "DeleteVariable", "key": "k"}),
    ];
    assert_eq!(*requests.lock().unwrap(), expected);
}
