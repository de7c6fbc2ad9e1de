"""Coarser and finer mags of a layer. Thin: `operations.resample_layer` computes them."""

from wk_assets.dataset.layer_mags import LayerMags


class ResampledLayer(LayerMags):
    """Make mags of a layer from one another."""
