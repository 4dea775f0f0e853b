"""What processes tell Prometheus, as a test reads it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from services.kit.settings import Settings


@dataclass(frozen=True)
class Sample:
    """One line."""

    name: str
    labels: Mapping[str, str]
    value: float

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether these are among its labels."""
        return labels.items() <= self.labels.items()


@dataclass(frozen=True)
class Scrape:
    """What one process or several told."""

    samples: Sequence[Sample]

    def value(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels, of which there is one at least."""
        found = [sample.value for sample in self.samples if sample.name == name and sample.has(labels)]
        assert found, f"nobody tells {name} with {labels}"
        return sum(found)


def scrape(settings: Settings, *processes: str) -> Scrape:
    """What these processes tell now."""
    texts = [_get(settings.metrics_address(process)) for process in processes]
    return Scrape([sample for text in texts for sample in _samples(text)])


def _samples(text: str) -> Iterator[Sample]:
    names = set(re.findall(r"^[a-z]\w*", text, re.MULTILINE))
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            # The parser adds `_total` to the counters of Envoy, which have none.
            yield Sample(name if name in names else name.removesuffix("_total"), labels, value)


def _get(address: str) -> str:
    socket = address.removeprefix("unix:") if address.startswith("unix:") else None
    url = "http://metrics/metrics" if socket else f"http://{address}/metrics"
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket, verify=False), timeout=10) as prometheus:
        answer = prometheus.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text
