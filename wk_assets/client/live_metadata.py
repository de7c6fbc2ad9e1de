"""The metadata of a folder or a dataset as a mapping that reads from, and writes to, the server at every access.

Knows what values there may be and how they are on the wire. Where the entries are asked for and sent to, its owners say.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias, cast

from wk_assets.client.models import ApiMetadata
from wk_assets.errors import InputError

MetadataValue: TypeAlias = str | int | float | Sequence[str]
Entries: TypeAlias = tuple[ApiMetadata, ...]

# A change is read, changed, sent: without this two threads would undo what the other did. Against other programs
# nothing helps, because the server takes no condition with an update.
changing = threading.RLock()


class LiveMetadata(MutableMapping[str, MetadataValue]):
    """Map keys to texts, numbers and lists of texts, in the server's order. Every access asks the server.

    Several changes at once are one request with `update`. Raises ServerError, and InputError for what can not be a value.
    """

    def __init__(self, read: Callable[[], Entries], write: Callable[[Entries], None]) -> None:
        self._read = read
        self._write = write

    def __getitem__(self, key: str) -> MetadataValue:
        return self._now()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __contains__(self, key: object) -> bool:
        return key in self._now()

    def __setitem__(self, key: str, value: MetadataValue) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        with changing:
            before = self._read()
            after = tuple(entry for entry in before if entry.key != key)
            if len(after) == len(before):
                raise KeyError(key)
            self._write(after)

    def update(  # type: ignore[override]  # one request instead of one per key; the overloads of the ABC add nothing
        self, other: Mapping[str, MetadataValue] | Iterable[tuple[str, MetadataValue]] = (), /, **more: MetadataValue
    ) -> None:
        """Set several keys with one request; other keys and the order stay."""
        changes = {key: entry_of(key, value) for key, value in dict(other, **more).items()}
        with changing:
            before = self._read()
            kept = tuple(changes.pop(entry.key, entry) for entry in before)
            self._write((*kept, *changes.values()))

    def replace(self, values: Mapping[str, MetadataValue]) -> None:
        """Set these keys and no others, with one request."""
        entries = tuple(entry_of(key, value) for key, value in values.items())
        with changing:
            self._write(entries)

    def clear(self) -> None:
        """Remove all keys with one request."""
        self.replace({})

    def items(self) -> Any:
        """Return keys and values as they are now, asked for once."""
        return self._now().items()

    def values(self) -> Any:
        """Return the values as they are now, asked for once."""
        return self._now().values()

    def _now(self) -> dict[str, MetadataValue]:
        return {entry.key: cast("MetadataValue", entry.value) for entry in self._read()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._now()!r})"


def entry_of(key: object, value: object) -> ApiMetadata:
    """Return an entry as it is on the wire. Raises InputError for a value that is no text, finite number or list of texts."""
    if not isinstance(key, str) or not key:
        raise InputError(f"{key!r} is no key of metadata; take a text that is not empty")
    if isinstance(value, str):
        return ApiMetadata(key=key, type="string", value=value)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return ApiMetadata(key=key, type="number", value=value)
    if isinstance(value, Sequence) and not isinstance(value, bytes) and all(isinstance(one, str) for one in value):
        return ApiMetadata(key=key, type="string[]", value=list(value))
    raise InputError(
        f"{key!r} can not be set to {value!r} in metadata; take a text, a finite number or a list of texts"
    )
