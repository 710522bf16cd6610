"""Fill a metadata DB with the real Airflow, and note what it answers for every row.

Run with the Python of the Airflow that is asked (2.7 or later, 3 included). Writes JSON lines:
first the keys, then a case a line:

    {"keys": {name: the text of [core] fernet_key}}
    {"key": name, "conn_id" | "variable": id, "team": ..., "out": ...}

A variable's case also says whether its row is encrypted. `out` is null where Airflow finds nothing, {"error": class, "of_key": whether it is for want of a
good key} where its backend raises, and else the fields of the connection with its URI, or {"value": ...}.

The database is made anew at --database (a file) or --url (an empty PostgreSQL database), and is
left with Airflow's own tables alone that hold connections, variables and teams. The same seed
gives the same rows, whatever the engine.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import types

KEY_1 = base64.urlsafe_b64encode(bytes(range(32))).decode()
KEY_2 = base64.urlsafe_b64encode(bytes(range(100, 132))).decode()
KEY_3 = base64.urlsafe_b64encode(bytes(range(200, 232))).decode()
KEYS = {
    "first": KEY_1,
    "second": KEY_2,
    "rotated": f"{KEY_2},{KEY_1}",
    "foreign": KEY_3,
    "absent": "",
    "too short": "c2hvcnQ=",
    "not base64": "not a key at all",
    "blanks and line breaks": f" {KEY_1[:20]}\n{KEY_1[20:]} \r\n, {KEY_2}\n",
    "without padding": KEY_1.rstrip("="),
    "more after the padding": KEY_1 + "=and more",
    "standard alphabet": KEY_3.replace("-", "+").replace("_", "/") + "," + KEY_1,
    "trailing comma": KEY_1 + ",",
    "one of two wrong": KEY_1 + ",c2hvcnQ=",
    "a blank": " ",
}
NOW = 1_760_000_000
TABLES = ("team", "connection", "variable")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300, help="how many random connections, and variables")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="the SQLite file to write")
    parser.add_argument("--url", help="an empty database of another kind, as a SQLAlchemy URL")
    return parser.parse_args()


def set_up_airflow(url):
    """An AIRFLOW_HOME of its own, and Airflow's own migrations on `url`."""
    home = tempfile.mkdtemp(prefix="airflow-home-")
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    os.environ.update(
        AIRFLOW_HOME=home,
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__UNIT_TEST_MODE="False",
        AIRFLOW__CORE__FERNET_KEY=KEY_1,
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url,
        AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL",
    )
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class Writer:
    """Writes rows: with Airflow's own models where they let it, else with SQL."""

    def __init__(self, seed):
        from cryptography import fernet

        self.random = random.Random(seed)
        # The same seed is to give the same tokens.
        fernet.os = types.SimpleNamespace(urandom=self.random.randbytes)
        fernet.time = types.SimpleNamespace(time=lambda: NOW)
        self.connections, self.variables = [], []

    def use_key(self, name):
        use_key(name)

    def token(self, text, key=KEY_1, when=NOW):
        from cryptography.fernet import Fernet

        data = text if isinstance(text, bytes) else text.encode()
        return Fernet(key).encrypt_at_time(data, when).decode()

    def by_model(self, session, **fields):
        from airflow.models import Connection

        session.add(Connection(**fields))
        session.commit()
        self.connections.append(fields["conn_id"])

    def variable_by_model(self, session, key, value):
        from airflow.models import Variable

        session.add(Variable(key=key, val=value))
        session.commit()
        self.variables.append(key)

    def row(self, session, conn_id, **columns):
        columns = {
            "conn_type": "postgres",
            "host": "db.example.com",
            "is_encrypted": False,
            "is_extra_encrypted": False,
        } | columns
        self.insert(session, "connection", conn_id=conn_id, **columns)
        self.connections.append(conn_id)

    def variable_row(self, session, key, val, is_encrypted=False, **columns):
        self.insert(session, "variable", key=key, val=val, is_encrypted=is_encrypted, **columns)
        self.variables.append(key)

    def insert(self, session, table, **columns):
        from sqlalchemy import text

        quote = session.get_bind().dialect.identifier_preparer.quote
        names = ", ".join(quote(name) for name in columns)
        values = ", ".join(f":{name}" for name in columns)
        session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), columns)
        session.commit()


