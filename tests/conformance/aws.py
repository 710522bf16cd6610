"""Asks the real Airflow what its two AWS secrets backends do; writes a case a line. Nothing leaves
the process: the names asked, and the requests botocore would send, are recorded and answered here.

    python aws.py names     --cases 1500 --seed 1 > aws_names.jsonl
    python aws.py documents --cases 2500 --seed 1 > aws_documents.jsonl
    python aws.py settings  --cases 500  --seed 1 > aws_settings.jsonl

aws.md tells what a case holds. The same seed gives the same cases.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import shutil
import sys
import tempfile
import time
import warnings
from urllib.parse import parse_qsl

# Airflow logs to stdout, which is for the cases alone.
ANSWERS, sys.stdout = sys.stdout, sys.stderr
HOME = tempfile.mkdtemp(prefix="aws-conformance-")


def clean_environment():
    for name in list(os.environ):
        if re.match(r"AWS|AIRFLOW|SSL_|GOOGLE_|.*CA_BUNDLE|.*_proxy$", name, re.IGNORECASE):
            del os.environ[name]
    os.environ |= {"AIRFLOW_HOME": HOME, "HOME": HOME}


clean_environment()
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import boto3.session  # noqa: E402
import botocore.httpsession  # noqa: E402
import structlog  # noqa: E402

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

from airflow.models import Connection as CoreConnection  # noqa: E402
from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend  # noqa: E402
from airflow.providers.amazon.aws.secrets.systems_manager import (  # noqa: E402
    SystemsManagerParameterStoreBackend,
)
from airflow.sdk import Connection as TaskConnection  # noqa: E402
from botocore.awsrequest import AWSResponse  # noqa: E402
from botocore.exceptions import ConnectTimeoutError  # noqa: E402

CLASSES = {
    "secrets_manager": SecretsManagerBackend,
    "parameter_store": SystemsManagerParameterStoreBackend,
}
METHODS = {"connection": "get_conn_value", "variable": "get_variable", "config": "get_config"}


def error_of(error):
    return type(error).__name__


# --- names ------------------------------------------------------------------------------------

PREFIXES = ["", "", None, None, "a", "a/", "a//", "/", "//", "/a", "/a/", "a/b", "a/-/", "a-/-", "a-", "-",
            "--", " a ", " ", "a/ ", "é/", "a:", "airflow/connections", "/airflow/variables/", "x.y", "日本/", "0",
            "a\t", "ab", "ba/ab", 5, True, False, 0, [], ["a"], {}]
SEPARATORS = ["/", "/", "-", "/-", "-/", "--", "", "ab", " ", ".", ":", "::", "é", "a", None, 5, [], "\t", "_"]
IDS = ["x", "abc", "ABC", "xabc", "aBcd", "a b", " a", "a ", "é", "É", "a/b", "/a", "a/", "//", "", "a--b", "--",
       "a---b", "-a-", "a-b", "-", "a\n", "a\nb", "a:b", "a?b#c", "ａ", "日本語", "İstanbul", "straße", "STRASSE",
       "%2F", "a%20b", "prod_db", "PROD_DB", "dev_db", "my.conn", "K", "\u212aelvin", "ſ", "😀", "\u00a0", "x" * 60,
       "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf", "1", "٥", "_", "a\\b", '"', "'", "sql_alchemy_conn",
       "team--id", "t--x", "..", "../x", "$", "^a", "aa", "aA", "ab", "aab", "b", "ba"]
TEAMS = [None, None, None, "t", "team", "a--b", "", " t", "T", "é", "-", "t-", "a/b"]
PATTERNS = [None, "", "", "abc", "ABC", "^abc$", "abc$", "^prod_", "PROD", "(?!dev)", "(?=.*db)", "(?!.*--)", "(?=a)", ".*x",
            "a|b", "é", "ß", "ſ", "s", "k", "İ", "i", "ı", r"\d", r"\w+$", r"\W", r"\s", r"\S+\s", r"\Z", r"a\Z", r"\Aa",
            r"\ba", r"\Ba", "(?i)A", "(?-i:A)", "(?a:\\w)+$", "(?s).", ".", "^.$", "(?m)^a$", "(?x) a b", "(a)\\1", "(?P<n>a)(?P=n)",
            "(?<=a)b", "(?<!a)b", "a++", "(?>a)b", "a{2}", "a{,2}$", "a{2,}", "a{x}", "[a-z]+$", "[^a]", "[A-Z]+$", "[]a]", "[a-]",
            "[[:alpha:]]", "[a-z&&[^b]]", r"[\w-]+$", r"\u0061", r"\x61", r"\141", "\\N{DIGIT ONE}", "(?#c)a", "(?P<a>a)?(?(a)b|x)", " ",
            "a b", "x.*y|a", "^", "$", "()", "|", "team--", ".*--", "日本", "😀", "\\$", r"\^a", r"\-", r"\/", "a#b",
            "(", ")", "[", "*", "+a", "a**", r"\p{L}", r"a\z", "x(?i)", "(?L)a", "(?<n>a)", "(?P<1>a)", "(?P=n)", "a{2,1}", "[b-a]",
            "\\", "(?<=a*)b", "(?z)a", r"\q", r"(\2)", "(?P<n>a)(?P<n>b)", 5, True, 0, False, [], ["x"], {}]
ATOMS = ["a", "b", "A", "é", "[ab]", "[^b]", ".", r"\w", r"\d", "-", "(?:a|b)", "(?=a)", "(?!b)", "(a)", "_", "/"]
QUANTIFIERS = ["", "", "", "?", "*", "+", "{2}", "{1,2}", "*?", "+?"]


def pattern(rng):
    if rng.random() < 0.6:
        return rng.choice(PATTERNS)
    made = "".join(rng.choice(ATOMS) + rng.choice(QUANTIFIERS) for _ in range(rng.randint(1, 4)))
    return rng.choice(["", "", "^"]) + made + rng.choice(["", "", "$", r"\Z"])


def identifier(rng):
    if rng.random() < 0.7:
        return rng.choice(IDS)
    return "".join(rng.choice("abABé-_/ .0x") for _ in range(rng.randint(1, 6)))


def names_case(rng):
    kwargs = {}
    for kind in ("connections", "variables", "config"):
        if rng.random() < 0.5:
            odd = rng.random() < 0.93
            kwargs[f"{kind}_prefix"] = rng.choice([p for p in PREFIXES if not odd or p is None or isinstance(p, str)])
        if rng.random() < 0.35:
            kwargs[f"{kind}_lookup_pattern"] = pattern(rng)
    if rng.random() < 0.45:
        kwargs["sep"] = rng.choice([s for s in SEPARATORS if isinstance(s, str) or rng.random() < 0.1])
    if rng.random() < 0.05:
        kwargs[rng.choice(["full_url_mode", "are_secret_values_urlencoded", "variable_prefix", "unknown"])] = True
    kind = rng.choice(["connection", "variable", "variable", "config"])
    team = None if kind == "config" else rng.choice(TEAMS)
    answers = [rng.choice([None, "value", "", "binary"]) for _ in range(2)] if rng.random() < 0.25 else []
    return {"class": rng.choice(list(CLASSES)), "kwargs": kwargs, "kind": kind, "id": identifier(rng), "team": team,
            "multi_team": rng.random() < 0.45, "answers": answers}


class Client:
    """Stands in for the service's client: keeps the names asked, gives the answers in order."""

    class exceptions:  # noqa: N801
        class Absent(Exception):
            pass

        class Other(Exception):
            pass

        ResourceNotFoundException = ParameterNotFound = Absent
        InvalidParameterException = InvalidRequestException = DecryptionFailure = InternalServiceError = Other

    def __init__(self, answers):
        self.asked, self.answers = [], list(answers)

    def answer(self, name):
        self.asked.append(name)
        given = self.answers.pop(0) if self.answers else None
        if given is None:
            raise self.exceptions.Absent
        return given

    def get_secret_value(self, SecretId):
        given = self.answer(SecretId)
        return {"SecretBinary": b"\0"} if given == "binary" else {"SecretString": given}

    def get_parameter(self, Name, WithDecryption):
        assert WithDecryption is True
        return {"Parameter": {"Value": self.answer(Name)}}


