"""What fields of configurations have in common."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from services.connectors.outbound import Outbound


def _callable(url: str, info: ValidationInfo) -> str:
    if isinstance(info.context, Outbound) and (errors := info.context.url_errors(url)):
        raise ValueError(errors[0])
    return url


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("must be the URL that the paths of the API are added to, without query and fragment")
    return url.rstrip("/")


# A URL that may be called.
Url = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_callable)]
# One that paths are added to; without a slash at its end.
BaseUrl = Annotated[Url, AfterValidator(_base)]
# A credential that goes into a header.
ApiKey = Annotated[SecretStr, Field(min_length=1, max_length=1_000)]
