"""Changes of a segment's ledger, as the segments service sends them to the warehouse, and questions about them."""

import json
from datetime import UTC, datetime

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from tests.integration.warehouse.processes import Warehouse

AT = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)


def line(run_id: int, user_id: str, *, entered: bool = True, at: datetime = AT) -> bytes:
    """One change as a line of COPY text, for ids that need no escaping."""
    instant = at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{run_id}\t{user_id}\t{int(entered)}\t{instant}\n".encode()


def within(segment_id: int, operator: str = "in") -> str:
    """The definition of who is in a segment, or `not_in`."""
    condition = {"type": "segment_membership", "segment_id": segment_id, "operator": operator}
    return json.dumps({"logic": "AND", "conditions": [condition]})


async def append(warehouse: Warehouse, tenant: int, segment_id: int, copy_text: bytes) -> None:
    """Mirrors changes."""
    request = pb.AppendMembershipChangesRequest(segment_id=segment_id, copy_text=copy_text)
    await warehouse.stub.AppendMembershipChanges(request, metadata=warehouse.metadata(tenant))


async def position(warehouse: Warehouse, tenant: int, segment_id: int) -> tuple[int, str]:
    """Run and user of the last mirrored change."""
    request = pb.GetMirrorPositionRequest(segment_id=segment_id)
    answer = await warehouse.stub.GetMirrorPosition(request, metadata=warehouse.metadata(tenant))
    return answer.run_id, answer.user_id


async def members(warehouse: Warehouse, tenant: int, segment_id: int, run_id: int) -> list[str]:
    """Up to 100 members of a segment after a run."""
    evaluation = pb.Evaluation(definition=within(segment_id), runs={segment_id: run_id})
    request = pb.PreviewDefinitionRequest(evaluation=evaluation, sample_limit=100)
    answer = await warehouse.stub.PreviewDefinition(request, metadata=warehouse.metadata(tenant))
    assert len(answer.sample_user_ids) == min(answer.matched_users, 100)
    return list(answer.sample_user_ids)
