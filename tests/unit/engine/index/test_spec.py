"""The parameters of indexes and searches: ranges, defaults, and tolerance of what other applications send."""

from __future__ import annotations

from typing import Any

import pytest

from hippod.engine.index import spec as spec_module
from hippod.engine.index.recipe import Engine, Recipe, ScalarCode
from hippod.engine.index.spec import IndexSpec, Tuning, default_nprobe
from hippod.engine.schema import DataType, Field
from hippod.errors import Rejected
from tests.unit.engine.index.subject import bits, floats

# What one benchmark sends for every type alike.
EVERY_KEY = {"M": 30, "ef_construction": 360, "ef_search": 100, "nlist": 1_024, "nprobe": 64, "m": 16, "nbits": 8}
IVF_TYPES = ["IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_PQ_FS"]


def recipe(kind: str, params: dict[str, Any], rows: int = 100_000, dimension: int = 128, metric: str = "l2") -> Recipe:
    made = IndexSpec.of(kind, metric, params, floats(dimension)).recipe(rows)
    assert made is not None
    return made


def test_keys_of_other_types_are_not_looked_at() -> None:
    assert recipe("HNSW", EVERY_KEY).links == 30
    assert recipe("IVF_FLAT", {**EVERY_KEY, "m": 7, "M": -1, "nbits": "x"}).leaves == 1_024
    assert recipe("IVF_SQ", {**EVERY_KEY, "m": 7}).scalar_code is ScalarCode.SQ8
    assert recipe("ivf_pq", {**EVERY_KEY, "sq_type": 3}).subspaces == 16
    assert IndexSpec.of("flat", "L2", {"nlist": -1}, floats(4)).recipe(100_000) is None


def test_null_and_numbers_as_text_are_taken() -> None:
    assert recipe("HNSW", {"M": None, "ef_construction": "40"}) == Recipe(
        Engine.FAISS, recipe("HNSW", {}).type, links=16, ef_construction=40
    )
    assert recipe("IVF_FLAT", {"nlist": "32", "nprobe": None}).leaves == 32
    assert IndexSpec.of("IVF_SQ", "ip", {"index_slow_refine": "true"}, floats(4)).refines
    assert not IndexSpec.of("IVF_SQ", "ip", {"index_slow_refine": None}, floats(4)).refines


