"""What deploy/ ships is taken by the programs that it is for: nginx, systemd, Postgres, Dagster."""

import asyncio
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import httpx
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.assets.facility_home import make_home
from wk_assets.cli.web_guard import Login, WebGuard
from wk_assets.facility.backup import read_backup, restore_backup, write_backup
from wk_assets.facility.configuration import load_configuration

NAME = "wk-assets.example.org"
KNOWN = "correct horse"
POSTGRES = {
    "WK_ASSETS_POSTGRES_HOST": "127.0.0.1",
    "WK_ASSETS_POSTGRES_DATABASE": "postgres",
    "WK_ASSETS_POSTGRES_USER": "facility",
    "WK_ASSETS_POSTGRES_PASSWORD": KNOWN,
}


@pytest.fixture
def deploy(repository: Path) -> Path:
    return repository / "deploy"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: "subprocess.Popen[bytes] | None" = None) -> None:
    for _ in range(300):
        assert process is None or process.poll() is None, process.returncode
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens at port {port}")


def test_both_settings_of_dagster_differ_in_the_storage_alone(deploy: Path) -> None:
    laptop = yaml.safe_load((deploy / "dagster.yaml").read_text())
    facility = yaml.safe_load((deploy / "dagster.postgres.yaml").read_text())

    assert "postgres_db" in facility.pop("storage")["postgres"]
    assert facility == laptop


# ---------------------------------------------------------------------- systemd


def unit_names() -> list[str]:
    return ["wk-assets-code.service", "wk-assets-daemon.service", "wk-assets-web.service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
def test_systemd_understands_every_unit(deploy: Path, tmp_path: Path) -> None:
    for name in unit_names():
        # What the administrator installs is not on this machine.
        text = (deploy / "systemd" / name).read_text().replace("/opt/wk-assets/.venv/bin/python", "/bin/true")
        (tmp_path / name).write_text(text)

    told = subprocess.run(
        ["systemd-analyze", "verify", *unit_names()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        check=False,
    )

    assert [line for line in told.stderr.splitlines() if "wk-assets" in line] == []
    (tmp_path / unit_names()[0]).write_text("[Service]\nExecStart=relative\n")
    wrong = subprocess.run(
        ["systemd-analyze", "verify", unit_names()[0]],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert unit_names()[0] in wrong.stderr


def test_the_units_start_what_the_ui_command_starts(deploy: Path) -> None:
    from wk_assets.cli.ui_processes import UiProcesses

    commands = UiProcesses(None, 3000, None).commands(Path("/run/wk-assets"))  # type: ignore[arg-type]
    for name, unit in (("code server", "code"), ("webserver", "web"), ("daemon", "daemon")):
        text = (deploy / "systemd" / f"wk-assets-{unit}.service").read_text()
        (started,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
        module = commands[name][1:3]
        assert " ".join(module) in started, name
    assert "--socket /run/wk-assets/code.sock" in " ".join(commands["code server"])
    assert "socket: /run/wk-assets/code.sock" in (deploy / "systemd" / "workspace.yaml").read_text()


def test_the_services_of_the_containers_run_what_the_units_run(deploy: Path) -> None:
    services = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]
    for service in ("code", "web", "daemon"):
        text = (deploy / "systemd" / f"wk-assets-{service}.service").read_text()
        (started,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
        module = [str(word) for word in services[service]["entrypoint"]]
        assert f"{module[0]} {module[1]} {module[2]}" in started.replace("/opt/wk-assets/.venv/bin/", ""), service
        assert (services[service]["read_only"], services[service]["cap_drop"]) == (True, ["ALL"])
        assert services[service]["user"] == "10001:10001"
    assert services["daemon"]["pid"] == "service:code"
    code = " ".join(services["code"]["command"])
    assert "--socket /run/wk-assets/code.sock" in code
    assert services["web"]["environment"]["WK_ASSETS_WEB_PASSWORD"].startswith("${WK_ASSETS_WEB_PASSWORD:?")


# ---------------------------------------------------------------------- the proxy


@contextmanager
def guarded(port: int) -> Iterator[None]:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("the UI")

    inner = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    config = uvicorn.Config(
        WebGuard(inner, [NAME], Login(name="lab", password=KNOWN)), port=port, log_level="error", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        wait_for(port)
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def proxy(configuration: Path, folder: Path, *, tls: int, plain: int, behind: int) -> Iterator[None]:
    """Run nginx with the shipped file, its ports and places exchanged for those of the test."""
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-days", "2",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    text = configuration.read_text()
    for shipped, ours in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{tls} ssl"),
        ("127.0.0.1:3000", f"127.0.0.1:{behind}"),
        ("/etc/ssl/wk-assets", str(folder)),
        ("/srv/wk-assets/previews", str(folder / "previews")),
    ):
        assert shipped in text
        text = text.replace(shipped, ours)
    places = "\n".join(
        f"{name} {folder / name};"
        for name in (
            "client_body_temp_path",
            "proxy_temp_path",
            "fastcgi_temp_path",
            "uwsgi_temp_path",
            "scgi_temp_path",
        )
    )
    # It gives its rights away before it reads pictures, and nobody else may look into the folders of tests.
    user = "user root;\n" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}\n{text}\n}}\n"
    )
    process = subprocess.Popen(["nginx", "-e", str(folder / "error.log"), "-c", str(main)], stderr=subprocess.DEVNULL)
    try:
        wait_for(tls, process)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(
    shutil.which("nginx") is None or shutil.which("openssl") is None, reason="there is no nginx on this machine"
)
def test_the_proxy_shows_the_ui_and_the_pictures_to_who_is_logged_in(
    deploy: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "previews").mkdir()
    (folder / "previews" / "a.png").write_bytes(b"picture")
    tls, plain, behind = free_port(), free_port(), free_port()
    with (
        guarded(behind),
        proxy(deploy / "proxy" / "nginx.conf", folder, tls=tls, plain=plain, behind=behind),
        httpx.Client(verify=False, headers={"host": NAME}, base_url=f"https://127.0.0.1:{tls}") as browser,  # noqa: S501 - a certificate of this test
    ):
        assert browser.get("/").status_code == 401
        assert browser.get("/previews/a.png").status_code == 401
        assert browser.get("/", auth=("lab", KNOWN)).text == "the UI"
        assert browser.get("/previews/a.png", auth=("lab", KNOWN)).content == b"picture"
        assert browser.get("/previews/", auth=("lab", KNOWN)).status_code == 403
        assert browser.get("/graphql?query=x", auth=("lab", KNOWN)).status_code == 405
        by_page = browser.post("/graphql", json={}, auth=("lab", KNOWN), headers={"origin": "http://evil.example"})
        assert by_page.status_code == 403
        moved = httpx.get(f"http://127.0.0.1:{plain}/assets", headers={"host": NAME})
        assert (moved.status_code, moved.headers["location"]) == (301, f"https://{NAME}/assets")


