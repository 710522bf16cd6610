#!/usr/bin/env python3
"""Makes an executable bundle, as Airflow's ExecutableCoordinator looks for it: the program, what DAGs
it has tasks of, and a trailer that says where each begins.

    package.py PROGRAM BUNDLE DAG_ID TASK_ID [DAG_ID TASK_ID]…
"""

import hashlib
import json
import os
import struct
import sys

# The version of the supervisor's messages that the crate speaks.
SCHEMA = "2026-06-16"


def main():
    program, bundle, *names = sys.argv[1:]
    dags = {}
    for dag, task in zip(names[::2], names[1::2], strict=True):
        dags.setdefault(dag, {"tasks": []})["tasks"].append(task)
    with open(program, "rb") as file:
        binary = file.read()
    # Read as YAML, which JSON is too.
    metadata = json.dumps({"sdk": {"supervisor_schema_version": SCHEMA}, "dags": dags}).encode()
    source = b""
    trailer = struct.pack("<III", len(source), len(metadata), 1)
    trailer += hashlib.sha256(binary).digest() + bytes(12) + b"AFBNDL01"
    # Under its name only when it is whole.
    with open(f"{bundle}.new", "wb") as file:
        file.write(binary + source + metadata + trailer)
    os.chmod(f"{bundle}.new", 0o755)
    os.rename(f"{bundle}.new", bundle)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main()
