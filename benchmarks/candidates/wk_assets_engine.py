"""wk-assets itself: plan, run, commit, through the library. The variant is a preset, or empty for the given level."""

from benchmarks.candidates.task import Answer, Task, answer_task, slices_of
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.layer_plan import plan_layer
from wk_assets.operations.layer_request import ArraySettings, LayerRequest
from wk_assets.operations.run_layer import run_layer
from wk_assets.readers.volume import SourceSelection

MEMORY_BYTES = 2 << 30


def layer_request(task: Task) -> LayerRequest:
    """Ask for the layer as the task describes it; variant `default`: with the settings that nobody touched."""
    return LayerRequest(
        dataset_path=task.target,
        layer_name="layer",
        category="segmentation" if task.label else "color",
        source=SourceSelection(root=task.source, files=tuple(slices_of(task.source))),
        voxel_size=VoxelSize(task.voxel_size),
        mags=tuple(Mag(mag) for mag in task.mags),
        mode=DownsamplingMode.MODE if task.label else DownsamplingMode.MEDIAN,
        array=ArraySettings() if task.variant == "default" else ArraySettings(zstd_level=task.zstd_level),
    )


def work(task: Task) -> Answer:
    """Make the dataset."""
    request = layer_request(task)
    compute = Compute(threads=task.threads, memory_bytes=MEMORY_BYTES)
    plan = plan_layer(request, compute)
    result = run_layer(plan, compute)
    commit_dataset(
        DatasetRequest(
            dataset_path=task.target,
            name="benchmark",
            voxel_size=request.voxel_size,
            layer_names=(request.layer_name,),
            layout=request.array.layout,
        )
    )
    return Answer(
        arrays={mag.mag.to_layer_name(): mag.path for mag in result.mags},
        packages=("numpy", "numba", "zstandard"),
        note=f"zstd {request.array.zstd_level}, one pass, synced to disk",
        figures={"planned_peak_memory_bytes": plan.peak_memory_bytes, "mag1_bytes": result.mags[0].stored_bytes},
    )


if __name__ == "__main__":
    answer_task(work)
