"""Settings of training runs: bounds, unknown keys, and how a form's texts are read. No database."""

import math

import pytest

from app.errors import InvalidError
from app.training.filling import fill
from app.training.presets import PRESETS, presets_of
from app.training.setting_fields import fields_of, preset_texts, range_text
from app.training.setting_words import CHOICES, WORDS
from app.training.settings import (
    SETTINGS,
    TRAINING_KINDS,
    parse_settings,
    parse_settings_form,
)
from app.web.translation import speak, speak_as_before
from trainer.spec import PPOSettings, SFTSettings


@pytest.fixture
def german():
    before = speak("de")
    yield
    speak_as_before(before)


@pytest.mark.parametrize(
    ("kind", "values", "where"),
    [
        ("sft", {"learning_rate": 0}, "learning_rate"),
        ("sft", {"learning_rate": -1}, "learning_rate"),
        ("sft", {"learning_rate": 1e9}, "learning_rate"),
        ("sft", {"learning_rate": "1e-5"}, "learning_rate"),
        ("sft", {"batch_size": 0}, "batch_size"),
        ("sft", {"batch_size": 1000000000}, "batch_size"),
        ("sft", {"batch_size": 1.5}, "batch_size"),
        ("sft", {"batch_size": True}, "batch_size"),
        ("sft", {"epochs": 1000000}, "epochs"),
        ("reward", {"seed": -1}, "seed"),
        ("reward", {"seed": 18446744073709551616}, "seed"),
        ("reward", {"learning_rate": {"value": 1}}, "learning_rate"),
        ("reward", {"learnig_rate": 0.1}, "learnig_rate"),
        ("reward", {"ties": "$(touch x)"}, "ties"),
        ("reward", {"ties": "; rm -rf /"}, "ties"),
        ("reward", {"ties": "--config=/etc/passwd"}, "ties"),
        ("reward", {"ties": "drop\n"}, "ties"),
        ("reward", {"__class__": "x"}, "__class__"),
        ("ppo", {"kl_coefficient": -0.1}, "kl_coefficient"),
        ("ppo", {"ema_decay": 1}, "ema_decay"),
        ("ppo", {"steps": 10000000}, "steps"),
        ("ppo", {"max_new_tokens": 1024, "max_tokens": 1024}, "max_new_tokens"),
        ("ppo", {"max_new_tokens": 1017, "max_tokens": 1024}, "max_new_tokens"),
        ("ppo", {"batch_size": 32, "minibatch_size": 33}, "minibatch_size"),
        ("ppo", {"batch_size": 66, "responses_per_prompt": 4}, "batch_size"),
        (
            "ppo",
            {"batch_size": 32, "minibatch_size": 12, "responses_per_prompt": 8},
            "minibatch_size",
        ),
        ("ppo", {"kl_target_nats": 6.0, "kl_coefficient": 0}, "kl_target_nats"),
        ("ppo", {"kl_limit_nats": 0}, "kl_limit_nats"),
        ("ppo", {"kl_limit_nats": 10001}, "kl_limit_nats"),
        ("ppo", {"kl_limit_nats": 6.0, "kl_target_nats": 6.0}, "kl_limit_nats"),
        ("ppo", {"rollouts": "http://elsewhere"}, "rollouts"),
        ("ppo", {"whiten_rewards": "yes"}, "whiten_rewards"),
        ("reward", {"labeler_folds": 1}, "labeler_folds"),
        ("reward", {"labeler_folds": 21}, "labeler_folds"),
        ("reward", {"beta": 0.1}, "beta"),
        ("dpo", {"beta": 0}, "beta"),
        ("dpo", {"precision": "float16"}, "precision"),
        ("sft", {"lora_rank": 0}, "lora_rank"),
        ("sft", {"tokens_per_forward": 255}, "tokens_per_forward"),
        ("sft", {"checkpoint_minutes": -1}, "checkpoint_minutes"),
        ("dpo", {"max_gradient_norm": 0}, "max_gradient_norm"),
    ],
)
def test_a_bad_setting_is_refused_with_its_place(kind, values, where):
    with pytest.raises(InvalidError) as refused:
        parse_settings(kind, values)

    assert refused.value.faults[0].loc == ("body", "settings", where)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(value):
    with pytest.raises(InvalidError, match="finite number"):
        parse_settings("ppo", {"kl_coefficient": value})


