"""A download's plan: every voxel that is asked for stands in one block, no two blocks share a shard, and nothing is guessed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wk_assets.errors import PlanError, ReadOnlyError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.transfer.download_plan import DownloadPlan, plan_download
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import (
    AdditionalAxisProperties,
    AttachmentDataFormat,
    AttachmentProperties,
    AttachmentsProperties,
    DataFormat,
    MagViewProperties,
    SegmentationLayerProperties,
    new_layer_properties,
)

BOX = BoundingBox((10, 20, 30), (500, 300, 200))


def described(box: BoundingBox = BOX, mags: tuple[str, ...] = ("1", "2", "4-4-2")) -> DatasetProperties:
    entries = [MagViewProperties(mag=Mag(mag), path=f"/there/{mag}") for mag in mags]
    gray = new_layer_properties(name="gray", category="color", box=box, dtype="uint8", mags=entries)
    labels = new_layer_properties(
        name="labels", category="segmentation", box=box, dtype="uint64", mags=entries[:1], largest_segment_id=2**63
    )
    assert isinstance(labels, SegmentationLayerProperties)
    mesh = AttachmentProperties(name="m", path="/there/m", data_format=AttachmentDataFormat.HDF5)
    labels = labels.model_copy(update={"attachments": AttachmentsProperties(meshes=(mesh,))})
    return DatasetProperties.new(name="there", voxel_size=VoxelSize((4, 4, 40)), layers=[gray, labels])


def planned(properties: DatasetProperties | None = None, **chosen: object) -> DownloadPlan:
    return plan_download(
        described() if properties is None else properties,
        dataset_id="d1",
        server_url="http://wk",
        store_url="http://store",
        name="here",
        **chosen,  # type: ignore[arg-type]  # of each test
    )


@given(
    corner=st.tuples(*[st.integers(0, 700)] * 3),
    size=st.tuples(*[st.integers(1, 600)] * 3),
    data_format=st.sampled_from([DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW]),
)
@settings(max_examples=25, deadline=None)
def test_blocks_hold_every_voxel_once_and_never_share_a_shard(
    corner: tuple[int, int, int], size: tuple[int, int, int], data_format: DataFormat
) -> None:
    plan = planned(described(BoundingBox(corner, size)), data_format=data_format)

    for mag in plan.mags:
        blocks = list(mag.blocks())
        assert sum(block.box_in_mag.volume() for block in blocks) == mag.box_in_mag.volume()
        assert [block.number for block in blocks] == list(range(mag.block_count))
        shards: set[tuple[int, ...]] = set()
        for block in blocks:
            assert mag.box_in_mag.contains_bbox(block.box_in_mag)
            assert math.prod(block.box_in_mag.size) * mag.info.voxel_type.itemsize <= mag.block_bytes
            first = block.box_in_mag.topleft_xyz // mag.info.shard_shape
            last = (block.box_in_mag.bottomright_xyz - 1) // mag.info.shard_shape
            own = {tuple(index + first) for index in np.ndindex(*(last - first + 1).to_tuple())}
            assert not own & shards
            shards |= own
    assert plan.size_bytes == sum(mag.size_bytes for mag in plan.mags)
    assert len(list(plan.blocks())) == plan.block_count


def test_all_of_a_dataset_is_planned_with_what_is_said_of_it() -> None:
    plan = planned()

    assert [(mag.layer_name, str(mag.mag)) for mag in plan.mags] == [
        ("gray", "1"), ("gray", "2"), ("gray", "4-4-2"), ("labels", "1"),
    ]  # fmt: skip
    labels = plan.properties.layer("labels")
    assert isinstance(labels, SegmentationLayerProperties)
    assert labels.largest_segment_id == 2**63
    assert labels.mags == ()
    assert labels.attachments == AttachmentsProperties()
    assert plan.properties.name == "here"
    assert plan.properties.scale == VoxelSize((4, 4, 40))


def test_a_box_is_cut_to_the_layer_and_rounded_outward_in_each_mag() -> None:
    plan = planned(box=BoundingBox((0, 0, 31), (101, 100, 9)), layers=["gray"])

    assert plan.properties.layer("gray").box == BoundingBox((10, 20, 31), (91, 80, 9))
    coarse = plan.mags[2].box_in_mag
    assert (coarse.topleft_xyz.to_tuple(), coarse.bottomright_xyz.to_tuple()) == ((2, 5, 15), (26, 25, 20))


def test_the_same_request_has_the_same_fingerprint_and_another_one_another() -> None:
    same = {planned().fingerprint, planned(layers=["gray", "labels"]).fingerprint}
    others = {
        planned(layers=["gray"]).fingerprint,
        planned(mags=[Mag(1)]).fingerprint,
        planned(box=BoundingBox((10, 20, 30), (9, 9, 9))).fingerprint,
        planned(data_format=DataFormat.WKW).fingerprint,
    }

    assert len(same) == 1
    assert len(others | same) == 5


def test_layers_without_anything_wanted_are_left_out_unless_they_are_named() -> None:
    assert {mag.layer_name for mag in planned(mags=[Mag(2)]).mags} == {"gray"}
    with pytest.raises(PlanError, match=r"'labels' .* has none of the mags 2; it has 1"):
        planned(mags=[Mag(2)], layers=["labels"])
    with pytest.raises(PlanError, match="nothing of dataset d1 is left to download: 'gray' has none of the mags 8"):
        planned(mags=[Mag(8)])
    with pytest.raises(PlanError, match="has nothing in"):
        planned(box=BoundingBox((5000, 0, 0), (1, 1, 1)))


def test_what_is_not_there_or_can_not_be_is_refused_with_what_there_is() -> None:
    with pytest.raises(PlanError, match="has no layer other; it has gray, labels"):
        planned(layers=["gray", "other"])
    time = AdditionalAxisProperties(name="t", bounds=(0, 3), index=0)
    layer = described().layer("gray").model_copy(update={"additional_axes": (time,)})
    with pytest.raises(PlanError, match=r"has the axes t, .* RemoteAccessMode\.PROXY_PATH"):
        planned(described().with_layer(layer))
    with pytest.raises(PlanError, match="'gray' has no mags"):
        planned(described(mags=()))


def test_threads_are_as_many_as_memory_holds_blocks_for() -> None:
    plan = planned(described(BoundingBox((0, 0, 0), (256, 256, 256))), layers=["labels"])
    of_one = 4 * 256**3 * 8

    assert plan.threads_within(10 * of_one, 4) == 4
    assert plan.threads_within(2 * of_one, 4) == 2
    with pytest.raises(PlanError, match=f"needs {of_one} bytes of memory for one block"):
        plan.threads_within(of_one - 1, 4)


def test_a_format_that_is_only_read_is_refused() -> None:
    with pytest.raises(ReadOnlyError, match="choose zarr3, zarr, wkw"):
        planned(data_format=DataFormat.N5)
