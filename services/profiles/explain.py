"""Why a user is in a segment, or is not: what each condition of its definition finds."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.definition import leaves, parse
from services.definition.labels import TYPES, label, threshold
from services.gen.segops.profiles.v1 import explain_pb2 as pb
from services.gen.segops.segments.v1 import evaluations_pb2
from services.gen.segops.warehouse.v1 import explain_pb2 as warehouse_pb2
from services.gen.segops.warehouse.v1.warehouse_pb2 import Evaluation
from services.kit.errors import Invalid
from services.kit.wire import timestamp
from services.profiles.checks import MAX_USER_ID, FieldErrors, check_text, check_time
from services.profiles.objects import parse_value, value_of

IN_FUTURE = "Must not lie in the future."


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Whom and when a request asks about; now when `at` is None."""

    user_id: str
    at: datetime | None


def asked(request: pb.ExplainMembershipRequest, now: datetime) -> Asked:
    """What a request asks. Raises Invalid with every wrong field."""
    wrong: FieldErrors = {}
    check_text("user_id", request.user_id, MAX_USER_ID, wrong, required=True)
    at = check_time("at", request.at, wrong)
    if at and at > now:
        wrong["at"] = [IN_FUTURE]
    if wrong:
        raise Invalid(wrong)
    return Asked(user_id=request.user_id, at=at)


def evaluation(segment: evaluations_pb2.ReadySegment, at: datetime | None) -> Evaluation:
    """The evaluation of a segment's definition at a past instant, or now."""
    return Evaluation(
        definition=segment.definition,
        now=timestamp(at) if at else None,
        past=at is not None,
        runs={referred.id: referred.run for referred in segment.referred},
    )


def explained(
    segment: evaluations_pb2.ReadySegment, results: Iterable[warehouse_pb2.ConditionResult]
) -> list[pb.ExplainedCondition]:
    """The conditions of a segment's definition in words, each with what was found."""
    names = {referred.id: referred.name for referred in segment.referred}
    conditions = leaves(parse(json.loads(segment.definition)))
    return [
        pb.ExplainedCondition(
            index=index,
            path=path,
            type=TYPES[type(condition)],
            label=label(condition, names),
            actual_value=parse_value(result.actual_value),
            threshold=value_of(threshold(condition)),
            matches=result.matches,
            evidence=_evidence(result),
        )
        for index, ((path, condition), result) in enumerate(zip(conditions, results, strict=True))
    ]


def _evidence(result: warehouse_pb2.ConditionResult) -> pb.Evidence:
    return pb.Evidence(
        count=result.event_count,
        events=[
            pb.DecidingEvent(event_id=event.event_id, event_type=event.event_type, occurred_at=event.occurred_at)
            for event in result.events
        ],
    )
