"""Numbers with commas between them, as people type them: shapes, pairs, ranges. Pure text."""

from wk_assets.errors import InputError
from wk_assets.geometry.vec3_int import Vec3Int


def shape_of(text: str | None, option: str) -> Vec3Int | None:
    """Read x,y,z, or one number for all three; None stays None. Raises InputError, naming the option."""
    return None if text is None else needed_shape_of(text, option)


def needed_shape_of(text: str, option: str) -> Vec3Int:
    """Read x,y,z, or one number for all three. Raises InputError, naming the option."""
    numbers = _integers(text, option, "x,y,z like 256,256,64, or one number")
    if len(numbers) not in {1, 3} or min(numbers) < 1:
        raise InputError(f"{option} {text!r}: write x,y,z like 256,256,64, or one number, each at least 1")
    return Vec3Int.full(numbers[0]) if len(numbers) == 1 else Vec3Int(numbers)


def pair_of(text: str | None, option: str) -> tuple[int, int] | None:
    """Read x,y; None stays None. Raises InputError, naming the option."""
    if text is None:
        return None
    numbers = _integers(text, option, "x,y like 4,4")
    if len(numbers) != 2:
        raise InputError(f"{option} {text!r}: write x,y like 4,4")
    return numbers[0], numbers[1]


def axes_of(text: str | None, option: str) -> str:
    """Read axes like `x,z` or `xz` as "xz"; None is none. Raises InputError, naming the option."""
    letters = (text or "").replace(",", "").replace(" ", "").lower()
    if set(letters) - set("xyz") or len(set(letters)) != len(letters):
        raise InputError(f"{option} {text!r}: write axes out of x, y, z once each, like z or x,z")
    return letters


def range_of(text: str | None, option: str) -> tuple[float, float] | None:
    """Read low,high; None stays None. Raises InputError, naming the option."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"{option} {text!r}: write low,high like 0.2,0.8") from error
    return low, high


def _integers(text: str, option: str, example: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} {text!r} is not whole numbers; write {example}") from error
