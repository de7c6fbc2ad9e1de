"""Where datasets and their pictures lie. Configuration in, paths out; arrays are never opened here."""

from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
from pydantic import Field

from wk_assets.operations.checks.preview import Preview
from wk_assets.operations.datasets.commit_dataset import DatasetRequest
from wk_assets.operations.records.layer_request import LayerRequest
from wk_assets.storage.durable import make_directory, write_atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """A layer's preview, and the addresses at which a browser finds it (None: nobody serves the previews folder)."""

    preview: Preview
    folder: Path
    urls: tuple[str, str, str] | None  # xy, xz, yz


class StorageResource(dg.ConfigurableResource[None]):
    """Name the folders of the datasets and of the preview pictures."""

    root: str = Field(description="The folder that holds one folder per dataset.")
    previews_folder: str = Field(description="The folder of the preview pictures.")
    previews_url: str = Field(
        default="", description="The address at which the previews folder is served; empty: it is not."
    )

    def dataset_path(self, dataset: str) -> Path:
        """Say where a dataset lies."""
        return Path(self.root) / dataset

    def place_layer(self, request: LayerRequest) -> LayerRequest:
        """Let a layer be made in this storage."""
        return replace(request, dataset_path=self.dataset_path(request.dataset_path.name))

    def place_dataset(self, request: DatasetRequest) -> DatasetRequest:
        """Let a dataset be committed in this storage."""
        return replace(request, dataset_path=self.dataset_path(request.dataset_path.name))

    def keep_pictures(self, dataset: str, layer: str, version: str, preview: Preview) -> Pictures:
        """Write the three slices to `<previews>/<dataset>/<layer>/<version>/`. Raises StorageError."""
        folder = Path(self.previews_folder) / dataset / layer / version
        make_directory(folder)
        planes = {"xy": preview.xy, "xz": preview.xz, "yz": preview.yz}
        for plane, picture in planes.items():
            write_atomically(folder / f"{plane}.png", picture)
        base = f"{self.previews_url.rstrip('/')}/{dataset}/{layer}/{version}"
        urls = (f"{base}/xy.png", f"{base}/xz.png", f"{base}/yz.png") if self.previews_url else None
        return Pictures(preview=preview, folder=folder, urls=urls)
