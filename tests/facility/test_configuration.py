"""wk_assets.yaml: what is right loads, what is wrong is named all at once, with its path, its line and the remedy."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from wk_assets.errors import ConfigurationError
from wk_assets.facility.configuration import (
    FILE_NAME,
    Configuration,
    configuration_path,
    load_configuration,
    parse_configuration,
)
from wk_assets.facility.finish_rules import QuietRule
from wk_assets.facility.template import configuration_template
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.kernels.modes import DownsamplingMode

Settings = dict[str, Any]


def write(home: Path, text: str) -> Path:
    file = home / FILE_NAME
    file.write_text(dedent(text), encoding="utf-8")
    return file


def mistakes_of(document: Settings, home: Path, **environment: str) -> dict[str, str]:
    """Give the mistakes of a document: where -> what and remedy."""
    with pytest.raises(ConfigurationError) as refusal:
        parse_configuration(document, home, environment=environment)
    return {problem.where: f"{problem.what}. {problem.remedy}" for problem in refusal.value.problems}


def test_the_template_loads_as_it_is(home: Path) -> None:
    write(home, configuration_template())

    configuration = load_configuration(home)

    assert list(configuration.instruments) == ["lightsheet"]
    assert configuration.home == home
    assert configuration.storage_root == home / "datasets"
    assert configuration.instrument("lightsheet").watch == home / "inbox"


INSTRUMENTS = configuration_template().partition("# campaigns:")[0]


@pytest.mark.parametrize("line", [line for line in INSTRUMENTS.splitlines() if "{rule:" in line])
def test_every_rule_that_the_template_offers_loads(line: str, settings: Settings, home: Path) -> None:
    text = line[line.index("{rule:") :]
    settings["instruments"][0]["finished"] = yaml.safe_load(text[: text.rindex("}") + 1])

    assert parse_configuration(settings, home).instrument("lightsheet").finished.rule in line


def test_a_comment_in_place_of_a_section_means_its_defaults(home: Path) -> None:
    file = write(
        home,
        """\
        version: 1
        storage:
          # root: elsewhere
        instruments:
          - {name: a, watch: in, finished: {rule: quiet}, layers: [{name: b, files: "*.tif"}], pyramid: , array: }
        """,
    )

    configuration = load_configuration(file)

    assert configuration.storage_root == home / "datasets"
    assert configuration.instrument("a").finished == QuietRule(rule="quiet")


def test_paths_start_at_the_folder_of_the_file(settings: Settings, home: Path) -> None:
    settings["storage"]["root"] = "/somewhere/else"
    settings["instruments"][0]["watch"] = "deep/inbox"

    configuration = parse_configuration(settings, home)

    assert configuration.storage_root == Path("/somewhere/else")
    assert configuration.instrument("lightsheet").watch == home / "deep" / "inbox"


def test_the_environment_overrides_storage_threads_and_memory(settings: Settings, home: Path) -> None:
    environment = {"WK_ASSETS_STORAGE_ROOT": "fast", "WK_ASSETS_THREADS": "7", "WK_ASSETS_MEMORY": "3 GiB"}

    configuration = parse_configuration(settings, home, environment=environment)

    assert configuration.storage_root == home / "fast"
    assert configuration.compute().threads == 7
    assert configuration.compute().memory_bytes == 3 << 30


def test_a_mistake_in_the_environment_names_the_variable(settings: Settings, home: Path) -> None:
    found = mistakes_of(settings, home, WK_ASSETS_THREADS="many", WK_ASSETS_MEMORY="1 MiB")

    assert "'many' is not a number of threads" in found["environment variable WK_ASSETS_THREADS"]
    assert "at least 256.0 MiB" in found["environment variable WK_ASSETS_MEMORY"]


def test_auto_threads_are_the_cores_of_this_machine(settings: Settings, home: Path) -> None:
    settings["compute"]["threads"] = "auto"

    assert parse_configuration(settings, home).compute().threads >= 1


def test_every_mistake_is_named_at_once_with_path_line_value_and_remedy(home: Path) -> None:
    file = write(
        home,
        """\
        version: 1
        storage: {root: data, minimum_free: 5 Gigs, layout: omr}
        instruments:
          - name: scope
            watch: inbox
            finished: {rule: markr}
            dataset: "{date}"
            voxel_size: {x: -1, y: 2, unit: furlong}
            layers:
              - {name: raw data, category: colour, fils: "*.tif"}
              - name: b
                files: /abs/*.tif
                on_bad_slice: skip
                expected_slices: none
            pyramid: {coarsest: 3}
            array: {chunk: 33}
        """,
    )

    with pytest.raises(ConfigurationError) as refusal:
        load_configuration(file, {})

    found = {problem.where: problem for problem in refusal.value.problems}
    assert set(found) == {
        "storage.minimum_free",
        "storage.layout",
        "instruments.0.finished.rule",
        "instruments.0.dataset",
        "instruments.0.voxel_size.x",
        "instruments.0.voxel_size.z",
        "instruments.0.voxel_size.unit",
        "instruments.0.layers.0.name",
        "instruments.0.layers.0.category",
        "instruments.0.layers.0.fils",
        "instruments.0.layers.0.files",
        "instruments.0.layers.1.files",
        "instruments.0.layers.1.on_bad_slice",
        "instruments.0.layers.1.expected_slices",
        "instruments.0.pyramid.coarsest",
        "instruments.0.array.chunk",
    }
    assert "'5 Gigs'" in found["storage.minimum_free"].what
    assert "(line 2)" in found["storage.minimum_free"].what
    assert "Did you mean 'files'?" in found["instruments.0.layers.0.fils"].remedy
    assert "Did you mean 'color'?" in found["instruments.0.layers.0.category"].remedy
    assert "Did you mean 'marker'?" in found["instruments.0.finished.rule"].remedy
    assert "Did you mean 'raw-data'?" in found["instruments.0.layers.0.name"].remedy
    assert "is missing (line 10)" in found["instruments.0.layers.0.files"].what
    assert "(line 12)" in found["instruments.0.layers.1.files"].what
    assert "{date}" in found["instruments.0.dataset"].what
    assert str(refusal.value).startswith(f"{file}: 16 mistakes\n")
    assert all(problem.remedy for problem in refusal.value.problems)


def _remove(key: str) -> Callable[[Settings], None]:
    return lambda instrument: instrument.pop(key)


def _set(value: Any, *keys: str | int) -> Callable[[Any], None]:
    def change(instrument: Any) -> None:
        for key in keys[:-1]:
            instrument = instrument[key]
        instrument[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "where", "says"),
    [
        (_remove("watch"), "watch", "'watch' is missing"),
        (_remove("finished"), "finished", "{rule: marker, file: DONE}"),
        (_set("marker", "finished"), "finished", "not a mapping"),
        (_set({}, "finished"), "finished.rule", "marker, manifest, expected_count, log, quiet, rename"),
        (_set({"rule": "marker"}, "finished"), "finished.file", "is missing"),
        (_set({"rule": "marker", "file": "../DONE"}, "finished"), "finished.file", "leaves"),
        (_set({"rule": "marker", "file": "{nme}.k"}, "finished"), "finished.file", "unknown placeholder {nme}"),
        (_set({"rule": "log", "file": "*.txt"}, "finished"), "finished", "never end"),
        (_set({"rule": "log", "file": "*.txt", "count": 2}, "finished"), "finished", "nothing to count"),
        (_set({"rule": "log", "file": "*.txt", "end": "("}, "finished"), "finished.end", "not a regular expression"),
        (_set({"rule": "expected_count"}, "finished"), "finished", "exactly one of"),
        (_set({"rule": "expected_count", "count": 0}, "finished"), "finished.count", "greater than or equal to 1"),
        (_set({"rule": "expected_count", "count_file": "r"}, "finished"), "finished", "belong together"),
        (_set({"rule": "quiet", "seconds": 0}, "finished"), "finished.seconds", "greater than or equal to 1"),
        (_set({"rule": "quiet", "second": 9}, "finished"), "finished.second", "Did you mean 'seconds'?"),
        (_set("a b", "name"), "name", "not a name for an instrument"),
        (_set("**/x", "acquisitions"), "acquisitions", "how deep"),
        (_set(["*.log", "a[b"], "ignore"), "ignore.1", "never closed"),
        (_set("{instrument}", "dataset"), "dataset", "the same name"),
        (_set("ä{acquisition}", "dataset"), "dataset", "contains 'ä'"),
        (_set("{acquisition", "dataset"), "dataset", "not a naming template"),
        (_set("5 nm", "voxel_size"), "voxel_size", "from_files"),
        (_set([], "layers"), "layers", "it is empty"),
        (_set(None, "layers"), "layers", "not a list"),
        (_set([], "layers", 0, "files"), "layers.0.files", "it is empty"),
        (_set(5, "layers", 0, "files"), "layers.0.files", "5 is not a pattern"),
        (_set(["ok.tif", "a[b"], "layers", 0, "files"), "layers.0.files.1", "never closed"),
        (_set("zz", "layers", 0, "axes"), "layers.0.axes", "'zz' does not name axes"),
        (_set(-1, "layers", 0, "channel"), "layers.0.channel", "greater than or equal to 0"),
        (_set("mean", "layers", 1, "mode"), "layers.1", "would invent segment ids"),
        (_set("NUCLEI", "layers", 1, "name"), "layers.1.name", "the name of instruments.0.layers.0 too"),
        (_set({"shard": 16}, "array"), "array", "smaller than its chunks"),
        (_set({"compression": {"zstd": 40}}, "array"), "array.compression", "is not a way to compress"),
        (_set({"compression": "lz4"}, "array"), "array.compression", "'lz4' is not a way to compress"),
        (_set({"compression": None}, "array"), "array.compression", "is not a way to compress"),
        (_set({"sampling": "iso"}, "pyramid"), "pyramid.sampling", "anisotropic, isotropic, constant_z"),
        (_set({"mode": "avg"}, "pyramid"), "pyramid.mode", "'avg' is not known"),
        (_set(".", "watch"), "watch", "taken for acquisitions"),
    ],
)
def test_a_mistake_of_an_instrument_is_named(
    change: Callable[[Any], None], where: str, says: str, settings: Settings, home: Path
) -> None:
    change(settings["instruments"][0])

    found = mistakes_of(settings, home)

    assert list(found) == [f"instruments.0.{where}"]
    assert says in found[f"instruments.0.{where}"]


