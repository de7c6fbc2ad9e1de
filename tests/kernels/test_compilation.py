"""When kernels are compiled, where they are kept, and what many processes make of it. Real processes, real caches."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = Path("wk_assets") / "kernels"

PROGRAM = """
import json, sys
import numpy as np
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.loading import expect
from wk_assets.kernels.modes import DownsamplingMode
expect(1 << 40)
labels = np.full((2, 2, 2), 2**64 - 1, np.uint64)
result = int(downsample(labels, (2, 2, 2), DownsamplingMode.MODE)[0, 0, 0])
narrow = int(downsample(labels.astype(np.uint16), (2, 2, 2), DownsamplingMode.MODE)[0, 0, 0])
from wk_assets.kernels.compiled_mode import mode_of_pairs_in_4_rows as kernel
json.dump([result, narrow, len(kernel.stats.cache_hits), len(kernel.stats.cache_misses)], sys.stdout)
"""


@pytest.fixture
def package(repository: Path, tmp_path: Path) -> Path:
    """Copy what the kernels need to a place of its own, without anything compiled."""
    root = tmp_path / "site"
    (root / "wk_assets").mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "version.py"):
        shutil.copy(repository / "wk_assets" / name, root / "wk_assets" / name)
    shutil.copytree(repository / KERNELS, root / KERNELS, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def start(package: Path, home: Path, program: str = PROGRAM) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG", "COV"))}
    environment |= {"HOME": str(home), "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=package,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[list[int], str]:
    stdout, stderr = process.communicate(timeout=250)
    assert process.returncode == 0, stderr
    return json.loads(stdout), stderr


@pytest.mark.parametrize("module", ["downsample", "plain_downsample", "statistics", "pack", "border", "modes"])
def test_numba_is_not_imported_before_a_kernel_is_called(repository: Path, module: str) -> None:
    program = f"import sys, wk_assets.kernels.{module}; sys.exit('numba' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], cwd=repository, check=False).returncode == 0


@pytest.mark.slow
def test_many_processes_that_start_at_once_compile_once(package: Path, tmp_path: Path) -> None:
    processes = [start(package, tmp_path) for _ in range(4)]

    outcomes = [outcome(process)[0] for process in processes]

    assert [values[:2] for values in outcomes] == [[2**64 - 1, 2**16 - 1]] * 4
    assert sum(misses for *_, misses in outcomes) == 2  # one for each of the two dtypes
    assert sum(hits for *_, hits, _ in outcomes) == 6


@pytest.mark.slow
def test_a_package_that_can_not_be_written_keeps_its_kernels_in_the_cache_of_the_user(
    package: Path, tmp_path: Path
) -> None:
    # a file where the folder would be refuses root, too
    (package / KERNELS / "__pycache__").write_text("")
    home = tmp_path / "home"
    home.mkdir()

    first, _ = outcome(start(package, home))
    second, _ = outcome(start(package, home))

    assert (first, second) == ([2**64 - 1, 2**16 - 1, 0, 2], [2**64 - 1, 2**16 - 1, 2, 0])
    assert list(home.rglob("*.nbi"))


@pytest.mark.slow
def test_without_any_place_for_a_cache_kernels_work_and_the_remedy_is_said(package: Path, tmp_path: Path) -> None:
    (package / KERNELS / "__pycache__").write_text("")
    home = tmp_path / "home"
    home.write_text("")

    values, stderr = outcome(start(package, home))

    assert values[:2] == [2**64 - 1, 2**16 - 1]
    assert stderr.count("NUMBA_CACHE_DIR") == 1


def test_compiled_modules_do_not_import_one_another(repository: Path) -> None:
    """numba's cache notices a change of a kernel's own file only: code of another file would stay in it, stale."""
    for path in sorted((repository / KERNELS).glob("compiled_*.py")):
        imported = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert {name for name in imported if name.startswith("wk_assets")} <= {"wk_assets.kernels.compilation"}, path


def test_what_two_compiled_modules_both_need_is_the_same_in_both(repository: Path) -> None:
    texts = [(repository / KERNELS / name).read_text() for name in ("compiled_median.py", "compiled_mode.py")]

    for name in ("row", "fill_lanes"):
        first, second = (
            next(
                ast.unparse(node)
                for node in ast.parse(text).body
                if isinstance(node, ast.FunctionDef) and node.name == name
            )
            for text in texts
        )
        assert first == second
