"""Programs of the official images that this machine may not have, as far as docker-compose.yml uses them."""

import os
import sys
import urllib.request

import redis


def valkey_cli(address: str, command: str) -> None:
    """Asks the server at an address one thing."""
    host, _, port = address.partition(":")
    server = redis.Redis(host, int(port), password=os.environ["REDISCLI_AUTH"])
    print("PONG" if command == "ping" and server.ping() else "")


def wget(*arguments: str) -> None:
    """Fetches a page and keeps nothing of it."""
    with urllib.request.urlopen(arguments[-1], timeout=5) as answer:
        answer.read()


if __name__ == "__main__":
    if sys.argv[1] == "wget":
        wget(*sys.argv[2:])
    else:
        valkey_cli(*sys.argv[2:])
