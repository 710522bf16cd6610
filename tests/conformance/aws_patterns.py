"""Asks Python's `re` which ids match a lookup pattern, as Airflow's AWS backends ask it; a case a
line: `{"pattern", "ids", "matched"}`, with `matched` null where the pattern does not compile.

    python aws_patterns.py --cases 800 --seed 1 > aws_patterns.jsonl
"""

import argparse
import json
import random
import re
import warnings

warnings.simplefilter("ignore")

ATOMS = ["a", "B", "é", "_", "-", ".", "x", "etl", r"\d", r"\w", r"\s", r"\W", r"\.", r"\-", r"\/", r"\ ", r"\<", "[ab]", "[^a]", "[a-c]", "[]a]",
         "[a-]", "[-a]", "[a&&b]", "[a~~b]", "[[]", "[a[b]", r"[\w-]", r"[\]]", "[^]a]", "[a\\-c]", "[é-ü]", "[ #]", "(a|b)", "(?:ab)", "(?P<n>a)", "{", "}", "{,}",
         "{x}", "a{2}", "a{,2}", "a{1,}", "a{1,2}", "(?=a)", "(?!a)", "(?!etl_y)", "(?<=a)b", "(?<!a)b", "(?>a)", "(?i:A)", "(?-i:A)", "(?s:.)", r"\x41", r"\u00e9",
         r"\101", r"\0", "(?#note)", "#", " ", "\\$", "\\^", "|", "|", "$", "^", r"\b", r"\B", r"\A", r"\Z", "~", "&", "é", "/", "(a)\\1", "(?P<q>x)(?P=q)", "\n"]
BROKEN = ["(", ")", "[", "*", "a**", "\\", r"\z", r"\p{L}", r"\h", r"\K", r"\e", r"\R", "(?<n>a)", "(?P>n)", "(?R)", "(?", "(?P<n", "a(?i)", "(?L)a", "[b-a]", "a{2,1}",
          r"\1", "(?P=n)", "(?x", "(?#", r"\x4", r"\u12", r"\8", "(?|a)", "(*a)", "[a", "(?<=a*)b", "(?<=a+)b", "(?&n)", r"\g<1>", r"\X", r"[\z]", "(?'n'a)", "+a", "?"]
QUANTIFIERS = ["", "", "", "", "*", "+", "?", "*?", "+?", "{2}", "{0,1}", "++"]
FLAGS = ["", "", "", "", "", "(?i)", "(?s)", "(?m)", "(?x)", "(?is)"]
ENDS = ["", "", "$", r"\Z", ".*", ".*$"]
PIECES = ["a", "A", "b", "B", "é", "É", "_", "-", ".", "x", "etl_", "ETL_", "0", "٥", " ", "/", "\n", "{", "}", "~", "&", "#", "[", "]", "{x}", "c", "y", "\x00", "ü", "^", "$"]


def pattern(rng):
    if rng.random() < 0.15:
        return rng.choice(BROKEN)
    made = "".join(rng.choice(ATOMS) + rng.choice(QUANTIFIERS) for _ in range(rng.randint(1, 4)))
    return rng.choice(FLAGS) + rng.choice(["", "", "^"]) + made + rng.choice(ENDS)


def identifier(rng):
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 5)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    for _ in range(arguments.cases):
        made, ids = pattern(rng), [identifier(rng) for _ in range(12)]
        try:
            matched = [bool(re.match(made, name, re.IGNORECASE)) for name in ids]
        except re.error:
            matched = None
        print(json.dumps({"pattern": made, "ids": ids, "matched": matched}))


main()
