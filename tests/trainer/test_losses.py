"""The K-wise loss, the clipped losses and pairwise accuracy, against closed forms."""

import math

import pytest
import torch

from trainer.evaluate import Judged, pairwise_accuracy
from trainer.losses import comparisons_of, kwise_loss


def loss_of(scores, ranks, *, ties="drop"):
    rows = comparisons_of(ranks, ties=ties)
    return kwise_loss(
        scores,
        torch.tensor([row.chosen for row in rows], dtype=torch.int64),
        torch.tensor([row.rejected for row in rows], dtype=torch.int64),
        torch.tensor([row.weight for row in rows], dtype=scores.dtype),
    )


def random_scores(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("ranks", [[1, 2], [2, 1, 3, 4], [1, 2, 2, 3], [3, 1, 2, 2, 4, 5, 6, 7, 8]])
def test_the_loss_is_ln_2_when_all_scores_are_equal(ranks):
    """R1."""
    scores = torch.full((len(ranks),), 0.7, dtype=torch.float64)

    assert loss_of(scores, ranks).item() == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("with_ties", [False, True])
@pytest.mark.parametrize("count", range(2, 10))
def test_the_gradient_is_the_closed_form(count, with_ties):
    """R2."""
    ranks = [1 + (place * 5) % count for place in range(count)] if count % 5 else [*range(1, 6)]
    ranks = ranks if len(set(ranks)) == count else list(range(count, 0, -1))
    if with_ties and count > 2:
        ranks = [min(rank, count - 1) for rank in ranks]
    scores = random_scores(count, seed=count)

    loss_of(scores, ranks).backward()

    values = scores.tolist()
    strict = sum(a < b for a in ranks for b in ranks)
    for i in range(count):
        below = [j for j in range(count) if ranks[j] > ranks[i]]
        above = [j for j in range(count) if ranks[j] < ranks[i]]
        expected = (
            sum(-1 / (1 + math.exp(values[i] - values[j])) for j in below)
            + sum(1 / (1 + math.exp(values[j] - values[i])) for j in above)
        ) / strict
        assert scores.grad[i].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("ranks", [[2, 1], [1, 2, 3, 4], [2, 1, 1, 3, 4, 4]])
def test_loss_and_gradient_equal_the_mean_over_pairs_one_by_one(ranks):
    """R4."""
    kwise, pairwise = random_scores(len(ranks)), random_scores(len(ranks))

    loss = loss_of(kwise, ranks)
    loss.backward()
    pairs = [
        -torch.nn.functional.logsigmoid(pairwise[i] - pairwise[j])
        for i in range(len(ranks))
        for j in range(len(ranks))
        if ranks[i] < ranks[j]
    ]
    mean = torch.stack(pairs).mean()
    mean.backward()

    assert loss.item() == pytest.approx(mean.item(), abs=1e-12)
    assert torch.allclose(kwise.grad, pairwise.grad, atol=1e-12)


def test_a_tied_pair_gives_no_comparison_but_the_others_stay():
    """R9."""
    assert comparisons_of([1, 2, 2], ties="drop") == [(0, 1, 0.5), (0, 2, 0.5)]


def test_a_ranking_of_ties_only_has_zero_loss_and_zero_gradient():
    """R9."""
    scores = random_scores(4)

    loss = loss_of(scores, [1, 1, 1, 1])
    loss.backward()

    assert loss.item() == 0
    assert scores.grad.tolist() == [0, 0, 0, 0]


def test_half_targets_pull_tied_scores_together():
    scores = torch.tensor([1.0, -1.0], dtype=torch.float64, requires_grad=True)

    loss_of(scores, [1, 1], ties="half").backward()

    assert scores.grad[0] > 0
    assert scores.grad[1] < 0
    assert sum(row.weight for row in comparisons_of([1, 1, 2], ties="half")) == pytest.approx(1)


def test_a_response_that_was_not_judged_is_in_no_comparison():
    assert comparisons_of([None, 2, 1], ties="drop") == [(2, 1, 1.0)]


def test_a_shift_of_all_scores_changes_neither_loss_nor_accuracy():
    """R11."""
    scores, ranks = random_scores(5), [3, 1, 2, 2, 4]

    before = loss_of(scores, ranks)
    after = loss_of(scores + 4.5, ranks)

    assert after.item() == pytest.approx(before.item(), abs=1e-12)
    accuracies = [
        pairwise_accuracy([Judged("p", ranks, (scores + c).tolist())]).value for c in (0, 4.5)
    ]
    assert accuracies[0] == accuracies[1]


def test_the_order_of_the_responses_does_not_matter():
    """R20."""
    scores, ranks = random_scores(5), [3, 1, 2, 2, 4]
    order = [4, 2, 0, 3, 1]

    same = loss_of(scores[order], [ranks[place] for place in order])

    assert same.item() == pytest.approx(loss_of(scores, ranks).item(), abs=1e-12)
