"""The message that describes an agglomerate: numbers packed or not, cut off or not."""

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wk_assets.annotation.agglomerate_message import parse_agglomerate_graph
from wk_assets.errors import UnexpectedAnswerError

IDS = st.lists(st.integers(1, 2**63 - 1), min_size=2, max_size=6, unique=True)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def message(field: int, body: bytes) -> bytes:
    return bytes([field << 3 | 2]) + varint(len(body)) + body


def record(field: int, *numbers: int) -> bytes:
    return message(field, b"".join(bytes([place << 3]) + varint(number) for place, number in enumerate(numbers, 1)))


def graph(ids: list[int], *, packed: bool) -> bytes:
    segments = b"".join(map(varint, ids))
    affinities = struct.pack(f"<{len(ids) - 1}f", *(0.5 for _ in ids[1:]))
    whole = message(1, segments) if packed else b"".join(b"\x08" + varint(one) for one in ids)
    whole += b"".join(record(2, one, other) for one, other in itertools.pairwise(ids))
    whole += b"".join(record(3, number, -number, 7) for number, _ in enumerate(ids))
    unpacked = b"".join(b"\x25" + affinities[place : place + 4] for place in range(0, len(affinities), 4))
    return whole + (message(4, affinities) if packed else unpacked)


@settings(max_examples=25, deadline=None)
@given(ids=IDS, packed=st.booleans())
def test_what_was_written_is_read(ids: list[int], packed: bool) -> None:
    found = parse_agglomerate_graph(graph(ids, packed=packed))

    assert found.segments.tolist() == ids
    assert found.edges.tolist() == [list(pair) for pair in itertools.pairwise(ids)]
    assert found.positions.tolist() == [[number, -number, 7] for number, _ in enumerate(ids)]
    assert np.array_equal(found.affinities, np.full(len(ids) - 1, 0.5, np.float32))


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(1, 60), changed=st.tuples(st.integers(0, 60), st.integers(0, 255)))
def test_a_damaged_message_is_refused_or_is_whole(cut: int, changed: tuple[int, int]) -> None:
    body = bytearray(graph([3, 4, 5], packed=False))
    body[changed[0] % len(body)] = changed[1]
    try:
        found = parse_agglomerate_graph(bytes(body[: max(1, len(body) - cut + 30)]))
    except UnexpectedAnswerError:
        return
    assert set(found.edges.ravel().tolist()) <= set(found.segments.tolist())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x08", "within a number"),
        (b"\x0a\x05\x01", "within a field"),
        (b"\x0b", "wire type 3"),
        (b"\x08" + b"\xff" * 11, "begins no number"),
        (record(1, 3), "contradicts itself"),
        (message(1, varint(3)) + record(3, 1, 2), r"has fields \[1, 2\], not 1 to 3"),
        (message(1, varint(3)) + record(3, 1, 2, 3) + record(2, 3, 4) + message(4, bytes(4)), "not in it"),
        (message(4, b"123"), "no number of 32 bits"),
    ],
)
def test_what_is_no_such_message_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=reason):
        parse_agglomerate_graph(body)


def test_an_empty_message_is_an_empty_agglomerate() -> None:
    assert parse_agglomerate_graph(b"").segments.size == 0
