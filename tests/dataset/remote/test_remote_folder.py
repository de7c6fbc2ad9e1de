"""Folders: the tree, the live properties, the metadata that reads and writes through."""

import math
import threading
from typing import Any

import pytest

from tests.served import Server
from wk_assets.client.context import current_context, server_context
from wk_assets.client.live_metadata import MetadataValue
from wk_assets.dataset.remote_folder import FolderMetadata, RemoteFolder
from wk_assets.errors import InputError, NotOnServerError, RequestRefusedError, UnknownNameError
from wk_assets.people.members import Team


def test_a_folder_is_found_by_id_by_path_and_from_its_neighbours(server: Server) -> None:
    root = RemoteFolder.get_root()
    raw = root.add_subfolder("project").add_subfolder("raw")

    assert RemoteFolder.get_by_path("sample_organization/project/raw") == raw == RemoteFolder.get_by_id(raw.id)
    assert RemoteFolder.get_by_path("sample_organization/") == root
    assert root.parent is None
    assert raw.parent is not None
    assert raw.parent.name == "project"
    assert root.get_subfolders() == (raw.parent,)
    assert raw.get_subfolders() == ()
    assert len({raw, RemoteFolder.get_by_id(raw.id)}) == 1
    assert repr(raw) == f"RemoteFolder(id='{raw.id}')"


def test_a_path_that_leads_nowhere_is_refused_with_what_is_there(server: Server) -> None:
    root = RemoteFolder.get_root()
    root.add_subfolder("b")
    root.add_subfolder("a")

    with pytest.raises(UnknownNameError, match="no folder 'a' in the top, which holds sample_organization"):
        RemoteFolder.get_by_path("a")
    with pytest.raises(UnknownNameError, match="no folder 'c' in 'sample_organization', which holds a, b"):
        RemoteFolder.get_by_path("sample_organization/c")
    with pytest.raises(UnknownNameError, match="in 'a', which holds no folder"):
        RemoteFolder.get_by_path("sample_organization/a/b")


def test_of_two_folders_of_one_name_none_is_guessed(server: Server) -> None:
    root = RemoteFolder.get_root()
    twins = {root.add_subfolder("twin").id, root.add_subfolder("twin").id}

    with pytest.raises(UnknownNameError, match="several folders 'twin'") as refusal:
        RemoteFolder.get_by_path("sample_organization/twin")
    assert all(one in str(refusal.value) for one in twins)


