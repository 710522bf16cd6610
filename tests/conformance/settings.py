"""Asks a real Airflow what its settings are; writes a case a line.

    python tests/conformance/settings.py --cases 3000 --seed 1 > tests/conformance/settings.jsonl

A case is {"in": …, "out": …}. `in` is what a process finds:

- `env`: its environment variables; `cfg`: the text of its airflow.cfg, or null;
- `side`: "server" or "worker";
- `store`: what the custom secrets backend gives for `get_config`, by key; null makes it raise;
- `ask`: the questions: ["get", section, key], ["bool", section, key], ["ttl"], ["conn"] (the
  metadata DB's URL) and ["backend"].

`out` is {"start": false} where Airflow does not start, or {"start": true, "answers": […]}: an
answer is {"value": …}, {"error": true} or, for "backend", {"class_path", "kwargs", "warned"}.

`@HOME@` stands for the folder that AIRFLOW_HOME names, in both. The same seed gives the same cases.
"""

from __future__ import annotations

import argparse
import copy
import io
import itertools
import json
import logging
import os
import random
import re
import shutil
import sys
import tempfile
import warnings

# Airflow logs to stdout, which is for the cases alone.
ANSWERS, sys.stdout = sys.stdout, sys.stderr
HOME = tempfile.mkdtemp(prefix="settings-conformance-")
os.environ["AIRFLOW_HOME"] = HOME
warnings.simplefilter("ignore")

import airflow._shared.module_loading as core_loading  # noqa: E402
import airflow.configuration as core  # noqa: E402
import airflow.sdk._shared.module_loading as sdk_loading  # noqa: E402
import airflow.sdk.configuration as sdk  # noqa: E402

CLASSES = [
    "airflow.secrets.environment_variables.EnvironmentVariablesBackend",
    "airflow.secrets.local_filesystem.LocalFilesystemBackend",
    "airflow.secrets.metastore.MetastoreBackend",
    "airflow.providers.hashicorp.secrets.vault.VaultBackend",
    "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
]
LOCAL = CLASSES[1]


class Recorder:
    """Stands in for a backend: keeps its arguments, gives configuration out of the case's store."""

    store: dict = {}
    class_path = ""

    def __init__(self, **kwargs):
        self.kwargs = kwargs

    def get_config(self, key):
        if key not in self.store:
            return None
        if self.store[key] is None:
            raise RuntimeError("down")
        return self.store[key]

    def _set_connection_class(self, _):
        pass


def stub(real):
    def import_string(path):
        if path in CLASSES:
            return type("Recorder", (Recorder,), {"class_path": path})
        return real(path)

    return import_string


core_loading.import_string = stub(core_loading.import_string)
core.import_string = core_loading.import_string
sdk_loading.import_string = stub(sdk_loading.import_string)
sdk.import_string = sdk_loading.import_string

# What takes long and never changes is read once.
for module, arguments in ((core, {"include_providers": False}), (sdk, {})):
    description = module.retrieve_configuration_description(**arguments)
    module.retrieve_configuration_description = lambda description=description, **_: copy.deepcopy(description)


class CountWarnings:
    """Takes the place of the two parsers' loggers."""

    def __init__(self):
        self.count = 0

    def warning(self, message, *_args, **_kwargs):
        self.count += "Failed to parse" in str(message)

    def __getattr__(self, _):
        return lambda *_args, **_kwargs: None


LOG = CountWarnings()
sys.modules["airflow._shared.configuration.parser"].log = LOG
sys.modules["airflow.sdk._shared.configuration.parser"].log = LOG
logging.disable(logging.CRITICAL)


def ask(case):
    """What Airflow says to `case`."""
    os.environ.clear()
    os.environ.update({name: value.replace("@HOME@", HOME) for name, value in case["env"].items()})
    path = os.path.join(HOME, "airflow.cfg")
    if os.path.exists(path):
        os.remove(path)
    if case["cfg"] is not None:
        with open(path, "w", newline="") as file:
            file.write(case["cfg"].replace("@HOME@", HOME))
    Recorder.store = case["store"]
    try:
        start()
    except Exception:
        return {"start": False}
    if case["side"] == "worker":
        try:
            sdk.conf = sdk.initialize_config()
        except Exception:
            return {"start": False}
    conf = sdk.conf if case["side"] == "worker" else core.conf
    answers = []
    for question in case["ask"]:
        try:
            answers.append(answer(conf, case["side"], question))
        except Exception:
            answers.append({"error": True})
    return json.loads(json.dumps({"start": True, "answers": answers}).replace(HOME, "@HOME@"))


