"""The pages that a person sees who follows a link to the stand-in: a dataset with pictures of its layers, and what this is."""

import html
import io
from typing import Any

import numpy as np
from PIL import Image
from starlette.responses import HTMLResponse, Response

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.dataset_store import stored_dataset
from wk_assets.standin.replies import not_found
from wk_assets.standin.voxels import layer_array, layer_properties, whole_channels

routes = Routes()
_LARGEST_PICTURE = 512
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}
figure{display:inline-block;margin:0 1rem 1rem 0;vertical-align:top}img{max-width:28rem;image-rendering:pixelated;
border:1px solid #ccc}figcaption{color:#555}.note{background:#fff6d6;padding:.5rem 1rem;border-left:4px solid #e0b000}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd}"""
_NOTE = (
    "This is a stand-in for a WEBKNOSSOS server, made for demos and tests: it keeps datasets, annotations and tasks, "
    "and draws nothing but these pictures."
)


def _page(title: str, body: str) -> HTMLResponse:
    shown = f"<h1>{html.escape(title)}</h1>{body}<p class=note>{_NOTE}</p>"
    text = f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>{shown}"
    return HTMLResponse(text, headers={"Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'"})


@routes.on("pages", "GET", "/", secured=False)
def home(call: Call) -> Any:
    """List the datasets."""
    rows = call.world.database.rows("SELECT doc FROM datasets WHERE deleted = 0 ORDER BY rowid DESC LIMIT 500")
    items = "".join(
        f"<tr><td><a href='/datasets/{html.escape(row['doc']['directoryName'])}/view'>{html.escape(row['doc']['name'])}</a>"
        f"<td>{html.escape(row['doc']['status'] or 'usable')}<td>{html.escape(', '.join(row['doc']['tags']))}</tr>"
        for row in rows
    )
    table = (
        f"<table><tr><th>dataset<th>state<th>tags</tr>{items}</table>" if rows else "<p>There are no datasets yet.</p>"
    )
    return _page("Datasets", table)


def _dataset(call: Call) -> dict[str, Any]:
    return stored_dataset(call.world, call.parts["name"].rsplit("-", 1)[-1])


@routes.on("pages", "GET", "/datasets/:name/view", secured=False)
@routes.on("pages", "GET", "/datasets/:name", secured=False)
def dataset_page(call: Call) -> Any:
    """Show one dataset: its layers, each with a picture of its middle."""
    dataset = _dataset(call)
    if dataset["status"] or not dataset["source"]:
        return _page(dataset["name"], f"<p>{html.escape(dataset['status'] or 'It has no data.')}</p>")
    figures, rows = [], []
    for layer in DatasetProperties.model_validate(dataset["source"]).data_layers:
        name = html.escape(layer.name)
        box = layer.bounding_box
        size = " x ".join(str(value) for value in box.size_xyz)
        mags = ", ".join(view.mag.to_layer_name() for view in layer.mags)
        rows.append(f"<tr><td>{name}<td>{layer.category}<td>{layer.element_class}<td>{size}<td>{mags}</tr>")
        figures.append(
            f"<figure><img alt='the middle slice of {name}' src='/datasets/{html.escape(dataset['directoryName'])}/picture/{name}'>"
            f"<figcaption>{name}</figcaption></figure>"
        )
    described = f"<p>{html.escape(dataset['description'])}</p>" if dataset["description"] else ""
    metadata = "".join(
        f"<tr><th>{html.escape(str(one['key']))}<td>{html.escape(str(one['value']))}</tr>"
        for one in dataset["metadata"]
    )
    table = f"<table><tr><th>layer<th>category<th>type<th>voxels<th>mags</tr>{''.join(rows)}</table>"
    known = f"<h2>Metadata</h2><table>{metadata}</table>" if metadata else ""
    return _page(dataset["name"], described + "".join(figures) + table + known)


@routes.on("pages", "GET", "/datasets/:name/picture/:layer", secured=False)
def picture(call: Call) -> Any:
    """Draw the middle slice of a layer, in the finest mag that is small enough."""
    dataset = _dataset(call)
    layer = layer_properties(dataset, call.parts["layer"])
    if not layer.mags:
        raise not_found("Mag", "any")
    voxels = _middle(dataset, layer)
    shown = _coloured(voxels) if layer.category == "segmentation" else _grey(voxels)
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, "PNG")
    return Response(buffer.getvalue(), media_type="image/png")


def _middle(dataset: dict[str, Any], layer: LayerProperties) -> np.ndarray[Any, Any]:
    """Return the middle slice, shape (c, x, y)."""
    views = sorted(layer.mags, key=lambda view: max(view.mag.to_vec3_int()))
    for view in views:
        box = layer.bounding_box.align_with_mag(view.mag, ceil=True).in_mag(view.mag)
        corner, size = box.topleft_xyz, box.size_xyz
        if max(size.x, size.y) <= _LARGEST_PICTURE or view is views[-1]:
            break
    size = Vec3Int(min(size.x, 2 * _LARGEST_PICTURE), min(size.y, 2 * _LARGEST_PICTURE), 1)
    middle = BoundingBox(corner.with_z(corner.z + box.size_xyz.z // 2), size)
    array = layer_array(dataset, layer, view)
    voxels = array.read_box(whole_channels(array, middle))
    return voxels.reshape(voxels.shape[-4:])[..., 0]


def _grey(voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if voxels.shape[0] == 3 and voxels.dtype == np.uint8:
        return np.ascontiguousarray(voxels.transpose(2, 1, 0))
    values = voxels[0].T.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    scaled = (np.nan_to_num(values) - low) / (high - low if high > low else 1.0)
    return np.asarray(scaled.clip(0, 1) * 255, np.uint8)


def _coloured(voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    ids = voxels[0].T.astype(np.uint64)
    mixed = ids * np.uint64(0x9E3779B97F4A7C15)  # spreads neighbouring ids over all colours
    channels = [((mixed >> np.uint64(shift)) & np.uint64(0xFF)).astype(np.uint8) | 0x30 for shift in (24, 36, 48)]
    shown = np.stack(channels, axis=-1)
    shown[ids == 0] = 0
    return shown
