"""`wk-assets status`: is my data there? Every acquisition that is seen, and every dataset that is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wk_assets.cli.options import HomeOption, JsonOption, configuration_of
from wk_assets.cli.quantities import bytes_text, counted
from wk_assets.cli.screen import say, show_json, show_table, warn

if TYPE_CHECKING:
    from wk_assets.facility.acquisitions import Acquisition
    from wk_assets.facility.catalogue_entry import CatalogueEntry
    from wk_assets.facility.configuration import Configuration


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show every acquisition and dataset: what waits, what is registered, what is published."""
    from wk_assets.errors import WkAssetsError
    from wk_assets.facility.acquisitions import scan_instrument
    from wk_assets.facility.catalogue import Catalogue

    configuration = configuration_of(home)
    survey = Catalogue(configuration.catalogue_folder).survey()
    known = {(entry.instrument, entry.acquisition): entry for entry in survey.entries.values()}
    rows, problems = [], [str(problem) for problem in survey.problems]
    for instrument in configuration.instruments.values():
        try:
            acquisitions = scan_instrument(instrument)
        except WkAssetsError as error:
            problems.append(str(error))
            continue
        rows += [_row(configuration, one, known.pop((instrument.name, one.name), None)) for one in acquisitions]
    rows += [_row_of_entry(configuration, entry) for entry in known.values()]
    if as_json:
        show_json({"home": str(configuration.home), "acquisitions": rows, "problems": problems})
        return
    if rows:
        show_table(
            ("acquisition", "instrument", "files", "bytes", "state", "dataset", "layers", "detail"),
            [
                (
                    row["acquisition"],
                    row["instrument"],
                    "" if row["files"] is None else str(row["files"]),
                    "" if row["bytes"] is None else bytes_text(row["bytes"]),
                    row["state"],
                    row["dataset"] or "",
                    ", ".join(row["layers"]),
                    row["detail"],
                )
                for row in rows
            ],
            numbers=("files", "bytes"),
        )
    published = sum(row["published"] for row in rows)
    on_server = sum(row["server_url"] is not None for row in rows)
    there = f", {on_server} of them on a server" if on_server else ""
    say(
        f"{counted(len(rows), 'acquisition')}, {counted(published, 'dataset')} published in "
        f"{configuration.storage_root}{there}"
    )
    for row in rows:
        if row["server_url"] is not None:
            say(f"  {row['dataset']}: {row['server_url']}")
    for problem in problems:
        warn(problem)


def _row(configuration: "Configuration", acquisition: "Acquisition", entry: "CatalogueEntry | None") -> dict[str, Any]:
    from wk_assets.cli.acquisition_folder import verdict_of

    seen = {"files": len(acquisition.files), "bytes": acquisition.size_bytes, "folder": str(acquisition.folder)}
    if entry is None:
        verdict = verdict_of(configuration, acquisition)
        return {
            "acquisition": acquisition.name,
            "instrument": acquisition.instrument,
            "state": "finished" if verdict.finished else "waits",
            "detail": verdict.reason,
            "dataset": None,
            "layers": [],
            "published": False,
            "server_url": None,
            **seen,
        }
    row = _row_of_entry(configuration, entry)
    if entry.signature != acquisition.signature:
        row.update(state="changed", detail="its files are not those that were registered")
    elif row["published"]:
        row["detail"] = ""
    return {**row, **seen}


def _row_of_entry(configuration: "Configuration", entry: "CatalogueEntry") -> dict[str, Any]:
    from wk_assets.facility.publishing import Publications
    from wk_assets.properties.dataset_properties import FILE_NAME

    record = Publications(configuration.publications_folder).get(entry.dataset)
    dataset_path: Path = configuration.storage_root / entry.dataset
    published = (dataset_path / FILE_NAME).is_file()
    archived = "" if entry.active else "archived, "
    return {
        "acquisition": entry.acquisition,
        "instrument": entry.instrument,
        "state": f"{archived}{'published' if published else 'registered'}",
        "detail": "its source is no longer in the watch folder",
        "dataset": entry.dataset,
        "layers": [layer.name for layer in entry.layers],
        "published": published,
        "server_url": None if record is None else record.url,
        "files": None,
        "bytes": None,
        "folder": str(configuration.home / entry.folder),
    }
