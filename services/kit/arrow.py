"""Columns of Arrow tables, made from buffers: `pa.array` imports pandas, 50 MiB."""

from array import array
from collections.abc import Sequence
from itertools import accumulate

import pyarrow as pa


def strings(texts: Sequence[str]) -> pa.StringArray:
    """A column of texts."""
    encoded = [text.encode() for text in texts]
    offsets = array("i", accumulate(map(len, encoded), initial=0))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
