"""What can go wrong, as nouns. Services raise these; one table (`failures.py`) turns them into gRPC and HTTP."""

from collections.abc import Mapping, Sequence


class Failure(Exception):
    """Something a caller is told about. The docstring of a subclass is its default message."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or (type(self).__doc__ or "").strip())

    @property
    def detail(self) -> str:
        """The message, one sentence."""
        return str(self.args[0])

    def body(self) -> dict[str, object]:
        """The public JSON body."""
        return {"detail": self.detail}


class Invalid(Failure):
    """The request is not valid."""

    def __init__(self, fields: Mapping[str, Sequence[str]] | None = None, *, detail: str = "") -> None:
        """Takes every wrong field with its messages, or a sentence when no single field is wrong."""
        super().__init__(detail)
        self.fields = {name: list(messages) for name, messages in (fields or {}).items()}

    def body(self) -> dict[str, object]:
        return dict(self.fields) or super().body()


class Unauthenticated(Failure):
    """Authentication credentials were not provided or are not valid."""


class Forbidden(Failure):
    """You do not have permission to perform this action."""


class NotFound(Failure):
    """Not found."""


class Conflict(Failure):
    """The request conflicts with the current state."""


class Unprocessable(Failure):
    """The request cannot be processed as it is."""


class TooLarge(Failure):
    """The request body is too large."""


class Retryable(Failure):
    """Try again later."""

    def __init__(self, detail: str = "", *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(Retryable):
    """Too many requests."""


class InDoubt(Failure):
    """It is not known whether the request was accepted. Events with ids or an Idempotency-Key may be sent again."""


class Unavailable(Retryable):
    """The service is temporarily unavailable. Nothing was accepted; a retry is safe."""
