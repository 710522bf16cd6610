"""Connections for `clients.py`: odd ones among them."""

import json
from urllib.parse import quote

TEXTS = ["x", "user", "p@ss", "p/w%d", "a b", " lead", "trail ", "o'neil", "a\\b", 'x"y', "ünï", "漢字", "🙂", "%41", "a+b",
         "''", "\\", ":", "#x?y", "[::1]", "k=v&w", "a,b", "a;b", "true", "None", "false", "FALSE", "0", "$HOME", "a\tb", "-",
         "\n", "a\nb", "%zz", "İ", "ÿ", "Ā", "none", "null", "a:b:c", "user@host", "p?q", "\\'", "\u200b", "\ufeff", "x" * 300]
HOSTS = ["db", "db.example.com", "DB.Example.COM", "10.0.0.7", "::1", "2001:db8::7", "/var/run/postgresql", "a,b", "bücher.example",
         "host_with_underscore", "xn--bcher-kva.example", "[::1]", "fe80::1%eth0", "u:p@db", "http://db", "https://db:99/p?q=1#f", "db/path", "//db", "db:99",
         ",a", "@abstract", "漢字", "a b", "a%2Fb", "h'x", "acc.x/p;q", "1x://h", "http://[zz]", "http:h", "a" * 30 + ".b", "..", "my-cluster.ccdre4hpd39h.us-east-1.redshift.amazonaws.com"]
ODD = [True, False, None, 0, 1, 10, -1, 2.5, 1e20, "", "true", "false", "True", "no", "off", "0", "1", "10", [], ["a"], {}, {"a": 1},
       -0.0, 1e16, " ", "None", "1e3", "１２", "1_0", " 5 ", "nan", "a\nb", "a\u0000b", "{'a': 1}", '{"a": 1}', "[]", [None], [1, 2],
       {"ü": "x"}, {"a": None}, {"漢": {"b": [1, {"c": None}]}}]

