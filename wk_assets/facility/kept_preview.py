"""The pictures of an annotation that is home: made from its file, and kept beside it.

The drawing is in `operations.annotations.drawing`; a version's file does not change, and neither do its pictures.
"""

from wk_assets.annotation.annotation_file import read_annotation_file
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, Verdict
from wk_assets.facility.kept_volumes import painted_volumes
from wk_assets.operations.annotations.drawing import PaintedMag, draw_annotation
from wk_assets.operations.checks.preview import Preview, encode_preview
from wk_assets.storage.durable import write_atomically


def preview_annotation(kept: KeptAnnotations, record: KeptAnnotation) -> Preview | None:
    """Draw what was painted and traced, and write `xy.png`, `xz.png` and `yz.png` beside its file.

    None: nothing was, or the annotation was cancelled. Raises AnnotationFileError, NmlError, PropertiesError, StorageError.
    """
    if record.verdict is Verdict.WITHDRAWN or not record.files:
        return None
    contents = read_annotation_file(kept.file(record, record.files[0]))
    with painted_volumes(contents) as volumes:
        drawn = draw_annotation(
            contents.nml.trees,
            [PaintedMag(array=one.array, mag=one.mag) for one in volumes],
            box=record.task_box,
            voxel_size=contents.nml.parameters.scale.factor,
        )
    if drawn is None:
        return None
    preview = encode_preview(drawn, "segmentation")
    for plane, picture in (("xy", preview.xy), ("xz", preview.xz), ("yz", preview.yz)):
        write_atomically(kept.file(record, f"{plane}.png"), picture)
    return preview
