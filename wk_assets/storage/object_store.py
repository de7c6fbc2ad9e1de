"""Objects below one prefix of an S3 bucket: put whole, read, compared, listed; every failure named or tried again.

S3 (https://docs.aws.amazon.com/AmazonS3/latest/API) shows an object when it is whole, and to everybody at once; it checks the
CRC32 that botocore sends with every body. Beside its bytes an object keeps what identifies its content and the CRC-32C of
all its bytes as user metadata (`x-amz-meta-…`): ETags of multipart objects are none. s3fs (below it: aiobotocore) does the talking;
what fails and may pass is tried again here. Credentials, region and endpoint come from where every S3 program finds them
(AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL_S3 …), and are never in a URL.
"""

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import google_crc32c
import stamina

from wk_assets.errors import RemoteLocationError, ShardCorruptError, StorageError, TargetNotWritableError

PART_BYTES = 50 << 20  # an object below twice this size is one PUT, and held in memory while it is sent
_CONTENT, _CHECKSUM = "wk-assets-content", "wk-assets-crc32c"
_BUSY = frozenset({errno.EBUSY, errno.EREMOTEIO, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNREFUSED})
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """Describe an object. `content` and `crc32c` are None for one that another program has put."""

    size_bytes: int
    content: str | None
    crc32c: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePolicy:
    """Say how often and how long a store is asked. Times in seconds."""

    attempts: int = 8
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    connect_seconds: float = 30.0
    read_seconds: float = 120.0


