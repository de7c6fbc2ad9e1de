"""Volume data in every form that zips of annotations have held, made by hand, and the voxels that are in it."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox

VOXEL_SIZE = (11.24, 11.24, 28.0)
BOX = BoundingBox((32, 64, 96), (64, 32, 32))
FOLDER = "volumeAnnotationData"


def drawn(dtype: str = "uint32") -> Any:
    """Give voxels x, y, z of `BOX`: two segments and background."""
    voxels = np.zeros(tuple(BOX.size), dtype)
    voxels[3:40, 5:9, 1:30] = 7
    voxels[50:60, 20:30, 10:20] = 12
    return voxels


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def files_of(folder: Path, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def array_files(folder: Path, kind: str) -> dict[str, bytes]:
    """Write one mag as `wkw`, `zarr` or a `zarr3` form, and return its files."""
    voxels = drawn()
    if kind in ("wkw", "zarr"):
        dataset = Dataset(folder / "dataset", voxel_size=VOXEL_SIZE)
        layer = dataset.add_layer("layer", "segmentation", dtype="uint32", bounding_box=BOX, data_format=kind)
        layer.add_mag(1, chunk_shape=32, shard_shape=32).write(voxels, absolute_offset=BOX.topleft)
        return {name: body for name, body in files_of(folder / "dataset/layer/1").items() if "lock" not in name}
    encoding, order, compressor = kind.split("-")[1:]
    shape = tuple(BOX.bottomright)
    array = zarr.create_array(
        str(folder / "array"),
        shape=(1, *shape),
        chunks=(1, 32, 32, 32),
        dtype="uint32",
        filters=[zarr.codecs.TransposeCodec(order=(3, 2, 1, 0))],
        compressors=[zarr.codecs.BloscCodec(cname="lz4") if compressor == "blosc" else zarr.codecs.ZstdCodec()],
        chunk_key_encoding={"name": encoding, "separator": "."},
        dimension_names=["c", "x", "y", "z"],
        fill_value=0,
    )
    x, y, z = BOX.to_slices()
    array[0, x, y, z] = voxels
    if order == "F":
        described = json.loads((folder / "array/zarr.json").read_bytes())
        described["codecs"][0]["configuration"]["order"] = "F"
        (folder / "array/zarr.json").write_text(json.dumps(described))
    return files_of(folder / "array")


def described(folder: str = FOLDER, path: str | None = None) -> bytes:
    mag: dict[str, Any] = {"mag": [1, 1, 1], "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}
    layer = {
        "name": folder, "category": "segmentation", "elementClass": "uint32", "numChannels": 1, "dataFormat": "zarr3",
        "boundingBox": {"topLeft": list(BOX.topleft), **dict(zip(("width", "height", "depth"), BOX.size, strict=True))},
        "mags": [mag if path is None else {**mag, "path": path}],
    }  # fmt: skip
    return json.dumps({"id": {"name": "", "team": ""}, "dataLayers": [layer], "scale": list(VOXEL_SIZE)}).encode()


VARIANTS = (
    "wkw", "wkw in a folder", "zarr", "zarr in a folder", "zarr3-default-F-blosc described",
    "zarr3-default-list-zstd described", "zarr3-v2-list-blosc described", "zarr3-default-list-blosc",
)  # fmt: skip


def volume_zip(folder: Path, variant: str) -> bytes:
    """Give the zip of a volume layer in one of `VARIANTS`, holding `drawn()` at `BOX`."""
    kind, *how = variant.split(" ", 1)
    files = array_files(folder, kind)
    if how == ["described"]:
        return zipped({"datasource-properties.json": described(), **{f"{FOLDER}/1/{key}": files[key] for key in files}})
    prefix = f"{FOLDER}/1/" if how else "1/"
    return zipped({f"{prefix}{key}": body for key, body in files.items()})


def nml_text(volumes: str = "", *, name: str = "brain", extra: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?><things><meta name="username" content="Ada"/>{extra}<parameters>'
        f'<experiment name="{name}" organization="lab" description="d"/>'
        f'<scale x="11.24" y="11.24" z="28.0" unit="nanometer"/><time ms="5"/></parameters>'
        f"<branchpoints/><comments/><groups/>{volumes}</things>"
    ).encode()


def annotation_zip(path: Path, entries: dict[str, bytes]) -> Path:
    path.write_bytes(zipped(entries))
    return path
