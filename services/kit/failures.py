"""The one table between failures, gRPC status codes and public HTTP answers, in both directions.

A failing RPC carries its public answer in trailing metadata: `x-http-code`, `x-http-body` (JSON, ASCII) and, where a
retry makes sense, `retry-after` (whole seconds). Envoy puts it in place of the gRPC status; a calling service reads
the failure back from it, so that it survives several hops. (The status of a success is the edge's to say,
from the proto.)
"""

import json
from collections.abc import Iterable, Mapping
from typing import Protocol

import grpc

from services.kit.errors import (
    Conflict,
    Failure,
    Forbidden,
    InDoubt,
    Invalid,
    NotFound,
    RateLimited,
    Retryable,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)

HTTP_CODE, HTTP_BODY, RETRY_AFTER = "x-http-code", "x-http-body", "retry-after"

# Envoy accepts headers up to 60 KiB in all; longer bodies lose their last messages.
MAX_BODY_CHARS = 16_000

STATUS: dict[type[Failure], tuple[grpc.StatusCode, int]] = {
    Invalid: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    Unauthenticated: (grpc.StatusCode.UNAUTHENTICATED, 401),
    Forbidden: (grpc.StatusCode.PERMISSION_DENIED, 403),
    NotFound: (grpc.StatusCode.NOT_FOUND, 404),
    Conflict: (grpc.StatusCode.ABORTED, 409),
    TooLarge: (grpc.StatusCode.OUT_OF_RANGE, 413),
    Unprocessable: (grpc.StatusCode.FAILED_PRECONDITION, 422),
    RateLimited: (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    Unavailable: (grpc.StatusCode.UNAVAILABLE, 503),
    InDoubt: (grpc.StatusCode.UNKNOWN, 504),
}
KIND_BY_HTTP = {http: kind for kind, (_, http) in STATUS.items()}

Metadata = tuple[tuple[str, str], ...]


def status_of(failure: Failure) -> tuple[grpc.StatusCode, int]:
    """gRPC code and HTTP status of a failure, by its nearest kind in the table."""
    for kind in type(failure).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    raise LookupError(f"{type(failure).__name__} has no row in the failure table")


def to_metadata(failure: Failure) -> Metadata:
    """The public answer of a failure as trailing metadata."""
    rows = [(HTTP_CODE, str(status_of(failure)[1])), (HTTP_BODY, _bounded_json(failure))]
    if isinstance(failure, Retryable):
        rows.append((RETRY_AFTER, str(failure.retry_after_seconds)))
    return tuple(rows)


class RpcFailure(Protocol):
    """What grpc's errors have in common, of awaited and of blocking calls."""

    def code(self) -> grpc.StatusCode: ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def from_rpc_error(error: RpcFailure) -> Failure:
    """The failure another service answered with; Unavailable when it could not be reached in time."""
    sent = {key: value for key, value in error.trailing_metadata() or () if isinstance(value, str)}
    failure = from_metadata(sent)
    if failure is None:
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return Unavailable()
        assert isinstance(error, Exception)
        raise error
    return failure


def from_metadata(sent: Mapping[str, str]) -> Failure | None:
    """The failure with this public answer; None when it is none of the table's."""
    kind = KIND_BY_HTTP.get(int(sent.get(HTTP_CODE, 0)))
    if kind is None:
        return None
    body = json.loads(sent[HTTP_BODY])
    detail = body.get("detail")
    if kind is Invalid and not isinstance(detail, str):
        return Invalid(body)
    if issubclass(kind, Retryable):
        return kind(detail, retry_after_seconds=int(sent.get(RETRY_AFTER, 1)))
    return kind(detail=detail) if kind is Invalid else kind(detail)


def _bounded_json(failure: Failure) -> str:
    text = json.dumps(failure.body())
    if len(text) <= MAX_BODY_CHARS or not isinstance(failure, Invalid):
        return text
    kept: dict[str, list[str]] = {}
    room = MAX_BODY_CHARS
    for name, messages in failure.fields.items():
        for message in messages:
            room -= len(json.dumps(message)) + len(json.dumps(name)) + 8
            if room < 0:
                return json.dumps(kept or {"detail": Invalid.__doc__})
            kept.setdefault(name, []).append(message)
    return json.dumps(kept)
