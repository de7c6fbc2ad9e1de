"""What the UI shows of each asset: values and records in, Dagster's metadata out. Nothing is read or computed here.

Dagster shows Markdown under about 1,000 characters where it stands, longer behind a link; numbers are plotted over
time; everything lies in the event log for ever, so one entry stays below 50 kB. Segment ids are text: they may
exceed what a browser counts exactly.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import dagster as dg

from resources.storage import Pictures
from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.publishing_request import Publication
from wk_assets.operations.checks.histogram import Histogram, histogram_svg
from wk_assets.operations.checks.layer_checks import CheckOutcome
from wk_assets.operations.records.layer_record import LayerRecord, MagRecord
from wk_assets.operations.records.layer_request import LayerResult

Metadata = dict[str, Any]

INLINE_LIMIT: Final = 1000  # characters of Markdown that the UI shows in place
ENTRY_LIMIT_BYTES: Final = 50_000
HISTOGRAM_BINS: Final = 32  # as many as the picture may have to be shown in place
TABLE_ROWS: Final = 200
MEGABYTE: Final = 1_000_000


def mag_metadata(mag: MagRecord, layer: LayerRecord, dataset_path: Path, pictures: Pictures) -> Metadata:
    """Describe one mag. `bytes_in`: of the source files, or of the voxels of the mag that it is made from."""
    parent = next((other for other in layer.mags if other.voxels_key == mag.parent_key), None)
    bytes_in = parent.raw_bytes if parent is not None else _source_bytes(layer)
    return {
        **preview_metadata(pictures),
        "shape": dg.MetadataValue.text(" x ".join(map(str, mag.box_in_mag.size)) + " voxels (x, y, z)"),
        "box_in_mag": dg.MetadataValue.text(f"{mag.box_in_mag.topleft} + {mag.box_in_mag.size}"),
        "dtype": dg.MetadataValue.text(_dtype(layer)),
        "voxel_size": dg.MetadataValue.text(_voxel_size(layer, mag)),
        "voxel_size_source": dg.MetadataValue.text(_voxel_size_source(layer)),
        "bytes_in": dg.MetadataValue.int(bytes_in),
        "bytes_raw": dg.MetadataValue.int(mag.raw_bytes),
        "bytes_out": dg.MetadataValue.int(mag.stored_bytes),
        "compression_ratio": dg.MetadataValue.float(round(mag.raw_bytes / max(1, mag.stored_bytes), 3)),
        "shards": dg.MetadataValue.int(mag.shards),
        "path": dg.MetadataValue.path(dataset_path / mag.path),
        "dagster/uri": dg.MetadataValue.text((dataset_path / mag.path).as_uri()),
    }


def layer_metadata(layer: LayerRecord, dataset_path: Path, pictures: Pictures, histogram: Histogram | None) -> Metadata:
    """Describe a layer: its picture, its numbers, its mags, where its voxels and their size come from."""
    return {
        **preview_metadata(pictures),
        **(_histogram_metadata(histogram) if histogram is not None else {}),
        "shape": dg.MetadataValue.text(" x ".join(map(str, layer.box.size)) + " voxels (x, y, z)"),
        "topleft": dg.MetadataValue.text(", ".join(map(str, layer.box.topleft))),
        "category": dg.MetadataValue.text(layer.category),
        "dtype": dg.MetadataValue.text(_dtype(layer)),
        "voxel_size": dg.MetadataValue.text(_voxel_size(layer)),
        "voxel_size_source": dg.MetadataValue.text(_voxel_size_source(layer)),
        "downsampling": dg.MetadataValue.text(layer.mode.value),
        "mags": mags_table(layer.mags),
        "bytes_in": dg.MetadataValue.int(_source_bytes(layer)),
        "bytes_out": dg.MetadataValue.int(sum(mag.stored_bytes for mag in layer.mags)),
        "source_files": dg.MetadataValue.int(len(layer.sources)),
        "filled_slices": dg.MetadataValue.int(len(layer.problems)),
        "path": dg.MetadataValue.path(dataset_path / layer.layer_name),
        **_value_metadata(layer),
    }


def run_metadata(result: LayerResult) -> Metadata:
    """Describe what the run as a whole cost: all of its mags come out of the same pass. Nothing if it moved nothing."""
    if result.seconds <= 0 or not (result.read_bytes or result.written_bytes):
        return {}
    return {
        "seconds": dg.MetadataValue.float(round(result.seconds, 3)),
        "bytes_read": dg.MetadataValue.int(result.read_bytes),
        "bytes_written": dg.MetadataValue.int(result.written_bytes),
        "MB/s": dg.MetadataValue.float(
            round((result.read_bytes + result.written_bytes) / MEGABYTE / result.seconds, 3)
        ),
    }


def dataset_metadata(
    entry: CatalogueEntry, layers: Sequence[LayerRecord], dataset_path: Path, pictures: Mapping[str, Pictures]
) -> Metadata:
    """Describe a dataset: one picture per layer, the layers as a table, where it lies and what opens it."""
    return {
        **_layers_preview(pictures),
        "layers": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "layer": layer.layer_name,
                        "category": layer.category,
                        "dtype": _dtype(layer),
                        "size (x, y, z)": " x ".join(map(str, layer.box.size)),
                        "mags": ", ".join(mag.mag for mag in layer.mags),
                        "MB": round(sum(mag.stored_bytes for mag in layer.mags) / MEGABYTE, 2),
                    }
                )
                for layer in layers
            ]
        ),
        "voxel_size": dg.MetadataValue.text(_voxel_size(layers[0])),
        "voxel_size_source": dg.MetadataValue.text(_voxel_size_source(layers[0])),
        "bytes_out": dg.MetadataValue.int(sum(mag.stored_bytes for layer in layers for mag in layer.mags)),
        "acquisition": dg.MetadataValue.text(f"{entry.acquisition} of {entry.instrument}"),
        "path": dg.MetadataValue.path(dataset_path),
        "dagster/uri": dg.MetadataValue.text(dataset_path.as_uri()),
        "inspect": dg.MetadataValue.md(f"`wk-assets info {dataset_path}`"),
    }


def published_metadata(publication: Publication, folder: str | None) -> Metadata:
    """Describe a dataset on a server: the link, what went over and what was there already, who may see it."""
    result, published = publication.result, publication.published
    return {
        "link": dg.MetadataValue.url(published.url),
        "dataset_id": dg.MetadataValue.text(published.dataset_id),
        "server": dg.MetadataValue.url(published.server),
        "way": dg.MetadataValue.text(result.plan.way.value),
        "changed": dg.MetadataValue.bool(result.changed),
        "bytes_sent": dg.MetadataValue.int(result.sent_bytes),
        "bytes_linked": dg.MetadataValue.int(result.linked_bytes),
        "folder": dg.MetadataValue.text(folder or result.folder_id),
        "teams": dg.MetadataValue.text(", ".join(result.team_names) or "none"),
        "layers": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "layer": layer.name,
                        "state": layer.change.value,
                        "MB": round(layer.size_bytes / MEGABYTE, 2),
                        "fingerprint": layer.fingerprint,
                    }
                )
                for layer in result.plan.layers
            ]
        ),
        "dagster/uri": dg.MetadataValue.text(published.url),
    }


def acquisition_metadata(acquisition: Acquisition) -> Metadata:
    """Describe an acquisition as it was seen."""
    return {
        "folder": dg.MetadataValue.path(acquisition.folder),
        "files": dg.MetadataValue.int(len(acquisition.files)),
        "bytes": dg.MetadataValue.int(acquisition.size_bytes),
        "signature": dg.MetadataValue.text(acquisition.signature),
        "instrument": dg.MetadataValue.text(acquisition.instrument),
    }


def catalogue_metadata(entries: Iterable[CatalogueEntry], problems: Iterable[object]) -> Metadata:
    """Describe the catalogue: how many datasets, which, and which of its files can not be read."""
    ordered = sorted(entries, key=lambda entry: entry.dataset)
    return {
        "datasets": dg.MetadataValue.int(len(ordered)),
        "catalogue": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "dataset": entry.dataset,
                        "instrument": entry.instrument,
                        "acquisition": entry.acquisition,
                        "layers": ", ".join(layer.name for layer in entry.layers),
                        "status": str(entry.status),
                    }
                )
                for entry in ordered[:TABLE_ROWS]
            ],
            schema=_text_columns("dataset", "instrument", "acquisition", "layers", "status"),
        ),
        **{f"problem_{number}": dg.MetadataValue.text(str(problem)) for number, problem in enumerate(problems, 1)},
    }


def check_result(key: dg.AssetKey, outcome: CheckOutcome) -> dg.AssetCheckResult:
    """Report the outcome of a check: the sentence as description (the UI's list shows only that), evidence as metadata."""
    severity = dg.AssetCheckSeverity.ERROR if outcome.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=outcome.name,
        passed=outcome.passed,
        severity=severity,
        description=outcome.sentence,
        metadata={name.replace(" ", "_"): value for name, value in outcome.evidence.items()},
    )


