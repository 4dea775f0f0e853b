"""What every POST route is, so that a client may give it an idempotency key."""

from google.api import annotations_pb2

from edge.public_services import public_services
from services.kit import access


def test_an_rpc_behind_a_post_is_unary_and_has_no_other_verb() -> None:
    posts = 0
    for method in (method for service in public_services() for method in service.methods):
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        bindings = [binding for binding in (rule, *rule.additional_bindings) if binding.post.startswith("/api/")]
        declared = access.declared(f"/{method.containing_service.full_name}/{method.name}")
        assert declared is not None
        assert declared.is_api_post == bool(bindings)
        if bindings:
            posts += 1
            assert not method.client_streaming
            assert not method.server_streaming
            assert len(bindings) == 1 + len(rule.additional_bindings)
    assert posts > 10
