"""`wk-assets copy-dataset` for what is not only zarr3 of our own: any format into any that can be written, mag by mag."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wk_assets.cli.screen import headline, say, show_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from wk_assets.dataset.dataset import Dataset
    from wk_assets.geometry.vec3_int import Vec3Int
    from wk_assets.properties.layer_properties import DataFormat


def copy_elsewhere(
    source: Path,
    target: Path,
    *,
    data_format: "DataFormat | None",
    chunk_shape: "Vec3Int | None",
    shard_shape: "Vec3Int | None",
    compress: bool | None,
    exists_ok: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Copy all layers, with their attachments and how they are shown. Finished mags are left alone when it is repeated."""
    from wk_assets.cli.progress import shown_count
    from wk_assets.cli.quantities import counted, seconds_text
    from wk_assets.dataset.dataset import Dataset

    started = time.monotonic()
    original = Dataset.open(source, read_only=True)
    mags = [(layer, mag) for layer in original.layers.values() for mag in layer.mags]
    formats = {
        layer.name: (layer.data_format if data_format is None else data_format).value
        for layer in original.layers.values()
    }
    document = {"dataset_path": str(target), "layers": formats, "mags": len(mags)}
    if dry_run:
        if as_json:
            show_json(document)
        else:
            headline(f"{source} -> {target}")
            for name, form in formats.items():
                say(f"{name}: mags {', '.join(map(str, original.get_layer(name).mags))} in {form}")
        return
    with shown_count("copying", "mag", quiet=as_json) as listener:
        reused = _copy(
            original,
            target,
            {"chunk_shape": chunk_shape, "shard_shape": shard_shape, "compress": compress},
            data_format,
            listener,
            exists_ok=exists_ok,
        )
    if as_json:
        show_json({**document, "reused": reused})
        return
    headline(f"{source} -> {target}")
    say(
        f"{counted(len(mags) - reused, 'mag')} copied, {reused} were there, in {seconds_text(time.monotonic() - started)}"
    )
    say(f"look at it: wk-assets info {target}")


def _copy(
    original: "Dataset",
    target: Path,
    settings: dict[str, Any],
    data_format: "DataFormat | None",
    listener: "Callable[[int, int], None] | None",
    *,
    exists_ok: bool,
) -> int:
    """Copy mag by mag, and return how many were there already."""
    from wk_assets.dataset.layer_adding import without_files
    from wk_assets.errors import DatasetExistsError
    from wk_assets.operations.arrays.copy_journal import CopyJournal
    from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties

    copy_of = f"{original.path.resolve()} {data_format} {settings}"
    journal = CopyJournal.of(target, copy_of)
    if (target / FILE_NAME).exists() and not (exists_ok or journal.is_begun):
        raise DatasetExistsError(f"there is a dataset at {target} already; say --exists-ok to copy the layers into it")
    copied = type(original)(target, exist_ok=True, voxel_size_with_unit=original.voxel_size_with_unit)
    journal.save()
    mags = [(layer, mag) for layer in original.layers.values() for mag in layer.mags]
    reused = 0
    for done, (layer, mag) in enumerate(mags):
        view = layer.get_mag(mag)
        wanted = data_format or layer.data_format
        if layer.name not in copied.layers:
            new = without_files(layer.properties, layer.name).model_copy(update={"data_format": wanted})
            copied.change(f"copy of layer {layer.name}", partial(DatasetProperties.with_layer, layer=new))
        made = copied.get_layer(layer.name)
        if mag in made.mags and journal.has(layer.name, str(mag), Path(view.path)):
            reused += 1
        else:
            made.add_mag_as_copy(view, exists_ok=True, **settings)
            journal.note(layer.name, str(mag), Path(view.path))
        if listener is not None:
            listener(done + 1, len(mags))
    for segmentation in original.get_segmentation_layers():
        attachments = copied.get_segmentation_layer(segmentation.name).attachments
        if not list(attachments):
            attachments.add_copy_attachments(*segmentation.attachments)
    if original.default_view_configuration is not None:
        copied.default_view_configuration = original.default_view_configuration
    return reused