# Keys made for these tests alone.
RSA = """-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAyrf0Nbk0nwjaWOO7WIGtrS1PY9uNqH2nMMXQ/VdxL39wY/pI
j578DK7NuVuSM0kKi/mo9pnoG2s+GGjE99lhYIXwNChtVLMiFnkHKB2eCSdFlTyF
d3UK9rmE2sZ+vLA194HzQdK8EYzl58Yh4v28MPvHSH07mIm4RjA4CJfW7PNM8n+G
P0MN7TXVHmYsH6k/p0MUZe+Lf3aWF2xCQAPiKloB4gXYKt2M2s4k3OsA5bxCeF/D
PtbP7pjLr4ZUuhtQ4g2oHfE21ZhoWhg6014aX+IYYoVqvI5OlLbhOvNYppADwWTt
p2H/C7jgcN74uGlNaisO1s2uB7knRhojMHgZFwIDAQABAoIBAA7UKf8MDzda9G3w
KrIsukGiwN3zH4eluWct8T22+caZseT+V/R5ksJyvwXCFw29WBIpLxzq4TmwPJiY
gWAH/MGMyqdmFalOeT3fmJBsqjTNNJ/YD4NPgn/NzlQalQbEdQ4n6V11RuCZx++O
ZMgv+2Yx5L/+uS9NU7d+q3qlcMlgWXVSpf5pF/kWbszCe1f6G6GYcw42dKj6FBMx
bY3JxV3kUhOsJwyGN3dIhhcHS9MJAUAFypiwdxVCq5IJFfNsc0GmRgZmiZbLg3n0
U+3c2uNA8c8DZoQhpp56PoNUan5PBH8tmqWbGqdYZp0gCHfD5GsIcCiiftXISs4S
hXMnLVECgYEA6+gByjSrz4hZfNbfwtShFPj7QLSCer7oGeV8z2IEldILZTO0bkqC
5Tcq2G5Fst8Y76GOZsNLkjFSK6eUQY3Od3ll3b6T3FZc64WrH/VkH0PZwA1ImApE
fwg2EbFcdLwHGThJ8eQbzPaq/dEmYU9ro/2ZH7UkWy0O9DNYQN5IDdsCgYEA2/xH
8Zk3vnANlfI65eeF/4yiW9Py1uWTqYRpX+YLF2PbslyaiH3scAXlA55PtlochsvD
BFjG9GHePKtQmAFYWOxCIlcBFCa+Mk/KdFr/YzveNYSy+Bn7fHOSl+rVsr/XQ7QI
n4eWEXv0CrMEcPkLiTpUCH4djPBI+uB9jrbCjHUCgYBr5c7DxHl8z3lWnxTzELuo
UwTgIG+5Yo3YIl2GoOdF+y8ZF6AD/fKGkkf3e+BHIsFOAQ+XsuVitUpHCzvFC+4O
OSk9VchdM+cGFjohwOQNZMQ4khrM541SqNfKGdwWzFVW1KcFivaoNX4Z30p1oZSz
Ce+6T+iUBzTavo00BjbglwKBgArpmdwHQLemsVXV3UwYTxJdNJSfj/VPECMhmWST
cctoPba8V0IcFQV9lV23lbazA6VAKF1n1f67eB3EVcwkjPBkT+eKL1iDj33JbX6W
IQMYLi6zdXlPOKV0yjnVAWLLl28ZWDAptq0JXBLHzJmaERNunEqLjwW1ybkAN9pD
gKUdAoGBAIFMlJjL4csiyeHOGVKRtzPRgCbdco/GCS6iQlHlkrCGAopfGzBFGc91
UOFT+4snd9U2uPcipcYSS6kP0oRh0oqilSrlmAtLFtS6Ha5ay1t414KKcvOL+nLK
HLeP+5WDMDggMQaxVf/d85fIhpQr/JP9oVfAtiuJlIu4wBWL9aSQ
-----END RSA PRIVATE KEY-----
"""
EC = """-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIIFqir+JB3Z+Gu6jU7ZTY2y6z7LFL8mjlZp9gqmda1a4oAoGCCqGSM49
AwEHoUQDQgAEvmefTPMjRZvRLuQczRI6UM7zPrUJC2XqhcI0SIj7sQFWFr11/obj
1wrgMO1wsTp9aIuFw/9RmZ1XImONOF47Vw==
-----END EC PRIVATE KEY-----
"""


