"""All errors of wk-assets, in one tree; each also is the builtin that it specialises.

    WkAssetsError
    ├── InputError (ValueError)              what a person wrote or asked for is wrong: permanent
    │   ├── ConfigurationError               wk_assets.yaml; carries every problem at once
    │   ├── InvalidNameError                 a dataset or layer name that no server would take
    │   ├── GeometryError                    boxes, mags, voxel sizes that contradict themselves
    │   │   └── UnknownAxisError (KeyError)  an axis that a vector or box does not have
    │   ├── CursorError                      what a sensor remembered, in a form that it does not know
    │   ├── CatalogueError                   an entry that can not be understood, a dataset name with two claims
    │   ├── NotInDatasetError (IndexError)   a layer or mag that a dataset does not have
    │   ├── AlreadyThereError (IndexError)   a layer or mag that a dataset has already
    │   ├── UnknownNameError (KeyError)      a team, folder, task type … that the server does not show under this name
    │   ├── DatasetExistsError (RuntimeError)  a place for a new dataset at which there is something
    │   ├── RemoteLocationError (NotImplementedError)  a URL where only local places can be opened yet
    │   ├── DownsamplingError                a mode, factor or dtype that a kernel can not do
    │   ├── ReadOnlyError (RuntimeError)     a dataset, layer or array that was opened, or can only be, for reading
    │   ├── AnnotationFileError              an .nml or .zip of an annotation that is damaged, hostile, or not one
    │   ├── SkeletonError                    a tree, node or group that is not there, is there already, or can not be
    │   ├── NmlError                         an NML file: the file, the line, the element, the value
    │   ├── SwcError                         an SWC file: the file, the line, the value
    │   └── PropertiesError                  datasource-properties.json, zarr.json
    │       └── InvalidPropertiesError       the file as a whole; carries every problem at once
    ├── SourceError (ValueError)             what a microscope wrote can not be imported: permanent
    │   ├── UnreadableSliceError             truncated, corrupt, of another shape or dtype
    │   ├── MissingSliceError                a gap in the numbering, a duplicate, an empty folder
    │   ├── AxesError                        axes that the file does not name
    │   ├── VoxelSizeError                   nobody says how large a voxel is
    │   ├── WatchFolderError (transient)     a folder that can not be listed: a share that is not mounted
    │   └── SourceChangedError (also Transient)   a file changed while it was read
    ├── StorageError (OSError)
    │   ├── DiskFullError                    needs and has, in bytes: permanent until somebody frees space
    │   ├── TargetNotWritableError
    │   ├── ShardMissingError                the manifest names a shard that is gone: never read as zeros
    │   ├── ShardCorruptError                its size or checksum is another one
    │   └── NotADatasetError (also FileNotFoundError)
    ├── ServerError                          a WEBKNOSSOS server: what was asked, what it answered
    │   ├── NoAnswerError (ConnectionError)  not reached, timed out, cut off: transient
    │   ├── UnexpectedStatusError            any answer that is not what was asked for
    │   │   ├── NotAuthenticatedError (PermissionError)  401: no token, or one that is not valid any more
    │   │   ├── ForbiddenError (PermissionError)         403: the user may not, or the quota is used up
    │   │   ├── NotOnServerError (LookupError)           404: not there, or not for this user
    │   │   ├── RequestRefusedError (ValueError)         400, 409 …: the server says what is wrong with the request
    │   │   └── ServerBusyError                          429, 502, 503, 504: transient
    │   ├── TaskCreationError                some tasks were made and others not, or nobody can work on them
    │   ├── UnsupportedApiVersionError       no version of the API that both sides speak
    │   └── UnexpectedAnswerError            an answer of another form than the API promises
    ├── LockedError (BlockingIOError)        somebody else writes this mag now: transient
    └── PlanError (ValueError)               the plan does not fit the memory or the request

An error says what, where, which value, and what to do. `transient` is decided here, once, by type: only a
transient error is worth an automatic retry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class WkAssetsError(Exception):
    """Be the root of everything that wk-assets raises on purpose."""

    transient: ClassVar[bool] = False


class InputError(WkAssetsError, ValueError):
    """Say that a value given by a person or a program is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Name one mistake: where it stands (a path like `instruments.0.layers.1.files`), what it is, what to do."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


