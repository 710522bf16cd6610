"""Asks the real Airflow, with whichever secrets backend the environment names, what connections,
variables and configuration entries come to: a question a line on stdin, an answer a line on stdout
(after `answer:`), `null` where Airflow has none. A question is one of:

- `["connection", "id", "team or null"]`, or "variable" or "config": a value that is no text comes
  as JSON text, as this crate gives it (docs/differences.md);
- `{"class": "…", "kwargs": {…}, "environment": {…}, "keys": […]}`: what a backend's class itself
  gives for variables, made from these arguments in this environment; `null` where it is not made.

Google's client goes over REST, as ours does; to the server that SECRET_MANAGER_EMULATOR_HOST names
without a token."""

import json
import logging
import os
import socket
import sys
import warnings
from functools import cache
from pydoc import locate

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

FIELDS = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")


def google_over_rest():
    emulator = os.environ.get("SECRET_MANAGER_EMULATOR_HOST")
    if emulator:
        os.environ.setdefault("NO_GCE_CHECK", "true")

    from airflow.providers.google.cloud._internal_client import secret_manager_client
    from google.auth.credentials import AnonymousCredentials, with_scopes_if_required
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceTransport

    # Airflow makes one for each lookup, which takes its time.
    @cache
    def client(credentials, **options):
        if emulator:
            credentials = AnonymousCredentials()
            options["client_options"] = {"api_endpoint": "http://" + emulator}
        # Over gRPC, Google's library does this by itself.
        credentials = with_scopes_if_required(credentials, None, SecretManagerServiceTransport.AUTH_SCOPES)
        return SecretManagerServiceClient(credentials=credentials, transport="rest", **options)

    secret_manager_client.SecretManagerServiceClient = client


def google_at(address):
    """Reaches Google's IAM, under its names, at this address: Airflow's client for it takes no proxy."""
    import httplib2

    host, port = address.split(":")

    def connect(self):
        sock = socket.create_connection((host, int(port)))
        self.sock = self._context.wrap_socket(sock, server_hostname=self.host)

    httplib2.HTTPSConnectionWithTimeout.connect = connect


def kubernetes_at(folder):
    """Finds a pod's service account in this folder."""
    from airflow.providers.cncf.kubernetes.secrets import kubernetes_secrets_backend
    from kubernetes.config import incluster_config

    incluster_config.SERVICE_TOKEN_FILENAME = folder + "/token"
    incluster_config.SERVICE_CERT_FILENAME = folder + "/ca.crt"
    backend = kubernetes_secrets_backend.KubernetesSecretsBackend
    backend.SERVICE_ACCOUNT_NAMESPACE_PATH = folder + "/namespace"


GOOGLE = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"
if os.environ.get("AIRFLOW__SECRETS__BACKEND") == GOOGLE:
    google_over_rest()
if os.environ.get("TEST_SERVICE_ACCOUNT"):
    kubernetes_at(os.environ["TEST_SERVICE_ACCOUNT"])

from airflow.configuration import ensure_secrets_loaded
from airflow.models import Connection, Variable


def connection(conn_id, team):
    found = Connection.get_connection_from_secrets(conn_id, team_name=team)
    return {field: getattr(found, field) for field in FIELDS} | {"uri": found.get_uri()}


def variable(key, team):
    return text(Variable.get_variable_from_secrets(key, team_name=team))


def config(key, _team):
    return text(ensure_secrets_loaded()[0].get_config(key))


def text(found):
    return found if found is None or isinstance(found, str) else json.dumps(found)


def variables_of_class(question):
    before = dict(os.environ)
    os.environ.update(question["environment"])
    if question["class"] == GOOGLE:
        google_over_rest()
    if "TEST_SERVICE_ACCOUNT" in question["environment"]:
        kubernetes_at(question["environment"]["TEST_SERVICE_ACCOUNT"])
    if question["kwargs"].get("auth_type") == "gcp":
        google_at(os.environ["GCE_METADATA_HOST"])
    try:
        backend = locate(question["class"])(**question["kwargs"])
        return [answer(backend.get_variable, key) for key in question["keys"]]
    finally:
        os.environ.clear()
        os.environ.update(before)


def answer(ask, *question):
    try:
        return ask(*question)
    except Exception:
        return None


KINDS = {"connection": connection, "variable": variable, "config": config}

for line in sys.stdin:
    question = json.loads(line)
    if isinstance(question, dict):
        answered = answer(variables_of_class, question)
    else:
        kind, name, team = question
        answered = answer(KINDS[kind], name, team)
    print("answer:" + json.dumps(answered), flush=True)