def start():
    """As the last lines of `airflow.configuration` do when it is imported, and, for the arguments
    of the backend, `settings.initialize`, which reads every secret setting to mask it."""
    core._SecretKeys.fernet_key = ""
    core.AIRFLOW_HOME = core.get_airflow_home()
    core.AIRFLOW_CONFIG = core.get_airflow_config(core.AIRFLOW_HOME)
    core.conf = core.initialize_config()
    core.secrets_backend_list = core.initialize_secrets_backends()
    core.conf.validate()
    if core.conf.get("secrets", "backend"):
        try:
            core.conf.get("secrets", "backend_kwargs")
        except core.AirflowConfigException:
            pass


def answer(conf, side, question):
    match question:
        case ["get", section, key]:
            return {"value": conf.get(section, key, fallback=None)}
        case ["bool", section, key]:
            return {"value": conf.getboolean(section, key)}
        case ["ttl"]:
            return {"value": max(conf.getint("secrets", "cache_ttl_seconds"), 0)}
        case ["conn"]:
            return {"value": conf.get("database", "sql_alchemy_conn")}
        case ["backend"]:
            LOG.count = 0
            backend = conf._get_custom_secret_backend(worker_mode=side == "worker")
            if backend is None:
                return {"class_path": None}
            return {
                "class_path": backend.class_path,
                "kwargs": backend.kwargs,
                "warned": LOG.count > 0,
            }


# --- the cases ---------------------------------------------------------------------------------

BASE = {"AIRFLOW_HOME": "@HOME@", "HOME": "/home/somebody", "PATH": "/usr/bin:/bin"}


def case(env=None, cfg=None, side="server", store=None, ask=()):
    return {
        "env": {**BASE, **(env or {})},
        "cfg": cfg,
        "side": side,
        "store": store or {},
        "ask": list(ask),
    }


SENSITIVE = [("core", "fernet_key"), ("database", "sql_alchemy_conn")]
PLAIN = [("database", "sql_alchemy_schema"), ("secrets", "use_cache"), ("core", "multi_team")]


def precedence(rng):
    """A setting in some of its places at once."""
    section, key = rng.choice(SENSITIVE + PLAIN + [("secrets", "backend_kwargs")])
    names = [(section, key)]
    if key == "sql_alchemy_conn":
        names.append(("core", key))
    env, sections, store, marker = {}, {}, {}, itertools.count()
    shape = "sqlite:///{}" if key == "sql_alchemy_conn" else "v{}"
    if (section, key) in PLAIN[1:]:
        shape = rng.choice(["True", "False"])
    for name, suffix, place in itertools.product(names, ["", "_CMD", "_SECRET"], ["env", "cfg"]):
        if rng.random() > 0.35 or (key == "backend_kwargs" and suffix == "_SECRET"):
            continue
        value = shape.format(next(marker))
        if suffix == "_CMD":
            value = rng.choice(
                [f"echo {value}", f"printf {value}", f"printf '  {value}\\n'", "true", f"echo '$HOME' {value}"]
                + (["false", "/nonexistent/program"] if rng.random() < 0.3 else [])
            )
        elif suffix == "_SECRET":
            config_key = f"c{next(marker)}"
            store[config_key] = rng.choice([value, value, "", "$HOME/x"] + ([None] if rng.random() < 0.2 else []))
            if rng.random() < 0.25:
                del store[config_key]
            value = config_key
        elif rng.random() < 0.15:
            value = ""
        if place == "env":
            env[f"AIRFLOW__{name[0].upper()}__{name[1].upper()}{suffix}"] = value
        else:
            value = value.replace("%", "%%")
            sections.setdefault(name[0], []).append(f"{name[1]}{suffix.lower()} = {value}")
    if rng.random() < 0.6:
        env["AIRFLOW__SECRETS__BACKEND"] = LOCAL
    cfg = "".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections.items())
    question = ["conn"] if key == "sql_alchemy_conn" else ["get", section, key]
    return case(env, cfg if sections or rng.random() < 0.5 else None, store=store, ask=[question, ["backend"]])


