"""A parser for NML: events of expat become frames, rows of columns, and at last the model.

expat gives one event after the other and keeps nothing, so memory is that of the model. A DTD is refused where it
starts: no entity is ever declared, none resolved, no address opened. What each element means is in `nml_elements`.
"""

from bisect import bisect_right
from dataclasses import replace
from typing import IO, Any, Final
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import NmlError
from wk_assets.skeleton.nml_checks import check_edges, check_node_ids, check_rotations
from wk_assets.skeleton.nml_columns import Edges, Extra, Nodes
from wk_assets.skeleton.nml_elements import CHILDREN, MAKERS, REPEATED, document
from wk_assets.skeleton.nml_frame import DEEPEST_ELEMENT, Frame, shortened
from wk_assets.skeleton.nml_model import Nml, Tree
from wk_assets.skeleton.nml_rows import edge_rows, node_rows
from wk_assets.skeleton.nml_unknown import UnknownElement, XmlComment

_BLOCK_BYTES: Final = 1 << 18
LONGEST_TOKEN_BYTES: Final = 1 << 22
"""expat holds a tag, with its attributes, in memory until it ends, and before version 2.6 scans it anew for each block."""


class NmlReader:
    """Read one document; `source` names it in errors, `max_bytes` refuses a longer one."""

    def __init__(self, source: str, max_bytes: int | None = None) -> None:
        self._source = source
        self._max_bytes = max_bytes
        self._open: list[Frame] = []
        self._unknown: list[tuple[str, dict[str, str], list[Any]]] = []
        self._root: Frame | None = None
        self._outside: list[UnknownElement | XmlComment] = []
        self._nodes = node_rows()
        self._edges = edge_rows()
        self._rows = self._nodes
        self._row_tag: str | None = None
        """The element that is a row where the parser is: `node` in `nodes`, `edge` in `edges`, else None."""
        self._in_row = False
        self._trees: list[tuple[Tree, int, int]] = []
        self._starts = (0, 0)
        self._parser = self._new_parser()

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self._comment
        return parser

    def read(self, stream: IO[bytes]) -> Nml:
        """Read a stream to its end; see `nml.read_nml` for what is raised."""
        fed = 0
        while True:
            block = stream.read(_BLOCK_BYTES)
            fed += len(block)
            if self._max_bytes is not None and fed > self._max_bytes:
                raise self._error(f"is longer than {self._max_bytes} bytes", "Allow more bytes if it is to be trusted.")
            self._parse(block)
            if not block:
                break
            if fed - self._parser.CurrentByteIndex > LONGEST_TOKEN_BYTES:
                raise self._error(
                    f"one tag or text is longer than {LONGEST_TOKEN_BYTES} bytes", "No NML is written like this."
                )
        return self._document()

    def _parse(self, block: bytes) -> None:
        try:
            self._parser.Parse(block, not block)
        except expat.ExpatError as error:
            unfinished = not block and bool(self._open)
            raise NmlError(
                f"is no well-formed XML: {expat.ErrorString(error.code)}"
                + (f" (the file ends inside of <{self._open[-1].path}>)" if unfinished else ""),
                remedy="The file may be cut off: fetch it again." if unfinished else "Write the file anew.",
                source=self._source,
                line=error.lineno,
            ) from error
        except NmlError:
            raise
        except (LookupError, ValueError) as error:
            if self._open:
                raise
            raise self._error(f"has an encoding that is not known ({error})", "Write the file in UTF-8.") from error

    def _error(self, what: str, remedy: str) -> NmlError:
        element = self._open[-1].path if self._open else ""
        line = self._parser.CurrentLineNumber
        return NmlError(what, remedy=remedy, source=self._source, element=element, line=line)

    # Events

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise self._error(
            f"declares a document type ({shortened(name)})",
            "NML has none: it could only hide entities that grow, or read other files. Remove the declaration.",
        )

    def _start(self, tag: str, attributes: list[str]) -> None:
        if tag == self._row_tag and not self._in_row:
            self._in_row = True
            rows = self._rows
            rows.waiting.append(attributes)
            rows.waiting_lines.append(self._parser.CurrentLineNumber)
            return
        if len(self._open) + len(self._unknown) >= DEEPEST_ELEMENT:
            raise self._error(f"elements stand in one another {DEEPEST_ELEMENT} deep", "Nest fewer groups.")
        pairs = iter(attributes)
        named = dict(zip(pairs, pairs, strict=True))
        if not self._open:
            if tag != "things":
                raise self._error(f"the outermost element is <{shortened(tag)}>", "That of an NML is <things>.")
        elif self._unknown or self._in_row or tag not in CHILDREN.get(self._open[-1].tag, ()):
            self._unknown.append((tag, named, []))
            return
        self._open_known(tag, named)

    def _open_known(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None and tag not in REPEATED and tag in parent.found:
            raise self._error(f"has a second <{tag}>", "Put the contents of both into one.")
        self._open.append(Frame(self._source, tag, attributes, self._parser.CurrentLineNumber, parent))
        if tag == "nodes":
            self._rows, self._row_tag = self._nodes, "node"
        elif tag == "edges":
            self._rows, self._row_tag = self._edges, "edge"
        elif tag == "thing":
            self._starts = (len(self._nodes), len(self._edges))

    def _end(self, tag: str) -> None:
        if self._unknown:
            self._close_unknown()
            return
        if self._in_row:
            self._in_row = False
            if self._rows.full():
                self._rows.settle(self._open[-1])
            return
        frame = self._open.pop()
        if self._row_tag is not None:  # this was `nodes` or `edges`
            self._row_tag = None
        made: Any = MAKERS[tag](frame) if tag in MAKERS else frame
        if tag == "thing":
            self._settle(frame)
            self._trees.append((made, *self._starts))
        elif frame.parent is None:
            self._settle(frame)
            self._root = frame
        else:
            frame.parent.found.setdefault(tag, []).append(made)

    def _settle(self, frame: Frame) -> None:
        """Turn waiting rows into numbers where there are many, or at the end: small trees wait for one another."""
        for rows, tag in ((self._nodes, "nodes"), (self._edges, "edges")):
            if rows.full() or frame.parent is None:
                rows.settle(Frame(self._source, f"things/thing/{tag}", {}, frame.line))

    def _close_unknown(self) -> None:
        tag, attributes, content = self._unknown.pop()
        element = UnknownElement(tag=tag, attributes=tuple(attributes.items()), content=tuple(content))
        self._keep(element)

    def _keep(self, found: UnknownElement | XmlComment) -> None:
        """Keep what is unknown at the element around it."""
        if self._unknown:
            self._unknown[-1][2].append(found)
        elif self._in_row:
            self._rows.children.setdefault(len(self._rows) - 1, []).append(found)
        else:
            (self._open[-1].rest if self._open else self._outside).append(found)

    def _comment(self, text: str) -> None:
        self._keep(XmlComment(text))

    def _text(self, text: str) -> None:
        if self._unknown:
            content = self._unknown[-1][2]
            if content and isinstance(content[-1], str):
                content[-1] += text
            else:
                content.append(text)
        elif not text.isspace():
            raise self._error(
                f"holds text: {shortened(text.strip())}", "NML has values in attributes only: remove the text."
            )

    # The end

    def _document(self) -> Nml:
        if self._root is None:  # expat refuses a document without root before
            raise self._error("has no element", "An NML holds <things>.")
        root = self._root
        root.rest.extend(self._outside)
        return document(root, tuple(self._finished_trees(root)))

    def _finished_trees(self, root: Frame) -> list[Tree]:
        nodes, edges = self._nodes, self._edges
        columns = Nodes(
            ids=nodes.column("id"),
            positions=nodes.column("x", "y", "z"),
            radii=nodes.column("radius"),
            rotations=nodes.column("rotX", "rotY", "rotZ"),
            in_vp=nodes.column("inVp"),
            in_mag=nodes.column("inMag"),
            bit_depth=nodes.column("bitDepth"),
            interpolation=nodes.column("interpolation"),
            time=nodes.column("time"),
        )
        lines, edge_lines = nodes.column("line"), edges.column("line")
        pairs = edges.column("source", "target")
        node_ends = np.array([*(start for _, start, _ in self._trees[1:]), len(columns)])
        edge_ends = np.array([*(start for _, _, start in self._trees[1:]), len(pairs)])
        thing = Frame(root.source, "thing", {}, root.line, root)
        check_rotations(thing, columns.rotations, lines)
        order = check_node_ids(thing, columns.ids, lines)
        check_edges(thing, pairs, edge_lines, columns.ids[order], order, node_ends, edge_ends)
        return _cut(self._trees, columns, pairs, nodes.all_extras(), edges.all_extras())


def _cut(
    trees: list[tuple[Tree, int, int]],
    nodes: Nodes,
    pairs: NDArray[np.int64],
    node_extras: dict[int, Extra],
    edge_extras: dict[int, Extra],
) -> list[Tree]:
    """Give each tree its part of the columns, as views."""
    bounds = [(start, edge) for _, start, edge in trees] + [(len(nodes), len(pairs))]
    own_extras = _split_extras(node_extras, [start for start, _ in bounds])
    own_edge_extras = _split_extras(edge_extras, [start for _, start in bounds])
    return [
        replace(
            tree,
            nodes=nodes.part(first, last, own_extras.get(number, {})),
            edges=Edges(pairs=pairs[first_edge:last_edge], extras=own_edge_extras.get(number, {})),
        )
        for number, ((tree, first, first_edge), (last, last_edge)) in enumerate(zip(trees, bounds[1:], strict=True))
    ]


def _split_extras(extras: dict[int, Extra], starts: list[int]) -> dict[int, dict[int, Extra]]:
    """Give the extras by tree, and by row of that tree; `starts` where the rows of each tree start."""
    split: dict[int, dict[int, Extra]] = {}
    for row in sorted(extras):
        tree = bisect_right(starts, row) - 1
        split.setdefault(tree, {})[row - starts[tree]] = extras[row]
    return split
