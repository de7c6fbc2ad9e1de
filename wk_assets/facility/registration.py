"""From a finished acquisition to a catalogue entry: headers are opened, mags and the voxel size are decided.

Reads headers, and a few slabs of voxels where a sample decides the compression (`compression: auto`); writes nothing
but the entry (`register`). Which voxel size holds for a dataset is decided in `dataset_voxel_size`.
"""

from collections.abc import Mapping
from pathlib import Path

from wk_assets.errors import SourceChangedError
from wk_assets.facility.acquisitions import Acquisition, signature_of
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.catalogue_entry import CatalogueEntry, CatalogueLayer, SampledCompression, StoredVoxelSize
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.dataset_voxel_size import decide_voxel_size
from wk_assets.facility.instrument import Instrument
from wk_assets.facility.layer_files import files_by_layer, source_selection
from wk_assets.facility.naming import dataset_name
from wk_assets.facility.requests import array_settings
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import default_coarsest_mag, mag_ladder
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.layers.chunk_sample import ChunkSampler
from wk_assets.operations.layers.compression import Compression, probe_compression
from wk_assets.operations.records.layer_request import ArraySettings
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection, VolumeDescription, VolumeReader


def describe(
    configuration: Configuration,
    acquisition: Acquisition,
    dataset: str,
    *,
    known: CatalogueEntry | None = None,
    sampler: ChunkSampler | None = None,
) -> CatalogueEntry:
    """Build the entry of an acquisition under a given dataset name, without looking at the catalogue.

    `known`: an earlier entry; what a sample of the same files decided then still holds. `sampler`: takes the samples.
    Raises MissingSliceError (a pattern that matches nothing, a file of two layers), VoxelSizeError (no file and no
    setting says how large a voxel is, or files contradict one another), SourceChangedError, and what readers raise.
    """
    instrument = configuration.instrument(acquisition.instrument)
    sampler = sampler or ChunkSampler(configuration.compute().threads)
    described, sampled = _describe_layers(configuration, acquisition, known, sampler)
    given = None if instrument.voxel_size is None else instrument.voxel_size.measured()
    voxel_size, alternatives = decide_voxel_size(instrument.name, acquisition.name, described, given)
    return CatalogueEntry(
        dataset=dataset,
        instrument=instrument.name,
        acquisition=acquisition.name,
        folder=_portable(acquisition.folder, configuration.home),
        signature=acquisition.signature,
        voxel_size=StoredVoxelSize.of(voxel_size),
        voxel_size_alternatives=tuple(StoredVoxelSize.of(other) for other in alternatives),
        layers=_layers(instrument, described, sampled, voxel_size.voxel_size),
    )


def foresee(configuration: Configuration, acquisition: Acquisition) -> CatalogueEntry:
    """Build the entry that `register` would put: under the name and status it has, or will get. Writes nothing.

    Raises what `describe` raises.
    """
    known = Catalogue(configuration.catalogue_folder).find(acquisition.instrument, acquisition.name)
    if known is None:
        template = configuration.instrument(acquisition.instrument).dataset
        name = dataset_name(template, instrument=acquisition.instrument, acquisition=acquisition.name)
        return describe(configuration, acquisition, name)
    described = describe(configuration, acquisition, known.dataset, known=known)
    return described.model_copy(update={"status": known.status})


def register(configuration: Configuration, acquisition: Acquisition) -> CatalogueEntry:
    """Describe an acquisition and put it into the catalogue of the configuration's home.

    The same acquisition again gives the byte-identical entry; a changed one keeps its dataset name and its status.
    Raises CatalogueError if another acquisition has the name, and what `describe` raises.
    """
    entry = foresee(configuration, acquisition)
    Catalogue(configuration.catalogue_folder).put(entry)
    return entry


