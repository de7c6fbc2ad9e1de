"""What the contract says of servers, people, folders and datasets: each function asks, and looks at what is answered."""

import json
import shutil
import struct
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.contract import Contract, NotHere, operation
from tests.contract.sample import BOX
from wk_assets.client.models import (
    ApiDatasetComposeAttachment,
    ApiDatasetComposeLayer,
    ApiDatasetComposeMag,
    ApiDatasetExploreAndAddRemote,
    ApiFolderUpdate,
    ApiLinkedLayerIdentifier,
    ApiReserveAiModelUploadToPathParameters,
    ApiReserveDatasetUploadToPathsForPreliminaryParameters,
    ApiReserveDatasetUploadToPathsParameters,
    ApiReserveMagUploadToPathParameters,
    ApiTeamAdd,
)
from wk_assets.client.store_clients import UploadDomain, UploadPiece, UploadSession
from wk_assets.errors import ForbiddenError, NotAuthenticatedError, NotOnServerError, RequestRefusedError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag

_PIECE_BYTES = 4096
_NOWHERE = "0" * 24
_BIG_IDS_SINCE = 15


@operation("users")
def build_info(contract: Contract) -> None:
    info = contract.client.build_info()
    served = info.http_api_versioning
    assert served.oldest_supported_api_version <= contract.version <= served.current_api_version
    contract.client.health()


@operation("failures")
def refusals(contract: Contract) -> None:
    with pytest.raises(NotAuthenticatedError) as nobody:
        contract.client_of(None).user_current()
    assert nobody.value.status == 401
    with pytest.raises(NotAuthenticatedError):
        contract.client_of("no-such-token").user_current()
    with pytest.raises(NotOnServerError):
        contract.client.dataset_info(dataset_id=_NOWHERE)
    with pytest.raises(NotOnServerError):
        contract.client.project_info_by_name(project_name=contract.name("nowhere"))
    with pytest.raises(RequestRefusedError):
        contract.ask("POST", "/projects", json={"name": contract.name("incomplete")})


@operation("users")
def users(contract: Contract) -> None:
    me = contract.client.user_current()
    assert contract.client.user_by_id(user_id=me.id).email == me.email
    assert me.id in {one.id for one in contract.client.user_list()}
    contract.client.user_logged_time(user_id=me.id)
    contract.made["me"] = me


@operation()
def stores(contract: Contract) -> None:
    assert any(one.allows_upload for one in contract.client.datastore_list())
    assert contract.client.tracing_store().url


@operation("teams")
def teams(contract: Contract) -> None:
    contract.client.team_add(team=ApiTeamAdd(name=contract.name("team")))
    (team,) = [one for one in contract.client.team_list() if one.name == contract.name("team")]
    contract.later(lambda: contract.client.team_delete(team_id=team.id))
    with pytest.raises(RequestRefusedError):
        contract.client.team_add(team=ApiTeamAdd(name=team.name))
    contract.made["team"] = team


@operation("folders")
def folders(contract: Contract) -> None:
    client = contract.client
    root = client.folder_root()
    outer = client.folder_add(folder_name=contract.name("outer"), parent_id=root.id)
    contract.later(lambda: client.folder_delete(folder_id=outer.id))
    inner = client.folder_add(folder_name="inner", parent_id=outer.id)
    moved = client.folder_move(folder_id=inner.id, new_parent_id=root.id)
    assert moved.id == inner.id
    client.folder_update(folder_id=inner.id, folder=ApiFolderUpdate(name=contract.name("inner"), metadata=()))
    assert client.folder_get(folder_id=inner.id).name == contract.name("inner")
    assert {one.parent for one in client.folder_tree() if one.id == inner.id} == {root.id}
    client.folder_delete(folder_id=inner.id)
    with pytest.raises(RequestRefusedError):
        client.folder_delete(folder_id=root.id)
    contract.made["folder"] = outer


@operation()
def names(contract: Contract) -> None:
    assert contract.client.dataset_is_valid_new_name(dataset_name=contract.name("fine")).is_valid
    refused = contract.client.dataset_is_valid_new_name(dataset_name="a b*c")
    assert not refused.is_valid
    assert refused.errors


# ---------------------------------------------------------------------- uploads


