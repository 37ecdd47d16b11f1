"""Contributions add up to the predictor, and nobody gets what is not theirs."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from packed_cohorts import packed, variant_frame
from trained_bundles import (
    PARTS,
    covariate_table,
    dated_table,
    design_of,
    risk_model,
    sequences_of,
)

from genomed.features.design import Design
from genomed.models.attribution import (
    ANCESTRY,
    DATED_CODES,
    Contributions,
    contributions,
    covariate_names,
    terms_of,
    variant_names,
)
from genomed.models.covariate_net import CodeHistory, CodeHistoryConfig
from genomed.models.risk_model import RiskModel
from genomed.models.risk_net import RiskNet

N, M = 150, 24


def cohort(parts: tuple[str, ...], seed: int = 3, missing: float = 0.05) -> tuple[
    RiskModel, np.ndarray, np.ndarray, Design
]:  # fmt: skip
    """A model of these parts, its calls packed and as counts, and the covariates."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.2, 0.5, M)
    alt_count = rng.binomial(2, p[:, None], (M, N)).astype(np.int8)
    alt_count[rng.random((M, N)) < missing] = -9
    variants = variant_frame(["1"] * M).drop("row").with_columns(
        alt_allele_frequency=pl.Series(p)
    )  # fmt: skip
    design = design_of(covariate_table([f"s{i}" for i in range(N)], rng))
    model = risk_model(packed(alt_count), N, variants, design, parts)
    rows = [int(name[1:]) for name in model.variants["id"]]
    return model, packed(alt_count[rows]), alt_count[rows], design


def explained(
    model: RiskModel, words: np.ndarray, n: int, design: Design, **options: int
) -> Contributions:
    return contributions(
        model, words, n, design.matrix.astype(np.float64), categories=design.categories,
        levels=tuple(design.category_sizes), **options,
    )  # fmt: skip


def predicted(model: RiskModel, words: np.ndarray, design: Design) -> np.ndarray:
    return model.predict(
        words, N, design.matrix.astype(np.float64), categories=design.categories,
        levels=tuple(design.category_sizes),
    ).full  # fmt: skip


@pytest.mark.parametrize("parts", [PARTS[:1], PARTS[:2], PARTS[:3], PARTS[:4]], ids=len)
def test_exact_contributions_and_the_base_add_up_to_the_predictor(parts: tuple[str, ...]) -> None:
    model, words, _, design = cohort(parts)
    found = explained(model, words, N, design)
    assert found.base == model.intercept
    np.testing.assert_allclose(found.predictor, predicted(model, words, design), atol=1e-9)


def test_integrated_gradients_add_up_to_what_the_net_says() -> None:
    pytest.importorskip("captum")
    model, words, _, design = cohort(PARTS)
    found = explained(model, words, N, design)
    assert model.net is not None
    assert found.members.shape == (2, 3, N)
    assert found.net_rows.tolist() == sorted(model.net.hubs.tolist())
    np.testing.assert_allclose(found.predictor, predicted(model, words, design), atol=2e-5)
    more = explained(model, words, N, design, n_steps=128)
    np.testing.assert_allclose(more.predictor, predicted(model, words, design), atol=2e-6)


def test_integrated_gradients_do_not_depend_on_threads_or_company() -> None:
    pytest.importorskip("captum")
    model, words, alt_count, design = cohort(PARTS)
    whole = explained(model, words, N, design)
    again = explained(model, words, N, design, threads=2)
    np.testing.assert_array_equal(whole.of_variants, again.of_variants)
    few = replace(design, matrix=design.matrix[:32], categories=design.categories[:32])
    part = explained(model, packed(alt_count[:, :32]), 32, few)
    np.testing.assert_allclose(part.of_variants, whole.of_variants[:, :32], atol=1e-12)


def test_a_missing_call_adds_nothing_but_to_the_net() -> None:
    model, words, alt_count, design = cohort(PARTS[:4], missing=0.2)
    found = explained(model, words, N, design)
    for part in ("linear", "pairs", "covariates"):
        if part in found.variants:
            assert (found.variants[part][alt_count < 0] == 0).all(), part


