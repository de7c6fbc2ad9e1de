"""Which files of an acquisition belong to which layer, by the instrument's patterns.

Pure: a listing goes in, files per layer come out. No file is opened (see `registration`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wk_assets.errors import MissingSliceError
from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.instrument import Instrument, LayerSettings
from wk_assets.facility.patterns import matches
from wk_assets.readers.volume import MeasuredVoxelSize, SourceFile, SourceSelection


def files_of_layer(layer: LayerSettings, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Choose the files that a layer's patterns mean, sorted by relative path."""
    return tuple(file for file in files if any(matches(pattern, file.relative_path) for pattern in layer.files))


def source_selection(
    layer: LayerSettings, folder: Path, files: Sequence[SourceFile], voxel_size: MeasuredVoxelSize | None
) -> SourceSelection:
    """Tell readers which files are the layer and how the instrument's settings want them read."""
    return SourceSelection(
        root=folder,
        files=tuple(file.path for file in files),
        axes=layer.axes,
        channel=layer.channel,
        on_bad_slice=layer.on_bad_slice,
        expected_slices=layer.expected_slices,
        voxel_size=voxel_size,
    )


def files_by_layer(instrument: Instrument, acquisition: Acquisition) -> Mapping[str, tuple[SourceFile, ...]]:
    """Share out an acquisition's files among the instrument's layers, by layer name.

    Two layers may share files only if each takes another channel of them. Raises MissingSliceError for a pattern that
    matches nothing, and for a file that two layers claim; both sentences name the setting.
    """
    shared = {layer.name: files_of_layer(layer, acquisition.files) for layer in instrument.layers}
    mistakes = [*_unmatched(instrument, acquisition), *claimed_twice(instrument, acquisition)]
    if mistakes:
        raise MissingSliceError(f"acquisition {acquisition.name!r} in {acquisition.folder}: {'; '.join(mistakes)}")
    return shared


def _unmatched(instrument: Instrument, acquisition: Acquisition) -> list[str]:
    mistakes = []
    for layer in instrument.layers:
        for pattern in layer.files:
            if not any(matches(pattern, file.relative_path) for file in acquisition.files):
                seen = ", ".join(file.relative_path for file in acquisition.files[:3]) or "nothing"
                mistakes.append(
                    f"layer {layer.name!r}: the pattern {pattern!r} matches none of the {len(acquisition.files)} files "
                    f"(there is {seen}{', …' if len(acquisition.files) > 3 else ''}); correct 'files' of the layer"
                )
    return mistakes


def claimed_twice(instrument: Instrument, acquisition: Acquisition) -> list[str]:
    """Say which layers claim the same files, without each taking another channel of them; one sentence per pair."""
    shared = {layer.name: files_of_layer(layer, acquisition.files) for layer in instrument.layers}
    mistakes = []
    for index, layer in enumerate(instrument.layers):
        own = {file.relative_path for file in shared[layer.name]}
        for other in instrument.layers[:index]:
            different_channels = None not in (layer.channel, other.channel) and layer.channel != other.channel
            both = own & {file.relative_path for file in shared[other.name]}
            if both and not different_channels:
                mistakes.append(
                    f"{min(both)!r} belongs to the layers {other.name!r} and {layer.name!r}"
                    f"{f', and {len(both) - 1} more files do' if len(both) > 1 else ''}; make their patterns 'files' "
                    "distinct, or give each layer another 'channel'"
                )
    return mistakes
