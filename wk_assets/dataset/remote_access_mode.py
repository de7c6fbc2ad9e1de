"""How the voxels of a dataset on a server are read."""

from enum import StrEnum


class RemoteAccessMode(StrEnum):
    """Choose a way to the voxels.

    `ZARR_STREAMING`: the data store decodes, whatever the format, and hands out chunks of 32³ that are not compressed.
    `PROXY_PATH`: the data store hands through the stored files; they are decoded here. For Zarr v2 and v3 and N5.
    `DIRECT_PATH`: the files are read where they lie; only for who can reach that storage.
    """

    ZARR_STREAMING = "zarr_streaming"
    PROXY_PATH = "proxy_path"
    DIRECT_PATH = "direct_path"
