"""What may be changed of a tenant."""

import pytest

from services.identity.tenants import read_changes
from services.kit.errors import Invalid


def wrong(sent: dict[str, object]) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as failure:
        read_changes(sent)
    return failure.value.fields


def test_only_what_was_sent_changes() -> None:
    assert read_changes({}) == {}
    assert read_changes({"settings": {}}) == {}
    assert read_changes({"settings": {"invitation_domains": None}}) == {}
    assert read_changes({"name": " Shop "}) == {"name": "Shop"}
    assert read_changes({"settings": {"invitation_domains": []}}) == {"invitation_domains": []}


def test_domains_are_kept_as_all_their_spellings_are_written() -> None:
    sent = ["Example.COM", "example.com", "xn--bcher-kva.de"]
    assert read_changes({"settings": {"invitation_domains": sent}}) == {
        "invitation_domains": ["bücher.de", "example.com"]
    }


def test_every_wrong_field_is_named_with_its_path() -> None:
    domains = ["example.com", "*.example.com", 7, "", "a@example.com", "localhost"]
    found = wrong({"name": "", "settings": {"colour": "red", "invitation_domains": domains}})
    assert found["name"] == ["This field is required."]
    assert found["settings"][0] == "colour: There is no such setting."
    assert [text.partition(":")[0] for text in found["settings"][1:]] == [
        f"invitation_domains[{place}]" for place in (1, 2, 3, 4, 5)
    ]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"settings": None}, "settings"),
        ({"settings": ["invitation_domains"]}, "settings"),
        ({"settings": {"invitation_domains": "example.com"}}, "settings"),
        ({"settings": {"invitation_domains": ["example.com"] * 101}}, "settings"),
    ],
)
def test_values_of_another_kind_are_refused(sent: dict[str, object], field: str) -> None:
    assert list(wrong(sent)) == [field]
