"""Members and invitations, also when much happens at once, on real PostgreSQL with two identity processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from secrets import token_hex

import psycopg
import pytest
import pytest_asyncio

from services.gen.segops.identity.v1 import admin_pb2, identity_pb2, team_pb2, tenants_pb2
from services.kit.caller import Caller
from services.kit.errors import Forbidden, Invalid, NotFound, RateLimited, Unauthenticated
from services.kit.listening import Listener
from services.kit.settings import Settings
from tests.integration.identity.calling import PASSWORD, Identity, Person, calling, new_address, running
from tests.running import WAIT_SECONDS

OTHER_PASSWORD = "another battery, another horse"


@pytest.fixture(scope="module")
def second(settings: Settings) -> Iterator[str]:
    """A process where registration is closed, plans are sold, and everything else is the same."""
    variables = {"SEGOPS_REGISTRATION_OPEN": "false", "SEGOPS_DEFAULT_PLAN": "free"}
    with running(settings, "identity-c", **variables) as (address, _):
        yield address


@pytest_asyncio.fixture
async def identity(settings: Settings) -> AsyncIterator[Identity]:
    async with calling(settings, settings.address("identity")) as one:
        yield one


@pytest_asyncio.fixture
async def closed(settings: Settings, second: str) -> AsyncIterator[Identity]:
    async with calling(settings, second) as other:
        yield other


@pytest.fixture
def rows(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.libpq_dsn, autocommit=True) as connection:
        yield connection


def new_email() -> str:
    return f"{token_hex(6)}@example.com"


async def join(owner: Person, identity: Identity, guest: Person, role: str = "member") -> identity_pb2.TokenPair:
    """Has a person join the owner's tenant: the tokens for it."""
    return await identity.accept((await owner.invite(guest.email, role)).token)


def in_tenant_of(owner: Person, guest: Person, role: str) -> Caller:
    return Caller(kind="person", tenant_id=owner.tenant_id, user_id=guest.id, role=role)