# ---------------------------------------------------------------------- Postgres


@contextmanager
def postgres() -> Iterator[int]:
    """Run a Postgres of this test alone; give its port. It refuses to run as root, so then another user runs it."""
    user = "postgres" if os.geteuid() == 0 else None
    with TemporaryDirectory(
        prefix="wk-assets-postgres-"
    ) as name:  # that other user may not look into the folders of tests
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        with running_postgres(folder, user) as port:
            yield port


@contextmanager
def running_postgres(folder: Path, user: str | None) -> Iterator[int]:
    known = folder / "known"
    known.write_text(KNOWN)
    known.chmod(0o644)
    port = free_port()
    subprocess.run(
        ["initdb", "-D", str(folder / "data"), "-U", "facility", "--auth=scram-sha-256", f"--pwfile={known}", "-N"],
        check=True, capture_output=True, user=user, cwd=folder,
    )  # fmt: skip
    process = subprocess.Popen(
        ["postgres", "-D", str(folder / "data"), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"],
        user=user, cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port, process)
        time.sleep(0.5)  # it listens a moment before it answers
        yield port
    finally:
        process.terminate()
        process.wait()


def assert_a_backup_brings_it_back(settings: str, folders: pytest.TempPathFactory, port: int) -> None:
    home = folders.mktemp("facility")
    make_home(home)
    configuration = load_configuration(home)
    configuration.dagster_home.mkdir()
    (configuration.dagster_home / "dagster.yaml").write_text(settings)
    environment = {**os.environ, "WK_ASSETS_POSTGRES_PORT": str(port)}
    written = write_backup(configuration, folders.mktemp("backups"), environment)
    with dg.DagsterInstance.from_config(str(configuration.dagster_home)) as instance:
        instance.wipe_assets([dg.AssetKey("made")])
        assert instance.get_latest_materialization_event(dg.AssetKey("made")) is None

    again = folders.mktemp("again")
    restore_backup(read_backup(written.path), again, environment)

    assert written.with_postgres
    with dg.DagsterInstance.from_config(str(again / "dagster")) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey("made")) is not None
    assert not any(KNOWN.encode() in path.read_bytes() for path in written.path.rglob("*") if path.is_file())


@pytest.mark.skipif(
    shutil.which("initdb") is None or shutil.which("postgres") is None, reason="there is no Postgres on this machine"
)
def test_dagster_keeps_its_state_in_postgres(
    deploy: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    def made() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"voxels": 2**40})

    home = tmp_path_factory.mktemp("home")
    with postgres() as port:
        text = (deploy / "dagster.postgres.yaml").read_text()
        assert "port: 5432" in text
        (home / "dagster.yaml").write_text(text.replace("port: 5432", f"port: {port}"))
        for name, value in POSTGRES.items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert dg.materialize([made], instance=instance).success
        assert_a_backup_brings_it_back(text.replace("port: 5432", f"port: {port}"), tmp_path_factory, port)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey("made"))

    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["voxels"].value == 2**40
    assert not any(KNOWN in path.read_text(errors="replace") for path in home.rglob("*") if path.is_file())
