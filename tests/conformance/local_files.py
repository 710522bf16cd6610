"""Cases for the local filesystem backend, answered by the Airflow that runs this script.

    .tools/airflow3/bin/python tests/conformance/local_files.py --cases N --seed S [--topic TOPIC]
    .tools/airflow3/bin/python tests/conformance/local_files.py --again CORPUS

The second form asks the cases of a corpus once more.

One JSON object a line: `in` has the file's `name`, its `content` (or, where that is not UTF-8, its
bytes as `hex`), the `kind` of secret asked for and its `id`; `out` is a connection's fields with
its `uri`, a variable's or config's `value` as `str` writes it, `{"missing": true}` or
`{"error": <exception class>}`. `json` is what `json.dumps` writes for a value that is no text: this
crate gives that. `difference` names the line of docs/differences.md by which this crate gives an
error where Airflow gives an answer; "YAML" is what YAML has that this crate does not read. Where
that is malformed besides (`2024-02-30`), Airflow refuses the whole file, and this crate what holds it.
"""

import argparse
import io
import json
import os
import random
import tempfile

if __name__ == "__main__":
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"

import yaml  # noqa: E402
from airflow.secrets.local_filesystem import LocalFilesystemBackend  # noqa: E402
from airflow.utils import yaml as airflow_yaml  # noqa: E402

TEXT_FIELDS = ["conn_type", "description", "host", "login", "password", "schema"]


def connection_answer(connection):
    if connection is None:
        return {"missing": True}
    out = {field: getattr(connection, field) for field in TEXT_FIELDS + ["port", "extra"]}
    out["uri"] = connection.get_uri()
    return out


def is_strict(text):
    """Whether JSON `text` holds no NaN, no infinity and no unpaired surrogate."""

    def refuse(_):
        raise ValueError

    def check(value):
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise ValueError
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, list):
            for item in value:
                check(item)

    def pairs(items):
        for key, value in items:
            key.encode()
            check(value)
        return dict(items)

    try:
        check(json.loads(text, parse_constant=refuse, object_pairs_hook=pairs))
        return True
    except UnicodeEncodeError:
        return False
    except json.JSONDecodeError:
        return True
    except ValueError:
        return False


def connection_difference(out):
    """Why this crate refuses what Airflow answers; and `out` as this crate holds it."""
    for field in TEXT_FIELDS:
        if not isinstance(out[field], (str, type(None))):
            return "no text"
    port = out["port"]
    if not port and port != 0 or isinstance(port, bool) and not port:
        out["port"] = None
    elif isinstance(port, float) and port == 0.0:
        out["port"] = None
    elif isinstance(port, str):
        if not port.isascii() or not port.isdigit() or str(int(port)) != port:
            return "port"
        out["port"] = int(port)
    if out["port"] is not None and (
        isinstance(out["port"], bool) or not isinstance(out["port"], int) or not 0 <= out["port"] <= 65535
    ):
        return "port"
    if not out["extra"] and not isinstance(out["extra"], str):
        out["extra"] = None
    if out["extra"] and not is_strict(out["extra"]):
        return "strict JSON"
    return None


