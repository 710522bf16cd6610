"""Asks Airflow fresh random cases, and compares its answers with those of the `codec` example.

    AIRFLOW_HOME=$(mktemp -d) python compare_codec.py --cases 1000 --bin target/debug/examples/codec

Prints the seed, and every case that differs by none of the lines of docs/differences.md (the
cases are made up, they hold no secret). Fails where less than 99.95 % agree.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys

from codec import FIELDS, cases

AGREEMENT = 0.9995


def agree(airflow, ours):
    if "error" in airflow or "differs" in airflow:
        return "error" in ours
    return ours == {key: airflow[key] for key in (*FIELDS, "uri")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--bin", required=True, help="the `codec` example, built")
    options = parser.parse_args()
    seed = options.seed or str(random.SystemRandom().randrange(10**9))
    print(f"codec: {options.cases} cases, seed {seed}", flush=True)

    asked = list(cases(options.cases, seed, ["core", "core", "task-sdk"]))
    lines = "".join(json.dumps(case["in"]) + "\n" for case in asked)
    run = subprocess.run([options.bin], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = run.stdout.splitlines()
    if len(answers) != len(asked):
        sys.exit(f"codec: {len(asked)} lines in, {len(answers)} lines out")

    differing = 0
    for index, (case, answer) in enumerate(zip(asked, answers)):
        ours = json.loads(answer)
        if not agree(case["out"], ours):
            differing += 1
            print(f"case {index} of seed {seed} differs")
            print(f"  in:      {json.dumps(case['in'])[:2000]}")
            print(f"  airflow: {json.dumps(case['out'])[:2000]}")
            print(f"  here:    {json.dumps(ours)[:2000]}")
    documented = sum("differs" in case["out"] for case in asked)
    answered = sum("uri" in case["out"] for case in asked)
    agreement = 1 - differing / len(asked)
    print(
        f"codec: {agreement:.4%} agree ({answered} answered, {documented} documented differences, "
        f"{len(asked) - answered - documented} refused by Airflow too)"
    )
    if agreement < AGREEMENT:
        sys.exit(1)


if __name__ == "__main__":
    main()
