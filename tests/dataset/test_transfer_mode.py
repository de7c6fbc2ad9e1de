from pathlib import Path

import pytest

from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import RemoteLocationError, StorageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "1"
    (folder / "c/0").mkdir(parents=True)
    (folder / "zarr.json").write_text("{}")
    (folder / "c/0/0").write_bytes(b"voxels")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", [TransferMode.COPY, TransferMode.SYMLINK, TransferMode.MOVE_AND_SYMLINK])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_transferred_is_read_at_both_places(
    tmp_path: Path, source: Path, mode: TransferMode, kind: str
) -> None:
    place = source if kind == "folder" else source / "zarr.json"
    target = tmp_path / "deep" / "target"
    expected = content(source)

    mode.transfer(place, target)

    assert content(source) == expected
    assert (content(target) if kind == "folder" else target.read_bytes()) == (expected if kind == "folder" else b"{}")
    assert target.is_symlink() == (mode is TransferMode.SYMLINK)
    assert place.is_symlink() == (mode is TransferMode.MOVE_AND_SYMLINK)
    assert not list(target.parent.glob(".*"))


def test_a_taken_place_and_an_absent_source_are_refused(tmp_path: Path, source: Path) -> None:
    (tmp_path / "taken").mkdir()

    for mode in (TransferMode.COPY, TransferMode.SYMLINK, TransferMode.MOVE_AND_SYMLINK):
        with pytest.raises(StorageError, match="there is something at"):
            mode.transfer(source, tmp_path / "taken")
        with pytest.raises(FileNotFoundError, match="there is nothing at"):
            mode.transfer(tmp_path / "nothing", tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert content(source)


def test_servers_and_urls_are_not_local(tmp_path: Path, source: Path) -> None:
    with pytest.raises(RemoteLocationError, match="goes through a server"):
        TransferMode.HTTP.transfer(source, tmp_path / "target")
    with pytest.raises(RemoteLocationError, match="s3://"):
        TransferMode.COPY.transfer(source, "s3://bucket/target")
    assert TransferMode("move+symlink") is TransferMode.MOVE_AND_SYMLINK
