"""Connection URIs as people write them: of JDBC, of several hosts, with IPv6 addresses, with passwords
that are not percent-encoded. All of it is made up.
"""

from __future__ import annotations

PASSWORDS = [
    "secret", "p@ss", "p/w", "p?w", "p#w", "a:b", "a/b@c", "a#b@c", "12/34", "12#34", "12?34", "1@2:3", "50%", "%41%zz", "p w",
    "p+w", "[x]", "[", "]", "a[b]c", "p://w", "\\n", "$x", "${X}", "p;w", "p&w=1", "é", "🔑", "", "/", "@", ":", "://", "p%40ss",
]  # fmt: skip
HOSTS = [
    "db.example.com", "db", "[::1]", "[2001:db8::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "::1", "2001:db8::1", "h1,h2",
    "h1:5432,h2", "h1,h2:5432", "h1:5432,h2:5433", "[::1],[::2]", "[::1]:1,[::2]:2", "10.0.0.1:1,10.0.0.2:2", "",
    "%2Fvar%2Frun%2Fpostgresql", "/var/run/postgresql", "%5B%3A%3A1%5D", "[::ffff:10.0.0.1]", "cluster0.abc12.mongodb.net",
]  # fmt: skip
SCHEMES = [
    "postgres", "postgresql", "postgresql+psycopg2", "mysql", "mysql+pymysql", "mongodb", "mongodb+srv", "mongo", "snowflake",
    "databricks", "redis", "rediss", "mssql+pyodbc", "oracle+cx_oracle", "google-cloud-platform", "aws", "http", "https", "ssh",
    "sqlite", "kafka", "spark", "trino", "hive-cli", "jdbc",
]  # fmt: skip
TAILS = [
    "", "/", "/db", "/db/public", "/a b", "//srv/a.db", "/?a=b", "?a=b", "/db?sslmode=require", "/db?replicaSet=rs0&w=majority",
    "/db?account=a.eu-1&warehouse=w&role=r", "?http_path=%2Fsql%2F1.0%2Fx", "/db?__extra__=%7B%22a%22%3A1%7D", "/db#x", ";a=b",
    "/db?extra__http__x=1&extra__http__x=2", "/db?service_name=x", ";user=u;password=secret", "?user=u&password=secret", "/0",
]  # fmt: skip


def written_uri(rng):
    """One of them, with the random choices of `rng`."""
    pick = rng.choice
    password, host, tail = pick(PASSWORDS), pick(HOSTS), pick(TAILS)
    port = pick(["", "", "", ":5432", ":0", ":65536", ":x", ":"])
    user_info = pick(["", f"u:{password}@", f"u:{password}@", f":{password}@", f"{password}@", f"{password}:@", "u@x.org:p@"])
    located = user_info + host + port + tail
    forms = [
        f"{pick(SCHEMES)}://{located}",
        f"{pick(SCHEMES)}://{located}",
        f"{pick(SCHEMES)}://{located}",
        f"{pick(SCHEMES)}://{pick(['http', 'https', 'jdbc', 'tcp'])}://{located}",
        f"jdbc:{pick(['postgresql', 'mysql', 'sqlserver', 'hive2', 'redshift'])}://{located}",
        f"jdbc:oracle:thin:{pick(['u/' + password, ''])}@{pick(['//', '', '//'])}{host}{port}{pick([':orcl', '/orcl'])}",
        f"{pick(SCHEMES)}:{located}",
        f"{pick(SCHEMES)}:/{located}",
        located,
        f"jdbc://{pick(['jdbc:', ''])}{pick(['postgresql', 'mysql'])}://{located}",
        f"Server={host};Database=d;User Id=u;Password={password}",
    ]  # fmt: skip
    return pick(forms)
