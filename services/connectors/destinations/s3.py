"""A bucket of an owner's own, at Amazon or compatible, called through the same guard as everything else.

Requests are signed (version 4), the bucket is in their path, and large files are uploaded in parts: an object is there
when the last part is. (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html: parts of 5 MB or more.) What a killed process
leaves of an upload is invisible; a lifecycle rule of the bucket drops it (AbortIncompleteMultipartUpload).
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_plus

from services.connectors.destinations.calling import PASSING, Vendor
from services.connectors.destinations.interface import Refused, TryLater
from services.connectors.outbound import Answer, Outbound
from services.connectors.targets import target_of

# Sent or asked for in one request.
PART_BYTES = 8 * 1024 * 1024
TIMEOUT_SECONDS = 60.0
# Another request changes the same object, or a part of the service is busy.
CONFLICT = 409

# Of the very few elements that matter, all of them text alone; an XML parser would have to be guarded.
ELEMENT = "<{0}>([^<]*)</{0}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A bucket and who may use it. `endpoint` is a URL without a path, `prefix` is without slashes at its ends."""

    endpoint: str
    region: str
    name: str
    prefix: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


class S3Folder:
    """Objects of a bucket right below a prefix. Implements Folder."""

    def __init__(self, bucket: Bucket, outbound: Outbound) -> None:
        self._bucket = bucket
        self._vendor = Vendor(
            name="The bucket",
            url=bucket.endpoint,
            outbound=outbound,
            headers={},
            timeout_seconds=TIMEOUT_SECONDS,
            most_bytes=PART_BYTES,
            passing=PASSING | {CONFLICT},
            words=_words,
        )

    async def names(self, prefix: str) -> Sequence[str]:
        start = f"{self._bucket.prefix}/"
        query = {"list-type": "2", "encoding-type": "url", "prefix": start + prefix}
        names: list[str] = []
        while True:
            answer = await self._call("GET", "", query=query)
            names += [unquote_plus(key).removeprefix(start) for key in _texts(answer, "Key")]
            following = _texts(answer, "NextContinuationToken")
            if not following:
                return names
            query = {**query, "continuation-token": following[0]}

    async def get(self, name: str, path: Path) -> bool:
        with path.open("wb") as file:
            return await self._read(self._key(name), file)

    async def put(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            first = await asyncio.to_thread(file.read, PART_BYTES)
            if len(first) < PART_BYTES:
                await self._call("PUT", self._key(name), content=first)
            else:
                await self._upload(self._key(name), first, file)

    async def delete(self, name: str) -> None:
        await self._call("DELETE", self._key(name), also={404})

    async def _read(self, key: str, file: BinaryIO) -> bool:
        headers: dict[str, str] = {}
        while True:
            start = file.tell()
            headers["Range"] = f"bytes={start}-{start + PART_BYTES - 1}"
            answer = await self._call("GET", key, headers=headers, also={404, 412, 416})
            if answer.status == 404:
                return False
            if answer.status == 412:
                raise TryLater("The file was changed while it was read.")
            if answer.status == 416:
                # Nothing is left, or nothing was there.
                return True
            if not answer.whole:
                raise TryLater("The file was not read whole.")
            await asyncio.to_thread(file.write, answer.body)
            if answer.status != 206 or len(answer.body) < PART_BYTES:
                return True
            headers["If-Match"] = answer.headers.get("etag", "*")

    async def _upload(self, key: str, first: bytes, file: BinaryIO) -> None:
        begun = _texts(await self._call("POST", key, query={"uploads": ""}), "UploadId")
        if not begun:
            raise TryLater("The bucket did not begin an upload.")
        upload = {"uploadId": begun[0]}
        try:
            tags: list[str] = []
            part = first
            while part:
                query = {"partNumber": str(len(tags) + 1), **upload}
                tags.append((await self._call("PUT", key, query=query, content=part)).headers.get("etag", ""))
                part = await asyncio.to_thread(file.read, PART_BYTES)
            answer = await self._call("POST", key, query=upload, content=_parts(tags))
            # It may fail after its status was sent.
            if not _texts(answer, "ETag"):
                raise TryLater(f"The bucket did not complete an upload: {_words(answer)}")
        except BaseException:
            with suppress(Refused, TryLater):
                await self._call("DELETE", key, query=upload, also={404})
            raise

    async def _call(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        also: Collection[int] = (),
    ) -> Answer:
        path = _escaped(f"/{self._bucket.name}/{key}", safe="/")
        search = "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in sorted((query or {}).items()))
        signature = signed(self._bucket, method, path, search, content, datetime.now(UTC))
        return await self._vendor.call(
            method,
            f"{path}?{search}" if search else path,
            headers={**(headers or {}), **signature},
            content=content,
            also=also,
        )

    def _key(self, name: str) -> str:
        return f"{self._bucket.prefix}/{name}"


def signed(bucket: Bucket, method: str, path: str, query: str, content: bytes, now: datetime) -> Mapping[str, str]:
    """The headers that sign a request; path and query are escaped, the query is sorted."""
    digest = hashlib.sha256(content).hexdigest()
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": target_of(bucket.endpoint).authority, "x-amz-content-sha256": digest, "x-amz-date": moment}
    lines = [f"{name}:{value}" for name, value in headers.items()]
    names = ";".join(headers)
    request = "\n".join([method, path, query, *lines, "", names, digest])
    scope = f"{moment[:8]}/{bucket.region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{bucket.secret_access_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, text).hex()
    credential = f"Credential={bucket.access_key_id}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return {"X-Amz-Content-SHA256": digest, "X-Amz-Date": moment, "Authorization": authorization}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _escaped(text: str, *, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")


def _parts(tags: Sequence[str]) -> bytes:
    """The body that completes an upload of parts with these tags."""
    parts = (f"<Part><PartNumber>{at}</PartNumber><ETag>{tag}</ETag></Part>" for at, tag in enumerate(tags, 1))
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()


def _texts(answer: Answer, element: str) -> Sequence[str]:
    """The texts of all elements of a name."""
    found = re.findall(ELEMENT.format(element), answer.body.decode("utf-8", "replace"))
    return [unescape(text) for text in found]


def _words(answer: Answer) -> str:
    return ", ".join([*_texts(answer, "Code"), *_texts(answer, "Message")])
