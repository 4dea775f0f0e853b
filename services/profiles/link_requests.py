"""Requests to link user ids, checked. Each raises Invalid with every wrong field."""

from services.gen.segops.profiles.v1 import links_pb2 as pb
from services.kit.errors import Invalid
from services.kit.visitor_links import ANONYMOUS, Pair
from services.profiles.checks import MAX_USER_ID, FieldErrors, check_text

MAX_ANONYMOUS_ID = MAX_USER_ID - len(ANONYMOUS)
MOST_VISITORS = 500


def alias_pair(request: pb.AliasVisitorRequest) -> Pair:
    wrong: FieldErrors = {}
    check_text("anonymous_id", request.anonymous_id, MAX_ANONYMOUS_ID, wrong, required=True)
    return _pair((ANONYMOUS + request.anonymous_id, request.user_id), "user_id", wrong)


def merge_pair(request: pb.MergeUsersRequest) -> Pair:
    wrong: FieldErrors = {}
    check_text("from_user_id", request.from_user_id, MAX_USER_ID, wrong, required=True)
    return _pair((request.from_user_id, request.into_user_id), "into_user_id", wrong)


def visitor_pairs(request: pb.LinkVisitorsRequest) -> list[Pair]:
    if len(request.links) > MOST_VISITORS:
        raise Invalid({"links": [f"Send {MOST_VISITORS} or fewer."]})
    wrong: FieldErrors = {}
    for link in request.links:
        check_text("visitor_id", link.visitor_id, MAX_USER_ID, wrong, required=True)
    return [_pair((link.visitor_id, link.user_id), "user_id", wrong) for link in request.links]


def _pair(pair: Pair, into: str, wrong: FieldErrors) -> Pair:
    """The two ids, the second of which was sent in the field `into`, unless something is wrong."""
    check_text(into, pair[1], MAX_USER_ID, wrong, required=True)
    if not wrong and pair[0] == pair[1]:
        wrong[into] = ["Must be another user than the one that is linked."]
    if wrong:
        raise Invalid(wrong)
    return pair