def test_a_refusal_names_the_bound_and_the_unit():
    with pytest.raises(InvalidError) as refused:
        parse_settings("reward", {"max_tokens": 1})

    assert refused.value.detail == ("settings.max_tokens: must be at least 8 (tokens)")


@pytest.mark.parametrize(
    ("setting", "text", "message"),
    [
        ("steps", "many", "must be a whole number"),
        ("steps", "2.5", "must be a whole number"),
        ("clip", "small", "must be a number"),
        ("clip", "0,2", "must be a number"),
        ("clip", "1", "must be below 1"),
        ("gamma", "0", "must be above 0"),
        ("batch_size", "100000", "must be at most 4,096"),
        ("kl_coefficient", "nan", "must be a finite number"),
        ("kl_limit_nats", "-1", "must be above 0"),
        ("temperature", "1e-300", "must be at least 0.01"),
    ],
)
def test_a_refusal_says_in_words_what_a_form_may_hold(setting, text, message):
    with pytest.raises(InvalidError) as refused:
        parse_settings_form("ppo", {setting: text})

    assert refused.value.faults[0].msg == message  # the unit stands below the field already


def test_a_refusal_does_not_repeat_what_was_sent():
    with pytest.raises(InvalidError) as refused:
        parse_settings("reward", {"ties": "secret-value", "k" * 500: 1})

    assert "secret-value" not in refused.value.detail
    assert max(len(str(fault.loc[-1])) for fault in refused.value.faults) == 100


def test_whole_numbers_are_taken_where_a_fraction_may_stand():
    assert parse_settings("sft", {"epochs": 3}) == SFTSettings(epochs=3)


def test_a_form_reads_texts_and_leaves_empty_fields_at_their_defaults():
    typed = {"learning_rate": " 1e-4 ", "steps": "7", "ema_decay": "", "seed": ""}

    assert parse_settings_form("ppo", typed) == PPOSettings(learning_rate=1e-4, steps=7)


@pytest.mark.usefixtures("german")
def test_a_form_reads_the_decimal_mark_of_its_language():
    settings = parse_settings_form("ppo", {"learning_rate": "0,0002", "clip": "0.3"})
    with pytest.raises(InvalidError, match="muss eine Zahl sein"):
        parse_settings_form("ppo", {"kl_limit_nats": "1.00,5"})

    assert settings == PPOSettings(learning_rate=2e-4, clip=0.3)


@pytest.mark.usefixtures("german")
def test_a_form_reads_thousands_as_the_page_writes_them():
    settings = parse_settings_form(
        "ppo", {"steps": "10.000", "kl_limit_nats": "1.000,5", "learning_rate": "0.001"}
    )
    with pytest.raises(InvalidError, match="höchstens 1 angeben"):
        parse_settings_form("ppo", {"learning_rate": "1.000"})

    assert settings == PPOSettings(steps=10_000, kl_limit_nats=1000.5, learning_rate=0.001)


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize("kind", TRAINING_KINDS)
def test_a_form_is_filled_in_with_numbers_as_the_page_writes_them(kind):
    values = [field.value for field in fields_of(kind, preset_texts(kind, "default"))]

    assert not [value for value in values if "." in value]
    assert parse_settings_form(kind, preset_texts(kind, "default")) == parse_settings(
        kind, PRESETS["default"].get(kind, {})
    )


@pytest.mark.parametrize("kind", TRAINING_KINDS)
def test_a_form_leaves_a_number_empty_to_switch_off_what_is_on_by_default(kind):
    field = {field.name: field for field in fields_of(kind, {})}["max_gradient_norm"]

    assert (field.value, field.is_required, field.group) == ("1", False, "machine")
    assert parse_settings_form(kind, {"max_gradient_norm": " "}).max_gradient_norm is None
    assert parse_settings_form(kind, {"max_gradient_norm": "2.5"}).max_gradient_norm == 2.5
    assert parse_settings_form(kind, {}).max_gradient_norm == 1.0


