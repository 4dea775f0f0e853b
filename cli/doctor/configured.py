"""Are the settings what some process can read?"""

import difflib
import os
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from cli.configuration import classes, known_names
from cli.doctor.finding import Finding, bad, doubtful, good

PREFIX = "SEGOPS_"


def check_settings(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Values that are refused, and variables that nothing reads."""
    wrong = [finding for cls, _ in classes() for finding in _refused(cls)]
    yield from wrong
    known = known_names()
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1)
        advice = f"Did you mean {close[0]}?" if close else "Remove it; docs/configuration.md has all that there are."
        yield doubtful("settings", f"Nothing reads {name}.", advice)
    if not wrong and not unknown:
        count = sum(name in known for name in environment)
        yield good("settings", f"{count} are set, and all of them can be read.")


def _refused(cls: type) -> Iterator[Finding]:
    prefix = cls.model_config.get("env_prefix", "")  # type: ignore[attr-defined]
    try:
        cls()
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in each["loc"])
            yield bad("settings", f"{prefix}{name.upper()}: {each['msg']}", "Correct it: see docs/configuration.md.")
