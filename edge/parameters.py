"""What the query of a URL may set of a request. The transcoder would let it name another object than the path does."""

from urllib.parse import parse_qsl

from edge.routes import Parameter, Route, is_int32
from services.kit.errors import Invalid


def check_query(route: Route, query: str) -> None:
    """Raises Invalid with every parameter that is wrong. Names of no field are passed over, as Envoy does."""
    if not query or not route.parameters:
        return
    try:
        sent = parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise Invalid(detail="The query is not UTF-8.") from error
    wrong: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name, value in sent:
        # `a.b` is the field `b` of `a`.
        parameter = route.parameters.get(name.partition(".")[0])
        if parameter is not None:
            problem = _problem(parameter, value, is_first=parameter.name not in seen)
            seen.add(parameter.name)
            if problem:
                wrong[parameter.name] = [problem]
    if wrong:
        raise Invalid(wrong)


def _problem(parameter: Parameter, value: str, *, is_first: bool) -> str | None:
    if not parameter.is_allowed:
        return "This is not taken from the query."
    if not is_first and not parameter.is_repeated:
        return "This is given more than once."
    if parameter.is_integer and not is_int32(value):
        return f"'{value[:40]}' is not a whole number."
    return None
