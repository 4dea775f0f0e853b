"""Failures survive the wire: to metadata and back."""

import json

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from services.kit import errors
from services.kit.failures import HTTP_BODY, MAX_BODY_CHARS, STATUS, from_rpc_error, status_of, to_metadata

KINDS = [*STATUS]


def over_the_wire(failure: errors.Failure) -> errors.Failure:
    code, _ = status_of(failure)
    return from_rpc_error(AioRpcError(code, Metadata(), Metadata(*to_metadata(failure)), failure.detail))


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_survives_a_hop_with_kind_and_message(kind: type[errors.Failure]) -> None:
    failure = kind(detail='Für alle: "quoted"\n') if kind is errors.Invalid else kind('Für alle: "quoted"\n')
    arrived = over_the_wire(failure)
    assert type(arrived) is kind
    assert arrived.body() == failure.body()


def test_field_errors_survive_a_hop() -> None:
    failure = errors.Invalid({"name": ["is required"], "definition": ["a: x", "b: y"]})
    arrived = over_the_wire(failure)
    assert isinstance(arrived, errors.Invalid)
    assert arrived.fields == failure.fields


def test_a_retryable_failure_keeps_its_seconds() -> None:
    arrived = over_the_wire(errors.RateLimited(retry_after_seconds=17))
    assert isinstance(arrived, errors.RateLimited)
    assert arrived.retry_after_seconds == 17


def test_a_named_failure_has_the_row_of_its_kind() -> None:
    class SegmentInUse(errors.Conflict):
        """Another segment refers to this one."""

    assert status_of(SegmentInUse()) == (grpc.StatusCode.ABORTED, 409)
    assert SegmentInUse().detail == "Another segment refers to this one."


def test_a_body_fits_the_headers_and_stays_json() -> None:
    failure = errors.Invalid({f"field_{i}": ["ü" * 100] for i in range(1000)})
    body = dict(to_metadata(failure))[HTTP_BODY]
    assert len(body) <= MAX_BODY_CHARS
    assert body.isascii()
    assert json.loads(body)["field_0"] == ["ü" * 100]


def test_an_unreachable_service_is_unavailable_and_the_unexpected_stays_unexpected() -> None:
    for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        assert isinstance(from_rpc_error(AioRpcError(code, Metadata(), Metadata())), errors.Unavailable)
    with pytest.raises(AioRpcError):
        from_rpc_error(AioRpcError(grpc.StatusCode.INTERNAL, Metadata(), Metadata()))
