"""Asks Python's httpx, which Airflow's client of the Execution API is, which proxy stands before an address:
`python tests/conformance/execution_api_proxies.py --cases 900 --seed 1 > tests/conformance/execution_api_proxies.jsonl`"""

import argparse
import json
import os
import random

import httpx

URLS = [
    "http://api:8080",
    "https://api",
    "https://api:443",
    "https://api.example.com",
    "http://api.example.com:8080",
    "http://127.0.0.1:8080",
    "https://10.1.2.3",
    "http://localhost:8080",
    "http://[::1]:8080",
    "https://[2001:db8::7]",
]
NO_PROXY = [
    "",
    "*",
    "api",
    "example.com",
    ".example.com",
    "*.example.com",
    "..example.com",
    "api.example.com:8080",
    "api.example.com:443",
    "API.example.COM",
    "other, api",
    "other,*",
    "api:8080",
    "api:443",
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.0.0.0/8",
    "10.0.0.0/8",
    "10.1.2.3/32,x",
    "ample.com",
    ",",
    "localhost",
    "LOCALHOST",
    "::1",
    "x, 2001:DB8::7",
    "example.com/path",
    "http://api",
    "https://api",
    "https://api:443",
    "http://*example.com",
    "http://[::1]",
    "http://[::1]:8080",
    "all://[2001:db8::7]",
    "all://example.com",
    "all://*.example.com:8080",
]
NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
PROXIES = ["http://one:1", "http://u:p@two:2", "http://u@three:3", "https://:p@four:4", "five:5", ""]


def case(random_):
    environment = {name: random_.choice(PROXIES) for name in NAMES if random_.random() < 0.3}
    for name in ("no_proxy", "NO_PROXY"):
        if random_.random() < 0.5:
            environment[name] = random_.choice(NO_PROXY)
    if random_.random() < 0.1:
        environment["REQUEST_METHOD"] = "GET"
    return random_.choice(URLS), environment


def answer(url, environment):
    """The proxy and what it is told of who asks; None where there is no proxy."""
    os.environ.clear()
    os.environ.update(environment)
    pool = httpx.Client()._transport_for_url(httpx.URL(url))._pool
    proxy = getattr(pool, "_proxy_url", None)
    if proxy is None:
        return None, False
    text = b"%s://%s:%d" % (proxy.scheme, proxy.host, proxy.port)
    return text.decode(), any(name.lower() == b"proxy-authorization" for name, _ in pool._proxy_headers)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    random_ = random.Random(arguments.seed)
    seen = set()
    while len(seen) < arguments.cases:
        url, environment = case(random_)
        line = json.dumps({"url": url, "environment": environment}, sort_keys=True)
        if line in seen:
            continue
        seen.add(line)
        proxy, authorized = answer(url, environment)
        record = {"url": url, "environment": environment, "proxy": proxy, "authorized": authorized}
        print(json.dumps(record))


if __name__ == "__main__":
    main()
