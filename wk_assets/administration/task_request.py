"""Ask a server for many tasks: in requests of a size that it takes, with the outcome of each task.

The server has no key by which it would know a request again, so none is ever sent twice; what a failed one did nobody
knows. A `creation_info` of one's own, which comes back with the task, is how to find out (`tasks.Task.create_missing`).
Source: the server's rules for `POST /tasks` and `POST /tasks/createFromFiles`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from wk_assets.client.task_models import ApiCreatedTask, ApiTask, ApiTaskCreationResult, ApiTaskParameters
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import RefusedTask, ServerError, TaskCreationError

T = TypeVar("T")

# How many tasks a request may hold, by tracing type; of a type that is not known here the smallest.
TASKS_PER_REQUEST: Mapping[str | None, int] = {"skeleton": 1000, "volume": 100, "hybrid": 100}
SMALLEST_REQUEST = 100
# The server keeps no more than a gigabyte of one request's files.
FILE_BYTES_PER_REQUEST = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold one request: the numbers of its tasks in what was asked for, their keys, and how to send it."""

    numbers: tuple[int, ...]
    keys: tuple[str | None, ...]
    send: Callable[[], ApiTaskCreationResult]


@dataclass(slots=True)
class _Outcome:
    created: dict[int, ApiTask] = field(default_factory=dict)
    refused: list[RefusedTask] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, request: Request, result: ApiTaskCreationResult) -> tuple[int, ...]:
        """Note what came of a request; returns the numbers of the tasks of which the server says nothing."""
        self.warnings += [warning for warning in result.warnings if warning not in self.warnings]
        open_numbers = dict(zip(request.numbers, request.keys, strict=True))
        for number, one in _numbered(open_numbers, result):
            key = open_numbers.pop(number)
            if one.success is not None:
                self.created[number] = one.success
            else:
                said = one.error or f"the server answered with status {one.status} and no reason"
                self.refused.append(RefusedTask(number=number, key=key, message=said))
        return tuple(open_numbers)


def _numbered(asked: Mapping[int, str | None], result: ApiTaskCreationResult) -> list[tuple[int, ApiCreatedTask]]:
    """Say which task each outcome is of: by the key that comes back with it, else by its place.

    Nothing promises that tasks of files come back in the order of the files.
    """
    by_key = {key: number for number, key in asked.items() if key}
    matched: dict[int, ApiCreatedTask] = {}
    others: list[ApiCreatedTask] = []
    for one in result.tasks:
        number = by_key.pop((one.success.creation_info if one.success else None) or "", None)
        if number is None:
            others.append(one)
        else:
            matched[number] = one
    rest = [number for number in asked if number not in matched]
    return [*matched.items(), *zip(rest, others, strict=False)]


def send_requests(requests: Sequence[Request]) -> dict[int, ApiTask]:
    """Send each request once and return the tasks by their numbers.

    A task that is refused hinders no other. A request that fails, and one whose tasks nobody will be able to open (a warning
    of the server), end the sending. Raises TaskCreationError for each of these; it says task by task what came of it. Raises
    ServerError alone if the server refuses the first request as a whole: then nothing was made.
    """
    outcome = _Outcome()
    for place, request in enumerate(requests):
        unsent = [number for later in requests[place + 1 :] for number in later.numbers]
        try:
            result = request.send()
        except ServerError as error:
            if not _did_nothing(error):
                raise _error(outcome, request.numbers, unsent) from error
            if not outcome.created and not outcome.refused:
                raise
            raise _error(outcome, (), [*request.numbers, *unsent]) from error
        unsure = outcome.add(request, result)
        if unsure or outcome.warnings:
            raise _error(outcome, unsure, unsent)
    if outcome.refused:
        raise _error(outcome, (), ())
    return outcome.created


def _did_nothing(error: ServerError) -> bool:
    """Say whether the server refused a request as a whole, so that the refusal alone tells everything."""
    status = getattr(error, "status", None)
    return status is not None and 400 <= status < 500


def _error(outcome: _Outcome, unsure: Sequence[int], unsent: Sequence[int]) -> TaskCreationError:
    return TaskCreationError(
        created=outcome.created, refused=outcome.refused, unsure=unsure, unsent=unsent, warnings=outcome.warnings
    )


def task_requests(client: WkApiClient, wanted: Mapping[int, ApiTaskParameters]) -> list[Request]:
    """Divide numbered tasks into requests: each of one task type and one dataset, as the server demands, and not too large.

    Raises NotOnServerError for a task type that is not there.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for number, one in wanted.items():
        groups.setdefault((one.task_type_id, one.dataset_id), []).append(number)
    limits = {type_id: request_size(client, type_id) for type_id, _ in groups}
    return [
        Request(
            numbers=tuple(numbers),
            keys=tuple(wanted[number].creation_info for number in numbers),
            send=_sender(client, [wanted[number] for number in numbers]),
        )
        for (type_id, _), group in groups.items()
        for numbers in _cut(group, limits[type_id])
    ]


def _sender(client: WkApiClient, tasks: list[ApiTaskParameters]) -> Callable[[], ApiTaskCreationResult]:
    return lambda: client.tasks_create(task_parameters=tasks)


def request_size(client: WkApiClient, task_type_id: str) -> int:
    """Return how many tasks of a type one request may ask for. Raises NotOnServerError."""
    tracing_type = client.get_task_type(task_type_id=task_type_id).tracing_type
    return TASKS_PER_REQUEST.get(tracing_type, SMALLEST_REQUEST)


def _cut(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]


def file_groups(files: Sequence[tuple[str, bytes]], most: int) -> Iterator[list[int]]:
    """Divide files into requests of at most `most` files and half a gigabyte; a larger file goes alone."""
    group: list[int] = []
    size_bytes = 0
    for number, (_, body) in enumerate(files):
        if group and (len(group) == most or size_bytes + len(body) > FILE_BYTES_PER_REQUEST):
            yield group
            group, size_bytes = [], 0
        group.append(number)
        size_bytes += len(body)
    if group:
        yield group
