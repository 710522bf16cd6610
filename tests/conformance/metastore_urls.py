"""Ask SQLAlchemy how it splits database URLs.

Run with a Python that has the SQLAlchemy of Airflow 3.3.2. Writes JSON lines, the same for the same
seed: {"in": url, "out": {name, username, password, host, port, database, query} or {"error": class}}.
"""

from __future__ import annotations

import argparse
import json
import random

from sqlalchemy.engine import make_url

NAMES = ["postgresql", "postgresql+psycopg2", "postgresql+asyncpg", "postgres", "mysql", "mysql+mysqldb", "mysql+pymysql",
         "sqlite", "sqlite+pysqlite", "oracle", "", "post gres", "my-sql", "POSTGRESQL"]  # fmt: skip
USERS = ["", "user:password@", "user@", ":password@", "@", "u%40x:p%2Fw%25@", "u:p@ss@", "u:p/w?x=1#y@", "u:p:q@", "a@b@", "ü:ö@",
         "u%zz:%e4@", "u+v:p+w@", ":@", "user:@", "u /:p@", "u:p@s/s@", "u:p@s?s@", "u:p@s:s@", "u:p#w@"]  # fmt: skip
HOSTS = ["", "host", "host.example.com", "10.0.0.1", "[::1]", "[fe80::1%25eth0]", "[]", "[::1", "::1", "h1,h2", "HOST", "h%41", "/",
         "%2Fvar%2Frun"]  # fmt: skip
PORTS = ["", ":5432", ":", ":0", ":65535", ":99999", ":-1", ": 5432 ", ":abc", ":1,2", ":5432:1", ":5432,h2:5433"]
DATABASES = ["", "/", "/db", "/d%20b", "//abs/path.db", "/rel/path.db", "/:memory:", "/a/b?", "/d#b", "/dü"]
QUERIES = ["", "?", "?a=1", "?a=1&b=2", "?a=1&a=2", "?a", "?a=", "?=1", "?a=%2Ftmp%2Fx&b=x+y", "?a=b=c", "?a=1;b=2", "?options=-csearch_path%3Dx",
           "?host=h1:1&host=h2:2", "?a=1&&b=2", "?a=%zz", "?x=1\n2", "?a=@b"]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    pick = random.Random(arguments.seed).choice
    for _ in range(arguments.cases):
        name = pick(NAMES[:9]) if pick([True] * 9 + [False]) else pick(NAMES)
        separator = pick(["://"] * 30 + [":", ":/", ":///", ""])
        url = name + separator + pick(USERS) + pick(HOSTS) + pick(PORTS) + pick(DATABASES) + pick(QUERIES)
        try:
            parsed = make_url(url)
            out = {
                "name": parsed.drivername,
                "username": parsed.username,
                "password": parsed.password,
                "host": parsed.host,
                "port": parsed.port,
                "database": parsed.database,
                "query": {key: list(value) if isinstance(value, tuple) else [value] for key, value in parsed.query.items()},
            }
        except Exception as error:
            out = {"error": type(error).__name__}
        print(json.dumps({"in": url, "out": out}))


if __name__ == "__main__":
    main()
