"""Which acquisition does a person mean by a folder, and is it whole? Answers of the facility, for `plan` and `ingest`."""

from pathlib import Path

from wk_assets.errors import ConfigurationError, MissingSliceError, Problem
from wk_assets.facility.acquisitions import Acquisition, scan_acquisition, scan_instrument
from wk_assets.facility.configuration import FILE_NAME, Configuration
from wk_assets.facility.finished import Sighting, Verdict, judge
from wk_assets.facility.instrument import Instrument


def acquisition_of(configuration: Configuration, folder: Path, instrument_name: str | None) -> Acquisition:
    """List the folder as an acquisition of its instrument.

    Raises MissingSliceError if it is a watch folder or no folder, ConfigurationError if its instrument is not clear.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise MissingSliceError(f"{folder} is not a folder; give the folder of one acquisition")
    for instrument in configuration.instruments.values():
        if folder.resolve() == instrument.watch.resolve():
            names = ", ".join(acquisition.name for acquisition in scan_instrument(instrument)[:10]) or "none yet"
            raise MissingSliceError(
                f"{folder} is the watch folder of instrument {instrument.name!r}; "
                f"give the folder of one acquisition in it ({names})"
            )
    return scan_acquisition(_instrument_of(configuration, folder, instrument_name), folder)


def verdict_of(configuration: Configuration, acquisition: Acquisition) -> Verdict:
    """Judge whether the acquisition is finished by everything that its rule can see at one look.

    A person who names a folder vouches for quiet time having passed; markers, manifests, counts, logs and temporary
    names are judged as they are.
    """
    rule = configuration.instrument(acquisition.instrument).finished
    long_ago = Sighting(signature=acquisition.signature, since=0.0, scans=1_000_000)
    return judge(rule, acquisition, long_ago, now=1e12)


def require_finished(configuration: Configuration, acquisition: Acquisition) -> None:
    """Raise MissingSliceError if the acquisition is not finished, with the reason and the remedy."""
    verdict = verdict_of(configuration, acquisition)
    if not verdict.finished:
        raise MissingSliceError(
            f"acquisition {acquisition.name!r} in {acquisition.folder} is not finished: {verdict.reason}. "
            "Wait until the instrument is done, or say --unfinished to take it as it is"
        )


def _instrument_of(configuration: Configuration, folder: Path, name: str | None) -> Instrument:
    if name is not None:
        return configuration.instrument(name)
    watchers = [i for i in configuration.instruments.values() if folder.parent.resolve() == i.watch.resolve()]
    if len(watchers) == 1:
        return watchers[0]
    if not watchers and len(configuration.instruments) == 1:
        return next(iter(configuration.instruments.values()))
    which = f"{len(watchers)} instruments watch" if watchers else "no instrument watches"
    known = ", ".join(configuration.instruments)
    raise ConfigurationError(
        str(configuration.home / FILE_NAME),
        [Problem("instruments", f"{which} {folder.parent}", f"Name one with --instrument ({known})")],
    )