def test_a_pair_belongs_half_to_each_of_its_variants() -> None:
    model, words, _, design = cohort(("pairs",))
    found = explained(model, words, N, design)
    pairs = [term for term in terms_of(model, design.names) if term.kind == "pair"]
    expected = np.zeros((len(words), N))
    for term, value in zip(pairs, found.terms, strict=True):
        for row in term.variants:
            expected[row] += value / 2
    np.testing.assert_allclose(found.variants["pairs"], expected, atol=1e-12)
    assert found.terms.any(axis=1).all()


def test_products_with_covariates_are_halved_and_listed_whole() -> None:
    model, words, _, design = cohort(("linear", "covariates"))
    found = explained(model, words, N, design)
    matrix = design.matrix.astype(np.float64)
    assert model.covariates is not None
    calls = np.where(found.codes > 2, 3, found.codes)[model.covariates.row].astype(np.int64)
    linear = predicted(replace(model, covariates=None), words, design)
    whole = model.covariates.predictor(calls, linear, matrix)
    np.testing.assert_allclose(found.terms.sum(axis=0), whole, atol=1e-9)
    assert [term.kind for term in terms_of(model, design.names)] == [
        "variant x covariate", "variant x covariate", "score x covariate",
    ]  # fmt: skip


def test_coding_the_other_allele_changes_no_contribution() -> None:
    model, words, alt_count, design = cohort(PARTS[:2])
    turned = replace(model, genotype_weights=model.genotype_weights[:, [2, 1, 0, 3]])
    swapped = np.where(alt_count < 0, -9, 2 - alt_count)
    first = explained(model, words, N, design)
    second = explained(turned, packed(swapped), N, design)
    np.testing.assert_array_equal(first.of_variants, second.of_variants)


def test_variants_are_named_by_id_or_by_place() -> None:
    model, _, _, _ = cohort(PARTS[:1])
    some = replace(model, variants=model.variants.with_columns(id=pl.lit(None, pl.Utf8)))
    assert variant_names(model)[0] == "v0"
    assert variant_names(some)[0] == "1:1:A:C"


def test_nobody_has_no_contributions() -> None:
    model, _, _, design = cohort(PARTS[:4])
    empty = replace(design, matrix=design.matrix[:0], categories=design.categories[:0])
    found = explained(model, np.zeros((len(model.variants), 0), np.uint64), 0, empty)
    assert isinstance(found, Contributions)
    assert found.predictor.shape == (0,)


@pytest.mark.parametrize("parts", [("linear",), PARTS[:4]], ids=len)
def test_what_the_trunk_of_a_group_adds_is_shared_out_too(parts: tuple[str, ...]) -> None:
    model, words, _, design = cohort((*parts, "ancestry"))
    assert model.ancestry is not None
    group = np.arange(N) % 3 - 1  # nobody's, and two groups
    given = {
        "categories": design.categories, "levels": tuple(design.category_sizes), "group": group,
    }  # fmt: skip
    matrix = design.matrix.astype(np.float64)
    found = contributions(model, words, N, matrix, **given)
    whole = model.predict(words, N, matrix, **given)
    assert np.abs(whole.parts["ancestry"]).max() > 0.5
    np.testing.assert_allclose(found.predictor, whole.full, atol=1e-6)
    told = found.variants["ancestry"].sum(axis=0) + found.covariates["ancestry"].sum(axis=0)
    np.testing.assert_allclose(told, whole.parts["ancestry"], atol=1e-6)
    assert not found.variants["ancestry"][:, group < 0].any()
    assert not found.covariates["ancestry"][:, group < 0].any()
    assert not found.variants["ancestry"][found.codes > 2].any()
    names = covariate_names(model, design.names)
    assert names[-1] == ANCESTRY
    shift = [0.5 * (trunk.intercept - model.intercept) for trunk in model.ancestry.trunks]
    np.testing.assert_allclose(
        found.covariates["ancestry"][-1], np.array([0, *shift])[group + 1], atol=1e-12
    )


