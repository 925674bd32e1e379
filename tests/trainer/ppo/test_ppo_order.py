"""The order of prompts and texts: each once a round, every round another, entered anywhere."""

from collections import Counter

from tests.trainer.ppo.conftest import prompts_of as all_prompts
from tests.trainer.ppo.conftest import settings_with
from trainer.ppo.inputs import prompts_of
from trainer.running.endless import order_between


def test_every_round_deals_each_index_once_in_an_order_of_its_own():
    """P20."""
    rounds = [order_between(8 * n, 8 * n + 8, count=8, seed=1) for n in range(4)]

    assert all(sorted(one) == list(range(8)) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 4
    assert order_between(5, 19, count=8, seed=1) == [
        *rounds[0][5:],
        *rounds[1],
        *rounds[2][:3],
    ]


def test_iterations_go_on_where_the_last_one_ended(tokenizer):
    prompts = all_prompts(tokenizer)
    settings = settings_with(batch_size=4)

    dealt = [prompt for n in range(3) for prompt in prompts_of(n, prompts, settings)]

    assert Counter(dealt) == dict.fromkeys(prompts, 2)
    assert Counter(dealt[:6]) == dict.fromkeys(prompts, 1)


def test_episodes_of_one_prompt_are_neighbors_and_count_as_one_turn_of_it(tokenizer):
    prompts = all_prompts(tokenizer)
    settings = settings_with(batch_size=6, responses_per_prompt=3)

    dealt = [prompt for n in range(3) for prompt in prompts_of(n, prompts, settings)]

    assert dealt[::3] == dealt[1::3] == dealt[2::3]
    assert Counter(dealt) == dict.fromkeys(prompts, 3)
