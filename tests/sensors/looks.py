"""What a look at an inbox sees, as plain values: instruments, acquisitions, entries."""

from pathlib import Path
from typing import Any

from sensors.cursor import Cursor
from sensors.decision import Decision, Observation, WatchedInstrument, decide
from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.instrument import Instrument
from wk_assets.readers.volume import SourceFile

MARKER = {"rule": "marker", "file": "DONE"}
QUIET = {"rule": "quiet", "seconds": 60}


def instrument(name: str = "scope", finished: dict[str, Any] = MARKER, dataset: str = "{acquisition}") -> Instrument:
    return Instrument.model_validate(
        {
            "name": name,
            "watch": f"/inbox/{name}",
            "finished": finished,
            "dataset": dataset,
            "layers": [{"name": "em", "files": "*.tif"}],
        },
        context={"home": Path("/home")},
    )


def acquisition(
    name: str, *, files: tuple[str, ...] = ("z1.tif", "DONE"), signature: str = "s1", of: str = "scope"
) -> Acquisition:
    folder = Path("/inbox") / of / name
    return Acquisition(
        instrument=of,
        name=name,
        folder=folder,
        files=tuple(SourceFile(path=folder / f, relative_path=f, size_bytes=1, mtime_ns=1) for f in sorted(files)),
        signature=signature,
    )


def entry(
    dataset: str, *, signature: str = "s1", of: str = "scope", name: str | None = None, status: str = "active"
) -> CatalogueEntry:
    return CatalogueEntry.model_validate(
        {
            "dataset": dataset,
            "instrument": of,
            "acquisition": name or dataset,
            "folder": f"inbox/{of}/{name or dataset}",
            "signature": signature,
            "status": status,
            "voxel_size": {"x": 4, "y": 4, "z": 40, "unit": "nanometer", "source": "setting"},
            "layers": [
                {
                    "name": "em",
                    "category": "color",
                    "channels": 1,
                    "dtype": "uint8",
                    "size": (64, 64, 8),
                    "mags": ("1", "2-2-1"),
                    "mode": "median",
                    "files": 8,
                    "source_bytes": 32768,
                    "signature": "l1",
                }
            ],
        }
    )


def see(
    *acquisitions: Acquisition,
    entries: tuple[CatalogueEntry, ...] = (),
    now: float = 0,
    rule: dict[str, Any] = MARKER,
    **more: Any,
) -> Observation:
    watched = WatchedInstrument(instrument=instrument(finished=rule), acquisitions=acquisitions)
    return Observation(now=now, watched=(watched,), entries={one.dataset: one for one in entries}, **more)


def decided(observation: Observation, cursor: Cursor | None = None) -> Decision:
    return decide(cursor or Cursor(), observation)


def names(decision: Decision) -> list[str]:
    return [registration.name.acquisition for registration in decision.registrations]