def names_answer(case):
    os.environ["AIRFLOW__CORE__MULTI_TEAM"] = str(case["multi_team"])
    try:
        backend = CLASSES[case["class"]](**case["kwargs"])
    except Exception as error:
        return {"error": error_of(error), "when": "construction"}
    client = backend.__dict__["client"] = Client(case["answers"])
    refused = []
    backend._log_refusal = lambda *_: refused.append(True)
    team = {} if case["kind"] == "config" else {"team_name": case["team"]}
    try:
        value = getattr(backend, METHODS[case["kind"]])(case["id"], **team)
    except Exception as error:
        return {"asked": client.asked, "error": error_of(error), "when": "lookup"}
    answer = {"asked": client.asked, "value": value}
    if not client.asked:
        prefix = {"connection": backend.connections_prefix, "variable": backend.variables_prefix,
                  "config": backend.config_prefix}[case["kind"]]
        answer["skipped"] = "prefix" if prefix is None else "refused" if refused else "pattern"
    return answer


# --- documents --------------------------------------------------------------------------------

WORDS = {
    "login": ["login", "user", "username", "user_name"],
    "password": ["password", "pass", "key"],
    "host": ["host", "remote_host", "server"],
    "port": ["port"],
    "schema": ["database", "schema"],
    "conn_type": ["conn_type", "conn_id", "connection_type", "engine"],
    "extra": ["extra"],
}
STRANGERS = ["Login", "USER", " login", "login ", "description", "uri", "dbname", "dbInstanceIdentifier", "pwd", "usr", "srv", "typ",
             "Port", "extra__a", "", "é", "x", "conn", "password_", "hôst", "\\u006cogin", "id", "svc", "u", "s", "r"]
