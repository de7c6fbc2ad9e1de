"""The files of annotations: what a task starts from, what comes in, what goes out. Source: `formats` §3, `webknossos-server` §1.6.

Reads of a file only what the server needs (dataset, boxes, position, which layers there are) and keeps its bytes as they are.
"""

import io
import zipfile
from dataclasses import dataclass
from typing import Any

from lxml import etree

from wk_assets.standin.replies import Refusal
from wk_assets.standin.world import ORGANIZATION, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Hold an annotation's file, and what the server reads from it. `box`: as in the API, None if there is none."""

    name: str
    body: bytes
    dataset_id: str | None
    dataset_name: str
    annotation_name: str
    description: str
    edit_position: tuple[int, int, int]
    edit_rotation: tuple[float, float, float]
    box: dict[str, Any] | None
    layers: tuple[dict[str, str], ...]

    @property
    def has_volume(self) -> bool:
        """Whether there is a volume layer."""
        return any(layer["typ"] == "Volume" for layer in self.layers)


def read_contents(name: str, body: bytes) -> Contents:
    """Look into an NML file or a zip with one. Refuses what is neither, and hostile XML."""
    nml = nml_of(name, body)
    try:
        root = etree.fromstring(nml, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise Refusal(f"The NML file {name} can not be parsed.", chain=str(error)) from error
    if root.tag != "things":
        raise Refusal(f"The NML file {name} has no <things>.")
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refusal(f"The NML file {name} declares a document type.")
    experiment = root.find("parameters/experiment")
    attributes = dict(experiment.attrib) if experiment is not None else {}
    position, rotation = root.find("parameters/editPosition"), root.find("parameters/editRotation")
    layers = [{"typ": "Skeleton", "name": "Skeleton"}]
    layers += [{"typ": "Volume", "name": one.get("name") or "Volume"} for one in root.findall("volume")]
    return Contents(
        name=name,
        body=body,
        dataset_id=_text(attributes.get("datasetId")),
        dataset_name=_text(attributes.get("name")) or "",
        annotation_name=name.rsplit("/", 1)[-1].rsplit(".", 1)[0],
        description=_text(attributes.get("description")) or "",
        edit_position=_vector(position, ("x", "y", "z"), int),
        edit_rotation=_vector(rotation, ("xRot", "yRot", "zRot"), float),
        box=_box(root.find("parameters/taskBoundingBox")),
        layers=tuple(layers if root.find("thing") is not None or len(layers) == 1 else layers[1:]),
    )


def nml_of(name: str, body: bytes) -> bytes:
    """Return the NML of an annotation's file, bare or in a zip."""
    if not zipfile.is_zipfile(io.BytesIO(body)):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        found = [entry for entry in archive.namelist() if _is_nml(entry)]
        if len(found) != 1:
            raise Refusal(f"The zip {name} holds {len(found)} NML files at its top; one is due.")
        return archive.read(found[0])


def _text(value: str | bytes | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def _vector(element: Any, names: tuple[str, str, str], kind: type) -> Any:
    if element is None:
        return tuple(kind(0) for _ in names)
    return tuple(kind(float(element.get(name, "0"))) for name in names)


def _box(element: Any) -> dict[str, Any] | None:
    if element is None:
        return None
    corner = [int(float(element.get(f"topLeft{axis}"))) for axis in "XYZ"]
    size = {name: int(float(element.get(name))) for name in ("width", "height", "depth")}
    return {"topLeft": corner, **size} if all(size.values()) else None


def empty_nml(
    world: World,
    dataset: dict[str, Any],
    *,
    position: list[int],
    rotation: list[float],
    box: dict[str, Any] | None,
    volume_layers: list[str],
    description: str = "",
) -> bytes:
    """Return the NML of an annotation that nobody has worked on yet."""
    scale = (dataset["source"] or {}).get("scale") or {"factor": [1, 1, 1], "unit": "nanometer"}
    things = etree.Element("things")
    parameters = etree.SubElement(things, "parameters")
    etree.SubElement(
        parameters,
        "experiment",
        name=dataset["name"],
        description=description,
        organization=ORGANIZATION,
        datasetId=dataset["id"],
        wkUrl=world.base_url,
    )
    _add(parameters, "scale", dict(zip("xyz", scale["factor"], strict=True)) | {"unit": scale["unit"]})
    _add(parameters, "offset", {"x": 0, "y": 0, "z": 0})
    _add(parameters, "time", {"ms": world.now()})
    _add(parameters, "editPosition", dict(zip("xyz", position, strict=True)))
    _add(parameters, "editRotation", dict(zip(("xRot", "yRot", "zRot"), rotation, strict=True)))
    _add(parameters, "zoomLevel", {"zoom": 1.0})
    if box is not None:
        corner = {f"topLeft{axis}": value for axis, value in zip("XYZ", box["topLeft"], strict=True)}
        _add(parameters, "taskBoundingBox", corner | {key: box[key] for key in ("width", "height", "depth")})
    for name in ("branchpoints", "comments", "groups"):
        etree.SubElement(things, name)
    for number, layer in enumerate(volume_layers):
        _add(things, "volume", {"id": number, "name": layer, "format": "zarr3"})
    return bytes(etree.tostring(things, xml_declaration=True, encoding="utf-8", pretty_print=True))


def _add(parent: Any, name: str, attributes: dict[str, Any]) -> None:
    etree.SubElement(parent, name, {key: str(value) for key, value in attributes.items()})


def without_volume_data(contents_name: str, body: bytes) -> tuple[str, bytes]:
    """Return the NML alone of a file."""
    return contents_name.rsplit(".", 1)[0] + ".nml", nml_of(contents_name, body)


def as_downloaded(body: bytes, *, told: dict[str, str], experiment: dict[str, str]) -> bytes:
    """Return a file as the server gives it out: with `meta` elements and attributes of `experiment` that say what it is."""
    if not zipfile.is_zipfile(io.BytesIO(body)):
        return _told(body, told, experiment)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return zipped(
            [
                (entry, _told(archive.read(entry), told, experiment) if _is_nml(entry) else archive.read(entry))
                for entry in archive.namelist()
            ]
        )


def _is_nml(entry: str) -> bool:
    return entry.endswith(".nml") and "/" not in entry


def _told(nml: bytes, told: dict[str, str], experiment: dict[str, str]) -> bytes:
    root = etree.fromstring(nml, etree.XMLParser(resolve_entities=False, no_network=True))
    known = root.find("parameters/experiment")
    if known is not None:
        for key, value in experiment.items():
            known.set(key, value)
    for meta in root.findall("meta"):
        if str(meta.get("name")) in told:
            root.remove(meta)
    for position, (key, value) in enumerate(told.items()):
        root.insert(position, etree.Element("meta", {"name": key, "content": value}))
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def zipped(files: list[tuple[str, bytes]]) -> bytes:
    """Return a zip of several files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files:
            archive.writestr(zipfile.ZipInfo(name), body)
    return buffer.getvalue()
