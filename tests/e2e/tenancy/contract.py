"""What every answer of the platform has to be, whatever was asked (contract, section 1)."""

import json

from tests.e2e.tenancy.wire import Answer, Sent

# Words of what is inside, in an answer to somebody outside.
INTERNAL = ("Traceback", "grpc", "psycopg", "sqlalchemy", 'File "', "SELECT ", "google.", "HttpBody")
# Where such words belong: in the answer of a preview, and in the API document.
SHOWN = {"SELECT ": '"sql":', "HttpBody": '{"openapi":'}
# Of gRPC: UNKNOWN, INTERNAL, UNAVAILABLE.
FAILURES = ("2", "13", "14")


def wrong_in(sent: Sent, answer: Answer) -> str:
    """What breaks the contract in an answer of a platform that is well, empty when nothing does."""
    if answer.status >= 500:
        return f"status {answer.status}"
    if _is_grpc(sent, answer):
        status = answer.headers.get("grpc-status")
        return f"gRPC status {status}" if status in FAILURES else ""
    if answer.status >= 400 and (wrong := _wrong_error(answer)):
        return wrong
    text = answer.body.decode("utf-8", "replace")
    words = [word for word in INTERNAL if word in answer.text and SHOWN.get(word, word) not in text]
    return f"internal words {words}" if words else ""


def _is_grpc(sent: Sent, answer: Answer) -> bool:
    """Whether the answer is one to a gRPC client, as who asked said to be."""
    says_so = any(name == b"content-type" and value.startswith(b"application/grpc") for name, value in sent.headers)
    is_so = answer.headers.get("content-type", "").startswith("application/grpc") or "grpc-status" in answer.headers
    return says_so and is_so


def _wrong_error(answer: Answer) -> str:
    if not answer.body:
        # To HEAD.
        return ""
    if answer.headers.get("content-type") != "application/json":
        return f"an error of type {answer.headers.get('content-type')}"
    try:
        body = json.loads(answer.body)
    except ValueError:
        return "an error that is not JSON"
    if not isinstance(body, dict) or not body:
        return "an error that is no object"
    if list(body) == ["detail"] and isinstance(body["detail"], str) and body["detail"]:
        return ""
    texts = [text for texts in body.values() for text in (texts if isinstance(texts, list) and texts else [None])]
    return "" if all(isinstance(text, str) and text for text in texts) else "an error of neither shape"
