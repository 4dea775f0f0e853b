"""The whole platform, for all tests of this package."""

from tests.whole_platform import owner, platform, url

__all__ = ["owner", "platform", "url"]