def test_instruments_have_names_and_folders_of_their_own(settings: Settings, home: Path) -> None:
    settings["instruments"].append({**settings["instruments"][0], "name": "LIGHTSHEET"})

    found = mistakes_of(settings, home)

    assert set(found) == {"instruments.1.name", "instruments.1.watch"}


@pytest.mark.parametrize(
    ("place", "secret"),
    [
        (("webknossos", "token"), "s3cr3t"),
        (("webknossos", "url"), "https://me:s3cr3t@wk.example.org"),
        (("webknossos", "url"), "https://wk.example.org/?token=s3cr3t"),
        (("storage", "api_key"), "s3cr3t"),
        (("storage", "nested"), {"password": "s3cr3t"}),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_repeated(
    place: tuple[str, str], secret: Any, settings: Settings, home: Path
) -> None:
    settings.setdefault(place[0], {})[place[1]] = secret

    with pytest.raises(ConfigurationError) as refusal:
        parse_configuration(settings, home)

    assert "environment variable WK_TOKEN" in str(refusal.value)
    assert "s3cr3t" not in str(refusal.value)


def test_a_server_is_reached_encrypted_unless_it_is_this_machine(settings: Settings, home: Path) -> None:
    settings["webknossos"] = {"url": "http://127.0.0.1:9000/"}
    assert parse_configuration(settings, home).webknossos.url == "http://127.0.0.1:9000"

    settings["webknossos"] = {"url": "http://wk.example.org"}
    assert "Use https" in mistakes_of(settings, home)["webknossos.url"]


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("a: [1\nb: 2\n", "line 2, column 2", "not YAML"),
        ("a:\n\t- b\n", "line 2, column 1", "never with tabs"),
        ("- 1\n", "the whole file", "a list is not a mapping"),
        ("just text\n", "the whole file", "not a mapping"),
        ("", "version", "is missing"),
        ("a: &x [*x]\nversion: 1\n", "line 1, column 4", "an alias contains itself"),
        ("[" * 5000, "the file", "not YAML"),
        ("a: !!python/object:os.system x\n", "line 1, column 4", "not YAML"),
    ],
)
def test_a_file_that_is_no_configuration_says_where(text: str, where: str, says: str, home: Path) -> None:
    file = write(home, text)

    with pytest.raises(ConfigurationError) as refusal:
        load_configuration(file)

    assert refusal.value.problems[0].where == where
    assert says in str(refusal.value)


