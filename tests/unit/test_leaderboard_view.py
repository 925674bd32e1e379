"""The picture of a leaderboard: places on its axis, worked out by hand."""

import pytest

from app.agreement.strengths.standings import EMPTY, Board, Entry
from app.training.leaderboard_view import LEFT, RIGHT, board_picture


def an_entry(model, elo, ci95, *, status="ok"):
    return Entry(model, 1, elo, ci95, status, None, 10, 100, 0, None)


def a_board(*entries):
    return Board("sft", is_anchor_sft=True, prompts=100, entries=list(entries), groups=[],
                 left_out=0)  # fmt: skip


def test_dots_and_intervals_stand_on_one_axis():
    board = a_board(an_entry("ppo", 1100, (1000, 1200)), an_entry("sft", 1000, (1000, 1000)))

    picture = board_picture(board)

    ppo, sft = picture.dots
    width = (RIGHT - LEFT) / 220  # from 990 to 1210: a twentieth of room on each side
    assert ppo.x == pytest.approx(LEFT + 110 * width, abs=0.05)
    assert (ppo.low, sft.x) == (picture.anchor, picture.anchor)
    assert ppo.high == pytest.approx(LEFT + 210 * width, abs=0.05)
    assert [tick for _, tick in picture.ticks] == [1000, 1050, 1100, 1150, 1200]


def test_models_that_are_hidden_have_no_dot():
    board = a_board(an_entry("sft", 1000, None), an_entry("new", None, None))

    assert [dot.name for dot in board_picture(board).dots] == ["sft"]


def test_a_board_of_one_value_has_an_axis_of_100_points():
    picture = board_picture(a_board(an_entry("sft", 1000, (1000, 1000))))

    assert picture.dots[0].x == (LEFT + RIGHT) / 2
    assert [tick for _, tick in picture.ticks] == [960, 980, 1000, 1020, 1040]


def test_very_far_models_have_few_ticks():
    picture = board_picture(a_board(an_entry("far", 4200, (3000, 5400))))

    assert 2 <= len(picture.ticks) <= 6


def test_without_a_place_there_is_no_picture():
    assert board_picture(EMPTY) is None
    assert board_picture(a_board(an_entry("new", None, None))) is None
