"""Asks the real Airflow what it makes of random connections, and prints its answers.

    AIRFLOW_HOME=$(mktemp -d) python codec.py --cases 1000 --seed 7 [--dialect task-sdk]

One JSON object a line, `{"in": …, "out": …}`:

- `in` has one of `uri` (`Connection(uri=…)`), `json` (`Connection.from_json(…)`), `fields`
  (`Connection(**fields)`) and, with `--values`, `value` (what a secrets backend holds). Those for
  the Task SDK have `"dialect": "task-sdk"`.
- `out` is `{"error": <class>}`, or the fields as Airflow holds them, `extra` as the raw text, and
  what `get_uri()` (`uri`) and `as_json()` (`as_json`) give. `again` has the fields that are others
  when that URI is read, or the error that reading it gives. `differs` in their place names the line of
  `docs/differences.md` by which this crate answers with an error instead; `as_json_differs` says
  the same of `as_json` alone.

The same seed gives the same lines.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import random
import string
import sys
import warnings
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

from written_uris import written_uri

warnings.simplefilter("ignore")

TEXT_FIELDS = ("conn_type", "description", "host", "login", "password", "schema")
FIELDS = (*TEXT_FIELDS, "port", "extra")


# --- What Airflow says -----------------------------------------------------------------------


class Airflow:
    """The two dialects of the Airflow that is installed."""

    def __init__(self):
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
        from airflow._shared.secrets_backend.base import BaseSecretsBackend
        from airflow._shared.secrets_masker import reset_secrets_masker
        from airflow.models import Connection as CoreConnection
        from airflow.sdk import Connection as SdkConnection
        from airflow.sdk._shared.secrets_masker import reset_secrets_masker as reset_sdk_masker

        logging.disable(logging.CRITICAL)
        self.classes = {"core": CoreConnection, "task-sdk": SdkConnection}
        self.resets = (reset_secrets_masker, reset_sdk_masker)
        self.deserialize = BaseSecretsBackend._deserialize_connection_value

    def connection(self, given, dialect):
        cls = self.classes[dialect]
        if "uri" in given:
            return cls(conn_id="codec", uri=given["uri"])
        if "json" in given:
            return cls.from_json(given["json"], conn_id="codec")
        if "value" in given:
            return self.deserialize(cls, "codec", given["value"])
        return cls(conn_id="codec", **given["fields"])

    def forget(self):
        """Empties the log masker, which gets slower with every password it has seen."""
        for reset in self.resets:
            reset()

    def answer(self, given, dialect):
        try:
            connection = self.connection(given, dialect)
        except Exception as error:
            return {"error": type(error).__name__}
        held = {field: getattr(connection, field) for field in FIELDS}
        difference = find_difference(given, held, dialect)
        try:
            held["uri"] = connection.get_uri()
        except Exception:
            difference = difference or "no-uri"
        if difference:
            return {"differs": difference}
        again = self.read_again(held, dialect)
        if again:
            held["again"] = again
        if dialect == "task-sdk" and is_odd(held["extra"] or ""):
            return {**held, "as_json_differs": "strict"}
        return {**held, "as_json": connection.as_json()}

    def read_again(self, held, dialect):
        """What changes when the URI that was written is read."""
        try:
            connection = self.connection({"uri": held["uri"]}, dialect)
        except Exception as error:
            return {"error": type(error).__name__}
        again = {field: getattr(connection, field) for field in FIELDS}
        return {field: again[field] for field in FIELDS if again[field] != held[field]}


def find_difference(given, held, dialect):
    """The line of docs/differences.md that applies, if one does."""
    if any(not isinstance(held[field], str | None) for field in (*TEXT_FIELDS, "extra")):
        return "type"
    port = held["port"]
    if port is not None and type(port) is not int:
        return "type"
    if port is not None and not 0 <= port <= 65535:
        return "port"
    text = given.get("value", given.get("json", "")).strip()
    if text.startswith("{") and is_odd(text):
        return "strict"
    if dialect == "core":
        values = [held["extra"] or ""]
        uri = given.get("uri") or (text if not text.startswith("{") else json.loads(text).get("uri"))
        if uri:
            query = dict(parse_qsl(urlsplit(uri).query, keep_blank_values=True))
            values += [] if "__extra__" in query else query.values()
        if any(map(is_odd, values)):
            return "strict"
    elif has_odd_member(held["extra"] or ""):
        return "no-uri"
    return None


def has_odd_member(text):
    """An object with an unpaired surrogate in one of its own keys or texts."""
    members = []

    def see_pairs(pairs):
        nonlocal members
        members = pairs
        return dict(pairs)

    try:
        if not isinstance(json.loads(text, object_pairs_hook=see_pairs), dict):
            return False
    except (ValueError, RecursionError):
        return False
    texts = [text for pair in members for text in pair if isinstance(text, str)]
    return any("\ud800" <= c <= "\udfff" for text in texts for c in text)


def is_odd(text):
    """Python's `json` reads it, but it holds something that is not strict JSON."""
    odd = False

    def see(value):
        nonlocal odd
        if isinstance(value, str):
            odd = odd or any("\ud800" <= c <= "\udfff" for c in value)
        elif isinstance(value, list):
            for item in value:
                see(item)

    def see_float(digits):
        nonlocal odd
        odd = odd or math.isinf(float(digits))
        return 0.5

    def see_constant(_):
        nonlocal odd
        odd = True

    def see_pairs(pairs):
        for key, value in pairs:
            see(key)
            see(value)
        return dict(pairs)

    try:
        document = json.loads(
            text,
            parse_float=see_float,
            parse_constant=see_constant,
            object_pairs_hook=see_pairs,
        )
        see(document)
    except (ValueError, RecursionError):
        return False
    return odd