STRINGS = ['"a"', '""', '" a "', '"é"', '"\\u00e9"', '"\\ud83d\\ude00"', '"😀"', '"\\ud83d"', '"a%20b"', '"p%40q%2F"', '"a\\nb"', '"\\u0000"',
           '"\\""', '"\\\\"', '"\\/"', '"日本"', '"null"', '"0"', '"true"', '"{}"', '"h://x"', '"a@b:c/d"', '"\u007f"', '"\\t"', '"A"', '"\u2028"']
OTHERS = ["null", "null", "true", "false", "0", "1", "-0", "-1", "1.5", "1.50", "1e3", "1E5", "1e-7", "1e16", "1e400", "0.1", "123456789.123456789",
          "12345678901234567890123", "-9223372036854775809", "NaN", "Infinity", "-Infinity", "[]", "{}", '["a"]', '{"a":1}', '[1,{"b":[null]}]',
          "-0.0", "1.0", "5e-324", "1.7976931348623157e308"]
VALUES = {
    "login": STRINGS, "password": STRINGS, "host": STRINGS, "schema": STRINGS,
    "port": ["5432", '"5432"', "0", "-1", "65535", "65536", "70000", '""', '"x"', '" 5 "', '"+5"', '"-5"', '"1_0"', '"0x10"', '"5.0"', "5.0", "5.9", "true",
             "null", "[1]", "{}", '"٥"', "1e3", "99999999999999999999", '"007"', '"1__0"', '"\\u00a05"', '"²"', "-0.5", '"1e3"'],
    "conn_type": ['"postgres"', '"mysql"', '"postgresql"', '"my-type"', '"My_Type"', '"http"', '""', '"a b"', '"é"', '"google-cloud-platform"'],
    "extra": ['{"a":1}', '"{\\"a\\":1}"', '"{}"', "{}", '""', "null", '"not json"', '"[1]"', "[1]", "[]", "5", "0", "true", "false", '"5"', '"null"',
              '{"b":{"c":[1,2.50,"é"]},"a":null}', '"{ \\"a\\" : 1.50 }"', '{"a":1,"a":2}', '" "', '"{\\"a\\":NaN}"', '{"a":NaN}', '"é"',
              '{"__extra__":"{}"}', '"\\n{\\"k\\":\\"é\\"}"'],
}
URIS = ["postgres://u:p@h:5432/db?a=1&b=x", " postgres://u@h ", "mysql://login:pa%20ss@host", "mysql://l:pa%2520ss@h", "postgresql://h", "my-type://h",
        "://", "x://", "x:", "http://h:notaport/", "http://h:99999", "?", "aws://?__extra__=%7B%22a%22%3A1%7D", "aws://AKID:s%2Fk@/?region_name=eu-west-1",
        "plain text", "1", "null", "[]", "true", '"str"', '"postgres://h"', '[{"conn_type":"x"}]', "", " ", "\n", "\t \n", "\ufeff{}", "\u200b{}", "'{}'",
        "é://é:é@é/é?é=é", "POSTGRES://H", "http://https%3A%2F%2Fh", "x://h/a/b", "x://@h", "x://:@h", "x://:p@", "x://h?a=1&a=2", "x://h?a=[1]",
        "x://h?__extra__=nope", "u:p@h", "http://[::1]:80/x", "http://[::1", "//h", "h", "=", "{", "}", "{}", " {} ", "\n{}\n", "{}{}", "{} x", "{null}",
        "\u00a0{}", "\x1c{}", "\u3000{\"login\":\"a\"}", "\x85{}", "{\u00a0}", "{not json}", "{'login':'a'}", '{"login":"a",}', '{"login" "a"}', '{"login":a}', '{"login":"a"} //c',
        '{"login":"a\tb"}', '{"login":"a\nb"}', '{"login":01}', '{"login":.5}', '{"login":+1}', '{"login":1.}', '{"login":"\\x"}', '{"login":"\\u12"}', "{\"login\":'a'}",
        '{1:"a"}', '{"login":"a"', '{"login":', '{"a":{"b":{"c":[[[]]]}},"login":"l"}', '{"login":"a";"host":"h"}', "{{}}", '{"":""}', "{,}"]
