"""Compares `examples/client_params` with recorded answers: `compare_clients.py PROGRAM FILE…`."""

import json
import os
import subprocess
import sys


def same(theirs, ours):
    if "error" in theirs or "error" in ours:
        return "error" in ours and ("error" in theirs or "driver_error" in theirs)
    return {k: v for k, v in theirs["params"].items() if v is not None} == ours["params"]


def main():
    program, bad, count = sys.argv[1], 0, 0
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8") as file:
            cases = [json.loads(line) for line in file if line.strip()]
        text = "\n".join(json.dumps(case["in"]) for case in cases)
        done = subprocess.run([program], input=text.encode(), stdout=subprocess.PIPE, check=True,
                              env={**os.environ, "LOGNAME": "tester"})
        for case, line in zip(cases, done.stdout.decode().splitlines(), strict=True):
            ours, theirs = json.loads(line), case["out"]
            count += 1
            if same(theirs, ours):
                continue
            bad += 1
            print(json.dumps(case["in"], ensure_ascii=False))
            a, b = theirs.get("params", {}), ours.get("params", {})
            if "error" in theirs or "error" in ours:
                print("    ", "theirs", theirs.get("error", theirs), "\n     ours", ours.get("error", ours))
            else:
                for key in sorted(set(a) | set(b)):
                    if a.get(key) != b.get(key):
                        print("    ", key, "theirs", json.dumps(a.get(key)), "ours", json.dumps(b.get(key)))
    print(f"{bad} of {count} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
