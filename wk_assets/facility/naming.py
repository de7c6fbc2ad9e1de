"""From an acquisition to the name of its dataset.

Pure text. The rules for legal names are in `properties.names`; who owns a name already is the `catalogue`'s business.
"""

from string import Formatter

from wk_assets.properties.names import check_dataset_name, safe_dataset_name

PLACEHOLDERS = ("acquisition", "instrument")


def placeholders(template: str) -> tuple[str, ...]:
    """List the placeholders of a naming template in order. Raises ValueError if a brace is not closed."""
    return tuple(field for _, field, _, _ in Formatter().parse(template) if field is not None)


def dataset_name(template: str, *, instrument: str, acquisition: str) -> str:
    """Fill a naming template. What a folder's name may hold and a dataset's name may not (spaces, umlauts) is replaced.

    Two folders that become one name are told apart by the catalogue, which refuses the second.
    Raises InvalidNameError if nothing legal remains.
    """
    name = template.format_map({"instrument": instrument, "acquisition": acquisition})
    safe = safe_dataset_name(name)
    check_dataset_name(safe)
    return safe
