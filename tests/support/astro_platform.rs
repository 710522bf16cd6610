//! Astro's Platform API as its public description has it: the listing of environment objects, with scopes,
//! links, overrides, pages and masks; and the login for the older Deployment API keys. No emulator exists.
//! It checks every parameter and header, and answers under the real names, as its own proxy.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::https::{self, Reply, Request};

pub(crate) const ORGANIZATION: &str = "org1";
pub(crate) const WORKSPACE: &str = "ws1";

/// The fields of a connection that a link may override.
const FIELDS: [&str; 7] = [
    "type", "host", "login", "password", "schema", "port", "extra",
];

/// What the platform holds, and how it behaves.
#[derive(Default)]
pub(crate) struct World {
    /// As they were made: with links and all, and with their secrets.
    pub(crate) objects: Vec<Value>,
    /// Tokens, and what each may do.
    pub(crate) tokens: BTreeMap<String, Role>,
    /// Whether the Organization has Environment Secrets Fetching off, and the status that says so.
    pub(crate) forbids_secrets: Option<u16>,
    /// Answers that come before any other.
    pub(crate) first: VecDeque<Reply>,
    /// The total that a listing claims in place of its own.
    pub(crate) total: Option<usize>,
    /// The secret of the Deployment API key `key`, and what its logins give.
    pub(crate) key_secret: Option<String>,
    pub(crate) domain_url: Option<String>,
    pub(crate) login_status: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Reader,
    /// May not read secrets: they are masked.
    Masked,
    /// May read nothing here.
    Stranger,
}

pub(crate) struct Platform {
    pub(crate) world: Arc<Mutex<World>>,
    requests: Arc<Mutex<Vec<Request>>>,
    pub(crate) ca: String,
    pub(crate) proxy: String,
    _folder: TempDir,
}

impl Platform {
    pub(crate) fn start(objects: Vec<Value>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let tokens = [(token(None), Role::Reader)];
        let world = Arc::new(Mutex::new(World {
            objects,
            tokens: tokens.into_iter().collect(),
            login_status: 200,
            ..World::default()
        }));
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (of_handler, seen) = (Arc::clone(&world), Arc::clone(&requests));
        let handler = move |request: &Request| {
            seen.lock().unwrap().push(request.clone());
            answer(&mut of_handler.lock().unwrap(), request)
        };
        let hosts = [
            "api.astronomer.io",
            "auth.astronomer.io",
            "evil.example.com",
        ];
        let server = https::serve(&hosts, &ca, Arc::new(handler));
        Self {
            world,
            requests,
            ca: ca.to_str().unwrap().to_owned(),
            proxy: format!("http://{}", server.address),
            _folder: folder,
        }
    }

    /// The environment of a program that reads here as the Deployment `deployment`.
    pub(crate) fn reach(&self, deployment: Option<&str>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([
            ("ASTRO_API_TOKEN".to_owned(), token(None)),
            ("https_proxy".to_owned(), self.proxy.clone()),
            ("REQUESTS_CA_BUNDLE".to_owned(), self.ca.clone()),
        ]);
        if let Some(deployment) = deployment {
            variables.insert("ASTRO_DEPLOYMENT_ID".to_owned(), deployment.to_owned());
        }
        variables
    }

    /// The requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    pub(crate) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

/// An API token of the Workspace that ends at `exp`, in seconds since 1970.
pub(crate) fn token(exp: Option<i64>) -> String {
    let permissions = [
        "apiTokenId:t1".to_owned(),
        format!("organizationId:{ORGANIZATION}"),
        format!("workspaceId:{WORKSPACE}"),
    ];
    let mut claims = json!({"permissions": permissions, "apiTokenId": "t1", "iat": 1});
    if let Some(exp) = exp {
        claims["exp"] = exp.into();
    }
    jwt(&claims)
}

/// A token of these claims; the platform looks at nothing else of it.
pub(crate) fn jwt(claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.c2lnbmF0dXJl",
        part(&json!({"alg": "RS256", "typ": "JWT"})),
        part(claims)
    )
}

/// An object of the Workspace.
pub(crate) fn shared(key: &str, kind: &str, body: Value) -> Value {
    let mut object = json!({"objectKey": key, "objectType": kind, "scope": "WORKSPACE", "scopeEntityId": WORKSPACE});
    object[body_name(kind)] = body;
    object
}