@pytest.mark.parametrize(
    ("kind", "params", "text"),
    [
        *[(kind, {"nlist": value}, "nlist is a whole number from 1 to 65536") for kind in IVF_TYPES for value in (0, 65_537, 1.5, True)],
        *[(kind, {"nlist": 10, "nprobe": 11}, "nprobe is a whole number from 1 to 10") for kind in IVF_TYPES],
        ("HNSW", {"M": 3}, "M is a whole number from 4 to 96"),
        ("HNSW", {"M": 97}, "M is a whole number from 4 to 96"),
        ("ANNOY", {"ef_construction": 7}, "ef_construction is a whole number from 8 to 512"),
        ("HNSW", {"ef_construction": 513}, "ef_construction is a whole number from 8 to 512"),
        ("HNSW", {"ef_search": 32_769}, "ef_search is a whole number from 1 to 32768"),
        ("IVF_PQ", {"m": 7}, "m divides the dimension 128"),
        ("IVF_PQ_FS", {"m": 129}, "m is a whole number from 1 to 128"),
        ("IVF_PQ", {"nbits": 17}, "nbits is a whole number from 1 to 16"),
        ("IVF_SQ", {"sq_type": "SQ5"}, "no sq_type 'SQ5'; there are SQ4, SQ6, SQ8, FP16, BF16"),
        ("IVF_SQ", {"sq_type": 8}, "sq_type is a text"),
        ("IVF_PQ", {"index_slow_refine": "yes"}, "index_slow_refine is true or false"),
        ("IVF_XL", {}, "no index type 'IVF_XL'"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name_and_limit(kind: str, params: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        IndexSpec.of(kind, "l2", params, floats(128))


SPARSE = Field("words", DataType.SPARSE_FLOAT_VECTOR)


@pytest.mark.parametrize(("field", "metric"), [(floats(8), "l2"), (bits(8), "hamming"), (SPARSE, "ip")])
def test_an_index_without_a_metric_has_the_one_that_suits_its_field(field: Field, metric: str) -> None:
    assert IndexSpec.of("auto", None, {}, field).metric == metric


@pytest.mark.parametrize(
    ("kind", "metric", "field", "parameter", "text"),
    [
        (
            "BIN_IVF",
            "hamming",
            floats(8),
            "type",
            "index type BIN_IVF is not for field 'v' of type float_vector: it takes AUTO, FLAT, IVF_FLAT",
        ),
        ("HNSW", None, bits(8), "type", "index type HNSW is not for .*: it takes AUTO, BIN_FLAT, BIN_IVF, BIN_HNSW$"),
        ("FLAT", "ip", SPARSE, "type", "it takes AUTO, SPARSE_HNSW$"),
        ("TREE", "ip", SPARSE, "type", "no index type 'TREE'; field 'words' of type sparse_float_vector takes AUTO, SPARSE_HNSW$"),
        ("AUTO", "hamming", floats(8), "metric", "metric hamming is not for field 'v' of type float_vector: it takes l2, ip, cosine$"),
        ("AUTO", "l2", bits(8), "metric", "it takes hamming, jaccard$"),
        ("AUTO", "cosine", SPARSE, "metric", "it takes ip$"),
        ("AUTO", "", bits(8), "metric", "no metric ''; field 'b' of type binary_vector takes hamming, jaccard$"),
    ],
)
def test_a_type_or_metric_that_the_vectors_cannot_have_is_refused_with_those_that_they_can(
    kind: str, metric: str | None, field: Field, parameter: str, text: str
) -> None:
    with pytest.raises(Rejected, match=text) as refused:
        IndexSpec.of(kind, metric, {}, field)
    assert refused.value.details["parameter"] == parameter


@pytest.mark.parametrize(("name", "code"), [("sq8", "SQ8"), ("int8", "SQ8"), ("FP16", "FP16"), ("bfloat16", "BF16"), ("SQ4", "SQ4")])
def test_scalar_codes_have_several_names(name: str, code: str) -> None:
    assert recipe("IVF_SQ", {"sq_type": name}).scalar_code == code


def test_search_parameters_of_the_creation_are_the_defaults_of_searches() -> None:
    given = IndexSpec.of("IVF_FLAT", "cosine", {"nlist": 100, "nprobe": 7, "reorder": 90}, floats(8))
    built = given.recipe(100_000)
    assert built is not None
    assert given.tuning({}, 10, built) == Tuning(7, 90)
    assert given.tuning({"nprobe": "9"}, 10, built) == Tuning(9, 90)
    assert given.tuning({}, 200, built) == Tuning(7, 200)
    assert IndexSpec.of("IVF_FLAT", "cosine", {}, floats(8)).tuning({}, 10, built).effort == default_nprobe(100)
    graph = IndexSpec.of("HNSW", "l2", {"ef_search": 50}, floats(8))
    walked = graph.recipe(100_000)
    assert walked is not None
    assert graph.tuning({}, 10, walked).effort == 50
    assert graph.tuning({}, 80, walked).effort == 80
    assert graph.tuning({"ef_search": 64, "nprobe": -1}, 10, walked).effort == 64


def test_codes_are_reordered_only_if_refinement_was_asked_for() -> None:
    for kind in ("IVF_SQ", "IVF_PQ"):
        plain, refined = (IndexSpec.of(kind, "ip", {"index_slow_refine": slow}, floats(8)) for slow in (False, True))
        built = recipe(kind, {}, dimension=8)
        assert plain.tuning({}, 10, built).reorder == 10
        assert refined.tuning({}, 10, built).reorder == 60
        assert plain.tuning({"reorder": 30}, 10, built).reorder == 30


def test_an_ef_search_below_k_is_refused() -> None:
    graph = IndexSpec.of("HNSW", "l2", {}, floats(8))
    with pytest.raises(Rejected, match="ef_search is a whole number from 10 to 32768"):
        graph.check_search({"ef_search": 9}, 10)


def test_codebooks_and_leaves_are_no_more_than_the_rows_can_train() -> None:
    assert recipe("IVF_PQ", {"nbits": 16, "nlist": 65_536}, rows=4_096).nbits == 7
    assert recipe("IVF_PQ", {"nlist": 65_536}, rows=4_096).leaves == 256
    assert recipe("IVF_PQ", {}, rows=100_000).nbits == 8


def test_subspaces_divide_every_dimension() -> None:
    for dimension in (1, 2, 7, 30, 127, 384, 1_536):
        subspaces = recipe("IVF_PQ", {}, dimension=dimension).subspaces
        assert dimension % subspaces == 0
        assert subspaces <= dimension


def test_without_scann_its_types_are_built_by_faiss_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_module, "available_engines", lambda: frozenset({Engine.FAISS}))
    assert recipe("IVF_FLAT", {}).text() == "faiss: 316 leaves, floats; ScaNN is not installed here"
    assert recipe("IVF_PQ_FS", {}).text() == "faiss: 316 leaves, codes of 64 x 4 bits, scored exactly at last; ScaNN is not installed here"
    assert recipe("IVF_PQ_FS", {}, dimension=15).subspaces == 5


@pytest.mark.parametrize(
    ("kind", "metric", "bytes_per_vector"),
    [
        ("IVF_PQ", "l2", 122),
        ("IVF_PQ_FS", "l2", 126),
        ("IVF_PQ_FS", "ip", 234),
        ("IVF_SQ", "l2", 410),
        ("IVF_FLAT", "l2", 1_662),
        ("HNSW", "l2", 1_698),
    ],
)
def test_the_memory_of_a_vector_is_that_of_its_codes_links_and_places(kind: str, metric: str, bytes_per_vector: int) -> None:
    assert round(recipe(kind, {}, dimension=384, metric=metric).bytes_per_vector(384)) == bytes_per_vector
