"""What the real Airflow gives for a variable, with and without a default and `deserialize_json`: a JSON line a case.

Run with `.tools/airflow3/bin/python tests/conformance/variables.py > tests/conformance/variables.jsonl`.
Both sides are asked: `airflow.models.Variable` (server) and `airflow.sdk.Variable` (task), each with one source that
holds the case's text (`{"value": …}`), lacks it (`"missing"`), or fails (`"down"`).
"""

import json
import logging
import os
import sys
import tempfile
import unittest.mock as mock

HOME = tempfile.mkdtemp()
for name in list(os.environ):
    if name.startswith("AIRFLOW"):
        del os.environ[name]
os.environ.update(AIRFLOW_HOME=HOME, AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL")
logging.disable(logging.CRITICAL)

import airflow.models.variable as server  # noqa: E402
import airflow.sdk.execution_time.supervisor as supervisor  # noqa: E402
from airflow.models import Variable as ServerVariable  # noqa: E402
from airflow.sdk import Variable as TaskVariable  # noqa: E402
from airflow.secrets.base_secrets import BaseSecretsBackend  # noqa: E402

VALUES = [
    "", " ", "x", "null", "true", "{bad", "{'a': 1}", '{"a": 1}', '{"b": 1, "a": [2, {"c": null}], "b": 3}', "[]", "[1,]", "0", "-0",
    "1.0", "1e3", "-1.5E-7", "0.1", "123456789012345678", "18446744073709551615", "-9223372036854775808", "01", "+1", ".5", "1.", "NaN",
    "-Infinity", "1e400", '"text"', '"\\u00fc \\ud83d\\ude42"', '"\\ud800"', '"a\tb"', ' \n[1]\r\t', "\u00a0[1]", "\ufeff[1]", "[1] x",
    '"\\/"', "\"\\x41\"", '{"": {}}', "{1: 2}", "5e-324", "2.2250738585072011e-308", "9007199254740993.0",
]


class Source(BaseSecretsBackend):
    def __init__(self, held):
        self.held = held

    def get_variable(self, key, team_name=None):
        if self.held == "down":
            raise RuntimeError("down")
        return None if self.held == "missing" else self.held["value"]


def answer(ask, is_json):
    try:
        value = ask()
    except (KeyError, ValueError, RuntimeError) as error:
        return {"error": type(error).__name__}
    except Exception as error:
        return {"error": error.error.error.name}
    return {"json": json.dumps(value)} if is_json and value != "the default" else {"text": value}


def main():
    for held in ["missing", "down", *({"value": value} for value in VALUES)]:
        for is_json in (False, True):
            for default in (None, "the default"):
                backends = lambda *args, **kwargs: [Source(held)]  # noqa: E731
                given = {} if default is None else {"default_var": default}
                with mock.patch.object(server, "ensure_secrets_loaded", backends):
                    there = answer(lambda: ServerVariable.get("key", deserialize_json=is_json, **given), is_json)
                given = {} if default is None else {"default": default}
                with mock.patch.object(supervisor, "ensure_secrets_backend_loaded", backends):
                    task = answer(lambda: TaskVariable.get("key", deserialize_json=is_json, **given), is_json)
                case = {"source": held, "default": default, "deserialize_json": is_json, "server": there, "task": task}
                print(json.dumps(case), file=sys.stdout)


if __name__ == "__main__":
    main()