def file_difference(name, content):
    if name.lower().endswith(".json"):
        try:
            # Every member, also one whose key comes again.
            members = json.loads(content, object_pairs_hook=list)
        except ValueError:
            return None
        try:
            json.dumps(members, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "strict JSON"
    elif name.lower().endswith((".yaml", ".yml")):
        text = repr(airflow_yaml.safe_load(content))
        if "[...]" in text or "{...}" in text:
            return "recursive"
    return None


class Unsupported:
    """Stands for what YAML has and this crate does not read."""


class Loader(yaml.CSafeLoader):
    """Airflow's loader, but for what this crate does not read."""


def refuse(loader, node):
    return Unsupported()


def number(original):
    def construct(loader, node):
        if ":" in str(loader.construct_scalar(node)):
            return Unsupported()
        return original(loader, node)

    return construct


for tag in ["timestamp", "binary", "omap", "pairs", "set"]:
    Loader.add_constructor(f"tag:yaml.org,2002:{tag}", refuse)
for tag in ["int", "float"]:
    name = f"tag:yaml.org,2002:{tag}"
    Loader.add_constructor(name, number(Loader.yaml_constructors[name]))


def is_unsupported(value):
    if isinstance(value, dict):
        return any(is_unsupported(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(map(is_unsupported, value))
    return isinstance(value, Unsupported)


def is_unsupported_yaml(case):
    """Whether what is asked for holds something of YAML that this crate does not read."""
    if not case["name"].lower().endswith((".yaml", ".yml")):
        return False
    data = bytes.fromhex(case["hex"]) if "hex" in case else case["content"].encode()
    content = yaml.load(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"), Loader=Loader)
    return is_unsupported(content.get(case["id"]))


def json_of(value):
    """What `json.dumps` writes for a value that is no text; `None` where that is no strict JSON."""
    text = json.dumps(value)
    return text if is_strict(text) else None


def answer(case, folder):
    path = os.path.join(folder, case["name"])
    data = bytes.fromhex(case["hex"]) if "hex" in case else case["content"].encode()
    with open(path, "wb") as file:
        file.write(data)
    kind = case["kind"]
    backend = LocalFilesystemBackend(**{f"{kind}s_file_path": path})
    difference = None
    more = {}
    try:
        if kind == "connection":
            connection = backend.get_connection(case["id"])
            difference = file_difference(case["name"], case.get("content", ""))
            out = connection_answer(connection)
            if connection is not None and difference is None:
                difference = connection_difference(out)
        else:
            value = getattr(backend, f"get_{kind}")(case["id"])
            out = {"missing": True} if value is None else {"value": str(value)}
            difference = file_difference(case["name"], case.get("content", ""))
            if difference is None and value is not None and not isinstance(value, str):
                if not is_unsupported_yaml(case):
                    text = json_of(value)
                    more = {"difference": "no JSON"} if text is None else {"json": text}
        if difference is None and is_unsupported_yaml(case):
            more = {"difference": "YAML"}
    except Exception as error:
        out = {"error": type(error).__name__}
        difference = None
    finally:
        os.remove(path)
    if difference:
        return {"in": case, "out": {"answered": True}, "difference": difference}
    return {"in": case, "out": out} | more


# -- what is in the files ----------------------------------------------------------------------

PLAIN = """
yes Yes YES yEs no No NO nO true True TRUE tRUE false False FALSE on On ON oN off Off OFF y n Y N t f o
~ null Null NULL nULL none None nil
0 00 01 012 08 09 0o14 0O14 0b1 0b101 0b2 0b 0b_ 0B1 0b1_0 -0b11 +0b11 0x1F 0x1f 0XFF 0x 0x_ 0x_1 -0xff 0xg
1 12 123 -1 +1 --1 +-1 1_000 1__000 _1 1_ 0_ 0_7 0_8 -012 +012 -0 +0 -00 1e3 1e+3 1E5 1.0e3 1.0e+3 1.0E-3 1.e+3 1.e3
1. 1.0 .5 -.5 +.5 ._5 .5_ 5._ 1_0.0_1 1.5.2 .1.2 . .. ... +. -. .e+3 .5e+3 0.1 00.1 08.5 1.0e+400 -1.0e+400 1.0e-400
.inf .Inf .INF .iNf -.inf +.inf +.INF .nan .NaN .NAN .Nan -.nan +.nan inf nan Infinity NaN
1:30 12:30:45 1:2 1:60 1:59 01:30 0:30 1:5:9 -1:30 +1:30 1_0:30 1:3_0 1:30. 1:30.5 0:30.5 -190:20:30.15 1:30.5e+3 1:: :1 1:
190:20:30 99999999999:59 1:2:3:4:5:6:7:8:9:10:11:12
2024-01-01 2024-1-1 2024-13-01 2024-02-30 2024-02-29 2023-02-29 1900-02-29 2000-02-29 0000-01-01 0001-01-01 9999-12-31
2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z 2001-12-15T2:59:43.1Z 2001-12-14T21:59:43+5 2001-12-14T21:59:43+0530
2001-12-14T21:59:43.1234567Z 2001-12-14T24:00:00 2001-12-14T23:60:00 2001-12-14T23:59:60 2001-1-1T1:00:00 2001-01-01T1:0:00
2001-12-14T21:59:43. 2001-12-14T21:59:43+24:00 2001-12-14T21:59:43-23:59 2001-12-14T21:59:43+00:00 2001-12-14T21:59:43-00:00
2001-12-14T00:00:00 2001-12-14T00:00:00.5 2001-12-14T21:59:43+99:99 2001-12-14T 20010-01-01 201-01-01
= << <<< == < > <<: != : :: - -- --- ? ?? a:b a::b :a -a ?a @ ` % & * ! | # ' " , [ ] { }
123456789012345678901234567890 0x123456789abcdef0123456789abcdef -123456789012345678901234567890 9007199254740993
1e16 1.0e+16 1.0e+15 123456789012345680.0 0.0001 0.00001 0.000123 5.0e-324 1.7976931348623157e+308 100000000000000000000.0
3.14159 2.5e-10 -0.0 0.0 +0.0 1.10 007.5 0x1.8 1,000 1.0.0 12e03 -2e+05 6.02e+23 6.02E+23 6.02e23 1_000.5
hello a#b a\\ b'c it's x=y x y
""".split() + ["2001-12-14 21:59:43.10 -5", "2001-12-14 21:59:43", "2001-12-14   21:59:43 Z", "2001-12-14 21:59:43 +1:30",
               "2001-12-14 21:59:43-1", "a # b", "a b", "1 2", "", " ", "- a", "? a", "a: b", "1:30 2", "yes no", "\t", "a\tb",
               "9" * 4300, "9" * 4301, "0x" + "f" * 3600]

ALPHABETS = ["0123456789_.", "0123456789:._", "0123456789-: TtZ.", "01_bx", "0123456789abcdefx_", "0123456789.eE+-_",
             "+-.infINFnaN", "yesnotrufalYESNOTRUFAL", "~nulNUL", "<=>!&*"]
TAGS = ["!!int", "!!float", "!!bool", "!!null", "!!str", "!!timestamp", "!!binary", "!!seq", "!!map", "!!set", "!!omap", "!!pairs",
        "!!merge", "!!value", "!foo", "!", "!!python/none", "!<tag:yaml.org,2002:int>", "!<x>", "!!date"]
QUOTED = ["aGVsbG8=", "aGk", "aG k=", "a===", "YWJj\n", "YQ==YQ==", "é", "@@", "=", "YWJjZA==", "'\\\"", "\\x00", "\\ud800", "\\U0001F600",
          "\\u00e9", "tab\\t", "nl\\n", "\\e\\a\\_\\N\\L\\P", "2001-01-01", "2001-1-1", "12", "0o17", "0b0b1", " 12 ", "+ 1", "-", "", "1_2",
          "yEs", "on", ".5", "inf", "nan", "Infinity", "1e5", "+1.5", "\\x7f", "\\xad", "\\u200b", "\\u3000", "\\uFEFF", "\\U000E0001"]


def plain(rng):
    if rng.random() < 0.45:
        return rng.choice(PLAIN)
    if rng.random() < 0.3:
        word = list(rng.choice(PLAIN) or "0")
        for _ in range(rng.randint(1, 2)):
            word[rng.randrange(len(word))] = rng.choice("0123456789_.:-+eEx ")
        return "".join(word)
    alphabet = rng.choice(ALPHABETS)
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, rng.choice([3, 6, 14]))))


def scalar_case(rng):
    value = plain(rng)
    form = rng.random()
    if form < 0.55:
        content = f"v: {value}\n"
    elif form < 0.65:
        content = f"v: [{value}, {plain(rng)}]\n"
    elif form < 0.72:
        content = f"v: {{{value}: {plain(rng)}}}\n"
    elif form < 0.8:
        content = f"v: {rng.choice(TAGS)} {value}\n"
    elif form < 0.9:
        quoted = rng.choice(QUOTED)
        content = f'v: {rng.choice(TAGS + [""] * 10)} "{quoted}"\n'
    elif form < 0.93:
        content = f"v: '{value.replace(chr(39), chr(39) * 2)}'\n"
    elif form < 0.96:
        content = f"v: {rng.choice('|>')}{rng.choice(['', '-', '+', '2', '1-'])}\n  {value}\n"
    else:
        content = f"{value}: x\nv: 1\n"
    kind = "config" if rng.random() < 0.1 else "variable"
    return {"name": rng.choice(["v.yaml", "v.yml"]), "content": content, "kind": kind, "id": "v"}


FRAGMENTS = ["a", "b: ", "- ", "-", "? ", ": ", ":", "{", "}", "[", "]", ",", "\n", "\n  ", "\n ", "\n    ", "&x ", "*x", "!t ", "!!str ",
             "'", '"', "|", "|-", "|2\n", "|+\n", ">", "> \n", "#c", "# c\n", " ", "\t", "---\n", "---", "...\n", "%YAML 1.1\n", "%YAML 1.2\n",
             "%TAG ! x\n", "\\n", "\\x41", "é", "\u2028", "\x85", "\ufeff", "key: value\n", "12", "0x1", "<<: ", "<<: *x\n", "=", "~", "@", "`",
             "%", "!", "!<x>", "''", '""', "x y", "\x07", "\U0001f600", "\u00a0", "|0\n", "|9\n", '"a\\\n b"', "'a\n  b'", "a\n  b\n", "!!str,",
             "!x,", "{a: !!str, b: 1}", "!!set {a}", "!!omap [a: 1]", "!!pairs [a: 1, a: 2]", "!!binary aGk=", "\r\n", "\r"]
DOCUMENTS = [
    "v:\n  conn_type: postgres\n  host: 'h'\n  extra: {a: 1, b: [x, y]}\nb: \"uri\"\n",
    "v: |\n  text\n  more\nb: >-\n  folded\n  x\n",
    "b: |\n  text\n  more\nv: >+\n  folded\n\n  x\n\n",
    "x: &a {k: v}\nv:\n  <<: *a\n  z: 'it''s'\n",
    "x: &a {k: v, l: 1}\ny: &b {k: w}\nv:\n  <<: [*a, *b]\n  l: 2\n",
    "v:\n- a\n- b:\n  - c\n- ? d\n  : e\n",
    "v: {1: a, true: b, 1.0: c, null: d, 2020-01-01: e}\n",
    "v: &r [a, *r]\n", "v: &r {a: *r}\n", "v: [&s [1, 2], *s, *s]\n",
    "---\nv: \"a\\\n  b\"\n...\n", "v: 'a\n\n  b'\n", "v: a\n  b\n  c\n", "{v: 1, w: [2, 3]}", "- v\n", "v\n", "# nothing\n", "", "\n", "---\n",
    "v: {<<: {a: 1}, =: 2}\n", "v: !!str {=: x}\n", "v: !!set {a}\n", "v: !!omap [a: 1, b: 2]\n", "v: !!pairs [a: 1, a: 2]\n",
    "v: [2020-01-01, 2020-01-01T10:00:00Z, 2020-01-01T10:00:05.5-03:30, !!binary aGkA, 1.5, .inf, -.inf, .nan, ~, yes]\n",
    "v: ['it''s', \"a\\\"b\", \"'\\\"\", \"\\n\\t\\\\\", \"é\\u200b\\x07\\U0001F600\"]\n",
]


def structure_case(rng):
    if rng.random() < 0.4:
        content = "v: " + "".join(rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 10)))
    else:
        pieces = list(rng.choice(DOCUMENTS))
        for _ in range(rng.randint(0, 3)):
            place = rng.randrange(len(pieces) + 1)
            change = rng.random()
            if change < 0.4 and place < len(pieces):
                pieces[place] = rng.choice(FRAGMENTS)
            elif change < 0.7:
                pieces.insert(place, rng.choice(FRAGMENTS))
            elif place < len(pieces):
                del pieces[place]
        content = "".join(pieces)
    if rng.random() < 0.15:
        content = content.rstrip("\n")
    kind = rng.choice(["variable", "variable", "variable", "config", "connection"])
    return {"name": "v.yaml", "content": content, "kind": kind, "id": "v"}


