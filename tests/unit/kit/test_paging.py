"""Pages and the links between them."""

from dataclasses import dataclass

import pytest

from services.gen.segops.segments.v1.segments_pb2 import ListSegmentsRequest
from services.kit.caller import Request, serving
from services.kit.errors import Invalid
from services.kit.paging import page_of


@dataclass
class Links:
    next: str | None
    previous: str | None


def asking(**fields: int) -> ListSegmentsRequest:
    request = ListSegmentsRequest()
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def links(url: str, count: int, **fields: int) -> Links:
    page = page_of(asking(**fields))
    with serving(Request(url=url)):
        return Links(page.next_url(count), page.previous_url())


@pytest.mark.parametrize(
    ("fields", "limit", "offset"),
    [
        ({}, 50, 0),
        ({"limit": 10, "offset": 30}, 10, 30),
        ({"page": 3}, 50, 100),
        ({"page": 3, "page_size": 10}, 10, 20),
        ({"limit": 10, "page_size": 20}, 10, 0),
    ],
)
def test_a_page_is_asked_for_by_offset_or_by_number(fields: dict[str, int], limit: int, offset: int) -> None:
    page = page_of(asking(**fields))
    assert (page.limit, page.offset) == (limit, offset)


def test_every_wrong_number_is_named() -> None:
    with pytest.raises(Invalid) as error:
        page_of(ListSegmentsRequest(limit=0, offset=-1, page=0, page_size=201), errors={"search": ["too long"]})
    assert set(error.value.fields) == {"limit", "offset", "page", "page_size", "search"}


def test_links_keep_the_rest_of_the_query_and_the_way_of_counting() -> None:
    url = "https://segops.example/api/segments/?search=a%20b&offset=10&limit=10"
    found = links(url, 25, limit=10, offset=10)
    assert found.next == "https://segops.example/api/segments/?search=a+b&limit=10&offset=20"
    assert found.previous == "https://segops.example/api/segments/?search=a+b&limit=10&offset=0"
    assert links("http://h/?page=2&page_size=5", 11, page=2, page_size=5).next == "http://h/?page_size=5&page=3"


def test_there_is_no_link_past_the_ends_and_none_without_a_url() -> None:
    assert links("http://h/x/", 50) == Links(None, None)
    assert links("http://h/x/", 51).next is not None
    assert links("", 500, offset=50) == Links(None, None)
