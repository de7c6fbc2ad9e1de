"""Sharing out files among layers: nothing is left to chance."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from wk_assets.errors import MissingSliceError
from wk_assets.facility.acquisitions import scan_acquisition
from wk_assets.facility.instrument import Instrument
from wk_assets.facility.layer_files import files_by_layer

Fill = Callable[[str, Mapping[str, bytes | str]], Path]
Instruments = Callable[..., Instrument]


def test_each_layer_gets_the_files_of_its_patterns(instrument: Instruments, fill: Fill) -> None:
    layers = [
        {"name": "image", "files": ["image_*.tif", "more/**/*.tif"]},
        {"name": "labels", "category": "segmentation", "files": "labels.tif"},
    ]
    folder = fill("run", {"image_1.tif": "1", "more/a/2.tif": "1", "labels.tif": "1", "notes.txt": "1"})
    scope = instrument(layers=layers)

    shared = files_by_layer(scope, scan_acquisition(scope, folder))

    assert {name: [file.relative_path for file in files] for name, files in shared.items()} == {
        "image": ["image_1.tif", "more/a/2.tif"],
        "labels": ["labels.tif"],
    }


def test_a_pattern_that_matches_nothing_names_the_layer_and_what_is_there(instrument: Instruments, fill: Fill) -> None:
    scope = instrument()
    folder = fill("run", {"Nuclei_z1.tif": "1", "labels_z1.tif": "1"})

    with pytest.raises(
        MissingSliceError, match=r"layer 'nuclei': the pattern 'nuclei_z\*\.tif' matches none of the 2"
    ) as error:
        files_by_layer(scope, scan_acquisition(scope, folder))

    assert "Nuclei_z1.tif" in str(error.value)
    assert "layer 'labels'" not in str(error.value)


def test_a_file_of_two_layers_is_refused(instrument: Instruments, fill: Fill) -> None:
    scope = instrument(layers=[{"name": "a", "files": "*.tif"}, {"name": "b", "files": "x*.tif"}])
    folder = fill("run", {"x1.tif": "1", "x2.tif": "1", "y.tif": "1"})

    with pytest.raises(MissingSliceError, match=r"'x1\.tif' belongs to the layers 'a' and 'b', and 1 more files do"):
        files_by_layer(scope, scan_acquisition(scope, folder))


def test_layers_share_files_when_each_takes_another_channel(instrument: Instruments, fill: Fill) -> None:
    layers = [{"name": f"channel{c}", "files": "*.tif", "axes": "zcyx", "channel": c} for c in (0, 1)]
    folder = fill("run", {"stack.tif": "1"})
    scope = instrument(layers=layers)

    assert set(files_by_layer(scope, scan_acquisition(scope, folder))) == {"channel0", "channel1"}
    layers[1]["channel"] = 0
    scope = instrument(layers=layers)
    with pytest.raises(MissingSliceError, match="give each layer another 'channel'"):
        files_by_layer(scope, scan_acquisition(scope, folder))
