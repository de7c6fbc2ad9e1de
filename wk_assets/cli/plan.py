"""`wk-assets plan FOLDER`: what an import would do. Opens headers and samples voxels; moves nothing, writes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.options import HomeOption, InstrumentOption, JsonOption, configuration_of
from wk_assets.cli.quantities import bytes_text, counted, lengths_text
from wk_assets.cli.screen import headline, say, show_json, warn

if TYPE_CHECKING:
    from wk_assets.facility.acquisitions import Acquisition
    from wk_assets.facility.configuration import Configuration
    from wk_assets.facility.ingest import IngestPlan


def plan(
    folder: Annotated[Path, typer.Argument(help="The folder of one acquisition.")],
    home: HomeOption = None,
    instrument: InstrumentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what an import would do: files, bytes, shards, mags, peak memory, time. Moves nothing."""
    from wk_assets.cli.acquisition_folder import acquisition_of

    configuration = configuration_of(home)
    acquisition = acquisition_of(configuration, folder, instrument)
    show_plan(configuration, acquisition, as_json=as_json)


def show_plan(configuration: "Configuration", acquisition: "Acquisition", *, as_json: bool) -> None:
    """Plan the import of an acquisition and print the plan."""
    from wk_assets.cli.acquisition_folder import verdict_of
    from wk_assets.cli.plan_report import layer_documents, show_layers, total_document
    from wk_assets.facility.catalogue import Catalogue
    from wk_assets.facility.ingest import plan_ingest
    from wk_assets.facility.naming import dataset_name
    from wk_assets.facility.registration import describe
    from wk_assets.operations.layers.chunk_sample import ChunkSampler

    settings = configuration.instrument(acquisition.instrument)
    known = Catalogue(configuration.catalogue_folder).find(acquisition.instrument, acquisition.name)
    name = (
        dataset_name(settings.dataset, instrument=acquisition.instrument, acquisition=acquisition.name)
        if known is None
        else known.dataset
    )
    sampler = ChunkSampler(configuration.compute().threads)
    entry = describe(configuration, acquisition, name, known=known, sampler=sampler)
    planned = plan_ingest(configuration, entry, configuration.compute()).estimated(configuration.compute(), sampler)
    verdict = verdict_of(configuration, acquisition)
    campaigns = [campaign.name for campaign in configuration.campaign_list if campaign.dataset == entry.dataset]
    if as_json:
        show_json(
            {
                **_heading(configuration, acquisition, planned),
                "finished": verdict.finished,
                "reason": verdict.reason,
                **total_document(planned.layers),
                "needed_bytes": planned.needed_bytes,
                "free_bytes": planned.free_bytes,
                "layers": layer_documents(planned.layers),
                "campaigns": campaigns,
            }
        )
        return
    headline(f"{acquisition.name} ({acquisition.instrument}) -> {configuration.storage_root / entry.dataset}")
    size = entry.voxel_size
    say(f"source: {counted(len(acquisition.files), 'file')}, {bytes_text(acquisition.size_bytes)}")
    say(f"voxel size: {lengths_text((size.x, size.y, size.z), size.unit)} ({size.source})")
    for other in entry.voxel_size_alternatives:
        warn(f"the voxel size {lengths_text((other.x, other.y, other.z), other.unit)} ({other.source}) is not used")
    if not verdict.finished:
        warn(f"not finished: {verdict.reason}")
    show_layers(planned.layers)
    say(f"disk: {bytes_text(planned.needed_bytes)} are asked for, {bytes_text(planned.free_bytes)} are free")
    for campaign in campaigns:
        say(f"campaign {campaign}: 'wk-assets tasks plan {campaign}' shows its tasks before they exist")


def _heading(configuration: "Configuration", acquisition: "Acquisition", planned: "IngestPlan") -> dict[str, Any]:
    entry = planned.entry
    return {
        "acquisition": acquisition.name,
        "instrument": acquisition.instrument,
        "folder": str(acquisition.folder),
        "dataset": entry.dataset,
        "dataset_path": str(configuration.storage_root / entry.dataset),
        "files": len(acquisition.files),
        "bytes": acquisition.size_bytes,
        "voxel_size": entry.voxel_size.model_dump(mode="json"),
        "voxel_size_alternatives": [other.model_dump(mode="json") for other in entry.voxel_size_alternatives],
    }
