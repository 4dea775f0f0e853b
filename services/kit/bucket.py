"""Objects of an S3-compatible bucket."""

from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, Self
from urllib.parse import parse_qsl, urlsplit

from pyarrow import fs

# Asked for in one request.
READ_BYTES = 1024 * 1024
OPTIONS = frozenset({"endpoint_override", "region", "scheme"})


class BucketDraft:
    """An upload in parts, which appears as an object when it is complete.

    What a killed process leaves of one stays invisible; a lifecycle rule of the bucket drops it
    (AbortIncompleteMultipartUpload).
    """

    def __init__(self, files: fs.S3FileSystem, path: str) -> None:
        self._files = files
        self._path = path
        self.file: BinaryIO = files.open_output_stream(path)

    def keep(self) -> None:
        self.file.close()

    def discard(self) -> None:
        # Closing is the only way to end an upload, and it completes it.
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self._files.delete_file(self._path)


class Bucket:
    """The objects right below one prefix of a bucket."""

    def __init__(self, files: fs.S3FileSystem, root: str) -> None:
        """`root` is the bucket and the prefix, with slashes between only."""
        self._files = files
        self._root = root

    @classmethod
    def at(cls, url: str) -> Self:
        """The objects at `s3://bucket/prefix?region=...&endpoint_override=http://host:port`.

        Credentials come from the standard AWS variables and files, never from the URL. Raises ValueError for an option
        it does not know.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        if unknown := options.keys() - OPTIONS:
            raise ValueError(f"{', '.join(sorted(unknown))}: not one of {', '.join(sorted(OPTIONS))}")
        # Writing in the background would hold whatever the network does not take in memory.
        return cls(fs.S3FileSystem(background_writes=False, **options), f"{parts.netloc}{parts.path}".rstrip("/"))

    def create(self, key: str) -> BucketDraft:
        return BucketDraft(self._files, self._at(key))

    def open(self, key: str) -> tuple[BinaryIO, int] | None:
        info = self._files.get_file_info(self._at(key))
        return (self._files.open_input_stream(info.path, buffer_size=READ_BYTES), info.size) if info.is_file else None

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self._files.delete_file(self._at(key))

    def keys(self) -> Sequence[str]:
        found = self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        return [info.base_name for info in found if info.is_file]

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}"
