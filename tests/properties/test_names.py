"""Names of datasets and layers: what is refused comes with a name that is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import InvalidNameError
from wk_assets.properties.names import check_dataset_name, check_layer_name, safe_dataset_name, safe_layer_name


@given(st.text())
def test_a_suggested_name_is_always_legal(text: str) -> None:
    assert check_dataset_name(safe_dataset_name(text))
    assert check_layer_name(safe_layer_name(text))
    assert safe_dataset_name(safe_dataset_name(text)) == safe_dataset_name(text)
    assert safe_layer_name(safe_layer_name(text)) == safe_layer_name(text)


@given(st.text())
def test_a_legal_name_is_kept(text: str) -> None:
    for check, suggest in ((check_dataset_name, safe_dataset_name), (check_layer_name, safe_layer_name)):
        try:
            assert check(text) == suggest(text) == text
        except InvalidNameError as error:
            assert suggest(text) != text or len(text) > 200  # noqa: PT017  # either outcome is right
            assert repr(text)[:20] in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("raw data", "raw-data"),
        ("2024-05-01 Mouse #3 (left)", "2024-05-01-Mouse-3-left"),
        ("\u00c4rger/\u03b2", "Arger"),
        ("Zelle \u00b51", "Zelle-u1"),
        ("..", "dataset"),
        ("", "dataset"),
        ("ab", "dataset-ab"),
        (".hidden", "hidden"),
        ("a" * 300, "a" * 200),
    ],
)
def test_a_dataset_name_is_suggested_that_a_person_recognises(text: str, suggestion: str) -> None:
    assert safe_dataset_name(text) == suggestion


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("raw data", r"layer name 'raw data' contains ' '; allowed are .* Did you mean 'raw-data'\?"),
        ("a/b", "contains '/'"),
        ("../etc", "starts with '.'"),
        ("", "is empty"),
        ("caf\u00e9", "contains '\u00e9'.*'cafe'"),
        ("OME", "is taken"),
        ("zarr.json", "is taken"),
        ("a" * 201, "has 201 characters"),
        ("a\n", r"contains '\\n'"),
    ],
)
def test_a_layer_name_is_refused_with_its_reason(name: str, complaint: str) -> None:
    with pytest.raises(InvalidNameError, match=complaint):
        check_layer_name(name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("ab", "is shorter than 3 characters.*'dataset-ab'"),
        ("", "is empty"),
        ("a@b", "contains '@'.*'a-b'"),
        (".abc", "starts with '.'"),
        ("x" * 201, "has 201 characters"),
    ],
)
def test_a_dataset_name_is_refused_with_its_reason(name: str, complaint: str) -> None:
    with pytest.raises(InvalidNameError, match=complaint):
        check_dataset_name(name)


@pytest.mark.parametrize("name", ["color", "a", "seg_1$@x-2.3", "1", "-"])
def test_layer_names_of_webknossos_are_legal(name: str) -> None:
    assert check_layer_name(name) == name
