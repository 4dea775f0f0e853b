"""What a document's commands take for granted: what was done before, files, and values in place of written ones."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.account import Account

EVENT = b'{"user_id": "user-123", "event_type": "order_placed", "payload": {"total": 512.5}}\n'
KEY_FROM_SHELL = "import os\nkey = os.environ['KEY']"


@dataclass(frozen=True, kw_only=True)
class Given:
    """`before` is shell and `python` Python that runs first; `instead` maps written text to what is run."""

    before: str = ""
    python: str = ""
    instead: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


# The quick start's segment and somebody in it.
QUICK_START = """
POST=(-H "Authorization: ApiKey $KEY" -H "Content-Type: application/json")
curl -s $URL/api/ingestion/track/ "${POST[@]}" -d '{"user_id": "ann@example.com", "event_type": "order_placed"}'
SEGMENT=$(curl -s $URL/api/segments/ "${POST[@]}" -d '{"name": "Big spenders", "definition": {
  "logic": "AND", "conditions": [{"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 1}]
  }}' | json id)
until curl -s $URL/api/explorer/users/ann%40example.com/ "${POST[@]}"; do sleep 0.1; done
"""
COMPUTED = """
curl -s -X POST $URL/api/segments/$SEGMENT/compute/ "${POST[@]}"
until [ "$(curl -s $URL/api/segments/$SEGMENT/ "${POST[@]}" | json status)" = computed ]; do sleep 0.1; done
"""
# A delivery to nowhere, which can be sent again.
DELIVERY = """
WEBHOOK=$(curl -s $URL/api/webhooks/ "${POST[@]}" -d '{"url": "http://127.0.0.1:9/"}' | json id)
delivery() { curl -s $URL/api/webhooks/$WEBHOOK/deliveries/ "${POST[@]}" | python3 -c '
import json, sys
print(next((one["id"] for one in json.load(sys.stdin)["results"]), ""))'; }
"""
PUBLIC_KEY = """
PUBLIC=$(curl -s $URL/api/auth/api-keys/ -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{"name": "page", "key_type": "public"}' | json key)
"""
# On a platform that lost nothing there is nothing to replay.
REFUSED = """
refused() { ! OUTPUT=$("$@" 2>&1) && grep -q missing <<< "$OUTPUT"; }
"""
DESTINATION = """
from collections.abc import Sequence
import msgspec
from pydantic import Field
from services.connectors.destinations.calling import Vendor
from services.connectors.destinations.fields import ApiKey, BaseUrl
from services.connectors.destinations.interface import Audience, Chunk, Config, DestinationType, Means, Skipped
"""

DOCUMENTS = {
    "README.md": Given(before=QUICK_START, python=KEY_FROM_SHELL),
    "CONTRIBUTING.md": Given(python=DESTINATION),
    "api.md": Given(before=QUICK_START, python=KEY_FROM_SHELL),
    "connectors.md": Given(
        before=QUICK_START + DELIVERY + COMPUTED + 'until [ "$(delivery)" ]; do sleep 0.1; done\n',
        instead={"DELIVERY_ID": "$(delivery)"},
    ),
    "ingestion.md": Given(
        before=PUBLIC_KEY,
        python="import os, segops, segment.analytics, segment\nhmac_secret = '00' * 32",
        instead={'"Authorization: ApiKey pk_live_..."': '"Authorization: ApiKey $PUBLIC"', "sk_live_...": "$KEY"},
        files={
            "events.ndjson.gz": gzip.compress(EVENT),
            "orders.csv": b"customer,date,amount\nann@example.com,15.01.2026,40\n",
        },
    ),
    "operations.md": Given(
        before=QUICK_START + REFUSED, instead={"segopsctl events replay": "refused segopsctl events replay"}
    ),
    "profiles.md": Given(before=QUICK_START),
    # Nobody is there to answer yes.
    "segments.md": Given(before=QUICK_START, instead={"segments apply": "segments apply --yes"}),
}


def given(path: Path, owner: Account, url: str) -> Given:
    """Of one document, for a fresh tenant of `owner`."""
    found = DOCUMENTS.get(path.name, Given())
    everywhere = {
        "127.0.0.1:8080": url.removeprefix("http://"),
        ".venv/bin/": "",
        "--tenant shop": f"--tenant {owner.slug}",
        "you@example.com": f"you-{owner.email}",
        '"tenant_slug": "shop"': f'"tenant_slug": "{owner.slug}-too"',
        "https://segops.example.com": url,
    }
    return Given(before=found.before, python=found.python, instead=found.instead | everywhere, files=found.files)
