"""Expressions of PromQL: which metrics they look at, and by which labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import promql_parser
from promql_parser import AggregateExpr, Expr, MatchOp, VectorSelector

# What Grafana puts into an expression before it asks Prometheus.
VARIABLES = {"$__rate_interval": "5m"}


@dataclass(frozen=True)
class Looked:
    """A metric that an expression looks at, the labels that it has to have, and what some of them have to match."""

    name: str
    matches: dict[str, re.Pattern[str]] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()


def looked_at(text: str) -> Sequence[Looked]:
    """The metrics an expression looks at. Raises ValueError when it is none."""
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    found: list[Looked] = []
    grouped: list[frozenset[str]] = []

    def enter(expression: Expr) -> None:
        if isinstance(expression, AggregateExpr):
            grouped.append(frozenset(expression.modifier.labels if expression.modifier else ()))
        if isinstance(expression, VectorSelector):
            named = frozenset(matcher.name for matcher in expression.matchers.matchers)
            found.append(Looked(expression.name or "", _matches(expression), named.union(*grouped)))

    def leave(expression: Expr) -> None:
        if isinstance(expression, AggregateExpr):
            grouped.pop()

    promql_parser.walk(promql_parser.parse(text), enter, leave)
    return found


def _matches(selector: VectorSelector) -> dict[str, re.Pattern[str]]:
    wanted = {}
    for matcher in selector.matchers.matchers:
        if matcher.op in (MatchOp.Equal, MatchOp.Re):
            wanted[matcher.name] = re.compile(matcher.value if matcher.op == MatchOp.Re else re.escape(matcher.value))
    return wanted