class ObjectStore:
    """Be a prefix of a bucket, `s3://bucket/prefix`. Safe to share between threads.

    Raises RemoteLocationError for another URL, or one with credentials, query or nothing but a bucket's name missing.
    """

    def __init__(self, url: str, policy: StorePolicy = StorePolicy()) -> None:  # noqa: B008 - immutable
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.hostname:
            raise RemoteLocationError(f"{url!r} is no place in object storage; write s3://BUCKET/FOLDER")
        if "@" in parts.netloc or parts.query or parts.fragment:
            # Not shown: what stands there may be a secret.
            raise RemoteLocationError(
                f"the URL of bucket {parts.hostname!r} holds more than bucket and folder; credentials come from the environment "
                "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE), the endpoint from AWS_ENDPOINT_URL_S3"
            )
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._policy = policy
        self._files = _file_system(policy)

    @property
    def url(self) -> str:
        """The prefix, without a slash at its end."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def url_of(self, key: str) -> str:
        """Name an object."""
        return f"{self.url}/{key}"

    # ------------------------------------------------------------------ looking

    def find(self, key: str) -> StoredObject | None:
        """Describe an object; None if there is none."""
        try:
            told = self._ask(
                key, lambda: self._files.call_s3("head_object", Bucket=self._bucket, Key=self._key(key)), "look at"
            )
        except FileNotFoundError:
            return None
        kept = {name.lower(): value for name, value in told.get("Metadata", {}).items()}
        checksum = kept.get(_CHECKSUM)
        return StoredObject(
            size_bytes=int(told["ContentLength"]),
            content=kept.get(_CONTENT),
            crc32c=None if checksum is None else int(checksum, 16),
        )

    def keys(self, folder: str = "") -> list[str]:
        """List the objects below a folder, by key, in order."""
        try:
            found = self._ask(
                folder, lambda: self._files.find(self._place(folder), withdirs=False, refresh=True), "list"
            )
        except FileNotFoundError:
            return []
        start = len(self._place(""))
        return sorted(path[start:].lstrip("/") for path in found if path[start:].strip("/"))

    # ------------------------------------------------------------------ bytes

    def put_bytes(self, key: str, data: bytes, *, content: str) -> None:
        """Put an object, replacing what is there."""
        metadata = _metadata(content, google_crc32c.value(data))
        self._ask(key, lambda: self._files.pipe_file(self._place(key), data, Metadata=metadata), "write")

    def put_file(self, key: str, path: Path, *, content: str, crc32c: int) -> None:
        """Put a file's bytes; one PUT below 100 MiB, else parts that are shown together."""
        metadata = _metadata(content, crc32c)
        self._ask(
            key,
            lambda: self._files.put_file(str(path), self._place(key), chunksize=PART_BYTES, Metadata=metadata),
            "write",
        )

    def get_bytes(self, key: str) -> bytes:
        """Return an object's bytes. Raises FileNotFoundError, ShardCorruptError if they are not what was put."""
        data: bytes = self._ask(key, lambda: self._files.cat_file(self._place(key)), "read")
        known = self.find(key)
        if known is not None and known.crc32c is not None and google_crc32c.value(data) != known.crc32c:
            raise ShardCorruptError(f"{self.url_of(key)} came with other bytes than were put there; read it again")
        return data

    def pieces(self, key: str, size_bytes: int, piece_bytes: int = PART_BYTES) -> Iterator[bytes]:
        """Yield an object's bytes in ranges. Raises ShardCorruptError for a range that came short."""
        for start in range(0, size_bytes, piece_bytes):
            end = min(size_bytes, start + piece_bytes)
            data: bytes = self._ask(key, partial(self._files.cat_file, self._place(key), start=start, end=end), "read")
            if len(data) != end - start:
                raise ShardCorruptError(
                    f"{self.url_of(key)}: bytes {start} to {end} were asked for, {len(data)} bytes came; read it again"
                )
            yield data

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is deleted already."""
        self._ask(key, lambda: self._files.call_s3("delete_object", Bucket=self._bucket, Key=self._key(key)), "delete")

    # ------------------------------------------------------------------ asking

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}".strip("/")

    def _place(self, key: str) -> str:
        return f"{self._bucket}/{self._key(key)}".rstrip("/")

    def _ask(self, key: str, call: Callable[[], _Result], purpose: str) -> _Result:
        policy = self._policy
        try:
            for attempt in stamina.retry_context(
                on=_may_pass,
                attempts=policy.attempts,
                timeout=None,
                wait_initial=policy.first_wait_seconds,
                wait_max=policy.longest_wait_seconds,
            ):
                with attempt:
                    return call()
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise TargetNotWritableError(
                f"{self.url_of(key)}: the store does not let this user {purpose} ({error}). Check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) and the bucket's policy"
            ) from None
        except Exception as error:
            if not isinstance(error, OSError) and not _is_of_the_store(error):
                raise
            raise StorageError(
                f"{self.url_of(key)}: the store could not {purpose} it, tried {policy.attempts} times ({_first_line(error)}). "
                "Run again: what has arrived is kept"
            ) from None
        raise AssertionError("unreachable: the loop returns or raises")


def _file_system(policy: StorePolicy) -> Any:
    import s3fs

    files = s3fs.S3FileSystem(
        config_kwargs={
            "connect_timeout": policy.connect_seconds,
            "read_timeout": policy.read_seconds,
            "retries": {"total_max_attempts": 1},
        },
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    files.retries = 1  # tried again in one place only: three layers of retries would multiply
    return files


def _metadata(content: str, crc32c: int) -> dict[str, str]:
    return {_CONTENT: content, _CHECKSUM: f"{crc32c:08x}"}


def _is_of_the_store(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in {"botocore", "aiobotocore", "aiohttp", "s3fs", "fsspec"}


def _may_pass(error: Exception) -> bool:
    """Tell what may go away by itself: SlowDown, internal errors, broken connections, bodies that came short."""
    if isinstance(error, PermissionError | FileNotFoundError):
        return False
    if isinstance(error, ConnectionError | TimeoutError | ShardCorruptError):
        return True
    if isinstance(error, OSError) and error.errno in _BUSY:
        return True
    return _is_of_the_store(error) and type(error).__name__ not in {"NoCredentialsError", "ParamValidationError"}


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:300] if str(error) else 'no reason given'}"
