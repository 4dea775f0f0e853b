"""Whatever is linked in whatever order, every user id leads to one person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profiles.link_rules import Link, LinkedTheOtherWay, Standing, alias, merge

IDS = st.sampled_from("abcdef")
STEPS = st.lists(st.tuples(st.sampled_from([alias, merge]), IDS, IDS).filter(lambda step: step[1] != step[2]))

Links = dict[str, str]


def chain(links: Links, user_id: str) -> list[str]:
    """The user id, what it is linked to, and so on; fails where that leads back."""
    found = [user_id]
    while found[-1] in links:
        assert len(found) <= len(links)
        found.append(links[found[-1]])
    return found


def standing(links: Links, user_id: str, into: str) -> Standing:
    return Standing(user_id=user_id, linked_to=links.get(user_id), chain=chain(links, into))


def make(links: Links, link: Link) -> None:
    """As a link is said to be made."""
    if link.person_id == link.linked_to:
        links.pop(link.linked_to, None)
    links[link.user_id] = link.linked_to


@given(STEPS)
def test_links_never_form_a_circle_and_say_who_the_person_is(steps: list[tuple[object, str, str]]) -> None:
    links: Links = {}
    for rule, user_id, into in steps:
        before = dict(links)
        below = [each for each in {*links, user_id} if user_id in chain(links, each)]
        try:
            made = (alias if rule is alias else merge)(standing(links, user_id, into))
        except LinkedTheOtherWay:
            made = None
        if made:
            make(links, made)
            assert {chain(links, each)[-1] for each in below} == {made.person_id}
        if rule is alias and user_id in before:
            assert links == before
        if rule is merge:
            assert links[user_id] == into
        # Nobody else was moved.
        for each in before.keys() - {*below, into}:
            assert links[each] == before[each]


def test_the_first_alias_wins() -> None:
    assert alias(Standing(user_id="anon", linked_to="first", chain=["second"])) is None
    assert alias(Standing(user_id="anon", linked_to=None, chain=["a", "b"])) == Link(
        user_id="anon", linked_to="a", person_id="b"
    )


def test_a_visitor_who_stands_for_the_user_is_not_linked_to_it() -> None:
    with pytest.raises(LinkedTheOtherWay):
        alias(Standing(user_id="anon", linked_to=None, chain=["a", "b", "anon"]))


def test_a_merge_overrides_and_ends_with_the_one_merged_into() -> None:
    assert merge(Standing(user_id="a", linked_to="b", chain=["b", "c"])) is None
    assert merge(Standing(user_id="a", linked_to="b", chain=["d"])) == Link(user_id="a", linked_to="d", person_id="d")
    # b was linked to a.
    assert merge(Standing(user_id="a", linked_to=None, chain=["b", "a"])) == Link(
        user_id="a", linked_to="b", person_id="b"
    )
