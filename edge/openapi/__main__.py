"""Prints the API document: `python -m edge.openapi`."""

import json

from edge.openapi.document import build

if __name__ == "__main__":
    print(json.dumps(build(), indent=2, ensure_ascii=False))