def _describe_layers(
    configuration: Configuration, acquisition: Acquisition, known: CatalogueEntry | None, sampler: ChunkSampler
) -> tuple[dict[str, VolumeDescription], dict[str, SampledCompression | None]]:
    """Open the headers of every layer, by layer name, and make sure that they are the files that the scan saw."""
    instrument = configuration.instrument(acquisition.instrument)
    given = None if instrument.voxel_size is None else instrument.voxel_size.measured()
    array = array_settings(instrument.array, configuration.storage.layout, None)
    earlier = {(layer.name, layer.signature): layer for layer in known.layers} if known is not None else {}
    described: dict[str, VolumeDescription] = {}
    sampled: dict[str, SampledCompression | None] = {}
    for name, files in files_by_layer(instrument, acquisition).items():
        selection = source_selection(instrument.layer(name), acquisition.folder, files, given)
        with open_volume(selection) as reader:
            described[name] = reader.description
            if signature_of(described[name].files) != signature_of(files):
                raise SourceChangedError(
                    f"acquisition {acquisition.name!r}: files of layer {name!r} changed since they were listed; "
                    "register it when the instrument has finished"
                )
            before = earlier.get((name, signature_of(files)))
            compression = instrument.array.chosen_compression
            sampled[name] = _sampled(compression, array, reader, selection, before, sampler)
    return described, sampled


def _layers(
    instrument: Instrument,
    described: Mapping[str, VolumeDescription],
    sampled: Mapping[str, SampledCompression | None],
    voxel_size: VoxelSize,
) -> tuple[CatalogueLayer, ...]:
    layers: list[CatalogueLayer] = []
    taken: list[Mag] = []  # mags of the layers before: those after follow them, so that layers share their mags
    for name, description in described.items():
        settings = instrument.layer(name)
        mags = _mags(instrument, description.size, voxel_size, taken)
        taken += [mag for mag in mags if mag not in taken]
        layers.append(
            CatalogueLayer(
                name=name,
                category=settings.category,
                channels=description.channels,
                dtype=description.dtype.name,
                size=description.size.to_tuple(),
                mags=tuple(mag.to_layer_name() for mag in mags),
                mode=instrument.pyramid.mode_of(settings),
                files=len(description.files),
                source_bytes=sum(file.size_bytes for file in description.files),
                signature=signature_of(description.files),
                compression=sampled[name],
            )
        )
    return tuple(layers)


def _sampled(
    compression: Compression,
    array: ArraySettings,
    reader: VolumeReader,
    selection: SourceSelection,
    before: CatalogueLayer | None,
    sampler: ChunkSampler,
) -> SampledCompression | None:
    """Let a sample of a layer decide its compression, if the settings leave it to that; `before`: decided earlier."""
    if compression.tolerance is None:
        return None
    chunk_shape = array.fitted_to(reader.description.size).chunk_shape
    decided = None if before is None else before.compression
    if decided is not None and (decided.choice, decided.chunk) == (compression.name, chunk_shape.to_tuple()):
        return decided
    sample = sampler.sample(selection, chunk_shape, reader)
    probe = probe_compression(sample, array, tolerance=compression.tolerance)
    return SampledCompression(
        choice=compression.name,
        chunk=chunk_shape.to_tuple(),
        zstd_level=probe.chosen,
        ratios={one.level: round(one.ratio, 4) for one in probe.levels if one.level is not None},
        used_fraction=round(sample.used_fraction, 4),
    )


def _mags(instrument: Instrument, size: Vec3Int, voxel_size: VoxelSize, taken: list[Mag]) -> tuple[Mag, ...]:
    coarsest = instrument.pyramid.coarsest_mag or default_coarsest_mag(size)
    ladder = mag_ladder(voxel_size.factor, Mag(1), coarsest, instrument.pyramid.sampling, existing=taken, depth=size.z)
    return (Mag(1), *ladder)


def _portable(folder: Path, home: Path) -> str:
    return (folder.relative_to(home) if folder.is_relative_to(home) else folder).as_posix()
