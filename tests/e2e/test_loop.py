"""The whole loop over HTTP with a real worker and real subprocesses, on a world of twelve words.

The rule that the labelers follow, with a little noise: sunny words are good, muddy words are bad.
"""

import itertools
import json
import random
import time
import uuid
from statistics import mean

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, PreTrainedTokenizerFast

from tests.processes import podium_processes

SUNNY, MUDDY = ("sun", "joy", "song", "bloom"), ("mud", "rust", "gloom", "ash")
PLAIN = ("table", "river", "paper", "road")
WORDS = SUNNY + MUDDY + PLAIN
TOPICS = [f"topic{number}" for number in range(80)]
SPECIAL = ["[unk]", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"]
RESPONSES, LABELERS, NOISE = 6, 3, 0.4
RUN_SECONDS = 150
DONE = {"succeeded", "failed", "cancelled"}


def true_score(text):
    return sum((word in SUNNY) - (word in MUDDY) for word in text.split())


@pytest.fixture
def podium(database_url, tmp_path):
    with podium_processes(database_url, tmp_path, PODIUM_MODEL_ROOTS=str(tmp_path)) as running:
        yield running


@pytest.fixture
def base_model(tmp_path):
    """The folder of an untrained base model whose every word is one token."""
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, "about", *WORDS, *TOPICS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[unk]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|end|>", pad_token="<|pad|>", unk_token="[unk]",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
    )  # fmt: skip
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} {% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    folder = tmp_path / "base"
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=vocabulary["<|end|>"], pad_token_id=vocabulary["<|pad|>"],
        architectures=["LlamaForCausalLM"],
    )  # fmt: skip
    config.save_pretrained(folder)
    return folder


def demonstrations():
    draw = random.Random(1)
    for number in range(800):
        topic = TOPICS[number % len(TOPICS)]
        yield {
            "prompt": f"about {topic}",
            "response": " ".join(draw.choices(WORDS, k=draw.randint(5, 8))),
        }


def ndjson(client, path, rows):
    answer = client.post(
        path,
        content="".join(json.dumps(row) + "\n" for row in rows),
        headers={"content-type": "application/x-ndjson"},
    )
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def start_run(admin, **body):
    answer = admin.post("/projects/loop/runs", json=body)
    assert answer.status_code == 202, answer.text
    return wait_for(admin, answer.json()["id"])


def wait_for(admin, run_id):
    deadline = time.monotonic() + RUN_SECONDS
    while (run := admin.get(f"/runs/{run_id}").json())["status"] not in DONE:
        assert time.monotonic() < deadline, run
        time.sleep(0.3)
    assert run["status"] == "succeeded", run
    return run


def sample_round(admin, models):
    answer = admin.post(
        "/projects/loop/rounds",
        json={
            "models": models,
            "responses_per_prompt": RESPONSES,
            "sampling": {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 12, "seed": 7},
        },
    )
    assert answer.status_code == 202, answer.text
    wait_for(admin, answer.json()["run"])
    return answer.json()["round"]


def rank_everything(labelers, seed):
    """Every labeler ranks all their tasks; return the submitted ranks per labeler and prompt."""
    draw, submitted = random.Random(seed), []
    for client in labelers:
        while (answer := client.post("/projects/loop/tasks/next")).status_code == 200:
            task = answer.json()
            noisy = [
                round(true_score(response["text"]) + draw.gauss(0, NOISE))
                for response in task["responses"]
            ]
            order = sorted(set(noisy), reverse=True)
            ranks = [order.index(score) + 1 for score in noisy]
            body = {
                "lease_token": task["lease_token"],
                "responses": [
                    {"id": response["id"], "rank": rank, "rating": max(1, 8 - rank), "flags": []}
                    for response, rank in zip(task["responses"], ranks, strict=True)
                ],
            }
            done = client.put(
                f"/tasks/{task['id']}/ranking",
                json=body,
                headers={"idempotency-key": str(uuid.uuid4())},
            )
            assert done.status_code == 201, done.text
            submitted.append(ranks)
        assert answer.status_code == 204
    return submitted


def strict_pairs(ranks):
    return sum(a != b for a, b in itertools.combinations(ranks, 2))


