"""The kinds of destinations, by the names that connectors have for them."""

from collections.abc import Mapping
from typing import Any

from services.connectors.destinations.braze import BRAZE
from services.connectors.destinations.file import FILE
from services.connectors.destinations.interface import DestinationType
from services.connectors.destinations.klaviyo import KLAVIYO
from services.connectors.destinations.talonone import TALONONE
from services.connectors.destinations.webhook import WEBHOOK

TYPES: Mapping[str, DestinationType[Any]] = {kind.name: kind for kind in (KLAVIYO, BRAZE, TALONONE, WEBHOOK, FILE)}