async def test_a_token_is_stored_as_a_hash_and_let_in_once_of_many_times_at_once(
    identity: Identity, rows: psycopg.Connection
) -> None:
    owner = await identity.register()
    created = await owner.invite(new_email(), "viewer")
    assert len(created.token) == 43
    stored = rows.execute("SELECT invitations::text FROM invitations WHERE id = %s", [created.id]).fetchone()
    assert stored is not None
    assert created.token not in stored[0]
    found = await asyncio.gather(*[identity.accept(created.token) for _ in range(3)], return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Invalid", "Invalid", "TokenPair"]
    with pytest.raises(Invalid) as failure:
        await identity.accept(created.token)
    assert list(failure.value.fields) == ["token"]


async def test_unknown_expired_withdrawn_and_replaced_tokens_get_one_answer(
    identity: Identity, rows: psycopg.Connection
) -> None:
    owner, email = await identity.register(), new_email()
    replaced, expired, withdrawn = await owner.invite(email), await owner.invite(new_email()), await owner.invite(email)
    assert withdrawn.id == replaced.id
    rows.execute("UPDATE invitations SET expires_at = now() WHERE id = %s", [expired.id])
    await owner.call("WithdrawInvitation", team_pb2.WithdrawInvitationRequest(id=withdrawn.id))
    answers = set()
    for token in ("unknown", replaced.token, expired.token, withdrawn.token):
        with pytest.raises(Invalid) as failure:
            await identity.accept(token)
        answers.add(str(failure.value.fields))
    assert len(answers) == 1
    page = await owner.call("ListInvitations", team_pb2.ListInvitationsRequest())
    assert (page.count, list(page.results)) == (0, [])
    with pytest.raises(NotFound):
        await owner.call("WithdrawInvitation", team_pb2.WithdrawInvitationRequest(id=expired.id))


async def test_who_sees_the_token_does_not_get_the_account_of_whoever_has_one(
    identity: Identity, rows: psycopg.Connection
) -> None:
    home, address = new_address(), new_address()
    owner, guest = await identity.register(), await identity.register(address=home)
    created = await owner.invite(guest.email.upper(), "admin")
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await identity.accept(created.token, OTHER_PASSWORD, address)
    # They count as failures to sign in do.
    rows.execute(
        """INSERT INTO sign_in_attempts (id, account, address, is_running)
           SELECT gen_random_uuid(), account, address, false
           FROM (SELECT account, address FROM sign_in_attempts ORDER BY started_at DESC LIMIT 1), generate_series(1, 8)
        """
    )
    with pytest.raises(RateLimited):
        await identity.sign_in(guest.email, PASSWORD, address)
    with pytest.raises(RateLimited):
        await identity.accept(created.token, PASSWORD, address)
    assert (await identity.accept(created.token, PASSWORD, home)).access
    assert await identity.role(guest.id, owner.tenant_id) == "admin"
    assert (await identity.sign_in(guest.email, PASSWORD, home, owner.slug)).access


async def test_a_new_password_keeps_the_rules_of_registration(identity: Identity) -> None:
    owner = await identity.register()
    created = await owner.invite(new_email())
    for password in ("", "short", "password123"):
        with pytest.raises(Invalid) as failure:
            await identity.accept(created.token, password)
        assert list(failure.value.fields) == ["password"]
    assert (await identity.accept(created.token, OTHER_PASSWORD)).access


async def test_who_is_removed_has_no_refresh_token_for_the_tenant_and_keeps_those_for_others(
    identity: Identity,
) -> None:
    owner, guest = await identity.register(), await identity.register()
    tokens = await join(owner, identity, guest)
    renewed = await identity.refresh(tokens.refresh)
    await owner.call("RemoveMember", team_pb2.RemoveMemberRequest(id=guest.id))
    with pytest.raises(Unauthenticated):
        await identity.refresh(renewed.refresh)
    with pytest.raises(NotFound):
        await identity.role(guest.id, owner.tenant_id)
    with pytest.raises(Forbidden):
        await identity.sign_in(guest.email, PASSWORD, new_address(), owner.slug)
    assert (await identity.refresh(guest.refresh)).access
    with pytest.raises(NotFound):
        await owner.call("RemoveMember", team_pb2.RemoveMemberRequest(id=guest.id))


async def test_no_token_outlives_a_removal_that_comes_while_it_is_renewed(identity: Identity) -> None:
    owner, guest = await identity.register(), await identity.register()
    for _ in range(5):
        tokens = await join(owner, identity, guest)
        renewing = asyncio.create_task(identity.refresh(tokens.refresh))
        await owner.call("RemoveMember", team_pb2.RemoveMemberRequest(id=guest.id))
        (renewed,) = await asyncio.gather(renewing, return_exceptions=True)
        assert isinstance(renewed, identity_pb2.TokenPair | Unauthenticated)
        if isinstance(renewed, identity_pb2.TokenPair):
            with pytest.raises(Unauthenticated):
                await identity.refresh(renewed.refresh)


@pytest.mark.parametrize("by", ["removal", "demotion"])
async def test_what_a_member_invited_goes_with_the_member_or_the_role(identity: Identity, by: str) -> None:
    owner, admin = await identity.register(), await identity.register()
    await join(owner, identity, admin, "admin")
    request = team_pb2.InviteRequest(email=new_email(), role="admin")
    caller = in_tenant_of(owner, admin, "admin")
    backdoor = await identity.call("Invite", request, caller=caller)
    if by == "removal":
        await owner.call("RemoveMember", team_pb2.RemoveMemberRequest(id=admin.id))
    else:
        await owner.call("UpdateMember", team_pb2.UpdateMemberRequest(id=admin.id, role="member"))
    with pytest.raises(Invalid):
        await identity.accept(backdoor.token)
    # Neither does it come by a request that was admitted just before.
    with pytest.raises(Forbidden):
        await identity.call("Invite", request, caller=caller)


async def test_nobody_removes_or_demotes_the_owner_or_makes_one(identity: Identity) -> None:
    owner, admin = await identity.register(), await identity.register()
    await join(owner, identity, admin, "admin")
    caller = in_tenant_of(owner, admin, "admin")
    with pytest.raises(Forbidden):
        await identity.call("RemoveMember", team_pb2.RemoveMemberRequest(id=owner.id), caller=caller)
    with pytest.raises(Forbidden):
        await identity.call("UpdateMember", team_pb2.UpdateMemberRequest(id=owner.id, role="viewer"), caller=caller)
    for rpc, request in (
        ("UpdateMember", team_pb2.UpdateMemberRequest(id=admin.id, role="owner")),
        ("Invite", team_pb2.InviteRequest(email=new_email(), role="owner")),
    ):
        with pytest.raises(Invalid) as failure:
            await identity.call(rpc, request, caller=caller)
        assert list(failure.value.fields) == ["role"]
    assert await identity.role(owner.id, owner.tenant_id) == "owner"


async def test_of_two_transfers_at_once_one_counts_and_there_is_one_owner(
    identity: Identity, closed: Identity, rows: psycopg.Connection
) -> None:
    owner, *heirs = [await identity.register() for _ in range(3)]
    for heir in heirs:
        await join(owner, identity, heir)
    found = await asyncio.gather(
        *[
            owner.call("TransferOwnership", tenants_pb2.TransferOwnershipRequest(user_id=heir.id), process)
            for heir, process in zip(heirs, (identity, closed), strict=True)
        ],
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in found) == ["Forbidden", "TenantDetails"]
    roles = rows.execute("SELECT role FROM members WHERE tenant_id = %s ORDER BY role", [owner.tenant_id]).fetchall()
    assert roles == [("admin",), ("member",), ("owner",)]


@pytest.mark.parametrize("of", ["a stranger", "nobody", "the owner"])
async def test_only_another_member_becomes_the_owner(identity: Identity, of: str) -> None:
    owner, stranger = await identity.register(), await identity.register()
    user_id = {"a stranger": stranger.id, "nobody": 0, "the owner": owner.id}[of]
    with pytest.raises(Invalid):
        await owner.call("TransferOwnership", tenants_pb2.TransferOwnershipRequest(user_id=user_id))
    assert await identity.role(owner.id, owner.tenant_id) == "owner"


async def test_an_invitation_changes_no_role_that_somebody_has_meanwhile(
    identity: Identity, rows: psycopg.Connection
) -> None:
    owner, guest = await identity.register(), await identity.register()
    created = await owner.invite(guest.email, "viewer")
    rows.execute("INSERT INTO members VALUES (%s, %s, 'admin')", [owner.tenant_id, guest.id])
    with pytest.raises(Invalid):
        await identity.accept(created.token)
    assert await identity.role(guest.id, owner.tenant_id) == "admin"
    with pytest.raises(Invalid) as failure:
        await owner.invite(guest.email.upper())
    assert list(failure.value.fields) == ["email"]


async def test_another_tenants_members_and_invitations_are_not_there(identity: Identity) -> None:
    owner, stranger = await identity.register(), await identity.register()
    created = await owner.invite(new_email())
    for rpc, request in (
        ("WithdrawInvitation", team_pb2.WithdrawInvitationRequest(id=created.id)),
        ("RemoveMember", team_pb2.RemoveMemberRequest(id=owner.id)),
        ("UpdateMember", team_pb2.UpdateMemberRequest(id=owner.id, role="viewer")),
    ):
        with pytest.raises(NotFound):
            await stranger.call(rpc, request)
    assert (await identity.accept(created.token)).access


async def test_every_change_of_a_membership_is_announced(settings: Settings, identity: Identity) -> None:
    owner, guest = await identity.register(), await identity.register()
    await join(owner, identity, guest)
    heard: list[str] = []
    listener = Listener(settings, "credentials")
    listening = asyncio.create_task(listener.run(heard.append, lambda: None))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not listener.is_connected():
                await asyncio.sleep(0.01)
            for rpc, request in (
                ("UpdateMember", team_pb2.UpdateMemberRequest(id=guest.id, role="viewer")),
                ("TransferOwnership", tenants_pb2.TransferOwnershipRequest(user_id=guest.id)),
            ):
                heard.clear()
                await owner.call(rpc, request)
                while f"user:{guest.id}" not in heard:
                    await asyncio.sleep(0.01)
            while f"user:{owner.id}" not in heard:
                await asyncio.sleep(0.01)
    finally:
        listening.cancel()


async def test_only_the_domains_a_tenant_names_are_invited(identity: Identity) -> None:
    owner = await identity.register()
    request = tenants_pb2.UpdateCurrentTenantRequest()
    request.settings.struct_value.update({"invitation_domains": ["Shop.example"]})
    changed = await owner.call("UpdateCurrentTenant", request)
    assert list(changed.settings.invitation_domains) == ["shop.example"]
    for email in (new_email(), "a@sub.shop.example", "a@shop.example.com"):
        with pytest.raises(Invalid) as failure:
            await owner.invite(email)
        assert list(failure.value.fields) == ["email"]
    assert (await owner.invite("a@SHOP.example")).token


async def test_where_registration_is_closed_nobody_makes_a_tenant_and_whoever_is_invited_gets_in(
    identity: Identity, closed: Identity
) -> None:
    owner = await identity.register()
    with pytest.raises(Forbidden):
        await owner.call("CreateTenant", tenants_pb2.NewTenantRequest(name="More", slug=f"more-{token_hex(6)}"), closed)
    with pytest.raises(Forbidden):
        await closed.register()
    assert (await closed.accept((await owner.invite(new_email())).token)).access


async def test_where_plans_are_sold_only_the_operator_sets_them(identity: Identity, closed: Identity) -> None:
    owner = await identity.register()
    with pytest.raises(Forbidden):
        await owner.call("ChangePlan", tenants_pb2.ChangePlanRequest(plan="business"), closed)
    assert (await owner.call("ChangePlan", tenants_pb2.ChangePlanRequest(plan="business"))).plan == "business"
    with pytest.raises(Invalid):
        await owner.call("ChangePlan", tenants_pb2.ChangePlanRequest(plan="platinum"))


async def test_the_edge_hears_what_the_plan_and_the_operator_allow(identity: Identity) -> None:
    owner = await identity.register()
    operator = Caller(kind="service", service="segopsctl")

    async def limit() -> int:
        return int((await identity.member(owner.id, owner.tenant_id)).api_calls_per_minute)

    assert await limit() == 0
    request = admin_pb2.SetPlanRequest(slug=owner.slug, plan="enterprise", api_calls_per_minute=7)
    await identity.call("SetPlan", request, caller=operator)
    assert await limit() == 7
    # An Owner who chooses plans does not get rid of it that way.
    for plan, calls in (("free", 60), ("enterprise", 7)):
        await owner.call("ChangePlan", tenants_pb2.ChangePlanRequest(plan=plan))
        assert await limit() == calls
    for wrong in ({"plan": "free", "api_calls_per_minute": 7}, {"plan": "enterprise", "api_calls_per_minute": 0}):
        with pytest.raises(Invalid) as failure:
            await identity.call("SetPlan", admin_pb2.SetPlanRequest(slug=owner.slug, **wrong), caller=operator)  # type: ignore[arg-type]
        assert list(failure.value.fields) == ["api_calls_per_minute"]
