"""Asks real Airflows what is in random Airflow homes, and compares with the `resolve` example.

    python3 tests/conformance/compare_resolve.py --homes 10 --bin target/debug/examples/resolve

Each home has its airflow.cfg, environment, local files and metadata DB (written by that Airflow).
Of three homes one is asked of Airflow 3.3.2's server side, one of its worker side, one of Airflow
2.11.2. Every field of every answer is compared; where Airflow has none, ours may be any error.
Prints the seed, what was compared, and every difference that no rule of DIFFERENCES names. Fails
if there is one.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from resolve_airflow import FIELDS
from resolve_homes import Maker

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("connections", "variables", "configs")
TURNS = ((3, "server"), (3, "worker"), (2, "server"))


class Airflow:
    """A real Airflow of one version, waiting for requests."""

    def __init__(self, version, python, cache):
        self.version, self.python = version, python
        self.template = cache / f"airflow-{version}.db"
        if not self.template.exists():
            migrate(python, self.template)
        self.process = subprocess.Popen(
            [python, Path(__file__).with_name("resolve_airflow.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def request(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "broken" in answer:
            sys.exit(f"Airflow {self.version} could not be asked: {answer['broken']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def migrate(python, database):
    """An empty metadata DB, made by Airflow's own migrations, once."""
    home = tempfile.mkdtemp(prefix="airflow-template-")
    made = Path(home, "airflow.db")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{made}",
    }
    run = subprocess.run([python, "-m", "airflow", "db", "migrate"], env=env, capture_output=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{python} -m airflow db migrate failed:\n{run.stderr.decode()[-2000:]}")
    database.parent.mkdir(parents=True, exist_ok=True)
    # In one step, so that what is there is whole.
    shutil.move(made, database.with_suffix(f".{os.getpid()}"))
    database.with_suffix(f".{os.getpid()}").rename(database)
    shutil.rmtree(home, ignore_errors=True)


def set_up(home, folder, airflow):
    """The home on disk; its `@HOME@` replaced."""
    home = json.loads(json.dumps(home).replace("@HOME@", str(folder)))
    Path(folder, "user").mkdir(parents=True)
    for name, text in home["files"].items():
        Path(folder, name).write_bytes(text.encode())
    if home["cfg"] is not None:
        Path(folder, "airflow.cfg").write_text(home["cfg"])
    if home["side"] == "server":
        shutil.copy(airflow.template, Path(folder, "airflow.db"))
    return home | {"folder": str(folder)}


def ask_airflow(airflow, home):
    keys = ("env", "side", "team", *PARTS)
    return airflow.request(ask={key: home[key] for key in keys} | {"cwd": home["folder"]})


def ask_us(binary, home):
    """The answers of `resolve`, as Airflow's are written down."""
    env = dict(home["env"])
    arguments = ["--reveal"]
    if home["side"] == "worker":
        arguments.append("--worker")
    if home["team"] is not None:
        arguments.append(f"--team={home['team']}")
    if home.get("env_file") is not None:
        lines = [f"{name}={env.pop(name)}" for name in home["env_file"]]
        path = Path(home["folder"], "made.env")
        path.write_text("# added below the process's own\n" + "\n".join(lines) + "\n")
        arguments += ["--env-file-raw", str(path)]
    answers = {"start": True}
    for part in PARTS:
        run = subprocess.run(
            [binary, *arguments, part.removesuffix("s"), "-"],
            input="".join(f"{name}\n" for name in home[part]).encode(),
            capture_output=True,
            env=env,
            cwd=home["folder"],
            check=False,
        )
        if run.returncode == 2:
            return {"start": False, "why": run.stderr.decode()[-500:]}
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        expected = int(any("error" in line for line in lines))
        if run.returncode != expected or len(lines) != len(home[part]):
            sys.exit(f"resolve: exit {run.returncode}, {len(lines)} lines:\n{run.stderr.decode()}")
        answers[part] = [ours(line) for line in lines]
    return answers


def ours(line):
    if "error" in line:
        return {"none": line["error"], "message": line["message"]}
    if "value" in line:
        return {"value": line["value"]}
    return {name: line[name] for name in (*FIELDS, "uri")}


# --- what may differ ------------------------------------------------------------------------------

# Each by a line of docs/differences.md: (name, does it explain this?), given the home, the part,
# Airflow's answer, ours.
DIFFERENCES = [
    (
        "no Fernet key: Airflow hands out a variable's cipher text",
        # Where an earlier source has failed too, the error is of that one's kind, and names both.
        lambda home, part, airflow, us: part == "variables"
        and "none" in us
        and "`val` is encrypted and [core] fernet_key is not set" in us["message"],
    ),
    (
        "a Fernet key that is none: Airflow can hold no connection with a password or extra",
        lambda home, part, airflow, us: part == "connections"
        and home.get("bad_key")
        and "none" not in us
        # A later source may answer there; and a file with one such connection fails whole.
        and bool(home["files"] or us.get("password") or us.get("extra")),
    ),
    (
        "a [workers] secrets_backend that cannot be loaded: Airflow's server trips over secrets",
        lambda home, part, airflow, us: home["side"] == "server"
        and home.get("bad_workers")
        and "none" in airflow,
    ),
    (
        "a port given as a text: Airflow keeps the text, and writes the same URI",
        lambda home, part, airflow, us: isinstance(airflow.get("port"), str)
        and airflow == us | {"port": airflow["port"]}
        and airflow["port"] == ("" if us["port"] is None else str(us["port"])),
    ),
    (
        "a port that no connection has, or fields of another type than their own",
        # Refused here, a later source may answer.
        lambda home, part, airflow, us: part == "connections"
        and any(not fits(name, airflow[name]) for name in FIELDS if name in airflow),
    ),
    (
        "a value that is no text is given as JSON text",
        lambda home, part, airflow, us: part != "connections"
        and "value" in airflow
        and not isinstance(airflow["value"], str)
        and us == {"value": json.dumps(airflow["value"])},
    ),
    (
        "a value that JSON cannot express is refused",
        # Refused here, a later source may answer.
        lambda home, part, airflow, us: part != "connections" and not is_json(airflow.get("value")),
    ),
    (
        "a YAML number in base 60 is refused",
        # Refused here, a later source may answer.
        lambda home, part, airflow, us: any("12:30:45" in text for text in home["files"].values())
        and 12 * 3600 + 30 * 60 + 45 in airflow.values(),
    ),
    (
        "half a surrogate pair",
        lambda home, part, airflow, us: "none" in us and "\\ud" in json.dumps(airflow, ensure_ascii=True) and not encodes(airflow),
    ),
]


# Why an Airflow worker does not start that has a backend of its own.
SERVERS_BACKEND = re.compile('"backend" key in "secrets" section|unexpected keyword argument')
UNREADABLE_KEY = re.compile(r"\[core\] fernet_key .*: the secrets backend \w+ could not look it up")


def is_json(value):
    """Whether the value is JSON: no NaN, no infinity, no date or other object of Python's."""
    if isinstance(value, dict):
        return list(value) != ["python"] and all(map(is_json, value.values()))
    if isinstance(value, list):
        return all(map(is_json, value))
    return not isinstance(value, float) or math.isfinite(value)


def fits(name, value):
    if name == "port":
        number = int(value) if isinstance(value, str) and value.isdigit() and value.isascii() else value
        return number in (None, "") or (type(number) is int and 0 <= number <= 65535)
    return value is None or isinstance(value, str)


def encodes(answer):
    try:
        json.dumps(answer, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def compare(home, airflow, us, seen):
    """The differences of one home that no rule names."""
    if not (airflow["start"] and us["start"]):
        if us["start"] and home["side"] == "worker" and SERVERS_BACKEND.search(airflow["why"]):
            seen["documented: a worker that has its own backend, and cannot make the server's"] += 1
            return []
        if airflow["start"] and UNREADABLE_KEY.search(us["why"]):
            seen["documented: a Fernet key in a backend that fails"] += 1
            return []
        if airflow["start"] != us["start"]:
            return [("start", "", airflow, us)]
        seen["refused to start by both"] += 1
        return []
    differing = []
    for part in PARTS:
        for name, theirs, here in zip(home[part], airflow[part], us[part]):
            both_none = "none" in theirs and "none" in here
            if both_none:
                seen[f"{part}: Airflow has none, we say {here['none']}"] += 1
            elif theirs == here:
                seen[f"{part}: the same"] += 1
            else:
                rule = next((rule for rule, applies in DIFFERENCES if applies(home, part, theirs, here)), None)
                if rule:
                    seen[f"documented: {rule}"] += 1
                else:
                    differing.append((part, name, theirs, here))
    return differing


def as_airflow_3_would(airflow, home, us, differing, seen):
    """Without what Airflow 2 alone sees so: the rules here are those of Airflow 3, for its metadata
    DBs too. The same home, its rows written by Airflow 3, is asked once more of that."""
    twin = home | {"folder": home["folder"] + "-of-3"}
    twin = json.loads(json.dumps(twin).replace(home["folder"] + "/", twin["folder"] + "/"))
    twin["env"]["AIRFLOW_HOME"] = twin["folder"]
    twin = set_up(twin, Path(twin["folder"]), airflow)
    airflow.request(fill=[{"database": f"{twin['folder']}/airflow.db", "rows": twin["rows"]}])
    answers = ask_airflow(airflow, twin)
    left = compare(twin, answers, us, Counter())
    left = [difference for difference in left if difference[:2] in [(part, name) for part, name, *_ in differing]]
    seen["Airflow 2.11.2 differs from 3.3.2, with which we agree"] += len(differing) - len(left)
    return left


def tell(seed, number, home, differing):
    print(f"\nhome {number} of seed {seed}: Airflow {home['airflow']}, {home['side']} side, team {home['team']!r}")
    for part, name, theirs, here in differing:
        print(f"  {part} {name!r}\n    airflow: {json.dumps(theirs)[:1500]}\n    here:    {json.dumps(here)[:1500]}")
    print(f"  env: {json.dumps(home['env'])[:3000]}\n  cfg: {json.dumps(home['cfg'])}")
    for name, text in home["files"].items():
        print(f"  {name}: {json.dumps(text)[:3000]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--homes", type=int, default=10)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--bin", required=True, help="the `resolve` example, built with feature sqlite")
    parser.add_argument("--airflow3", default=str(ROOT / ".tools/airflow3/bin/python"))
    parser.add_argument("--airflow2", default=str(ROOT / ".tools/airflow2/bin/python"))
    parser.add_argument("--cache", type=Path, default=ROOT / ".tools/metadata-db")
    parser.add_argument("--keep", action="store_true", help="leave the homes on disk, and say where")
    options = parser.parse_args()
    seed = options.seed or str(random.SystemRandom().randrange(10**9))
    print(f"resolve: {options.homes} homes, seed {seed}", flush=True)
    binary = os.path.abspath(options.bin)

    turns = [TURNS[number % len(TURNS)] for number in range(options.homes)]
    folder = Path(tempfile.mkdtemp(prefix="airflow-homes-"))
    airflows = {3: Airflow(3, options.airflow3, options.cache)}
    if any(version == 2 for version, _ in turns):
        airflows[2] = Airflow(2, options.airflow2, options.cache)
    homes = []
    for number, (version, side) in enumerate(turns):
        home = Maker(random.Random(f"{seed}/{number}")).home(version, side)
        homes.append(set_up(home, folder / str(number), airflows[version]))

    def answers_of(version):
        """Of all homes of one version: its databases are filled, then each is asked."""
        of_version = [(number, home) for number, home in enumerate(homes) if home["airflow"] == version]
        databases = [
            {"database": f"{home['folder']}/airflow.db", "rows": home["rows"]} for _, home in of_version if home["rows"]
        ]
        airflows[version].request(fill=databases)
        return [(number, ask_us(binary, home), ask_airflow(airflows[version], home)) for number, home in of_version]

    seen, failed = Counter(), 0
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = [answer for answers in pool.map(answers_of, airflows) for answer in answers]
    for number, us, airflow in answers:
        differing = compare(homes[number], airflow, us, seen)
        if differing and homes[number]["airflow"] == 2:
            differing = as_airflow_3_would(airflows[3], homes[number], us, differing, seen)
        failed += len(differing)
        if differing:
            tell(seed, number, homes[number], differing)
    for airflow in airflows.values():
        airflow.close()
    print(f"homes in {folder}") if options.keep else shutil.rmtree(folder)
    for what, count in sorted(seen.items()):
        print(f"  {count:6} {what}")
    if failed:
        sys.exit(f"resolve: {failed} answers differ, seed {seed}")
    print("resolve: no undocumented difference")


if __name__ == "__main__":
    main()
