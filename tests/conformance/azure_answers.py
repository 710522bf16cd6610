"""Asks the real Airflow, in the environment given, what connections, variables and configuration
entries come to: a question a line on stdin, `["connection", "id", "team or null"]`, an answer a
line on stdout; `null` where Airflow has none.

A line that is an object, `{"environment": {…}, "kwargs": {…}, "keys": […]}`, asks Airflow's class
itself for variables, made from these arguments in this environment."""

import json
import logging
import os
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
    return Variable.get_variable_from_secrets(key, team_name=team)


def config(key, _team):
    return ensure_secrets_loaded()[0].get_config(key)


def variables_of_class(environment, kwargs, keys):
    from airflow.providers.microsoft.azure.secrets.key_vault import AzureKeyVaultBackend

    before = dict(os.environ)
    os.environ.update(environment)
    try:
        backend = AzureKeyVaultBackend(**kwargs)
        return [found(backend.get_variable, key) for key in keys]
    finally:
        os.environ.clear()
        os.environ.update(before)


def found(ask, *question):
    try:
        return ask(*question)
    except Exception:
        return None


for line in sys.stdin:
    question = json.loads(line)
    if isinstance(question, dict):
        answer = variables_of_class(**question)
    else:
        kind, name, team = question
        ask = {"connection": connection, "variable": variable, "config": config}[kind]
        answer = found(ask, name, team)
    print("answer:" + json.dumps(answer), flush=True)
