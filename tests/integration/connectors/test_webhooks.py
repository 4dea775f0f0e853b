"""Webhooks are made, changed, read and deleted by their tenant."""

from collections.abc import Awaitable, Callable

import grpc
import pytest

from services.connectors.outbound import NOT_PUBLIC
from services.connectors.targets import CREDENTIALS, HTTPS_ONLY, MALFORMED
from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.errors import Conflict, Forbidden, Invalid, NotFound
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.hooks import Hooks

URL = "https://1.1.1.1/hook"
NOWHERE = "00000000-0000-4000-8000-000000000000"
REQUIRED = ["This field is required."]


@pytest.fixture
async def hooks(settings: Settings, database: Database, tenant: Tenant) -> Hooks:
    return await Hooks.create(settings, database, tenant)


async def errors_of(attempt: Awaitable[object]) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as raised:
        await attempt
    return raised.value.fields


async def test_a_webhook_is_as_it_was_made_but_for_its_secret(hooks: Hooks) -> None:
    plain = await hooks.add(URL)
    assert (plain.url, plain.description, plain.is_active, plain.has_secret) == (URL, "", True, False)
    full = await hooks.add(f"{URL}?a=b", secret="hush-hush", description="One\ntwo", is_active=False)
    assert (full.url, full.description, full.is_active, full.has_secret) == (f"{URL}?a=b", "One\ntwo", False, True)
    assert "hush" not in str(full)
    page = await hooks.tenant.call("ListWebhooks", pb.ListWebhooksRequest())
    assert (page.count, list(page.results)) == (2, [plain, full])
    second = await hooks.tenant.call("ListWebhooks", pb.ListWebhooksRequest(limit=1, offset=1))
    assert (second.count, list(second.results)) == (2, [full])
    assert await hooks.tenant.call("GetWebhook", pb.GetWebhookRequest(id=full.id)) == full


async def test_a_change_leaves_what_was_not_sent(hooks: Hooks) -> None:
    made = await hooks.add(URL, secret="one", description="d")
    moved = await hooks.change(made.id, url=f"{URL}/2")
    assert (moved.url, moved.description, moved.has_secret) == (f"{URL}/2", "d", True)
    assert not (await hooks.change(made.id, is_active=False)).is_active
    assert not (await hooks.change(made.id, secret="")).has_secret
    emptied = await hooks.change(made.id, description="")
    assert (emptied.url, emptied.description, emptied.is_active) == (f"{URL}/2", "", False)
    assert await hooks.change(made.id) == emptied


async def test_a_replacement_has_defaults_for_what_was_not_sent_and_keeps_the_secret(hooks: Hooks) -> None:
    made = await hooks.add(URL, secret="one", description="d", is_active=False)
    replaced = await hooks.tenant.call("ReplaceWebhook", pb.ReplaceWebhookRequest(id=made.id, url=f"{URL}/2"))
    assert (replaced.url, replaced.description, replaced.is_active, replaced.has_secret) == (f"{URL}/2", "", True, True)
    bare = pb.ReplaceWebhookRequest(id=made.id, url=URL, secret="")
    assert not (await hooks.tenant.call("ReplaceWebhook", bare)).has_secret
    assert await errors_of(hooks.tenant.call("ReplaceWebhook", pb.ReplaceWebhookRequest(id=made.id))) == {
        "url": REQUIRED
    }


async def test_every_wrong_field_is_in_one_answer(hooks: Hooks) -> None:
    wrong = await errors_of(hooks.add("ftp://x", secret="s" * 257, description="d" * 2_001))
    assert wrong == {
        "url": [HTTPS_ONLY],
        "secret": ["Use 256 characters or fewer."],
        "description": ["Use 2,000 characters or fewer."],
    }
    assert await errors_of(hooks.add("", secret="a\x00b")) == {
        "url": REQUIRED,
        "secret": ["Control characters are not allowed."],
    }
    assert await errors_of(hooks.add(URL + "x" * 2_000)) == {"url": ["Use 2,000 characters or fewer."]}
    made = await hooks.add(URL)
    assert await errors_of(hooks.change(made.id, url="", secret="s" * 257)) == {
        "url": REQUIRED,
        "secret": ["Use 256 characters or fewer."],
    }


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://1.1.1.1/hook", HTTPS_ONLY),
        ("https://10.0.0.1/hook", NOT_PUBLIC),
        ("https://169.254.169.254/latest/meta-data", NOT_PUBLIC),
        ("https://[::1]/hook", NOT_PUBLIC),
        ("https://127.0.0.2/hook", NOT_PUBLIC),
        # Names in other clothes, which the resolver knows.
        ("https://0x7f000002/hook", NOT_PUBLIC),
        ("https://10.1/hook", NOT_PUBLIC),
        ("https://me:secret@1.1.1.1/hook", CREDENTIALS),
        ("https://1.1.1.1:0/hook", MALFORMED),
    ],
)
async def test_a_url_that_may_not_be_called_is_not_saved(hooks: Hooks, url: str, problem: str) -> None:
    assert await errors_of(hooks.add(url)) == {"url": [problem]}
    made = await hooks.add(URL)
    assert await errors_of(hooks.change(made.id, url=url)) == {"url": [problem]}


