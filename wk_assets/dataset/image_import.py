"""Layers from images and arrays: `Dataset.from_images`, `add_layer_from_images`, `write_layer`."""

from wk_assets.dataset.layer_copying import LayerCopying


class ImageImport(LayerCopying):
    """Make layers from what others wrote."""
