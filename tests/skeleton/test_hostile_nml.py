"""Hostile, broken and mutated NML: an NmlError that names file, line and value, never a crash, never much memory."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.skeleton.nml_documents import read
from wk_assets.errors import NmlError, WkAssetsError
from wk_assets.skeleton.nml import read_nml
from wk_assets.skeleton.nml_reader import LONGEST_TOKEN_BYTES
from wk_assets.skeleton.skeleton import Skeleton

HEAD = '<parameters><experiment name="d"/><scale x="1" y="1" z="1"/></parameters>'


def tree(nodes: str, edges: str = "", number: int = 1) -> str:
    return f'<thing id="{number}" name="a">\n<nodes>\n{nodes}</nodes>\n<edges>\n{edges}</edges></thing>'


def node(number: object, **others: object) -> str:
    values = {"x": 0, "y": 0, "z": 0, **others}
    return f'<node id="{number}" ' + " ".join(f'{name}="{value}"' for name, value in values.items()) + "/>\n"


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (tree(node(1) + node(1)), r"line 4.*node.*id=1 is that of another node"),
        (tree(node(1)) + tree(node(1), number=2), r"id=1 is that of another node"),
        (tree(node(-1)), r"line 3.*id=-1 is out of range"),
        (tree(node(2**63)), r"id=9223372036854775808 is out of range"),
        (tree(node("9" * 5000)), r"id='9{77}…' is no integer"),
        (tree(node("1_0")), r"id='1_0' is no integer"),
        (tree(node("\u0661")), r"is no integer"),
        (tree(node(1, x="NaN")), r"line 3.*x='NaN' is no finite number"),
        (tree(node(1) + node(2, y="inf")), r"line 4.*y='inf' is no finite number"),
        (tree(node(1, z="1e999")), r"z='1e999' is no finite number"),
        (tree(node(1, x="1e17")), r"x='1e17' is no finite number up to"),
        (tree(node(1, radius="nan")), r"radius='nan'"),
        (tree(node(1, interpolation="maybe")), r"interpolation='maybe' is neither true nor false"),
        (tree(node(1, time="soon")), r"time='soon' is no integer"),
        (tree(node(1, rotX="1")), r"line 3.*only some of rotX, rotY, rotZ"),
        (tree(node(1, **{"additionalCoordinate-t": "x"})), r"additionalCoordinate-t='x' is no integer"),
        (tree('<node id="1" x="0" y="0"/>'), r"line 3.*has no attribute 'z'"),
        (tree('<node x="0" y="0" z="0"/>'), r"has no attribute 'id'"),
        (tree(node(1), '<edge source="1" target="7"/>'), r"line 6.*source=1 target=7: the tree has no node 7"),
        (tree("", '<edge source="1" target="7"/>'), r"the tree has no node 1"),
        (tree(node(1)) + tree(node(2), '<edge source="2" target="1"/>', 2), r"the tree has no node 1"),
        ('<thing name="a"/>', r"<things/thing>: has no attribute 'id'"),
        ('<thing id="1" color.r="1"/>', r"only some of color.r"),
        ('<thing id="1" color.a="1"/>', r"has color.a, but no"),
        ('<thing id="1"><nodes/><nodes/></thing>', r"has a second <nodes>"),
        ('<comments><comment node="1"/></comments>', r"has no attribute 'content'"),
        ("<comments>text</comments>", r"holds text: 'text'"),
        ('<volume id="0" largestSegmentId="18446744073709551616"/>', r"is out of range"),
        ('<volume id="0"><segments><segment id="-3"/></segments></volume>', r"id=-3 is out of range"),
        ("<groups>" + '<group id="1" name="g">' * 200, r"128 deep"),
        ("<x>" * 200, r"128 deep"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(inside: str, said: str) -> None:
    with pytest.raises(NmlError, match=rf"(?s)^test\.nml(?=, line \d+).*{said}"):
        read(f"<things>{HEAD}{inside}</things>")


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE things [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><things>&b;</things>',
        '<!DOCTYPE things [<!ENTITY x SYSTEM "file:///etc/passwd">]><things><meta name="a" content="&x;"/></things>',
        '<!DOCTYPE things SYSTEM "http://127.0.0.1:1/evil.dtd"><things/>',
    ],
)
def test_a_dtd_is_refused_before_any_entity_is_declared(text: str) -> None:
    with pytest.raises(NmlError, match="declares a document type"):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'<things>{HEAD}<thing id="1"><nodes><node id="1"', "cut off"),
        (f"<things>{HEAD}", r"the file ends inside of <things>"),
        ("", "no element found"),
        ("not xml", "no well-formed XML"),
        ("<html/>", "the outermost element is"),
        ("<things/>", "has no <parameters>"),
        ('<things><parameters><experiment name="d"/></parameters></things>', "no <scale>"),
        (
            '<things><parameters><experiment name="d"/><scale x="0" y="1" z="1"/></parameters></things>',
            "greater than zero",
        ),
        (
            '<things><parameters><experiment name="d"/><scale x="1" y="1" z="1" unit="mug"/></parameters></things>',
            "mug",
        ),
        ('<?xml version="1.0" encoding="klingon"?><things/>', "encoding"),
        ("<things>&undeclared;</things>", "undefined entity"),
        ("<things>\x00</things>", "no well-formed XML"),
    ],
)
def test_what_is_no_nml_is_refused_as_a_whole(text: str, said: str) -> None:
    with pytest.raises(NmlError, match=said):
        read(text)


class EndlessStream(io.RawIOBase):
    """Give a tag that never ends, as a decompressed bomb would."""

    def __init__(self, start: bytes) -> None:
        self.start = start
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        block = self.start + b" " * (size - len(self.start))
        self.start = b""
        self.given += size
        return block


def test_a_tag_that_never_ends_is_refused_when_it_is_longer_than_any() -> None:
    stream = EndlessStream(b"<things ")

    with pytest.raises(NmlError, match="one tag or text is longer than"):
        read_nml(stream)  # type: ignore[arg-type]  # a stream that only reads

    assert stream.given < 2 * LONGEST_TOKEN_BYTES


def test_a_stream_longer_than_allowed_is_not_read_further() -> None:
    stream = EndlessStream(f"<things>{HEAD}".encode())

    with pytest.raises(NmlError, match="is longer than 1000000 bytes"):
        read_nml(stream, max_bytes=1_000_000)  # type: ignore[arg-type]  # a stream that only reads

    assert stream.given < 2_000_000


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """300 MB of blanks pack to 300 kB: a thousand to one, where an NML reaches twenty."""
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.nml", "w") as member:
        member.write(f"<things>{HEAD}".encode())
        for _ in range(70):
            member.write(b" " * (1 << 20))

    with pytest.raises(NmlError, match="is longer than 67108864 bytes"):
        Skeleton.load(bomb)


@pytest.mark.parametrize("names", [(), ("folder/a.nml",), ("a.nml", "b.nml")])
def test_an_archive_without_one_nml_at_its_top_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(name, f"<things>{HEAD}</things>")

    with pytest.raises(NmlError, match=r"a\.zip: holds \d \.nml files at its top level"):
        Skeleton.load(tmp_path / "a.zip")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no")

    with pytest.raises(NmlError, match="can not be unpacked"):
        Skeleton.load(tmp_path / "a.zip")


SAMPLE = (
    f'<things><meta name="a" content="b"/>{HEAD}'
    + tree(node(1, radius="1.0", time=5) + node(2, interpolation="true"), '<edge source="1" target="2"/>')
    + '<branchpoints><branchpoint id="1" time="3"/></branchpoints><comments><comment node="2" content="c"/></comments>'
    '<groups><group id="1" name="g"/></groups><volume id="0"><segments><segment id="5"/></segments></volume></things>'
).encode()


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    text = bytearray(SAMPLE)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text) - 1))
        end = min(len(text), place + draw(st.integers(0, 12)))
        text[place:end] = draw(
            st.sampled_from(
                [b"", b"-", b"9" * 30, b"nan", b"<", b">", b'"', b"\xff", b"&#0;", b"<node ", b"id", b"\x00", b"]]>"]
            )
        )
    return bytes(text)


@settings(max_examples=15, deadline=None)
@given(st.lists(mutants(), min_size=50, max_size=50))
def test_a_mutated_file_is_read_or_refused_and_nothing_else(files: list[bytes]) -> None:
    for content in files:
        with contextlib.suppress(WkAssetsError):
            Skeleton.from_nml(read(content))


def prefixes() -> Iterator[bytes]:
    return (SAMPLE[:length] for length in range(0, len(SAMPLE) - 1, 7))


def test_every_truncated_file_is_refused() -> None:
    for content in prefixes():
        with pytest.raises(NmlError, match=r"^test\.nml, line \d+"):
            read(content)