EXTRA_WORDS = [{}, {"user": ["usr"]}, {"login": ["usr"]}, {"user": ["usr"], "login": ["x"]}, {"password": ["pwd", "x"]},
               {"host": ["srv"], "schema": ["dbname"], "conn_type": ["typ"], "extra": ["x"], "port": ["Port"]}, {"login": ["password"]},
               {"password": ["login"], "login": ["password"]}, {"login": ["Login", " login", ""]}, {"host": ["login", "é"]}, {"login": []},
               {"conn_type": ["svc", "description"]}, {"extra": ["description", "extra__a"]}, {"login": ["login"]}, {"schema": ["dbname", "dbname"]},
               {"nope": ["a"]}, {"User": ["usr"]}, {"conn_id": ["id"]}, {"description": ["x"]}, {"login": "usr"}, {"login": None}, {"login": 5},
               {"login": {"usr": 1}}, {"login": [1, None]}, {"login": [["usr"]]}, [], None, "", "x", ["a"], 5, True, False, {"": []}, {"user": ["usr"], "nope": []}]


def blank(rng):
    return rng.choice(["", "", "", "", " ", "\n", "\t", "\r\n", "  "])


def document(rng):
    members = []
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 7])):
        field = rng.choice(list(WORDS))
        if rng.random() < 0.2:
            key, value = rng.choice(STRANGERS), rng.choice(STRINGS + OTHERS)
        else:
            key = rng.choice(WORDS[field])
            value = rng.choice(VALUES[field]) if rng.random() < 0.85 else rng.choice(STRINGS + OTHERS)
        members.append((key, value))
    if members and rng.random() < 0.15:
        members.append((rng.choice(members)[0], rng.choice(STRINGS + OTHERS)))
    inside = ",".join(f'{blank(rng)}"{key}"{blank(rng)}:{blank(rng)}{value}{blank(rng)}' for key, value in members)
    text = f"{blank(rng)}{{{inside}}}{blank(rng)}"
    if rng.random() < 0.04:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", ",", '"', "\\", "}", "x", "\u00a0"]) + text[at + 1 :]
    return text


def documents_case(rng):
    kind = rng.random()
    secret = rng.choice(URIS) if kind < 0.14 else None if kind < 0.145 else document(rng)
    case = {"secret": secret}
    if rng.random() < 0.3:
        case["extra_conn_words"] = rng.choice(EXTRA_WORDS)
    return case


class OneSecret(Client):
    def __init__(self, secret):
        self.secret = secret

    def get_secret_value(self, SecretId):
        return {"SecretBinary": b"\0\xff"} if self.secret is None else {"SecretString": self.secret}


