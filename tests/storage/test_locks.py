"""One writer at a time, also across processes, also after a kill."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wk_assets.errors import LockedError
from wk_assets.storage.locks import exclusive

HOLDER = """
    import sys, time
    from pathlib import Path
    from wk_assets.storage.locks import exclusive
    with exclusive(Path(sys.argv[1]), "import of color"):
        print("held", flush=True)
        time.sleep(60)
"""


def test_the_second_process_is_told_who_holds_the_lock_and_gets_it_after_a_kill(tmp_path: Path) -> None:
    lock = tmp_path / "mag 1.lock"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(lock)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=rf"process {holder.pid} .*import of color"), exclusive(lock, "mine"):
            pass
        holder.kill()
        holder.wait()
        with exclusive(lock, "mine"):
            assert lock.with_suffix(".holder").exists()
    assert not lock.with_suffix(".holder").exists()


def test_two_holders_within_one_process_exclude_each_other(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "a.lock", "first"),
        pytest.raises(LockedError, match="first"),
        exclusive(tmp_path / "a.lock", "second"),
    ):
        pass
