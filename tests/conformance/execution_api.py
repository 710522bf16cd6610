"""Asks, as a Python task of the real Airflow does, what connections and variables come to: a question a
line on stdin (`["connection", "id"]` or "variable"), an answer a line on stdout (after `answer:`): `null`
where there is none, `{"denied": true}` where the server denies it.

The chain is a task's own: the worker's secrets backend, environment variables, and the supervisor. Of the
supervisor only the process is missing: its own client and handlers ask the API server that EXECUTION_API
names with the token in TOKEN, and what they give passes as the message that it would be."""

import json
import logging
import os
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import structlog
from airflow.sdk import Connection
from airflow.sdk.api.client import Client
from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetConnection, GetVariable, ToTask
from airflow.sdk.execution_time.context import _get_variable
from airflow.sdk.execution_time.request_handlers import handle_get_connection, handle_get_variable
from pydantic import TypeAdapter

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

FIELDS = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")


class Supervisor:
    HANDLERS = {GetConnection: handle_get_connection, GetVariable: handle_get_variable}

    def __init__(self):
        self.client = Client(base_url=os.environ["EXECUTION_API"], token=os.environ["TOKEN"])
        self.messages = TypeAdapter(ToTask)

    def send(self, message):
        answer, options = self.HANDLERS[type(message)](self.client, message)
        return self.messages.validate_python(answer.model_dump(**options))


task_runner.SUPERVISOR_COMMS = Supervisor()


def connection(conn_id):
    found = Connection.get(conn_id)
    return {field: getattr(found, field) for field in FIELDS} | {"uri": found.get_uri()}


def variable(key):
    return _get_variable(key, deserialize_json=False)


KINDS = {"connection": connection, "variable": variable}

for line in sys.stdin:
    kind, name = json.loads(line)
    try:
        answer = KINDS[kind](name)
    except AirflowSecretsBackendAccessDenied:
        answer = {"denied": True}
    except Exception:
        answer = None
    print("answer:" + json.dumps(answer), flush=True)
