"""What attachments of a layer can be looked at, wherever they lie: all of a kind, or all."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TypeVar

from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.attachment import (
    Attachment,
    ConnectomeAttachment,
    CumsumAttachment,
    MeshAttachment,
    SegmentIndexAttachment,
)

_Kind = TypeVar("_Kind", bound=Attachment)


class AttachmentsByKind(ABC):
    """Offer attachments by their kind; iterating gives all."""

    @abstractmethod
    def __iter__(self) -> Iterator[Attachment]: ...

    @property
    def meshes(self) -> tuple[MeshAttachment, ...]:
        """All files of meshes."""
        return self._all_of(MeshAttachment)

    @property
    def agglomerates(self) -> tuple[AgglomerateAttachment, ...]:
        """All files of agglomerates."""
        return self._all_of(AgglomerateAttachment)

    @property
    def connectomes(self) -> tuple[ConnectomeAttachment, ...]:
        """All connectomes."""
        return self._all_of(ConnectomeAttachment)

    @property
    def segment_index(self) -> SegmentIndexAttachment | None:
        """The index of segments, if there is one."""
        return next(iter(self._all_of(SegmentIndexAttachment)), None)

    @property
    def cumsum(self) -> CumsumAttachment | None:
        """The table of cumulated sums, if there is one."""
        return next(iter(self._all_of(CumsumAttachment)), None)

    @property
    def is_empty(self) -> bool:
        """Whether the layer has no attachments."""
        return not list(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"

    def _all_of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        return tuple(one for one in self if isinstance(one, kind))
