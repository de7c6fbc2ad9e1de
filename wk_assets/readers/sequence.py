"""Find out which file of a sequence is which slice, and which slices are missing or there twice.

Names only: no file is opened (see `tiff_sequence`, `image_files`). A number in the names counts the slices; which one
does is never guessed: where two could, the names are refused with a sentence that says how to narrow them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wk_assets.errors import AxesError, MissingSliceError
from wk_assets.readers.natural_order import NumberedName, natural_key, ranges_text, runs_text, take_apart
from wk_assets.readers.volume import BadSlicePolicy, SliceProblem, SourceFile


@dataclass(frozen=True, slots=True)
class Slot:
    """Hold the place of one slice: its file, or the name that was expected and why it is not there."""

    z: int
    name: str
    file: SourceFile | None = None
    problem: SliceProblem | None = None


@dataclass(frozen=True, slots=True)
class _Count:
    """Say which number of the names counts the slices, and its values in file order."""

    position: int
    values: tuple[int, ...]

    @property
    def span(self) -> int:
        return max(self.values) - min(self.values) + 1

    @property
    def step(self) -> int:
        """Give the step between numbers if it is the same everywhere, else 1."""
        steps = {after - before for before, after in pairwise(sorted(self.values))}
        return steps.pop() if len(steps) == 1 else 1

    @property
    def is_sparse(self) -> bool:
        """Tell times and positions from a count: most numbers of the range are not there."""
        return self.span >= 4 * len(self.values)


def arrange_slices(
    files: Sequence[SourceFile], expected_slices: int | None, policy: BadSlicePolicy, *, in_given_order: bool = False
) -> tuple[Slot, ...]:
    """Give one slot per slice, z = 0, 1, …, in the order of the number that counts the slices.

    `in_given_order`: the files are the slices, one after another; names say nothing.

    Raises MissingSliceError for a number that stands twice; for a gap or a count other than `expected_slices`, unless
    `policy` fills; AxesError where no single number counts the slices (several channels, several series in one).
    """
    if in_given_order:
        if expected_slices not in {None, len(files)}:
            raise MissingSliceError(
                f"{files[0].relative_path} …: {len(files)} files, but `expected_slices` is {expected_slices}"
            )
        return tuple(Slot(z, file.relative_path, file) for z, file in enumerate(files))
    files = sorted(files, key=lambda file: natural_key(file.relative_path))
    names = [take_apart(file.relative_path) for file in files]
    if len(files) == 1:
        if expected_slices not in {None, 1}:
            raise MissingSliceError(f"{files[0].relative_path}: one file, but `expected_slices` is {expected_slices}")
        return (Slot(0, files[0].relative_path, files[0]),)
    count = _counting_number(names, expected_slices)
    numbered = dict(sorted(zip(count.values, zip(files, names, strict=True), strict=True)))
    numbers = _slice_numbers(count, files, expected_slices, policy)
    pattern, slots = names[0], []
    for z, number in enumerate(numbers):
        if number in numbered:
            file, pattern = numbered[number]
            slots.append(Slot(z, file.relative_path, file))
        else:
            name = pattern.renumbered(count.position, number)
            problem = SliceProblem(z=z, file=name, reason=f"no file with number {number}", filled_with=policy)
            slots.append(Slot(z, name, problem=problem))
    return tuple(slots)


def _counting_number(names: Sequence[NumberedName], expected_slices: int | None) -> _Count:
    """Pick the number of the names that counts slices, or raise."""
    counts = [_Count(position, tuple(name.numbers[position] for name in names)) for position in _comparable(names)]
    varying = [count for count in counts if len(set(count.values)) > 1]
    unique = [count for count in varying if len(set(count.values)) == len(names)]
    if not unique:
        _raise_twice_or_ambiguous(names, varying)
    narrowest = min(unique, key=lambda count: count.span)
    rivals = [count for count in unique if count.span == narrowest.span and _order(count) != _order(narrowest)]
    groups = [count for count in varying if count not in unique and count.position < narrowest.position]
    if rivals or (groups and expected_slices != len(names)):
        other = (rivals or groups)[0]
        raise AxesError(
            f"{names[0].name} … {names[-1].name}: two numbers in the names change, number {other.position + 1} "
            f"({ranges_text(other.values)}) and number {narrowest.position + 1} ({ranges_text(narrowest.values)}), and "
            f"nothing says that only one of them counts slices. Narrow `files` to one channel, tile or series, or "
            f"confirm with `expected_slices: {len(names)}` that each file is one slice"
        )
    return narrowest


def _comparable(names: Sequence[NumberedName]) -> range:
    """Give the positions of numbers that stand behind the same texts in every name."""
    shortest = min(len(name.digits) for name in names)
    for position in range(shortest):
        if len({name.texts[: position + 1] for name in names}) > 1:
            return range(position)
    return range(shortest)


def _order(count: _Count) -> list[int]:
    return sorted(range(len(count.values)), key=count.values.__getitem__)


def _raise_twice_or_ambiguous(names: Sequence[NumberedName], varying: Sequence[_Count]) -> None:
    wholes = [(name.texts, name.numbers) for name in names]
    twice = [whole for whole, times in Counter(wholes).items() if times > 1]
    if not twice and len(varying) == 1:
        values = varying[0].values
        repeated = min(value for value, times in Counter(values).items() if times > 1)
        pair = [name.name for name, value in zip(names, values, strict=True) if value == repeated]
    elif twice:
        pair = [name.name for name, whole in zip(names, wholes, strict=True) if whole == twice[0]]
    else:
        raise AxesError(
            f"{names[0].name} … {names[-1].name}: no number in the names of these {len(names)} files counts the slices "
            f"alone, so their order would be a guess. Narrow `files` to the numbered slices of one channel of one series"
        )
    raise MissingSliceError(
        f"slice {' and '.join(pair)} stand for the same slice. Remove one of them, or narrow `files`"
    )


def _slice_numbers(
    count: _Count, files: Sequence[SourceFile], expected_slices: int | None, policy: BadSlicePolicy
) -> Sequence[int]:
    """Give the number of every slice, those of missing slices too. Raises MissingSliceError for what is not filled."""
    present = sorted(count.values)
    if expected_slices == len(present) and (count.step > 1 or count.is_sparse):
        return present  # `expected_slices` confirms: the numbers are positions or times, and nothing is missing
    _check_gaps(count, files, expected_slices, policy)
    start, stop = present[0], present[-1] + 1
    if expected_slices is None or count.span == expected_slices:
        return range(start, stop)
    if count.span < expected_slices and policy is not BadSlicePolicy.FAIL and start in {0, 1}:
        return range(start, start + expected_slices)  # counting began at 0 or 1, so it is the end that is missing
    said = f"{len(present)} files, numbered {start} to {stop - 1}, but `expected_slices` is {expected_slices}"
    if count.span > expected_slices:
        raise MissingSliceError(f"{said}: more than there should be. Narrow `files`, or correct `expected_slices`")
    where = f"missing after number {stop - 1}" if start in {0, 1} else "missing before or after them"
    raise MissingSliceError(f"{said}: {expected_slices - count.span} slices are {where}")


def _check_gaps(
    count: _Count, files: Sequence[SourceFile], expected_slices: int | None, policy: BadSlicePolicy
) -> None:
    missing = count.span - len(files)
    if not missing:
        return
    if policy is not BadSlicePolicy.FAIL and (expected_slices == count.span or missing <= len(files)):
        return
    gaps = [(one + 1, other - 1) for one, other in pairwise(sorted(count.values)) if other > one + 1]
    said = f"missing z {runs_text(gaps)} between {files[0].relative_path} and {files[-1].relative_path}"
    hint = ""
    if count.step > 1:
        hint = f"; if the numbers count in steps of {count.step}, say `expected_slices: {len(files)}`"
    elif count.is_sparse:
        hint = f"; if the numbers are times or positions, say `expected_slices: {len(files)}`"
    if policy is not BadSlicePolicy.FAIL:
        raise MissingSliceError(
            f"{said}: more slices are missing than there are files, so none is filled. Narrow `files`, or confirm with "
            f"`expected_slices: {count.span}`{hint}"
        )
    raise MissingSliceError(
        f"{said} ({missing} of {count.span}). Bring the files, or say with `on_bad_slice` how to fill them{hint}"
    )
