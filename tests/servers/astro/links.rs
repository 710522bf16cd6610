//! Links, overrides and exclusions: what is resolved here is what Astro resolves.

use serde_json::json;

use crate::{
    builder, connection,
    support::astro_platform::{Platform, Role, own, random_objects, shared, token},
    variable,
};

/// Random numbers below the one that is given; the same for the same seed.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    }
}

#[tokio::test]
async fn whatever_the_links_and_overrides_are_the_same_is_seen_as_astro_resolves() {
    let platform = Platform::start(Vec::new());
    let mut found = 0;
    for seed in 0..60 {
        platform.world().objects = random_objects(&mut random(seed));
        // A token that may read secrets, and one for which they are masked.
        let role = if seed % 3 == 0 {
            Role::Masked
        } else {
            Role::Reader
        };
        platform.world().tokens.insert(token(None), role);
        for deployment in ["d0", "d1", "d2"] {
            let resolved = builder(platform.reach(Some(deployment))).build().unwrap();
            let here = builder(platform.reach(Some(deployment)));
            let here = here.resolve_links_here(true).build().unwrap();
            for number in 0..5 {
                let key = format!("k{number}");
                let ours = connection(&here, &key).await;
                assert_eq!(
                    ours,
                    connection(&resolved, &key).await,
                    "{seed} {deployment} {key}"
                );
                found += usize::from(ours.is_ok());
                let ours = variable(&here, &key).await;
                assert_eq!(
                    ours,
                    variable(&resolved, &key).await,
                    "{seed} {deployment} {key}"
                );
                found += usize::from(ours.is_ok());
                let (here, resolved) = (
                    here.environment_variables(false),
                    resolved.environment_variables(false),
                );
                let ours = variable(&here, &key).await;
                assert_eq!(
                    ours,
                    variable(&resolved, &key).await,
                    "{seed} {deployment} {key}"
                );
                found += usize::from(ours.is_ok());
            }
        }
    }
    assert!(found > 1000, "only {found} were found");
}

#[tokio::test]
async fn an_override_of_extra_replaces_it_and_a_deployments_own_comes_first() {
    let link = |deployment: &str, overrides: serde_json::Value| json!({"scope": "DEPLOYMENT", "scopeEntityId": deployment, "connectionOverrides": overrides});
    let body = json!({"type": "http", "host": "h", "extra": {"a": "1", "b": "2"}});
    let mut object = shared("x", "CONNECTION", body);
    object["links"] = json!([
        link("d0", json!({"extra": {"c": "3"}})),
        link("d1", json!({"host": "o"}))
    ]);
    object["excludeLinks"] = json!([{"scope": "DEPLOYMENT", "scopeEntityId": "d3"}]);
    object["autoLinkDeployments"] = true.into();
    let own = own(
        "d2",
        "x",
        "CONNECTION",
        json!({"type": "https", "host": "own"}),
    );
    let platform = Platform::start(vec![object, own]);
    for (deployment, expected) in [
        ("d0", Ok("http://h/?c=3")),
        ("d1", Ok("http://o/?a=1&b=2")),
        ("d2", Ok("https://own")),
        ("d3", Err("missing")),
        ("d4", Ok("http://h/?a=1&b=2")),
    ] {
        let here = builder(platform.reach(Some(deployment))).resolve_links_here(true);
        let ours = connection(&here.build().unwrap(), "x").await;
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(ours, expected, "{deployment}");
    }
    let requests = platform.take_requests();
    let scopes = requests[..2].iter().map(|request| {
        let resolves = request.parameter("resolveLinked");
        (
            request.parameter("workspaceId"),
            request.parameter("deploymentId"),
            resolves,
        )
    });
    assert_eq!(
        scopes.collect::<Vec<_>>(),
        [("ws1", "", "false"), ("", "d0", "false")]
    );
}
