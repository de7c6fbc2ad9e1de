"""The whole of wk_assets.yaml as one frozen value, and the door through which it is read.

Paths in the file start at the file's folder, the *home*. Three values may be overridden by the environment:
`WK_ASSETS_STORAGE_ROOT`, `WK_ASSETS_THREADS`, `WK_ASSETS_MEMORY`. Secrets never stand in the file: the token is read
from the environment (`WK_TOKEN`) where it is used. Nothing is created on disk and no folder is looked at (see `preflight`).
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator

from wk_assets.errors import ConfigurationError, Problem
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_mistakes import campaign_mistakes
from wk_assets.facility.instrument import Instrument
from wk_assets.facility.mistakes import Located, collisions, secrets, sentences
from wk_assets.facility.publishing_settings import WebknossosSettings, web_address
from wk_assets.facility.section import HomePath, Section, SizeBytes, format_size, mistake
from wk_assets.facility.yaml_document import YamlDocument, read_yaml
from wk_assets.operations.compute import GIBIBYTE, Compute
from wk_assets.storage.array_layout import Layout

FILE_NAME = "wk_assets.yaml"
CONFIG_VARIABLE = "WK_ASSETS_CONFIG"
OVERRIDES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "WK_ASSETS_STORAGE_ROOT": ("storage", "root"),
        "WK_ASSETS_THREADS": ("compute", "threads"),
        "WK_ASSETS_MEMORY": ("compute", "memory"),
    }
)
SMALLEST_MEMORY_BYTES = 256 << 20


class StorageSettings(Section):
    """Where datasets are kept."""

    root: HomePath = Field(default=Path("datasets"), description="the folder of the datasets, e.g. datasets")
    layout: Layout = Field(default=Layout.OME, description="ome (WEBKNOSSOS and OME-Zarr at once) or webknossos")
    minimum_free: SizeBytes = Field(default=5 * GIBIBYTE, description="what must stay free on the disk, e.g. '5 GiB'")


class ComputeSettings(Section):
    """How much of the machine an import may use."""

    threads: int | None = Field(default=None, description="auto (every core), or a number, e.g. 4")
    memory: SizeBytes = Field(
        default=GIBIBYTE, description="peak memory of the whole process, at least '256 MiB', e.g. '1 GiB'"
    )

    @field_validator("threads", mode="before")
    @classmethod
    def _auto_or_number(cls, threads: Any) -> Any:
        if threads in ("auto", None):
            return None
        number = int(threads) if isinstance(threads, str) and threads.strip().isdecimal() else threads
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 1024:
            raise mistake(f"{threads!r} is not a number of threads", "Write auto, or a whole number from 1 to 1024")
        return number

    @field_validator("memory")
    @classmethod
    def _enough_to_work(cls, memory: int) -> int:
        if memory < SMALLEST_MEMORY_BYTES:
            raise mistake(
                f"{format_size(memory)} is too little memory", f"Give at least {format_size(SMALLEST_MEMORY_BYTES)}"
            )
        return memory


class PreviewSettings(Section):
    """Where preview pictures are served from, so that the Dagster UI can show them."""

    url: str | None = Field(
        default=None, description="the address at which <home>/previews is served, e.g. http://127.0.0.1:3071"
    )

    _bare = field_validator("url")(web_address)


class Configuration(Section):
    """Everything that a facility configured. Build it with `load_configuration` or `parse_configuration`."""

    version: Literal[1] = Field(description="the version of this file's format: 1")
    storage: StorageSettings = Field(default_factory=dict, validate_default=True, description="e.g. {root: datasets}")
    compute_settings: ComputeSettings = Field(
        default_factory=dict, validate_default=True, alias="compute", description="e.g. {threads: auto, memory: 1 GiB}"
    )
    previews: PreviewSettings = Field(default_factory=dict, validate_default=True, description="e.g. {url: null}")
    webknossos: WebknossosSettings = Field(
        default_factory=dict, validate_default=True, description="e.g. {url: https://webknossos.example.org}"
    )
    instrument_list: tuple[Instrument, ...] = Field(
        alias="instruments", min_length=1, description="at least one instrument, starting with '- name: lightsheet'"
    )
    campaign_list: tuple[Campaign, ...] = Field(
        default=(), alias="campaigns", description="a list of campaigns, starting with '- name: nuclei-seeds'"
    )
    _home: Path = PrivateAttr(default=Path())

    def model_post_init(self, context: Any, /) -> None:
        """Remember the home that the paths were resolved against."""
        self._home = (context or {}).get("home", Path.cwd())

    @property
    def home(self) -> Path:
        """Give the absolute folder of the file."""
        return self._home

    @property
    def storage_root(self) -> Path:
        """Give the absolute folder in which datasets lie."""
        return self.storage.root

    @property
    def catalogue_folder(self) -> Path:
        """Give the folder of the catalogue's entries."""
        return self.home / "catalogue"

    @property
    def publications_folder(self) -> Path:
        """Give the folder of what is on a server."""
        return self.home / "publications"

    @property
    def previews_folder(self) -> Path:
        """Give the folder of the preview pictures."""
        return self.home / "previews"

    @property
    def dagster_home(self) -> Path:
        """Give the folder in which Dagster keeps its state."""
        return self.home / "dagster"

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Give the instruments by name, in the file's order."""
        return MappingProxyType({instrument.name: instrument for instrument in self.instrument_list})

    def instrument(self, name: str) -> Instrument:
        """Find an instrument. Raises ConfigurationError naming those that there are."""
        try:
            return self.instruments[name]
        except KeyError:
            known = ", ".join(self.instruments)
            raise ConfigurationError(
                str(self.home / FILE_NAME),
                [
                    Problem(
                        "instruments",
                        f"there is no instrument {name!r}",
                        f"There are: {known}. Add it to the file, or correct the name",
                    )
                ],
            ) from None

    @property
    def campaigns(self) -> Mapping[str, Campaign]:
        """Give the campaigns by name, in the file's order."""
        return MappingProxyType({campaign.name: campaign for campaign in self.campaign_list})

    def campaign(self, name: str) -> Campaign:
        """Find a campaign. Raises ConfigurationError naming those that there are."""
        try:
            return self.campaigns[name]
        except KeyError:
            known = ", ".join(self.campaigns) or "none"
            problem = Problem(
                "campaigns",
                f"there is no campaign {name!r}",
                f"There are: {known}. Add it to the file, or correct the name",
            )
            raise ConfigurationError(str(self.home / FILE_NAME), [problem]) from None

    def compute(self) -> Compute:
        """Build the compute value that operations take."""
        threads = self.compute_settings.threads
        count = Compute.of_this_machine().threads if threads is None else threads
        return Compute(threads=count, memory_bytes=self.compute_settings.memory)


