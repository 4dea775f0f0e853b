"""Calls go to the addresses that were checked, and end whatever the receiver does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from services.connectors.addresses import Address, AllowList
from services.connectors.network import NoAnswer, NotAllowed
from services.connectors.outbound import NOT_PUBLIC, Answer, Outbound
from services.connectors.targets import HTTPS_ONLY
from tests.integration.connectors.authority import Authority
from tests.integration.connectors.standin import Handle, Received, answer, standing_in

NAME = "crm.example.com"


class Receiver:
    """Answers 200 and remembers what it received."""

    def __init__(self, reply: bytes = answer(200, b"thanks")) -> None:
        self._reply = reply
        self.received: list[Received] = []

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.received.append(request)
        writer.write(self._reply)


class Names:
    """A name's addresses, one list for each look-up; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ip_address(address) for address in found]


@asynccontextmanager
async def calling(allow: str = "127.0.0.0/8", names: Names | None = None) -> AsyncIterator[Outbound]:
    outbound = Outbound(AllowList.parse(allow), resolve=names.resolve if names else None)
    try:
        yield outbound
    finally:
        await outbound.close()


async def call_raw(behave: Handle, *, timeout_seconds: float = 5, most_bytes: int = 1_000) -> Answer:
    """Calls a receiver that behaves in some way."""
    async with standing_in(behave) as port, calling() as outbound:
        url = f"http://127.0.0.1:{port}/"
        return await outbound.request("GET", url, timeout_seconds=timeout_seconds, most_bytes=most_bytes)


async def test_a_call_arrives_as_it_was_made() -> None:
    receiver = Receiver(answer(201, b"made", X_Limit="7"))
    async with standing_in(receiver) as port, calling() as outbound:
        url = f"http://localhost:{port}/a%20b?q=%2F"
        made = await outbound.request("PUT", url, headers={"X-Test": "1"}, content=b"\x00\xff")
    assert made == Answer(status=201, headers={"content-length": "4", "x-limit": "7"}, body=b"made", whole=True)
    (received,) = receiver.received
    assert (received.method, received.path, received.body) == ("PUT", "/a%20b?q=%2F", b"\x00\xff")
    assert received.headers == {
        "host": f"localhost:{port}", "user-agent": "SegOps", "x-test": "1", "content-length": "2"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("allow", "url", "problem"),
    [
        ("", "https://127.0.0.1:{port}/", NOT_PUBLIC),
        ("", "https://localhost:{port}/", NOT_PUBLIC),
        ("", "https://127.1:{port}/", NOT_PUBLIC),
        ("", "https://2130706433:{port}/", NOT_PUBLIC),
        ("", "https://0x7f000001:{port}/", NOT_PUBLIC),
        ("", "https://0:{port}/", NOT_PUBLIC),
        ("", "https://[::ffff:127.0.0.1]:{port}/", NOT_PUBLIC),
        ("127.0.0.0/8", "https://[::ffff:127.0.0.1]:{port}/", NOT_PUBLIC),
        ("", "http://localhost:{port}/", HTTPS_ONLY),
        ("127.0.0.2", "http://localhost:{port}/", HTTPS_ONLY),
        ("other", "http://localhost:{port}/", HTTPS_ONLY),
    ],
)
async def test_what_is_not_allowed_is_not_even_connected_to(allow: str, url: str, problem: str) -> None:
    receiver = Receiver()
    async with standing_in(receiver) as port, calling(allow) as outbound:
        with pytest.raises(NotAllowed) as raised:
            await outbound.request("GET", url.format(port=port))
        assert str(raised.value) == problem
        assert await outbound.host_errors(url.format(port=port)) == [problem]
    assert receiver.received == []


@pytest.mark.parametrize("allow", ["localhost", "127.0.0.1", "127.0.0.0/8,::1"])
async def test_an_operator_opens_exceptions(allow: str) -> None:
    async with standing_in(Receiver()) as port, calling(allow) as outbound:
        assert await outbound.host_errors(f"http://localhost:{port}/") == []
        assert (await outbound.request("GET", f"http://localhost:{port}/")).body == b"thanks"