def rows(session, table, *columns):
    from sqlalchemy import text

    quote = session.get_bind().dialect.identifier_preparer.quote
    return session.execute(text(f"SELECT {', '.join(map(quote, columns))} FROM {table}")).all()


def use_key(name):
    from airflow.models import crypto

    os.environ["AIRFLOW__CORE__FERNET_KEY"] = KEYS[name]
    if hasattr(crypto.get_fernet, "cache_clear"):
        crypto.get_fernet.cache_clear()
    else:
        crypto._fernet = None


TEXTS = [
    None, "", "a", "plain", "with space", " around ", "ünïcödé", "日本", "🔑", "per%cent", "p@ss:w/rd?#[]", "'quoted'",
    '"double"', "back\\slash", "new\nline", "tab\t", "%41", "a+b", "a&b=c", "null", "0", "*" * 300, "e\u0301", "\u00a0",
]
HOSTS = [None, "", "db.example.com", "UPPER.example.com", "10.0.0.1", "::1", "https://h", "h:1", "/var/run/s", "a b", "ho%st"]
TYPES = ["postgres", "postgresql", "http", "https", "my_type", "my-type", "google_cloud_platform", "HTTP", "aws", "x", ""]
EXTRAS = [
    None, "", "{}", '{"a": 1}', '{"a": "b"}', '{"a": {"b": [1, 2.5, null, true]}}', '{"a": ""}', '{"ä": "ö"}', '{"a":1}',
    ' {"a": "b"} ', '{"__extra__": "x"}', '{"a": "x&y=z"}', '{"a": "1", "a": "2"}',
    '{"big": 123456789012345678901234567890}', '{"f": 1.0}', '{"a": "\\ud83d\\udd11"}',
]
BAD_EXTRAS = ["[]", "1", "null", '"text"', "text", "{", "{'a': 1}", " ", '{"a": 1} x', "{\"a\": }"]


