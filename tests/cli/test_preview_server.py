import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from wk_assets.cli.preview_server import serving_pictures

PICTURE = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "previews"
    (folder / "brain" / "em" / "v1").mkdir(parents=True)
    (folder / "brain" / "em" / "v1" / "xy.png").write_bytes(PICTURE)
    (folder / "brain" / "notes.txt").write_text("private")
    (tmp_path / "wk_assets.yaml").write_text("version: 1")
    (tmp_path / "secret.png").write_bytes(b"outside")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with serving_pictures(folder, 0) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_picture_is_served_with_its_type(address: str) -> None:
    with urllib.request.urlopen(f"{address}/brain/em/v1/xy.png", timeout=5) as answer:
        assert answer.read() == PICTURE
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "brain/",
        "brain/notes.txt",
        "nothing.png",
        "../wk_assets.yaml",
        "%2e%2e/secret.png",
        "link.png",
        "brain/em/v1",
    ],
)
def test_nothing_else_is_served(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/{path}", timeout=5)

    refused.value.close()
    assert refused.value.code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(address: str, method: str) -> None:
    request = urllib.request.Request(f"{address}/brain/em/v1/xy.png", data=b"", method=method)

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)

    refused.value.close()
    assert refused.value.code == 501


def test_the_port_is_free_again_afterwards(tmp_path: Path) -> None:
    with serving_pictures(tmp_path, 0) as port:
        pass
    with serving_pictures(tmp_path, port) as again:
        assert again == port
