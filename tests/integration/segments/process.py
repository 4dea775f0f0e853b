"""The segments process as a test starts, stops and kills it."""

from services.kit.settings import Settings
from tests.integration.process import ServiceProcess


class SegmentsProcess(ServiceProcess):
    """One `python -m services.segments`."""

    def __init__(self, settings: Settings, **variables: str) -> None:
        super().__init__(settings, "segments", **variables)
