"""What a message of the event log says of the invalid events that came with its rows."""

import json
from collections import Counter

from services.ingestion.rows import Rows

# Half of what the log takes as headers.
MAX_CHARACTERS = 32 * 1024
# What a type takes beside its own text in quotes: a number of up to nine digits, a colon, a comma and spaces.
NUMBER_CHARACTERS = 13


def header(rows: Rows) -> str:
    """The skipped events by type, as ASCII JSON; types for which there is no room are counted under the empty one."""
    types: Counter[str] = Counter()
    room = MAX_CHARACTERS
    for event_type, count in rows.skipped.items():
        room -= len(json.dumps(event_type)) + NUMBER_CHARACTERS
        types[event_type if room >= 0 else ""] += count
    return json.dumps({"at": rows.received_at, "types": types})
