"""Asks Python's requests, which Airflow's Vault client uses, which proxy stands before an address:
`python tests/conformance/vault_proxies.py --cases 900 --seed 1 > tests/conformance/vault_proxies.jsonl`"""

import argparse
import json
import os
import random

import requests
from requests.utils import select_proxy

URLS = [
    "http://vault:8200",
    "https://vault:8200",
    "https://vault.example.com",
    "http://vault.example.com:8200",
    "http://127.0.0.1:8200",
    "https://10.1.2.3:8200",
    "http://[::1]:8200",
    "https://[::1]",
    "https://[2001:db8::7]:8200",
]
NO_PROXY = [
    "",
    "*",
    "vault",
    "example.com",
    ".example.com",
    "vault.example.com:8200",
    "VAULT",
    "other, vault",
    "127.0.0.1",
    "127.0.0.1:8200",
    "10.0.0.0/8",
    "10.1.2.3/32,x",
    "10.2.0.0/16",
    "ample.com",
    ",",
    "localhost",
    "::1",
    "[::1]",
    "x, 2001:DB8::7",
    "2001:db8::/32",
    "::1:8200",
]
KEYS = ["http", "https", "all", "http://vault", "https://vault.example.com", "all://127.0.0.1", "all://::1"]


def proxy(random_):
    return random_.choice(["http://one:1", "http://u:p@two:2", "http://three:3", "https://four:4"])


def case(random_):
    environment = {}
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        if random_.random() < 0.3:
            environment[name] = random_.choice([proxy(random_), proxy(random_), ""])
    for name in ("no_proxy", "NO_PROXY"):
        if random_.random() < 0.4:
            environment[name] = random_.choice(NO_PROXY)
    if random_.random() < 0.1:
        environment["REQUEST_METHOD"] = "GET"
    given = {key: proxy(random_) for key in KEYS if random_.random() < 0.08}
    if random_.random() < 0.1:
        given["no_proxy"] = random_.choice(NO_PROXY)
    return random_.choice(URLS), environment, given


def answer(url, environment, given):
    os.environ.clear()
    os.environ.update(environment)
    session = requests.Session()
    session.proxies = given
    merged = session.merge_environment_settings(url, dict(given), None, None, None)
    return select_proxy(url, merged["proxies"]) or None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    random_ = random.Random(arguments.seed)
    for _ in range(arguments.cases):
        url, environment, given = case(random_)
        line = {"url": url, "environment": environment, "given": given}
        print(json.dumps(line | {"proxy": answer(url, environment, given)}))


main()