class ConfigurationError(InputError):
    """Carry every problem found in a configuration, not just the first."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        listing = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{source}: {count} {'mistake' if count == 1 else 'mistakes'}\n{listing}")


class InvalidNameError(InputError):
    """Refuse a dataset, layer or mag name that would not survive on disk or on a server."""


class GeometryError(InputError):
    """Refuse a box, mag or voxel size that contradicts itself."""


class UnknownAxisError(GeometryError, KeyError):
    """Name an axis that a vector or box does not have, and those that it has."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would quote the sentence


class CursorError(InputError):
    """Refuse the text of a sensor's cursor that is of another version or form."""


class CatalogueError(InputError):
    """Name the catalogue entry that can not be understood, or the dataset name that two acquisitions claim."""


class NotInDatasetError(InputError, IndexError):
    """Say that a dataset has no such layer, or a layer no such mag, and which there are."""


class AlreadyThereError(InputError, IndexError):
    """Say that a dataset has such a layer, or a layer such a mag, already."""


class UnknownNameError(InputError, KeyError):
    """Name what the server does not show under a name, or shows more than once, and what there is."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would quote the sentence


class DatasetExistsError(InputError, RuntimeError):
    """Say that a new dataset can not be made because something lies there, or that what lies there is another one."""


class RemoteLocationError(InputError, NotImplementedError):
    """Name a location behind a URL that this release can not open."""


class DownsamplingError(InputError):
    """Refuse a mode, factor or dtype that no kernel computes."""


class ReadOnlyError(InputError, RuntimeError):
    """Refuse to change what was opened for reading, or a format that can only be read."""


class SkeletonError(InputError):
    """Name a tree, node or group that a skeleton does not have, has already, or can not hold."""


class NmlError(InputError):
    """Name what an NML file says wrongly: file, line, element, value, and what to do.

    `line` counts from 1; it is None for a model that was never a file. `element` is the path of names, e.g. `thing/nodes/node`.
    """

    def __init__(self, what: str, *, remedy: str, source: str, element: str = "", line: int | None = None) -> None:
        self.what = what
        self.remedy = remedy
        self.source = source
        self.element = element
        self.line = line
        place = source if line is None else f"{source}, line {line}"
        super().__init__(f"{place}{f', <{element}>' if element else ''}: {what}. {remedy}")


class SwcError(InputError):
    """Name the file and line of an SWC file, or the tree, that can not be understood as one."""


class AnnotationFileError(InputError):
    """Name the file of an annotation, the entry in it, and why it is not taken: damaged, hostile, or of another kind."""


class PropertiesError(InputError):
    """Refuse metadata (datasource-properties.json, zarr.json) that does not say what its format demands."""


class InvalidPropertiesError(PropertiesError):
    """Carry every problem found in a file of metadata, not just the first."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        listing = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{source}: {count} {'mistake' if count == 1 else 'mistakes'}\n{listing}")


class SourceError(WkAssetsError, ValueError):
    """Say that what a microscope wrote can not be imported as it is."""


class UnreadableSliceError(SourceError):
    """Name the file of a slice that is truncated, corrupt, or of another shape or dtype than its neighbours."""


class MissingSliceError(SourceError):
    """Name the slices that are missing from a sequence, or stand in it twice."""


class AxesError(SourceError):
    """Name the file whose axes nobody names, and the setting that names them."""


class VoxelSizeError(SourceError):
    """Say that no trustworthy voxel size was found, and how to give one."""


class WatchFolderError(SourceError):
    """Name a folder that can not be listed; its share may come back."""

    transient = True


class SourceChangedError(SourceError):
    """Say that a source file changed while it was read; a later try may find it at rest."""

    transient = True


class StorageError(WkAssetsError, OSError):
    """Say that the place where datasets are kept refuses, or lost, something."""


class DiskFullError(StorageError):
    """Name the path, the bytes needed and the bytes free."""


class TargetNotWritableError(StorageError):
    """Name the place that can not be written, and why."""