FIELDS = ("conn_type", "host", "login", "password", "schema", "port", "extra")


def held(field, value):
    plain = value is None or (
        type(value) is int and abs(value) < 2**63 if field == "port" else isinstance(value, str) and not re.search("[\ud800-\udfff]", value)
    )
    return value if plain else {"json": json.dumps(value)}


def connection(backend, connection_class):
    backend._set_connection_class(connection_class)
    try:
        found = backend.get_connection("the_id")
        return found and {field: held(field, getattr(found, field)) for field in FIELDS}
    except Exception as error:
        return {"error": error_of(error)}


def documents_answer(case):
    backend = SecretsManagerBackend(**{key: case[key] for key in case if key == "extra_conn_words"})
    backend.__dict__["client"] = OneSecret(case["secret"])
    try:
        answer = {"value": backend.get_conn_value("the_id")}
    except Exception as error:
        answer = {"error": error_of(error)}
    answer["connection"] = connection(backend, CoreConnection)
    task_sdk = connection(backend, TaskConnection)
    return answer if task_sdk == answer["connection"] else answer | {"task_sdk": task_sdk}


# --- settings ---------------------------------------------------------------------------------

ROLE = "arn:aws:iam::123456789012:role/reader"
REGIONS = ["eu-west-1", "us-east-1", "ap-south-1", "eu-north-1"]
PROFILES = ["default", "p", "q", "r", "w", "my p"]


def sections(rng, config, odd):
    lines = []
    for profile in PROFILES:
        if rng.random() < (0.6 if profile in ("default", "p") else 0.4):
            name = profile if not config or profile == "default" else f'profile "{profile}"' if " " in profile else f"profile {profile}"
            if odd and rng.random() < 0.12:
                name = rng.choice([profile, f"profile {profile}"])
            lines.append(f"[{name}]")
            if rng.random() < (0.7 if config else 0.1):
                lines.append(f"region = {rng.choice(REGIONS)}")
            if rng.random() < (0.25 if config else 0.85):
                lines.append(f"aws_access_key_id = AKID{'CONFIG' if config else 'FILE'}{profile.upper().replace(' ', '')}")
                if not odd or rng.random() < 0.85:
                    lines.append("aws_secret_access_key = synthetic")
                if rng.random() < 0.2:
                    lines.append(f"{rng.choice(['aws_session_token', 'aws_security_token'])} = token-{profile[:1]}")
            if config and profile == "r":
                lines.append("role_arn = arn:aws:iam::123456789012:role/of-profile")
                if not odd or rng.random() < 0.8:
                    lines.append(f"source_profile = {pick(rng, odd, ['p', 'default'], ['absent'])}")
                if rng.random() < 0.5:
                    lines.append("role_session_name = of-profile")
                if rng.random() < 0.3:
                    lines.append("external_id = of-profile")
                if rng.random() < 0.3:
                    lines.append("duration_seconds = 1800")
            if config and profile == "w" and rng.random() < 0.7:
                lines += ["role_arn = arn:aws:iam::123456789012:role/of-web", "web_identity_token_file = @HOME@/token"]
            if config and rng.random() < 0.08:
                lines.append(f"endpoint_url = http://profile-{profile[:1]}.test:81")
            if config and rng.random() < 0.06:
                lines.append("ca_bundle = @HOME@/profile.pem")
            if config and rng.random() < 0.08:
                lines.append("services = s")
    if config and (not odd or rng.random() < 0.5):
        lines += ["[services s]", "secrets_manager =", "  endpoint_url = http://services-sm.test", "sts =", "  endpoint_url = http://services-sts.test",
                  "ssm =", "  endpoint_url = http://services-ssm.test"]
    if odd and rng.random() < 0.05:
        lines.append("malformed")
    return "\n".join(lines) + "\n"


