"""The protobuf message that describes one agglomerate of a proofreading annotation: bytes to arrays. Asks nobody.

AgglomerateGraph: segments = 1 (int64, repeated), edges = 2 (AgglomerateEdge, repeated), positions = 3 (Vec3IntProto,
repeated), affinities = 4 (float, repeated); AgglomerateEdge: source = 1, target = 2 (int64); Vec3IntProto: x, y, z = 1, 2, 3
(int32). Repeated numbers may be packed or not. Source: the server's AgglomerateGraph.proto, geometry.proto.
"""

import struct
from collections.abc import Iterator

import numpy as np

from wk_assets.errors import UnexpectedAnswerError
from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraphData

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def parse_agglomerate_graph(message: bytes) -> AgglomerateGraphData:
    """Read a message. Raises UnexpectedAnswerError if it is cut off, not such a message, or contradicts itself."""
    segments: list[int] = []
    edges: list[tuple[int, int]] = []
    positions: list[tuple[int, int, int]] = []
    affinities: list[float] = []
    for field, value in _fields(message):
        if field == 1:
            segments.extend(_numbers(value))
        elif field == 2:
            source, target = _record(value, 2)
            edges.append((source, target))
        elif field == 3:
            x, y, z = _record(value, 3)
            positions.append((x, y, z))
        elif field == 4:
            affinities.extend(_floats(value))
    if not (len(segments) == len(positions) and len(edges) == len(affinities)):
        raise UnexpectedAnswerError(
            f"the agglomerate has {len(segments)} segments with {len(positions)} positions, and {len(edges)} edges with "
            f"{len(affinities)} affinities; the server's answer contradicts itself"
        )
    if any(segment < 1 for segment in segments) or not set().union(*edges) <= set(segments):
        raise UnexpectedAnswerError(
            "the agglomerate has an edge to a segment that is not in it, or a segment id below 1"
        )
    return AgglomerateGraphData(
        segments=np.array(segments, np.uint64),
        positions=np.array(positions, np.int64).reshape(-1, 3),
        edges=np.array(edges, np.uint64).reshape(-1, 2),
        affinities=np.array(affinities, np.float32),
    )


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field; text, messages and packed numbers as bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield tag >> 3, _signed(value)
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise UnexpectedAnswerError(f"byte {place} of the agglomerate's message: wire type {kind} is unknown")
        if place + length > len(message):
            raise UnexpectedAnswerError(f"the agglomerate's message ends at byte {len(message)} within a field")
        yield tag >> 3, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    found = 0
    for shift in range(_LONGEST_VARINT):
        if place + shift >= len(message):
            raise UnexpectedAnswerError(f"the agglomerate's message ends at byte {len(message)} within a number")
        byte = message[place + shift]
        found |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return found, place + shift + 1
    raise UnexpectedAnswerError(f"byte {place} of the agglomerate's message begins no number")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _numbers(value: int | bytes) -> Iterator[int]:
    if isinstance(value, int):
        yield value
        return
    place = 0
    while place < len(value):
        number, place = _varint(value, place)
        yield _signed(number)


def _floats(value: int | bytes) -> tuple[float, ...]:
    if isinstance(value, int) or len(value) % 4:
        raise UnexpectedAnswerError("an affinity of the agglomerate is no number of 32 bits")
    return struct.unpack(f"<{len(value) // 4}f", value)


def _record(value: int | bytes, count: int) -> list[int]:
    """Read a message of numbers, fields 1 to `count`."""
    if isinstance(value, int):
        raise UnexpectedAnswerError("an edge or position of the agglomerate is a number, not a message")
    found = {field: part for field, part in _fields(value) if isinstance(part, int)}
    if set(found) != set(range(1, count + 1)):
        raise UnexpectedAnswerError(
            f"an edge or position of the agglomerate has fields {sorted(found)}, not 1 to {count}"
        )
    return [found[field] for field in range(1, count + 1)]
