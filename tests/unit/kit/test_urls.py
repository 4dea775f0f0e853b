"""The parts of a request's URL, whatever its host is."""

import pytest

from services.kit.urls import Url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://a.example/api/x/?b=1&c=2", ("http://a.example", "/api/x/", "b=1&c=2")),
        ("https://[::1]:8080/api/x/", ("https://[::1]:8080", "/api/x/", "")),
        ("http://[/api/x/?y=http://b/c?d", ("http://[", "/api/x/", "y=http://b/c?d")),
        ("http://a.example", ("http://a.example", "", "")),
        ("", ("", "", "")),
    ],
)
def test_a_url_has_an_origin_a_path_and_a_query(url: str, parts: tuple[str, str, str]) -> None:
    assert Url.of(url) == parts
