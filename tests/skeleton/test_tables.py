"""Skeletons and segments as tables: lengths in nanometers with anisotropic voxels, ids exact."""

from tests.skeleton.nml_documents import read
from wk_assets.skeleton.skeleton import Skeleton
from wk_assets.skeleton.tables import edges_table, nodes_table, segments_table, trees_table


def sample() -> Skeleton:
    skeleton = Skeleton((10, 20, 40), "d")
    tree = skeleton.add_group("g").add_group("h").add_tree("t")
    one, two, _ = (
        tree.add_node((0, 0, 0), comment="c"),
        tree.add_node((3, 2, 0), time=2**62 + 1),
        tree.add_node((0, 0, 9.5)),
    )
    tree.add_edge(one, two)
    skeleton.add_tree("empty")
    return skeleton


def test_a_tree_s_path_is_measured_in_nanometers_along_each_axis() -> None:
    table = trees_table(sample())

    assert table["path_length_nm"].tolist() == [50.0, 0.0]  # 3 * 10 and 2 * 20 nm
    assert table["parts"].tolist() == [2, 0]
    assert table["group_path"].fillna("none").tolist() == ["g/h", "none"]
    assert table["nodes"].tolist() == [3, 0]


def test_nodes_have_positions_in_voxels_and_nanometers_and_exact_times() -> None:
    table = nodes_table(sample())

    assert table[["x", "y", "z"]].to_numpy().tolist() == [[0, 0, 0], [3, 2, 0], [0, 0, 9.5]]
    assert table[["x_nm", "y_nm", "z_nm"]].to_numpy().tolist() == [[0, 0, 0], [30, 40, 0], [0, 0, 380]]
    assert table["degree"].tolist() == [1, 1, 0]
    assert table["time_ms"].tolist()[1] == 2**62 + 1
    assert table["comment"].isna().tolist() == [False, True, True]


def test_edges_have_ends_and_lengths() -> None:
    assert edges_table(sample()).to_dict("records") == [{"tree_id": 3, "source": 4, "target": 5, "length_nm": 50.0}]


def test_segments_keep_ids_that_no_float_holds() -> None:
    nml = read(
        '<things><parameters><experiment name="d"/><scale x="1" y="1" z="1"/></parameters><volume id="2" name="v"><segments>'
        '<segment id="18446744073709551615" groupId="1"/><segment id="9007199254740993" name="n" anchorPositionX="1" '
        'anchorPositionY="2" anchorPositionZ="3"/></segments><groups><group id="1" name="good"/></groups></volume></things>'
    )

    table = segments_table(nml)

    assert table["segment_id"].tolist() == [2**64 - 1, 2**53 + 1]
    assert table["group_name"].isna().tolist() == [False, True]
    assert table["anchor_y"].tolist()[1] == 2.0


def test_an_empty_skeleton_gives_empty_tables_of_the_same_columns() -> None:
    empty = Skeleton((1, 1, 1), "d")

    for make in (nodes_table, edges_table, trees_table):
        assert len(make(empty)) == 0
        assert list(make(empty).dtypes) == list(make(sample()).dtypes)
