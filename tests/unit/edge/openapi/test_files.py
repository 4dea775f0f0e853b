"""The document and its page as files that a browser may keep."""

import gzip
import json

import pytest

from edge.openapi.files import ASSETS, DOCUMENT, ENTRANCE, files, is_file

FILES = files()


@pytest.mark.parametrize("accepted", ["gzip", "br;q=1.0, gzip;q=0.8", "deflate, gzip"])
def test_a_file_is_gzipped_for_who_takes_it(accepted: str) -> None:
    answer = FILES[DOCUMENT].answer({"accept-encoding": accepted})
    assert dict(answer.headers)["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["openapi"] == "3.1.0"


@pytest.mark.parametrize("headers", [{}, {"accept-encoding": "br"}, {"accept-encoding": "gzip;q=0, br"}])
def test_a_file_is_plain_for_others(headers: dict[str, str]) -> None:
    answer = FILES[DOCUMENT].answer(headers)
    assert "content-encoding" not in dict(answer.headers)
    assert json.loads(answer.body)["openapi"] == "3.1.0"


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_who_has_a_file_is_not_sent_it_again(encoding: str) -> None:
    for file in FILES.values():
        first = file.answer({"accept-encoding": encoding})
        again = file.answer({"accept-encoding": encoding, "if-none-match": dict(first.headers)["etag"]})
        assert (first.status, again.status, again.body) == (200, 304, b"")
        assert file.answer({"accept-encoding": encoding, "if-none-match": '"other"'}).status == 200


def test_plain_and_gzipped_have_tags_of_their_own_that_every_process_makes_alike() -> None:
    plain, zipped = (dict(FILES[ENTRANCE].answer({"accept-encoding": one}).headers)["etag"] for one in ("", "gzip"))
    assert plain != zipped
    again = files()
    assert {path: file.tag for path, file in again.items()} == {path: file.tag for path, file in FILES.items()}
    assert {path: file.gzipped for path, file in again.items()} == {path: file.gzipped for path, file in FILES.items()}


def test_the_paths_are_those_of_the_files_and_below_the_page() -> None:
    assert FILES.keys() == {DOCUMENT, ENTRANCE, *(f"{ENTRANCE}/{path.name}" for path in ASSETS)}
    assert all(is_file(path) for path in (*FILES, f"{ENTRANCE}/nope"))
    assert not any(is_file(path) for path in ("", "/api/schemas", "/api/schema/1", "/api/docsx", "/API/docs"))
