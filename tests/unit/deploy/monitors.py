"""What the Prometheus operator takes, as far as the chart uses it (monitoring.coreos.com/v1)."""

from typing import Any

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_SELECTOR = {"type": "object", "properties": {"matchLabels": _TEXTS}, "additionalProperties": False}
_ENDPOINT = {
    "type": "object",
    "required": ["port"],
    "properties": {
        "port": {"type": "string"},
        "path": {"type": "string"},
        "interval": {"type": "string", "pattern": r"^(0|(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?)$"},
    },
    "additionalProperties": False,
}


def schema(endpoints: str) -> dict[str, Any]:
    """Of a monitor whose endpoints have this name."""
    spec = {
        "type": "object",
        "required": ["selector", endpoints],
        "properties": {
            "jobLabel": {"type": "string"},
            "selector": _SELECTOR,
            endpoints: {"type": "array", "items": _ENDPOINT},
        },
        "additionalProperties": False,
    }
    return _manifest(spec)


def _manifest(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"type": "object", "properties": {"name": {"type": "string"}, "labels": _TEXTS}}
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"type": "string"},
            "metadata": metadata,
            "spec": spec,
        },
        "additionalProperties": False,
    }


_RULE = {
    "type": "object",
    "required": ["alert", "expr"],
    "properties": {
        "alert": {"type": "string"},
        "expr": {"type": "string"},
        "for": {"type": "string"},
        "labels": _TEXTS,
        "annotations": _TEXTS,
    },
    "additionalProperties": False,
}
_GROUP = {
    "type": "object",
    "required": ["name", "rules"],
    "properties": {"name": {"type": "string"}, "rules": {"type": "array", "minItems": 1, "items": _RULE}},
    "additionalProperties": False,
}
_RULES = {
    "type": "object",
    "required": ["groups"],
    "properties": {"groups": {"type": "array", "minItems": 1, "items": _GROUP}},
    "additionalProperties": False,
}

SCHEMAS = {
    "ServiceMonitor": schema("endpoints"),
    "PodMonitor": schema("podMetricsEndpoints"),
    "PrometheusRule": _manifest(_RULES),
}