def role_kwargs(rng, odd):
    given = {}
    for name, share, usual, unusual in [
        ("RoleSessionName", 0.4, ["mine", "my session/é", "A_b+c=d,e.f@g-h"], ["", None]), ("DurationSeconds", 0.3, [900, 3600, 43201], [1, "900", 900.0]),
        ("ExternalId", 0.3, ["ext", "x y&z=1"], ["e"]), ("Policy", 0.15, ['{"Version":"2012-10-17"}'], [{"a": 1}]),
        ("Tags", 0.15, [[{"Key": "a", "Value": "b"}, {"Key": "é", "Value": ""}]], []), ("TransitiveTagKeys", 0.1, [["a"]], []),
        ("PolicyArns", 0.1, [[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]], []), ("SourceIdentity", 0.1, ["source"], []),
        ("SerialNumber", 0.05, ["arn:aws:iam::123456789012:mfa/one"], []), ("TokenCode", 0.05, ["123456"], []),
        ("RoleArn", 0.1, ["arn:aws:iam::123456789012:role/another"], []), ("Nope", 0.1 * odd, [1], []),
    ]:
        if rng.random() < share:
            given[name] = pick(rng, odd, usual, unusual)
    return rng.choice([None, [], "x", {}]) if odd and rng.random() < 0.1 else given


def pick(rng, odd, usual, unusual=()):
    return rng.choice([*usual, *unusual] if odd else usual)


