"""Public requests as questions to the warehouse. Each raises Invalid with every wrong field."""

from services.gen.segops.profiles.v1 import profiles_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2
from services.kit.errors import Invalid
from services.kit.paging import Page, page_of
from services.profiles.checks import MAX_EVENT_TYPE, MAX_USER_ID, FieldErrors, check_text, check_time


def user_search(request: pb.SearchUsersRequest) -> tuple[Page, warehouse_pb2.SearchUsersRequest]:
    """The page that is asked for, and the question for it."""
    wrong: FieldErrors = {}
    check_text("q", request.q, MAX_USER_ID, wrong)
    page = page_of(request, errors=wrong)
    return page, warehouse_pb2.SearchUsersRequest(query=request.q, limit=page.limit, offset=page.offset)


def checked_user_id(user_id: str) -> str:
    """The id of a user in a path."""
    wrong: FieldErrors = {}
    check_text("user_id", user_id, MAX_USER_ID, wrong, required=True)
    if wrong:
        raise Invalid(wrong)
    return user_id


def event_search(request: pb.ListUserEventsRequest) -> tuple[Page, warehouse_pb2.ListUserEventsRequest]:
    """The page that is asked for, and the question for it but for the user's ids."""
    wrong: FieldErrors = {}
    check_text("user_id", request.user_id, MAX_USER_ID, wrong, required=True)
    check_text("event_type", request.event_type, MAX_EVENT_TYPE, wrong)
    since = check_time("since", request.since, wrong)
    until = check_time("until", request.until, wrong)
    page = page_of(request, errors=wrong)
    question = warehouse_pb2.ListUserEventsRequest(event_type=request.event_type, limit=page.limit, offset=page.offset)
    if since:
        question.since.FromDatetime(since)
    if until:
        question.until.FromDatetime(until)
    return page, question
