"""Asks the real botocore how it reads AWS's two profile files; writes a case a line.

    python aws_profile_files.py --cases 1500 --seed 1 > aws_profile_files.jsonl

A case is `{"config", "credentials"}`, the texts of the files (null: no file), with `"read"`:
`{"profiles", "sso_sessions", "services"}` as botocore has them, or null where it refuses a file.
"""

import argparse
import json
import os
import random
import tempfile

import botocore.exceptions
import botocore.session

NAMES = ["default", "p", "a b", "größe", "p]q", "#p", "p;q", "DEFAULT", "Default"]
OPTIONS = [
    "region", "Region", "REGION", "aws_access_key_id", "AWS_Access_Key_Id", "aws_secret_access_key",
    "role_arn", "sso_session", "services", "endpoint_url", "a#b", "a b", "größe", "ÄA",
]
VALUES = [
    "eu-west-1", "a = b", "a:b", "", "x # y", "x ; y", "'quoted'", "100%", "%(region)s", "%%", "é",
    "AKIA/+=", "\ttab ", "\u00a0", "[p]", "\\", "a\x0bb", "\x1cx\x1c",
]
SEPARATORS = [" = ", "=", ": ", ":", " : ", " =", "\t=\t", " ", ""]
ODD_LINES = [
    "", "   ", "\t", "# comment", "  # comment", "; comment", "  ; c = d", "lonely", "[", "[]", "]",
    "[p", "p]", "= value", ": value", "rem x = y", "\ufeff", "\x0c", "\x1c", "\u2028", "[ ]", "[p] x",
]
INNER = ["endpoint_url = http://x", "a=b=c", "a", "# c", "", " a : b", "x =", "= y", "ssm =", "\x0b"]


def header(rng, is_config):
    name = rng.choice(NAMES)
    if not is_config and rng.random() < 0.8:
        return f"[{name}]"
    quote = rng.choice(["", "", "", "'", '"', "\\"])
    kind = rng.choice(["profile"] * 6 + ["sso-session", "services", "profiles", "Profile", "plugins"])
    blank = rng.choice([" ", " ", " ", "  ", "\t", ""])
    closing = "" if quote == "\\" or rng.random() < 0.05 else quote
    return rng.choice(["[{}]"] * 9 + ["[{} ]", "[ {}]"]).format(
        rng.choice([f"{kind}{blank}{quote}{name}{closing}"] * 5 + ["default", "default", kind])
    )


def option(rng, name):
    separator = rng.choice(SEPARATORS[:7] if rng.random() < 0.98 else SEPARATORS)
    return f"{name}{separator}{rng.choice(VALUES)}"


def file(rng, is_config):
    if rng.random() < 0.08:
        return rng.choice([None, "", "\n", "# nothing\n", "region = x\n", "\ufeff[default]\nregion = x\n"])
    lines = []
    headers = [header(rng, is_config) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.95:
        headers = list(dict.fromkeys(headers))
    for line in headers:
        lines.append(rng.choice([""] * 9 + [" "]) + line)
        names = rng.choices(OPTIONS, k=rng.randint(0, 4))
        if rng.random() < 0.95:
            names = list({name.lower(): name for name in names}.values())
        for name in names:
            indent = rng.choice([""] * 8 + [" ", "  "])
            lines.append(indent + option(rng, name))
            if rng.random() < 0.1 and "s3" not in names:
                names = [*names, "s3"]
                lines.append(f"s3{rng.choice(SEPARATORS[:7])}")
                for _ in range(rng.randint(1, 3)):
                    inner = rng.choice(INNER[:2] if rng.random() < 0.85 else INNER)
                    lines.append(rng.choice(["  ", "\t", "   "]) + inner)
            if rng.random() < 0.1:
                lines.append("   " + rng.choice(["more", "a = b", "# c", "", "[p]"]))
            if rng.random() < 0.04:
                lines.append(rng.choice(ODD_LINES))
    end = rng.choice(["\n"] * 8 + ["\r\n", "\r"])
    return end.join(lines) + rng.choice(["", end, end + end])


def read(config, credentials):
    with tempfile.TemporaryDirectory() as folder:
        for name, variable, text in [
            ("config", "AWS_CONFIG_FILE", config),
            ("credentials", "AWS_SHARED_CREDENTIALS_FILE", credentials),
        ]:
            os.environ[variable] = os.path.join(folder, name)
            if text is not None:
                with open(os.environ[variable], "w", encoding="utf-8", newline="") as out:
                    out.write(text)
        try:
            full = botocore.session.Session().full_config
        except botocore.exceptions.ConfigParseError:
            return None
    kinds = ["profiles", "sso_sessions", "services"]
    return {kind: full.get(kind, {}) for kind in kinds}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    for _ in range(arguments.cases):
        case = {"config": file(rng, True), "credentials": file(rng, False)}
        print(json.dumps(case | {"read": read(**case)}, ensure_ascii=False))


main()
