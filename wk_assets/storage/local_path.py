"""Where a location that a person names is on this machine. Opens nothing."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from wk_assets.errors import RemoteLocationError

if TYPE_CHECKING:  # with its file systems it takes a tenth of a second to import, and most locations are plain paths
    from upath import UPath

    Location = str | PathLike[str] | UPath
else:
    Location = str | PathLike


def local_path(location: Location) -> Path:
    """Give the path of a location: a path, or a `file://` URL.

    Raises RemoteLocationError for any other URL: object storage and servers are not opened by this release.
    """
    if isinstance(location, Path) or (isinstance(location, str) and ":" not in location):
        return Path(location)
    from upath import UPath

    found = location if isinstance(location, UPath) else UPath(location)
    if found.protocol not in ("", "file", "local"):
        raise RemoteLocationError(
            f"{location} lies behind {found.protocol}://; only local datasets can be opened yet. "
            "Mount the storage, or copy what you need, and name the local path"
        )
    return Path(found.path)


def is_url(text: str) -> bool:
    """Say whether a text names a place by a URL that is not a local file."""
    return "://" in text and not text.startswith("file://")


def is_local(location: "UPath") -> bool:
    """Say whether a location is on this machine's file systems, not behind a URL."""
    return location.protocol in {"", "file", "local"}