/// An object of a Deployment.
pub(crate) fn own(deployment: &str, key: &str, kind: &str, body: Value) -> Value {
    let mut object = shared(key, kind, body);
    object["scope"] = "DEPLOYMENT".into();
    object["scopeEntityId"] = deployment.into();
    object
}

fn body_name(kind: &str) -> &'static str {
    match kind {
        "CONNECTION" => "connection",
        "AIRFLOW_VARIABLE" => "airflowVariable",
        "ENVIRONMENT_VARIABLE" => "environmentVariable",
        _ => "metricsExport",
    }
}

pub(crate) fn problem(status: u16, message: &str) -> Reply {
    let body = json!({"message": message, "requestId": "r-1", "statusCode": status});
    Reply::json(status, &body)
}

fn answer(world: &mut World, request: &Request) -> Reply {
    assert!(request.is_tls, "a request without TLS");
    if request.host == "evil.example.com" {
        return Reply::json(200, &json!({"access_token": "stolen", "expires_in": 3600}));
    }
    if let Some(first) = world.first.pop_front() {
        return first;
    }
    match (
        request.host.as_str(),
        request.method.as_str(),
        request.path.as_str(),
    ) {
        ("api.astronomer.io", "GET", "/private/v1alpha1/cli/auth-config") => {
            let url = world
                .domain_url
                .clone()
                .unwrap_or("https://auth.astronomer.io/".to_owned());
            Reply::json(
                200,
                &json!({"clientId": "cli", "audience": "astronomer-ee", "domainUrl": url}),
            )
        }
        ("auth.astronomer.io", "POST", "/oauth/token") => login(world, request),
        ("api.astronomer.io", "GET", path) => match path.strip_prefix("/v1/organizations/") {
            Some(rest) => list(world, request, rest),
            None => problem(404, "not found"),
        },
        _ => problem(404, "not found"),
    }
}

fn login(world: &World, request: &Request) -> Reply {
    let form = request.form();
    let expected = [
        ("audience", "astronomer-ee"),
        ("client_id", "key"),
        (
            "client_secret",
            world.key_secret.as_deref().unwrap_or_default(),
        ),
        ("grant_type", "client_credentials"),
    ];
    let is_right = form.len() == 4 && expected.iter().all(|(name, value)| form[*name] == *value);
    if world.login_status != 200 || !is_right {
        let status = if is_right { world.login_status } else { 403 };
        return Reply::json(
            status,
            &json!({"error": "access_denied", "error_description": "ended"}),
        );
    }
    let given = world.tokens.keys().next_back().unwrap();
    Reply::json(
        200,
        &json!({"access_token": given, "expires_in": 86400, "token_type": "Bearer"}),
    )
}

