"""The floors of the house, as far as import-linter (`make lint`) can not see them: packages, names, what an import costs."""

import ast
import json
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import wk_assets

BELOW_THE_DAGSTER_LINE = (
    "facility",
    "administration",
    "dataset",
    "operations",
    "readers",
    "storage",
    "properties",
    "kernels",
    "geometry",
)
NAMES_WITHOUT_MEANING = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tools", "shared", "base"}


def _project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))


def _modules_loaded_by(statements: str) -> set[str]:
    program = f"import json, sys\n{statements}\nprint(json.dumps(sorted(sys.modules)))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(finished.stdout.splitlines()[-1]))


def _library_modules() -> list[str]:
    found = pkgutil.walk_packages(wk_assets.__path__, "wk_assets.")
    return [module.name for module in found if module.name.split(".")[1] in (*BELOW_THE_DAGSTER_LINE, "errors")]


def test_the_library_never_loads_dagster() -> None:
    statements = "\n".join(f"import {name}" for name in _library_modules())

    loaded = _modules_loaded_by(statements)

    assert "wk_assets.operations.layers.run_layer" in loaded
    assert {name for name in loaded if name.split(".")[0].startswith("dagster")} == set()


def test_importing_the_package_loads_nothing_of_it_but_its_version() -> None:
    loaded = _modules_loaded_by("import wk_assets")

    assert {name for name in loaded if name.startswith("wk_assets.")} == {"wk_assets.version"}
    assert "numpy" not in loaded


def test_showing_the_help_loads_neither_dagster_nor_compilers_nor_decoders() -> None:
    """`wk-assets --help` must answer at once: dagster alone takes seconds to import, numba half a second."""
    loaded = _modules_loaded_by("import wk_assets.cli.main")

    assert loaded & {"dagster", "numba", "tifffile", "imagecodecs", "zarr", "pydantic", "PIL", "rich.console"} == set()


def test_every_package_with_code_is_built_into_the_wheel(repository: Path) -> None:
    wheel = _project(repository)["tool"]["hatch"]["build"]["targets"]["wheel"]

    with_code = {path.parent.name for path in repository.glob("*/__init__.py")}

    assert set(wheel["packages"]) == with_code == {"wk_assets", "resources", "sensors"}


def test_every_file_that_the_wheel_includes_exists(repository: Path) -> None:
    included = _project(repository)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert [name for name in included if not (repository / name).is_file()] == []


def test_every_package_of_the_library_stands_on_a_floor(repository: Path) -> None:
    """A package that no contract names would be free to import whatever it likes."""
    contracts = _project(repository)["tool"]["importlinter"]["contracts"]
    floors = next(contract["layers"] for contract in contracts if contract["id"] == "floors")
    named = {name.strip("() ") for floor in floors for name in floor.split("|")}

    there = {f"wk_assets.{module.name}" for module in pkgutil.iter_modules(wk_assets.__path__)} | {
        "resources",
        "sensors",
    }

    assert there == named


def test_no_file_has_a_name_that_means_nothing(repository: Path) -> None:
    """Where a file is called utils, nobody sees where a line belongs."""
    code = [
        path
        for folder in ("wk_assets", "resources", "sensors", "tests")
        for path in (repository / folder).rglob("*.py")
    ]

    nameless = [path for path in code if NAMES_WITHOUT_MEANING & set(path.stem.removeprefix("test_").split("_"))]

    assert nameless == []


def test_no_package_re_exports_what_its_modules_own(repository: Path) -> None:
    packages = [
        path for folder in ("wk_assets", "resources", "sensors") for path in (repository / folder).rglob("__init__.py")
    ]

    with_code = [path for path in packages if ast.parse(path.read_text("utf-8")).body]

    assert with_code == [repository / "wk_assets" / "__init__.py"]


def test_the_package_says_that_it_is_typed(repository: Path) -> None:
    assert (repository / "wk_assets" / "py.typed").is_file()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock", "requirements-install.lock"])
def test_a_lock_file_pins_everything_by_hash_and_names_no_server(repository: Path, name: str) -> None:
    text = (repository / name).read_text("utf-8")

    requirements = [block for block in text.replace("\\\n", " ").splitlines() if block and not block.startswith("#")]

    assert all("==" in line.split("--hash")[0] and "--hash=sha256:" in line for line in requirements)
    assert "://" not in text
    assert "index" not in text.replace("index-url", "index")


def test_the_runtime_is_tested_in_the_versions_that_it_is_locked_to(repository: Path) -> None:
    def pins(name: str) -> set[str]:
        lines = (repository / name).read_text("utf-8").splitlines()
        # Markers may differ: what tests need comes to more machines.
        return {line.split("\\")[0].split(";")[0].strip() for line in lines if line and line[0].isalpha()}

    assert pins("requirements.lock") <= pins("requirements-test.lock")