def settings_case(rng):
    # Two cases in three are free of mistakes, so that most come to a request.
    odd = rng.random() < 0.33
    config = sections(rng, True, odd) if rng.random() < 0.65 else None
    credentials = sections(rng, False, odd) if rng.random() < 0.65 else None
    known = [name for name in PROFILES if re.search(rf'^\[(profile )?"?{name}"?\]$', f"{config}\n{credentials}", re.MULTILINE)]
    env, kwargs = {"AWS_EC2_METADATA_DISABLED": "true"}, {}
    for name, share, usual, unusual in [
        ("AWS_DEFAULT_REGION", 0.4, REGIONS, [""]), ("AWS_REGION", 0.3, REGIONS, []),
        ("AWS_PROFILE", 0.25, known, ["absent", ""]), ("AWS_DEFAULT_PROFILE", 0.15, known, ["absent", ""]),
        ("AWS_ACCESS_KEY_ID", 0.35, ["AKIDENVIRONMENT"], [""]), ("AWS_SESSION_TOKEN", 0.15, ["token-env"], []),
        ("AWS_SECURITY_TOKEN", 0.05, ["token-security"], []), ("AWS_ENDPOINT_URL", 0.12, ["http://env.test:80", "https://env.test/base", ""], ["nonsense"]),
        ("AWS_ENDPOINT_URL_STS", 0.12, ["http://env-sts.test:4566"], []), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", 0.08, ["http://env-sm.test"], []),
        ("AWS_ENDPOINT_URL_SSM", 0.08, ["http://env-ssm.test"], []), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", 0.05, ["true", "false"], []),
        ("AWS_CA_BUNDLE", 0.06, ["@HOME@/env.pem"], [""]), ("AWS_ROLE_ARN", 0.08, ["arn:aws:iam::123456789012:role/of-env"], []),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", 0.05, ["@HOME@/token"], ["@HOME@/absent"]), ("AWS_ROLE_SESSION_NAME", 0.06, ["of-env"], []),
        ("AWS_STS_REGIONAL_ENDPOINTS", 0.04, ["legacy", "regional"], []), ("AWS_USE_FIPS_ENDPOINT", 0.03, ["true"], []),
        ("AWS_USE_DUALSTACK_ENDPOINT", 0.03, ["true"], []), ("AWS_CONFIG_FILE", 0.03 * odd, ["@HOME@/absent"], []),
        ("AWS_SHARED_CREDENTIALS_FILE", 0.03 * odd, ["@HOME@/absent"], []),
    ]:
        if rng.random() < share and (usual or odd and unusual):
            env[name] = pick(rng, odd, usual, unusual)
    if "AWS_ACCESS_KEY_ID" in env and not (odd and rng.random() < 0.1):
        env["AWS_SECRET_ACCESS_KEY"] = "synthetic"
    for name, share, usual, unusual in [
        ("region_name", 0.4, [*REGIONS, "mars-1", "cn-north-1"], [None, "", "eu west", 5]), ("profile_name", 0.3, [*known, None], ["absent", ""]),
        ("endpoint_url", 0.25, ["http://kwarg.test:4566", "https://kwarg.test/base/", None, "http://u:p@kwarg.test"], ["", "kwarg.test:1"]),
        ("verify", 0.2, [True, False, "@HOME@/kwarg.pem", None, "false", 0], [""]), ("use_ssl", 0.15, [True, False, "false", None, 0], []),
        ("api_version", 0.05, [None], ["bogus"]), ("unknown", 0.03, [1], []), ("full_url_mode", 0.03, [False], []), ("external_id", 0.03, ["ignored"], []),
        ("role_arn", 0.5, [ROLE], [None, "", "short"]),
        ("service_config", 0.12, [{"sts": {"endpoint_url": "http://service-config-sts.test"}}, {"secretsmanager": {"endpoint_url": "http://ignored.test"}},
                                  {"sts": {"endpoint_url": None}}, {}], [None, "x"]),
        ("config_kwargs", 0.15, [{"connect_timeout": 3, "read_timeout": 4}, {"region_name": "us-west-2"}, {"proxies": {"https": "http://proxy.test:3128"}}, {}, None,
                                 {"signature_version": "unsigned"}, {"retries": {"mode": "adaptive", "max_attempts": 7}}],
         ['{"connect_timeout": 3}', {"nope": 1}, {"retries": {"mode": "bogus"}}]),
        ("session_kwargs", 0.1, [{"aws_access_key_id": "AKIDSESSION", "aws_secret_access_key": "synthetic"}, {"region_name": "us-east-2", "profile_name": "q"}, None],
         [{"aws_access_key_id": "AKIDSESSION"}, {"aws_session_token": "token-session"}, "{}"]),
    ]:
        if rng.random() < share:
            kwargs[name] = pick(rng, odd, usual, unusual)
    if rng.random() < 0.3:
        kwargs |= {"aws_access_key_id": "AKIDKWARG", "aws_secret_access_key": "synthetic"}
        for name in ("aws_access_key_id", "aws_secret_access_key"):
            if odd and rng.random() < 0.15:
                kwargs[name] = rng.choice([None, ""])
    if rng.random() < 0.12 and (odd or "aws_access_key_id" in kwargs):
        kwargs["aws_session_token"] = rng.choice(["token-kwarg", "token-kwarg", "", None])
    if "role_arn" in kwargs or rng.random() < 0.05:
        role(rng, odd, kwargs)
    if not odd:
        if "region_name" not in kwargs and "AWS_DEFAULT_REGION" not in env and rng.random() < 0.8:
            rng.choice([lambda: env.update(AWS_DEFAULT_REGION="eu-west-1"), lambda: kwargs.update(region_name="eu-west-1")])()
        if "aws_access_key_id" not in kwargs and "AWS_ACCESS_KEY_ID" not in env and "AKID" not in f"{config}{credentials}":
            env |= {"AWS_ACCESS_KEY_ID": "AKIDENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "synthetic"}
        if "AWS_WEB_IDENTITY_TOKEN_FILE" in env:
            env["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/of-env"
    return {"class": rng.choice(list(CLASSES)), "env": env, "config": config, "credentials": credentials, "kwargs": kwargs}


def role(rng, odd, kwargs):
    if rng.random() < 0.5:
        kwargs["assume_role_kwargs"] = role_kwargs(rng, odd)
    if rng.random() < 0.4:
        web = "assume_role_with_web_identity"
        kwargs["assume_role_method"] = pick(rng, odd, ["assume_role", web, web, web], ["assume_role_with_saml", None, "", "bogus"])
    if kwargs.get("assume_role_method") == "assume_role_with_web_identity":
        kwargs["assume_role_with_web_identity_federation"] = pick(rng, odd, ["file"] * 4, ["File", None, "bogus"])
        if not odd or rng.random() < 0.8:
            kwargs["assume_role_with_web_identity_token_file"] = pick(rng, odd, ["@HOME@/token"], ["@HOME@/absent", "", None])
        if isinstance(kwargs.get("assume_role_kwargs"), dict):
            kept = ("RoleSessionName", "DurationSeconds", "Policy", "PolicyArns")
            kwargs["assume_role_kwargs"] = {key: value for key, value in kwargs["assume_role_kwargs"].items() if key in kept}
            if rng.random() < 0.2:
                kwargs["assume_role_kwargs"] |= rng.choice([{"ProviderId": "idp.example"}, {"ExternalId": "ext"}])


CALLS, SESSIONS = [], []
STS_ANSWER = """<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials>
<AccessKeyId>ASIAFROMSTS</AccessKeyId><SecretAccessKey>synthetic</SecretAccessKey><SessionToken>token-sts</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{0}Result></{0}Response>"""


class Raw:
    def __init__(self, body):
        self.body = body

    def stream(self, **_):
        yield self.body


def record(session, request):
    """Takes the place of botocore's sending: keeps the request, answers it."""
    headers = {name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()}
    scope = re.search(r"Credential=([^/]*)/\d+/([^/]*)/", headers.get("authorization", ""))
    body = request.body.decode() if isinstance(request.body, bytes | bytearray) else request.body or ""
    call = {"url": request.url, "access_key_id": scope and scope[1], "signing_region": scope and scope[2],
            "session_token": headers.get("x-amz-security-token"), "verify": session.given.get("verify"),
            "timeout": session.given.get("timeout"), "proxies": session.given.get("proxies")}
    if "x-amz-target" in headers:
        answer = json.dumps({"SecretString": "value", "Parameter": {"Value": "value"}})
        call = {"service": headers["x-amz-target"].split(".")[0]} | call
    elif "Action=" in body:
        form = dict(parse_qsl(body, keep_blank_values=True))
        form["RoleSessionName"] = re.sub(r"^botocore-session-\d+$", "botocore-session-@SECONDS@", form.get("RoleSessionName", ""))
        call = {"service": "sts"} | call | {"form": form}
        answer = STS_ANSWER.format(form["Action"])
    else:
        raise ConnectTimeoutError(endpoint_url=request.url)
    CALLS.append(call)
    return AWSResponse(request.url, 200, {}, Raw(answer.encode()))


def settings_setup():
    http, make = botocore.httpsession.URLLib3Session, botocore.httpsession.URLLib3Session.__init__

    def keep(self, *positional, **given):
        self.given = given
        # The bundles do not exist: only their names matter.
        make(self, *positional, **given | {"verify": True})

    http.__init__, http.send = keep, record
    time.sleep = lambda _: None
    session, make_session = boto3.session.Session, boto3.session.Session.__init__

    def keep_session(self, *positional, **given):
        make_session(self, *positional, **given)
        SESSIONS.append(self)

    session.__init__ = keep_session
    for name, text in {"token": "web-identity-token\n", "env.pem": "", "kwarg.pem": "", "profile.pem": ""}.items():
        with open(os.path.join(HOME, name), "w") as file:
            file.write(text)


def at_home(value):
    return json.loads(json.dumps(value).replace("@HOME@", HOME))


def settings_answer(case):
    clean_environment()
    shutil.rmtree(os.path.join(HOME, ".aws"), ignore_errors=True)
    os.mkdir(os.path.join(HOME, ".aws"))
    for name in ("config", "credentials"):
        if case[name] is not None:
            with open(os.path.join(HOME, ".aws", name), "w") as file:
                file.write(at_home(case[name]))
    os.environ.update(at_home(case["env"]))
    CALLS.clear()
    SESSIONS.clear()
    answer = {}
    try:
        CLASSES[case["class"]](**at_home(case["kwargs"])).get_variable("x")
    except Exception as error:
        answer["error"] = error_of(error)
    if SESSIONS:
        answer |= {"profile": SESSIONS[0].profile_name, "region": SESSIONS[0].region_name}
    calls = [call for at, call in enumerate(CALLS) if call not in CALLS[:at]]
    return answer | {"calls": json.loads(json.dumps(calls).replace(HOME, "@HOME@"))}


TOPICS = {"names": (names_case, names_answer), "documents": (documents_case, documents_answer), "settings": (settings_case, settings_answer)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic", choices=TOPICS)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    make_case, answer = TOPICS[arguments.topic]
    if arguments.topic == "settings":
        settings_setup()
    rng = random.Random(f"{arguments.topic} {arguments.seed}")
    for _ in range(arguments.cases):
        case = make_case(rng)
        print(json.dumps({"in": case, "out": answer(case)}, allow_nan=False), file=ANSWERS)


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(HOME, ignore_errors=True)
