"""What wk_assets.yaml says about publishing: the server (`webknossos:`), and per instrument which datasets go there, and how.

Models only: nothing is sent, no environment is read. What is made of them for one dataset is in `publishing_request`.
"""

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from wk_assets.errors import PropertiesError
from wk_assets.facility.mistakes import TOKEN_VARIABLE, is_variable_name
from wk_assets.facility.section import Section, mistake
from wk_assets.properties.view_configuration import DatasetViewConfiguration

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def web_address(url: str | None) -> str | None:
    """Take a bare web address, without the slash at its end. Refuses what may carry a secret, and does not repeat it."""
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            shown = "it" if "@" in url or "?" in url else repr(url)  # what may hold a secret is not repeated
            raise mistake(f"{shown} is not a web address", "Write it whole, like https://webknossos.example.org")
        if parts.username or parts.password or parts.query:
            raise mistake(
                "the address carries a user, password or query",
                f"Write the bare address, and put a token into the environment variable {TOKEN_VARIABLE}",
            )
    return None if url is None else url.rstrip("/")


class WebknossosSettings(Section):
    """The WEBKNOSSOS server on which datasets are published. The token comes from the environment, never from the file."""

    url: str | None = Field(default=None, description="the server's address, e.g. https://webknossos.example.org")
    token_variable: str = Field(
        default=TOKEN_VARIABLE, description="the name of the environment variable that holds the token, e.g. WK_TOKEN"
    )
    mode: Literal["upload", "paths"] = Field(
        default="upload", description="upload (by HTTP), or paths (this machine reaches the server's storage)"
    )
    transfer: Literal["copy", "symlink"] = Field(
        default="copy", description="how files are put in place with mode paths: copy or symlink"
    )
    path_prefix: str | None = Field(
        default=None, min_length=1, description="which of the server's storage paths is used with mode paths"
    )
    link_url: str | None = Field(
        default=None, description="the address that people open, if it is another one than url"
    )
    lineage_url: str | None = Field(
        default=None, description="the address of the Dagster UI for links to the lineage, e.g. http://127.0.0.1:3000"
    )

    _bare = field_validator("link_url", "lineage_url")(web_address)

    @field_validator("url")
    @classmethod
    def _protected(cls, url: str | None) -> str | None:
        bare = web_address(url)
        if bare is not None and urlsplit(bare).scheme == "http" and urlsplit(bare).hostname not in _LOOPBACK:
            raise mistake("the token would travel unencrypted", "Use https (http is allowed to this machine alone)")
        return bare

    @field_validator("token_variable")
    @classmethod
    def _a_variable(cls, name: str) -> str:
        if not is_variable_name(name):  # it may be the token itself, so it is not repeated
            raise mistake(
                "it is not the name of an environment variable",
                f"Write capitals, digits and '_', like {TOKEN_VARIABLE}",
            )
        return name

    @model_validator(mode="after")
    def _paths_only_with_paths(self) -> "WebknossosSettings":
        if self.mode == "upload" and {"transfer", "path_prefix"} & self.model_fields_set:
            raise mistake(
                "'transfer' and 'path_prefix' mean nothing with mode upload", "Remove them, or set mode: paths"
            )
        return self

    def token(self, environment: Mapping[str, str] | None = None) -> str | None:
        """Read the token from the environment; None: it is not set."""
        return (os.environ if environment is None else environment).get(self.token_variable) or None


class _HowToPublish(Section):
    """What may be said for an instrument, and differently for some of its datasets. None: the server's is left as it is."""

    enabled: bool = Field(default=True, description="true or false: whether datasets are published")
    folder: str | None = Field(
        default=None, description="the folder on the server, by names from the root, e.g. raw/em"
    )
    teams: tuple[str, ...] | None = Field(default=None, description="the teams that may see it, e.g. [annotators]")
    tags: tuple[str, ...] = Field(default=(), description="tags, e.g. [lightsheet, mouse]")
    public: bool | None = Field(default=None, description="true: everybody may see it, without a login")
    view: DatasetViewConfiguration | None = Field(
        default=None, description="how it is shown at first, e.g. {zoom: 2, position: [100, 100, 50]}"
    )

    @field_validator("folder")
    @classmethod
    def _names(cls, folder: str | None) -> str | None:
        if folder is not None and not all(name.strip() for name in folder.split("/")):
            raise mistake(f"{folder!r} is not a folder", "Write names with '/' between them, like raw/em")
        return folder

    @field_validator("teams", "tags")
    @classmethod
    def _texts(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if not name.strip():
                raise mistake(f"{name!r} is not a name", "Write a text that is not empty")
        return None if names is None else tuple(dict.fromkeys(names))

    @field_validator("view", mode="before")
    @classmethod
    def _known_view(cls, view: Any) -> Any:
        if not isinstance(view, dict):
            return view
        camel = {re.sub(r"_(\w)", lambda found: found[1].upper(), str(key)): value for key, value in view.items()}
        try:
            read = DatasetViewConfiguration.from_json(camel, source="view")
        except PropertiesError as error:
            raise mistake(f"this view can not be understood ({error})", "Correct the values") from error
        if unknown := sorted(read.unknown):
            known = ", ".join(DatasetViewConfiguration.model_fields)
            raise mistake(f"{', '.join(map(repr, unknown))} is nothing that a view has", f"Known here: {known}")
        return read


class PublishException(_HowToPublish):
    """What is different for some datasets of an instrument. Keys that are not given are those of the instrument."""

    match: str = Field(min_length=1, description="a dataset's name or a pattern, e.g. 'test_*'")


class PublishSettings(_HowToPublish):
    """Whether and how the datasets of an instrument are published. Written `publish: true` where nothing is to be said."""

    datasets: tuple[PublishException, ...] = Field(
        default=(), description="what is different for some datasets, e.g. [{match: 'test_*', enabled: false}]"
    )

    @model_validator(mode="before")
    @classmethod
    def _yes_or_no(cls, section: Any) -> Any:
        return {"enabled": section} if isinstance(section, bool) else section

    @property
    def publishes_any(self) -> bool:
        """Say whether any dataset may be published, be it by an exception."""
        said = (one.enabled for one in self.datasets if "enabled" in one.model_fields_set)
        return self.enabled or any(said)

    def of(self, dataset: str) -> "PublishSettings":
        """Say what holds for one dataset: what the first exception that matches its name says, else what is said here."""
        for exception in self.datasets:
            if fnmatchcase(dataset, exception.match):
                changes = {name: getattr(exception, name) for name in exception.model_fields_set - {"match"}}
                return self.model_copy(update={**changes, "datasets": ()})
        return self.model_copy(update={"datasets": ()})
