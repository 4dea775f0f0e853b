"""The API document and the page that shows it, as a browser meets them at the edge."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from tests.e2e.account import Account
from tests.e2e.test_error_shapes import error_of


class References(HTMLParser):
    """What a page makes the browser load, and inline code, which the policy would refuse."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loaded += [given[name] or "" for name in ("src", "href") if name in given and tag != "a"]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


@pytest.mark.parametrize("path", ["/api/schema/", "/api/schema"])
def test_the_document_is_read_without_credentials(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.1.")


@pytest.mark.parametrize("path", ["/api/docs/", "/api/docs", "/api/docs/?x=1"])
def test_the_page_loads_files_of_this_host_and_runs_no_other_code(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 200
    page = References(answer.text)
    assert not page.inline
    assert len(page.loaded) == 4
    for place in page.loaded:
        assert place.startswith("/api/docs/")
        loaded = http.get(place)
        assert loaded.status_code == 200
        assert loaded.headers["x-content-type-options"] == "nosniff"
        assert loaded.headers["content-type"].startswith(("text/", "image/png"))
        if not place.endswith("swagger-ui-bundle.js"):  # names namespaces and other documentation, and loads none of it
            assert not re.search(r"(?<!xmlns=.)(?<!xmlns=\\.)https?://", loaded.text)


def test_the_policy_allows_files_and_calls_of_this_host_only(http: httpx.Client) -> None:
    headers = http.get("/api/docs/").headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy.pop("img-src") == "'self' data:"
    assert policy.keys() >= {"default-src", "script-src", "connect-src", "frame-ancestors", "base-uri", "form-action"}
    assert {*policy.values()} == {"'self'", "'none'"}
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_shows_this_hosts_document_and_asks_no_other(http: httpx.Client) -> None:
    start = http.get("/api/docs/start.js").text
    assert 'url: "/api/schema/"' in start
    assert "validatorUrl: null" in start
    assert "persistAuthorization: false" in start


def test_a_browser_keeps_the_files_and_asks_whether_they_are_new(http: httpx.Client) -> None:
    for path in ("/api/schema/", "/api/docs/", "/api/docs/swagger-ui-bundle.js"):
        answer = http.get(path)
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-encoding"] == "gzip"
        again = http.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        plain = http.get(path, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.text == answer.text


@pytest.mark.parametrize(
    "path", ["/api/docs/nope.js", "/api/docs/x/y", "/api/docs/index.html", "/api/docs/..%2fapp.py"]
)
def test_another_file_is_404(http: httpx.Client, path: str) -> None:
    error_of(http.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_405(http: httpx.Client, method: str) -> None:
    for path in ("/api/schema/", "/api/docs/", "/api/docs/start.js"):
        answer = http.request(method, path)
        error_of(answer, 405)
        assert answer.headers["allow"] == "GET"


def test_no_path_leads_through_the_page_to_a_service(http: httpx.Client, owner: Account) -> None:
    for path in (
        "/api/docs/../segments/",
        "/api/docs/%2e%2e/segments/",
        "/api/docs//../segments/",
        "/api/docs/..%2fsegments/",
    ):
        assert http.get(path).status_code in (401, 404)
    assert owner.server.get("/api/schemas/").json()["count"] == 0
