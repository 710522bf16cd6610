"""Asks Airflow's hooks about fresh random connections, and compares what they give their drivers with the answers of the
`client_params` example.

    python compare_clients.py --cases 200 --bin target/debug/examples/client_params

Prints the seed, and every case that differs (the cases are made up, they hold no secret). Fails where less than 99 % of
a kind's agree.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys

AGREEMENT = 0.99


def agree(theirs, ours):
    """A driver's own refusal may be ours too, and an absent member is null."""
    if "error" in theirs or "error" in ours:
        return "error" in ours and ("error" in theirs or "driver_error" in theirs)
    return {k: v for k, v in theirs["params"].items() if v is not None} == ours["params"]


def show(asked, theirs, ours):
    print(json.dumps(asked, ensure_ascii=False)[:2000])
    if "error" in theirs or "error" in ours:
        print("    airflow:", theirs.get("error", theirs), "\n    here:   ", ours.get("error", ours))
        return
    theirs, ours = theirs["params"], ours["params"]
    for name in sorted({*theirs, *ours}):
        if theirs.get(name) != ours.get(name):
            print("   ", name, "airflow:", json.dumps(theirs.get(name)), "here:", json.dumps(ours.get(name)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200, help="of each kind")
    parser.add_argument("--client", action="append", help="of these kinds alone")
    parser.add_argument("--seed", default=None)
    parser.add_argument("--bin", required=True, help="the `client_params` example, built")
    options = parser.parse_args()
    program = os.path.abspath(options.bin)
    seed = options.seed or str(random.SystemRandom().randrange(10**9))
    print(f"clients: {options.cases} cases of each kind, seed {seed}", flush=True)

    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    # It makes the environment of this process, and of the example, that of the recorded answers.
    import clients
    from clients_cases import cases_of

    failed = []
    for kind in options.client or clients.CLIENTS:
        asked = list(cases_of(kind, options.cases, random.Random(f"{kind}{seed}")))
        lines = "".join(json.dumps(case) + "\n" for case in asked)
        run = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
        answers = [json.loads(line) for line in run.stdout.decode().splitlines()]
        different = 0
        for case, ours in zip(asked, answers, strict=True):
            theirs = clients.answer(case)
            if not agree(theirs, ours):
                different += 1
                show(case, theirs, ours)
        agreement = 1 - different / len(asked)
        print(f"clients: {kind}: {agreement:.2%} of {len(asked)} agree", flush=True)
        if agreement < AGREEMENT:
            failed.append(kind)
    if failed:
        sys.exit(f"clients: under {AGREEMENT:.0%} agree for {', '.join(failed)}")


if __name__ == "__main__":
    main()
