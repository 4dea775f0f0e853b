"""The whole platform, for all tests of this package."""

from tests.whole_platform import http, owner, platform, stranger, url

__all__ = ["http", "owner", "platform", "stranger", "url"]
