"""When a slate is worth one more label."""

import pytest

from app.labeling.escalation import SlateLabel, is_split, strict_agreement


def label(*ranks, severe=()):
    return SlateLabel(dict(enumerate(ranks)), frozenset(severe))


@pytest.mark.parametrize(
    ("rankings", "agreement"),
    [
        ([(1, 2, 3), (1, 2, 3)], 1),
        ([(1, 2, 3), (3, 2, 1)], 0),
        ([(1, 2, 3), (2, 1, 3)], 2 / 3),
        ([(1, 2, 2), (1, 2, 3)], 1),  # the tie is no unit
        ([(1, 1, 1), (1, 2, 3)], None),
        ([(1, 2, None), (2, 1, 3)], 0),  # what cannot be judged is none either
        ([(1, None, None), (1, 2, 3)], None),
        ([(1, 2, 3), (1, 2, 3), (3, 2, 1)], 1 / 3),
        ([(1, 2, 3)], None),
    ],
)
def test_agreement_counts_pairs_that_two_order(rankings, agreement):
    found = strict_agreement([dict(enumerate(ranks)) for ranks in rankings])

    assert found == (None if agreement is None else pytest.approx(agreement))


@pytest.mark.parametrize(
    ("labels", "split"),
    [
        ([label(1, 2, 3, 4), label(4, 3, 2, 1)], True),
        ([label(1, 2, 3, 4), label(1, 2, 3, 4)], False),
        ([label(1, 2), label(1, 2)], False),
        ([label(1, 2, 3, 4), label(2, 1, 4, 3)], False),  # four of six
        ([label(1, 2, 2), label(2, 3, 1)], False),  # one of two: a half is enough
        ([label(1, 1), label(1, 2)], False),  # nothing to agree on
        ([label(1, 2)], False),
        ([label(1, 2, 3), label(1, 2, 3), label(3, 2, 1)], True),
        ([label(1, 2, 3), label(1, 2, 3), label(1, 2, 3), label(3, 2, 1)], False),
    ],
)
def test_labelers_who_agree_on_less_than_half_are_split(labels, split):
    assert is_split(labels) is split


def test_one_of_two_severe_flags_splits_and_a_majority_does_not():
    harm = [(0, "harm")]
    with_it, without = label(1, 2, severe=harm), label(1, 2)

    assert is_split([with_it, without])
    assert not is_split([with_it, with_it])
    assert not is_split([with_it, without, without])
    assert is_split([with_it, without, with_it, without])


def test_a_severe_flag_on_the_task_counts_and_one_on_the_unjudged_does_not():
    assert is_split([label(1, 2, severe=[(None, "harm")]), label(1, 2)])
    assert not is_split([label(1, 2, severe=[(1, "harm")]), label(1, None)])
