"""Someone who makes segments over and over, and knows which of them there must be."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.e2e.account import Account, client
from tests.e2e.test_segments import ok

PAUSE_SECONDS = 0.2


class Writer:
    """`made` has the ids it was told, `statuses` counts the answers."""

    def __init__(self, urls: Sequence[str], account: Account) -> None:
        self.made: list[int] = []
        self.statuses: Counter[int] = Counter()
        self._urls = itertools.cycle(urls)
        self._account = account
        self._ended = threading.Event()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Makes segments within the block, at one edge after the other."""
        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(self._write)
            try:
                yield
            finally:
                self._ended.set()
        writing.result()

    def kept(self) -> set[int]:
        """Those it made that are there."""
        page = ok(self._account.server.get("/api/segments/", params={"limit": "200"}))
        return {segment["id"] for segment in page["results"]} & set(self.made)

    def _write(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            with client(next(self._urls), f"ApiKey {self._account.key}") as server:
                answer = server.post("/api/segments/", json={"name": "Made"})
            self.statuses[answer.status_code] += 1
            if answer.status_code == 201:
                self.made.append(answer.json()["id"])