def test_a_form_with_an_unknown_empty_field_is_read_without_it():
    assert parse_settings_form("sft", {"beta": ""}) == SFTSettings()


@pytest.mark.parametrize("text", ["nan", "1e400", "0x10", "ten", "1;2", "--1"])
def test_a_form_refuses_what_is_not_a_number(text):
    with pytest.raises(InvalidError):
        parse_settings_form("reward", {"learning_rate": text})


OFFERED = [(kind, preset) for kind in TRAINING_KINDS for preset in presets_of(kind)]


@pytest.mark.parametrize(("kind", "preset"), OFFERED)
def test_every_preset_is_valid(kind, preset):
    settings = parse_settings_form(kind, preset_texts(kind, preset))

    chosen = PRESETS[preset][kind]
    assert settings == SETTINGS[kind](**chosen)
    assert set(chosen) <= settings.model_fields_set


@pytest.mark.parametrize(
    ("preset", "longest", "lengths"),
    [
        ("paper", 512, {"max_tokens": "512", "max_new_tokens": "256"}),
        ("paper", 1536, {"max_tokens": "1536", "max_new_tokens": "768"}),
        ("default", 512, {"max_tokens": "512", "max_new_tokens": "128"}),
        ("small", 512, {"max_tokens": "256", "max_new_tokens": "64"}),
        ("paper", 2048, {"max_tokens": "2048", "max_new_tokens": "1024"}),
        ("paper", None, {"max_tokens": "2048", "max_new_tokens": "1024"}),
    ],
)
def test_the_lengths_of_a_preset_fit_what_the_model_can_read(preset, longest, lengths):
    texts = preset_texts("ppo", preset, longest=longest)

    fields = {field.name: field.value for field in fields_of("ppo", texts)}
    assert {name: fields[name] for name in lengths} == lengths


def test_the_model_that_ppo_starts_from_has_a_preset_of_its_own():
    """InstructGPT, C.3: another run, with another rate, than the SFT model of C.1."""
    settings = parse_settings_form("sft", preset_texts("sft", "before_ppo"))

    assert (settings.epochs, settings.batch_size, settings.pretraining_share) == (2, 32, 0.1)
    assert settings.learning_rate == 5e-6 != PRESETS["paper"]["sft"]["learning_rate"]
    assert "before_ppo" not in presets_of("ppo")
    assert preset_texts("ppo", "before_ppo") == preset_texts("ppo", "default")


def test_the_papers_pretraining_mix_is_off_without_texts_and_stated_with_them():
    with_texts = fill("ppo", "paper", {}, longest=None, has_pretraining=True)
    without = fill("ppo", "paper", {}, longest=None, has_pretraining=False)

    fields = {field.name: field for field in fields_of("ppo", with_texts.texts)}
    assert fields["ptx_coefficient"].value == "1"
    assert "mean token loss" in fields["ptx_coefficient"].help
    assert "27.8" in fields["ptx_coefficient"].help
    assert not with_texts.is_mix_left_off
    assert without.filled["ptx_coefficient"] == "0"
    assert without.is_mix_left_off
    assert not fill("ppo", "small", {}, longest=None, has_pretraining=False).is_mix_left_off
    assert not fill("sft", "paper", {}, longest=None, has_pretraining=False).is_mix_left_off
    before_ppo = fill("sft", "before_ppo", {}, longest=None, has_pretraining=False)
    assert before_ppo.is_mix_left_off
    assert before_ppo.filled["pretraining_share"] == "0"


def as_sent(filling, **typed: str) -> dict[str, str]:
    """The form as it would be sent after someone typed something."""
    fields = {field.name: field.value for field in fields_of("ppo", filling.texts)} | typed
    return {f"settings.{name}": value for name, value in fields.items()} | {
        f"filled.{name}": value for name, value in filling.filled.items()
    }


