"""Prints a lock file without some packages: `without.py requirements.lock NAMES...`, each a file of names."""

import re
import sys
from pathlib import Path


def without(lock: str, names: set[str]) -> str:
    """The lock's entries, each with the lines of its hashes, but for those of `names`."""
    entries = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if entry.partition("==")[0] not in names)


if __name__ == "__main__":
    lock, *lists = (Path(argument).read_text() for argument in sys.argv[1:])
    print(without(lock, {name for listed in lists for name in listed.split()}), end="")
