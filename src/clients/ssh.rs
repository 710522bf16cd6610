//! SSH and SFTP, as `SSHHook.get_conn` (provider `ssh` 7.0.1).

use serde_json::{Number, Value, json};

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made, reads},
    macros::client,
    pem,
};
use crate::{
    Connection, Secret,
    config::environment_variable,
    python::{number, text},
};

/// The variables that Python's `getpass.getuser` asks.
const USERS: [&str; 4] = ["LOGNAME", "USER", "LNAME", "USERNAME"];

const HOST_KEYS: [&str; 6] = [
    "ssh-rsa",
    "ssh-ecdsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-ed25519",
];

/// A connection by SSH or SFTP: [`Connection::ssh`]. The parameters are paramiko's.
///
/// `~/.ssh/config`, from which the hook takes a proxy command and an identity file, is not read.
#[derive(Debug, Clone, PartialEq)]
pub struct Ssh {
    pub(super) made: Made,
    private_key: Option<Secret>,
    passphrase: Option<Secret>,
}

client!(Ssh, ssh);

impl Ssh {
    /// The host.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.made.params.text("hostname").unwrap_or_default()
    }

    /// The port; 22 where there is none.
    #[must_use]
    pub fn port(&self) -> u16 {
        let port = self.made.params.get("port").and_then(Value::as_u64);
        port.and_then(|port| u16::try_from(port).ok()).unwrap_or(22)
    }

    /// The user; where the connection has none, that of this process.
    #[must_use]
    pub fn username(&self) -> &str {
        self.made.params.text("username").unwrap_or_default()
    }

    /// The password, without the white space around it.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        self.made.params.secret("password")
    }

    /// The path of a private key.
    #[must_use]
    pub fn key_filename(&self) -> Option<&str> {
        self.made.params.text("key_filename")
    }

    /// A private key in PEM.
    #[must_use]
    pub fn private_key(&self) -> Option<&Secret> {
        self.private_key.as_ref()
    }

    /// What the private key is encrypted with.
    #[must_use]
    pub fn private_key_passphrase(&self) -> Option<&Secret> {
        self.passphrase.as_ref()
    }

    /// Whether a host with another key than the known one is refused, and one that is not known. A
    /// `host_key` of the connection is always checked, `allow_host_key_change` or not.
    #[must_use]
    pub fn checks_host_key(&self) -> bool {
        let params = &self.made.params;
        params.text("missing_host_key_policy") == Some("RejectPolicy")
            || params.get("host_key").is_some()
    }
}

pub(super) fn read(connection: &Connection) -> Result<Ssh, ClientError> {
    let mut made = Made::new(connection, "ssh", &["ssh", "sftp"]);
    let extra = made.extra(connection)?;
    let host = connection.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| made.error(Place::Field("host"), "must be set"))?;
    made.params.set("hostname", host);
    let port = connection.port().filter(|port| *port != 0).unwrap_or(22);
    made.params.set("port", port);
    let user = connection.login().filter(|login| !login.is_empty());
    let user = user.map(str::to_owned).or_else(|| {
        let mut variables = USERS.iter().filter_map(|name| environment_variable(name));
        variables.find(|user| !user.is_empty()).or_else(system_user)
    });
    let problem = "must be set: neither the environment nor the system names this process's user";
    let user = user.ok_or_else(|| made.error(Place::Field("login"), problem))?;
    made.params.set("username", user);
    if let Some(password) = connection.password().filter(|text| !text.is_empty()) {
        made.params.set("password", text::strip(password.expose()));
    }
    let (private_key, passphrase) = set_keys(&mut made, &extra)?;
    set_times(&mut made, &extra)?;
    set_switches(&mut made, &extra)?;
    for key in ["disabled_algorithms", "ciphers"] {
        made.params.set_some(key, extra.truthy(key).cloned());
    }
    leave_the_rest(&mut made, &extra);
    made.leave_fields(connection, &["schema"]);
    Ok(Ssh {
        made,
        private_key,
        passphrase,
    })
}

/// The user's name by its number, as the system's file of users has it.
#[cfg(unix)]
fn system_user() -> Option<String> {
    let id = rustix::process::getuid().as_raw().to_string();
    let users = crate::files::read_text("/etc/passwd").ok()?;
    users.expose().lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == id).then(|| name.to_owned())
    })
}

#[cfg(not(unix))]
fn system_user() -> Option<String> {
    None
}

fn set_keys(
    made: &mut Made,
    extra: &Extra,
) -> Result<(Option<Secret>, Option<Secret>), ClientError> {
    let file = extra.truthy("key_file");
    made.params.set_some("key_filename", file.cloned());
    let name = "private_key";
    let Some(key) = extra.truthy(name) else {
        return Ok((None, None));
    };
    if file.is_some() {
        return Err(made.wrong(name, "and `key_file` are both set; give one"));
    }
    let text = made.text(name, key)?;
    let passphrase = extra.get("private_key_passphrase");
    let passphrase = match passphrase {
        // A key that is not encrypted needs none, of whatever type.
        Some(value) if pem::is_encrypted(text) => Some(made.text("private_key_passphrase", value)?),
        value => value.and_then(Value::as_str),
    };
    if pem::is_encrypted(text) && passphrase.is_none_or(str::is_empty) {
        return Err(made.wrong(
            "private_key_passphrase",
            "must be set: the private key is encrypted",
        ));
    }
    if pem::is_encrypted_as_a_whole(text) {
        let problem = "is encrypted in PEM's old way, which this crate cannot open (CLIENTS-5); `ssh-keygen -p -f FILE` \
                       writes it in OpenSSH's form";
        return Err(made.wrong(name, problem));
    }
    let problem = "must be an RSA, ECDSA or Ed25519 key with its BEGIN and END lines, in OpenSSH's form or the old \
                   one; PKCS#8 is not read";
    let public = pem::public_of_private(text).filter(|_| text.lines().count() > 1);
    let Some(public) = public else {
        return Err(made.wrong(name, problem));
    };
    let public_text = pem::encode(&public.blob);
    made.params
        .set("pkey", json!({"type": public.kind, "public": public_text}));
    Ok((Some(Secret::from(text)), passphrase.map(Secret::from)))
}

