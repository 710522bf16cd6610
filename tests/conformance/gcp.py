"""Asks the real Airflow's CloudSecretManagerBackend which secrets it asks Google for, and in which
project: settings, environments, ids and teams at random, the client replaced by one that notes the
names and finds nothing. A case a line on stdout, the same for the same seed.

    gcp.py --cases 250 --seed 1 >gcp.jsonl

A case's texts have FOLDER where the folder of its files stood, and PRIVATE_KEY where a key did."""

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
os.environ["NO_GCE_CHECK"] = "true"
os.environ.pop("GOOGLE_CLOUD_PROJECT", None)

from airflow.providers.google.cloud._internal_client import secret_manager_client
from airflow.providers.google.cloud.secrets.secret_manager import CloudSecretManagerBackend
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core.exceptions import NotFound
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

asked = []


class Noting:
    secret_version_path = staticmethod(SecretManagerServiceClient.secret_version_path)

    def __init__(self, **_):
        pass

    def access_secret_version(self, request):
        asked.append(request["name"])
        raise NotFound("nothing is here")


secret_manager_client.SecretManagerServiceClient = Noting

PRIVATE_KEY = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    .decode()
)

ACCOUNTS = ["a@one.iam.gserviceaccount.com", "b@two.iam.gserviceaccount.com", "c@three", "no-account", "d@.x"]
IDS = ["x", "pg_default", "a-b", "a--b", "--", "a.b", "a/b", "é", "a b", "red--x", "UPPER", "9", "-x", "x" * 250]
TEAMS = ["red", "blue_2", "a--b", "a/b", "t" * 240]


def service_account(choose):
    key = {
        "type": "service_account",
        "project_id": "of-the-key",
        "private_key_id": "1",
        "private_key": "PRIVATE_KEY",
        "client_email": "reader@of-the-key.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    change = choose.random()
    if change < 0.15:
        del key["project_id"]
    elif change < 0.2:
        del key["private_key_id"]
    elif change < 0.25:
        del key[choose.choice(["client_email", "private_key"])]
    elif change < 0.3:
        key["private_key"] = "broken"
    elif change < 0.35:
        key["type"] = choose.choice(["authorized_user", "unknown"])
    elif change < 0.4:
        key["project_id"] = ""
    return key


def any_file(choose):
    kind = choose.random()
    if kind < 0.5:
        return service_account(choose)
    if kind < 0.75:
        user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
        if choose.random() < 0.2:
            del user["refresh_token"]
        return user
    if kind < 0.9:
        return {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/k",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": "/var/run/token"},
        }
    return {"type": choose.choice(["unknown", None]), "client_id": "i"}


def case(choose):
    kwargs, environment, files = {}, {}, {}
    for name in ("connections_prefix", "variables_prefix", "config_prefix"):
        if choose.random() < 0.4:
            kwargs[name] = choose.choice(["p", "", None, "A_1-", "p-q"] * 4 + ["a/b", "é"])
    if choose.random() < 0.3:
        kwargs["sep"] = choose.choice(["-", "", "_", "--"] * 4 + ["/", "."])
    if choose.random() < 0.3:
        kwargs["project_id"] = choose.choice(["given", "given", "", None, 5])
    if choose.random() < 0.2:
        chain = choose.sample(ACCOUNTS, choose.randint(0, 3))
        kwargs["impersonation_chain"] = choose.choice([chain, chain[0] if chain else None])
    credentials = choose.random()
    if credentials < 0.3:
        kwargs["gcp_keyfile_dict"] = service_account(choose)
    elif credentials < 0.45:
        files["key.json"] = service_account(choose)
        kwargs["gcp_key_path"] = "FOLDER/" + choose.choice(["key.json"] * 8 + ["key.p12", "missing.json"])
    elif credentials < 0.6:
        config = any_file(choose)
        form = choose.randrange(3)
        if form == 0:
            kwargs["gcp_credential_config_file"] = config
        elif form == 1:
            kwargs["gcp_credential_config_file"] = json.dumps(config)
        else:
            files["config.json"] = config
            kwargs["gcp_credential_config_file"] = "FOLDER/config.json"
    if credentials > 0.55:
        place = choose.random()
        if place < 0.6:
            files["default.json"] = any_file(choose)
            environment["GOOGLE_APPLICATION_CREDENTIALS"] = "FOLDER/default.json"
        elif place < 0.7:
            environment["GOOGLE_APPLICATION_CREDENTIALS"] = "FOLDER/missing.json"
        else:
            # gcloud's file; nobody may be asked for gcloud's own project.
            files["application_default_credentials.json"] = service_account(choose)
            environment["CLOUDSDK_CONFIG"] = "FOLDER"
            environment["GOOGLE_CLOUD_PROJECT"] = "of-the-environment"
    if choose.random() < 0.3:
        environment["GOOGLE_CLOUD_PROJECT"] = choose.choice(["of-the-environment", ""])
    if choose.random() < 0.2:
        environment["GCLOUD_PROJECT"] = "of-old"
    if choose.random() < 0.05:
        kwargs["unknown"] = 1
    multi_team = choose.random() < 0.5
    questions = []
    for _ in range(5):
        kind = choose.choice(["connection", "variable", "config"])
        team = choose.choice([None, *TEAMS]) if multi_team and kind != "config" else None
        questions.append([kind, choose.choice(IDS), team])
    return {
        "kwargs": kwargs,
        "environment": environment,
        "files": files,
        "multi_team": multi_team,
        "questions": questions,
    }


def filled(value, folder):
    text = json.dumps(value).replace("FOLDER", folder)
    # Once within JSON within JSON, else once.
    for depth in (2, 1):
        key = PRIVATE_KEY
        for _ in range(depth):
            key = json.dumps(key)[1:-1]
        mark = '\\"PRIVATE_KEY\\"' if depth == 2 else '"PRIVATE_KEY"'
        quote = '\\"' if depth == 2 else '"'
        text = text.replace(mark, quote + key + quote)
    return json.loads(text)


def answer(case):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in case["files"].items():
            Path(folder, name).write_text(json.dumps(filled(content, folder)))
        environment = filled(case["environment"], folder) | {
            "AIRFLOW__CORE__MULTI_TEAM": str(case["multi_team"]),
        }
        environment.setdefault("CLOUDSDK_CONFIG", "/nowhere")
        os.environ.update(environment)
        try:
            backend = CloudSecretManagerBackend(**filled(case["kwargs"], folder))
            names = []
            for kind, name, team in case["questions"]:
                asked.clear()
                if kind == "connection":
                    backend.get_conn_value(name, team)
                elif kind == "variable":
                    backend.get_variable(name, team)
                else:
                    backend.get_config(name)
                names.append(list(asked))
            # Without credentials, every lookup raises, but for those that ask nobody.
            backend.credentials
            return {"names": names}
        except Exception:
            return {"error": True}
        finally:
            for name in environment:
                del os.environ[name]


parser = argparse.ArgumentParser()
parser.add_argument("--cases", type=int, default=250)
parser.add_argument("--seed", type=int, default=1)
arguments = parser.parse_args()
choose = random.Random(arguments.seed)
out = os.fdopen(os.dup(1), "w")
sys.stdout = sys.stderr
for _ in range(arguments.cases):
    made = case(choose)
    print(json.dumps(made | {"out": answer(made)}), file=out)
