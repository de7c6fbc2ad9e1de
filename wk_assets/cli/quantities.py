"""Numbers as people read them: bytes, voxels, seconds. Pure text; machines get the plain numbers (`--json`)."""

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("", "k", "M", "G", "T", "P")


def bytes_text(size_bytes: float) -> str:
    """Write a number of bytes with a binary unit, e.g. '5.0 MiB'."""
    value, unit = _scaled(size_bytes, 1024, _BINARY)
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def voxels_text(voxels: float) -> str:
    """Write a number of voxels, e.g. '3.9 Mvoxel'."""
    value, prefix = _scaled(voxels, 1000, _DECIMAL)
    return f"{value:.0f} voxel" if not prefix else f"{value:.1f} {prefix}voxel"


def seconds_text(seconds: float) -> str:
    """Write a duration, e.g. '0.8 s', '4 min 07 s', '3 h 12 min'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def lengths_text(lengths: tuple[float, ...], unit: str) -> str:
    """Write a voxel size, e.g. '260 x 260 x 290 nanometer'."""
    return f"{' x '.join(f'{length:g}' for length in lengths)} {unit}"


def size_text(size: tuple[int, ...]) -> str:
    """Write a size in voxels, x, y, z, e.g. '256 x 256 x 60'."""
    return " x ".join(map(str, size))


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Write a number with its noun, e.g. '1 layer', '2 layers'."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def _scaled(value: float, base: int, units: tuple[str, ...]) -> tuple[float, str]:
    index = 0
    # 1023.96 KiB would be printed as '1024.0 KiB'
    while value >= base - 0.05 and index < len(units) - 1:
        value /= base
        index += 1
    return value, units[index]
