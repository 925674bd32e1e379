"""Which tasks have the ranks filled from ratings."""

from hypothesis import given
from hypothesis import strategies as st

from app.labeling.assistance import arm_of, rank_assist_of
from app.projects.screen import ScreenSettings

COMPARING = ScreenSettings(rank_assist="presort", rank_assist_experiment=True)


def arms(labelers, tasks, settings=COMPARING):
    return [
        arm_of(settings, labeler_id=labeler, task_id=task) for labeler in labelers for task in tasks
    ]


def test_without_the_experiment_there_are_no_arms():
    for settings in (
        ScreenSettings(rank_assist="button"),
        ScreenSettings(rank_assist_experiment=True),
    ):
        assert set(arms(range(5), range(20), settings)) == {None}
        assert rank_assist_of(settings, None) == settings.rank_assist


@given(st.integers(1, 2**62), st.integers(1, 2**62))
def test_the_arm_is_the_same_whenever_it_is_asked(labeler, task):
    arm = arm_of(COMPARING, labeler_id=labeler, task_id=task)

    assert arm == arm_of(COMPARING, labeler_id=labeler, task_id=task)
    assert rank_assist_of(COMPARING, arm) == ("presort" if arm == "assisted" else "none")


def test_half_of_the_tasks_of_each_labeler_and_of_each_task_are_assisted():
    for labeler in range(1, 6):
        assert 440 <= arms([labeler], range(1000)).count("assisted") <= 560
    for task in range(1, 6):
        assert 440 <= arms(range(1000), [task]).count("assisted") <= 560