def keys():
    """Keys made from the seeds alone, so that a corpus is the same each time."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ed25519
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    open_ssh = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption()).decode()
    pkcs8 = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()
    public = key.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH).decode()
    return open_ssh, pkcs8, public


def written(conn_type, fields, extra, rng, dialect):
    case = {}
    if dialect:
        case["dialect"] = "task-sdk"
    if rng.random() < 0.45:
        uri = conn_type.replace("_", "-") + "://"
        if "login" in fields or "password" in fields:
            uri += quote(fields.get("login") or "", safe="")
            if fields.get("password") is not None:
                uri += ":" + quote(fields["password"], safe="")
            uri += "@"
        host = fields.get("host") or ""
        uri += f"[{host}]" if host.count(":") > 1 and "/" not in host else quote(host, safe="")
        if fields.get("port") is not None:
            uri += f":{fields['port']}"
        if fields.get("schema") is not None:
            uri += "/" + quote(fields["schema"], safe="")
        if extra:
            flat = all(isinstance(v, str) for v in extra.values())
            if flat and rng.random() < 0.7:
                uri += "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in extra.items())
            else:
                uri += "?__extra__=" + quote(json.dumps(extra), safe="")
        case["uri"] = uri
    else:
        body = {"conn_type": conn_type, **fields}
        if extra or rng.random() < 0.3:
            body["extra"] = extra if rng.random() < 0.5 else json.dumps(extra)
        elif dialect and rng.random() < 0.2:
            body["extra"] = rng.choice(["", "not json", "[1]", "5", "null", '"text"'])
        case["json"] = json.dumps(body, ensure_ascii=rng.random() < 0.5)
    return case


def fields(rng, hosts=HOSTS, ports=(5432, 80, 65535, 0, None, "80")):
    out = {}
    for name, values in (("host", hosts), ("login", TEXTS), ("password", TEXTS), ("schema", ["db", "My DB", "a/b", "ünï", "%41", "3", ""])):
        if rng.random() < 0.8:
            out[name] = rng.choice(values) if rng.random() > 0.1 else rng.choice(["", None])
    if rng.random() < 0.5:
        port = rng.choice(ports)
        out["port"] = port
    return out


def some(rng, options, most=5, odd=0.08):
    """Some of `options`, each with one of its values or, now and then, any value at all."""
    names = rng.sample(sorted(options), min(len(options), rng.randint(0, most)))
    return {name: rng.choice(ODD) if rng.random() < odd else rng.choice(options[name]) for name in names}


def postgres(rng):
    options = {
        "sslmode": ["require", "verify-full", "verify-ca", "disable", "allow", "prefer", "bogus"],
        "sslrootcert": ["/ca.pem", "/etc/ssl/ü ca.pem", "system"], "sslcert": ["/c.pem"], "sslkey": ["/k.pem"],
        "application_name": TEXTS, "connect_timeout": [10, "10", 0], "options": ["-c search_path=a,b"], "keepalives_idle": [30, "30"],
        "host": HOSTS, "port": [6432, "6432"], "user": ["other"], "password": TEXTS, "dbname": TEXTS, "database": ["d"],
        "cursor": ["dictcursor", "DictCursor", "realdictcursor", "namedtuplecursor", "bogus"], "aws_conn_id": ["aws_x"],
        "azure_conn_id": ["az"], "sqlalchemy_scheme": ["x"], "sqlalchemy_query": [{"a": 1}], "target_session_attrs": ["read-write"],
        "redshift": [True, False, "false"], "cluster-identifier": ["c1"], "workgroup-name": ["w1"], "redshift-serverless": [True, "false"],
        "channel_binding": ["require", "disable"], "gssencmode": ["disable"], "hostaddr": ["127.0.0.1"], "bogus_option": ["x"],
        "prepare_threshold": [None, 5], "autocommit": [True], "service": ["s"], "passfile": ["/x/.pgpass"], "row_factory": ["x"], "conninfo": ["host=x"],
        "sslcompression": [0], "sslcrl": ["/crl"], "sslsni": [1, "0"], "sslnegotiation": ["direct"], "require_auth": ["scram-sha-256"], "krbsrvname": ["p"],
    }
    extra = some(rng, options)
    if rng.random() < 0.15:
        extra["iam"] = rng.choice([True, "true", "false", 1, False])
        if not extra.get("aws_conn_id", "x") or not isinstance(extra.get("aws_conn_id", ""), str):
            extra.pop("aws_conn_id")
    return rng.choice(["postgres", "postgresql", "pgsql"]), fields(rng), extra


def mysql(rng):
    options = {
        "charset": ["utf8", "UTF-8", "utf8mb4", "latin1"], "ssl": [{"ca": "/ca"}, '{"ca": "/ca"}', "true", "notjson", "[1]", "false", "{}", "null", "1e2", "-0", "01", '{"a":1,}', "\ufeff{}"],
        "ssl_mode": ["REQUIRED", "DISABLED", "VERIFY_IDENTITY"], "unix_socket": ["/run/m.sock"], "iam": [True, "false"],
        "cursor": ["sscursor", "DictCursor", "SSDICTCURSOR", "bogus"], "client": ["mysqlclient", "mysql-connector-python", "pymysql"],
        "ssl_ca": ["/ca"], "ssl_disabled": [False, True], "ssl_verify_identity": [True], "ssl_verify_cert": [True, None], "tls_versions": [["TLSv1.3"]], "connect_timeout": [3], "use_unicode": [False],
        "aws_conn_id": ["aws_x"], "read_default_file": ["/f"], "init_command": ["set x=1"],
    }
    return rng.choice(["mysql", "mariadb"]), fields(rng), some(rng, options)


def http(rng):
    hosts = ["api.example.com", "https://api.example.com/v1", "API.Example.com", "http://h", "ftp://h", "h:8443", "api.example.com/v1",
             "[::1]", "::1", "bücher.example", "https://u:p@h", "HTTPS://X", "1http://x", "://x", "http://[bad", "_http._tcp.example.com"]
    options = {
        "stream": [True, "true"], "cert": ["/c.pem", ["/c.pem", "/k.pem"]], "proxies": [{"http": "http://px"}], "timeout": [5, "5", 0.5],
        "proxy": [{"https": "http://px"}], "verify": [False, "false", "/ca.pem"], "verify_ssl": [False, True, "false"],
        "allow_redirects": [False, "false"], "max_redirects": [3, "3"], "trust_env": [False], "check_response": [False, "false"],
        "srv_lookup": [True, "true", "on", "t"], "X-A": TEXTS, "X-N": [5, "5"], "User-Agent": ["me/1"], "accept": ["application/json"],
        "Authorization": ["Bearer t"], "X-None": [None], "Content-Type": ["text/plain"], "ü": ["x"], "x-a": ["2"], "X-Å": ["x"], "x-å": ["y"], "": ["x"], "Cookie": ["a=b"], "authorization": ["x"],
        "extra__http__verify": [False],
    }
    f = fields(rng, hosts, (443, 80, 8080, 0, None, "80"))
    if "schema" in f:
        f["schema"] = rng.choice(["https", "http", "HTTPS", "", "v1/x", "https "])
    return rng.choice(["http", "https", "HTTP"]), f, some(rng, options)


def redis(rng):
    options = {
        "db": [0, 3, "3", "", None, "x"], "ssl": [True, "true", "false", False], "ssl_cert_reqs": ["required", "none", "optional"],
        "ssl_ca_certs": ["/ca ü.pem", None], "ssl_keyfile": ["/k"], "ssl_certfile": ["/c"], "ssl_check_hostname": [False, "false"],
        "cluster": [True, False, "true", "false", 0], "startup_nodes": ["a:1,b:2", "a", "", " a:1 , b", "a:x", ":1", ["a:1"], "a:1,,b", "a:１", "a:1_0", "a:5:6", "[::1]:7", "a:+7", "ü:1"],
        "socket_timeout": [3], "foo": TEXTS, "username": ["x"], "ssl_ca_path": ["/x"], "ssl_min_version": ["TLSv1.3"],
    }
    return rng.choice(["redis", "rediss"]), fields(rng, ports=(6379, 6380, 0, None, "6379")), some(rng, options)


def kafka(rng):
    options = {
        "bootstrap.servers": ["b:9092", "a:1,b:2", "[::1]:9092", "b-1.c.kafka.us-east-1.amazonaws.com:9098", "x.managedkafka.p.cloud.goog:9092"], "group.id": ["g ü"], "client.id": TEXTS, "sasl.password": TEXTS,
        "sasl.username": TEXTS, "sasl.mechanism": ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"], "oauth_cb": [None, False, ""], "ssl.key.pem": ["k"], "security.protocol": ["SASL_SSL", "ssl"],
        "ssl.ca.location": ["/ca"], "enable.auto.commit": [True, "false"], "socket.timeout.ms": [10], "nested": [{"a": 1}],
        "bogus.option": ["x"], "error_cb": ["os.getcwd", None, 5], "on_commit": ["x"], "log_cb": [""],
    }
    extra = some(rng, options)
    if rng.random() < 0.7 and "bootstrap.servers" not in extra:
        extra["bootstrap.servers"] = "b:9092"
    return "kafka", fields(rng, ["ignored"]), extra


def aws(rng):
    arn = "arn:aws:iam::123456789012:role/r"
    saml = {"principal_arn": "p", "idp_auth_method": "http_spegno_auth"}
    options = {
        "aws_access_key_id": ["AKEXTRA", ""], "aws_secret_access_key": ["SEXTRA"], "aws_session_token": ["TOKEN//==", ""],
        "session_kwargs": [{"aws_access_key_id": 5, "aws_secret_access_key": [None]}, {"aws_access_key_id": "AKS", "aws_secret_access_key": "SS"}, {"aws_session_token": "TS"}, None, {"profile_name": "x"}],
        "region_name": ["eu-west-1", ""], "profile_name": ["p q", "default"], "role_arn": [arn, arn, arn, ""],
        "assume_role_method": ["assume_role", "assume_role_with_web_identity", "assume_role_with_saml", "bogus"],
        "assume_role_kwargs": [{"ExternalId": "e"}, {"RoleSessionName": "mine"}, {"RoleArn": "x"}, None, {"PrincipalArn": "x"}, {"SAMLAssertion": "x"}],
        "assume_role_with_web_identity_federation": ["file", "google", "bogus"],
        "assume_role_with_web_identity_token_file": ["/t"], "assume_role_with_web_identity_federation_audience": ["aud"],
        "endpoint_url": ["https://minio.example.com:9000/p", None, ""], "verify": [False, True, "false", "/ca.pem"],
        "service_config": [{"s3": {"endpoint_url": "http://s3"}}, {"s3": {"endpoint_url": None}}, {"sts": {"endpoint_url": "http://sts"}},
                           {"s3": {"bucket_name": "b"}}, {}],
        "config_kwargs": [{"retries": {"max_attempts": 3}}, {"signature_version": "unsigned"}, {"region_name": "x"}, {"bogus": 1}, {}],
        "external_id": ["old"], "aws_iam_role": ["old"], "host": ["http://old"], "region": ["old"], "profile": ["old"],
        "assume_role_with_saml": [{"principal_arn": "p"}, {}, saml, saml, {"principal_arn": "p", "idp_auth_method": "other"}],
        "self": ["x"], "kwargs": ["x"], "s3_config_file": ["old"], "test_endpoint_url": ["x"],
    }
    extra = some(rng, options, 6, 0.03)
    if rng.random() < 0.3:
        extra.update(role_arn=arn, assume_role_method="assume_role_with_web_identity", assume_role_with_web_identity_federation="file")
    elif rng.random() < 0.2:
        extra.update(role_arn=arn, assume_role_method="assume_role_with_saml", assume_role_with_saml=saml)
    return rng.choice(["aws", "aws", "emr", "s3"]), fields(rng, ["s3.example.com"]), extra


def google(rng):
    key = {"type": "service_account", "project_id": "key-project", "private_key": RSA, "client_email": "sa@x.y", "token_uri": "https://t"}
    options = {
        "key_path": ["/k.json", "/k.p12", "/k", ""], "keyfile_dict": [key, json.dumps(key), "notjson", {}, "{}", {"private_key": "x"}, "", {**key, "project_id": ""}, {**key, "project_id": ["p"]},
                         {**key, "private_key": EC}, {**key, "private_key": RSA.replace("\n", "\\n")}, {**key, "client_email": None}, "[]", "null"],
        "credential_config_file": ["/nowhere.json", '{"type": "external_account"}', {"type": "external_account"}],
        "key_secret_name": ["s-1", "bad name", "a/b"], "key_secret_project_id": ["p"], "is_anonymous": [True, False, "false", "true"],
        "scope": ["a,b", " a , b ", "https://www.googleapis.com/auth/devstorage.read_only", ",", ""], "num_retries": [7, "7", 2.9, "x", " ", "", " 3 "],
        "impersonation_chain": ["a@x.y", ["a@x.y", "b@proj.z"], "a@x.y, b@proj.z", "a@x.y,", "noat", [], ["a@x.y", None], ["", "a@x.y"], [None], "a@", "@", "a@b@c.d", {"a": 1}], "project": ["p ü", ""],
        "quota_project_id": ["q12345", "Bad_Project", "", "q1234567890-", "q12345\n", "éabcde"], "idp_issuer_url": ["https://idp/token"], "idp_extra_params": ['{"a": 1}', "notjson", {"a": 1}], "keyfile": ["x"], "client_id": ["c"], "client_secret": ["s"],
    }
    extra = some(rng, options, 3, 0.05)
    prefix = "extra__google_cloud_platform__"
    out = {}
    for name, value in extra.items():
        turn = rng.random()
        out[prefix + name if turn < 0.2 else name] = value
        if turn > 0.9:
            out[prefix + name] = rng.choice(options[name])
    return rng.choice(["google_cloud_platform", "gcpbigquery"]), fields(rng, ["x"]), out


def azure_blob(rng):
    hosts = ["acc", "acc.blob.core.windows.net", "https://acc.blob.core.windows.net/", "https://acc", "ACC.blob.core.windows.net/x?y=1", "http://127.0.0.1:10000/a",
             "averyveryveryverylongaccountname.blob.core.windows.net", "https://acc.blob.core.windows.net/a;b?c#d", "localhost:10000", "a b.c", "//acc.x/y", "HTTPS://A.B/", ""]
    options = {
        "connection_string": ["BlobEndpoint=https://a/;SharedAccessSignature=sv=1&sig=a%2B", ""], "tenant_id": ["t", "", "t_", "é"], "shared_access_key": ["c2Fr", "", {"account_name": "a", "account_key": "k"}],
        "sas_token": ["?sv=1&sig=b", "https://acc.blob.core.windows.net/?sv=1&sig=c", "", "http://x"], "account_key": ["a2V5", ""],
        "managed_identity_client_id": ["m"], "workload_identity_tenant_id": ["w"], "client_secret_auth_config": [{"authority": "x"}, {"authority": "http://x"}, {}, {"tenant_id": "x"}, {"self": 1}, None],
        "retry_total": [3], "foo": TEXTS, "credential": ["x", None], "account_url": ["x"], "self": ["x"], "conn_str": ["x"],
    }
    extra = some(rng, options, 3, 0.04)
    prefix = "extra__wasb__"
    out = {}
    for name, value in extra.items():
        turn = rng.random()
        out[prefix + name if turn < 0.2 else name] = value
        if turn > 0.9:
            out[prefix + name] = rng.choice(options[name])
    f = fields(rng, hosts)
    if f.get("login") and rng.random() < 0.5:
        f["login"] = rng.choice(["acc", "app-id", "1234567890123456789012345678"])
    return rng.choice(["wasb", "adls", "azure_data_lake"]), f, out


KEYS = keys()


def ssh(rng):
    open_ssh, pkcs8, public = KEYS
    kind, data = public.split()[:2]
    options = {
        "key_file": ["~/.ssh/id", "/k", ""], "private_key": [open_ssh, RSA, EC, RSA, open_ssh, pkcs8, "one line", "", "x\n" + RSA, "x\n" + open_ssh, " " + RSA, RSA.replace("\n", "\r\n"), RSA + EC,
                        RSA.replace("RSA PRIVATE", "EC PRIVATE"), RSA.replace("\n", "\\n")], "private_key_passphrase": ["secret"],
        "conn_timeout": [3, "3", 2.9, "x"], "cmd_timeout": [0, "0", 5, "5", None, False, "x", 2.5], "compress": [False, "false", "FALSE", True],
        "host_key": [f"{kind} {data}", data, kind, f"  {kind} {data} comment", "bogus AAAA", "ssh-dss AAAA", f"ssh-rsa {data}", "!!", "", f"{kind}\t{data}", f"\n{kind} {data}\n", "ssh-rsa", "ü"],
        "no_host_key_check": [True, "true", "false", False, "TRUE", None], "ignore_hostkey_verification": [True, "false"],
        "allow_host_key_change": [True, "TRUE", "false"], "look_for_keys": [False, "false", True, 0],
        "disabled_algorithms": [{"pubkeys": ["rsa-sha2-256"]}, {}], "ciphers": [["aes256-ctr"], "aes256-ctr"], "timeout": [9], "foo": TEXTS,
        "keepalive_interval": [5],
    }
    return rng.choice(["ssh", "sftp"]), fields(rng, ["h", "h", "::1", "bücher.example"], (22, 2222, 0, None, "22")), some(rng, options, 5, 0.05)


def snowflake(rng):
    from cryptography.hazmat.primitives import serialization as s
    options = {
        "account": ["acc", "org-acc", "acc/x", ""], "warehouse": ["WH", "", None], "database": ["DB"], "region": ["eu-west-1", ""], "role": ["R", None],
        "authenticator": ["oauth", "externalbrowser", "SNOWFLAKE_JWT", "programmatic_access_token", "https://x.okta.com", None],
        "session_parameters": [{"QUERY_TAG": "t"}, None, {}], "insecure_mode": ["true", "on", "1", "false", True, False], "ocsp_fail_open": ["false", True, None],
        "client_request_mfa_token": [True, "t"], "client_store_temporary_credential": [True, "no"], "json_result_force_utf8_decoding": [1, "1"],
        "private_key_content": KEYS_SNOWFLAKE(s), "private_key_file": ["/nowhere.p8"], "refresh_token": ["r", ""], "grant_type": ["client_credentials", "password", "refresh_token", "bogus"],
        "token_endpoint": ["https://idp/token"], "scope": ["s"], "oauth_username": ["u"], "oauth_password": ["p"], "azure_conn_id": ["az", ""],
        "workload_identity_provider": ["AWS", ""], "token": ["tok", 5], "token_file_path": ["/tok"], "host": ["h.snowflakecomputing.com"], "port": [443, "443"],
        "proxy_host": ["px"], "proxy_port": [8080, "8080", "x"], "proxy_user": ["u"], "proxy_password": TEXTS, "aws_access_key_id": ["old"], "passcode": ["1"], "login": ["x"], "redirect_uri": ["x"],
    }
    extra = some(rng, options, 6, 0.04)
    if extra.get("authenticator") == "oauth" and rng.random() < 0.7:
        extra.update(account="acc", grant_type=rng.choice(["client_credentials", "refresh_token"]), refresh_token="r")
    out = {}
    for name, value in extra.items():
        turn = rng.random()
        out["extra__snowflake__" + name if turn < 0.2 else name] = value
        if turn > 0.92:
            out["extra__snowflake__" + name] = rng.choice(options[name])
    return "snowflake", fields(rng, ["ignored"]), out


def KEYS_SNOWFLAKE(s):
    import base64
    key = s.load_pem_private_key(RSA.encode(), None)
    pkcs8 = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()
    return [pkcs8, base64.b64encode(pkcs8.encode()).decode(), "garbage", pkcs8.replace("\n", "\\n"), "====", "@", "é", " " + pkcs8,
            pkcs8 + "junk", EC, RSA]


def cases_of(kind, count, rng):
    for _ in range(count):
        dialect = rng.random() < 0.45
        conn_type, f, extra = globals()[kind](rng)
        case = {"client": kind, **written(conn_type, f, extra, rng, dialect)}
        if kind == "aws":
            service = rng.choice(["s3", "s3", "sqs", "sts"])
            if service != "s3":
                case["service"] = service
        yield case