async def test_a_name_that_changes_its_answer_after_the_check_does_not_pass() -> None:
    receiver, names = Receiver(), Names(["93.184.216.34"], ["127.0.0.1"])
    async with standing_in(receiver) as port, calling("", names) as outbound:
        assert await outbound.host_errors(f"https://{NAME}:{port}/") == []
        with pytest.raises(NotAllowed):
            await outbound.request("GET", f"https://{NAME}:{port}/")
    assert receiver.received == []
    assert names.asked == [NAME, NAME]


async def test_each_new_connection_is_checked_and_one_that_is_kept_goes_on() -> None:
    receiver, names = Receiver(), Names(["127.0.0.2"], ["127.0.0.1"])
    async with standing_in(receiver, host="127.0.0.2") as port, calling("127.0.0.2", names) as outbound:
        url = f"http://{NAME}:{port}/"
        for _ in range(2):
            assert (await outbound.request("GET", url)).status == 200
        both = await asyncio.gather(*(outbound.request("GET", url) for _ in range(2)), return_exceptions=True)
    assert {type(one) for one in both} == {Answer, NotAllowed}
    assert len(receiver.received) == 3


async def test_of_a_names_addresses_only_those_that_may_be_called_are() -> None:
    refused, first, second = Receiver(), Receiver(), Receiver()
    # Nothing listens at the third address.
    names = Names(["127.0.0.1", "127.0.0.4", "127.0.0.2", "127.0.0.3"])
    allow = "127.0.0.4,127.0.0.2,127.0.0.3"
    async with (
        standing_in(refused) as port,
        standing_in(first, host="127.0.0.2", port=port),
        standing_in(second, host="127.0.0.3", port=port),
        calling(allow, names) as outbound,
    ):
        assert (await outbound.request("GET", f"http://{NAME}:{port}/")).status == 200
    assert [len(one.received) for one in (refused, first, second)] == [0, 1, 0]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    target = Receiver()
    async with standing_in(target) as elsewhere:
        location = f"http://127.0.0.1:{elsewhere}/"
        for status in (301, 302, 303, 307, 308):
            made = await call_raw(Receiver(answer(status, Location=location)))
            assert (made.status, made.headers["location"], made.is_success) == (status, location, False)
    assert target.received == []


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, proxy = Receiver(), Receiver()
    async with standing_in(proxy) as elsewhere:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{elsewhere}")
        assert (await call_raw(receiver)).status == 200
    assert (len(receiver.received), len(proxy.received)) == (1, 0)


async def test_a_name_that_cannot_be_resolved_may_be_so_later() -> None:
    async with calling() as outbound:
        assert await outbound.host_errors("https://nowhere.invalid/") == []
        with pytest.raises(NoAnswer, match=r"nowhere\.invalid could not be resolved"):
            await outbound.request("GET", "https://nowhere.invalid/")


async def test_a_port_without_a_listener_may_have_one_later() -> None:
    async with standing_in(Receiver()) as port:
        pass
    async with calling() as outbound:
        with pytest.raises(NoAnswer, match=r"127\.0\.0\.1 could not be reached"):
            await outbound.request("GET", f"http://127.0.0.1:{port}/")