def fill(session, writer, cases, engine, has_teams):
    pick = writer.random.choice
    long = lambda limit, text: text if text is None else text[:limit]  # noqa: E731

    for key in ("first", "second", "absent"):
        writer.use_key(key)
        for number in range(cases // 6):
            writer.by_model(
                session,
                conn_id=f"model_{key}_{number}",
                conn_type=pick(TYPES),
                description=pick(TEXTS),
                host=pick(HOSTS),
                login=pick(TEXTS),
                password=pick(TEXTS),
                schema=pick(TEXTS),
                port=pick([None, 0, 1, 80, 5432, 65535]),
                extra=pick(EXTRAS),
            )
        for number in range(cases // 6):
            writer.variable_by_model(
                session, f"model_{key}_{number}", pick([text for text in TEXTS if text is not None] + ['{"a": 1}'])
            )
        writer.by_model(session, conn_id=f"uri_{key}", uri="my-type://us%40er:p%2Fw@host:5/sch%20ema?a=1&b=x")

    for number in range(cases // 2):
        encrypted, extra_encrypted = pick([False, True]), pick([False, True])
        password, extra = pick(TEXTS), pick(EXTRAS + BAD_EXTRAS)
        writer.row(
            session,
            f"raw_{number}",
            conn_type=pick(TYPES),
            description=pick(TEXTS),
            host=pick(HOSTS),
            schema=pick(TEXTS),
            login=pick(TEXTS),
            password=damage(writer, password, encrypted),
            port=pick([None, 0, 5432, 65535]),
            is_encrypted=encrypted,
            is_extra_encrypted=extra_encrypted,
            extra=damage(writer, extra, extra_encrypted),
        )
        encrypted = pick([False, True, True])
        value = pick([text for text in TEXTS if text is not None])
        writer.variable_row(session, f"raw_{number}", damage(writer, value, encrypted), encrypted)

    by_hand(session, writer, engine, has_teams)


def damage(writer, text, encrypted):
    """`text` as it may be found in an encrypted column: sound, of another key, or spoilt."""
    pick = writer.random.choice
    if text is None or not encrypted:
        return text
    token = writer.token(text, pick([KEY_1, KEY_1, KEY_2, KEY_3]), pick([0, NOW, NOW * 5, 2**40]))
    at = writer.random.randrange(len(token))
    return pick(
        [
            token, token, token, token, token,
            text,
            "",
            token[:at],
            token[:at] + token[at + 1 :],
            token[:at] + "\n" + token[at:],
            token[:at] + "!ü " + token[at:],
            token[:at] + "=" + token[at:],
            token[:at] + "A" + token[at + 1 :],
            token.rstrip("="),
            token + "==",
            token + "AAAA",
            token.replace("-", "+").replace("_", "/"),
            # The bits of the last character that no byte is made of.
            stray_bits(token),
            writer.token(b"\xff\xfe" + text.encode()),
            writer.token(writer.token(text)),
        ]
    )


def stray_bits(token):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    body = token.rstrip("=")
    if body == token:
        return token
    return body[:-1] + alphabet[alphabet.index(body[-1]) | 1] + token[len(body) :]


def by_hand(session, writer, engine, has_teams):
    ids = ["UPPER", "upper", "trailing ", "trailing", " leading", "ünï", "uni", "日本", "a'b", 'a"b', "a%b", "a_b", "axb",
           "new\nline", "a;b", "a\\b", "a/b", "..", "a" * 250, "e\u0301", "é", "null"]  # fmt: skip
    for conn_id in ids:
        writer.row(session, conn_id, login=f"the login of {conn_id[:20]}")
        writer.variable_row(session, conn_id, f"the value of {conn_id[:20]}")
    writer.connections += ["", "absent", "Upper", "trailing  ", "b" * 251, "model_first", "A'B", "%", "a" * 249]
    writer.variables += ["", "absent", "Upper", "trailing  ", "b" * 251, "model_first", "A'B", "%", "a" * 249]
    writer.row(session, "nulls", host=None)
    writer.row(session, "empties", conn_type="", host="", schema="", login="", password="", description="", extra="")
    writer.row(session, "encrypted empties", password="", extra="", is_encrypted=True, is_extra_encrypted=True)
    writer.row(session, "encrypted nulls", is_encrypted=True, is_extra_encrypted=True)
    writer.row(session, "token of nothing", password=writer.token(""), extra=writer.token(""), is_encrypted=True, is_extra_encrypted=True)
    writer.row(session, "password alone", password=writer.token("pw"), extra='{"a": 1}', is_encrypted=True)
    writer.row(session, "extra alone", password="pw", extra=writer.token('{"a": 1}'), is_extra_encrypted=True)
    writer.row(session, "token not marked", password=writer.token("pw"), extra='{"a": 1}')
    writer.row(session, "from the future", password=writer.token("pw", when=2**62), is_encrypted=True)
    writer.variable_row(session, "empty", "")
    writer.variable_row(session, "empty encrypted", "", True)
    writer.variable_row(session, "token of nothing", writer.token(""), True)
    writer.variable_row(session, "not UTF-8", writer.token(b"\xff"), True)
    writer.variable_row(session, "from the future", writer.token("soon", when=2**62), True)
    for number, port in enumerate([-1, 65536, 99999, 2**31 - 1]):
        writer.row(session, f"port_{number}", port=port)
    if engine == "sqlite":
        for number, port in enumerate(["5432", "text", 1.5, 80.0, "", 2**40]):
            writer.row(session, f"dynamic_port_{number}", port=port)
        for number, flag in enumerate([2, -1, "yes", 0.5]):
            writer.row(session, f"dynamic_flag_{number}", password=writer.token("pw"), is_encrypted=flag)
    if has_teams:
        for team in ("red", "blue", "Red"):
            writer.insert(session, "team", name=team)
            writer.row(session, f"of_{team}", login=team, team_name=team)
            writer.variable_row(session, f"of_{team}", team, team_name=team)


def worth_asking(name, key, team):
    """Every row with one key and no team; else only where it may make a difference."""
    if team is not None:
        return key == "first" and (name.startswith("of_") or name in ("UPPER", "absent"))
    if key == "first":
        return True
    number = name.rpartition("_")[2]
    if key in ("rotated", "absent"):
        return not number.isdigit() or int(number) % 2 == 0
    return "token" in name or "encrypted" in name or (name.startswith(("model_", "raw_")) and number in ("0", "1", "2", "3"))


def ask(writer, session, has_teams):
    from airflow.secrets.metastore import MetastoreBackend

    backend = MetastoreBackend()
    encrypted = {key for key, flag in rows(session, "variable", "key", "is_encrypted") if flag}
    teams = [None, "red", "blue", "none such", ""] if has_teams else [None]

    def answer(get):
        try:
            return get()
        except Exception as error:
            of_key = "FERNET_KEY configuration" in str(error) or "create Fernet" in str(error)
            return {"error": type(error).__name__, "of_key": of_key}

    def connection(arguments):
        found = backend.get_connection(**arguments)
        if found is None:
            return None
        names = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")
        return {name: getattr(found, name) for name in names} | {"uri": found.get_uri()}

    def variable(arguments):
        value = backend.get_variable(**arguments)
        return None if value is None else {"value": value}

    print(json.dumps({"keys": KEYS}))
    for key in KEYS:
        use_key(key)
        for team in teams:
            arguments = {} if team is None else {"team_name": team}
            for conn_id in dict.fromkeys(writer.connections):
                if worth_asking(conn_id, key, team):
                    out = answer(lambda: connection({"conn_id": conn_id} | arguments))
                    print(json.dumps({"key": key, "conn_id": conn_id, "team": team, "out": out}))
            for name in dict.fromkeys(writer.variables):
                if worth_asking(name, key, team):
                    out = answer(lambda: variable({"key": name} | arguments))
                    case = {"key": key, "variable": name, "team": team, "encrypted": name in encrypted, "out": out}
                    print(json.dumps(case))


def keep_only_our_tables(path, full):
    """Copy what a lookup can see out of Airflow's many tables, as Airflow created them."""
    source = sqlite3.connect(full)
    target = sqlite3.connect(path)
    for (statement,) in source.execute(
        f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name IN {TABLES} ORDER BY type DESC, name"
    ):
        target.execute(statement)
    target.execute("ATTACH ? AS airflow", (full,))
    for table in TABLES:
        if target.execute("SELECT 1 FROM airflow.sqlite_master WHERE name = ?", (table,)).fetchone():
            target.execute(f"INSERT INTO {table} SELECT * FROM airflow.{table}")
    target.commit()
    target.execute("DETACH airflow")
    target.execute("VACUUM")
    target.execute(f"PRAGMA journal_mode={source.execute('PRAGMA journal_mode').fetchone()[0]}")
    target.close()
    source.close()


def main():
    arguments = parse_arguments()
    full = None
    if arguments.database:
        full = os.path.join(tempfile.mkdtemp(prefix="airflow-db-"), "airflow.db")
    set_up_airflow(arguments.url or f"sqlite:///{full}")

    from airflow import settings
    from airflow.models import Connection

    has_teams = hasattr(Connection, "team_name")
    session = settings.Session()
    writer = Writer(arguments.seed)
    fill(session, writer, arguments.cases, session.get_bind().dialect.name, has_teams)
    ask(writer, session, has_teams)
    session.close()
    settings.engine.dispose()
    if full:
        keep_only_our_tables(arguments.database, full)


if __name__ == "__main__":
    main()
