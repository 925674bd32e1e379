"""Reading import files: what is a row, what is rejected, what is refused as a whole."""

import json

import pytest

from app.errors import InvalidError, TooLargeError, UnsupportedTypeError
from app.prompts.import_file import MAX_LINES, refuse_by_name
from app.prompts.import_rows import (
    content_hash,
    parse_demonstrations,
    parse_pretraining,
    parse_prompts,
)


def ndjson(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def turns(count: int) -> list[dict[str, str]]:
    return [
        {"role": "user" if index % 2 == 0 else "assistant", "content": f"turn {index}"}
        for index in range(count)
    ]


def only_error(data: bytes) -> str:
    rows, rejected = parse_prompts(data)
    assert rows == []
    assert [item.line for item in rejected] == [1]
    return rejected[0].error


def test_a_prompt_becomes_one_turn_of_the_user():
    rows, rejected = parse_prompts(ndjson({"prompt": "Name a river.", "tags": ["list", "list"]}))

    assert rejected == []
    assert rows[0].messages == [{"role": "user", "content": "Name a river."}]
    assert rows[0].tags == ["list"]
    assert rows[0].split is None


def test_messages_may_start_with_a_system_turn():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]

    rows, rejected = parse_prompts(ndjson({"messages": messages}))

    assert rejected == []
    assert rows[0].messages == messages


def test_the_group_is_the_given_one_else_the_id_else_the_content():
    rows, _ = parse_prompts(
        ndjson({"prompt": "a", "id": "1", "group": "g"}, {"prompt": "b", "id": 2}, {"prompt": "c"})
    )

    assert [row.group for row in rows] == ["g", "2", rows[2].content_hash]
    assert rows[1].external_id == "2"


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_fine():
    rows, rejected = parse_prompts(b'\xef\xbb\xbf{"prompt": "a"}\r\n\r\n   \n{"prompt": "b"}\r\n')

    assert rejected == []
    assert [row.line for row in rows] == [1, 4]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"  \r\n\t", b"\xef\xbb\xbf"])
def test_a_file_without_lines_is_refused_as_empty(data):
    with pytest.raises(InvalidError) as refused:
        parse_prompts(data)

    assert refused.value.code == "empty_file"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1data", "Parquet"),
        (b"ARROW1\x00\x00", "Arrow"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_what_it_is(data, found):
    with pytest.raises(UnsupportedTypeError, match=found):
        parse_prompts(data)


def test_one_byte_that_is_not_utf8_is_named_with_its_offset_and_line():
    good = b'{"prompt": "a"}\n'

    with pytest.raises(InvalidError, match=r"Byte 15996 \(line 1000\)") as refused:
        parse_prompts(good * 999 + b'{"prompt": "\xe9"}')

    assert refused.value.code == "not_utf8"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_refused(encoding):
    with pytest.raises(InvalidError) as refused:
        parse_prompts('{"prompt": "é"}'.encode(encoding))

    assert refused.value.code == "not_utf8"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'["prompt"]', "one JSON object"),
        (b"12", "one JSON object"),
        (b'{"prompt": "a",}', "not valid JSON"),
        (b'{"prompt": "a"} {"prompt": "b"}', "not valid JSON"),
        (b'{"prompt": NaN}', "not valid JSON"),
        (b'{"prompt": "a", "prompt": "b"}', "twice"),
        (b'{"prompt": 1e400}', "prompt: "),
        (b'{"prompt": ' + b"9" * 100_000 + b"}", "out of range"),
        (b'{"prompt": ' + b"[" * 30 + b"]" * 30 + b"}", "nested deeper than 20"),
        (b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"prompt": "a\\u0000b"}', "NUL"),
        (b'{"prompt": "a\\ud800b"}', "lone surrogate"),
        (b'{"prompt": ""}', "prompt: must not be empty"),
        (b'{"prompt": " \\n\\t "}', "blank"),
        (b"{}", "either prompt or messages"),
        (b'{"prompt": "a", "messages": [{"role": "user", "content": "a"}]}', "either"),
        (b'{"prompt": "a", "project_id": 7}', "project_id: an unknown field"),
        (b'{"prompt": "a", "__proto__": {}}', "__proto__: an unknown field"),
        (b'{"prompt": "a", "is_gold": true}', "is_gold: an unknown field"),
        (b'{"prompt": "a", "\\ud800": 1}', "lone surrogate"),
        (b'{"prompt": "a", "split": "dev"}', "split: "),
        (b'{"prompt": "a", "id": ""}', "id: "),
        (b'{"prompt": "a", "id": true}', "id: "),
        (b'{"prompt": "a", "tags": "x"}', "tags: "),
        (b'{"messages": []}', "messages: "),
    ],
)
def test_a_line_that_breaks_a_rule_is_rejected_with_the_reason(line, reason):
    error = only_error(line)

    assert reason in error
    error.encode()


