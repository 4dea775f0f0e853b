"""The platform of the end-to-end tests."""

from tests.e2e.conftest import platform

__all__ = ["platform"]
