"""The six ways in which an instrument says that an acquisition is finished, as a person configures them.

Models only; the judgement is in `finished`. Source: ecosystem survey, "How acquisitions say 'finished'".
"""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from wk_assets.facility.section import Pattern, Section, mistake

TEMPORARY_PATTERNS = (
    "*.part",
    "*.partial",
    "*.tmp",
    "*.temp",
    "*.filepart",
    "*.crdownload",
    "*downloading",
    f".*.{'[A-Za-z0-9]' * 6}",
)
"""Names that copying programs give to files that are not whole yet (the last one: rsync)."""

_SETTLE = "how long nothing may have changed, in seconds, seen in two equal scans, e.g. 30"


class MarkerRule(Section):
    """Finished when a marker file exists: one for the folder (`DONE`), or one per image (`{name}.keep`, `{stem}.ok`)."""

    rule: Literal["marker"]
    file: str = Field(
        min_length=1, description="the marker's name, e.g. DONE, or with {name} or {stem} one per image: '{name}.keep'"
    )
    images: Pattern = Field(default="**/*", description="which files need a marker of their own, a glob like '*.tif'")

    @field_validator("file")
    @classmethod
    def _known_placeholders(cls, file: str) -> str:
        for name in re.findall(r"\{([^{}]*)\}", file):
            if name not in ("name", "stem"):
                raise mistake(f"unknown placeholder {{{name}}} in {file!r}", "Use {name} (image.tif) or {stem} (image)")
        if file.startswith("/") or ".." in file.split("/"):
            raise mistake(f"{file!r} leaves the acquisition's folder", "Write a name inside of the folder, like DONE")
        return file

    @property
    def per_image(self) -> bool:
        """Say whether every image has a marker of its own."""
        return "{" in self.file


class ManifestRule(Section):
    """Finished when all files that a manifest names are there (with their sizes, where it says them), and at rest."""

    rule: Literal["manifest"]
    file: Pattern = Field(
        description="the manifest, a glob like 'manifest*.yml'; .json and .yml are parsed, else one name a line"
    )
    key: str = Field(
        default="files",
        min_length=1,
        description="where the list of names stands in a JSON or YAML manifest, e.g. 'run.files'",
    )
    settle_seconds: float = Field(default=30, ge=0, allow_inf_nan=False, description=_SETTLE)


class ExpectedCountRule(Section):
    """Finished when as many files as expected are there, each with its companions, and at rest."""

    rule: Literal["expected_count"]
    count: int | None = Field(default=None, ge=1, description="how many files make an acquisition, e.g. 500")
    count_file: Pattern | None = Field(
        default=None, description="a JSON or YAML file of the acquisition that holds the number, e.g. run.json"
    )
    count_key: str | None = Field(
        default=None, description="where the number (or the list to count) stands in count_file, e.g. 'fovs'"
    )
    files: Pattern = Field(default="**/*", description="which files are counted, a glob like '*.tif'")
    companions: tuple[str, ...] = Field(
        default=(), description="suffixes that must exist beside every counted file, e.g. ['.json']"
    )
    settle_seconds: float = Field(default=30, ge=0, allow_inf_nan=False, description=_SETTLE)

    @model_validator(mode="after")
    def _one_source_of_the_number(self) -> "ExpectedCountRule":
        if (self.count is None) == (self.count_file is None):
            raise mistake(
                "exactly one of 'count' and 'count_file' must be given",
                "Write 'count: 500', or 'count_file: run.json' with 'count_key'",
            )
        if (self.count_file is None) != (self.count_key is None):
            raise mistake(
                "'count_file' and 'count_key' belong together",
                "Give both, like 'count_file: run.json' and 'count_key: fovs'",
            )
        return self


class LogRule(Section):
    """Finished when an append-only log says so, and every file that it names is there."""

    rule: Literal["log"]
    file: Pattern = Field(
        description="the log, a glob like 'meta/logs/imagelist_*.txt'; several are read in natural order"
    )
    end: str | None = Field(
        default=None,
        description="a regular expression of the line that ends the acquisition, e.g. 'ACQUISITION COMPLETE'",
    )
    item: str | None = Field(
        default=None,
        description=r"a regular expression of the line of a finished slice; a group named file names its file, e.g. '^(?P<file>[^;]+);'",
    )
    count: int | None = Field(default=None, ge=1, description="how many lines must match 'item', e.g. 500")

    @field_validator("end", "item")
    @classmethod
    def _compiles(cls, expression: str | None) -> str | None:
        try:
            re.compile(expression or "")
        except re.error as error:
            raise mistake(
                f"{expression!r} is not a regular expression ({error})",
                "Correct it, or escape special characters with a backslash",
            ) from error
        return expression

    @model_validator(mode="after")
    def _ends(self) -> "LogRule":
        if self.end is None and self.count is None:
            raise mistake(
                "the log would never end", "Give 'end' (the last line) or 'count' (how many lines match 'item')"
            )
        if self.count is not None and self.item is None:
            raise mistake(
                "'count' has nothing to count", "Give 'item', the regular expression of a finished slice's line"
            )
        return self


class QuietRule(Section):
    """Finished when nothing changed for a while, in two equal scans. The last resort."""

    rule: Literal["quiet"]
    seconds: float = Field(
        default=60, ge=1, allow_inf_nan=False, description="how long nothing may have changed, e.g. 60"
    )


class RenameRule(Section):
    """Finished when files (or the whole folder) have lost their temporary name.

    `of: folder`: the folder itself is renamed when all is written, so it is finished as soon as it is seen.
    `of: files`: each file is; between two files nothing temporary may be there, so a settle time is needed too.
    """

    rule: Literal["rename"]
    of: Literal["files", "folder"] = Field(default="files", description="what is renamed into place: files or folder")
    temporary: tuple[Pattern, ...] = Field(
        default=TEMPORARY_PATTERNS, min_length=1, description="temporary names, globs like '*.part'"
    )
    settle_seconds: float = Field(default=60, ge=0, allow_inf_nan=False, description=_SETTLE)


FinishRule = Annotated[
    MarkerRule | ManifestRule | ExpectedCountRule | LogRule | QuietRule | RenameRule, Field(discriminator="rule")
]
"""One of the six rules, told apart by its key `rule`."""


def spoken_file(rule: FinishRule) -> str | None:
    """Give the pattern of the files whose text a rule needs (manifest, log, run file), None if it needs none."""
    if isinstance(rule, ManifestRule | LogRule):
        return rule.file
    return rule.count_file if isinstance(rule, ExpectedCountRule) else None