PIECES = [
    "$A", "${B}", "$", "$$", "${}", "${A", "$A$B", "~", "~/x", "/", "text", " ", "$HOME", "${HOME}/y",
    "$NONE", "${NO NE}", "$A_", "$1", "$é", "{", "}", "~nobody_at_all/x", "a~", "%", "%%", "\\$A", "$EMPTY",
]  # fmt: skip


def expansion(rng):
    """Variables and home folders in values."""
    variables = {
        "A": rng.choice(["a", "$B", "~", "x${B}x", "$NONE", "{", "", "$"]),
        "B": rng.choice(["b", "$C", "/~", "", "C}", "A "]),
        "C": rng.choice(["c", "~/c", "$HOME"]),
        "1": "one",
        "V": "v",
        "EMPTY": "",
    }
    if rng.random() < 0.2:
        del variables["A"]
    home = rng.choice(["/home/somebody", "/home/x/", "/", "", "$V"])
    value = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 5)))
    ask = [["get", "database", "sql_alchemy_schema"]]
    env = {**variables, "HOME": home}
    if rng.random() < 0.5:
        return case({**env, "AIRFLOW__DATABASE__SQL_ALCHEMY_SCHEMA": value}, ask=ask)
    return case(env, "[database]\nsql_alchemy_schema = " + value.replace("%", "%%") + "\n", ask=ask)


BOOLEANS = [
    "True", "true", "TRUE", "t", "T", "1", "False", "f", "0", "F", "yes", "no", "on", "", " true ", "true # why",
    "#", "# true", "false#x", "2", "None", "tru e", "1.0", "\ttrue\t", "\x1ctrue", "\u00a0true\u3000", "truE#tru",
]  # fmt: skip
INTEGERS = [
    "900", " 7 ", "0", "-5", "+5", "9e2", "9.0", "9.5", "1_000", "_1", "1_", "1__0", "", "abc", "inf", "nan", "-inf",
    "1e400", ".5e1", "5.", "5.e0", ".", "e5", "0x10", "007", "1 0", "1_0.0", "1_.0", "1._0", "1e1_0", "1e_1", "--1",
    "\x1c5", "\u00a05", "900s", "9e-1", "90e-1", "+ 5", "infinity", "True", "9,0",
]  # fmt: skip


def typed():
    for value in BOOLEANS:
        for section, key in (("core", "multi_team"), ("secrets", "use_cache")):
            yield case({f"AIRFLOW__{section}__{key}".upper(): value}, ask=[["bool", section, key]])
    for value in BOOLEANS:
        yield case({"AIRFLOW__CORE__UNIT_TEST_MODE": value}, "[secrets]\nbackend = x.Y\n", ask=[["backend"]])
        yield case(cfg=f"[core]\nunit_test_mode = {value}\n[secrets]\nuse_cache = True\n", ask=[["bool", "secrets", "use_cache"]])
    for value in INTEGERS:
        yield case({"AIRFLOW__SECRETS__CACHE_TTL_SECONDS": value}, ask=[["ttl"]])


KWARGS = [
    "", "{}", "null", "[]", "0", "false", '""', "0.0", " ", "[1]", "1", "true", '"x"', "x", "{", "{'a': 1}", '{"a": 1}',
    '{"a": 1, "a": 2}', '{"a": null, "b": [1, {"c": 2.5}], "d": "é\\u00e9"}', '{"a": "\n"}', '{"a": 1,}', '{"a": 1} x',
    ' {"a": 1}\n', "'{\"a\": 1}'", '"{\\"a\\": 1}"', '{"gcp_keyfile_dict": "{"type": "x"}"}', '{"a": $J}', '{"a": "$V"}',
    '{"a": "~"}', '{a: 1}', '{"a": 1e5, "b": -0.5, "c": 12345678901}', '{"role_id": "json", "secret_id": "json"}',
    '{"A": 1}', '{"a": "%s"}', '{"a": "\\ud83d\\ude00"}', '{"a": 01}', '{"a": "\t"}', "\ufeff{}", '{"": 1}',
]  # fmt: skip


