"""Attachments get to a segmentation on a server byte for byte, and are renamed, referred to and forgotten there."""

from pathlib import Path

import numpy as np
import pytest

from tests.served import Server
from wk_assets.client.context import webknossos_context
from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.attachment import (
    Attachment,
    ConnectomeAttachment,
    CumsumAttachment,
    MeshAttachment,
    SegmentIndexAttachment,
)
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.remote_attachments import RemoteAttachments
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import (
    AlreadyThereError,
    InputError,
    InvalidNameError,
    NotADatasetError,
    NotInDatasetError,
    PlanError,
    ReadOnlyError,
    UnsupportedApiVersionError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.properties.layer_properties import AttachmentDataFormat
from wk_assets.standin.dataset_store import save_dataset, stored_dataset

BOX = BoundingBox((0, 0, 0), (16, 16, 16))
CONTENT = np.random.default_rng(3).bytes(50_000)


@pytest.fixture
def server(kept_server: Server) -> Server:
    return kept_server


@pytest.fixture
def remote(server: Server) -> RemoteDataset:
    made = RemoteDataset.open(dataset_id=server.dataset())
    made.add_layer("labels", "segmentation", dtype="uint32", bounding_box=BOX)
    return made


@pytest.fixture
def attachments(remote: RemoteDataset) -> RemoteAttachments:
    return remote.get_segmentation_layer("labels").attachments


@pytest.fixture
def meshes(tmp_path: Path) -> MeshAttachment:
    path = tmp_path / "meshes.hdf5"
    path.write_bytes(CONTENT)
    return MeshAttachment.from_path_and_name(path, "meshes_1", data_format=AttachmentDataFormat.HDF5)


def _folder(kind: type[Attachment], path: Path, name: str) -> Attachment:
    (path / "c").mkdir(parents=True)
    (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "array"}')
    (path / "c" / "0").write_bytes(CONTENT[:1000])
    return kind.from_path_and_name(path, name, data_format=AttachmentDataFormat.Zarr3)


def _bytes_at(attachment: Attachment) -> bytes:
    """Read what the server has; the stand-in keeps a file that was sent in a folder."""
    path = Path(str(attachment.path))
    (file,) = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return file.read_bytes()


@pytest.mark.parametrize("mode", TransferMode)
def test_an_attachment_is_on_the_server_byte_by_byte(
    attachments: RemoteAttachments, meshes: MeshAttachment, mode: TransferMode
) -> None:
    assert attachments.is_empty

    added = attachments.add_attachment_as_copy(meshes, transfer_mode=mode)

    assert _bytes_at(added) == CONTENT
    assert attachments.meshes == (added,)
    assert (added.name, added.data_format) == ("meshes_1", AttachmentDataFormat.HDF5)
    assert len(list(attachments)) == 1
    assert Path(str(meshes.path)).read_bytes() == CONTENT
    assert Path(str(meshes.path)).is_symlink() == (mode is TransferMode.MOVE_AND_SYMLINK)


def test_every_kind_has_its_place(attachments: RemoteAttachments, tmp_path: Path) -> None:
    kinds = (MeshAttachment, AgglomerateAttachment, SegmentIndexAttachment, CumsumAttachment, ConnectomeAttachment)
    for kind in kinds:
        attachment = _folder(kind, tmp_path / kind.type_name, kind.type_name)
        attachments.upload_attachment(attachment, transfer_mode=TransferMode.HTTP)

    assert [type(one) for one in attachments] == list(kinds)
    assert [one.name for one in attachments.agglomerates] == ["agglomerate"]
    assert [one.name for one in attachments.connectomes] == ["connectome"]
    assert attachments.segment_index is not None
    assert attachments.cumsum is not None
    there = Path(str(attachments.cumsum.path))
    assert (there / "c" / "0").read_bytes() == CONTENT[:1000]


def test_several_are_added_in_their_order(
    attachments: RemoteAttachments, meshes: MeshAttachment, tmp_path: Path
) -> None:
    other = _folder(MeshAttachment, tmp_path / "other", "meshes_2")
    added = attachments.add_copy_attachments(meshes, other)
    assert [one.name for one in added] == ["meshes_1", "meshes_2"]
    assert attachments.meshes == tuple(added)


@pytest.mark.parametrize("mode", [TransferMode.HTTP, TransferMode.COPY])
def test_the_same_again_sends_nothing_and_another_of_the_name_is_refused(
    attachments: RemoteAttachments, meshes: MeshAttachment, server: Server, mode: TransferMode
) -> None:
    first = attachments.add_attachment_as_copy(meshes, transfer_mode=mode)
    sent = server.requests("POST", "upload/attachment")

    assert attachments.add_attachment_as_copy(meshes, transfer_mode=mode) == first
    assert server.requests("POST", "upload/attachment") == sent
    Path(str(meshes.path)).write_bytes(CONTENT[::-1])
    with pytest.raises(AlreadyThereError, match="mesh 'meshes_1' of layer 'labels' already"):
        attachments.add_attachment_as_copy(meshes, transfer_mode=mode)


def test_an_attachment_is_renamed_and_forgotten(
    attachments: RemoteAttachments, meshes: MeshAttachment, tmp_path: Path
) -> None:
    added = attachments.add_attachment_as_copy(meshes)
    other = attachments.add_attachment_as_copy(_folder(MeshAttachment, tmp_path / "other", "meshes_2"))

    renamed = attachments.rename_attachment(added, new_name="cells")
    assert (renamed.name, _bytes_at(renamed)) == ("cells", CONTENT)
    assert attachments.rename_attachment(renamed, new_name="cells") == renamed
    with pytest.raises(AlreadyThereError):
        attachments.rename_attachment(renamed, new_name="meshes_2")
    with pytest.raises(NotInDatasetError, match=r"no mesh 'meshes_1'; its meshes are: cells, meshes_2"):
        attachments.rename_attachment(added, new_name="anything")

    attachments.delete_attachment(renamed)
    assert attachments.meshes == (other,)
    with pytest.raises(NotInDatasetError):
        attachments.delete_attachment(renamed)


def test_an_attachment_of_another_layer_is_referred_to(
    remote: RemoteDataset, attachments: RemoteAttachments, meshes: MeshAttachment, server: Server, tmp_path: Path
) -> None:
    added = attachments.add_attachment_as_copy(meshes)
    other = RemoteDataset.open(dataset_id=server.dataset("other"))
    other.add_layer("copy", "segmentation", dtype="uint32", bounding_box=BOX)
    target = other.get_segmentation_layer("copy").attachments

    referring = target.add_attachment_as_ref(
        added, foreign_layer=remote.get_segmentation_layer("labels"), new_name="theirs"
    )

    assert referring.name == "theirs"
    assert referring.path == added.path
    local = Dataset(tmp_path / "local", voxel_size=(1, 1, 1)).add_layer("x", "segmentation", bounding_box=BOX)
    with pytest.raises(InputError, match="is not on http"):
        target.add_attachment_as_ref(added, foreign_layer=local, new_name=None)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(AlreadyThereError):
        target.add_attachment_as_ref(added, foreign_layer=remote.get_layer("labels"), new_name="theirs")


def test_what_can_not_be_added_is_refused(
    remote: RemoteDataset, attachments: RemoteAttachments, meshes: MeshAttachment, server: Server, tmp_path: Path
) -> None:
    gone = MeshAttachment.from_path_and_name(tmp_path / "gone", "gone", data_format=AttachmentDataFormat.HDF5)
    for mode in (TransferMode.HTTP, TransferMode.COPY):
        with pytest.raises(NotADatasetError, match="nothing at"):
            attachments.add_attachment_as_copy(gone, transfer_mode=mode)
    (tmp_path / "empty").touch()
    empty = MeshAttachment.from_path_and_name(tmp_path / "empty", "empty", data_format=AttachmentDataFormat.HDF5)
    with pytest.raises(PlanError, match="nothing to send"):
        attachments.add_attachment_as_copy(empty, transfer_mode=TransferMode.HTTP)
    with pytest.raises(PlanError, match="is no segmentation"):
        RemoteAttachments(remote.get_layer("color")).add_attachment_as_copy(meshes)
    with pytest.raises(InvalidNameError):
        attachments.rename_attachment(meshes, new_name="../x")
    reading = RemoteDataset.open(dataset_id=remote.dataset_id, read_only=True).get_segmentation_layer("labels")
    with pytest.raises(ReadOnlyError):
        reading.attachments.add_attachment_as_copy(meshes)
    with webknossos_context(url=server.url, token=server.seed.admin, api_version=13):
        old = RemoteDataset.open(dataset_id=remote.dataset_id).get_segmentation_layer("labels")
        with pytest.raises(UnsupportedApiVersionError, match="from version 14 on"):
            old.attachments.add_attachment_as_copy(meshes, transfer_mode=TransferMode.HTTP)
    stored = stored_dataset(server.world, remote.dataset_id)
    save_dataset(server.world, {**stored, "isVirtual": False})
    with pytest.raises(ValueError, match="only be added to virtual datasets"):
        attachments.add_attachment_as_copy(meshes)
    assert attachments.is_empty


def test_a_layer_is_sent_with_its_attachments(remote: RemoteDataset, meshes: MeshAttachment, tmp_path: Path) -> None:
    local = Dataset(tmp_path / "local", voxel_size=(4.0, 4.0, 40.0))
    layer = local.add_layer("cells", "segmentation", dtype="uint32", bounding_box=BOX).as_segmentation_layer()
    layer.add_mag(1).write(np.ones((1, 16, 16, 16), np.uint32), allow_unaligned=True)
    layer.attachments.add_attachment_as_copy(meshes)

    with_them = remote.add_layer_as_copy(layer, "with", transfer_mode=TransferMode.HTTP).as_segmentation_layer()
    without = remote.add_layer_as_copy(layer, "without", with_attachments=False).as_segmentation_layer()

    (there,) = with_them.attachments
    assert _bytes_at(there) == CONTENT
    assert without.attachments.is_empty
    with pytest.raises(InputError, match="'meshes_1', which can not be read from there"):
        remote.add_layer_as_copy(with_them, "again")