# --- What it is asked ------------------------------------------------------------------------

SCHEMES = (
    "postgres postgresql mysql http https ftp s3 aws google-cloud-platform google_cloud_platform "
    "mongo+srv a x.y Postgres HTTP MySQL-Db kubernetes- -k 1a é generic spark azure-data-lake "
    "postgre-sql PostgreSQL".split()
)
HOSTS = (
    "localhost db.example.com DB.Example.COM 127.0.0.1 host_with_underscore h xn--bcher-kva.example "
    "bücher.example ΑΣ ὈΔΥΣΣΕΎΣ İstanbul STRASSE ẞ %2Ftmp%2Fsocket %2FVar%2FRun a%2Fb:c %41BC "
    "h%00x a%zz %e2%82%ac %E2%82 %ff %C3%28 _%2f_ h.%%41 *.example.com .. - ~".split()
)
BRACKETED = (
    "[::1] [::] [FE80::1%25eth0] [fe80::1%eth0] [fe80::1%] [1:2:3:4:5:6:7:8] [1:2:3:4:5:6:7::] "
    "[::1:2:3:4:5:6:7] [1::2::3] [::ffff:1.2.3.4] [::ffff:01.2.3.4] [::1.2.3] [1.2.3.4] [v1.a] [v1.] "
    "[vF.%2F] [V1.a] [v.a] [not-ip] [] [::1 ::1] [12345::] [::g] [:1] [1:] [::1%a%b] x[::1]y "
    "[::1]] [[::1] [::FFFF] [2001:DB8::A] [v1a.b:c] [::1.2.3.256] [0:0:0:0:0:0:0:0:0] [::00001]".split()
)
DELIMITER_LIKE = "℀℁℅℆⁇⁈⁉⩴︓︖﹕﹖﹟﹫＃／：？＠ﬀ①½ⅣÅＡ；＝"
PORTS = (
    ["", "0", "1", "80", "5432", "65535", "65536", "00080", "-1", "+1", " 80", "80 ", "8_0", "８０"]
    + ["x", "99999999999999999999", "1e3", "80.0", "%38%30", "0x50", "٣"]
)
NASTY = "%:/?#[]@!$&'()*+,;=~\"\\<>{}|^`_-. \t\n\r\x00\x0b\x1c\x1f\x7f\x85\xa0éßñ字א😀\u200b\u2028\ufeffÅ\u0130"
JSON_TEXTS = (
    "1 -1 0 -0 1.0 -0.0 1e5 1E+5 1e-7 1e16 123456789012345678 1e400 -1e400 0.1 01 1. .5 1e +1 - 1_0 "
    "true false null True None NaN Infinity -Infinity nan -NaN nul [] {} [1,2] [1,] {\"a\":1} "
    "{\"a\":1,\"a\":2} {'a':1} \"x\" \"x \"\\u00e9\" \"\\ud83d\\ude00\" \"\\ud800\" \"\\udc00\\ud800\" "
    "[\"\\ud800\"] \"\\x\" \"\\u12\" \"\\u00G0\" {\"\\ud83d\":1} [NaN] {\"a\":[1,{\"b\":null}]} \ufeff1 "
    "12345678901234567890123 -98765432109876543210 1e22 1e21 5e-324 1.7976931348623157e308 0.0001 "
    "0.00001 123456.789e3 9007199254740993 1.0000000000000002 2.5E-3 [[]] {\"\":\"\"} {\"a\":\"b\"} "
    "{\"a\":true} [Infinity,] {\"a\":1}x /*1*/ 1// 0x1 ٣".split()
)
PYTHON_BLANKS = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2003\u3000"