def block_case(rng):
    """Block scalars, and above all how a file may end in one."""
    content = "v: " + rng.choice("|>") + rng.choice(["", "+", "-", "1", "2", "2+", "3-", "+1"]) + "\n"
    for _ in range(rng.randint(0, 4)):
        line = rng.choice(["", "", "a", "b c", "\t", "#x", "- d"])
        content += " " * rng.randint(0, 5) + line + rng.choice(["\n"] * 6 + ["\x85", "\u2028"])
    content += " " * rng.randint(0, 5) + rng.choice(["", "", "a", "\t", "#"])
    return {"name": "v.yaml", "content": content, "kind": "variable", "id": "v"}


URIS = ["postgres://u:p%2Fw@h:5432/db?a=1&b=x", "", "http://https://h", "mysql://h:99999", "x", "a://b://c://d", "sqlite:////tmp/x",
        '{"conn_type": "http"}', "aws://?region=eu", "my-type://h", "s3://k:s@/?extra__x=%7B%7D", " http://h "]
FIELDS = {
    "conn_id": ["v", "v", "w", 1, None, ["v"]],
    "conn_type": ["postgres", "postgresql", "my-type", "", None, 5],
    "description": ["text", "", None, 5, "ü"],
    "host": ["h.example", "", None, 0, 10, "https://h", "a/b", True, False, []],
    "login": ["user", "", None, 10, "a:b@c"],
    "password": ["p w%", "", None, 0, 12345, False, "ü"],
    "schema": ["db", "", None, 7],
    "port": [5432, 0, None, "5432", "", "05432", " 1", "x", 70000, -1, 1.5, 5432.0, True, False, "65536", 65535],
    "extra": ["{}", '{"a": 1}', "", None, {}, {"a": 1, "b": ["x", None, 1.5]}, [], [1], "[]", "x", 0, 5, {"ü": "é"}, '{"a": NaN}', '"x"', True],
    "extra_dejson": [{}, {"a": {"b": 1}}, None, "x", [1], "", {"k": "v"}],
    "uri": URIS + [None, 5, []],
    "team_name": ["t", None, 5],
    "Host": ["x"], "extra__a": ["x"], "": ["x"],
}


