"""What was brought home of a campaign: one folder per annotation, and how far the campaign's tasks are.

    <folder>/tasks.json                       what the last look at the tasks saw
    <folder>/annotations/<id>/record.json     which version of an annotation counts, and what was found in it
    <folder>/annotations/<id>/v<version>/…    its files: written whole before the record names them

Reads and writes these files alone; what an annotation holds is in `wk_assets.annotation`, what follows from it in `follow_up`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wk_assets.errors import CatalogueError, Problem
from wk_assets.facility.campaign import SERVER_ID, Campaign
from wk_assets.facility.follow_up import Finding, FinishedAnnotation
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.durable import write_atomically

CAMPAIGNS_FOLDER = ".campaigns"
_REMEDY = "Remove the file: the annotation is brought home again at the next full look"
_Stored = TypeVar("_Stored", bound=BaseModel)


class Verdict(StrEnum):
    """Say what became of an annotation: it counts, its annotator has it again, or it was cancelled."""

    ACCEPTED = "accepted"
    SENT_BACK = "sent back"
    WITHDRAWN = "withdrawn"


class KeptFinding(BaseModel):
    """Hold one thing that a check found; `position`: a voxel of mag 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: str
    what: str
    position: tuple[int, int, int] | None = None


class SkeletonFigures(BaseModel):
    """Hold how far two skeletons agree, shares from 0 to 1; the formulas are in `operations.annotations.skeleton_agreement`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    distance_nm: float
    node_f1: float
    path_f1: float
    splits: int
    merges: int

    @property
    def figure(self) -> float:
        """Say it in one number, the smaller share: marks without a path agree in nodes alone, long edges in paths."""
        return min(self.node_f1, self.path_f1)


class KeptAnnotation(BaseModel):
    """Describe an annotation as it was brought home.

    modified: milliseconds since 1970, when it was finished; version: the pinned state; worked_millis: time spent on it;
    position: of its task, a voxel of mag 1; box: of its task, x, y, z, width, height, depth in mag-1 voxels.
    volume_agreement (0 to 1), skeleton_agreement: by the id of another annotation of the same place; agreement: the smaller
    of both, which rules about follow-ups and the choice of results go by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    annotation_id: str = Field(pattern=SERVER_ID.pattern)
    campaign: str
    dataset_id: str
    task_id: str
    task_key: str
    author_id: str
    author: str
    verdict: Verdict
    modified: int
    version: int
    worked_millis: int = 0
    position: tuple[int, int, int] = (0, 0, 0)
    box: tuple[int, int, int, int, int, int] | None = None
    findings: tuple[KeptFinding, ...] = ()
    agreement: Mapping[str, float] = Field(default_factory=dict)
    volume_agreement: Mapping[str, float] = Field(default_factory=dict)
    skeleton_agreement: Mapping[str, SkeletonFigures] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    nodes: int = 0
    trees: int = 0
    segments: int = 0

    @property
    def task_box(self) -> BoundingBox | None:
        """Give the box of the task."""
        return None if self.box is None else BoundingBox.from_tuple6(self.box)

    def as_finished(self) -> FinishedAnnotation:
        """Say what rules about follow-ups ask for."""
        return FinishedAnnotation(
            annotation_id=self.annotation_id,
            modified=self.modified,
            task_id=self.task_id,
            task_key=self.task_key,
            author_id=self.author_id,
            dataset_id=self.dataset_id,
            position=Vec3Int(self.position),
            box=self.task_box,
            findings=tuple(
                Finding(
                    check=one.check, what=one.what, position=None if one.position is None else Vec3Int(one.position)
                )
                for one in self.findings
            ),
            agreement=dict(self.agreement),
        )


class KeptTasks(BaseModel):
    """Say how far a campaign was at the last look. Counts are of instances; `made_from`: what the look started from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    project_id: str
    project_name: str
    made_from: str
    tasks: int
    pending: int
    active: int
    finished: int

    @property
    def open_instances(self) -> int:
        """Number of instances that nobody has finished."""
        return self.pending + self.active


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that is home of a campaign: records by annotation id, and what is wrong with the other files."""

    annotations: Mapping[str, KeptAnnotation]
    problems: tuple[Problem, ...] = ()

    @property
    def accepted(self) -> tuple[KeptAnnotation, ...]:
        """List what counts, by annotation id."""
        return tuple(one for one in self.annotations.values() if one.verdict is Verdict.ACCEPTED)


class KeptAnnotations:
    """The folder of one campaign. Cheap to build, keeps nothing in memory; safe to use from several processes."""

    def __init__(self, storage_root: Path, dataset: str, campaign: str) -> None:
        self.folder = storage_root / CAMPAIGNS_FOLDER / dataset / campaign

    def version_folder(self, annotation_id: str, version: int) -> Path:
        """Say where the files of one version of an annotation lie."""
        return self.folder / "annotations" / annotation_id / f"v{version}"

    def file(self, kept: KeptAnnotation, name: str) -> Path:
        """Say where one of an annotation's files lies."""
        return self.version_folder(kept.annotation_id, kept.version) / name

    def get(self, annotation_id: str) -> KeptAnnotation | None:
        """Read the record of an annotation; None: it was never brought home. Raises CatalogueError."""
        return _read(self._record(annotation_id), KeptAnnotation)

    def put(self, record: KeptAnnotation) -> bool:
        """Write a record atomically; say whether anything changed."""
        return write_atomically(self._record(record.annotation_id), _bytes(record))

    def tasks(self) -> KeptTasks | None:
        """Read what the last look at the tasks saw; None: nobody looked. Raises CatalogueError."""
        return _read(self.folder / "tasks.json", KeptTasks)

    def put_tasks(self, record: KeptTasks) -> bool:
        """Write down what a look at the tasks saw."""
        return write_atomically(self.folder / "tasks.json", _bytes(record))

    def survey(self) -> Survey:
        """Read every record, and collect what is wrong instead of raising."""
        found: dict[str, KeptAnnotation] = {}
        problems: list[Problem] = []
        for file in sorted((self.folder / "annotations").glob("*/record.json")):
            try:
                record = _read(file, KeptAnnotation)
            except CatalogueError as error:
                problems.append(Problem(str(file), str(error).removeprefix(f"{file}: "), _REMEDY))
            else:
                if record is not None:
                    found[record.annotation_id] = record
        return Survey(found, tuple(problems))

    def _record(self, annotation_id: str) -> Path:
        return self.folder / "annotations" / annotation_id / "record.json"


def made_from(campaign: Campaign, published: str, annotations: Iterable[KeptAnnotation]) -> str:
    """Return a digest of all that decides about a campaign's tasks: its settings, the published content, what is home."""
    parts = [settings_text(campaign), published]
    parts += sorted(f"{one.annotation_id}@{one.modified} v{one.version} {one.verdict}" for one in annotations)
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def settings_text(campaign: Campaign) -> str:
    """Write a campaign's settings, the same for the same settings."""
    # `warnings`: a mapping that can not be changed is written like any other, and pydantic would wonder each time
    return campaign.model_dump_json(
        fallback=lambda value: dict(value) if isinstance(value, Mapping) else str(value), warnings=False
    )


def _bytes(record: BaseModel) -> bytes:
    return (record.model_dump_json(indent=2) + "\n").encode()


def _read(file: Path, form: type[_Stored]) -> _Stored | None:
    try:
        return form.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CatalogueError(f"{file}: it can not be read ({error.strerror}). {_REMEDY}") from error
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise CatalogueError(f"{file}: {'; '.join(found[:5])}. {_REMEDY}") from error