def mags_table(mags: Sequence[MagRecord]) -> dg.TableMetadataValue:
    """Show one row per mag."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "mag": mag.mag,
                    "shape (x, y, z)": " x ".join(map(str, mag.box_in_mag.size)),
                    "shards": mag.shards,
                    "MB": round(mag.stored_bytes / MEGABYTE, 3),
                    "ratio": round(mag.raw_bytes / max(1, mag.stored_bytes), 2),
                }
            )
            for mag in mags
        ]
    )


def preview_metadata(pictures: Pictures) -> Metadata:
    """Show a layer: short Markdown that the UI draws in place, and the larger pictures behind a link.

    With addresses: three pictures side by side. Without: a thumbnail as data URI, and the largest of the slices that
    an entry of the event log may hold.
    """
    if pictures.urls is not None:
        linked = {plane: f"![{plane}]({url})" for plane, url in zip(("xy", "xz", "yz"), pictures.urls, strict=True)}
        shown = _side_by_side(linked)
        return {"preview": dg.MetadataValue.md(shown if len(shown) < INLINE_LIMIT else linked["xy"])}
    larger = {
        plane: _data_uri(plane, "png", picture)
        for plane, picture in (("xy", pictures.preview.xy), ("xz", pictures.preview.xz), ("yz", pictures.preview.yz))
    }
    return {"preview": dg.MetadataValue.md(_thumbnail(pictures)), "slices": dg.MetadataValue.md(_bounded(larger))}


def _layers_preview(pictures: Mapping[str, Pictures]) -> Metadata:
    """Show as many layers in place as the UI draws, in their order; all of them behind a link if some do not fit."""
    cells = {name: _thumbnail(picture) for name, picture in pictures.items()}
    shown: dict[str, str] = {}
    for name, cell in cells.items():
        if len(_side_by_side({**shown, name: cell})) < INLINE_LIMIT:
            shown[name] = cell
    preview = {"preview": dg.MetadataValue.md(_side_by_side(shown))} if shown else {}
    if len(shown) == len(cells):
        return preview
    return {**preview, "previews": dg.MetadataValue.md(_bounded(cells))}


def _bounded(cells: Mapping[str, str]) -> str:
    """Put cells side by side, from the first, as far as one entry of the event log may go."""
    kept = dict(cells)
    while len(_side_by_side(kept)) > ENTRY_LIMIT_BYTES:
        kept.popitem()
    return _side_by_side(kept)


def _thumbnail(pictures: Pictures) -> str:
    if pictures.urls is not None:
        return f"![xy]({pictures.urls[0]})"
    shown = _data_uri("xy", "webp", pictures.preview.thumbnail)
    return shown if len(shown) < INLINE_LIMIT else f"see `{pictures.folder}`"


def _data_uri(alt: str, kind: str, picture: bytes) -> str:
    return f"![{alt}](data:image/{kind};base64,{base64.b64encode(picture).decode()})"


def _side_by_side(cells: Mapping[str, str]) -> str:
    head = "| " + " | ".join(cells) + " |"
    rule = "|" + " --- |" * len(cells)
    return f"{head}\n{rule}\n| " + " | ".join(cells.values()) + " |" if cells else "too large to be kept here"


def svg_picture(alt: str, svg: str) -> dg.MarkdownMetadataValue:
    """Show a small SVG document: percent-encoded, with single quotes, a third shorter than base64, so that the UI draws it in place."""
    encoded = quote(svg.replace('"', "'"), safe="/:=,;'")
    return dg.MetadataValue.md(f"![{alt}](data:image/svg+xml,{encoded})")


def _histogram_metadata(histogram: Histogram) -> Metadata:
    what = f"{'all' if histogram.complete else 'a sample of'} {histogram.voxels} voxels"
    return {
        "histogram": svg_picture("histogram", histogram_svg(histogram)),
        "histogram_of": dg.MetadataValue.text(f"{what}, {histogram.minimum:g} to {histogram.maximum:g}"),
    }


def _value_metadata(layer: LayerRecord) -> Metadata:
    if layer.statistics is None:
        return {}
    if layer.category == "segmentation":
        return {"largest_segment_id": dg.MetadataValue.text(str(layer.largest_segment_id))}
    return {
        "view_range": dg.MetadataValue.text(f"{layer.statistics.minimum} to {layer.statistics.maximum}"),
        "mean": dg.MetadataValue.float(round(layer.statistics.mean, 6)),
    }


def _source_bytes(layer: LayerRecord) -> int:
    return sum(source.size_bytes for source in layer.sources)


def _dtype(layer: LayerRecord) -> str:
    return layer.dtype if layer.channels == 1 else f"{layer.channels} x {layer.dtype}"


def _voxel_size(layer: LayerRecord, mag: MagRecord | None = None) -> str:
    factors = mag.to_mag().to_tuple() if mag is not None else (1, 1, 1)
    edges = (edge * factor for edge, factor in zip(layer.voxel_size.factor, factors, strict=True))
    return " x ".join(f"{edge:g}" for edge in edges) + f" {layer.voxel_size.unit.value}"


def _voxel_size_source(layer: LayerRecord) -> str:
    source = layer.voxel_size_source or "not recorded"
    others = "; ".join(layer.voxel_size_alternatives)
    return f"{source} (disagrees: {others})" if others else source


def _text_columns(*names: str) -> dg.TableSchema:
    return dg.TableSchema(columns=[dg.TableColumn(name, type="string") for name in names])
