"""Tenants as their people make and set them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from services.identity import store, team_store
from services.identity.fields import check_choice, check_email, check_name, check_slug, domain_of, raise_wrong
from services.kit.errors import Forbidden, Invalid
from services.kit.plans import PLANS
from services.kit.postgres import Database

MAX_DOMAINS = 100
DOMAINS = "invitation_domains"


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """Makes and changes tenants. `owners_choose_plan`: or only the operator does."""

    database: Database
    default_plan: str
    registration_open: bool
    owners_choose_plan: bool

    async def create(self, *, owner_id: int, name: str, slug: str) -> Row[Any]:
        """Creates a tenant that a person owns. Raises Invalid, or Forbidden when registration is closed."""
        if not self.registration_open:
            raise Forbidden("Registration is switched off.")
        raise_wrong(name=check_name(name), slug=check_slug(slug))
        async with store.unique_fields(tenant_slug="slug"), self.database.system() as connection:
            tenant = await store.add_tenant(connection, slug=slug, name=name.strip(), plan=self.default_plan)
            await team_store.add_member(connection, tenant_id=tenant.id, user_id=owner_id, role="owner")
        return tenant

    async def find(self, tenant_id: int) -> Row[Any]:
        """A tenant of which the caller is a member."""
        async with self.database.system() as connection:
            return await store.tenant_by_id(connection, tenant_id)

    async def update(self, tenant_id: int, sent: Mapping[str, object]) -> Row[Any]:
        """Changes what was sent of name and settings. Raises Invalid."""
        changes = read_changes(sent)
        if not changes:
            return await self.find(tenant_id)
        async with self.database.system() as connection:
            return await store.update_tenant(connection, tenant_id, changes)

    async def change_plan(self, tenant_id: int, plan: str) -> Row[Any]:
        """Puts a tenant on a plan. The operator's number of calls stays. Raises Forbidden, Invalid."""
        if not self.owners_choose_plan:
            raise Forbidden("Ask the operator of this platform for another plan.")
        raise_wrong(plan=check_choice(plan, PLANS))
        async with self.database.system() as connection:
            return await store.update_tenant(connection, tenant_id, {"plan": plan})

    async def transfer(self, tenant_id: int, *, owner_id: int, user_id: int) -> Row[Any]:
        """Makes a member the Owner, and the Owner an Admin. Raises Forbidden, Invalid."""
        async with self.database.system() as connection:
            # The first of several transfers at once counts: after it, the caller of the others is no Owner.
            if not await team_store.set_role(
                connection, tenant_id=tenant_id, user_id=owner_id, role="admin", was_owner=True
            ):
                raise Forbidden
            if user_id == owner_id or not await team_store.set_role(
                connection, tenant_id=tenant_id, user_id=user_id, role="owner"
            ):
                raise Invalid({"user_id": ["This is not another member of the tenant."]})
            return await store.tenant_by_id(connection, tenant_id)


def read_changes(sent: Mapping[str, object]) -> dict[str, object]:
    """The columns that the fields of a request change. Raises Invalid with every wrong field."""
    checks = {"name": _check_name, "settings": _check_settings}
    raise_wrong(**{field: checks[field](value) for field, value in sent.items()})
    changes: dict[str, object] = {}
    if "name" in sent:
        changes["name"] = str(sent["name"]).strip()
    settings = sent.get("settings")
    if isinstance(settings, Mapping) and settings.get(DOMAINS) is not None:
        changes[DOMAINS] = sorted({domain_of(f"any@{domain}") for domain in settings[DOMAINS]})
    return changes


def _check_name(value: object) -> str | None:
    return check_name(value) if isinstance(value, str) else "Must be a string."


def _check_settings(value: object) -> str | list[str]:
    if not isinstance(value, Mapping):
        return "Must be an object."
    unknown = [f"{name[:40]}: There is no such setting." for name in value if name != DOMAINS]
    # As everywhere, null is as if it were not there.
    return unknown + (_check_domains(value[DOMAINS]) if value.get(DOMAINS) is not None else [])


def _check_domains(value: object) -> list[str]:
    if not isinstance(value, list):
        return [f"{DOMAINS}: Must be a list."]
    if len(value) > MAX_DOMAINS:
        return [f"{DOMAINS}: Use {MAX_DOMAINS} domains or fewer."]
    return [
        f"{DOMAINS}[{place}]: '{str(domain)[:40]}' is not a domain such as example.com."
        for place, domain in enumerate(value)
        if not isinstance(domain, str) or check_email(f"any@{domain}")
    ]
