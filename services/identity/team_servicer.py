"""TeamService: unpack, call, pack."""

from typing import Any

from sqlalchemy import Row

from services.gen.segops.identity.v1 import identity_pb2, team_pb2_grpc
from services.gen.segops.identity.v1 import team_pb2 as pb
from services.identity.invitations import Invitations
from services.identity.team import Team
from services.kit.caller import current_address, current_caller
from services.kit.context import Context
from services.kit.paging import page_of
from services.kit.wire import nullable, whole_seconds


class TeamServicer(team_pb2_grpc.TeamServiceServicer):
    """Members and invitations."""

    def __init__(self, team: Team, invitations: Invitations) -> None:
        self._team = team
        self._invitations = invitations

    async def ListMembers(self, request: pb.ListMembersRequest, context: Context) -> pb.MemberPage:
        page = page_of(request)
        count, rows = await self._team.page(current_caller().tenant, page)
        return pb.MemberPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[_member(row) for row in rows],
        )

    async def UpdateMember(self, request: pb.UpdateMemberRequest, context: Context) -> pb.Member:
        return _member(await self._team.change_role(current_caller().tenant, request.id, request.role))

    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: Context) -> pb.RemoveMemberResponse:
        await self._team.remove(current_caller().tenant, request.id)
        return pb.RemoveMemberResponse()

    async def Invite(self, request: pb.InviteRequest, context: Context) -> pb.CreatedInvitation:
        caller = current_caller()
        created = await self._invitations.invite(
            caller.tenant, inviter_id=caller.user_id or 0, email=request.email, role=request.role
        )
        return pb.CreatedInvitation(**_shown(created.row), token=created.token)

    async def ListInvitations(self, request: pb.ListInvitationsRequest, context: Context) -> pb.InvitationPage:
        page = page_of(request)
        count, rows = await self._invitations.page(current_caller().tenant, page)
        return pb.InvitationPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[pb.Invitation(**_shown(row)) for row in rows],
        )

    async def WithdrawInvitation(
        self, request: pb.WithdrawInvitationRequest, context: Context
    ) -> pb.WithdrawInvitationResponse:
        await self._invitations.withdraw(current_caller().tenant, request.id)
        return pb.WithdrawInvitationResponse()

    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, context: Context) -> identity_pb2.TokenPair:
        tokens = await self._invitations.accept(
            token=request.token, password=request.password, address=current_address()
        )
        return identity_pb2.TokenPair(access=tokens.access, refresh=tokens.refresh)


def _member(row: Row[Any]) -> pb.Member:
    return pb.Member(id=row.id, email=row.email, role=row.role, joined_at=whole_seconds(row.joined_at))


def _shown(row: Row[Any]) -> dict[str, Any]:
    """What may be read of an invitation."""
    return {
        "id": row.id,
        "email": row.email,
        "role": row.role,
        "created_at": whole_seconds(row.created_at),
        "expires_at": whole_seconds(row.expires_at),
    }