class Cases:
    def __init__(self, seed, dialect, values):
        self.random = random.Random(f"{seed} {dialect}")
        self.dialect = dialect
        self.kinds = {"uri": self.uri, "json": self.json, "fields": self.fields}
        self.weights = [55, 28, 17]
        if values:
            self.kinds["value"] = self.value
            self.weights.append(10)

    def one(self):
        (kind,) = self.random.choices(list(self.kinds), self.weights)
        return {kind: self.kinds[kind]()}

    def chance(self, share):
        return self.random.random() < share

    def pick(self, options):
        return self.random.choice(options)

    def text(self, longest=9):
        """Some text, plain or nasty."""
        way = self.random.random()
        length = self.random.randint(0, longest)
        if way < 0.1:
            return ""
        if way < 0.4:
            return "".join(self.random.choices(string.ascii_letters + string.digits, k=length + 1))
        letters = NASTY if way < 0.9 else [chr(self.code_point()) for _ in range(8)]
        return "".join(
            self.pick(letters) if self.chance(0.4) else self.pick("abcXYZ019") for _ in range(length)
        )

    def code_point(self):
        while True:
            code = self.random.randrange(self.pick([0x80, 0x100, 0x3000, 0x10000, 0x20000]))
            if not 0xD800 <= code <= 0xDFFF:
                return code

    def encoded(self, longest=9):
        """Text as a part of a URI: encoded well, half, wrongly or not at all."""
        way = self.random.random()
        text = self.text(longest)
        if way < 0.5:
            return quote(text, safe="")
        if way < 0.6:
            return quote_plus(text)
        if way < 0.75:
            return text
        return "".join(
            self.pick([f"%{self.random.randrange(256):02x}", f"%{ord(c) & 0xFF:02X}", c, "%", "+"])
            for c in text
        )

    def mutated(self, text, alphabet):
        """The text with a few letters changed."""
        for _ in range(self.random.choices([0, 1, 2, 4], [60, 22, 12, 6])[0]):
            at = self.random.randint(0, len(text))
            end = min(len(text), at + self.random.randint(0, 3))
            text = self.pick(
                [
                    text[:at] + self.pick(alphabet) + text[at:],
                    text[:at] + self.pick(alphabet) + text[at + 1 :],
                    text[:at] + text[end:],
                    text[:end] + text[at:],
                    text[:at],
                ]
            )
        return text

    # JSON values and texts

    def number(self):
        way = self.random.randrange(8)
        if way == 7:  # two shortest decimals are equally near
            return self.random.randint(2**48, 2**51) + self.pick([0.25, 0.75, 0.125, -0.375])
        if way == 0:
            return self.pick([0, 1, -1, 5432, 2**31, 2**53 + 1, 2**63, -(2**64), 10**25])
        if way == 1:
            return self.random.randint(-(10 ** self.random.randint(1, 40)), 10**6)
        if way == 2:
            return self.pick([0.0, -0.0, 1.0, 0.1, 1e16, 1e15, 9999999999999998.0, 1e-4, 1e-5, 5e-324])
        if way == 3:
            return self.random.uniform(-1, 1) * 10.0 ** self.random.randint(-320, 308)
        if way == 4:
            return float(self.random.randint(-(10**18), 10**18))
        if way == 5:
            return round(self.random.uniform(-1000, 1000), self.random.randint(0, 5))
        return self.random.randint(0, 99)

    def value_of_json(self, depth=0):
        way = self.random.randrange(9 if depth < 3 else 6)
        if way < 3:
            return self.text(6)
        if way == 3:
            return self.number()
        if way < 6:
            return self.pick([True, False, None, 1, "", "true", "1", "[1]", "null"])
        if way == 6:
            return [self.value_of_json(depth + 1) for _ in range(self.random.randint(0, 3))]
        return self.object_of_json(depth + 1)

    def object_of_json(self, depth=0):
        return {self.text(4): self.value_of_json(depth) for _ in range(self.random.randint(0, 3))}

    def flat_object(self):
        return {self.text(5): self.text(6) for _ in range(self.random.randint(0, 3))}

    def written(self, value):
        """JSON text, in one of the ways to write it."""
        separators = self.pick([None, (",", ":"), (" , ", " : "), (",\n\t", ":\r")])
        text = json.dumps(value, ensure_ascii=self.chance(0.5), separators=separators)
        if self.chance(0.1):
            text = self.pick([" ", "\n", "\t \r\n", "\x0b", "\ufeff", "\xa0"]) + text + self.pick(["", " ", "\n"])
        return text

    def huge(self):
        """At and beyond the limits of depth and digits."""
        depth = self.pick([200, 700, 1500, 3000])
        return self.pick(
            [
                "[" * depth + "]" * depth,
                "[" * depth,
                '{"a":' * depth + "1" + "}" * depth,
                "1" * self.pick([4300, 4301]),
                "-" + "1" * self.pick([4300, 4301]),
                "1" * 4301 + ".0",
            ]
        )

    def extra(self):
        """An `extra`, as text."""
        way = self.random.random()
        if way < 0.3:
            return self.written(self.flat_object())
        if way < 0.6:
            return self.written(self.object_of_json())
        if way < 0.75:
            return self.mutated(self.written(self.object_of_json()), NASTY + '{}[],:"\\u0d8')
        if way < 0.85:
            return '{"a": ' + self.pick(JSON_TEXTS) + self.pick(["}", ', "a": "x"}', ', "b": "x"}'])
        if way < 0.99:
            return self.pick([*JSON_TEXTS, "", " ", "not json", "a=b"])
        return self.pick(['{"a":' + self.huge() + "}", self.huge()])

    # URIs

    def query(self):
        way = self.random.random()
        if way < 0.2:
            return ""
        if way < 0.3:
            return "?" + urlencode({"__extra__": self.extra()})
        if way < 0.34:
            return "?" + self.pick(["&", "=", "&&", "=&=", "a", "a&a", "a=&a", ";", "a;b=c", "?", "__extra__"])
        pairs = []
        for _ in range(self.random.randint(1, 4)):
            key = self.pick([self.encoded(4), "a", "sslmode", "timeout", "__extra__" if self.chance(0.1) else "b"])
            inner = self.random.random()
            if inner < 0.3:
                value = self.encoded()
            elif inner < 0.6:
                value = self.pick([quote, quote_plus])(self.pick(JSON_TEXTS))
            elif inner < 0.75:
                value = quote_plus(self.written(self.value_of_json()))
            elif inner < 0.85:
                value = self.pick(JSON_TEXTS)
            elif inner < 0.998:
                value = self.text()
            else:
                value = self.huge()
            pairs.append(key + self.pick(["=", "=", "=", "=", "", "=="]) + value)
        return "?" + self.pick(["&", "&", "&", "&&", ";", "&;"]).join(pairs)

    def host(self):
        way = self.random.random()
        if way < 0.5:
            return self.pick(HOSTS)
        if way < 0.65:
            return self.pick(BRACKETED)
        if way < 0.7:
            return "[" + self.mutated(self.pick(BRACKETED)[1:-1], "0123456789abcdefABCDEFvg:.%") + "]"
        if way < 0.74:
            return "h" + self.pick(DELIMITER_LIKE) + "x"
        if way < 0.8:
            return ""
        return self.encoded()

    def uri(self):
        way = self.random.random()
        if way < 0.03:
            letters = ":/?#[]@%&=+aB0. "
            return "".join(self.random.choices(letters, k=self.random.randint(0, 16)))
        if way < 0.05:
            return self.text(20)
        if way > 0.85:
            return written_uri(self.random)
        scheme = self.pick(SCHEMES)
        rest = self.pick([self.query, self.full])() if way < 0.1 else self.full()
        separator = "://" if self.chance(0.96) else self.pick([":", ":/", "//", "", ":///", "::// "])
        if self.chance(0.15):
            separator += self.pick([*SCHEMES, scheme, scheme, ""]) + "://"
        uri = scheme + separator + rest
        if self.chance(0.04):
            uri = self.pick([" ", "\t", "\n ", "\x00", "\x1f", "\xa0", "\x7f", "\ufeff"]) + uri
        if self.chance(0.03):
            at = self.random.randint(0, len(uri))
            uri = uri[:at] + self.pick(["\t", "\n", "\r", "\r\n", "://"]) + uri[at:]
        return self.mutated(uri, NASTY) if self.chance(0.35) else uri

    def full(self):
        user_info = ""
        if self.chance(0.65):
            user_info = self.encoded()
            if self.chance(0.7):
                user_info += ":" + self.encoded()
            user_info += "@"
        port = ":" + self.pick(PORTS if self.chance(0.3) else ["1", "80", "5432"]) if self.chance(0.5) else ""
        path = ""
        if self.chance(0.6):
            path = "/" + self.encoded()
            if self.chance(0.1):
                path += "/" + self.encoded()
        fragment = "#" + self.encoded(4) if self.chance(0.06) else ""
        return user_info + self.host() + port + path + self.query() + fragment

    # Fields and JSON documents

    def host_field(self):
        return self.pick(
            [
                lambda: self.pick(HOSTS),
                lambda: self.pick(SCHEMES) + "://" + self.pick(HOSTS),
                lambda: self.pick(["a://b://c", "://h", "/sock/et", "http://", "https://h:80/p", ""]),
                self.text,
            ]
        )()

    def fields(self):
        fields = {}
        makers = {
            "conn_type": lambda: self.pick([*SCHEMES, "", self.text(5)]),
            "description": self.text,
            "host": self.host_field,
            "login": self.text,
            "password": self.text,
            "schema": self.text,
            "port": lambda: self.pick([0, 1, 80, 5432, 65535, 65535, 8080, 65536, -1, 10**9]),
            "extra": self.extra,
        }
        for name, make in makers.items():
            if self.chance(0.55):
                fields[name] = None if self.chance(0.06) else make()
        if self.chance(0.03):
            name = self.pick([*makers])
            fields[name] = self.pick([1, 0.5, True, ["a"], {"a": 1}, "5432", {"b": {"c": [1, None]}}])
        if self.chance(0.02):
            fields[self.pick(["hots", "Host", "conn_id", ""])] = "x"
        if "host" in fields and "conn_type" in fields and self.chance(0.2):
            fields["host"] = f"{fields['conn_type']}://{fields['host']}"
        return fields

    def json(self):
        way = self.random.random()
        if way < 0.03:
            return self.pick([*JSON_TEXTS, "", " ", "[]", "[{}]", '"{}"'])
        if way < 0.035:
            return '{"extra": ' + self.huge() + "}"
        document = self.fields()
        if "port" in document and self.chance(0.5):
            ports = [*PORTS, "", 0, 0.0, False, True, 5432.9, 0.5, -0.5, 65535.9, 65536.0, -1.5, 1e300, []]
            ports += ["65535", "\xa0443\u3000", "\x1c443", "443\n", "4_4_3", "4__3", "0" * 4299 + "1"]
            ports += ["0" * 4300 + "1", "-0", "+443", "-_0", "\x0b1\x0c", {}, ["1"], "1" * 30, 2**70]
            document["port"] = self.pick(ports)
        if "extra" in document and self.chance(0.6):
            document["extra"] = self.pick([self.object_of_json, self.flat_object, self.value_of_json])()
        if self.chance(0.06):
            wrong = [0, 1, False, True, [], {}, ["x-y"], {"a": 1}, 1.5, ""]
            document[self.pick(FIELDS)] = self.pick(wrong)
        if self.chance(0.05):
            document["uri"] = self.pick([self.uri(), self.uri(), "", None, 0, 5, [], "postgres://h/s"])
            if self.chance(0.7):
                keep = ["uri", self.pick(FIELDS)]
                document = {key: document[key] for key in keep if key in document}
        if self.chance(0.03):
            keys = ["conn_id", "team_name", "id", "self", "Host", "is_encrypted", "", "hots"]
            document[self.pick(keys)] = self.pick(["x", None, 1])
        names = list(document)
        self.random.shuffle(names)
        text = self.written({name: document[name] for name in names})
        if self.chance(0.05):
            again = self.written(self.pick([self.text(), None, 1]))
            text = text.rstrip().removesuffix("}") + f', "{self.pick(FIELDS)}": {again}' + "}"
        if self.chance(0.04):
            text = text.rstrip().removesuffix("}") + f', "extra": {{"k": {self.pick(JSON_TEXTS)}}}' + "}"
        if self.chance(0.12):
            text = self.mutated(text, NASTY + '{}[],:"\\')
        return text

    def value(self):
        text = self.pick([self.uri, self.json])()
        if self.chance(0.5):
            text = self.pick(PYTHON_BLANKS) + text + self.pick(PYTHON_BLANKS)
        if self.chance(0.03):
            text = "".join(self.random.choices(PYTHON_BLANKS, k=2))
        return text


def cases(count, seed, dialects, values=False):
    """`count` cases, one after the other from each of `dialects`, with Airflow's answers."""
    airflow = Airflow()
    by_dialect = {dialect: Cases(seed, dialect, values) for dialect in dialects}
    sources = [by_dialect[dialect] for dialect in dialects]
    for index in range(count):
        if index % 100 == 0:
            airflow.forget()
        source = sources[index % len(sources)]
        given = source.one()
        # Airflow is asked with what a reader of the line will see.
        given = json.loads(json.dumps(given))
        asked = json.loads(json.dumps(given))
        if source.dialect != "core":
            given["dialect"] = source.dialect
        yield {"in": given, "out": airflow.answer(asked, source.dialect)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--dialect", choices=["core", "task-sdk"], action="append")
    parser.add_argument("--values", action="store_true", help="also ask for what backends hold")
    options = parser.parse_args()
    dialects = options.dialect or ["core", "task-sdk"]
    for case in cases(options.cases, options.seed, dialects, options.values):
        sys.stdout.write(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