def test_a_key_that_stands_twice_is_a_mistake(home: Path) -> None:
    file = write(home, configuration_template().replace("storage:\n", "storage:\n  root: elsewhere\n"))

    with pytest.raises(ConfigurationError, match=r"storage.root: the key stands twice, in lines \d+ and \d+"):
        load_configuration(file)


def test_a_missing_file_says_how_to_write_one(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="wk-assets init"):
        load_configuration(home)


def test_bytes_that_are_no_text_are_refused(home: Path) -> None:
    (home / FILE_NAME).write_bytes(b"version: \xff")

    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_configuration(home)


def test_the_file_is_named_by_the_environment() -> None:
    assert configuration_path({"WK_ASSETS_CONFIG": "/facility/wk_assets.yaml"}) == Path("/facility/wk_assets.yaml")
    assert configuration_path({}) == Path.cwd() / FILE_NAME


def test_modes_are_chosen_by_category(configured: Callable[..., Configuration]) -> None:
    instrument = configured(pyramid={"mode": "max", "coarsest": "16-16-4"}).instrument("lightsheet")

    assert instrument.pyramid.mode_of(instrument.layer("nuclei")) is DownsamplingMode.MAX
    assert instrument.pyramid.mode_of(instrument.layer("labels")) is DownsamplingMode.MODE
    assert instrument.pyramid.coarsest_mag == Mag("16-16-4")


def test_units_may_be_written_as_symbols(configured: Callable[..., Configuration]) -> None:
    instrument = configured(voxel_size={"x": 0.26, "y": 0.26, "z": 0.29, "unit": "µm"}).instrument("lightsheet")

    assert instrument.voxel_size is not None
    assert instrument.voxel_size.unit is LengthUnit.MICROMETER


def test_an_unknown_instrument_names_the_known_ones(configured: Callable[..., Configuration]) -> None:
    with pytest.raises(ConfigurationError, match="There are: lightsheet"):
        configured().instrument("darksheet")


def test_an_unknown_layer_names_the_known_ones(configured: Callable[..., Configuration]) -> None:
    with pytest.raises(ConfigurationError, match="There are: nuclei, labels"):
        configured().instrument("lightsheet").layer("cells")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(
    ["version", "storage", "instruments", "name", "watch", "finished", "rule", "layers", "files", "x"]
)
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))


@given(document=st.dictionaries(KEYS, DOCUMENTS, max_size=6))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_whatever_stands_in_the_file_the_answer_is_a_list_of_mistakes(document: Settings, home: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_configuration(document, home)

    assert refusal.value.problems
    assert all(problem.where and problem.what and problem.remedy for problem in refusal.value.problems)
