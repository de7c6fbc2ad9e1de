"""Meshes of single segments, as the data store hands them out: STL, from a mesh file or made for the occasion."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

from upath import UPath

from wk_assets.dataset.remote_source import RemoteSource
from wk_assets.errors import InputError, UnexpectedAnswerError
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.properties.json_model import LARGEST_PLAIN_INTEGER
from wk_assets.storage.durable import make_directory, write_atomically
from wk_assets.storage.local_path import local_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Say which mesh is meant. `body`: what the data store is sent."""

    segment_id: int
    body: dict[str, Any]

    @classmethod
    def of(
        cls,
        segment_id: int,
        *,
        mesh_file_name: str | None,
        lod: int,
        mapping_name: str | None,
        mapping_type: Literal["agglomerate", "json"] | None,
        mag: MagLike | None,
        seed_position: Vec3IntLike | None,
    ) -> Self:
        """Check what is asked for. Raises InputError for a mesh both from a file and from voxels, or from neither."""
        if segment_id < 1:
            raise InputError(f"segment {segment_id} has no mesh: ids begin with 1, 0 is background")
        envelope: Any = segment_id
        if segment_id > LARGEST_PLAIN_INTEGER:
            envelope = {"customJsonEncoding": "bigint", "value": str(segment_id)}
        body: dict[str, Any] = {"lod": lod, "segmentId": envelope}
        if mapping_name is not None:
            body["mappingName"] = mapping_name
        if mesh_file_name is not None:
            if mag is not None or seed_position is not None:
                raise InputError("mesh_file_name and mag or seed_position are given: a file needs neither of them")
            return cls(segment_id=segment_id, body={**body, "meshFileName": mesh_file_name})
        if mag is None or seed_position is None:
            raise InputError(
                f"the mesh of segment {segment_id}: name a mesh file, or give mag and seed_position to have it made"
            )
        if mapping_type is not None:
            body["mappingType"] = mapping_type
        body["mag"], body["seedPosition"] = Mag(mag).to_list(), list(Vec3Int(seed_position))
        return cls(segment_id=segment_id, body=body)


def save_mesh(
    source: RemoteSource,
    layer_name: str,
    mesh: Mesh,
    output_dir: str | PathLike[str] | UPath,
    *,
    store_url: str | None = None,
) -> Path:
    """Write `<segment id>.stl` at once into a directory, which is made if it is not there.

    Raises ServerError, UnexpectedAnswerError for an empty answer, StorageError.
    """
    folder = local_path(output_dir)
    store = source.store() if store_url is None else source.reader().datastore_client(store_url)
    # the token goes into the header
    stl = store.download_mesh(dataset_id=source.dataset_id, layer_name=layer_name, mesh=mesh.body, token=None)
    if not stl:
        raise UnexpectedAnswerError(
            f"the mesh of segment {mesh.segment_id} of layer {layer_name!r}: the answer is empty"
        )
    make_directory(folder)
    path = folder / f"{mesh.segment_id}.stl"
    write_atomically(path, stl)
    return path
