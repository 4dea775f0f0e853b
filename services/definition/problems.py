"""How parsing fails: one exception that holds every error text."""


class DefinitionError(ValueError):
    """The definition is not valid; each text in `errors` starts with the path of what is wrong."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class Wrong(Exception):
    """One value is not acceptable: (place below the value, text) for each thing wrong in it."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__(*problems)
        self.problems = problems


SHOWN_CHARACTERS = 60


def wrong(text: str) -> Wrong:
    """The value itself is not acceptable."""
    return Wrong(("", text))


def shown(value: str) -> str:
    """Text as an error quotes it: escaped, and short however long it is."""
    return repr(value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "...")


def kind(value: object) -> str:
    """The JSON type of a value in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
