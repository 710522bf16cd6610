"""Many connections, as the real Airflow exports them, and what it reads from what this crate wrote of them.

    .tools/airflow3/bin/python tests/conformance/exported.py --cases 300 --seed 1      # connections.jsonl, airflow.*
    WRITE_EXPORTS=1 cargo test --test exported                                         # ours.*
    .tools/airflow3/bin/python tests/conformance/exported.py --read                    # read_back.jsonl

`exports.py` goes the whole way of the command line with a few; this calls what that calls.
"""

import argparse
import json
import logging
import os
import random
import subprocess
import tempfile
from pathlib import Path

for name in list(os.environ):
    if name.startswith("AIRFLOW"):
        del os.environ[name]
os.environ.update(AIRFLOW_HOME=tempfile.mkdtemp(), AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL")
logging.disable(logging.CRITICAL)

from airflow.cli.commands.connection_command import _format_connections  # noqa: E402
from airflow.models import Connection  # noqa: E402
from airflow.sdk import Connection as TaskConnection  # noqa: E402
from airflow.secrets.environment_variables import EnvironmentVariablesBackend  # noqa: E402
from airflow.secrets.local_filesystem import load_connections_dict  # noqa: E402

FOLDER = Path(__file__).parent / "exported"
FIELDS = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")
TYPES = ["postgres", "http", "https", "google_cloud_platform", "google-cloud-platform", "My_Type", "aws", "generic", "a b", "ü", "x'y",
         "null", "1.5", "", None]
PIECES = ["a", "Z", "0", "'", '"', "\\", "\n", "\r\n", "\t", "$", "${HOME}", "$$", "`", " ", " #", "#", "=", ":", "@", "/", "?", "&", "%",
          "%41", "+", ";", ",", "!", "~", "*", "{", "}", "[", "]", "|", "<", "(", "ü", "ß", "漢", "🙂", "\u2028", "\u0085", "\u00a0",
          "\ufeff", "\x00", "\x1b", "\x7f", "- ", "---", "null", "true", "1e3", "0x1f", "2020-01-01", "\\n", "\\'", "export "]


def text(rng):
    return rng.choice([None, None, "", "plain", "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 8)))])


def value(rng, depth=2):
    kind = rng.randint(0, 9 if depth else 6)
    if kind < 4:
        return text(rng) or ""
    if kind < 7:
        return rng.choice([None, True, False, 0, -1, 10**20, 1.5, 1e300])
    if kind == 7:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return {text(rng) or "k": value(rng, depth - 1) for _ in range(rng.randint(0, 3))}


def extra(rng):
    kind = rng.randint(0, 5)
    if kind == 0:
        return None
    if kind == 1:
        return rng.choice(["", "{}", '{"a":1}', ' {"a" : "b"} ', '{"a": "ü"}', '{"a": 1, "a": 2}', '{"__extra__": "{}"}'])
    if kind < 4:
        members = {rng.choice(["a", "sslmode", "b c", "ü", "k=v&"]): text(rng) or "" for _ in range(rng.randint(0, 3))}
    else:
        members = {text(rng) or "k": value(rng) for _ in range(rng.randint(1, 4))}
    return json.dumps(members, ensure_ascii=rng.random() < 0.5)


def make(rng, number):
    host = rng.choice([text(rng), "db.example", "https://h/p?x=1", "postgres://db", "::1", "/run/sock", "tcp://" + (text(rng) or "")])
    return {
        "conn_id": f"{rng.choice(['pg', 'My-Conn', 'a.b', 'x_y', 'ü'])}{number}",
        "conn_type": rng.choice(TYPES),
        "description": rng.choice([None, None, text(rng)]),
        "host": host,
        "login": text(rng),
        "password": text(rng) or None,
        "schema": text(rng),
        "port": rng.choice([None, 1, 5432, 65535]),
        "extra": extra(rng),
    }


def write(name, content):
    (FOLDER / name).write_bytes(content.encode())


def fields(connection):
    return {field: getattr(connection, field) for field in FIELDS}


def tried(read):
    try:
        return fields(read())
    except Exception as error:
        return {"error": type(error).__name__}


def export(cases, seed):
    rng = random.Random(seed)
    made = [make(rng, number) for number in range(cases)]
    connections = [Connection(**one) for one in made]
    write("connections.jsonl", "".join(json.dumps({"conn_id": c.conn_id, **fields(c)}) + "\n" for c in connections))
    write("airflow.json", _format_connections(connections, ".json", "uri"))
    write("airflow.yaml", _format_connections(connections, ".yaml", "uri"))
    uris = [c for c in connections if len(c.get_uri().splitlines()) == 1]
    write("airflow.env", _format_connections(uris, ".env", "uri"))
    write("airflow-json.env", _format_connections(connections, ".env", "json"))


def read_back():
    ids = [json.loads(line)["conn_id"] for line in (FOLDER / "connections.jsonl").read_text().splitlines()]
    files = {name: load_connections_dict(str(FOLDER / name)) for name in ("ours.yaml", "ours.json")}
    # What a shell makes of the quotes is what the environment holds.
    for line in (FOLDER / "ours.env").read_text().split("\n"):
        name, _, quoted = line.partition("=")
        if name:
            said = subprocess.run(["sh", "-c", "X=" + quoted + '; printf %s "$X"'], capture_output=True, check=True)
            os.environ[name] = said.stdout.decode()
    backend = EnvironmentVariablesBackend()
    lines = []
    for conn_id in ids:
        line = {"conn_id": conn_id}
        for name, read in files.items():
            line[name] = fields(read[conn_id]) if conn_id in read else None
        held = backend.get_conn_value(conn_id)
        if held is not None:
            line["env core"] = tried(lambda: backend.deserialize_connection(conn_id, held))
            line["env task"] = tried(
                lambda: TaskConnection.from_json(held, conn_id=conn_id)
                if held.startswith("{")
                else TaskConnection.from_uri(held, conn_id=conn_id)
            )
        lines.append(json.dumps(line) + "\n")
    write("read_back.jsonl", "".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--read", action="store_true")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if arguments.read:
        read_back()
    else:
        export(arguments.cases, arguments.seed)


main()
