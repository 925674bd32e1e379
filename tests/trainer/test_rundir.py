"""The run directory: complete lines only, atomic results, second attempts, exit codes."""

import contextlib
import errno
import gc
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.trainer.conftest import environment, make_run, user, wait_for_steps
from trainer import rundir
from trainer.__main__ import _load as load
from trainer.errors import DiskFullError, RunRefusedError, say_disk_full
from trainer.result import RunResult
from trainer.running import alone, pace
from trainer.running.rows import read_rows
from trainer.spec import PretrainingRow, SFTSettings, SFTSpec
from trainer.spec_file import read_spec

RESULT = RunResult(kind="sft", metrics={"loss/sft": 1.5}, rows={"train": 3}, versions={})


def test_metrics_are_read_line_by_line_and_never_half(tmp_path):
    with rundir.appending(tmp_path / "metrics.jsonl") as file:
        rundir.append_metrics(file, step=0, progress=0.5, metrics={"loss/sft": 2.0})
    first = rundir.read_metrics_from(tmp_path, 0)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "progr')

    second = rundir.read_metrics_from(tmp_path, first.offset)

    assert first.rows == [{"step": 0, "progress": 0.5, "loss/sft": 2.0}]
    assert second == rundir.Tail([], first.offset)


def test_appending_cuts_the_line_that_a_kill_left_incomplete(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "progress": 0.1}\n{"step": 1, "pro')

    with rundir.appending(tmp_path / "metrics.jsonl") as file:
        rundir.append_metrics(file, step=1, progress=0.2, metrics={})

    assert [row["step"] for row in rundir.read_metrics_from(tmp_path, 0).rows] == [0, 1]


def test_a_file_that_became_shorter_is_read_afresh(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "progress": 0.1}\n')

    assert len(rundir.read_metrics_from(tmp_path, 5_000).rows) == 1


def test_numbers_that_are_not_finite_become_null(tmp_path):
    with rundir.appending(tmp_path / "metrics.jsonl") as file:
        rundir.append_metrics(file, step=0, progress=2.0, metrics={"a": float("nan"), "b": None})

    assert rundir.read_metrics_from(tmp_path, 0).rows == [
        {"step": 0, "progress": 1.0, "a": None, "b": None}
    ]


def test_a_result_is_there_whole_or_not_at_all(tmp_path):
    assert rundir.read_result(tmp_path) is None
    (tmp_path / "result.json").write_text('{"kind": "sft"')
    assert rundir.read_result(tmp_path) is None

    rundir.write_result(tmp_path, RESULT)

    assert rundir.read_result(tmp_path) == RESULT
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_model_appears_only_when_it_is_complete(tmp_path):
    def save_and_fail():
        with rundir.saving_model(tmp_path) as unfinished:
            (unfinished / "half").write_text("x")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        save_and_fail()
    assert not (tmp_path / "model").exists()

    with rundir.saving_model(tmp_path) as unfinished:
        (unfinished / "config.json").write_text("{}")

    assert [path.name for path in (tmp_path / "model").iterdir()] == ["config.json"]


def test_a_failure_is_read_as_a_failure_and_never_as_a_result(tmp_path):
    rundir.write_failure(tmp_path, "ppo", "the loss\nis nan")

    assert rundir.read_result(tmp_path) is None
    failure = rundir.read_failure(tmp_path)
    assert (failure.kind, failure.error, failure.model) == ("ppo", "the loss is nan", None)

    rundir.write_result(tmp_path, RESULT)

    assert rundir.read_failure(tmp_path) is None


SPEC = {"kind": "sft", "base_model": "base", "settings": {"batch_size": 3}}
DOCUMENTS = {
    "a key that there is not": (
        {**SPEC, "settings": {"batch": 3}},
        "settings.batch: there is no such key here; correct its name or remove it",
    ),
    "a number out of bounds": (
        {**SPEC, "settings": {"batch_size": 5000}},
        "settings.batch_size: Input should be less than or equal to 4096 (it is 5000)",
    ),
    "a key too few": ({"kind": "sft", "settings": {}}, "base_model: the key is missing"),
    "two faults": ({"kind": "sft"}, "base_model: the key is missing (and 1 more)"),
    "no kind": ({}, "the key 'kind' is missing"),
    "another kind": (
        {"kind": "grpo"},
        "kind is none of 'sample', 'sft', 'reward', 'dpo', 'ppo'",
    ),
    "a list": ([], "it is not a JSON object"),
    "half a document": (b'{"kind"', "it is not JSON in UTF-8 (EOF while parsing an object at"),
    "UTF-16": (json.dumps(SPEC).encode("utf-16"), "it is not JSON in UTF-8 (expected value at"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_spec_that_is_refused_is_told_what_is_wrong_with_it(tmp_path, name):
    document, cause = DOCUMENTS[name]
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    (tmp_path / "spec.json").write_bytes(content)

    with pytest.raises(RunRefusedError) as refused:
        read_spec(tmp_path, "sft")

    assert str(refused.value).startswith(f"{tmp_path / 'spec.json'}: {cause}")


@pytest.mark.parametrize("name", ["base_model", "epochs"])
def test_a_key_that_is_in_a_spec_twice_is_named(tmp_path, name):
    text = SFTSpec(base_model="b", settings=SFTSettings()).model_dump_json()
    (tmp_path / "spec.json").write_text(text.replace(f'"{name}"', f'"{name}":null,"{name}"'))

    with pytest.raises(RunRefusedError) as refused:
        read_spec(tmp_path, "sft")

    assert str(refused.value) == (
        f"{tmp_path / 'spec.json'}: the key {name!r} is there 2 times; remove all but one"
    )


def test_a_run_directory_that_is_a_file_or_whose_spec_is_a_folder_is_refused(tmp_path, train):
    (tmp_path / "file").write_text("hello")
    (tmp_path / "run" / "spec.json").mkdir(parents=True)

    of_a_file, of_a_folder = train("sft", tmp_path / "file"), train("sft", tmp_path / "run")

    assert (of_a_file.returncode, of_a_folder.returncode) == (2, 2)
    assert of_a_file.stderr == (
        f"error: {tmp_path / 'file'} is not a folder; a run directory holds a spec.json\n"
    )
    assert of_a_folder.stderr == (
        f"error: {tmp_path / 'run' / 'spec.json'} is a folder, but a run keeps a file of its own "
        "there; move it away and start the run again\n"
    )
    assert (tmp_path / "file").read_text() == "hello"


WRONG = {
    "folder": lambda path: (path / "inside").mkdir(parents=True),
    "link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "pipe or device": os.mkfifo,
    "file": lambda path: path.write_text("kept"),
    "link": lambda path: path.symlink_to(path.parent),
}
IN_THE_WAY = [
    *(
        (name, kind)
        for name in rundir.FILES
        for kind in ("folder", "link to nowhere", "pipe or device")
    ),
    *((name, kind) for name in rundir.FOLDERS for kind in ("file", "pipe or device")),
    ("checkpoints", "link to nowhere"),
    ("model", "link"),
    ("model.tmp", "link"),
]


@pytest.mark.parametrize(("name", "kind"), IN_THE_WAY)
@pytest.mark.timeout(10)
def test_what_lies_in_the_place_of_something_else_is_named(tmp_path, train, name, kind):
    run_dir = make_run(tmp_path / "run", SFTSpec(base_model="nowhere", settings=SFTSettings()))
    (run_dir / name).unlink(missing_ok=True)
    WRONG[kind](run_dir / name)
    wanted = "file" if name in rundir.FILES else "folder"

    ended = train("sft", run_dir)

    said = f"{run_dir / name} is a {kind}, but a run keeps a {wanted} of its own there; "
    assert ended.returncode == 2
    assert ended.stderr == f"error: {said}move it away and start the run again\n"
    if name != "result.json":
        assert rundir.read_failure(run_dir).error.startswith(said)
    assert os.path.lexists(run_dir / name)


def test_checkpoints_may_lie_on_another_disk(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkpoints").symlink_to(tmp_path / "elsewhere")

    rundir.require_places(tmp_path)


def test_a_run_directory_that_cannot_be_written_is_refused(tmp_path, train):
    run_dir = make_run(tmp_path / "run", SFTSpec(base_model="nowhere", settings=SFTSettings()))
    if subprocess.run(["chattr", "+i", run_dir], check=False, capture_output=True).returncode:
        pytest.skip("chattr needs root and a file system that knows it")
    try:
        ended = train("sft", run_dir)
    finally:
        subprocess.run(["chattr", "-i", run_dir], check=True)

    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: {run_dir} cannot be written: Operation not permitted; make it writable or move "
        "it\n"
    )


def test_a_second_process_leaves_a_run_directory_as_it_is(tmp_path, train, monkeypatch):
    monkeypatch.setattr(alone, "PATIENCE_SECONDS", 0.0)
    run_dir = make_run(tmp_path / "run", SFTSpec(base_model="nowhere", settings=SFTSettings()))
    rundir.write_result(run_dir, RESULT)

    with alone.alone_in(run_dir):
        second = train("sft", run_dir)
    kept = rundir.read_result(run_dir)
    third = train("sft", run_dir)

    assert second.returncode == 69
    assert second.stderr.splitlines()[-1] == (
        f"error: another process works in {run_dir}; wait until it has ended, or end it"
    )
    assert kept == RESULT
    assert "there is no folder" in third.stderr


def test_a_run_waits_for_one_that_is_about_to_end(tmp_path, train, monkeypatch, caplog):
    run_dir = make_run(tmp_path / "run", SFTSpec(base_model="nowhere", settings=SFTSettings()))
    with contextlib.ExitStack() as other:
        other.enter_context(alone.alone_in(run_dir))
        # The first look finds the other one there; it ends while this one sleeps.
        monkeypatch.setattr(alone.time, "sleep", lambda _: other.close())

        with caplog.at_level("INFO"):
            done = train("sft", run_dir)

    assert "waiting for another process" in caplog.text
    assert "there is no folder" in done.stderr.splitlines()[-1]


def test_what_is_no_checkpoint_among_the_checkpoints_is_left_alone(tmp_path):
    for name in ("step-00000002", "step-abc", "step-", "unfinished", "step-00000010"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)

    assert rundir.checkpoint_steps(tmp_path) == [10, 2]


LINES = {
    "a byte order mark": b'\xef\xbb\xbf{"text": "x"}\n',
    "UTF-16": '{"text": "x"}\n'.encode("utf-16"),
    "an array over several lines": b'[\n{"text": "x"}\n]\n',
    "half of a surrogate pair": b'{"text": "\\ud800"}\n',
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_is_no_json_is_named_with_what_it_should_be(tmp_path, name):
    (tmp_path / "texts.jsonl").write_bytes(LINES[name])

    with pytest.raises(RunRefusedError) as refused:
        read_rows(tmp_path / "texts.jsonl", PretrainingRow)

    assert str(refused.value).startswith(f"{tmp_path / 'texts.jsonl'} line 1: it is not JSON")
    assert str(refused.value).endswith("; each line of a .jsonl file is one JSON object, in UTF-8")


def test_a_line_of_200_megabytes_is_refused_unread(tmp_path):
    with (tmp_path / "texts.jsonl").open("wb") as file:
        file.write(b'{"text": "x"}\n{"text": "')
        file.truncate(200_000_000)

    with pytest.raises(RunRefusedError) as refused:
        read_rows(tmp_path / "texts.jsonl", PretrainingRow)

    assert str(refused.value).startswith(
        f"{tmp_path / 'texts.jsonl'} line 2 has more than 16 MiB; shorten its texts"
    )


def test_a_line_may_be_as_long_as_nine_of_the_longest_responses(tmp_path):
    line = json.dumps({"text": "x" * (9 * 131072 * 4)})
    (tmp_path / "texts.jsonl").write_text(line)

    assert len(read_rows(tmp_path / "texts.jsonl", PretrainingRow)) == 1


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000, "."])
def test_a_name_that_no_file_has_is_refused(tmp_path, name):
    with pytest.raises(RunRefusedError, match=r"cannot be read: .*has to name a \.jsonl file"):
        read_rows(tmp_path / name, PretrainingRow)


def test_steps_that_are_done_again_are_cut_from_every_file_and_the_files_are_new_ones(tmp_path):
    for name in rundir.STEP_FILES:
        lines = [f'{{"step": {step}, "progress": 0.1}}\n' for step in (0, 1, 2)]
        (tmp_path / name).write_text("".join(lines) + '{"step": 3, "progr')
    followed = (tmp_path / "metrics.jsonl").stat().st_ino

    rundir.cut_steps(tmp_path, step=2)

    assert (tmp_path / "metrics.jsonl").stat().st_ino != followed
    for name in rundir.STEP_FILES:
        steps = [json.loads(line)["step"] for line in (tmp_path / name).read_text().splitlines()]
        assert steps == [0, 1]


def test_lines_that_a_lost_disk_left_in_place_of_steps_are_passed_over(tmp_path):
    lines = [b'{"step": 0, "progress": 0.1}', bytes(40), b"[]", b'{"a": 1}', b'{"step": 1}']
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))

    rows = rundir.read_metrics_from(tmp_path, 0).rows
    rundir.cut_steps(tmp_path, step=1)

    assert rows == [{"step": 0, "progress": 0.1}, {"step": 1}]
    assert (tmp_path / "metrics.jsonl").read_bytes() == lines[0] + b"\n"