fn list(world: &World, request: &Request, rest: &str) -> Reply {
    let Some(token) = request.header("authorization").strip_prefix("Bearer ") else {
        return problem(401, "no token");
    };
    let role = match world.tokens.get(token) {
        None => return problem(401, "invalid or expired token"),
        Some(Role::Stranger) => return problem(403, "forbidden"),
        Some(role) => *role,
    };
    match rest.strip_suffix("/environment-objects") {
        Some(ORGANIZATION) => {}
        Some(other) => return problem(404, &format!("organization {other} not found")),
        None => return problem(404, "not found"),
    }
    let invalid = |field: &str| {
        let mut reply =
            json!({"message": "Invalid request", "requestId": "r-1", "statusCode": 400});
        reply["fieldErrors"] = json!([{"field": field}]);
        Reply::json(400, &reply)
    };
    for (name, value) in &request.query {
        let is_number = || value.parse::<usize>().ok();
        let is_right = match name.as_str() {
            "objectType" => [
                "CONNECTION",
                "AIRFLOW_VARIABLE",
                "ENVIRONMENT_VARIABLE",
                "METRICS_EXPORT",
            ]
            .contains(&&**value),
            "showSecrets" | "resolveLinked" => ["true", "false"].contains(&&**value),
            "limit" => is_number().is_some_and(|limit| (1..=1000).contains(&limit)),
            "offset" => is_number().is_some(),
            "sorts" => {
                let (field, order) = value.split_once(':').unwrap_or_default();
                ["createdAt", "objectKey", "objectType", "updatedAt"].contains(&field)
                    && ["asc", "desc"].contains(&order)
            }
            "deploymentId" | "workspaceId" | "objectKey" => !value.is_empty(),
            _ => false,
        };
        if !is_right {
            return invalid(name);
        }
    }
    let shows = request.parameter("showSecrets") == "true";
    if shows && let Some(status) = world.forbids_secrets {
        let message = format!("showSecrets on organization with id {ORGANIZATION} is not allowed");
        return problem(status, &message);
    }
    let resolves = request.parameter("resolveLinked") == "true";
    let found = match (
        request.parameter("workspaceId"),
        request.parameter("deploymentId"),
    ) {
        (WORKSPACE, "") => of_workspace(world),
        ("", deployment) if deployment.starts_with('d') => {
            of_deployment(world, deployment, resolves)
        }
        ("", "") => return invalid("workspaceId"),
        _ => return problem(404, "workspace or deployment not found"),
    };
    let kind = request.parameter("objectType");
    let found = found
        .into_iter()
        .filter(|object| kind.is_empty() || object["objectType"] == kind);
    let found: Vec<_> = found.collect();
    let number = |name: &str, default| request.parameter(name).parse().unwrap_or(default);
    let (limit, offset) = (number("limit", 20), number("offset", 0));
    let page = found.iter().skip(offset).take(limit);
    let page = page.map(|object| shown(object, shows && role == Role::Reader));
    let body = json!({
        "environmentObjects": page.collect::<Vec<_>>(),
        "totalCount": world.total.unwrap_or(found.len()), "limit": limit, "offset": offset,
    });
    Reply::json(200, &body)
}

fn of_workspace(world: &World) -> Vec<Value> {
    let objects = world
        .objects
        .iter()
        .filter(|object| object["scope"] == "WORKSPACE");
    let with_id = |(number, object): (usize, &Value)| {
        let mut object = object.clone();
        object["id"] = format!("id{number}").into();
        object
    };
    objects.enumerate().map(with_id).collect()
}

/// Its own objects, and as it sees them those of the Workspace that are linked to it.
fn of_deployment(world: &World, deployment: &str, resolves: bool) -> Vec<Value> {
    let is_own = |object: &&Value| object["scopeEntityId"] == deployment;
    let mut seen: Vec<Value> = world.objects.iter().filter(is_own).cloned().collect();
    if !resolves {
        return seen;
    }
    for object in world
        .objects
        .iter()
        .filter(|object| object["scope"] == "WORKSPACE")
    {
        let names_it = |list: &str| {
            let list = object[list].as_array().cloned().unwrap_or_default();
            list.into_iter()
                .find(|one| one["scopeEntityId"] == deployment)
        };
        let is_taken = seen.iter().any(|other| {
            other["objectKey"] == object["objectKey"] && other["objectType"] == object["objectType"]
        });
        let link = names_it("links");
        let is_linked = link.is_some() || object["autoLinkDeployments"] == true;
        if is_taken || !is_linked || names_it("excludeLinks").is_some() {
            continue;
        }
        let kind = object["objectType"].as_str().unwrap();
        let name = body_name(kind);
        let mut body = object[name].as_object().unwrap().clone();
        let overrides = link.map(|link| link[format!("{name}Overrides")].clone());
        let overrides = overrides.and_then(|overrides| overrides.as_object().cloned());
        for (field, value) in overrides.unwrap_or_default() {
            if is_set(&value) {
                body.insert(field, value);
            }
        }
        let mut linked = own(
            deployment,
            object["objectKey"].as_str().unwrap(),
            kind,
            body.into(),
        );
        linked["id"] = "".into();
        linked["sourceScope"] = "WORKSPACE".into();
        linked["sourceScopeEntityId"] = WORKSPACE.into();
        seen.push(linked);
    }
    seen
}

fn is_set(value: &Value) -> bool {
    !(value.is_null() || value == "" || value == 0)
}