def fields(rng):
    names = rng.sample(["conn_type", "host", "login", "password", "schema", "port", "extra", "description"], rng.randint(0, 6))
    if rng.random() < 0.2:
        names.append(rng.choice(list(FIELDS)))
    if rng.random() < 0.2:
        names.append("conn_id")
    if rng.random() < 0.15:
        names = ["uri"] + rng.sample(["description", "conn_id", "team_name", "host", "port"], rng.randint(0, 2))
    if rng.random() < 0.15 and "extra" in names:
        names[names.index("extra")] = "extra_dejson"
    odd = rng.random() < 0.5
    return {name: rng.choice(FIELDS[name]) if odd else FIELDS[name][0] for name in dict.fromkeys(names)}


def connections(rng):
    out = {}
    for name in rng.sample(["v", "w", "a b", "ü"], rng.randint(1, 2)):
        value = rng.choice(URIS) if rng.random() < 0.3 else fields(rng)
        form = rng.random()
        if form < 0.15:
            value = [value]
        elif form < 0.2:
            value = rng.choice([[value, value], [], [[value]], None, 5, True])
        out[name] = value
    return out


def connections_case(rng):
    content = connections(rng)
    if rng.random() < 0.5:
        return {"name": "c.json", "content": json.dumps(content, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < 0.5),
                "kind": "connection", "id": "v"}
    style = rng.choice([None, True, False])
    text = yaml.safe_dump(content, default_flow_style=style, allow_unicode=True, sort_keys=False)
    if rng.random() < 0.3:
        # Plain scalars in place of what they stand for.
        text = text.replace("host: h.example", f"host: {plain(rng)}").replace("port: 5432", f"port: {plain(rng)}")
    return {"name": rng.choice(["c.yaml", "c.yml"]), "content": text, "kind": "connection", "id": "v"}


