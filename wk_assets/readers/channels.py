"""How many channels a layer's images have, before one of them is chosen. Reads headers only."""

from dataclasses import dataclass, replace

from wk_assets.errors import AxesError, UnreadableSliceError
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection, VolumeDescription

_MOST_CHANNELS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChannels:
    """Describe what a selection holds. `count` 1: it is read as it is (grey, or RGB as one layer); else a channel is chosen."""

    count: int
    description: VolumeDescription  # of the whole, or of channel 0


def channels_of(selection: SourceSelection) -> ImageChannels:
    """Open a selection and count its channels. `selection.channel` is left out of it.

    Raises what `open_volume` raises for images that can not be imported, whichever channel is chosen.
    """
    whole = replace(selection, channel=None)
    try:
        with open_volume(whole) as reader:
            return ImageChannels(count=1, description=reader.description)
    except AxesError as error:
        refusal = error
    first = _description(whole, 0)
    if first is None:
        raise refusal
    # the greatest channel that can be opened, by doubling and halving: each look reads one header
    known, beyond = 0, 1
    while beyond < _MOST_CHANNELS and _description(whole, beyond) is not None:
        known, beyond = beyond, beyond * 2
    while beyond - known > 1:
        middle = (known + beyond) // 2
        known, beyond = (middle, beyond) if _description(whole, middle) is not None else (known, middle)
    return ImageChannels(count=known + 1, description=first)


def _description(selection: SourceSelection, channel: int) -> VolumeDescription | None:
    """Describe one channel; None if it can not be chosen."""
    try:
        with open_volume(replace(selection, channel=channel)) as reader:
            return reader.description
    except (AxesError, UnreadableSliceError):
        return None