def test_a_disk_that_fills_while_a_model_is_saved_leaves_the_earlier_model(tmp_path):
    with rundir.saving_model(tmp_path) as unfinished:
        (unfinished / "config.json").write_text("{}")

    def save():
        with rundir.saving_model(tmp_path) as unfinished:
            (unfinished / "half").write_text("x" * 1000)
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFullError, match=r"^waiting for disk: needs 0\.0 MB, has "):
        save()

    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("needed", "free", "said"),
    [
        (2_000_000_000, 500_000, "needs 2,000.0 MB, has 0.5 MB"),
        (640_000, 560_000, "needs 0.64 MB, has 0.56 MB"),
        (640_001, 640_000, "needs 0.640001 MB, has 0.640000 MB"),
        (600_000, 600_000, "needs 0.600000 MB, has 0.600000 MB"),
    ],
)
def test_what_the_disk_lacks_can_be_seen(needed, free, said):
    assert say_disk_full(needed, free) == f"waiting for disk: {said}"


def test_the_time_left_follows_from_the_tokens_and_not_from_an_earlier_attempt(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    resumed = pace.Pace(planned=1000, done=400)
    clock[0] = 14.0

    reported = resumed.advance(200)

    assert reported == {"tokens": 600, "tokens_per_second": 50.0, "seconds_left": 8.0}
    assert resumed.progress == 0.6


def test_what_is_only_read_after_the_last_step_takes_a_third_of_the_time(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    run = pace.Pace(planned=400, only_read=300)
    clock[0] = 14.0

    assert run.advance(200)["seconds_left"] == 6.0
    assert run.progress == 0.5


def test_the_last_log_line_with_text_is_found(tmp_path):
    (tmp_path / "log.txt").write_text("Traceback\nerror: no data\n\n")

    assert rundir.read_last_log_line(tmp_path) == "error: no data"


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (None, "does not exist; a run directory needs a spec.json"),
        ('{"kind": "sft"', "not JSON in UTF-8"),
        ('{"kind": "reward", "base_model": "b", "settings": {}}', "is for a reward run"),
        ('{"kind": "sft", "base_model": "b", "settings": {"epochs": -1}}', "greater than 0"),
        ('{"kind": "sft", "base_model": "b", "settings": {"color": 1}}', ": settings.color: "),
        ('{"kind": "sft", "base_model": "nowhere", "settings": {}}', "there is no folder"),
    ],
)
def test_a_bad_spec_is_refused_with_exit_code_2_and_one_line(tmp_path, train, spec, complaint):
    (tmp_path / "demonstrations.jsonl").write_text("")
    if spec is not None:
        (tmp_path / "spec.json").write_text(spec)

    done = train("sft", tmp_path)

    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert rundir.read_result(tmp_path) is None
    assert complaint in rundir.read_failure(tmp_path).error


