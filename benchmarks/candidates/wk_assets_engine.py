"""wk-assets itself: plan, run, commit, through the library."""

from benchmarks.candidates.task import Answer, Task, answer_task, slices_of
from wk_assets.cli.conversion import ConversionOptions, carry_out, conversion_request
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import LayerPlan, plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_request import ArraySettings, LayerRequest, LayerResult
from wk_assets.readers.volume import SourceSelection

MEMORY_BYTES = 2 << 30


def layer_request(task: Task) -> LayerRequest:
    """Ask for the layer as the task describes it."""
    return LayerRequest(
        dataset_path=task.target,
        layer_name="layer",
        category="segmentation" if task.label else "color",
        source=SourceSelection(root=task.source, files=tuple(slices_of(task.source))),
        voxel_size=VoxelSize(task.voxel_size),
        mags=tuple(Mag(mag) for mag in task.mags),
        mode=DownsamplingMode.MODE if task.label else DownsamplingMode.MEDIAN,
        array=ArraySettings(zstd_level=task.zstd_level),
    )


def converted(task: Task, compute: Compute) -> tuple[LayerPlan, LayerResult]:
    """Do what `wk-assets convert` does when nobody says anything but the voxel size: sample, run, check, commit."""
    options = ConversionOptions(
        voxel_size=",".join(map(str, task.voxel_size)),
        category="segmentation" if task.label else "color",
        mags=",".join(Mag(mag).to_layer_name() for mag in task.mags[1:]),
    )
    plan = plan_layer(conversion_request(task.source, task.target, options), compute)
    return plan, carry_out(plan, compute)[0]


def made(task: Task, compute: Compute) -> tuple[LayerPlan, LayerResult]:
    """Run and commit, at the level that the task says; nobody looks at what was made."""
    request = layer_request(task)
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
    return plan, result


def work(task: Task) -> Answer:
    """Make the dataset. Variant `convert`: as the command line does it by default."""
    compute = Compute(threads=task.threads, memory_bytes=MEMORY_BYTES)
    plan, result = (converted if task.variant == "convert" else made)(task, compute)
    level = plan.request.array.zstd_level
    return Answer(
        arrays={mag.mag.to_layer_name(): mag.path for mag in result.mags},
        packages=("numpy", "numba", "zstandard"),
        note=f"zstd {level}, as `convert` does it: sample, run, checks" if task.variant else f"zstd {level}, on disk",
        figures={"planned_peak_memory_bytes": plan.peak_memory_bytes, "mag1_bytes": result.mags[0].stored_bytes},
    )


if __name__ == "__main__":
    answer_task(work)
