//! Faults of the network, by a Toxiproxy before the real server. Each lookup meets its fault on a connection
//! that has already served one.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, future::LocalBoxFuture, stream};
use serde_json::json;

use crate::{
    asking::{ask, assert_right, assert_right_again, outcome},
    page::Cell,
    rooms::{Room, Rooms, quick},
    support::toxiproxy::Proxy,
};

#[derive(Debug, Clone, Copy)]
enum Fault {
    Refused,
    Reset,
    Silence,
    Slow,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Refused, Self::Reset, Self::Silence, Self::Slow];

    fn title(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset in the middle of the answer",
            Self::Silence => "30 s of silence",
            Self::Slow => "one byte a second",
        }
    }

    async fn begin(self, proxy: &Proxy) {
        let (kind, attributes) = match self {
            Self::Refused => return proxy.disable().await,
            Self::Reset => ("limit_data", json!({"bytes": 40})),
            Self::Silence => ("latency", json!({"latency": 30_000})),
            Self::Slow => ("slicer", json!({"average_size": 1, "delay": 1_000_000})),
        };
        proxy.toxic(kind, 1.0, attributes).await;
    }

    fn may_wait(self) -> bool {
        matches!(self, Self::Silence | Self::Slow)
    }
}

pub(crate) fn cells(rooms: &Rooms) -> Vec<LocalBoxFuture<'_, Cell>> {
    let of_fault = move |fault: Fault| Room::ALL.map(|room| cell(rooms, room, fault).boxed_local());
    let resets = Room::ALL.map(|room| some_resets(rooms, room).boxed_local());
    Fault::ALL
        .into_iter()
        .flat_map(of_fault)
        .chain(resets)
        .collect()
}

async fn cell(rooms: &Rooms, room: Room, fault: Fault) -> Cell {
    let when = format!("{} in {room:?}", fault.title());
    let proxy = rooms.toxiproxy.before(&rooms.address(room)).await;
    let outcome = outcome(fault.may_wait(), async |limit: Duration| {
        let resolver = rooms.resolver(room, &proxy.address, quick());
        assert_right(&resolver, &format!("before {when}")).await;
        fault.begin(&proxy).await;
        let outcome = ask(&resolver, limit).await;
        proxy.recover().await;
        assert_right_again(&resolver, room, &format!("after {when}")).await;
        outcome
    });
    Cell::new(fault.title(), room, outcome.await)
}

/// Every lookup makes connections of its own, of which one in twenty is reset.
async fn some_resets(rooms: &Rooms, room: Room) -> Cell {
    const LOOKUPS: usize = 50;
    let proxy = rooms.toxiproxy.before(&rooms.address(room)).await;
    proxy.toxic("reset_peer", 0.05, json!({"timeout": 0})).await;
    let lookups = (0..LOOKUPS).map(|_| async {
        // So many in a row do not happen.
        let resolver = rooms.resolver(room, &proxy.address, quick().with_max_retries(9));
        ask(&resolver, Duration::from_secs(60)).await
    });
    let answers = stream::iter(lookups)
        .buffer_unordered(4)
        .collect::<Vec<_>>()
        .await;
    let failed = answers.iter().filter_map(|answer| answer.as_ref().err());
    let failed = failed.collect::<Vec<_>>();
    for outcome in &failed {
        assert_eq!(outcome.kind, "Unavailable", "{outcome:?}");
    }
    let fault = "5 % of connections reset";
    if room.repeats() {
        assert_eq!(failed, Vec::<&_>::new(), "{room:?}");
        Cell::right(fault, room)
    } else {
        assert!(failed.len() < LOOKUPS / 4, "{failed:?}");
        Cell::sometimes_right(fault, room)
    }
}
