"""Make coarser mags of a layer that a ledger keeps: as new versions, published and committed, never in place.

What `wk-assets downsample` and the object interface do with layers that were imported.
"""

from collections.abc import Collection
from pathlib import Path

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import commit_dataset
from wk_assets.operations.datasets.committed_request import committed_request
from wk_assets.operations.layers.layer_plan import LayerPlan, plan_layer
from wk_assets.operations.layers.redo_plan import plan_redo, stored_layer_request
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record
from wk_assets.operations.records.layer_request import LayerResult, ProgressListener
from wk_assets.properties.layer_properties import LayerProperties


def keeping_record(dataset_path: Path, layer: LayerProperties) -> LayerRecord | None:
    """Return the ledger of a layer if it keeps every mag that the dataset names; None for all other layers.

    Mags that were added through the object interface are no versions: they are changed in place.
    """
    record = read_layer_record(dataset_path, layer.name)
    if record is None or not record.mags:
        return None
    kept = {(mag.to_mag(), (dataset_path / mag.path).resolve()) for mag in record.mags}
    named = {(entry.mag, (dataset_path / (entry.path or "")).resolve()) for entry in layer.mags}
    return record if named <= kept else None


def plan_remake(
    dataset_path: Path,
    layer_name: str,
    compute: Compute,
    *,
    mags: Collection[Mag] = (),
    mode: DownsamplingMode | None = None,
    region: BoundingBox | None = None,
) -> LayerPlan:
    """Plan to make coarser mags that are missing or stale, each from the next finer one.

    `mags`: those to be made (empty: all that are there). `mode` None: the layer's own. `region` (mag 1): nothing changed
    outside of it. Raises PlanError, NotADatasetError.
    """
    request = stored_layer_request(dataset_path, layer_name, mags=mags, mode=mode)
    wanted = tuple(sorted(mags)) or request.mags[1:]
    if region is None:
        return plan_layer(request, compute, wanted=wanted)
    return plan_redo(request, compute, region, wanted=wanted)


def run_remake(plan: LayerPlan, compute: Compute, listener: ProgressListener | None = None) -> LayerResult:
    """Do what the plan says, and commit the dataset. May be run again. Raises LockedError, StorageError, PlanError."""
    # before the run: a commit that fails later finds the dataset as it was
    request = committed_request(plan.request.dataset_path)
    result = run_layer(plan, compute, listener)
    commit_dataset(request)
    return result