fn set_times(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    if let Some(timeout) = extra.present("conn_timeout") {
        let timeout = made.int("conn_timeout", timeout)?;
        made.params.set("timeout", timeout);
    }
    let name = "cmd_timeout";
    match extra.present(name) {
        None => made.params.set(name, 10),
        Some(_) if extra.truthy(name).is_none() => {}
        Some(value) => {
            let seconds = match value {
                Value::Bool(_) => Some(1.0),
                Value::Number(number) => number.as_f64(),
                Value::String(text) => number::float(text),
                _ => None,
            };
            let seconds = seconds.and_then(Number::from_f64);
            let seconds = seconds.ok_or_else(|| made.wrong(name, "must be a number"))?;
            made.params.set(name, seconds);
        }
    }
    made.params.set("banner_timeout", 30.0);
    Ok(())
}

fn set_switches(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    let is = |key: &str, word: &str| extra.present(key).is_some_and(|value| reads(value, word));
    made.params.set("compress", !is("compress", "false"));
    made.params
        .set("look_for_keys", !is("look_for_keys", "false"));
    let former = "ignore_hostkey_verification";
    let no_check = extra.get("no_host_key_check").or(extra.get(former));
    let no_check = match no_check {
        Some(value) => reads(value, "true"),
        // A former name that is null reads as `None`, which is not true.
        None => false,
    };
    if extra.get(former).is_some() {
        made.warn(
            Place::extra(former),
            "is a former name; use `no_host_key_check`",
        );
    }
    let allow_change = is("allow_host_key_change", "true");
    let host_key = host_key(made, extra)?;
    if host_key.is_some() && no_check {
        return Err(made.wrong("no_host_key_check", "may not be true beside `host_key`"));
    }
    let has_host_key = host_key.is_some();
    made.params.set_some("host_key", host_key);
    made.params.set("no_host_key_check", no_check);
    made.params.set("allow_host_key_change", allow_change);
    let policy = if no_check {
        "AutoAddPolicy"
    } else if allow_change {
        "MissingHostKeyPolicy"
    } else {
        "RejectPolicy"
    };
    made.params.set("missing_host_key_policy", policy);
    if allow_change && !no_check && !has_host_key {
        let problem = "turns off the check of host keys, also for hosts that are not known";
        made.warn(Place::extra("allow_host_key_change"), problem);
    }
    if no_check {
        let problem = "turns off the check of host keys";
        made.warn(Place::extra("no_host_key_check"), problem);
    }
    Ok(())
}

/// A key without its type is RSA's.
fn host_key(made: &Made, extra: &Extra) -> Result<Option<Value>, ClientError> {
    let name = "host_key";
    let Some(key) = extra.get(name) else {
        return Ok(None);
    };
    let key = text::strip(made.text(name, key)?);
    let mut words = key.split(text::is_space).filter(|word| !word.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    let (kind, data) = match second {
        Some(data) if HOST_KEYS.contains(&first) => (first, data),
        Some(_) => {
            return Err(made.wrong(
                name,
                "is of a type that is not known: RSA, ECDSA and Ed25519 are",
            ));
        }
        None if HOST_KEYS.contains(&first) || first == "ssh-dss" => {
            return Err(made.wrong(name, "has a type and no key"));
        }
        None => ("ssh-rsa", first),
    };
    let public = pem::decode(data).and_then(|blob| pem::ssh_public(&blob));
    let family = |kind: &str| {
        kind.split("-nist")
            .next()
            .unwrap_or_default()
            .replace("ecdsa-sha2", "ssh-ecdsa")
    };
    match public {
        Some(public) if family(&public.kind) == family(kind) => {
            let text = pem::encode(&public.blob);
            Ok(Some(json!({"type": public.kind, "public": text})))
        }
        _ => Err(made.wrong(
            name,
            "is no public key of its type; without a type it must be RSA's",
        )),
    }
}

fn leave_the_rest(made: &mut Made, extra: &Extra) {
    let read = [
        "key_file",
        "private_key",
        "private_key_passphrase",
        "conn_timeout",
        "cmd_timeout",
        "compress",
        "host_key",
        "no_host_key_check",
        "ignore_hostkey_verification",
        "allow_host_key_change",
        "look_for_keys",
        "disabled_algorithms",
        "ciphers",
    ];
    made.leave_unread(extra, |_, key| match key {
        "private_key_passphrase" => extra.truthy("private_key").is_some(),
        "ignore_hostkey_verification" => extra.get("no_host_key_check").is_none(),
        key => read.contains(&key),
    });
}
