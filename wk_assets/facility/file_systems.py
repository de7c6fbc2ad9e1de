"""On what kind of file system does a path lie? Locks and SQLite do not work on network shares.

Asks the operating system's table of mounts; touches no file.
"""

from collections.abc import Mapping
from pathlib import Path

import psutil

NETWORK_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "fuse.sshfs", "fuse.s3fs",
     "fuse.davfs", "fuse.rclone", "fuse.glusterfs", "ceph", "fuse.ceph", "lustre", "beegfs", "gpfs", "afs"}
)  # fmt: skip  # a set of words reads best as a block


def mounts() -> Mapping[Path, str]:
    """Map each mount point to the type of what is mounted there."""
    return {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}


def file_system_type(path: Path, table: Mapping[Path, str]) -> str | None:
    """Give the type of the file system that an absolute path lies on (the innermost mount wins), None if unknown."""
    return next((table[place] for place in (path, *path.parents) if place in table), None)


def on_network(path: Path, table: Mapping[Path, str]) -> str | None:
    """Give the type of the network share that a path lies on, None if it lies on a local disk (or nobody knows)."""
    found = file_system_type(path, table)
    return found if found is not None and found.lower() in NETWORK_TYPES else None
