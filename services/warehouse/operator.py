"""What segopsctl alone may ask for."""

from services.kit.caller import current_caller
from services.kit.errors import Forbidden

# Its name among the services.
OPERATOR = "segopsctl"


def require_operator() -> None:
    """Raises Forbidden for all other callers."""
    if current_caller().service != OPERATOR:
        raise Forbidden