JSONS = ["null", "true", "false", "1", "-0", "1.0", "1e5", "1E400", "-1.5e-7", "12345678901234567890123", '"x"', '"\\u00e9\\ud83d\\ude00"',
         '"\\ud800"', "NaN", "Infinity", "-Infinity", "[]", "{}", '[1, "a", null, {"b": true}]', '{"a": {"b": [1.50, 2]}}', "[1]", '["x"]', '["x", "y"]',
         "'x'", "01", "+1", ".5", '"a\nb"', '"\\x"', "[1,]", '{"a": 1,}', "/**/1", '"it\'s"', '"\\"\'"', '[" \\u200b\\u007f\\n"]', "1e16", "0.0001", "1e-5", ""]


def json_case(rng):
    form = rng.random()
    value = rng.choice(JSONS)
    if form < 0.7:
        content = f'{{"v": {value}, "w": {rng.choice(["1", "[1]", "[1, 2]", "null"])}}}'
    elif form < 0.8:
        content = f'{{"v": {value}, "v": {rng.choice(JSONS)}}}'
    elif form < 0.9:
        content = rng.choice(["", " ", "[]", "null", "\ufeff{}", "{} {}", "{", '{"v"', "{v: 1}", '{"v": 1}\n\n', "\r\n{\r\n\"v\":\r1}", '{"v": 1}\0']) or ""
    else:
        content = value
    return {"name": rng.choice(["j.json", "j.JSON"]), "content": content, "kind": rng.choice(["variable", "config"]), "id": "v"}