def test_the_command_line_ends_with_the_code_and_the_reason(tmp_path, spawn):
    process = spawn("sample", tmp_path)

    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 2
    assert stderr.splitlines() == [
        f"error: {tmp_path}/spec.json does not exist; a run directory needs a spec.json"
    ]


@pytest.mark.parametrize("is_broken", [False, True])
def test_garbage_is_looked_for_again_once_what_a_run_needs_is_loaded(
    tmp_path, monkeypatch, is_broken
):
    lines = ["import gc", "was_looked_for = gc.isenabled()", "nowhere" if is_broken else ""]
    (tmp_path / "much_code.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(NameError) if is_broken else contextlib.nullcontext():
        assert not load("much_code").was_looked_for

    assert gc.isenabled()
    sys.modules.pop("much_code", None)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (None, "demonstrations.jsonl does not exist"),
        ('{"prompt_id": "1", "messages": [], "response": "x"}\n', "line 1: messages"),
    ],
)
def test_a_missing_file_or_a_bad_row_is_refused(tmp_path, base, train, lines, complaint):
    run_dir = make_run(tmp_path / "run", SFTSpec(base_model=base, settings=SFTSettings()))
    if lines is not None:
        (run_dir / "demonstrations.jsonl").write_text(lines)

    done = train("sft", run_dir)

    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]


def start_long_run(tmp_path, base):
    settings = SFTSettings(epochs=100, batch_size=1, learning_rate=1e-4)
    rows = [{"prompt_id": str(n), "messages": user("Hi"), "response": "Yes"} for n in range(500)]
    return make_run(
        tmp_path / "run", SFTSpec(base_model=base, settings=settings), demonstrations=rows
    )


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_run_ends_with_the_process_that_started_it(tmp_path, base):
    run_dir = start_long_run(tmp_path, base)
    code = (
        "import subprocess, sys; "
        f"child = subprocess.Popen([sys.executable, '-m', 'trainer', 'sft', {str(run_dir)!r}]); "
        "print(child.pid, flush=True); child.wait()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    child = int(parent.stdout.readline())
    wait_for_steps(run_dir, parent)

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 60
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
    finally:
        # A child whose parent died may be ours to reap in a container without an init.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
