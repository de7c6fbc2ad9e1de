"""The models of the properties offer every name of the reference."""

import json
from pathlib import Path

import pytest

from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.json_model import JsonModel
from wk_assets.properties.layer_properties import (
    AttachmentDataFormat,
    AttachmentProperties,
    AttachmentsProperties,
    DataFormat,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wk_assets.properties.view_configuration import DatasetViewConfiguration, LayerViewConfiguration

KINDS = [
    AttachmentDataFormat,
    AttachmentProperties,
    AttachmentsProperties,
    DataFormat,
    DatasetProperties,
    DatasetViewConfiguration,
    LayerProperties,
    LayerViewConfiguration,
    MagViewProperties,
    SegmentationLayerProperties,
]
# The models are values: `with_layer` gives another one where the reference changes its object.
ANOTHER_WAY = {("DatasetProperties", "update_for_layer")}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_member_of_the_reference_is_offered(kind: type, shared_spec: Path) -> None:
    surface = json.loads((shared_spec / "api-surface.json").read_text())
    (entry,) = [
        entry
        for entry in surface
        if (entry["module"], entry["class"]) == ("webknossos.dataset_properties", kind.__name__)
    ]
    fields = set(kind.model_fields) if issubclass(kind, JsonModel) else set()

    missing = {member["name"] for member in entry["members"] if not hasattr(kind, member["name"])} - fields

    assert {(kind.__name__, name) for name in missing} <= ANOTHER_WAY