ENV_LINES = ["v=1", "v=2", "w=1", "v=a=b", "v = x", " v=1", "v=", "=1", "v", "#v=1", "  # c", "\t#c", "v=#1", "", "", " ", "v='q'", 'v="q"', "export v=1",
             "v=postgres://u:p@h/db?a=1", "w=http://h", 'v={"conn_type": "http"}', "v=mysql://h:99999", "v=é", "v=a\x0bw=2", "v=a\x0cb", "v=a\x1cb=1",
             "v=a\x85w=3", "v=a\u2028w=4", "v=\u2029", "\xa0# c", "\x1f# c", "v=a\\nb", "V=1", "v=  ", "\ufeffv=1", "v=[1]", "w=w=w", "a b=c", "v=$HOME"]


def env_case(rng):
    lines = [rng.choice(ENV_LINES) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.6:
        lines = [line for line in lines if "=" in line and not line.endswith("=") and not line.startswith("=")]
    content = rng.choice(["\n", "\n", "\r\n", "\r"]).join(lines) + rng.choice(["", "\n"])
    return {"name": rng.choice(["e.env", "e.env", "e.ENV", ".x.env"]), "content": content,
            "kind": rng.choice(["variable", "connection", "config"]), "id": "v"}


NAMES = [".env", "x.", "x", "env", ".json", "x.yaml.bak", "x.tar.json", "a.b.yml", "..json", "x.JSON", "x.Yaml", "x.txt", "x..env", ".a.env", "é.json", "x.json ",
         "x.env.", ". .yaml", "x.ENV", "x.toml"]
CONTENTS = ["v=1\n", '{"v": "1"}', "v: '1'\n", "v: 1"]


def name_case(rng):
    case = {"name": rng.choice(NAMES), "kind": rng.choice(["variable", "connection", "config"]), "id": "v"}
    if rng.random() < 0.15:
        content = rng.choice(CONTENTS).encode() + rng.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"w=\x80\n", b"\xef\xbb\xbf"])
        case["hex"] = content.hex()
        case["name"] = rng.choice(["x.env", "x.json", "x.yaml"])
    else:
        case["content"] = rng.choice(CONTENTS)
    return case


TOPICS = {"scalar": scalar_case, "structure": structure_case, "block": block_case, "connections": connections_case, "json": json_case, "env": env_case, "name": name_case}
WEIGHTS = [8, 4, 1, 5, 2, 3, 1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--topic", choices=TOPICS)
    parser.add_argument("--again", metavar="CORPUS")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        if args.again:
            with open(args.again) as corpus:
                for line in corpus:
                    print(json.dumps(answer(json.loads(line)["in"], folder)))
            return
        for _ in range(args.cases):
            topic = args.topic or rng.choices(list(TOPICS), WEIGHTS)[0]
            case = TOPICS[topic](rng)
            print(json.dumps(answer(case, folder)))


if __name__ == "__main__":
    main()
