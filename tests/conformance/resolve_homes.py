"""Random Airflow homes: settings, environment, local files and the rows of a metadata DB.

`@HOME@` stands for the home's folder. All of it is made up; there is no secret in it.
"""

from __future__ import annotations

import base64
import json
import urllib.parse

from written_uris import written_uri

LOCAL = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
ENVIRONMENT = "airflow.secrets.environment_variables.EnvironmentVariablesBackend"
KEYS = [base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in (7, 99, 250)]
BAD_KEYS = ["bad", KEYS[0].rstrip("="), KEYS[0] + ","]
TEAMS = ["red", "Blue", "a_b", "größe", ""]
IDS = [
    "pg", "PG", "Pg_Default", "aws_default", "http-api", "a.b", "a b", " lead", "trail ", "a/b", "..", "../x", "/abs",
    "a%b", "a%20b", "a=b", "x___y", "red___pg", "_red___pg", "_pg", "ünï", "ÜNÏ", "straße", "ıi", "ŉ", "ﬁle", "日本",
    "🔑", "e\u0301", "é", "a'b", 'a"b', "a\\b", "a;b--", "tab\tid", "nul", "null", "true", "1", "-", "--reveal", "*",
    "conn" * 62, "x" * 251, "a\u00a0b", "a\u2028b", "\u0001", "$HOME", "{id}", "#hash", "a:b", "ǆ", "ὀδυσσεύς",
]  # fmt: skip
PIECES = [
    "", "a", "user", "p@ss", "p%40ss", "p:w", "p/w", "%2F", "with space", "+", "&", "=", "?", "#", "ü", "%C3%BC", "%ff",
    "🔑", "日", "\\", '"', "'", "[", "]", "{", "}", "%", "%zz", "~", "$HOME", "${X}", "\t", "null", "0", "1.0", "-1", ";",
]  # fmt: skip
TYPES = ["postgres", "postgresql", "http", "HTTPS", "my-type", "my_type", "google-cloud-platform", "aws", "x+y", "1x", ""]
HOSTS = [
    "", "db.example.com", "UPPER.Example.com", "10.0.0.1", "[::1]", "::1", "h%2Fsocket", "%2Fvar%2Frun", "https://inner",
    "bücher.de", "a b", "h_h", "xn--bcher-kva.de", "h.", "[fe80::1%25eth0]",
]  # fmt: skip
JSONS = [
    "{}", '{"a": 1}', '{"a": "b"}', '{"a":1}', '{"a": {"b": [1, 2.5, null, true]}}', ' {"a": "b"} ', '{"ä": "ö"}',
    '{"a": ""}', '{"__extra__": "x"}', '{"big": 12345678901234567890123}', '{"f": 1e3}', '{"f": 1.0, "g": -0.0}',
    '{"a": "1", "a": "2"}', '{"a": "\\ud83d\\udd11"}', '{"a": "x&y=z"}', '{"secret": "p%w/:@"}',
]  # fmt: skip
NOT_OBJECTS = ["[]", "1", "null", '"text"', "text", "{", "{'a': 1}", " ", '{"a": 1} x']
SCALARS = [
    "on", "off", "yes", "No", "~", "null", "012", "0x1F", "1_000", "12:30:45", "1.5", "1e3", ".inf", "2024-01-02",
    "2024-01-02 03:04:05", "plain text", "'quoted'", '"dou\\tble"', "true", "=", "<<", "0o17", "-0", "+1", "|\n  block\n  text",
    ">\n  folded\n  text", "[1, two]", "{a: b}", "!!str 5", "&x anchor", "ünï", "a # comment", "a#b", '""',
]  # fmt: skip


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.pick = rng.choice

    def chance(self, share):
        return self.rng.random() < share

    def text(self, most=3):
        return "".join(self.pick(PIECES) for _ in range(self.rng.randint(0, most)))

    def some(self, values, most):
        return self.rng.sample(values, min(len(values), self.rng.randint(0, most)))

    # --- connections and values -------------------------------------------------------------------

    def uri(self):
        if self.chance(0.15):
            return written_uri(self.rng)
        quote = urllib.parse.quote if self.chance(0.6) else (lambda text, safe="": text)
        text = lambda: quote(self.text(), safe="")  # noqa: E731
        uri = self.pick(TYPES) + self.pick(["://", "://", "://", "://", ":", ":/"])
        if self.chance(0.7):
            uri += text() + (":" + text() if self.chance(0.8) else "") + "@"
        uri += self.pick(HOSTS)
        if self.chance(0.6):
            uri += ":" + self.pick(["5432", "80", "0", "65535", "65536", "", "x", "080", "-1", "+1", "٣"])
        if self.chance(0.6):
            uri += "/" + text()
        if self.chance(0.5):
            values = [text, lambda: quote(self.pick(JSONS), safe=""), lambda: self.pick(["1", "true", "null", "1.0", ""])]
            pairs = [f"{text()}={self.pick(values)()}" for _ in range(self.rng.randint(1, 3))]
            pairs += [f"__extra__={quote(self.pick(JSONS + NOT_OBJECTS))}"] if self.chance(0.2) else []
            uri += "?" + "&".join(pairs)
        return uri + (("#" + text()) if self.chance(0.1) else "")

    def connection_object(self):
        values = {
            "conn_type": lambda: self.pick(TYPES),
            "description": self.text,
            "host": lambda: self.pick(HOSTS),
            "login": self.text,
            "password": self.text,
            "schema": self.text,
            "port": lambda: self.pick([0, 80, 5432, 65535, "5432", " 1 ", "", None, "x"]),
            "extra": lambda: self.pick([self.pick(JSONS), json.loads(self.pick(JSONS)), self.pick(NOT_OBJECTS), None, ""]),
        }
        fields = {name: value() for name, value in values.items() if self.chance(0.6)}
        if self.chance(0.05):
            fields[self.pick(["unknown", "uri", "conn_id", "extra__x"])] = "x"
        return fields

    def connection_text(self):
        if self.chance(0.6):
            text = self.uri()
        else:
            text = json.dumps(self.connection_object(), ensure_ascii=self.chance(0.5))
        if self.chance(0.1):
            text = self.pick([" ", "\n", "\t"]) + text + self.pick([" ", "\n", ""])
        return self.pick(["", "text", "{", "[]", "://", "null"]) if self.chance(0.04) else text

    def value(self):
        return self.pick([self.text, self.text, lambda: self.pick(JSONS), self.uri])()

    # --- local files --------------------------------------------------------------------------------

    def file(self, kind, ids):
        """(name, text) of a file of `kind`: connections, variables or configs."""
        ending = self.pick(["env", "json", "json", "yaml", "yml", "JSON", "txt" if self.chance(0.1) else "env"])
        ids = self.some(ids, 8)
        if self.chance(0.03):
            return f"{kind}.{ending}", self.pick(["", "[]", "{", "x", "\ufeff{}", "a: [", "=x", "null"])
        lower = ending.lower()
        if lower in ("env", "txt"):
            clean = lambda text: "".join(text.splitlines())  # noqa: E731
            made = self.connection_text if kind == "connections" else self.value
            lines = [f"{key}={clean(made()) or 'x'}" for key in ids if self.chance(0.95) and "\u2028" not in key]
            lines += [self.pick(["", "# a comment", "  # another"])] if self.chance(0.4) else []
            lines += lines[:1] if self.chance(0.07) else []
            self.rng.shuffle(lines)
            return f"{kind}.{ending}", "\n".join(lines) + self.pick(["", "\n"])
        if lower == "json":
            entries = {key: self.json_entry(kind, key) for key in ids}
            text = json.dumps(entries, ensure_ascii=self.chance(0.5), indent=self.pick([None, 2]))
            if self.chance(0.05) and ids:
                text = text.rstrip("}\n ") + f", {json.dumps(ids[0])}: {json.dumps(self.json_entry(kind, ids[0]))}}}"
            return f"{kind}.{ending}", text
        lines = [f"{self.yaml_key(key)}: {self.yaml_entry(kind, key)}" for key in ids]
        return f"{kind}.{ending}", "\n".join(lines) + "\n"

    def json_entry(self, kind, key):
        if kind != "connections":
            return self.value() if self.chance(0.85) else self.pick([1, 1.5, True, None, [], ["a", "b"], {"a": [1]}, {}, [1]])
        entry = self.connection_text() if self.chance(0.4) else self.local_connection(key)
        return [entry] if self.chance(0.1) else entry

    def local_connection(self, key):
        entry = self.connection_object()
        if self.chance(0.03):
            entry["conn_id"] = self.pick([key, "other"])
        if self.chance(0.2):
            entry.pop("extra", None)
            entry["extra_dejson"] = self.pick([json.loads(self.pick(JSONS)), self.pick(JSONS)])
        return entry

    def yaml_key(self, key):
        plain = key.replace("_", "").replace("-", "").isalnum() and self.chance(0.5)
        return key if plain else json.dumps(key, ensure_ascii=self.chance(0.5) or "\u2028" in key)

    def yaml_entry(self, kind, key):
        if kind != "connections":
            return self.pick(SCALARS) if self.chance(0.6) else json.dumps(self.value())
        if self.chance(0.5):
            return json.dumps(self.json_entry(kind, key))
        lines = [f"  {name}: {self.pick(SCALARS[:32]) if self.chance(0.1) else json.dumps(value)}"
                 for name, value in self.local_connection(key).items()]  # fmt: skip
        return "\n" + "\n".join(lines) if lines else "{}"

    # --- the metadata DB ------------------------------------------------------------------------------

    def rows(self, ids, airflow, teams):
        rows = [{"table": "team", "by": "sql", "columns": {"name": team}} for team in teams]
        for conn_id in self.some(ids, 14):
            rows.append(self.connection_row(conn_id, self.of_team(teams)))
        for key in self.some(ids, 14):
            rows.append(self.variable_row(key, self.of_team(teams)))
        return rows

    def of_team(self, teams):
        return {"team_name": self.pick(teams)} if teams and self.chance(0.5) else {}

    def connection_row(self, conn_id, team):
        key = self.pick([KEYS[0], KEYS[0], KEYS[1], ""])
        maybe = lambda value: None if self.chance(0.25) else value()  # noqa: E731
        columns = {
            "conn_type": self.pick(["postgres", "http", "my-type", "my_type", "HTTP", "x", "aws"]),
            "description": maybe(self.text),
            "host": maybe(lambda: self.pick(HOSTS)),
            "login": maybe(self.text),
            "schema": maybe(self.text),
            "port": self.pick([None, 0, 1, 5432, 65535]),
        }
        secrets = {"password": maybe(self.text), "extra": maybe(lambda: self.pick(JSONS))}
        columns |= {"conn_id": conn_id} | team
        if self.chance(0.6):
            return {"table": "connection", "by": "model", "key": key, "columns": columns | secrets}
        if self.chance(0.3):
            secrets["extra"] = self.pick(NOT_OBJECTS)
        flags = {"is_encrypted": self.chance(0.5), "is_extra_encrypted": self.chance(0.5)}
        if flags["is_encrypted"]:
            secrets["password"] = self.token(secrets["password"])
        if flags["is_extra_encrypted"]:
            secrets["extra"] = self.token(secrets["extra"])
        if self.chance(0.05):
            columns["port"] = self.pick([-1, 65536, "5432"])
        return {"table": "connection", "by": "sql", "columns": columns | secrets | flags}

    def variable_row(self, name, team):
        if self.chance(0.6):
            columns = {"key": name, "val": self.value()} | team
            return {"table": "variable", "by": "model", "key": self.pick([*KEYS[:2], KEYS[0], ""]), "columns": columns}
        encrypted = self.chance(0.6)
        value = self.token(self.value()) if encrypted else self.value()
        columns = {"key": name, "val": value, "is_encrypted": encrypted} | team
        return {"table": "variable", "by": "sql", "columns": columns}

    def token(self, text):
        """What an encrypted column may hold: mostly a sound token, at times a damaged one or none."""
        if text is None or self.chance(0.1):
            return text
        data = text.encode() if self.chance(0.9) else b"\xff" + text.encode()
        token = {"token": [self.pick([KEYS[0], KEYS[0], KEYS[1], KEYS[2]]), data.hex()]}
        if self.chance(0.25):
            token |= {"cut": self.rng.random(), "instead": self.pick(["", "A", "=", "\n", " ", "!ü"]), "skip": self.pick([0, 1, 99])}
        return token

    # --- settings ---------------------------------------------------------------------------------------

    def home(self, airflow, side):
        env = {"AIRFLOW_HOME": "@HOME@", "HOME": "@HOME@/user", "PATH": "/usr/bin:/bin", "X": "expanded"}
        home = {"airflow": airflow, "side": side, "team": None, "env": env, "files": {}, "rows": [], "cfg": None}
        ids = self.rng.sample(IDS, 16)
        teams = []
        settings = []
        if airflow == 3 and self.chance(0.4):
            settings.append((("core", "multi_team"), self.pick(["True", "true", "1", "t", "True # yes"])))
            teams = self.some(TEAMS[:4], 3)
            if side == "server" and self.chance(0.7):
                home["team"] = self.pick(TEAMS + ["none such"])
        self.environment(env, ids, home["team"])
        configs = self.backend(home, settings, ids, side)
        if side == "server":
            self.database(home, settings, configs)
            home["rows"] = self.rows(ids, airflow, teams)
        self.place(home, settings)
        home["connections"] = home["variables"] = ids + ["absent", ids[0].swapcase()]
        home["configs"] = ids[:6] + ["sql", "fernet", "absent"]
        if self.chance(0.3):
            names = [name for name in env if name not in ("AIRFLOW_HOME", "HOME", "PATH") and self.in_env_file(name, env[name])]
            home["env_file"] = self.some(names, 6)
        return home

    @staticmethod
    def in_env_file(name, value):
        line = name + value
        return not any(c.isspace() for c in name) and not name.startswith("#") and "\n" not in line and "\r" not in line

    def environment(self, env, ids, team):
        for prefix, made in (("AIRFLOW_CONN_", self.connection_text), ("AIRFLOW_VAR_", self.value)):
            for name in self.some(ids, 5):
                name = self.pick([name.upper(), name.upper(), name.upper(), name, name.lower()])
                if self.chance(0.3):
                    name = f"_{(team or 'red').upper()}___{name}"
                if "=" not in name:
                    env[prefix + name] = made().replace("\0", "")

    def backend(self, home, settings, ids, side):
        """The custom backend; true where it holds configuration."""
        airflow = home["airflow"]
        if self.chance(0.25):
            return False
        sections = [("secrets", "backend", "backend_kwargs", "AIRFLOW__SECRETS__BACKEND_KWARG__")]
        workers = ("workers", "secrets_backend", "secrets_backend_kwargs", "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__")
        if airflow == 3 and self.chance(0.7 if side == "worker" else 0.2):
            sections = [workers] if self.chance(0.5) else [workers, *sections]
        has_configs = False
        for section, backend, kwargs_key, single in sections:
            class_path = self.pick([LOCAL] * 16 + [ENVIRONMENT, "", "no.such.Backend", LOCAL + " "])
            settings.append(((section, backend), class_path))
            home["bad_workers"] = home.get("bad_workers", False) or (
                section == "workers" and class_path not in (LOCAL, ENVIRONMENT, "")
            )
            if self.chance(0.04):
                settings.append(((section, kwargs_key), self.pick(["[]", "{", "null", '"x"', "1", "{'a': 1}"])))
                continue
            if class_path == ENVIRONMENT:
                continue
            kwargs = {}
            for kind in ("connections", "variables", "configs"):
                if self.chance(0.8) and not (kind == "configs" and airflow == 2):
                    name, text = self.file(kind, ids)
                    if kind == "configs":
                        name, text = "configs.json", self.configs(home, ids)
                        has_configs |= section == "secrets" and class_path == LOCAL
                    name = f"{section}_{name}"
                    home["files"][name] = text
                    path = "@HOME@/" + name
                    if self.chance(0.1):
                        path = self.pick(["@HOME@/absent.json", "", None, name, "$AIRFLOW_HOME/" + name])
                    kwargs[f"{kind}_file_path"] = path
            if self.chance(0.03):
                kwargs["unknown"] = "x"
                home["bad_workers"] = home["bad_workers"] or section == "workers"
            for name in list(kwargs):
                if airflow == 3 and kwargs[name] is not None and self.chance(0.3):
                    home["env"][single + self.pick([name.upper(), name.upper(), name])] = kwargs.pop(name)
            if kwargs:
                settings.append(((section, kwargs_key), json.dumps(kwargs)))
        return has_configs

    def configs(self, home, ids):
        values = {key: self.value() for key in self.some(ids[:6], 4)}
        self.fernet = self.pick(["", 1, None]) if self.chance(0.1) else self.pick(KEYS)
        values |= {"fernet": self.fernet, "sql": "sqlite:///@HOME@/airflow.db"}
        return json.dumps(values)

    def database(self, home, settings, has_configs):
        key = self.pick([KEYS[0]] * 6 + [f"{KEYS[0]},{KEYS[1]}", f"{KEYS[1]},{KEYS[0]}", f" {KEYS[0]} ", KEYS[1], "", f"{KEYS[0]}, {KEYS[1]}",
                                         *BAD_KEYS])  # fmt: skip
        if has_configs and self.chance(0.3):
            settings.append((("core", "fernet_key", "_secret"), "fernet"))
            home["bad_key"] = self.fernet not in KEYS and self.fernet not in ("", None)
        else:
            settings.append((("core", "fernet_key"), key))
            home["bad_key"] = key in BAD_KEYS
        if has_configs and self.chance(0.3):
            settings.append((("database", "sql_alchemy_conn", "_secret"), "sql"))
        elif self.chance(0.6):
            url = self.pick(["sqlite:///@HOME@/airflow.db"] * 4 + ["sqlite:///$AIRFLOW_HOME/airflow.db", "sqlite:////@HOME@/./airflow.db",
                             "sqlite:///@HOME@/airflow.db?timeout=5", "sqlite:///@HOME@/absent.db", "sqlite:///airflow.db"])  # fmt: skip
            name = ("core", "sql_alchemy_conn") if self.chance(0.15) else ("database", "sql_alchemy_conn")
            settings.append((name, url))

    def place(self, home, settings):
        """Puts each setting into the environment or airflow.cfg, with Airflow's other ways for some."""
        sections = {}
        for (section, key, *suffix), value in settings:
            suffix = suffix[0] if suffix else ""
            secret = key in ("fernet_key", "sql_alchemy_conn", "backend_kwargs", "secrets_backend_kwargs")
            one_line = "\n" not in value and value.strip() == value
            if secret and not suffix and one_line and self.chance(0.15):
                home["files"][f"{section}_{key}.out"] = value
                suffix, value = "_cmd", f"cat '@HOME@/{section}_{key}.out'"
            if self.chance(0.5) or not one_line:
                home["env"][f"AIRFLOW__{section}__{key}{suffix}".upper()] = value
            else:
                sections.setdefault(section, {})[key + suffix] = value
        if sections or self.chance(0.3):
            sections.setdefault("logging", {})["logging_level"] = "CRITICAL"
            lines = ["# made up"]
            for section, options in sections.items():
                lines.append(f"[{section}]")
                for key, value in options.items():
                    value = value.replace("%", "%%")
                    lines.append(self.pick([f"{key} = {value}", f"{key}={value}", f"{key}: {value}", f"{key.upper()} = {value}"]))
                    lines += [self.pick(["", "; a comment", "# a comment"])] if self.chance(0.2) else []
            home["cfg"] = "\n".join(lines) + "\n"
