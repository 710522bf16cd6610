"""What the real Airflow exports, and what it answers after it has imported that again.

Writes the exported files and `answers.jsonl`, a line for each id, into a folder:

    .tools/airflow3/bin/python tests/conformance/exports.py tests/conformance/exports
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONNECTIONS = [
    dict(
        conn_id="pg",
        conn_type="postgres",
        description="the db",
        host="db.example",
        login="me",
        password="p@ss/w:rd %",
        schema="wh",
        port=5432,
        extra='{"sslmode": "require", "n": 1, "l": [1, {"a": null}]}',
    ),
    dict(conn_id="bare", conn_type="http"),
    dict(conn_id="empty", conn_type="http", host="", login="", password="", schema="", extra=""),
    dict(conn_id="unicode-ü.x", conn_type="generic", host="höst", password="пароль", extra='{"k": "ü \\u2603"}'),
    dict(conn_id="multi", conn_type="generic", password="line1\nline2", extra='{"key": "-----BEGIN\\nx\\n-----END"}'),
    dict(conn_id="hash", conn_type="generic", password="a # b = c 'q' \"d\" $X ${Y}"),
    dict(conn_id="hyphen", conn_type="google-cloud-platform", extra='{"project": "p"}'),
    dict(conn_id="slash", conn_type="https", host="https://h/p?x=1", schema="a/b"),
    dict(conn_id="yes", conn_type="generic", login="012", password="1e3", schema="null", host="true"),
    dict(conn_id="nested", conn_type="generic", extra=json.dumps({"a": {"b": [1, 2.5, True]}, "c": "x&y=z"})),
]
VARIABLES = {
    "plain": "text",
    "empty": "",
    "number": "10",
    "float": "1.50",
    "exp": "1e3",
    "big": "12345678901234567890123",
    "bool": "true",
    "null": "null",
    "quoted": '"x"',
    "object": '{"a": 1}',
    "compact": '{"a":1,"b":[1,2]}',
    "list": '["a", "b"]',
    "unicode": "ü☃",
    "lines": "a\nb\n",
    "spaces": "  x  ",
    "json-ish": "{not json",
    "value": '{"value": 1}',
    "value-text": '{"value": "x", "description": "y"}',
}
DESCRIBED = {"plain", "number", "object", "null", "value-text"}

# Runs inside an Airflow's home.
SEED = """
import json, sys
from airflow.models import Connection, Variable
from airflow.utils.session import create_session
connections, variables, described = json.loads(sys.argv[1])
with create_session() as session:
    for fields in connections:
        session.merge(Connection(**fields))
for key, value in variables.items():
    Variable.set(key, value, description="told" if key in described else None)
"""
ANSWERS = """
import json
from sqlalchemy import select
from airflow.models import Connection, Variable
from airflow.utils.session import create_session
fields = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")
with create_session() as session:
    connections = {
        one.conn_id: {field: getattr(one, field) for field in fields} | {"uri": one.get_uri()}
        for one in session.scalars(select(Connection))
    }
    variables = {one.key: one.val for one in session.scalars(select(Variable))}
print("\\n" + json.dumps({"connections": connections, "variables": variables}))
"""


class Home:
    def __init__(self, folder):
        self.folder = folder
        self.bin = Path(sys.executable).parent
        self.env = os.environ | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": "81HqDtbqAywKSOumSha3BhWNOdQ26slT6K0YaZeZyPs=",
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        }
        self.airflow("db", "migrate")

    def airflow(self, *arguments):
        return self.run(self.bin / "airflow", *arguments)

    def python(self, code, *arguments):
        return self.run(self.bin / "python", "-c", code, *arguments)

    def run(self, *command):
        run = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(run.stdout + run.stderr)
        return run.stdout

    def answers(self):
        return json.loads(self.python(ANSWERS).strip().splitlines()[-1])


def main():
    folder = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        exporting = Home(Path(temporary, "exporting"))
        exporting.python(SEED, json.dumps([CONNECTIONS, VARIABLES, sorted(DESCRIBED)]))
        for name in ("connections.json", "connections.yaml", "connections.env"):
            exporting.airflow("connections", "export", str(folder / name))
        exporting.airflow(
            "connections", "export", str(folder / "connections-json.env"), "--serialization-format", "json"
        )
        exporting.airflow("variables", "export", str(folder / "variables.json"))
        exported = exporting.answers()
        imported = {}
        for path in sorted(folder.glob("*.*")):
            if path.suffix == ".jsonl":
                continue
            kind = path.stem.split("-")[0]
            importing = Home(Path(temporary, path.name))
            importing.airflow(kind, "import", str(path))
            imported[path.name] = importing.answers()[kind]
    lines = [
        {
            "kind": kind,
            "id": name,
            "exported": value,
            "imported": {file: ids.get(name) for file, ids in imported.items() if file.startswith(kind)},
        }
        for kind, values in exported.items()
        for name, value in values.items()
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    Path(folder, "answers.jsonl").write_text(text)


main()