async def test_a_host_that_the_operator_allows_is_called_without_tls(hooks: Hooks) -> None:
    assert (await hooks.add("http://127.0.0.1:1/hook")).url == "http://127.0.0.1:1/hook"


async def test_a_deleted_webhook_is_gone_with_its_deliveries(hooks: Hooks) -> None:
    made = await hooks.add("http://127.0.0.1:1/hook")
    await hooks.compute()
    (delivery,) = await hooks.settled(made.id, 1, lambda one: bool(one.attempts))
    await hooks.tenant.call("DeleteWebhook", pb.DeleteWebhookRequest(id=made.id))
    for attempt in (
        hooks.tenant.call("GetWebhook", pb.GetWebhookRequest(id=made.id)),
        hooks.tenant.call("DeleteWebhook", pb.DeleteWebhookRequest(id=made.id)),
        hooks.change(made.id, description="d"),
        hooks.deliveries(made.id),
        hooks.redeliver(delivery.id),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_delivery_that_is_none_cannot_be_sent_again(hooks: Hooks) -> None:
    with pytest.raises(NotFound):
        await hooks.redeliver(NOWHERE)
    assert await errors_of(hooks.redeliver("seven")) == {"delivery_id": ["must be a UUID"]}
    assert await errors_of(hooks.redeliver("")) == {"delivery_id": REQUIRED}


async def test_a_strangers_webhook_does_not_exist(
    hooks: Hooks, new_tenant: Callable[[], Tenant], settings: Settings, database: Database
) -> None:
    stranger = await Hooks.create(settings, database, new_tenant())
    made = await hooks.add("http://127.0.0.1:1/hook", secret="one")
    await hooks.compute()
    (delivery,) = await hooks.settled(made.id, 1, lambda one: bool(one.attempts))
    for attempt in (
        stranger.tenant.call("GetWebhook", pb.GetWebhookRequest(id=made.id)),
        stranger.tenant.call("DeleteWebhook", pb.DeleteWebhookRequest(id=made.id)),
        stranger.tenant.call("ReplaceWebhook", pb.ReplaceWebhookRequest(id=made.id, url=URL)),
        stranger.change(made.id, url=URL),
        stranger.deliveries(made.id),
        stranger.redeliver(delivery.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await stranger.tenant.call("ListWebhooks", pb.ListWebhooksRequest())).count == 0
    assert await hooks.tenant.call("GetWebhook", pb.GetWebhookRequest(id=made.id)) == made


async def test_a_viewer_reads_and_changes_nothing(hooks: Hooks, settings: Settings, channel: grpc.aio.Channel) -> None:
    made = await hooks.add("http://127.0.0.1:1/hook")
    await hooks.compute()
    (delivery,) = await hooks.settled(made.id, 1, lambda one: bool(one.attempts))
    viewer = Hooks(hooks._database, Tenant(settings, channel, hooks.tenant.id, role="viewer"), "", hooks.segment)
    assert await viewer.tenant.call("GetWebhook", pb.GetWebhookRequest(id=made.id)) == made
    assert len(await viewer.deliveries(made.id)) == 1
    for attempt in (
        viewer.add(URL),
        viewer.change(made.id, url=URL),
        viewer.tenant.call("ReplaceWebhook", pb.ReplaceWebhookRequest(id=made.id, url=URL)),
        viewer.tenant.call("DeleteWebhook", pb.DeleteWebhookRequest(id=made.id)),
        viewer.redeliver(delivery.id),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_a_webhook_that_is_not_active_is_not_sent_anything_again(hooks: Hooks) -> None:
    made = await hooks.add("http://127.0.0.1:1/hook")
    await hooks.compute()
    (delivery,) = await hooks.settled(made.id, 1, lambda one: bool(one.attempts))
    await hooks.change(made.id, is_active=False)
    with pytest.raises(Conflict, match="The webhook is not active"):
        await hooks.redeliver(delivery.id)
