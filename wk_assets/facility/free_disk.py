"""Is there room for what a plan will write? Asked before the first byte is written.

Numbers only; nothing is written (see `preflight` for the probe).
"""

from pathlib import Path

from wk_assets.errors import DiskFullError
from wk_assets.facility.section import format_size
from wk_assets.storage.durable import free_bytes


def require_free_disk(path: Path, needed_bytes: int, minimum_free_bytes: int) -> None:
    """Refuse to begin what does not fit: `needed_bytes` are written, and `minimum_free_bytes` must stay free after it.

    `path` need not exist yet. Raises DiskFullError naming what is needed, what must stay, and what there is.
    """
    has = free_bytes(path)
    if needed_bytes and needed_bytes + minimum_free_bytes > has:
        raise DiskFullError(
            f"{path} has {format_size(has)} free; the import needs about {format_size(needed_bytes)}, and "
            f"{format_size(minimum_free_bytes)} must stay free (storage.minimum_free). Free some space, choose another "
            "storage.root, or lower storage.minimum_free"
        )
