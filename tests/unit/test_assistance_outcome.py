"""What filling ranks from ratings does to them, by hand."""

import numpy as np
import pytest

from app.agreement.behaviour.assistance import Arms, compared
from tests.label_columns import Label, columns

RESPONSES = ("a", "b", "c")
# (slate, labeler, ranks, assisted, moves): both with, both without, and one of each.
GIVEN = [
    (1, 1, (1, 2, 3), True, 2),
    (1, 2, (1, 2, 3), True, -1),
    (2, 1, (1, 2, 3), False, -1),
    (2, 2, (3, 2, 1), False, -1),
    (3, 1, (1, 1, 2), True, 0),
    (3, 2, (1, 2, 3), False, -1),
]
ARMS = Arms(
    ranking_id=np.arange(1, len(GIVEN) + 1),
    is_assisted=np.array([assisted for *_, assisted, _ in GIVEN]),
    moves=np.array([moves for *_, moves in GIVEN]),
)


def labels(*more, purpose="overlap"):
    return columns(
        [
            Label(slate, slate, labeler, RESPONSES, ranks, purpose=purpose)
            for slate, labeler, ranks, *_ in GIVEN
        ]
        + list(more)
    )


def test_each_arm_has_its_rankings_ties_and_moves():
    found = compared(labels(), ARMS)

    assert (found.assisted.rankings, found.unassisted.rankings) == (3, 3)
    assert (found.assisted.ties.value, found.unassisted.ties.value) == (pytest.approx(1 / 9), 0)
    assert (found.assisted.ties.units, found.assisted.ties.prompts) == (9, 3)
    assert (found.assisted.filled, found.assisted.moves) == (2, 1.0)
    assert (found.unassisted.filled, found.unassisted.moves) == (0, None)


def test_agreement_is_within_each_arm_and_across_both():
    found = compared(labels(), ARMS)

    of_three = (found.assisted.agreement, found.unassisted.agreement, found.across)
    assert [(one.value, one.units, one.prompts) for one in of_three] == [
        (1, 3, 1),
        (0, 3, 1),
        (1, 2, 1),  # a tie decides nothing
    ]


def test_what_is_in_no_arm_does_not_count():
    """Neither others' rankings of the same slates nor those from before the experiment."""
    before = compared(labels(), ARMS)
    third = Label(1, 1, 3, RESPONSES, (3, 2, 1), purpose="overlap")

    assert compared(labels(third, Label(4, 4, 1, RESPONSES, (1, 1, 1))), ARMS) == before


def test_without_an_ordinary_ranking_in_an_arm_there_is_nothing_to_compare():
    none = Arms(*(column[:0] for column in (ARMS.ranking_id, ARMS.is_assisted, ARMS.moves)))

    assert compared(labels(), none) is None
    assert compared(labels(purpose="gold"), ARMS) is None