def _send(contract: Contract, files: list[tuple[str, bytes]], upload_id: str, domain: UploadDomain) -> None:
    store = contract.store()
    for path, data in files:
        pieces = max(1, -(-len(data) // _PIECE_BYTES))
        for number in reversed(range(1, pieces + 1)):  # any order will do
            piece = UploadPiece(
                upload_id=upload_id,
                relative_path=path,
                number=number,
                pieces=pieces,
                piece_bytes=_PIECE_BYTES,
                file_bytes=len(data),
                file_count=len(files),
            )
            if contract.version >= 14:
                assert not store.has_piece(piece, domain)
            part = data[(number - 1) * _PIECE_BYTES : number * _PIECE_BYTES]
            store.send_piece(piece, part, domain)
            store.send_piece(piece, part, domain)  # a second time changes nothing
            if contract.version >= 14:
                assert store.has_piece(piece, domain)


def _sent_dataset(contract: Contract, kind: str, **changes: Any) -> str:
    files = contract.sample.files()
    session = UploadSession(
        upload_id=f"2026-01-01T00-00-00__{uuid.uuid4()}",
        dataset_name=contract.name(kind),
        organization_id=contract.client.user_current().organization,
        file_count=len(files),
        size_bytes=sum(len(data) for _, data in files),
        folder_id=contract.client.folder_root().id,
        **changes,
    )
    store = contract.store()
    store.reserve_upload(session)
    store.reserve_upload(session)  # the same once more is the same upload
    _send(contract, files, session.upload_id, "dataset")
    dataset_id = store.finish_upload(session.upload_id)
    assert dataset_id is not None
    contract.later(lambda: contract.client.dataset_delete(dataset_id=dataset_id))
    with pytest.raises(RequestRefusedError):
        store.finish_upload(session.upload_id)
    return dataset_id


@operation("upload")
def upload(contract: Contract) -> None:
    dataset_id = _sent_dataset(contract, "dataset")
    told = contract.client.dataset_info(dataset_id=dataset_id)
    assert (told.name, told.status) == (contract.name("dataset"), None)
    assert {layer["name"] for layer in told.data_source["dataLayers"]} == {"color", "labels"}
    contract.made["dataset"] = dataset_id


@operation()
def upload_given_up(contract: Contract) -> None:
    contract.needs(14)
    organization = contract.client.user_current().organization
    upload_id = f"2026-01-01T00-00-00__{uuid.uuid4()}"
    session = UploadSession(
        upload_id=upload_id,
        dataset_name=contract.name("given-up"),
        organization_id=organization,
        file_count=2,
        size_bytes=9,
    )
    store = contract.store()
    store.reserve_upload(session)
    assert upload_id in {one["uploadId"] for one in store.unfinished_uploads(organization)}
    with pytest.raises(RequestRefusedError):
        store.finish_upload(upload_id)
    store.cancel_upload(upload_id)
    assert upload_id not in {one["uploadId"] for one in store.unfinished_uploads(organization)}


@operation("link_layers")
def upload_with_links(contract: Contract) -> None:
    link = ApiLinkedLayerIdentifier(dataset_id=contract.made["dataset"], layer_name="color", new_layer_name="old")
    dataset_id = _sent_dataset(contract, "linked", layers_to_link=(link,))
    told = contract.client.dataset_info(dataset_id=dataset_id)
    assert {layer["name"] for layer in told.data_source["dataLayers"]} == {"color", "labels", "old"}
    box = BoundingBox((0, 0, 0), (32, 32, 16))
    np.testing.assert_array_equal(_read(contract, dataset_id, "old", box), contract.sample.voxels[:, :32, :32, :16])


@operation("mag_upload")
def mag_upload(contract: Contract) -> None:
    contract.needs(14)
    files, upload_id = contract.sample.mag_files(), str(uuid.uuid4())
    contract.store().reserve_mag_upload(
        upload_id=upload_id,
        file_count=len(files),
        size_bytes=sum(len(data) for _, data in files),
        dataset_id=contract.made["dataset"],
        layer_name="color",
        mag={"mag": [2, 2, 2], "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}, "channelIndex": None},
    )
    _send(contract, files, upload_id, "mag")
    assert contract.store().finish_upload(upload_id, "mag") is None
    shown = _read(contract, contract.made["dataset"], "color", BOX, mag=Mag(2))
    np.testing.assert_array_equal(shown, contract.sample.voxels[:, ::2, ::2, ::2])


@operation("attachment_upload")
def attachment_upload(contract: Contract) -> None:
    contract.needs(14)
    upload_id = str(uuid.uuid4())
    contract.store().reserve_attachment_upload(
        upload_id=upload_id,
        file_count=1,
        size_bytes=4,
        dataset_id=contract.made["dataset"],
        layer_name="labels",
        attachment_type="mesh",
        attachment={"name": "sent", "path": "sent.hdf5", "dataFormat": "hdf5"},
    )
    _send(contract, [("sent.hdf5", b"mesh")], upload_id, "attachment")
    contract.store().finish_upload(upload_id, "attachment")
    assert [one["name"] for one in _layer(contract, contract.made["dataset"], "labels")["attachments"]["meshes"]] == [
        "sent"
    ]


def _layer(contract: Contract, dataset_id: str, name: str) -> dict[str, Any]:
    layers = contract.client.dataset_info(dataset_id=dataset_id).data_source["dataLayers"]
    found: dict[str, Any] = next(layer for layer in layers if layer["name"] == name)
    return found


@operation("upload_to_paths", "mag_to_path")
def upload_to_paths(contract: Contract) -> None:
    if not contract.control:
        raise NotHere("needs a folder that the server and this machine share")
    source = json.loads((contract.sample.folder / "datasource-properties.json").read_text())
    reserved = contract.client.reserve_dataset_upload_to_paths(
        ApiReserveDatasetUploadToPathsParameters(dataset_name=contract.name("paths"), data_source=source)
    )
    contract.later(lambda: contract.client.dataset_delete(dataset_id=reserved.new_dataset_id))
    waiting = contract.client.dataset_info(dataset_id=reserved.new_dataset_id)
    assert waiting.status is not None
    for layer in reserved.data_source["dataLayers"]:
        for mag in layer["mags"]:
            target = Path(mag["path"].removeprefix("file://"))
            shutil.copytree(contract.sample.folder / layer["name"] / "1", target)
    contract.client.finish_dataset_upload_to_paths(reserved.new_dataset_id)
    shown = _read(contract, reserved.new_dataset_id, "color", BOX)
    np.testing.assert_array_equal(shown, contract.sample.voxels)

    wanted = ApiReserveMagUploadToPathParameters(
        layer_name="color", mag=(2, 2, 2), axis_order={"c": 0, "x": 1, "y": 2, "z": 3}
    )
    path = contract.client.reserve_mag_upload_to_paths(reserved.new_dataset_id, wanted)
    shutil.copytree(contract.sample.mag_folder, path.removeprefix("file://"))
    contract.client.finish_mag_upload_to_paths(reserved.new_dataset_id, wanted)
    place = contract.client.reserve_attachment_upload_to_path(
        reserved.new_dataset_id, "labels", "placed", "mesh", "hdf5"
    )
    Path(place.removeprefix("file://")).parent.mkdir(parents=True, exist_ok=True)
    Path(place.removeprefix("file://")).write_bytes(b"mesh")
    contract.client.finish_attachment_upload_to_path(reserved.new_dataset_id, "labels", "placed", "mesh", "hdf5")
    contract.made["paths"] = reserved.new_dataset_id


# ---------------------------------------------------------------------- looking


@operation("list_and_find")
def listing(contract: Contract) -> None:
    told = contract.client.dataset_info(dataset_id=contract.made["dataset"])
    found = contract.client.dataset_list(
        is_active=True, organization_id=told.owning_organization, name=told.name, folder_id=told.folder_id
    )
    assert [one.id for one in found if one.name == told.name] == [told.id]
    assert (
        contract.client.dataset_id_from_name(
            directory_name=told.directory_name, organization_id=told.owning_organization
        )
        == told.id
    )


@operation()
def segment_ids(contract: Contract) -> None:
    shown = _layer(contract, contract.made["dataset"], "labels")["largestSegmentId"]
    plain: object = {"customJsonEncoding": "bigint", "value": "250"} if contract.version >= _BIG_IDS_SINCE else 250
    assert shown == plain


@operation("update", "rename")
def update(contract: Contract) -> None:
    client, dataset_id = contract.client, contract.made["dataset"]
    client.dataset_update(dataset_id=dataset_id, dataset_updates={"description": "about", "tags": ["a", "b"]})
    metadata = [
        {"key": "text", "type": "string", "value": "v"},
        {"key": "number", "type": "number", "value": 7},
        {"key": "texts", "type": "string[]", "value": ["x", "y"]},
    ]
    client.dataset_update(
        dataset_id=dataset_id, dataset_updates={"metadata": metadata, "folderId": contract.made["folder"].id}
    )
    told = client.dataset_info(dataset_id=dataset_id)
    assert (told.description, told.tags) == ("about", ("a", "b"))
    assert [one.value for one in told.metadata or ()] == ["v", 7, ["x", "y"]]
    assert told.folder_id == contract.made["folder"].id
    root = client.folder_root().id
    client.dataset_update(
        dataset_id=dataset_id,
        dataset_updates={"description": None, "folderId": root, "name": contract.name("renamed")},
    )
    told = client.dataset_info(dataset_id=dataset_id)
    assert (told.description, told.folder_id, told.name) == (None, root, contract.name("renamed"))
    with pytest.raises(RequestRefusedError):
        client.dataset_update(dataset_id=dataset_id, dataset_updates={"metadata": metadata[:1] * 2})


@operation("teams")
def dataset_teams(contract: Contract) -> None:
    team = contract.made["team"]
    contract.client.dataset_update_teams(dataset_id=contract.made["dataset"], team_ids=[team.id])
    told = contract.client.dataset_info(dataset_id=contract.made["dataset"])
    assert [one.id for one in told.allowed_teams] == [team.id]
    contract.client.dataset_update_teams(dataset_id=contract.made["dataset"], team_ids=[])


@operation()
def view_configuration(contract: Contract) -> None:
    contract.client.dataset_configuration(dataset_id=contract.made["dataset"], volume_tracing_ids=[])


@operation("update")
def sharing(contract: Contract) -> None:
    dataset_id = contract.made["dataset"]
    token = contract.client.dataset_sharing_token(dataset_id=dataset_id).sharing_token
    assert contract.client.dataset_sharing_token(dataset_id=dataset_id).sharing_token == token
    nobody = contract.client_of(None)
    assert nobody.dataset_info(dataset_id=dataset_id, sharing_token=token).id == dataset_id
    with pytest.raises(NotOnServerError):
        nobody.dataset_info(dataset_id=dataset_id)
    box = BoundingBox((0, 0, 0), (32, 32, 16))
    shown = _read(contract, dataset_id, "color", box, token=token)
    np.testing.assert_array_equal(shown, contract.sample.voxels[:, :32, :32, :16])
    with pytest.raises(ForbiddenError):
        _read(contract, dataset_id, "color", box, token="no-such-token")  # noqa: S106  # opens nothing


# ---------------------------------------------------------------------- voxels


def _read(
    contract: Contract, dataset_id: str, layer: str, box: BoundingBox, *, mag: Mag = Mag(1), token: str | None = None
) -> Any:
    dtype = np.dtype(np.uint32 if layer in {"labels", "referred"} else np.uint8)
    return contract.store(token).read_box(
        dataset_id=dataset_id, layer_name=layer, mag=mag, box=box, channels=1, dtype=dtype, token=token
    )


@operation("open_streaming")
def raw_voxels(contract: Contract) -> None:
    shown = _read(contract, contract.made["dataset"], "labels", BoundingBox((8, 8, 4), (16, 8, 8)))
    np.testing.assert_array_equal(shown, contract.sample.voxels[:, 8:24, 8:16, 4:12])


def streamed(contract: Contract, key: str, layer: str, *, annotation: bool = False) -> Any:
    """Read a layer's finest mag through the streamed view, chunk by chunk: shape (c, x, y, z) up to the box' end."""
    store = contract.store()
    properties = store.streamed_properties(key, annotation=annotation)
    assert layer in {one["name"] for one in properties["dataLayers"]}
    with store.file(store.stream_url(key, f"{layer}/1/.zarray", annotation=annotation)) as answer:
        header = json.loads(answer.read())
    assert (header["order"], header["compressor"], header["zarr_format"]) == ("F", None, 2)
    whole = np.zeros(header["shape"], np.dtype(header["dtype"]))
    chunk = header["chunks"]
    assert chunk[1:] == [32, 32, 32]
    for cell in np.ndindex(*(-(-size // 32) for size in whole.shape[1:])):
        name = ".".join(map(str, (0, *cell)))
        with store.file(store.stream_url(key, f"{layer}/1/{name}", annotation=annotation)) as answer:
            voxels = np.frombuffer(answer.read(), whole.dtype).reshape(chunk, order="F")
        x, y, z = (32 * index for index in cell)
        part = whole[:, x : x + 32, y : y + 32, z : z + 32]
        part[...] = voxels[:, : part.shape[1], : part.shape[2], : part.shape[3]]
    return whole


@operation("open_streaming", "download")
def streaming(contract: Contract) -> None:
    np.testing.assert_array_equal(streamed(contract, contract.made["dataset"], "color"), contract.sample.voxels)


@operation("open_proxy")
def proxy(contract: Contract) -> None:
    dataset_id, store = contract.made["dataset"], contract.store()
    with store.file(store.proxy_url(dataset_id, "datasource-properties.json")) as answer:
        properties = json.loads(answer.read())
    (layer,) = [one for one in properties["dataLayers"] if one["name"] == "color"]
    path = next(mag["path"] for mag in layer["mags"] if mag["mag"] == [1, 1, 1]).removeprefix("./")
    stored = (contract.sample.folder / "color" / "1" / "zarr.json").read_bytes()
    with store.file(store.proxy_url(dataset_id, f"{path}/zarr.json")) as answer:
        assert json.loads(answer.read()) == json.loads(stored)
    with store.file(store.proxy_url(dataset_id, f"{path}/zarr.json"), first=1, last=4) as answer:
        assert (answer.status_code, len(answer.read())) == (206, 4)


@operation("open_direct")
def direct_paths(contract: Contract) -> None:
    assert all(mag["path"] for mag in _layer(contract, contract.made["dataset"], "color")["mags"])


@operation("meshes")
def meshes(contract: Contract) -> None:
    mesh = {"lod": 0, "segmentId": 7, "mag": [1, 1, 1], "seedPosition": [0, 0, 7]}
    stl = contract.store().download_mesh(
        dataset_id=contract.made["dataset"], layer_name="labels", mesh=mesh, token=None
    )
    (count,) = struct.unpack_from("<I", stl, 80)
    assert count > 0
    assert len(stl) == 84 + 50 * count


@operation()
def reload(contract: Contract) -> None:
    organization = contract.client.user_current().organization
    before = contract.client.dataset_info(dataset_id=contract.made["dataset"]).data_source
    contract.store().trigger_reload(organization_id=organization, dataset_id=contract.made["dataset"])
    assert contract.client.dataset_info(dataset_id=contract.made["dataset"]).data_source == before


# ---------------------------------------------------------------------- composing


@operation("compose", "attachment_upload", "mag_to_path")
def composing(contract: Contract) -> None:
    target = _sent_dataset(contract, "composed")
    source, client = contract.made["dataset"], contract.client
    layer = ApiDatasetComposeLayer(source_dataset_id=source, source_layer_name="labels", target_layer_name="referred")
    client.dataset_add_layer_as_ref(dataset_id=target, compose_layer=layer)
    np.testing.assert_array_equal(_read(contract, target, "referred", BOX), contract.sample.voxels)
    with pytest.raises(RequestRefusedError):
        client.dataset_add_layer_as_ref(dataset_id=target, compose_layer=layer)
    if contract.version < 14:
        return  # nothing can be sent to refer to
    mag = ApiDatasetComposeMag(
        source_dataset_id=source, source_layer_name="color", target_layer_name="color",
        source_mag=(2, 2, 2), target_mag=(2, 2, 2),
    )  # fmt: skip
    client.dataset_add_mag_as_ref(dataset_id=target, compose_mag=mag)
    attachment = ApiDatasetComposeAttachment(
        source_dataset_id=source, source_layer_name="labels", target_layer_name="labels", attachment_type="mesh",
        source_attachment_name="sent", target_attachment_name="referred",
    )  # fmt: skip
    client.dataset_add_attachment_as_ref(dataset_id=target, compose_attachment=attachment)
    assert {tuple(one["mag"]) for one in _layer(contract, target, "color")["mags"]} == {(1, 1, 1), (2, 2, 2)}


@operation("explore")
def exploring(contract: Contract) -> None:
    if not contract.control:
        raise NotHere("needs a folder that the server and this machine share")
    wanted = ApiDatasetExploreAndAddRemote(
        remote_uri=contract.sample.folder.as_uri(), dataset_name=contract.name("explored")
    )
    dataset_id = contract.client.dataset_explore_and_add_remote(dataset=wanted)
    np.testing.assert_array_equal(_read(contract, dataset_id, "color", BOX), contract.sample.voxels)


@operation("update")
def metadata_of_the_whole(contract: Contract) -> None:
    """The other way to change a dataset: read all of it, change it, write all of it."""
    dataset_id = contract.made["dataset"]
    told = contract.client.dataset_info(dataset_id=dataset_id).to_body()
    told["metadata"] = [{"key": "whole", "type": "string", "value": "v"}]
    contract.ask("PATCH", f"/datasets/{dataset_id}", json=told)
    shown = contract.client.dataset_info(dataset_id=dataset_id).metadata or ()
    assert [(one.key, one.value) for one in shown] == [("whole", "v")]


@operation()
def preliminary(contract: Contract) -> None:
    """A dataset that is reserved, and empty, gets its files put in place."""
    contract.needs(14)
    if not contract.control:
        raise NotHere("needs a folder that the server and this machine share")
    organization = contract.client.user_current().organization
    session = UploadSession(
        upload_id=str(uuid.uuid4()), dataset_name=contract.name("early"), organization_id=organization, file_count=1,
        size_bytes=1,
    )  # fmt: skip
    contract.store().reserve_upload(session)
    (found,) = contract.client.dataset_list(
        is_active=None, organization_id=None, name=session.dataset_name, folder_id=None
    )
    contract.later(lambda: contract.client.dataset_delete(dataset_id=found.id))
    source = json.loads((contract.sample.folder / "datasource-properties.json").read_text())
    places = contract.client.reserve_dataset_upload_to_paths_for_preliminary(
        found.id, ApiReserveDatasetUploadToPathsForPreliminaryParameters(data_source=source)
    )
    for layer in places.data_source["dataLayers"]:
        for mag in layer["mags"]:
            target = Path(mag["path"].removeprefix("file://"))
            shutil.copytree(contract.sample.folder / layer["name"] / "1", target)
    contract.client.finish_dataset_upload_to_paths(found.id)
    np.testing.assert_array_equal(_read(contract, found.id, "color", BOX), contract.sample.voxels)


@operation()
def weights(contract: Contract) -> None:
    if not contract.control:
        raise NotHere("what is reserved for a network can not be taken back")
    wanted = ApiReserveAiModelUploadToPathParameters(
        data_store_name=contract.client.datastore_list()[0].name, name=contract.name("network")
    )
    made = contract.client.reserve_ai_model_upload_to_path(wanted)
    assert made.path
    contract.client.finish_ai_model_upload_to_path(made.id)
    assert contract.client.get_ai_model_info(made.id).is_usable


@operation()
def short_links(contract: Contract) -> None:
    with pytest.raises(NotOnServerError):
        contract.client.short_link_by_key(key=contract.name("nowhere"))
    contract.control_plane("POST", "/shortLinks/abc", json={"longLink": "https://wk.example/datasets/1"})
    assert contract.client.short_link_by_key(key="abc").long_link == "https://wk.example/datasets/1"


@operation()
def user_changed(contract: Contract) -> None:
    if not contract.control:
        raise NotHere("nobody's rights are touched")
    me = contract.client.user_current()
    contract.client.user_update(user=me.model_copy(update={"experiences": {**me.experiences, "contract": 2}}))
    assert contract.client.user_current().experiences["contract"] == 2
    contract.client.user_update(user=me)


@operation("delete_dataset")
def deleting(contract: Contract) -> None:
    dataset_id = _sent_dataset(contract, "deleted")
    contract.client.dataset_delete(dataset_id=dataset_id)
    with pytest.raises(NotOnServerError):
        contract.client.dataset_info(dataset_id=dataset_id)