def configuration_path(environment: Mapping[str, str] | None = None) -> Path:
    """Say which file to read: the environment variable WK_ASSETS_CONFIG, else ./wk_assets.yaml."""
    return Path((os.environ if environment is None else environment).get(CONFIG_VARIABLE) or FILE_NAME).absolute()


def load_configuration(path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """Read and check wk_assets.yaml (`path`: the file, or the folder that holds it).

    Raises ConfigurationError with all mistakes: each with its path in the file, its line, the wrong value, the remedy.
    """
    file = path / FILE_NAME if path.is_dir() else path
    return _validated(read_yaml(file), file.absolute().parent, os.environ if environment is None else environment)


def parse_configuration(
    document: Mapping[str, Any], home: Path, source: str = "settings", environment: Mapping[str, str] | None = None
) -> Configuration:
    """Check settings that come from a program (the command line's `convert`) instead of a file.

    `environment` None: nothing is overridden. Raises ConfigurationError like `load_configuration`.
    """
    return _validated(YamlDocument(source=source, content=dict(document)), home.absolute(), environment or {})


def _validated(given: YamlDocument, home: Path, environment: Mapping[str, str]) -> Configuration:
    overridden = {place: name for name, place in OVERRIDES.items() if environment.get(name)}
    document = given.with_overrides({place: environment[name] for place, name in overridden.items()})
    content = {} if document.content is None else document.content
    located: list[Located] = []
    configuration: Configuration | None = None
    if isinstance(content, dict):
        located += [*secrets(content), *collisions(content, home), *campaign_mistakes(content)]
    known = {path for path, _ in located}  # a secret is a secret first, and an unknown key second
    try:
        configuration = Configuration.model_validate(content, context={"home": home})
    except ValidationError as error:
        located += [found for found in sentences(error, Configuration, content) if found[0] not in known]
    if configuration is not None and not located and not document.problems:
        return configuration
    ours = [
        replace(problem, where=f"environment variable {overridden[path]}")
        for path, problem in located
        if path in overridden
    ]
    in_file = document.numbered([found for found in located if found[0] not in overridden])
    raise ConfigurationError(document.source, [*ours, *document.problems, *in_file])
