"""What a person means by a dataset: ids, names, addresses old and new; a token in an address is never shown."""

import pytest

from wk_assets.dataset.remote_address import RemoteAddress, annotation_address, dataset_address, parse_address
from wk_assets.errors import InputError

ID = "59e9cfbdba632ac2ab8b23b5"
SERVER = "https://webknossos.org"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (ID, {"dataset_id": ID}),
        ("l4_sample", {"dataset_name": "l4_sample"}),
        (f"{SERVER}/datasets/{ID}", {"server_url": SERVER, "dataset_id": ID}),
        (f"{SERVER}/datasets/l4-sample-{ID}/view#100,200,3,0,1.5", {"server_url": SERVER, "dataset_id": ID}),
        (f"{SERVER}/datasets/l4-sample-{ID}/sandbox/skeleton", {"server_url": SERVER, "dataset_id": ID}),
        (
            f"{SERVER}/datasets/my_org/l4%20sample/view?token=s3cr3t",
            {
                "server_url": SERVER,
                "organization_id": "my_org",
                "dataset_name": "l4 sample",
                "sharing_token": "s3cr3t",
            },
        ),
        (f"{SERVER}/datasets/my_org/l4_sample", {"server_url": SERVER, "organization_id": "my_org", "dataset_name": "l4_sample"}),
        (f"http://localhost:9000/datasets/a-{ID}?token=t", {"server_url": "http://localhost:9000", "dataset_id": ID, "sharing_token": "t"}),
        (f"{SERVER}/links/aB3", {"server_url": SERVER, "short_link": "aB3"}),
    ],
)  # fmt: skip
def test_a_dataset_is_named_in_every_form_that_a_browser_shows(text: str, meant: dict[str, str]) -> None:
    assert dataset_address(text) == RemoteAddress(**meant)


@pytest.mark.parametrize("path", [ID, f"{ID}/edit", f"Explorational/{ID}", f"Task/{ID}"])
def test_an_annotation_is_named_in_every_form_that_a_browser_shows(path: str) -> None:
    assert annotation_address(f"{SERVER}/annotations/{path}#1,2,3").annotation_id == ID
    assert annotation_address(ID) == RemoteAddress(annotation_id=ID)


def test_user_and_password_of_an_address_are_left_out() -> None:
    assert parse_address(f"https://me:s3cr3t@wk.example/datasets/{ID}").server_url == "https://wk.example"


def test_a_token_is_not_shown() -> None:
    address = dataset_address(f"{SERVER}/datasets/a-{ID}/view?token=s3cr3t")

    assert str(address.sharing_token) == "s3cr3t"  # what is hidden is there
    assert "s3cr3t" not in repr(address)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{SERVER}/dashboard?token=s3cr3t", "is no address of a dataset or annotation"),
        (f"{SERVER}/datasets?token=s3cr3t", "is no address of a dataset or annotation"),
        (f"https://me:s3cr3t@wk.example/annotations/{ID}", "is the address of an annotation"),
    ],
)
def test_an_address_of_something_else_is_refused_without_its_secrets(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        dataset_address(text)

    assert "s3cr3t" not in str(refusal.value)


def test_a_dataset_is_not_taken_for_an_annotation() -> None:
    with pytest.raises(InputError, match="is no address of an annotation"):
        annotation_address(f"{SERVER}/datasets/a-{ID}/view")
