"""Runs under an Airflow's Python: fills metadata DBs, and answers as that Airflow does.

Reads one JSON request a line, writes one JSON answer a line. Every home is asked about in a fresh
process with that home's environment alone: a fork, made before anything of Airflow is imported.

- {"fill": [{"database", "keys", "rows"}, …]}: rows are written through Airflow's own models, or
  with SQL where the models would not write them so;
- {"ask": {"env", "side", "team", "connections", "variables", "configs"}}: {"start": false} where
  Airflow does not start, else {"start": true, "connections": {…}, …}; an answer is null where
  Airflow says that there is none.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile

FIELDS = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")
# What Airflow needs and is not Airflow: imported once for all homes.
PRELOAD = ("asgiref.sync", "attrs", "cryptography.fernet", "fastapi", "httpx", "jinja2", "jsonschema", "pendulum",
           "pydantic", "pydantic_settings", "rich.console", "sqlalchemy.orm", "sqlalchemy.ext.asyncio",
           "sqlalchemy.dialects.sqlite", "sqlalchemy_utils", "sqlalchemy_jsonfield", "structlog", "yaml",
           "aiosqlite", "alembic", "lazy_object_proxy", "opentelemetry.sdk.trace", "msgspec", "greenback",
           "itsdangerous", "psutil", "dateutil", "packaging.version", "setproctitle")  # fmt: skip


def in_child(work, request):
    """`work(request)` in a process of its own, whose output is its answer alone."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        try:
            # What is no text, such as a date out of YAML, is told apart from one.
            answer = json.dumps(work(request), default=lambda value: {"python": repr(value)})
        except BaseException as error:
            answer = json.dumps({"broken": f"{type(error).__name__}: {error}"})
        with os.fdopen(writer, "w") as file:
            file.write(answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read()
    os.waitpid(child, 0)
    return answer or json.dumps({"broken": "no answer"})


# --- writing --------------------------------------------------------------------------------------


def fill(databases):
    home = tempfile.mkdtemp(prefix="airflow-fill-")
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CORE__FERNET_KEY="")
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    written = 0
    for database in databases:
        engine = create_engine(f"sqlite:///{database['database']}")
        for row in database["rows"]:
            with Session(engine) as session:
                write(session, row)
                written += 1
        engine.dispose()
    shutil.rmtree(home, ignore_errors=True)
    return {"written": written}


def write(session, row):
    from airflow.models import Connection, Variable
    from sqlalchemy import text

    use_key(row.get("key", ""))
    kind, columns = row["table"], row["columns"]
    if row["by"] == "model":
        model = (Connection if kind == "connection" else Variable)(**columns)
        if kind == "connection":
            # The constructor drops an id with odd characters; older Airflows did not.
            model.conn_id = columns["conn_id"]
        session.add(model)
    else:
        columns = {name: encrypt(value) for name, value in columns.items()}
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(f":{name}" for name in columns)
        session.execute(text(f"INSERT INTO {kind} ({names}) VALUES ({values})"), columns)
    session.commit()


def encrypt(value):
    """A column's value; {"token": [key, hexadecimal bytes], …} stands for one encrypted so."""
    if not isinstance(value, dict):
        return value
    from cryptography.fernet import Fernet

    key, data = value["token"]
    token = Fernet(key).encrypt(bytes.fromhex(data)).decode()
    if "cut" in value:
        at = int(len(token) * value["cut"])
        token = token[:at] + value["instead"] + token[at + value["skip"] :]
    return token


def use_key(key):
    from airflow.models import crypto

    os.environ["AIRFLOW__CORE__FERNET_KEY"] = key
    if hasattr(crypto.get_fernet, "cache_clear"):
        crypto.get_fernet.cache_clear()
    else:
        crypto._fernet = None


# --- asking ---------------------------------------------------------------------------------------


def ask(home):
    os.environ.clear()
    os.environ.update(home["env"])
    os.chdir(home["cwd"])
    try:
        ways = worker() if home["side"] == "worker" else server(home["team"])
    except Exception as error:
        return {"start": False, "why": f"{type(error).__name__}: {error}"}
    answers = {"start": True}
    for kind, get in ways.items():
        answers[kind] = [quietly(get, name) for name in home[kind]]
    return answers


def quietly(get, name):
    try:
        return get(name)
    except Exception as error:
        return {"none": f"{type(error).__name__}: {str(error)[:200]}"}


def server(team):
    import airflow.configuration as configuration
    import airflow.settings  # noqa: F401
    from airflow.models import Connection, Variable

    # Without one, so that Airflow 2 takes the same call.
    arguments = {} if team is None else {"team_name": team}
    if team is not None and not configuration.conf.getboolean("core", "multi_team"):
        raise ValueError("a team without multi_team")

    return {
        "connections": lambda conn_id: fields(Connection.get_connection_from_secrets(conn_id, **arguments)),
        "variables": lambda key: text(Variable.get(key, **arguments)),
        "configs": lambda key: config(configuration.conf._get_custom_secret_backend(), key),
    }


def worker():
    import airflow.settings  # noqa: F401
    import airflow.sdk.configuration as configuration
    from airflow.sdk import Connection, Variable
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    ensure_secrets_backend_loaded()
    return {
        "connections": lambda conn_id: fields(Connection.get(conn_id)),
        "variables": lambda key: text(Variable.get(key)),
        "configs": lambda key: config(configuration.conf._get_custom_secret_backend(worker_mode=True), key),
    }


def fields(connection):
    return {name: getattr(connection, name) for name in FIELDS} | {"uri": connection.get_uri()}


def text(value):
    return {"none": "None"} if value is None else {"value": value}


def config(backend, key):
    return text(None if backend is None else backend.get_config(key))


def main():
    for name in PRELOAD:
        try:
            importlib.import_module(name)
        except ImportError:
            pass
    for line in sys.stdin:
        request = json.loads(line)
        answer = in_child(fill, request["fill"]) if "fill" in request else in_child(ask, request["ask"])
        print(answer, flush=True)


if __name__ == "__main__":
    main()
