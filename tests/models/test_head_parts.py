"""The parts of the deep head: how calls are held, coded, changed and multiplied."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genomed.models.augmentation import donors_within_groups, exchange_block, mask_calls
from genomed.models.head_inputs import (
    DeviceInputs,
    HeadInputs,
    PackedCalls,
    gene_windows,
    genome_windows,
)
from genomed.models.hub_net import call_contrasts
from genomed.models.hub_products import multiply, propose_products
from genomed.models.optimiser import FlatAdamW
from genomed.models.parallel import ALONE, Workers, describe
from genomed.models.portability import Adversary, AdversaryConfig, invariance_penalty
from genomed.models.risk_net import NetConfig, NetSizes, RiskNet

CPU = torch.device("cpu")
SIZES = NetSizes(1, 3, 0, (), 0, 0, 0)


def packed(copies: np.ndarray) -> np.ndarray:
    """Words uint64 (variants, words) of copies (people, variants)."""
    n, variants = copies.shape
    codes = np.full((variants, -(-n // 32) * 32), 3, np.uint64)
    codes[:, :n] = np.where(copies < 0, 3, copies).T
    shifted = codes.reshape(variants, -1, 32) << (2 * np.arange(32, dtype=np.uint64))
    return np.bitwise_or.reduce(shifted, axis=2)


@given(st.integers(1, 70), st.integers(1, 11), st.integers(0, 2**32 - 1))
def test_packed_calls_come_back_as_they_were(n: int, places: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, places))
    copies = np.where(codes == 3, -9, codes).astype(np.int8)
    people = torch.from_numpy(rng.permutation(n))
    held = PackedCalls.from_counts(copies, CPU)
    np.testing.assert_array_equal(held.codes(people).numpy(), codes[people.numpy()])
    rows = rng.integers(-1, places, 2 * places)
    from_words = PackedCalls.from_words(packed(copies), rows, n, CPU)
    expected = np.where(rows < 0, 0, codes[:, rows])
    np.testing.assert_array_equal(from_words.codes(people).numpy(), expected[people.numpy()])


def test_words_are_put_in_order_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = np.random.default_rng(3).integers(0, 3, (40, 50)).astype(np.int8)
    rows = np.arange(50)[::-1].copy()
    whole = PackedCalls.from_words(packed(copies), rows, 40, CPU).packed
    monkeypatch.setattr("genomed.models.head_inputs.BLOCK_BYTES", 40 * 8)
    assert torch.equal(PackedCalls.from_words(packed(copies), rows, 40, CPU).packed, whole)


def test_windows_hold_every_variant_once_and_genes_their_own() -> None:
    windows = genome_windows(10, 4)
    assert windows.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, -1, -1]]
    genes = gene_windows(np.array([5, 1, 2, 3, 1]), np.array([0, 0, 0, 2, 2]), 2)
    assert genes.tolist() == [[1, 2], [5, -1], [1, 3]]
    assert gene_windows(np.zeros(0, int), np.zeros(0, int), 2).shape == (0, 2)


def test_padding_of_a_window_reads_as_no_copies_and_absent_genes_as_no_columns() -> None:
    copies = np.full((3, 2), 2, np.int8)
    inputs = HeadInputs.of(3, words=packed(copies), windows=genome_windows(2, 3))
    batch = DeviceInputs(inputs, CPU).batch(torch.arange(3))
    assert batch.planes.shape == (3, 1, 3, 3)
    assert batch.planes[:, 0, 2].sum() == 0
    assert batch.hubs.shape == (3, 0, 4)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.5, 0.9])
def test_contrasts_have_mean_0_variance_1_and_no_covariance_in_hardy_weinberg_proportions(
    p: float,
) -> None:
    coding = call_contrasts(torch.tensor([p]))[0].double().numpy()
    share = np.array([(1 - p) ** 2, 2 * p * (1 - p), p**2])
    additive, deviation = coding[:3, 0], coding[:3, 1]
    np.testing.assert_allclose(share @ additive, 0, atol=1e-6)
    np.testing.assert_allclose(share @ deviation, 0, atol=1e-6)
    np.testing.assert_allclose(share @ additive**2, 1, rtol=1e-5)
    np.testing.assert_allclose(share @ deviation**2, 1, rtol=1e-5)
    np.testing.assert_allclose(share @ (additive * deviation), 0, atol=1e-5)
    assert coding[3].tolist() == [0, 0, 1]


def test_a_monomorphic_hub_is_coded_by_zeros() -> None:
    assert call_contrasts(torch.tensor([0.0, 1.0]))[:, :3].abs().sum() == 0


def naive_strongest(
    values: np.ndarray, owner: np.ndarray, residual: np.ndarray
) -> tuple[tuple[int, ...], float]:
    """The product of two or three columns of different owners with the largest |z|, and that."""
    best: tuple[tuple[int, ...], float] = ((), 0.0)
    for size in (2, 3):
        for columns in combinations(range(values.shape[1]), size):
            if len({owner[c] for c in columns}) == size:
                x = values[:, columns].astype(float).prod(1)
                z = abs(residual @ x) / np.sqrt(residual**2 @ x**2)
                best = max(best, (columns, float(z)), key=lambda found: found[1])
    return best


@pytest.mark.parametrize("planted", [(0, 3), (1, 2, 4)])
def test_the_product_proposed_first_is_that_of_the_definition(planted: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(500, 6)).astype(np.float32)
    owner = np.array([0, 1, 2, 0, 1, 2]) if len(planted) == 9 else np.array([0, 1, 2, 3, 4, 4])
    residual = 0.6 * values[:, planted].prod(1) + rng.normal(size=500)
    found = propose_products(values, owner, residual[:, None], np.ones((500, 1)))
    columns, _ = naive_strongest(values, owner, residual)
    assert tuple(c for c in found.columns[0] if c >= 0) == columns == planted
    assert found.coefficient[0, 0] == pytest.approx(0.6, abs=0.15)
    np.testing.assert_allclose(
        multiply(values, found.columns)[:, 0], values[:, planted].astype(float).prod(1), rtol=1e-6
    )


def test_with_many_columns_threes_are_made_of_those_in_the_strongest_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(11)
    values = rng.normal(size=(800, 12)).astype(np.float32)
    three = values[:, [3, 7, 9]].prod(1)
    pairs = values[:, 3] * values[:, 7] + values[:, 7] * values[:, 9]
    residual = (three + pairs + rng.normal(size=800))[:, None]
    monkeypatch.setattr("genomed.models.hub_products.MAX_COLUMNS", 4)
    found = propose_products(values, np.arange(12), residual, np.ones((800, 1)))
    assert {tuple(row) for row in found.columns.tolist()} >= {(3, 7, 9), (3, 7, -1), (7, 9, -1)}


def test_noise_is_taken_for_a_product_in_few_cohorts() -> None:
    rng = np.random.default_rng(9)
    taken = 0
    for _ in range(40):
        values = rng.normal(size=(400, 8)).astype(np.float32)
        residual = rng.normal(size=(400, 1))
        found = propose_products(values, np.arange(8), residual, np.ones((400, 1)))
        taken += len(found.columns) > 0
    assert taken <= 10  # one in ten is expected: ten of forty have a chance below 1 in 200


def test_people_without_weight_decide_nothing() -> None:
    rng = np.random.default_rng(10)
    values = rng.normal(size=(600, 5)).astype(np.float32)
    residual = (values[:, 0] * values[:, 1] + rng.normal(size=600))[:, None]
    weight = np.ones((600, 1))
    weight[400:] = residual[400:] = 0
    found = propose_products(values, np.arange(5), residual, weight)
    values[400:] = 1e3
    again = propose_products(values, np.arange(5), residual, weight)
    np.testing.assert_array_equal(found.columns, again.columns)
    np.testing.assert_allclose(found.coefficient, again.coefficient, rtol=1e-8)


def test_calls_are_forgotten_at_the_rate_asked_for() -> None:
    codes = torch.zeros(200, 500, dtype=torch.uint8)
    masked = mask_calls(codes, 0.1, torch.Generator().manual_seed(1))
    assert set(masked.unique().tolist()) == {0, 3}
    assert (masked == 3).float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert mask_calls(codes, 0.0, torch.Generator()) is codes


def test_donors_are_others_of_the_same_group() -> None:
    group = torch.tensor([0, 1, 0, 1, 1, 2, -1, 0, -1])
    for seed in range(20):
        donor = donors_within_groups(group, torch.Generator().manual_seed(seed))
        assert torch.equal(group[donor], group)
        assert sorted(donor.tolist()) == list(range(9))
        same = donor == torch.arange(9)
        assert same.tolist() == [False] * 5 + [True, True, False, True]


def test_an_exchange_brings_one_block_of_the_donor() -> None:
    codes = torch.arange(2, dtype=torch.uint8)[:, None].repeat(1, 20)
    mixed = exchange_block(codes, torch.tensor([1, 0]), 0.25, torch.Generator().manual_seed(2))
    assert mixed.sum(1).tolist() == [5, 15]
    for row in mixed:
        assert (row != row.roll(1)).sum() == 2  # one block, round the end


def test_a_flat_step_is_that_of_torch() -> None:
    torch.manual_seed(4)
    ours = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.GELU(), torch.nn.Linear(4, 1))
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.GELU(), torch.nn.Linear(4, 1))
    theirs.load_state_dict(ours.state_dict())
    decay = {"0.weight": 0.3, "2.weight": 0.3}
    flat = FlatAdamW(dict(ours.named_parameters()), {"2.bias": 5.0}, decay)
    groups = [
        {"params": [theirs[0].weight, theirs[2].weight], "weight_decay": 0.3},
        {"params": [theirs[0].bias], "weight_decay": 0.0},
        {"params": [theirs[2].bias], "weight_decay": 0.0, "lr": 0.05},
    ]
    judge = torch.optim.AdamW(groups, lr=0.01)
    x, y = torch.randn(64, 5), torch.randn(64, 1)
    for _ in range(30):
        ((ours(x) - y) ** 2).mean().backward()
        flat.clip(0.5)
        flat.step(0.01)
        judge.zero_grad()
        ((theirs(x) - y) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        judge.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_adversary_learns_the_group_and_the_description_forgets_it() -> None:
    torch.manual_seed(6)
    adversary = Adversary(AdversaryConfig(n_person=2, n_groups=2))
    person = torch.randn(50, 2, requires_grad=True)
    group = (person[:, 0] > 0).long()
    loss = adversary(person, group)
    loss.backward()
    assert person.grad is not None
    with torch.no_grad():  # against the usual sign: the guess gets worse along the descent
        assert adversary(person - 0.5 * person.grad / person.grad.norm(), group) > loss


def test_the_penalty_of_invariance_is_zero_where_no_group_wants_another_scale() -> None:
    factor = torch.ones((), requires_grad=True)
    prediction, group = torch.tensor([1.0, -1.0, 1.0, -1.0]), torch.tensor([0, 0, 1, 1])
    equal = (prediction - factor * prediction) ** 2
    assert invariance_penalty(equal, factor, group, 2).item() == 0
    other = (torch.tensor([1.0, -1.0, 2.0, -2.0]) - factor * prediction) ** 2
    slope = -2 * 1.0  # d/ds mean (2 - s)^2 at 1
    assert invariance_penalty(other, factor, group, 2).item() == pytest.approx(slope**2 / 2)


def test_processes_are_found_as_torchrun_and_slurm_start_them() -> None:
    assert describe({}) == (ALONE, {})
    assert describe({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}) == (ALONE, {})
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert describe(torchrun) == (Workers(3, 4, 1), {})
    slurm = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "17"}
    workers, added = describe(slurm | {"SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1"})
    assert workers == Workers(5, 8, 1)
    assert added == {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "20017"}
    with pytest.raises(ValueError, match="MASTER_ADDR"):
        describe(slurm)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (NetConfig(mixer="blend"), "mixer is one of"),
        (NetConfig(genome=("global",)), "genome holds some of"),
        (NetConfig(width=15), "heads do not divide"),
        (NetConfig(code_reader="lstm"), "reader is"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(config: NetConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RiskNet(config, SIZES._replace(n_codes=4))


def test_a_head_without_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match="no inputs"):
        RiskNet(NetConfig(), NetSizes(1, 0, 0, (), 0, 0, 0))


def test_calls_forgotten_by_throws_of_their_own_are_as_many_and_leave_the_others() -> None:
    codes = torch.ones((500, 400), dtype=torch.uint8)
    one = mask_calls(codes, 0.1, torch.Generator().manual_seed(1), apart=True)
    assert abs(float((one == 3).float().mean()) - 0.1) < 4 * (0.09 / 200_000) ** 0.5
    assert set(one.unique().tolist()) == {1, 3}
    fewer = mask_calls(codes[:200], 0.1, torch.Generator().manual_seed(1), apart=True)
    assert torch.equal(fewer, one[:200])