def test_a_prompt_may_have_32000_characters_and_not_one_more():
    rows, rejected = parse_prompts(ndjson({"prompt": "é" * 32_000}, {"prompt": "é" * 32_001}))

    assert [row.line for row in rows] == [1]
    assert [item.line for item in rejected] == [2]


def test_two_hundred_thousand_line_breaks_are_rejected():
    assert "prompt" in only_error(ndjson({"prompt": "\n" * 200_000}))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "bot", "content": "a"}], "messages.0.role"),
        ([{"role": "user", "content": "a", "name": "x"}], "messages.0.name"),
        ([*turns(1), {"role": "user", "content": "b"}], "messages.1: the role must be assistant"),
        (
            [*turns(2), {"role": "assistant", "content": "b"}, *turns(1)],
            "messages.2: the role must be user",
        ),
        ([{"role": "user", "content": " "}], "messages.0.content"),
        ([{"role": "system", "content": "a"}], "messages.0: the last turn"),
        (turns(2), "messages.1: the last turn must be the user's"),
        (turns(1000), "messages: "),
        ([{"role": "user", "content": "x" * 32_000}, *turns(2)[1:]] * 5, "messages"),
    ],
)
def test_a_conversation_out_of_order_is_rejected_at_its_turn(messages, reason):
    assert reason in only_error(ndjson({"messages": messages}))


def test_999_turns_are_taken():
    rows, rejected = parse_prompts(ndjson({"messages": turns(999)}))

    assert rejected == []
    assert len(rows[0].messages) == 999


def test_a_bad_line_does_not_take_the_good_ones_along():
    rows, rejected = parse_prompts(b'{"prompt": "a"}\nnonsense\n{"prompt": "b"}')

    assert [row.line for row in rows] == [1, 3]
    assert [item.line for item in rejected] == [2]


def test_no_message_repeats_what_was_sent():
    assert "s3cret" not in only_error(ndjson({"prompt": ["s3cret"], "split": "s3cret"}))


def test_a_file_of_nothing_but_nonsense_is_refused_early():
    with pytest.raises(InvalidError) as refused:
        parse_prompts(b"nonsense\n" * 5_000)

    assert refused.value.code == "too_many_rejected"


def test_a_file_with_too_many_lines_is_refused():
    with pytest.raises(TooLargeError):
        parse_prompts(b"{}\n" * (MAX_LINES + 1))


def test_the_content_hash_sees_through_unicode_forms_but_not_through_case():
    composed = [{"role": "user", "content": "caf\u00e9"}]
    decomposed = [{"role": "user", "content": "cafe\u0301"}]
    upper = [{"role": "user", "content": "Caf\u00e9"}]

    assert content_hash(composed) == content_hash(decomposed)
    assert content_hash(composed) != content_hash(upper)


def test_a_url_or_a_path_is_just_text():
    rows, rejected = parse_prompts(ndjson({"prompt": "http://127.0.0.1:1/"}, {"prompt": "/etc/x"}))

    assert rejected == []
    assert rows[1].messages[0]["content"] == "/etc/x"


def test_a_demonstration_has_a_response_and_shares_its_prompts_group():
    rows, rejected = parse_demonstrations(
        ndjson({"prompt": "a", "response": "b"}, {"prompt": "a", "response": "c"}, {"prompt": "a"})
    )

    assert rows[0].group == rows[1].group
    assert rows[0].content_hash != rows[1].content_hash
    assert [item.error for item in rejected] == ["response: is missing"]


def test_a_pretraining_text_is_text_alone():
    rows, rejected = parse_pretraining(ndjson({"text": "Once."}, {"text": "", "id": 1}))

    assert [row.text for row in rows] == ["Once."]
    assert [item.line for item in rejected] == [2]


@pytest.mark.parametrize("name", ["prompts.csv", "PROMPTS.CSV", "../../x.parquet", "con.tsv"])
def test_a_table_is_refused_by_its_name(name):
    with pytest.raises(UnsupportedTypeError, match="not taken yet"):
        refuse_by_name(name)


@pytest.mark.parametrize("name", ["", "../../etc/x", "con", "\u202egpj.jsonl", "a\nb", "x" * 300])
def test_any_other_name_does_not_matter(name):
    refuse_by_name(name)