class ShardMissingError(StorageError):
    """Name a shard that the manifest promises and the storage does not have."""


class ShardCorruptError(StorageError):
    """Name a shard whose size or checksum is not the one in the manifest."""


class NotADatasetError(StorageError, FileNotFoundError):
    """Say that a location holds no committed dataset."""


class ServerError(WkAssetsError):
    """Say that a WEBKNOSSOS server did not do what was asked."""


class NoAnswerError(ServerError, ConnectionError):
    """Say that no answer came: the server was not reached, took too long, or the connection broke."""

    transient = True


class UnexpectedStatusError(ServerError):
    """Carry what was asked and what was answered: `method`, `route` (no secrets in it), `status`, `messages`."""

    def __init__(self, *, method: str, route: str, status: int, messages: Sequence[str], hint: str = "") -> None:
        self.method = method
        self.route = route
        self.status = status
        self.messages = tuple(messages)
        self.hint = hint
        said = "; ".join(self.messages) or "it says nothing more"
        super().__init__(f"{method} {route} was answered with {status}: {said}{'. ' + hint if hint else ''}")


class NotAuthenticatedError(UnexpectedStatusError, PermissionError):
    """Say that the server does not know the token."""


class ForbiddenError(UnexpectedStatusError, PermissionError):
    """Say that the token's user may not do this."""


class NotOnServerError(UnexpectedStatusError, LookupError):
    """Say that the server has no such thing, or none that this user may see: it does not tell which."""


class RequestRefusedError(UnexpectedStatusError, ValueError):
    """Say what the server found wrong with the request."""


class ServerBusyError(UnexpectedStatusError):
    """Say that the server, or a proxy before it, asks to come back later. `retry_after`: seconds, if it said so."""

    transient = True
    retry_after: float | None = None


_SHOWN = 20  # a request may have a thousand tasks; the text must stay one that people read


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedTask:
    """Name one task that was not made: `number` in what was asked for (from 0), its `key`, and what the server said."""

    number: int
    key: str | None
    message: str

    def __str__(self) -> str:
        return f"task {self.number}{f' ({self.key})' if self.key else ''}: {self.message}"


class TaskCreationError(ServerError):
    """Say task by task what came of a creation that did not go well.

    created: the tasks that are on the server now, by their number in what was asked for.
    refused: those that the server refused, one by one.
    unsure: the numbers of those whose request failed: they may be there or not; `__cause__` is the failure.
    unsent: the numbers of those that were not made: not asked for any more, or in a request that was refused as a whole.
    warnings: what makes the created tasks useless, e.g. that their team may not read the dataset.
    """

    def __init__(
        self,
        *,
        created: Mapping[int, Any],
        refused: Sequence[RefusedTask] = (),
        unsure: Sequence[int] = (),
        unsent: Sequence[int] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        self.created = dict(created)
        self.refused = tuple(refused)
        self.unsure = tuple(unsure)
        self.unsent = tuple(unsent)
        self.warnings = tuple(warnings)
        counts = [f"{len(self.created)} created", f"{len(self.refused)} refused"]
        if self.unsure:
            counts.append(f"{len(self.unsure)} perhaps created, because their request failed")
        if self.unsent:
            counts.append(f"{len(self.unsent)} not made")
        lines = [f"  - {one}" for one in (*self.warnings, *self.refused[:_SHOWN])]
        if len(self.refused) > _SHOWN:
            lines.append(f"  - and {len(self.refused) - _SHOWN} more, see `refused`")
        super().__init__(
            "\n".join([f"Not all tasks can be worked on: {', '.join(counts)}", *lines])
            + "\nLook at the project before asking again: a second request makes a second task"
        )


class UnsupportedApiVersionError(ServerError):
    """Name the versions of the API that the server speaks, and those that this package speaks."""


class UnexpectedAnswerError(ServerError, ValueError):
    """Name the route whose answer has another form than the API promises, and what is wrong with it."""


class LockedError(WkAssetsError, BlockingIOError):
    """Say who else is writing this mag."""

    transient = True


class PlanError(WkAssetsError, ValueError):
    """Say that what was asked can not be done within the memory or the data that there are."""