def backends(rng):
    """Which backend, with which arguments, on which side."""
    env, sections = {"J": '{"x": 1}', "V": "v"}, {}
    for section, key, kwargs in (("secrets", "backend", "backend_kwargs"), ("workers", "secrets_backend", "secrets_backend_kwargs")):
        lines = sections.setdefault(section, [])
        path = rng.choice(CLASSES) if rng.random() < 0.9 else rng.choice(["nowhere.Backend", "nothing", " ", f" {LOCAL}", f"{LOCAL}.", ""])
        for name, value in ((key, path), (kwargs, rng.choice(KWARGS))):
            where = rng.choice(["env", "cfg", "none", "env"]) if section == "secrets" or rng.random() < 0.6 else "none"
            if where == "env":
                env[f"AIRFLOW__{section}__{name}".upper()] = value
            elif where == "cfg":
                value = value.replace("%", "%%").replace("\n", "\n    ").replace("\r", "")
                lines.append(f"{name} = {value}")
        if rng.random() < 0.1:
            env[f"AIRFLOW__{section}__{kwargs}_CMD".upper()] = rng.choice(["false", "echo '{\"cmd\": 1}'", "echo no", "true"])
        if rng.random() < 0.1:
            lines.append(f"{kwargs}_cmd = " + rng.choice(["false", "echo '{\"cmd\": 1}'", "/nonexistent", "'"]))
        prefix = f"AIRFLOW__{section}__{kwargs.removesuffix('s')}__".upper()
        for name in ("ROLE_ID", "secret_id", "A", "", "_X", "É"):
            if rng.random() < 0.15:
                env[prefix + name] = rng.choice(["env", "", "$V", "~", "{}", "1", " x "])
    cfg = "".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections.items())
    return case(env, cfg, side=rng.choice(["server", "worker"]), ask=[["backend"]])


COMMANDS = [
    "echo a b", "echo 'a b'", 'echo "a b"', "echo a\\ b", "echo a # b", "echo 'a' \"b\"'c'd", 'echo "a\\"b"', 'echo "a\\$b"',
    "echo 'a\\'b", "echo a\\", "echo 'a", 'echo "a', "", " ", "echo ''", 'echo "" a', "echo $HOME", "printenv HOME",
    "printf 'a\\n\\n'", "printf '\\377a\\303\\251'", "echo a; echo b", "echo a | cat", "false", "sh -c 'exit 3'", "/nonexistent",
    "/etc/passwd", "echo\ta\n b\rc", "echo a\\\nb", 'echo "a\\\nb"', "echo é ü", "cat /dev/null", "sh -c 'echo out; echo err >&2'",
    "echo %", "echo %%", "echo \u00a0a", "echo 'a'#b", "echo '#'", 'echo "\\a\\\\b"', "echo ~", "printf '%s' \"a'b\"",
]  # fmt: skip


def commands():
    for command in COMMANDS:
        ask = [["get", "core", "fernet_key"]]
        yield case({"AIRFLOW__CORE__FERNET_KEY_CMD": command}, ask=ask)
        text = command.replace("%", "%%").replace("\n", "\n  ")
        yield case(cfg=f"[core]\nfernet_key_cmd = {text}\n", ask=ask)
        yield case({"AIRFLOW__SECRETS__BACKEND_KWARGS_CMD": command, "AIRFLOW__SECRETS__BACKEND": LOCAL}, ask=[["backend"]])
        yield case({"AIRFLOW__SECRETS__USE_CACHE_CMD": command}, ask=[["get", "secrets", "use_cache"]])