def test_lengths_follow_the_chosen_model_down_and_up_again():
    opened = fill("ppo", "paper", {}, longest=None, has_pretraining=True)

    short = fill("ppo", "paper", as_sent(opened), longest=512, has_pretraining=True)
    long = fill("ppo", "paper", as_sent(short), longest=4096, has_pretraining=True)
    same = fill("ppo", "paper", as_sent(short), longest=512, has_pretraining=True)

    assert short.changed == ("max_tokens", "max_new_tokens")
    assert (short.texts["max_tokens"], short.texts["max_new_tokens"]) == ("512", "256")
    assert (short.is_lowered, long.is_lowered) == (True, False)
    assert (long.texts["max_tokens"], long.texts["max_new_tokens"]) == ("2048", "1024")
    assert (same.changed, same.is_lowered) == ((), True)


def test_what_was_typed_does_not_follow():
    opened = fill("ppo", "paper", {}, longest=None, has_pretraining=True)
    typed = as_sent(opened, max_new_tokens="300", ptx_coefficient="0.5", steps="7")

    short = fill("ppo", "paper", typed, longest=512, has_pretraining=False)
    long = fill("ppo", "paper", as_sent(short), longest=None, has_pretraining=True)

    both = as_sent(opened, max_new_tokens="300", max_tokens="900")
    assert not fill("ppo", "paper", both, longest=512, has_pretraining=True).is_lowered
    assert short.changed == ("max_tokens",)
    assert short.filled["max_new_tokens"] == "1024"
    for filling in (short, long):
        shown = [filling.texts[name] for name in ("max_new_tokens", "ptx_coefficient", "steps")]
        assert shown == ["300", "0.5", "7"]
    assert not short.is_mix_left_off


@pytest.mark.parametrize(("kind", "preset"), OFFERED)
def test_every_preset_is_valid_for_a_model_that_reads_little(kind, preset):
    settings = parse_settings_form(kind, preset_texts(kind, preset, longest=64))

    assert settings.max_tokens == 64


@pytest.mark.parametrize("kind", TRAINING_KINDS)
def test_every_setting_has_words_on_the_form(kind):
    assert set(SETTINGS[kind].model_fields) <= set(WORDS)


def test_every_setting_belongs_to_a_kind_of_run():
    known = {name for settings in SETTINGS.values() for name in settings.model_fields}

    assert set(WORDS) == known


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [
        ("ppo", "gamma", "above 0, at most 1"),
        ("ppo", "clip", "above 0, below 1"),
        ("ppo", "batch_size", "1 to 4,096"),
        ("ppo", "evaluate_every", "at least 1"),
        ("ppo", "ema_decay", "above 0, below 1"),
        ("sft", "tokens_per_forward", "256 to 4,194,304"),
        ("sft", "lora_rank", "1 to 1,024"),
        ("sft", "pretraining_share", "0 to 0.9"),
        ("sft", "seed", "at least 0"),
        ("reward", "ties", ""),
    ],
)
def test_the_range_of_a_setting_is_the_trainers_own(kind, name, shown):
    assert range_text(kind, name) == shown


def test_fields_are_grouped_and_have_the_control_of_their_type():
    fields = {field.name: field for field in fields_of("ppo", {"whiten_rewards": "on"})}

    assert [fields[name].group for name in ("steps", "clip", "lora_rank")] == [
        "main", "more", "machine",
    ]  # fmt: skip
    assert fields["rollouts"].choices == (
        ("local", CHOICES["local"]), ("server", CHOICES["server"]),
    )  # fmt: skip
    assert fields["whiten_rewards"].is_on
    assert not fields["gradient_checkpointing"].is_on
    assert (fields["kl_target_nats"].value, fields["kl_target_nats"].is_required) == ("", False)
    assert fields["kl_horizon_episodes"].value == "10000"


def test_a_checkbox_that_is_not_sent_is_off():
    sent = parse_settings_form("ppo", {"gradient_checkpointing": "on"})

    assert (sent.gradient_checkpointing, sent.whiten_rewards) == (True, False)


@pytest.mark.parametrize("kind", TRAINING_KINDS)
def test_the_untouched_form_gives_the_defaults(kind):
    texts = {field.name: field.value for field in fields_of(kind, {})}

    assert parse_settings_form(kind, texts) == SETTINGS[kind]()
