"""What `layer.export` offers: a layer written as TIFF, OME-TIFF or zipped OME-Zarr, for programs that read nothing else.

A thin handle; the work is in `operations.exports.export_layer`, which the command line uses too.
"""

from os import PathLike
from pathlib import Path

from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.operations.exports.export_layer import plan_export, run_export
from wk_assets.operations.exports.export_request import ExportFormat, ExportRequest, SliceNames


class LayerExport:
    """Export one layer. Each method makes `output_path` at once when it is whole; called again, it goes on or rests.

    `bounding_box` is in mag-1 voxels, of the layer by default; what lies beyond the layer is zero. `mag` is the finest
    mag of the layer by default. Memory is bounded, whatever the size of the layer. All raise InputError for a box or a
    mag that the layer does not have and for voxels that the format does not hold, TargetNotWritableError if something
    else is at `output_path`, StorageError.
    """

    def __init__(self, dataset_path: Path, layer_name: str) -> None:
        self._dataset_path = dataset_path
        self._layer_name = layer_name

    def as_tiff_stack(
        self,
        *,
        output_path: "str | PathLike[str]",
        bounding_box: NDBoundingBox | None = None,
        mag: Mag | None = None,
        filename_prefix: str = "",
    ) -> None:
        """Write one TIFF per slice into the folder `output_path`, named by the prefix and the z of the slice in `mag`."""
        self._export(
            ExportRequest(
                dataset_path=self._dataset_path,
                layer_name=self._layer_name,
                target=Path(output_path),
                format=ExportFormat.TIFF,
                box=bounding_box,
                mag=mag,
                names=SliceNames(prefix=filename_prefix),
            )
        )

    def as_ome_tiff(
        self,
        *,
        output_path: "str | PathLike[str]",
        bounding_box: NDBoundingBox | None = None,
        mag: Mag | None = None,
        downsample: bool = True,
    ) -> None:
        """Write one OME-TIFF file with voxel size and channels; `downsample`: with a pyramid in x and y for viewers."""
        self._export(
            ExportRequest(
                dataset_path=self._dataset_path,
                layer_name=self._layer_name,
                target=Path(output_path),
                format=ExportFormat.OME_TIFF,
                box=bounding_box,
                mag=mag,
                coarser=downsample,
            )
        )

    def as_ozx(
        self,
        *,
        output_path: "str | PathLike[str]",
        bounding_box: NDBoundingBox | None = None,
        mag: Mag | None = None,
        downsample: bool = True,
        shard_shape: Vec3IntLike | int | None = None,
    ) -> None:
        """Write one zipped OME-Zarr 0.5 image; `downsample`: with all coarser mags that the layer has."""
        self._export(
            ExportRequest(
                dataset_path=self._dataset_path,
                layer_name=self._layer_name,
                target=Path(output_path),
                format=ExportFormat.OZX,
                box=bounding_box,
                mag=mag,
                coarser=downsample,
                shard_shape=None if shard_shape is None else Vec3Int.from_vec_or_int(shard_shape),
            )
        )

    @staticmethod
    def _export(request: ExportRequest) -> None:
        run_export(plan_export(request))
