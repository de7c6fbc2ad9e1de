"""A dataset on disk as an object, for notebooks and scripts.

    dataset = Dataset("path", voxel_size=(11.24, 11.24, 25))
    layer = dataset.add_layer("em", "color", bounding_box=BoundingBox((0, 0, 0), (512, 512, 64)))
    layer.add_mag(1).write(voxels)
    Dataset.open("path").get_layer("em").get_finest_mag().read((64, 64, 64), absolute_offset=(100, 100, 0))

Names are those of the WEBKNOSSOS Python library's reference, so that scripts feel at home. Its parts: `opened_dataset`,
`layer_adding`, `layer_copying`, `image_import`, `uploading`.
"""

from concurrent.futures import Executor

from wk_assets.dataset.image_import import ImageImport
from wk_assets.dataset.remote_doors import RemoteDoors
from wk_assets.dataset.uploading import DatasetUploading
from wk_assets.errors import ReadOnlyError
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.storage.mag_array import Zarr3Config


class Dataset(ImageImport, RemoteDoors, DatasetUploading):
    """Make a dataset, or open one with `Dataset.open`, and change it (parameters: see `OpenedDataset`)."""

    def compress(self, *, executor: Executor | None = None) -> None:
        """Compress, in place, every mag that is not compressed yet and lies in this dataset. Raises ReadOnlyError."""
        if self.read_only:
            raise ReadOnlyError(f"{self!r} was opened for reading; open it without read_only to compress it")
        for layer in self.layers.values():
            for view in layer.mags.values():
                if not view.is_foreign:
                    view.compress(executor=executor)

    def downsample(
        self,
        *,
        sampling_mode: SamplingMode = SamplingMode.ANISOTROPIC,
        coarsest_mag: Mag | None = None,
        interpolation_mode: str = "default",
        compress: bool | Zarr3Config = True,
        executor: Executor | None = None,
    ) -> None:
        """Give coarser mags to every layer that has one mag only. See `Layer.downsample`, which raises what this raises."""
        for layer in self.layers.values():
            if len(layer.mags) == 1:
                layer.downsample(
                    sampling_mode=sampling_mode,
                    coarsest_mag=coarsest_mag,
                    interpolation_mode=interpolation_mode,
                    compress=compress,
                    executor=executor,
                )