/// The object as an answer has it: with the names of its set fields, and its secrets or `""`.
fn shown(object: &Value, shows: bool) -> Value {
    let mut object = object.clone();
    let kind = object["objectType"].as_str().unwrap().to_owned();
    let name = body_name(&kind);
    let is_secret_value = object[name]["isSecret"] == true;
    object["setFields"] = set_fields(&object[name]).into();
    mask(&mut object[name], shows, is_secret_value);
    if let Some(links) = object["links"].as_array_mut() {
        for link in links {
            let overrides = format!("{name}Overrides");
            link["setFields"] = set_fields(&link[&overrides]).into();
            mask(&mut link[&overrides], shows, is_secret_value);
        }
    }
    object
}

fn set_fields(body: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let empty = Map::new();
    for (field, value) in body.as_object().unwrap_or(&empty) {
        match value.as_object().filter(|_| field == "extra") {
            Some(extra) => {
                let set = extra.iter().filter(|(_, value)| is_set(value));
                names.extend(set.map(|(key, _)| format!("extra.{key}")));
            }
            None if field != "isSecret" && is_set(value) => names.push(field.clone()),
            None => {}
        }
    }
    names
}

fn mask(body: &mut Value, shows: bool, is_secret_value: bool) {
    let Some(body) = body.as_object_mut().filter(|_| !shows) else {
        return;
    };
    if is_secret_value && body.contains_key("value") {
        body.insert("value".to_owned(), "".into());
    }
    if body.contains_key("password") {
        body.insert("password".to_owned(), "".into());
    }
    if let Some(extra) = body.get_mut("extra").and_then(Value::as_object_mut) {
        for (key, value) in extra {
            if key.contains("secret") {
                *value = "".into();
            }
        }
    }
}

/// Objects, links and overrides at random, of all kinds, for the Deployments `d0` to `d2`.
pub(crate) fn random_objects(random: &mut impl FnMut(u64) -> u64) -> Vec<Value> {
    let mut objects = Vec::new();
    for kind in ["CONNECTION", "AIRFLOW_VARIABLE", "ENVIRONMENT_VARIABLE"] {
        for number in 0..5 {
            let key = match kind {
                "ENVIRONMENT_VARIABLE" => format!("AIRFLOW_VAR_K{number}"),
                _ => format!("k{number}"),
            };
            for deployment in ["d0", "d1", "d2"] {
                if random(4) == 0 {
                    objects.push(own(
                        deployment,
                        &key,
                        kind,
                        random_body(kind, false, random),
                    ));
                }
            }
            if random(4) == 0 {
                continue;
            }
            let mut object = shared(&key, kind, random_body(kind, false, random));
            object["autoLinkDeployments"] = (random(2) == 0).into();
            for deployment in ["d0", "d1", "d2"] {
                let place = json!({"scope": "DEPLOYMENT", "scopeEntityId": deployment});
                match random(4) {
                    0 => push(&mut object, "excludeLinks", place),
                    1 => push(&mut object, "links", place),
                    2 => {
                        let mut link = place;
                        let overrides = random_body(kind, true, random);
                        link[format!("{}Overrides", body_name(kind))] = overrides;
                        push(&mut object, "links", link);
                    }
                    _ => {}
                }
            }
            objects.push(object);
        }
    }
    objects
}

fn push(object: &mut Value, list: &str, one: Value) {
    if object[list].is_null() {
        object[list] = json!([]);
    }
    object[list].as_array_mut().unwrap().push(one);
}

fn random_body(kind: &str, is_override: bool, random: &mut impl FnMut(u64) -> u64) -> Value {
    let text = |random: &mut dyn FnMut(u64) -> u64| match random(5) {
        0 => String::new(),
        number => format!("text{}", number * 10 + random(9)),
    };
    if kind != "CONNECTION" {
        let mut body = json!({"value": text(random)});
        if !is_override {
            body["isSecret"] = (random(2) == 0).into();
        }
        return body;
    }
    let mut body = json!({});
    for field in FIELDS {
        if random(2) == 0 && (is_override || field != "type") {
            continue;
        }
        body[field] = match field {
            "port" => random(3000).into(),
            "extra" => match random(3) {
                0 => Value::Null,
                1 => json!({"a": text(random), "n": {"m": random(9)}}),
                _ => json!({"secret_key": "s", "b.c": [1, 2]}),
            },
            "type" => "postgres".into(),
            _ => text(random).into(),
        };
    }
    body
}
