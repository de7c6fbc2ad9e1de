"""igneous: slices into Neuroglancer precomputed chunks with CloudVolume, then its own downsampling tasks, in process.

Its format has no zstd level: chunks of 64³, gzip for images and compressed_segmentation for labels, its defaults.
"""

from cloudvolume import CloudVolume  # type: ignore[import-not-found, unused-ignore]  # in its own environment
from igneous.task_creation import create_downsampling_tasks  # type: ignore[import-not-found, unused-ignore]  # as above
from taskqueue import LocalTaskQueue  # type: ignore[import-not-found, unused-ignore]  # as above

from benchmarks.candidates.stack import read_stack
from benchmarks.candidates.task import Answer, Task, answer_task

CHUNK = 64


def work(task: Task) -> Answer:
    """Ingest, then downsample; one process per thread that the task allows."""
    voxels = read_stack(task.source, task.threads).transpose(2, 1, 0)
    path = f"file://{task.target}"
    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type="segmentation" if task.label else "image",
        data_type=voxels.dtype.name,
        encoding="compressed_segmentation" if task.label else "raw",
        resolution=task.voxel_size,
        voxel_offset=(0, 0, 0),
        chunk_size=(CHUNK, CHUNK, CHUNK),
        volume_size=voxels.shape,
    )
    volume = CloudVolume(path, info=info, progress=False, compress="gzip", non_aligned_writes=True)
    volume.commit_info()
    for z in range(0, voxels.shape[2], CHUNK):
        volume[:, :, z : z + CHUNK] = voxels[:, :, z : z + CHUNK]
    made = 1
    for mag, (fz, fy, fx) in zip(task.mags, task.factors(), strict=False):
        if any(
            extent // of_mag < CHUNK * factor
            for extent, of_mag, factor in zip(voxels.shape, mag, (fx, fy, fz), strict=True)
        ):
            break  # its tasks are whole chunks of the coarser mag: thinner volumes it leaves alone
        with LocalTaskQueue(parallel=task.threads, progress=False) as queue:
            queue.insert(
                create_downsampling_tasks(path, mip=made - 1, num_mips=1, factor=(fx, fy, fz), compress="gzip")
            )
        made += 1
    return Answer(
        arrays={},
        packages=("igneous-pipeline", "cloud-volume", "tinybrain"),
        note=f"precomputed 64³, {'compressed_segmentation' if task.label else 'gzip'}, {made} of {len(task.mags)} mags",
    )


if __name__ == "__main__":
    answer_task(work)