def test_a_new_name_leaves_teams_and_metadata_alone(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("before")
    folder.allowed_teams = ["annotators"]
    folder.metadata["species"] = "mouse"

    folder.name = "after"

    assert folder.name == RemoteFolder.get_by_id(folder.id).name == "after"
    assert [team.name for team in folder.allowed_teams] == ["annotators"]
    assert dict(folder.metadata) == {"species": "mouse"}


def test_a_name_that_no_path_could_hold_is_refused_before_it_is_sent(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("before")

    for name in ("", "  ", "a/b"):
        with pytest.raises(InputError, match="is no name for a folder"):
            folder.name = name
    assert server.requests("PUT", folder.id) == 0


def test_teams_are_given_as_teams_names_or_ids_and_taken_away(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("shared")
    default, annotators = Team.get_by_name("Default"), Team.get_by_name("annotators")

    folder.allowed_teams = [default, "annotators", annotators.id]
    assert folder.allowed_teams == (default, annotators)
    folder.allowed_teams = []
    assert folder.allowed_teams == ()
    with pytest.raises(InputError, match="are a list"):
        folder.allowed_teams = "annotators"


def test_a_folder_moves_with_what_is_in_it(server: Server) -> None:
    root = RemoteFolder.get_root()
    first, second = root.add_subfolder("first"), root.add_subfolder("second")
    inner = first.add_subfolder("inner")

    first.parent = second

    assert RemoteFolder.get_by_path("sample_organization/second/first/inner") == inner
    with pytest.raises(RequestRefusedError, match="into itself"):
        second.parent = inner
    with pytest.raises(InputError, match="taken out of the tree"):
        first.parent = None


def test_only_an_empty_folder_is_deleted(server: Server) -> None:
    outer = RemoteFolder.get_root().add_subfolder("outer")
    inner = outer.add_subfolder("inner")

    with pytest.raises(RequestRefusedError, match="not empty"):
        outer.delete()
    inner.delete()
    outer.delete()
    with pytest.raises(NotOnServerError):
        _ = outer.name
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        _ = outer.parent
    with pytest.raises(RequestRefusedError, match="root"):
        RemoteFolder.get_root().delete()


def test_the_datasets_of_a_folder_are_those_right_inside(server: Server) -> None:
    root = RemoteFolder.get_root()
    folder = root.add_subfolder("data")
    inside, _ = server.dataset("inside", folder=folder.id), server.dataset("elsewhere", folder=root.id)

    assert folder.get_dataset_ids() == (inside,)


# ---------------------------------------------------------------------- metadata


def test_metadata_is_read_and_written_key_by_key(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("f")
    metadata = folder.metadata

    metadata["species"] = "mouse"
    metadata["age"] = 42
    metadata["dose"] = 0.5
    metadata["tags"] = ("a", "b")
    metadata["species"] = "rat"

    told = server.ask("GET", f"/api/v16/folders/{folder.id}")["metadata"]
    assert [(entry["key"], entry["type"], entry["value"]) for entry in told] == [
        ("species", "string", "rat"),
        ("age", "number", 42),
        ("dose", "number", 0.5),
        ("tags", "string[]", ["a", "b"]),
    ]
    again = RemoteFolder.get_by_id(folder.id).metadata
    assert dict(again.items()) == {"species": "rat", "age": 42, "dose": 0.5, "tags": ["a", "b"]}
    assert (len(again), "age" in again, again.get("nothing"), next(iter(again.values()))) == (4, True, None, "rat")
    assert repr(again).startswith("FolderMetadata({'species': 'rat'")
    assert again == dict(again)
    assert isinstance(again, FolderMetadata)


def test_metadata_is_removed_key_by_key_and_replaced_as_a_whole(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("f")
    folder.metadata = {"a": 1, "b": "two"}

    del folder.metadata["a"]
    assert folder.metadata.pop("b") == "two"
    with pytest.raises(KeyError, match="a"):
        del folder.metadata["a"]
    with pytest.raises(KeyError, match="a"):
        _ = folder.metadata["a"]
    folder.metadata = {"c": "3"}
    assert dict(folder.metadata) == {"c": "3"}
    folder.metadata.clear()
    assert dict(folder.metadata) == {}


def test_several_keys_are_one_change(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("f")
    folder.metadata["kept"] = "k"
    before = server.requests("PUT", folder.id)

    changes: dict[str, MetadataValue] = {"a": 1, "kept": "new"}
    folder.metadata.update(changes, b=2)
    assert server.requests("PUT", folder.id) == before + 1
    assert list(folder.metadata.items()) == [("kept", "new"), ("a", 1), ("b", 2)]


def test_values_that_the_server_has_no_type_for_are_refused(server: Server) -> None:
    metadata = RemoteFolder.get_root().metadata

    values: list[Any] = [True, None, [1], b"x", math.nan, math.inf, {"a": "b"}]
    for value in values:
        with pytest.raises(
            InputError, match=r"'k' can not be set to .* take a text, a finite number or a list of texts"
        ):
            metadata["k"] = value
    with pytest.raises(InputError, match="is no key"):
        metadata[""] = "v"
    assert dict(metadata) == {}


def test_threads_do_not_undo_what_the_others_set(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("f")
    context = current_context()

    def work(number: int) -> None:
        with server_context(context):
            folder.metadata[f"k{number}"] = number

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert dict(folder.metadata) == {f"k{number}": number for number in range(6)}
