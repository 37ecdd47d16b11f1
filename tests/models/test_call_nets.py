"""The nets of a caller: where they begin, what they learn, what they may not change."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from call_cases import NAMES, planted_sites

from genomed.models.call_model import CallModel, log_softmax
from genomed.models.call_nets import CallNets
from genomed.models.call_stages import fit_caller, judge_calls
from genomed.models.call_targets import allele_kind, call_targets, site_kind
from genomed.models.call_training import split_blocks
from genomed.models.likelihood_stage import InputNames
from genomed.models.pileup_inputs import PileupNetConfig
from genomed.models.pileup_net import CallInputs, PileupNet
from genomed.models.plain_pileup_net import PlainPileupNet
from genomed.models.read_matrix_net import MATRIX_SHAPE, ReadMatrixConfig, ReadMatrixNet
from genomed.settings import CallTrainSettings

SETTINGS = CallTrainSettings(n_epochs=6, batch_sites=64)


@pytest.fixture(scope="module")
def fitted():
    sites, data = planted_sites(1800, 3, artefact=0.4)
    return sites, data, fit_caller(data, NAMES, SETTINGS)


def test_an_untrained_net_is_the_likelihood_caller() -> None:
    sites, _ = planted_sites(50, 1, artefact=0.5)
    net = PileupNet(PileupNetConfig(NAMES)).eval()
    logits = torch.from_numpy(sites.loglik)
    out = net(torch.from_numpy(sites.pileup), torch.from_numpy(sites.evidence), logits, logits)
    np.testing.assert_allclose(
        log_softmax(out.logits.detach().numpy()), log_softmax(sites.loglik), atol=1e-5
    )


def test_an_untrained_read_matrix_net_leaves_what_it_is_given() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.integers(0, 255, (5, *MATRIX_SHAPE), dtype=np.uint8)
    matrix[:, 20:] = 0
    matrix[4] = 0  # a site without reads
    logits = torch.from_numpy(planted_sites(5, 1, artefact=0)[0].loglik)
    net = ReadMatrixNet(ReadMatrixConfig(7)).eval()
    out = net(torch.from_numpy(matrix), logits, torch.zeros(5, 7)).detach().numpy()
    np.testing.assert_allclose(log_softmax(out), log_softmax(logits.numpy()), atol=1e-5)


def test_the_order_of_reads_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    net = ReadMatrixNet(ReadMatrixConfig(7)).eval()
    torch.nn.init.normal_(net.correct.weight, generator=torch.Generator().manual_seed(1))
    matrix = rng.integers(0, 255, (1, *MATRIX_SHAPE), dtype=np.uint8)
    logits, hidden = torch.zeros(1, 6), torch.zeros(1, 7)
    one = net(torch.from_numpy(matrix), logits, hidden)
    other = net(torch.from_numpy(matrix[:, rng.permutation(64)]), logits, hidden)
    torch.testing.assert_close(one, other)


def test_a_net_that_sees_an_artefact_is_kept(fitted) -> None:
    _, _, caller = fitted
    assert {v.stage: v.accepted for v in caller.verdicts}["pileup net for snps"]
    assert caller.model.pileup_kinds[0]
    wrong = {(m.stage, m.kind): m.n_wrong for m in caller.measures}
    assert wrong["kept", "snp"] < wrong["likelihood", "snp"]


def test_a_net_that_finds_nothing_is_left_out() -> None:
    _, data = planted_sites(700, 5, artefact=0.0)
    caller = fit_caller(data, NAMES, SETTINGS)
    assert not any(v.accepted for v in caller.verdicts if "net" in v.stage)
    assert caller.model.nets is None
    wrong = {(m.stage, m.kind): (m.n_wrong, m.deviance) for m in caller.measures}
    assert wrong["kept", "snp"] == wrong["likelihood", "snp"]


def test_the_same_seed_gives_the_same_caller() -> None:
    _, data = planted_sites(600, 3, artefact=0.5)
    settings = replace(SETTINGS, n_epochs=2, accept_z=-1e9)
    again, tensors = (fit_caller(data, NAMES, settings).model.tensors() for _ in range(2))
    assert tensors.keys() == again.keys()
    assert all((tensors[name] == again[name]).all() for name in tensors)


def test_a_caller_comes_back_from_arrays_and_facts(fitted) -> None:
    sites, _, caller = fitted
    model = CallModel.from_parts(caller.model.tensors(), caller.model.facts())
    assert isinstance(model.nets, PlainPileupNet)
    np.testing.assert_allclose(
        model.genotype_log_probability(sites), caller.model.genotype_log_probability(sites),
        atol=1e-4,
    )  # fmt: skip
    again = CallModel.from_parts(model.tensors(), model.facts())
    np.testing.assert_array_equal(
        again.genotype_log_probability(sites), model.genotype_log_probability(sites)
    )
    with pytest.raises(ValueError, match="not a caller"):
        CallModel.from_parts({}, caller.model.facts())


def test_torch_and_numpy_agree_about_the_pileup_net() -> None:
    sites, _ = planted_sites(600, 9, artefact=0.5)
    torch.manual_seed(4)
    net = PileupNet(PileupNetConfig(NAMES)).eval()
    for array in net.parameters():  # far from where it begins
        torch.nn.init.normal_(array, std=0.3)
    net.inputs.standardise(sites.evidence, sites.loglik)
    nets = CallNets(net)
    plain = PlainPileupNet.from_parts(nets.tensors(), nets.facts(), NAMES)
    arrays = (sites.pileup, sites.evidence, sites.loglik, sites.loglik)
    one, other = nets.first(*arrays), plain.first(*arrays)
    assert np.ptp(one.logits[:, :3] - sites.loglik[:, :3]) > 1
    np.testing.assert_allclose(other.hidden, one.hidden, atol=2e-4)
    np.testing.assert_allclose(other.logits, one.logits, atol=2e-3, rtol=1e-5)
    assert plain.facts() == nets.facts()


def test_arrays_of_another_shape_or_name_are_no_caller(fitted) -> None:
    _, _, caller = fitted
    facts, tensors = caller.model.facts(), caller.model.tensors()
    for name, other in (("pileup.stem.weight", np.zeros((3, 3, 3), np.float32)), ("x", None)):
        changed = tensors | {name: tensors["pileup.stem.bias"] if other is None else other}
        with pytest.raises(ValueError, match=f"not a caller: {name.replace('.', '[.]')} is"):
            CallModel.from_parts(changed, facts)


def test_probabilities_add_up_and_impossible_diplotypes_stay_so(fitted) -> None:
    sites, _, caller = fitted
    said = caller.model.genotype_log_probability(sites)
    np.testing.assert_allclose(np.exp(said.astype(np.float64)).sum(axis=1), 1, atol=1e-5)
    assert (said[:, 3:] == -1e4).all()


def test_what_is_said_of_a_site_does_not_depend_on_the_others(fitted) -> None:
    sites, _, caller = fitted
    some = sites._replace(
        table=sites.table[700:733], pileup=sites.pileup[700:733],
        evidence=sites.evidence[700:733], loglik=sites.loglik[700:733],
    )  # fmt: skip
    np.testing.assert_allclose(
        caller.model.genotype_log_probability(some),
        caller.model.genotype_log_probability(sites)[700:733],
        atol=1e-4,
    )


def test_reads_are_asked_for_ambiguous_sites_only(fitted) -> None:
    sites, _, caller = fitted
    first = caller.model.nets.pileup
    net = ReadMatrixNet(ReadMatrixConfig(first.config.width)).eval()
    model = replace(caller.model, nets=CallNets(first, net))
    asked = []

    def matrices(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return np.zeros((len(rows), *MATRIX_SHAPE), np.uint8)

    before = caller.model.genotype_log_probability(sites)
    model.genotype_log_probability(sites, matrices)
    (rows,) = asked
    assert (np.exp(before[rows].max(axis=1)) < model.sure).all()
    assert len(rows) == (np.exp(before.max(axis=1)) < model.sure).sum()


def test_a_caller_with_other_channels_is_refused(fitted) -> None:
    with pytest.raises(ValueError, match="other channels"):
        fitted[2].model.check_names(NAMES.pileup, ("depth",))
    with pytest.raises(ValueError, match="lacks the channel"):
        CallInputs(InputNames(("ref_a",), ("depth",)))


def test_evidence_that_was_never_seen_is_bounded() -> None:
    inputs = CallInputs(NAMES)
    sites, _ = planted_sites(50, 1, artefact=0.5)
    inputs.standardise(sites.evidence, sites.loglik)
    strange = torch.full((1, len(NAMES.evidence)), 1e9)
    assert inputs.features(strange, torch.from_numpy(sites.loglik[:1])).abs().max() <= 6


def test_no_piece_of_genome_is_on_two_sides() -> None:
    block = np.repeat(np.arange(40), 25)
    parts = split_blocks(block, (0.15, 0.15), seed=1)
    sides = [set(block[rows].tolist()) for rows in parts]
    assert sum(map(len, sides)) == 40
    assert sorted(np.concatenate(parts).tolist()) == list(range(1000))
    with pytest.raises(ValueError, match="cannot be divided"):
        split_blocks(np.zeros(10), (0.15, 0.15), seed=1)


def test_libraries_to_judge_by_are_whole_and_nothing_is_learned_from_them() -> None:
    block, judge = np.repeat(np.arange(40), 25), np.arange(1000) >= 700
    parts = split_blocks(block, (0.15, 0.15), 1, judge)
    assert parts.judge.tolist() == list(range(700, 1000))
    assert sorted(np.concatenate(parts).tolist()) == list(range(1000))
    assert len(parts.stop) == pytest.approx(0.15 * 700, abs=50)
    assert not set(block[parts.learn]) & set(block[parts.stop])


def test_a_stage_with_more_wrong_genotypes_is_refused_whatever_it_gains() -> None:
    truth, block = np.zeros(100, np.int64), np.arange(100) // 10
    before = np.tile(np.log([0.6, 0.4]), (100, 1))
    after = np.tile(np.log([0.99, 0.01]), (100, 1))
    assert judge_calls("net", before, after, truth, block, accept_z=2).accepted
    after[:3] = np.log([0.49, 0.51])
    assert not judge_calls("net", before, after, truth, block, accept_z=2).accepted


def test_classes_and_lengths_are_those_of_the_two_alleles() -> None:
    ref, alt1, alt2 = ["A", "CT", "C"], ["G", "C", "CAA"], ["", "CTG", ""]
    classes, lengths = call_targets(ref, alt1, alt2, np.array([1, 4, 0]))
    assert [allele_kind("A", a) for a in ("A", "T", "AC")] == [0, 3, 4]
    assert allele_kind("AC", "A") == 5
    assert len(set(classes.tolist())) == 3
    assert lengths.tolist() == [[16, 16], [15, 17], [16, 16]]
    assert site_kind(ref, alt1, alt2).tolist() == [0, 3, 1]
