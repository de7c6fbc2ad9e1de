"""Globs over relative posix paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.facility.patterns import matches, matches_any, pattern_mistake

NAMES = st.text(st.characters(exclude_characters="/*?[]\0\\", codec="utf-8"), min_size=1, max_size=12)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(path=PATHS)
def test_a_path_without_wildcards_means_itself_alone(path: str) -> None:
    assert matches(path, path)
    assert not matches(path, f"{path}x")
    assert not matches(path, f"x/{path}")


@given(path=PATHS)
def test_two_stars_mean_every_file_at_any_depth(path: str) -> None:
    assert matches("**/*", path)


@given(path=PATHS)
def test_one_star_stays_within_one_folder(path: str) -> None:
    assert matches("*", path) == ("/" not in path)


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("nuclei_z*.tif", "nuclei_z007.tif", True),
        ("nuclei_z*.tif", "nuclei_z007.TIF", False),
        ("nuclei_z*.tif", "raw/nuclei_z007.tif", False),
        ("raw/**/*.tif", "raw/a.tif", True),
        ("raw/**/*.tif", "raw/x/y/a.tif", True),
        ("raw/**/*.tif", "other/raw/a.tif", False),
        ("raw/**", "raw/x/a.tif", True),
        ("z[0-9][!a].tif", "z7b.tif", True),
        ("z[0-9][!a].tif", "z7a.tif", False),
        ("z[!0]b", "z/b", False),
        ("z?.tif", "z12.tif", False),
        ("a.tif", "axtif", False),
        ("a+(b).tif", "a+(b).tif", True),
    ],
)
def test_a_pattern_means_what_a_shell_would_mean(pattern: str, path: str, meant: bool) -> None:
    assert matches(pattern, path) is meant


@given(path=PATHS)
def test_one_of_several_patterns_is_enough(path: str) -> None:
    patterns = ("*.tif", "raw/**", "[!a]?")

    assert matches_any(patterns, path) == any(matches(pattern, path) for pattern in patterns)
    assert not matches_any((), path)


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "empty"),
        ("/data/*.tif", "absolute"),
        ("C:\\data\\*.tif", "absolute"),
        ("raw\\*.tif", "backslash"),
        ("../*.tif", "leaves the folder"),
        ("a[bc", "never closed"),
        ("a[z-a]", "makes no sense"),
    ],
)
def test_a_useless_pattern_is_told_why(pattern: str, complaint: str) -> None:
    assert complaint in (pattern_mistake(pattern) or "")


@given(pattern=st.text(max_size=20), path=PATHS)
def test_no_text_makes_the_pattern_code_crash(pattern: str, path: str) -> None:
    if pattern_mistake(pattern) is None:
        matches(pattern, path)