async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_up(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def babble(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")


async def promise(request: Received, writer: asyncio.StreamWriter) -> None:
    """Says "100 Continue" for ever."""
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def head_for_ever(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"x-more: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("behave", [hang, hang_up, reset, babble, promise, head_for_ever])
async def test_without_a_status_in_time_there_was_no_answer(behave: Handle) -> None:
    started = time.monotonic()
    with pytest.raises(NoAnswer):
        await call_raw(behave, timeout_seconds=0.3)
    assert time.monotonic() - started < 2


async def drip(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def pour(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 100_000)
        await writer.drain()


async def break_off(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, content_length="100") + b"x" * 10)
    await writer.drain()
    writer.transport.abort()


@pytest.mark.parametrize(("behave", "most"), [(drip, 50), (pour, 1_000), (break_off, 10)])
async def test_a_body_that_does_not_end_is_cut_off_and_the_status_counts(behave: Handle, most: int) -> None:
    started = time.monotonic()
    made = await call_raw(behave, timeout_seconds=0.5)
    assert time.monotonic() - started < 2
    assert (made.status, made.whole) == (200, False)
    assert 0 < len(made.body) <= most


async def test_a_body_up_to_the_bound_is_whole() -> None:
    for size, most, whole in ((1_000, 1_000, True), (1_001, 1_000, False), (0, 0, True), (1, 0, False)):
        made = await call_raw(Receiver(answer(200, b"x" * size)), most_bytes=most)
        assert (len(made.body), made.whole) == (min(size, most), whole)


async def test_a_call_that_was_cut_off_leaves_nothing_behind() -> None:
    async with standing_in(hang) as slow, standing_in(pour) as port, calling() as outbound:
        for _ in range(3):
            with pytest.raises(NoAnswer):
                await outbound.request("GET", f"http://127.0.0.1:{slow}/", timeout_seconds=0.1)
            await outbound.request("GET", f"http://127.0.0.1:{port}/")
        sockets = psutil.Process().net_connections("tcp4")
        kept = [one for one in sockets if one.status == psutil.CONN_ESTABLISHED and one.raddr.port in (slow, port)]
        assert kept == []


async def test_a_slow_name_holds_nobody_up() -> None:
    async def resolve(host: str) -> Sequence[Address]:
        if host == "slow.example.com":
            await asyncio.Event().wait()
        return [ip_address("127.0.0.1")]

    async with standing_in(Receiver()) as port:
        outbound = Outbound(AllowList.parse("127.0.0.1"), resolve=resolve)
        slow = f"http://slow.example.com:{port}/"
        waiting = [asyncio.create_task(outbound.request("GET", slow, timeout_seconds=60)) for _ in range(200)]
        await asyncio.sleep(0)
        assert (await outbound.request("GET", f"http://{NAME}:{port}/")).status == 200
        for one in waiting:
            assert one.cancel()
        await asyncio.wait(waiting)
        await outbound.close()


@pytest.mark.parametrize("value", ["line\r\nX-Injected: 1", "ключ", "\x00"])
async def test_a_header_that_is_none_is_not_sent_and_not_shown(value: str) -> None:
    receiver = Receiver()
    async with standing_in(receiver) as port, calling() as outbound:
        with pytest.raises(NotAllowed) as raised:
            await outbound.request("GET", f"http://127.0.0.1:{port}/", headers={"Authorization": value})
    assert value not in str(raised.value)
    assert raised.value.__cause__ is None
    assert receiver.received == []


class Secured:
    """A receiver with a certificate, called by a client that trusts its authority."""

    def __init__(self, authority: Authority, name: str, days: int = 1) -> None:
        self.receiver = Receiver()
        self._authority = authority
        self._tls = authority.server(name, days=days)

    async def call(self) -> Answer:
        names = Names(["127.0.0.1"])
        outbound = Outbound(AllowList.parse("127.0.0.1"), resolve=names.resolve, authorities=self._authority.client)
        async with standing_in(self.receiver, tls=self._tls) as port:
            try:
                return await outbound.request("GET", f"https://{NAME}:{port}/")
            finally:
                await outbound.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_certificate_is_verified_for_the_name_whatever_the_address(authority: Authority) -> None:
    secured = Secured(authority, NAME)
    assert (await secured.call()).body == b"thanks"
    assert secured.receiver.received[0].headers["host"].startswith(NAME)


@pytest.mark.parametrize(
    ("secure", "reason"),
    [
        (lambda authority: Secured(authority, "other.example.com"), "Hostname mismatch"),
        (lambda authority: Secured(authority, "127.0.0.1"), "Hostname mismatch"),
        (lambda authority: Secured(authority, NAME, days=0), "certificate has expired"),
    ],
)
async def test_another_certificate_is_none(
    authority: Authority, secure: Callable[[Authority], Secured], reason: str
) -> None:
    secured = secure(authority)
    with pytest.raises(NoAnswer, match=reason):
        await secured.call()
    assert secured.receiver.received == []


async def test_an_authority_that_nobody_knows_is_not_trusted(authority: Authority) -> None:
    receiver, names = Receiver(), Names(["127.0.0.1"])
    async with standing_in(receiver, tls=authority.server(NAME)) as port, calling("127.0.0.1", names) as outbound:
        with pytest.raises(NoAnswer, match="certificate is not valid"):
            await outbound.request("GET", f"https://{NAME}:{port}/")
    assert receiver.received == []


async def test_a_server_without_tls_is_not_called_over_https() -> None:
    receiver = Receiver()
    async with standing_in(receiver) as port, calling() as outbound:
        with pytest.raises(NoAnswer):
            await outbound.request("GET", f"https://127.0.0.1:{port}/", timeout_seconds=1)
    assert receiver.received == []
