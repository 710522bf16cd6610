"""Asks the real Airflow, in the environment given, what connections, variables and configuration
entries come to: a question a line on stdin, `["connection", "id", "team or null"]`, an answer a
line on stdout; `null` where Airflow has none. Values that are no texts come as `str` shows them."""

import json
import logging
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from airflow.configuration import ensure_secrets_loaded
from airflow.models import Connection, Variable

FIELDS = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")


def connection(conn_id, team):
    found = Connection.get_connection_from_secrets(conn_id, team_name=team)
    return {field: getattr(found, field) for field in FIELDS} | {"uri": found.get_uri()}


def variable(key, team):
    found = Variable.get_variable_from_secrets(key, team_name=team)
    return None if found is None else str(found)


def config(key, _team):
    found = ensure_secrets_loaded()[0].get_config(key)
    return None if found is None else str(found)


for line in sys.stdin:
    kind, name, team = json.loads(line)
    try:
        answer = {"connection": connection, "variable": variable, "config": config}[kind](name, team)
    except Exception:
        answer = None
    print("answer:" + json.dumps(answer), flush=True)