def written_by_airflow():
    """The file that Airflow itself writes where there is none, with keys that never change."""
    core.AIRFLOW_HOME = HOME
    file = io.StringIO()
    core.AirflowConfigParser().write(
        file, include_sources=False, include_providers=False, only_defaults=True, show_values=True
    )
    text = file.getvalue().replace(HOME, "@HOME@")
    key = "bzO3A786vk35X4Acd32kByhWX7DMdF6zptioz_hu_BU="
    return re.sub(r"(?m)^((fernet|secret)_key|jwt_secret) = .*$", rf"\g<1> = {key}", text)


def by_hand():
    ask = [["get", *name] for name in [*SENSITIVE, *PLAIN, ("secrets", "backend"), ("workers", "secrets_backend_kwargs")]]
    for side in ("server", "worker"):
        yield case(cfg=written_by_airflow(), side=side, ask=[*ask, ["backend"], ["ttl"], ["conn"]])
    yield case(ask=[["get", *name] for name in SENSITIVE + PLAIN] + [["backend"], ["ttl"], ["conn"]])
    for url in ("postgres://h/d", "postgres+psycopg2://h/d", "POSTGRES://h/d", "postgresql://h/d", "postgres:h", "postgres:/", "mysql://h", "", "postgres://", "postgresql+psycopg2://postgres://"):
        for env in ({"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}, {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": url}):
            yield case(env, ask=[["conn"]])
        yield case(cfg=f"[database]\nsql_alchemy_conn = {url}\n", ask=[["conn"]])
        yield case({"U": url, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "printenv U"}, ask=[["conn"]])
    for section, key, values in (
        ("logging", "logging_level", ["INFO", "info", "", "TRACE", " INFO"]),
        ("core", "default_task_weight_rule", ["upstream", "sideways"]),
        ("core", "dag_ignore_file_syntax", ["glob", "regex"]),
        ("dag_processor", "file_parsing_sort_mode", ["alphabetical", "x"]),
        ("logging", "fab_logging_level", ["WARN", "x"]),
        ("logging", "celery_logging_level", ["", "FATAL", "x"]),
        ("logging", "uvicorn_logging_level", ["DEBUG", "x"]),
        ("logging", "gunicorn_logging_level", ["ERROR", "x"]),
        ("webserver", "analytical_tool", ["", "matomo", "x"]),
        ("api", "grid_view_sorting_order", ["topological", "x"]),
        ("webserver", "grid_view_sorting_order", ["topological", "x"]),
        ("logging", "dag_processor_log_target", ["stdout", "x"]),
    ):
        for value in values:
            yield case({f"AIRFLOW__{section}__{key}".upper(): value}, ask=[])
            yield case(cfg=f"[{section}]\n{key} = {value}\n", ask=[])
    text = "[secrets]\nuse_cache = True\n"
    for env in (
        {"AIRFLOW_HOME": "$PLACE", "PLACE": "@HOME@"},
        {"AIRFLOW_HOME": "~/", "HOME": "@HOME@"},
        {"AIRFLOW_HOME": "/nowhere", "AIRFLOW_CONFIG": "@HOME@/airflow.cfg"},
        {"AIRFLOW_HOME": "/nowhere", "AIRFLOW_CONFIG": "${PLACE}/airflow.cfg", "PLACE": "@HOME@"},
        {"AIRFLOW_HOME": "/nowhere", "AIRFLOW_CONFIG": "~/airflow.cfg", "HOME": "@HOME@"},
        {"AIRFLOW_CONFIG": "/nowhere/airflow.cfg"},
        {"AIRFLOW_CONFIG": ""},
        {"AIRFLOW_HOME": "@HOME@/"},
        {"AIRFLOW_HOME": "@HOME@/airflow.cfg/x"},
        {"AIRFLOW_HOME": "@HOME@/../nowhere"},
    ):
        yield case(env, text, ask=[["bool", "secrets", "use_cache"], ["conn"]])
    for side in ("server", "worker"):
        yield case(cfg="broken\n", side=side)
        yield case({"AIRFLOW__WORKERS__SECRETS_BACKEND": LOCAL, "AIRFLOW__SECRETS__BACKEND": "no.Where"}, side=side, ask=[["backend"]])