def test_a_model_of_groups_explains_people_of_none_by_the_common_part() -> None:
    model, words, _, design = cohort(("linear", "ancestry"))
    found = explained(model, words, N, design)
    assert "ancestry" not in found.variants
    np.testing.assert_allclose(found.predictor, predicted(model, words, design), atol=1e-9)


@pytest.mark.parametrize("reader", ["attention", "gru"])
def test_what_dated_codes_add_is_told_one_by_one_and_together(reader: str) -> None:
    pytest.importorskip("captum")
    model, words, _, design = cohort((*PARTS, "codes"))
    assert model.net is not None
    head = model.net.head
    config = replace(head.config, net=replace(head.config.net, code_reader=reader))
    model = replace(model, net=replace(model.net, head=head._replace(config=config)))
    samples = [f"s{i}" for i in range(N)]
    dated = sequences_of(dated_table(samples, np.random.default_rng(12)), samples)
    given = {
        "categories": design.categories, "levels": tuple(design.category_sizes),
        "codes": dated.codes, "times": dated.times,
    }  # fmt: skip
    matrix = design.matrix.astype(np.float64)
    found = contributions(model, words, N, matrix, n_steps=128, **given)
    whole = model.predict(words, N, matrix, **given).full
    np.testing.assert_allclose(found.predictor, whole, atol=1e-4)
    at = covariate_names(model, [*design.names, *design.category_names]).index(DATED_CODES)
    without = ~dated.codes.any(axis=1)
    assert 0 < without.sum() < N
    assert not found.covariates["net"][at, without].any()
    assert (found.covariates["net"][at, ~without] != 0).all()
    assert found.dated.shape == dated.codes.shape
    assert not found.dated[dated.codes == 0].any()
    np.testing.assert_allclose(found.dated.sum(axis=1), found.covariates["net"][at], atol=1e-12)


@pytest.mark.parametrize("reader", ["attention", "gru"])
def test_shares_of_codes_add_up_to_the_token_of_the_record(reader: str) -> None:
    torch.manual_seed(5)
    history = CodeHistory(CodeHistoryConfig(n_codes=6, width=4, reader=reader)).double()
    torch.nn.init.normal_(history.nothing)
    codes = torch.tensor([[2, 5, 3], [4, 0, 0], [0, 0, 0], [1, 1, 0]])
    times = torch.randn(4, 3, dtype=torch.float64)
    with torch.no_grad():
        shares, token = history.shares(codes, times), history(codes, times)
        nothing = history.nothing.expand_as(token)
    torch.testing.assert_close(shares.sum(1, keepdim=True), token - nothing)
    assert not shares[codes == 0].any()
    assert not shares[2].any()


@pytest.mark.parametrize("genome", ["local", "convolution", "recurrent"])
def test_windows_and_dated_codes_are_explained_with_the_hubs(genome: str) -> None:
    pytest.importorskip("captum")
    model, words, _, design = cohort(PARTS)
    assert model.net is not None
    head = model.net.head
    net = replace(head.config.net, genome=(genome,))
    windows = np.array([[0, 1, 2], [4, 5, -1], [5, 8, 9]])
    sizes = head.sizes._replace(n_windows=3, window_variants=3, n_codes=4)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        state = RiskNet(net, sizes).state_dict()
        mixed = {k: v + 0.2 * torch.randn_like(v) if v.is_floating_point() else v
                 for k, v in state.items()}  # fmt: skip
    member = mixed | {"gate": torch.ones(1), "scale": torch.ones(1)}
    changed = head._replace(members=[member], sizes=sizes, config=replace(head.config, net=net))
    model = replace(model, net=replace(model.net, head=changed, windows=windows))
    found = explained(model, words, N, design, n_steps=64)
    assert found.net_rows.tolist() == sorted({*model.net.hubs.tolist(), 0, 1, 2, 4, 5, 8, 9})
    assert (np.abs(found.members).sum(axis=(0, 2)) > 0).all()
    np.testing.assert_allclose(found.predictor, predicted(model, words, design), atol=5e-3)
