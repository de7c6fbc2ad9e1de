"""The sample datasets, made once per worker."""

from collections.abc import Mapping

import pytest

from tests.conformance.datasets import SampleDataset, sample_datasets


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, SampleDataset]:
    """Make every sample dataset; by name."""
    folder = tmp_path_factory.mktemp("conformance")
    made = {dataset.name: dataset for dataset in sample_datasets(folder / "datasets")}
    for dataset in made.values():
        dataset.make(folder / "inbox")
    return made
