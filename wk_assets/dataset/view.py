"""A window into one mag: what `VoxelView` reads and writes, and how to cut it into pieces, slices and chunks."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from itertools import tee
from typing import Any

from wk_assets.dataset.buffered_slices import BufferedSliceReader, BufferedSliceWriter
from wk_assets.dataset.progress_bar import progress_bar
from wk_assets.dataset.view_region import chunk_size, in_words, read_region
from wk_assets.dataset.voxel_view import VoxelView
from wk_assets.dataset.zipped_chunks import zipped_boxes
from wk_assets.errors import GeometryError, ReadOnlyError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike, VecIntLike
from wk_assets.operations.arrays.compare_arrays import arrays_are_equal
from wk_assets.operations.arrays.map_chunks import map_chunks


class View(VoxelView):
    """Show the part of a mag that lies in a bounding box. Use `MagView.get_view` to make one."""

    def get_view(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        read_only: bool | None = None,
    ) -> "View":
        """Give a view of a region, given as for `read`; only a read-only one may reach beyond this view.

        `read_only` None: as this view is. Raises GeometryError for a region that is given twice, empty, not aligned with
        the mag or too large, ReadOnlyError for a view to write within one to read.
        """
        read_only = self.read_only if read_only is None else read_only
        if self.read_only and not read_only:
            raise ReadOnlyError(f"{self!r} is only for reading, so a part of it can not be for writing")
        whole = self.normalized_bounding_box
        box = read_region(whole, size, relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        box.in_mag(self._mag)
        if not read_only and not whole.contains_bbox(box):
            raise GeometryError(
                f"the region {in_words(box)} reaches beyond {in_words(whole)}: only a view with read_only=True may"
            )
        return self._part(box, read_only=read_only)

    def get_buffered_slice_reader(
        self,
        buffer_size: int | None = None,
        dimension: str | int = "z",
        *,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        use_logging: bool = False,
    ) -> BufferedSliceReader:
        """Give what yields slice after slice, (c, y, z), (c, x, z) or (c, x, y), and reads `buffer_size` of them at once.

        `buffer_size` None: as many as a shard has. Raises GeometryError for a region that is no region of `read`.
        """
        whole = self.normalized_bounding_box
        box = read_region(whole, None, None, None, relative_bounding_box, absolute_bounding_box)
        return BufferedSliceReader(self._part(box, read_only=True), dimension, buffer_size, use_logging=use_logging)

    def get_buffered_slice_writer(
        self,
        buffer_size: int | None = None,
        dimension: str | int = "z",
        *,
        relative_offset: Vec3IntLike | None = None,
        absolute_offset: Vec3IntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        use_logging: bool = False,
        allow_unaligned: bool = False,
    ) -> BufferedSliceWriter:
        """Give what takes slice after slice with `send`, and writes `buffer_size` of them at once.

        `buffer_size` None: as many as a shard has. Raises GeometryError for a place that is given twice, ReadOnlyError.
        """
        self._check_writable()
        whole = self.normalized_bounding_box
        size = None if relative_offset is None and absolute_offset is None else whole.size_xyz
        box = read_region(whole, size, relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        return BufferedSliceWriter(
            self, box, dimension, buffer_size, use_logging=use_logging, allow_unaligned=allow_unaligned
        )

    # ------------------------------------------------------------------ chunks

    def chunk(
        self,
        chunk_shape: VecIntLike,
        *,
        chunk_border_alignments: VecIntLike | None = None,
        read_only: bool | None = None,
    ) -> Generator["View", None, None]:
        """Cut the view into views of `chunk_shape` mag-1 voxels x, y, z, smaller at its edges.

        Borders are counted from the view's corner, or are multiples of `chunk_border_alignments`. Each position along an
        additional axis is a chunk of its own, unless the shape names that axis. Raises GeometryError for shapes that are not
        multiples of the mag.
        """
        whole = self.normalized_bounding_box
        borders = None if chunk_border_alignments is None else chunk_size(whole, chunk_border_alignments)
        for box in whole.chunk(chunk_size(whole, chunk_shape), borders):
            yield self.get_view(absolute_bounding_box=box, read_only=read_only)

    def for_each_chunk(
        self,
        func_per_chunk: Callable[[tuple["View", int]], None],
        *,
        chunk_shape: Vec3IntLike | None = None,
        executor: Executor | None = None,
        progress_desc: str | None = None,
    ) -> None:
        """Call a function with (view, number) of each chunk; one after the other, or on an executor.

        `chunk_shape`: mag-1 voxels, one shard by default; borders are multiples of it. A chunk that does not hold whole
        shards is safe to write too, only slower. `progress_desc` shows a bar. What the function raises is raised with a note
        that names the chunk.
        """
        chunks, done = tee(self._chunks(chunk_shape))
        numbered = ((view, number) for number, view in enumerate(chunks))
        with progress_bar(progress_desc, self.normalized_bounding_box.volume()) as advance:
            results = map_chunks(func_per_chunk, numbered, executor=executor, name=_name_of_numbered)
            for _, view in zip(results, done, strict=True):
                advance(view.normalized_bounding_box.volume())

    def map_chunk(
        self,
        func_per_chunk: Callable[["View"], Any],
        *,
        chunk_shape: Vec3IntLike | None = None,
        executor: Executor | None = None,
        progress_desc: str | None = None,
    ) -> list[Any]:
        """Call a function with each chunk and return its results in the order of the chunks. See `for_each_chunk`."""
        results: list[Any] = []
        with progress_bar(progress_desc, self.normalized_bounding_box.volume()) as advance:
            chunks, done = tee(self._chunks(chunk_shape))
            mapped = map_chunks(func_per_chunk, chunks, executor=executor, name=repr)
            for result, view in zip(mapped, done, strict=True):
                results.append(result)
                advance(view.normalized_bounding_box.volume())
        return results

    def for_zipped_chunks(
        self,
        func_per_chunk: Callable[[tuple["View", "View", int]], None],
        target_view: "View",
        *,
        source_chunk_shape: Vec3IntLike | None = None,
        target_chunk_shape: Vec3IntLike | None = None,
        executor: Executor | None = None,
        progress_desc: str | None = None,
    ) -> None:
        """Call a function with (chunk of this view to read, chunk of the target, number).

        Shapes: mag-1 voxels, by default the larger of both views' shards. Raises GeometryError unless both views are cut into
        the same number of chunks: their sizes must relate as the chunk shapes do.
        """
        largest = self._shard_in_mag1().pairmax(target_view._shard_in_mag1())  # noqa: SLF001 - a view like this one
        pairs = zipped_boxes(
            self.normalized_bounding_box,
            target_view.normalized_bounding_box,
            Vec3Int(source_chunk_shape or largest),
            Vec3Int(target_chunk_shape or largest),
            common=self.mag.to_vec3_int().pairmax(target_view.mag.to_vec3_int()),
        )
        jobs = (
            (
                self.get_view(absolute_bounding_box=source, read_only=True),
                target_view.get_view(absolute_bounding_box=target),
                number,
            )
            for number, (source, target) in enumerate(pairs)
        )
        with progress_bar(progress_desc, len(pairs)) as advance:
            for _ in map_chunks(func_per_chunk, jobs, executor=executor, name=_name_of_zipped):
                advance(1)

    def content_is_equal(
        self,
        other: "View",
        *,
        executor: Executor | None = None,
        progress_desc: str | None = None,
        chunk_shape: Vec3IntLike | None = None,
    ) -> bool:
        """Say whether two views hold the same voxels, wherever they lie; False if shapes or dtypes differ.

        Compared chunk by chunk, `chunk_shape` mag-1 voxels (None: one shard), up to the first difference; NaN is like NaN.
        """
        first = self.normalized_bounding_box.in_mag(self.mag)
        second = other.normalized_bounding_box.in_mag(other.mag)
        shape = None if chunk_shape is None else Vec3Int(chunk_shape) // self.mag.to_vec3_int()
        with progress_bar(progress_desc, first.volume()) as advance:
            return arrays_are_equal(
                self.array,
                first,
                other.array,
                second,
                chunk_shape=shape,
                executor=executor,
                done=advance,
            )

    # ------------------------------------------------------------------ within

    def _part(self, box: NormalizedBoundingBox, *, read_only: bool) -> "View":
        return View(
            self._path,
            box,
            self._mag,
            self._data_format,
            read_only,
            self._opened,
            axis_order=self._axis_order,
            additional_axes=self._additional_axes,
        )

    def _chunks(self, chunk_shape: Vec3IntLike | None) -> Iterator["View"]:
        shape = self._shard_in_mag1() if chunk_shape is None else Vec3Int(chunk_shape)
        return self.chunk(shape, chunk_border_alignments=shape)

    def _shard_in_mag1(self) -> Vec3Int:
        return self.info.shard_shape * self._mag.to_vec3_int()


def _name_of_numbered(chunk: tuple[View, int]) -> str:
    return f"chunk {chunk[1]}, {chunk[0]!r}"


def _name_of_zipped(chunks: tuple[View, View, int]) -> str:
    return f"chunk {chunks[2]}, {chunks[0]!r} and {chunks[1]!r}"
