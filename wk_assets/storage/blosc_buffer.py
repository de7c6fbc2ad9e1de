"""What can be told of a blosc buffer without decoding it."""

_BLOSC_HEADER_BYTES = 16


def check_blosc(data: bytes) -> None:
    """Raise ValueError for a buffer that was cut off: c-blosc believes its header, and would read on behind the end.

    Source: the header of c-blosc 1, whose last four bytes are the length of the buffer.
    """
    said = int.from_bytes(data[12:16], "little") if len(data) >= _BLOSC_HEADER_BYTES else None
    if said != len(data):
        raise ValueError(f"blosc data of {len(data)} bytes, its header says {said}")