def texts_by_model(admin):
    """The texts of all ranked responses, by the model that wrote them."""
    texts = {}
    with admin.stream("GET", "/projects/loop/rankings?format=jsonl") as answer:
        for line in answer.iter_lines():
            for response in json.loads(line)["responses"]:
                texts.setdefault(response["model"], {})[response["id"]] = response["text"]
    return {model: list(by_id.values()) for model, by_id in texts.items()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_loop_makes_a_policy_that_labelers_like_better(podium, base_model):
    admin = podium.person("admin@loop.example", "admin")
    labelers = [podium.person(f"l{n}@loop.example", "labeler") for n in range(LABELERS)]
    created = admin.post(
        "/projects",
        json={
            "slug": "loop",
            "name": "Loop",
            "guidelines": "Sunny words.",
            "labels_per_slate": LABELERS,
        },
    )
    assert created.status_code == 201, created.text
    for n in range(LABELERS):
        admin.put(f"/projects/loop/members/l{n}@loop.example", json={"role": "labeler"})

    # Import, and fine-tune a model from scratch on the demonstrations.
    prompts = ndjson(admin, "/projects/loop/prompts", ({"prompt": f"about {t}"} for t in TOPICS))
    assert prompts == {"imported": len(TOPICS), "duplicates": 0, "rejected": []}
    ndjson(admin, "/projects/loop/demonstrations", demonstrations())
    ndjson(admin, "/projects/loop/pretraining", ({"text": " ".join(WORDS)},))
    registered = admin.post(
        "/models", json={"name": "base", "kind": "base", "location": str(base_model)}
    )
    assert registered.status_code == 201, registered.text
    sft = start_run(
        admin, kind="sft", base_model="base",
        settings={"epochs": 3, "learning_rate": 3e-3, "batch_size": 32, "max_tokens": 64},
    )["model"]  # fmt: skip

    # Sample it, and let three labelers rank everything.
    sample_round(admin, [sft])
    submitted = rank_everything(labelers, seed=1)
    counted = sum(map(strict_pairs, submitted))
    exported = admin.get("/projects/loop/comparisons?format=jsonl&shape=implicit").text
    assert len(submitted) > 0.8 * LABELERS * len(TOPICS)
    assert len(exported.splitlines()) == counted
    agreement = admin.get("/projects/loop/agreement").json()["strict"]
    assert 0.6 < agreement["value"] <= 1
    assert 0 < agreement["se"] < 0.1

    # A reward model learns the rule from exactly these comparisons.
    dataset = admin.post("/projects/loop/datasets").json()
    assert dataset["comparisons"] == counted
    reward = start_run(
        admin, kind="reward", base_model=sft, dataset=dataset["id"],
        settings={"epochs": 3, "learning_rate": 2e-3, "batch_size": 16, "max_tokens": 64},
    )  # fmt: skip
    assert reward["latest"]["accuracy/validation"] > 0.75, reward["latest"]

    # PPO moves the policy towards it and stays near the reference.
    ppo = start_run(
        admin, kind="ppo", base_model=sft, reward_model=reward["model"], dataset=dataset["id"],
        settings={
            "steps": 25, "batch_size": 64, "minibatch_size": 64, "learning_rate": 1e-3,
            "value_learning_rate": 1e-3, "warmup_steps": 2, "kl_coefficient": 0.05,
            "ptx_coefficient": 0.05, "max_new_tokens": 12, "max_tokens": 64,
        },
    )  # fmt: skip
    kls = [
        row["values"]["objective/kl"]
        for row in admin.get(f"/runs/{ppo['id']}/metrics").json()["metrics"]
    ]
    assert all(abs(kl) < 30 for kl in kls)
    assert abs(kls[0]) < 1e-3

    # The loop closes: the policy is sampled beside the SFT model, ranked, and wins.
    sample_round(admin, [sft, ppo["model"]])
    rank_everything(labelers, seed=2)
    texts = texts_by_model(admin)
    scores = {model: mean(map(true_score, texts[model])) for model in texts}
    assert scores[ppo["model"]] > scores[sft] + 0.5, scores
    wins = {
        row["model"]: row
        for row in admin.get("/projects/loop/agreement?round=2").json()["win_rates"]
    }
    assert wins[ppo["model"]]["value"] > 0.5
    assert podium.command("check") == ""
