"""Generated links between user ids: several to one person, whose own id may have no events; some were undone."""

from random import Random

from tests.oracle.evaluate import Links
from tests.oracle.history import Event

WITHOUT_EVENTS = "nobody's, by itself"


def links(history: list[Event], seed: int) -> Links:
    """The person of each linked user id; links that were undone lead to the id itself."""
    random = Random(seed)
    ids = sorted({event.user_id for event in history})
    persons = [WITHOUT_EVENTS, *(user_id for user_id in ids if random.random() < 0.3)]
    undone = {person: person for person in persons if random.random() < 0.3}
    others = [user_id for user_id in ids if user_id not in persons]
    return undone | {user_id: random.choice(persons) for user_id in others if random.random() < 0.7}
