"""The RPCs of the schema registry."""

import msgspec
from google.api.httpbody_pb2 import HttpBody

from services.gen.segops.ingestion.v1 import schemas_pb2 as pb
from services.gen.segops.ingestion.v1 import schemas_pb2_grpc
from services.ingestion import samples
from services.ingestion.bodies import JSON_MEDIA_TYPE, require_json
from services.ingestion.inference import infer
from services.ingestion.schema_packing import inferred_message, schema_message
from services.ingestion.schema_registry import SchemaRegistry
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.paging import page_of
from services.kit.wire import nullable, sent_fields


class SchemaServicer(schemas_pb2_grpc.SchemaServiceServicer):
    """Schemas of event types."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry

    async def ListSchemas(self, request: pb.ListSchemasRequest, context: Context) -> pb.SchemaPage:
        page = page_of(request)
        count, rows = await self._registry.page(current_caller().tenant, page)
        return pb.SchemaPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[schema_message(row) for row in rows],
        )

    async def CreateSchema(self, request: pb.CreateSchemaRequest, context: Context) -> pb.Schema:
        return schema_message(await self._registry.create(current_caller().tenant, sent_fields(request)))

    async def GetSchema(self, request: pb.GetSchemaRequest, context: Context) -> pb.Schema:
        return schema_message(await self._registry.find(current_caller().tenant, request.id))

    async def ReplaceSchema(self, request: pb.ReplaceSchemaRequest, context: Context) -> pb.Schema:
        return schema_message(await self._registry.replace(current_caller().tenant, request.id, sent_fields(request)))

    async def UpdateSchema(self, request: pb.UpdateSchemaRequest, context: Context) -> pb.Schema:
        return schema_message(await self._registry.change(current_caller().tenant, request.id, sent_fields(request)))

    async def DeleteSchema(self, request: pb.DeleteSchemaRequest, context: Context) -> pb.DeleteSchemaResponse:
        await self._registry.remove(current_caller().tenant, request.id)
        return pb.DeleteSchemaResponse()

    async def InferSchemas(self, request: HttpBody, context: Context) -> pb.InferredSchemas:
        require_json(request.content_type)
        schemas = infer(samples.sent_events(request.data))
        return pb.InferredSchemas(schemas=[inferred_message(schema) for schema in schemas])

    async def ValidatePayload(self, request: HttpBody, context: Context) -> HttpBody:
        require_json(request.content_type)
        event = samples.sent_event(request.data)
        payload, errors = await self._registry.validate(current_caller().tenant, event.event_type, event.payload)
        answer = {"valid": not errors, "errors": errors, "payload": msgspec.Raw(payload.encode())}
        return HttpBody(content_type=JSON_MEDIA_TYPE, data=msgspec.json.encode(answer))
