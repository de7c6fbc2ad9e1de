"""The commented wk_assets.yaml that `wk-assets init` writes. Text only; a test loads it."""

from wk_assets.facility.configuration import FILE_NAME


def configuration_template() -> str:
    """Give the text of a commented file; it loads as it is."""
    return f"# {FILE_NAME}\n"