NAMES = ["s", "t", "S", "s t", "DEFAULT", "default", "a]b", "s:t", "é", "s=t", "", "[s", "s]", "#s", "s ", "team=s"]
KEYS = ["k", "l", "K", "k l", "k%", "é", "m_cmd", "#k", "k;", "[k", "k]", "", "k\u00a0", "x-y", "k\\"]
VALUES = [
    "v", "", "%", "%%", "%(k)s", "%(l)s", "%(K)s", "%(k", "%()s", "%(none)s", "%d", "a = b", "a: b", "v # c", "v ; c", "$A",
    "${A}", "~", "[v]", "'v'", '"v"', "v\\", "é\u2028x", "\u00a0v\u00a0", "\x1cv", "a\tb", "%%(k)s", "%(k)s%(l)s", "%%%", "\x0cv",
    "{x}", "v\x85w", "%(a b)s", "%(k)d", "%(x-y)s",
]  # fmt: skip
SEPARATORS = [" = ", "=", ":", " : ", "= ", " =", "\t=\t", " =: ", "==", "\u00a0=\u2003"]
INDENTS = ["", "", "", "", "", " ", "  ", "\t", "    ", "\u00a0", "\x1c", "\x0b"]
JUNK = ["", "", " ", "\t", "# c", "; c", "  # c", "\t; c", "word", "[", "[]", "]", "\x0c", "\u2003", "\ufeff", "//", "[s] x", "[s] = v", "%", "="]
ENDS = ["\n"] * 12 + ["\r\n", "\r", "\n\n", "\x0b\n", "\x85\n", "\u2028\n"]


def ini(rng):
    """The text of a file, well-formed and not."""
    lines, used = [], {("", "")}
    wild = rng.random() < 0.35
    section = None
    if rng.random() < 0.9:
        section = rng.choice(["s", "t"])
        lines.append(f"[{section}]")
    for _ in range(rng.randint(0, 9)):
        kind = rng.random()
        indent = rng.choice(INDENTS)
        if kind < 0.15:
            name = rng.choice(NAMES if wild else ["s", "t", "DEFAULT", "team=s", "S"])
            if not wild and ("section", name) in used:
                continue
            used.add(("section", name))
            section = name
            lines.append(f"{indent if wild else ''}[{name}]" + (rng.choice(JUNK) if wild else ""))
        elif kind < 0.75:
            key = rng.choice(KEYS if wild else ["k", "l", "m", "K", "x-y", "k l", "é"])
            if not wild and (section, key) in used:
                continue
            used.add((section, key))
            value = rng.choice(VALUES) if rng.random() < 0.6 else rng.choice(VALUES) + rng.choice(VALUES)
            lines.append((indent if wild else "") + key + rng.choice(SEPARATORS) + value)
        elif kind < 0.9:
            lines.append(rng.choice(INDENTS[5:]) + rng.choice(VALUES))
        else:
            lines.append(rng.choice(JUNK if wild else JUNK[:8]))
    text = "".join(line + rng.choice(ENDS if wild else ENDS[:14]) for line in lines)
    if rng.random() < 0.2:
        text = text.rstrip("\n")
    if wild and rng.random() < 0.05:
        text = "\ufeff" + text
    names = [name for name in ("s", "t", "default", "DEFAULT", "a]b", "s:t", "é", "team=s", "s]", "[s") if rng.random() < 0.4]
    keys = [key for key in ("k", "l", "m", "k l", "é", "x-y", "k%", "m_cmd", "[k", "k]") if rng.random() < 0.5]
    ask = [["get", section, key] for section in ["s", *names] for key in ["k", *keys]]
    return case({"A": "a"}, text, ask=ask)


def cases(count, seed):
    rng = random.Random(seed)
    yield from by_hand()
    yield from typed()
    yield from commands()
    while True:
        yield rng.choice([ini, ini, ini, precedence, expansion, backends])(rng)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=3000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments = arguments.parse_args()
    try:
        for one in itertools.islice(cases(arguments.cases, arguments.seed), arguments.cases):
            print(json.dumps({"in": one, "out": ask(one)}, ensure_ascii=True), file=ANSWERS)
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


if __name__ == "__main__":
    main()
