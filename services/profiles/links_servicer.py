"""The RPCs that link user ids."""

from dataclasses import asdict

from services.gen.segops.profiles.v1 import links_pb2 as pb
from services.gen.segops.profiles.v1 import links_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.postgres import Database
from services.profiles import link_rules
from services.profiles.link_requests import alias_pair, merge_pair, visitor_pairs
from services.profiles.linking import link, link_visitors


class LinksServicer(links_pb2_grpc.LinksServiceServicer):
    """Links user ids of the caller's tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def AliasVisitor(self, request: pb.AliasVisitorRequest, context: Context) -> pb.LinkedUser:
        linked = await link(self._database, current_caller().tenant, alias_pair(request), link_rules.alias)
        return pb.LinkedUser(**asdict(linked))

    async def MergeUsers(self, request: pb.MergeUsersRequest, context: Context) -> pb.LinkedUser:
        linked = await link(self._database, current_caller().tenant, merge_pair(request), link_rules.merge)
        return pb.LinkedUser(**asdict(linked))

    async def LinkVisitors(self, request: pb.LinkVisitorsRequest, context: Context) -> pb.LinkVisitorsResponse:
        await link_visitors(self._database, current_caller().tenant, visitor_pairs(request))
        return pb.LinkVisitorsResponse()
