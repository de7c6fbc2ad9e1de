"""Agglomerates as the stores tell of them: which there are, and one of them as a graph. Nobody proofreads here: graphs are those
of the file. Source of the message: the server's AgglomerateGraph.proto (segments 1, edges 2, positions 3, affinities 4).
"""  # noqa: D205

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from wk_assets.properties.layer_properties import AttachmentDataFormat
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.dataset_store import Dataset, absolute_layer, stored_dataset
from wk_assets.standin.painted import annotation_of_tracing
from wk_assets.standin.replies import Refusal, not_found
from wk_assets.standin.voxels import opened
from wk_assets.storage.agglomerate_file import AgglomerateArrays, read_agglomerates, read_segment_to_agglomerate

routes = Routes()
_VARINT, _LENGTH, _FIXED32 = 0, 2, 5


def _files(dataset: Dataset, layer_name: str) -> dict[str, tuple[Path, AttachmentDataFormat]]:
    attachments = absolute_layer(dataset, layer_name).get("attachments") or {}
    return {
        one["name"]: (Path(one["path"].removeprefix("file://")), AttachmentDataFormat(one["dataFormat"]))
        for one in attachments.get("agglomerates") or []
    }


def _file(dataset: Dataset, layer_name: str, name: str) -> tuple[Path, AttachmentDataFormat]:
    found = _files(dataset, layer_name)
    if name not in found:
        raise not_found("Agglomerate file", name)
    return found[name]


def mapping_of(dataset: Dataset, layer_name: str, name: str) -> NDArray[np.uint64]:
    """Return of each segment id which agglomerate it belongs to."""
    return read_segment_to_agglomerate(*_file(dataset, layer_name, name))


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1  # negative numbers are written as 64 bits
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _numbers(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | _LENGTH) + _varint(len(body)) + body


def _float(field: int, value: Any) -> bytes:
    return _varint(field << 3 | _FIXED32) + struct.pack("<f", value)


def graph_message(arrays: AgglomerateArrays, agglomerate_id: int) -> bytes:
    """Return one agglomerate as a protobuf message. Refuses an id that the file does not have."""
    count = len(arrays.agglomerate_to_segments_offsets) - 1
    if not 1 <= agglomerate_id < count:
        raise not_found("Agglomerate", agglomerate_id)
    start, stop = map(int, arrays.agglomerate_to_segments_offsets[agglomerate_id : agglomerate_id + 2])
    first, last = map(int, arrays.agglomerate_to_edges_offsets[agglomerate_id : agglomerate_id + 2])
    segments = [int(one) for one in arrays.agglomerate_to_segments[start:stop]]
    edges = arrays.agglomerate_to_edges[first:last].tolist()
    return b"".join(
        [
            *(_numbers(1, segment) for segment in segments),
            *(_message(2, _numbers(1, segments[one]) + _numbers(2, segments[other])) for one, other in edges),
            *(
                _message(3, b"".join(_numbers(axis, value) for axis, value in enumerate(position, 1)))
                for position in arrays.agglomerate_to_positions[start:stop].tolist()
            ),
            *(_float(4, value) for value in arrays.agglomerate_to_affinities[first:last]),
        ]
    )


def _graph(dataset: Dataset, layer_name: str, mapping: str, agglomerate_id: str) -> Response:
    if not agglomerate_id.isdigit():
        raise Refusal(f"Cannot parse parameter agglomerateId as Long: For input string: {agglomerate_id!r}")
    message = graph_message(read_agglomerates(*_file(dataset, layer_name, mapping)), int(agglomerate_id))
    return Response(message, media_type="application/x-protobuf")


@routes.on("data", "GET", "/datasets/:id/layers/:layer/agglomerates", secured=False)
def agglomerate_files(call: Call) -> Any:
    """List the agglomerate files of a layer."""
    return list(_files(opened(call, call.parts["id"]), call.parts["layer"]))


@routes.on(
    "data", "GET", "/datasets/:id/layers/:layer/agglomerates/:mapping/agglomerateGraph/:agglomerate", secured=False
)
def graph_of_layer(call: Call) -> Any:
    """Give one agglomerate of a layer as a graph."""
    dataset = opened(call, call.parts["id"])
    return _graph(dataset, call.parts["layer"], call.parts["mapping"], call.parts["agglomerate"])


@routes.on("tracings", "GET", "/mapping/:tracing/agglomerateGraph/:agglomerate", secured=False)
def graph_of_tracing(call: Call) -> Any:
    """Give one agglomerate as a graph, of the mapping that a volume layer names."""
    annotation, painted = annotation_of_tracing(call, call.parts["tracing"])
    if painted.mapping is None or painted.fallback is None:
        raise Refusal("The annotation has no editable mapping.")
    dataset = stored_dataset(call.world, annotation["dataset"])
    return _graph(dataset, painted.fallback, painted.mapping, call.parts["agglomerate"])
