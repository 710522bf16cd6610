"""Cases for the environment variables backend, answered by the Airflow that runs this script.

    .tools/airflow3/bin/python tests/conformance/environment.py --cases N --seed S

One JSON object a line: `in` has the variables, `multi_team`, what is asked and by which team;
`out` is a connection's fields with its `uri`, a variable's `value`, `{"missing": true}` or
`{"error": <exception class>}`.
"""

import argparse
import json
import os
import random
import sys
import tempfile

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"

from airflow.secrets.environment_variables import EnvironmentVariablesBackend  # noqa: E402

sys.path.insert(0, os.path.dirname(__file__))
from local_files import connection_answer  # noqa: E402

IDS = [
    "pg", "PG", "my_conn", "my-conn", "a.b", "a__b", "a___b", "___a", "a___", "_a", "__a", "team___pg",
    "_team___pg", "_TEAM___PG", "straße", "ŉ", "ﬁle", "é", "İ", "ı", "ς", "ǰ", "ΐ", "ß___x", "日本", "𐐨", "a b",
    "a=b", "", "ǆ", "ﬃ", "ա", "և", "aß", "ᾳ", "ᾼ", "x\ty",
]
TEAMS = [None, None, "team", "TEAM", "a", "_", "ß", "", "team_a", "a___b", "é", "data-eng"]
CONNECTIONS = [
    "", "postgres://u:p@h:5432/db?a=1", '{"conn_type": "http", "host": "x"}', " http://h ", "   ", "{",
    '{"port": "x"}', "a://b://c", "mysql://h:99999", "//", "sqlite:///x.db", '{"extra": {"a": 1}}', "x", "\n",
    '{"conn_type": "postgresql", "port": 5432, "password": "ü"}', "aws://?__extra__=%7B%7D",
]
VARIABLES = ["", "blue", " spaced ", '{"a": 1}', "ünïcode", "a=b", "line\nbreak", "0", "None"]


def variable_name(prefix, secret_id, team):
    if team is None:
        return prefix + secret_id.upper()
    return f"{prefix}_{team.upper()}___{secret_id.upper()}"


def make_case(rng):
    kind = rng.choice(["connection", "variable"])
    prefix = "AIRFLOW_CONN_" if kind == "connection" else "AIRFLOW_VAR_"
    values = CONNECTIONS if kind == "connection" else VARIABLES
    secret_id = rng.choice(IDS)
    if rng.random() < 0.3:
        # Letters that have an upper case of their own, or of more than one letter.
        ranges = [(0xC0, 0x250), (0x370, 0x530), (0x1E00, 0x2000), (0xFB00, 0xFB18), (0x10400, 0x10450)]
        secret_id = "".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randint(1, 4)))
        # Python 3.11 is of Unicode 14, where this one has no upper case yet.
        secret_id = secret_id.replace("\u019b", "x")
    team = rng.choice(TEAMS)
    env = {}
    for name_team in {None, team, rng.choice(TEAMS)}:
        if rng.random() < 0.6:
            name = variable_name(prefix, secret_id, name_team)
            if rng.random() < 0.1:
                name = name.lower()
            if rng.random() < 0.1:
                name = prefix + secret_id
            env[name] = rng.choice(values)
    env = {name: value for name, value in env.items() if name and "=" not in name and "\0" not in name}
    return {"env": env, "multi_team": rng.random() < 0.5, "kind": kind, "id": secret_id, "team": team}


def answer(case):
    os.environ["AIRFLOW__CORE__MULTI_TEAM"] = str(case["multi_team"])
    os.environ.update(case["env"])
    backend = EnvironmentVariablesBackend()
    # The core sets the class by itself; this is what it sets.
    try:
        if case["kind"] == "variable":
            value = backend.get_variable(case["id"], team_name=case["team"])
            return {"missing": True} if value is None else {"value": value}
        connection = backend.get_connection(case["id"], team_name=case["team"])
        return connection_answer(connection)
    except Exception as error:
        return {"error": type(error).__name__}
    finally:
        for name in case["env"]:
            del os.environ[name]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    for _ in range(args.cases):
        case = make_case(rng)
        print(json.dumps({"in": case, "out": answer(case)}))


if __name__ == "__main__":
    main()
