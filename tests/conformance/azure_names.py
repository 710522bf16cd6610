"""Asks Airflow's AzureKeyVaultBackend which secrets it looks for, where none exists:
`python tests/conformance/azure_names.py --cases 3000 --seed 1 > tests/conformance/azure_names.jsonl`"""

import argparse
import json
import logging
import os
import random
import sys
import tempfile

# Airflow logs to what it takes for stdout.
answers, sys.stdout = sys.stdout, sys.stderr
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()
logging.disable(logging.CRITICAL)

from azure.core.exceptions import ResourceNotFoundError

from airflow.providers.microsoft.azure.secrets.key_vault import AzureKeyVaultBackend

PREFIXES = ["", None, "airflow-connections", "airflow_variables", "x-", "-", "--", "_", "a--", "über", "a" * 120]
SEPARATORS = ["-", "-", "-", "", "--", "_", "/", "x", "-x", "é"]
PIECES = ["a", "b", "pg", "my", "Z9", "_", "__", "-", "--", "---", ".", "/", " ", "%", "é", "日", "ﬀ", "٣", "\n", "a" * 60, "b" * 118]
TEAMS = [None, None, "red", "red_team", "a--b", "", "blue team", "_", "t" * 100]


class Client:
    def __init__(self):
        self.asked = []

    def get_secret(self, name):
        self.asked.append(name)
        raise ResourceNotFoundError()


def case(random):
    kind = random.choice(["connections", "variables", "config"])
    kwargs = {}
    if random.random() < 0.8:
        kwargs[f"{kind}_prefix"] = random.choice(PREFIXES)
    if random.random() < 0.6:
        kwargs["sep"] = random.choice(SEPARATORS)
    multi_team = random.random() < 0.6
    name = "".join(random.choice(PIECES) for _ in range(random.randint(0, 4)))
    team = random.choice(TEAMS) if multi_team and kind != "config" else None
    os.environ["AIRFLOW__CORE__MULTI_TEAM"] = str(multi_team)

    backend = AzureKeyVaultBackend(vault_url="https://x.vault.azure.net", **kwargs)
    client = backend.__dict__["client"] = Client()
    if kind == "connections":
        answer = backend.get_conn_value(name, team_name=team)
    elif kind == "variables":
        answer = backend.get_variable(name, team_name=team)
    else:
        answer = backend.get_config(name)
    assert answer is None
    prefix = kwargs.get(f"{kind}_prefix", f"airflow-{kind}")
    return {
        "prefix": prefix,
        "sep": kwargs.get("sep", "-"),
        "multi_team": multi_team,
        "id": name,
        "team": team,
        "asked": client.asked,
    }


parser = argparse.ArgumentParser()
parser.add_argument("--cases", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
arguments = parser.parse_args()
chosen = random.Random(arguments.seed)
for _ in range(arguments.cases):
    print(json.dumps(case(chosen)), file=answers)
