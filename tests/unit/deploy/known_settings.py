"""Every variable that some settings class of ours reads."""

import importlib
import pkgutil

import edge
import services
from services.kit.secret_files import FileSettings


def _all_below(parent: type[FileSettings]) -> set[type[FileSettings]]:
    return {parent} | {found for child in parent.__subclasses__() for found in _all_below(child)}


def known_variables() -> set[str]:
    """Their names in capitals."""
    for package in (services, edge):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("settings"):
                importlib.import_module(module.name)
    return {
        f"{settings.model_config.get('env_prefix', '')}{field}".upper()
        for settings in _all_below(FileSettings)
        for field in settings.model_fields
    }
