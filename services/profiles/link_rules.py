"""What linking one user id to another changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.kit.errors import Conflict


class LinkedTheOtherWay(Conflict):
    """This visitor stands for that user already: the user is linked to the visitor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Two user ids before the first is linked to the second.

    `linked_to` is what the first is linked to, None for one without a link. `chain` begins with the second, followed by
    what that is linked to and so on; its last is the person.
    """

    user_id: str
    linked_to: str | None
    chain: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link to make. `user_id`, and whatever is linked to it, belongs to the person `person_id` then.

    Where that is `linked_to` itself, it has no link of its own any more.
    """

    user_id: str
    linked_to: str
    person_id: str


def alias(standing: Standing) -> Link | None:
    """The link to make where the first one wins; None when there is one. Raises LinkedTheOtherWay."""
    if standing.linked_to is not None:
        return None
    if standing.user_id in standing.chain:
        raise LinkedTheOtherWay
    return Link(user_id=standing.user_id, linked_to=standing.chain[0], person_id=standing.chain[-1])


def merge(standing: Standing) -> Link | None:
    """The link to make in place of whatever there is; None when it is there."""
    into = standing.chain[0]
    if standing.linked_to == into:
        return None
    # Else the two would be linked in a circle.
    ends_there = standing.user_id in standing.chain
    return Link(user_id=standing.user_id, linked_to=into, person_id=into if ends_there else standing.chain[-1])
