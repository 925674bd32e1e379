"""Children of the demo: what ends is started again, unless it keeps ending; all stop with us."""

import os
import signal
import sys
import time

import pytest

from app.errors import UnavailableError
from app.supervision import MAX_ENDS, Program, revive, running

DEADLINE_SECONDS = 60
SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")
FAILS = (sys.executable, "-c", "raise SystemExit(3)")


@pytest.fixture
def program(tmp_path):
    def make(command):
        return Program(
            name="podium test", command=command, environment=os.environ, log=tmp_path / "test.log"
        )

    return make


def revive_until_a_line(programs):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (lines := revive(programs)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return lines


def test_a_killed_program_is_started_again_with_a_line_about_it(program):
    sleeps = program(SLEEPS)
    with running([sleeps]):
        killed = sleeps.process.pid
        os.kill(killed, signal.SIGKILL)

        assert revive_until_a_line([sleeps]) == ["podium test ended with code -9; started again."]
        assert sleeps.process.pid != killed
        assert sleeps.process.poll() is None


def test_a_program_that_keeps_ending_is_given_up_with_its_code_and_log(program):
    fails = program(FAILS)
    with running([fails]):
        for _ in range(MAX_ENDS - 1):
            revive_until_a_line([fails])

        with pytest.raises(UnavailableError, match=r"ended 3 times .* code 3; see .*test\.log"):
            revive_until_a_line([fails])


def test_every_program_is_gone_after_an_error(program):
    programs = [program(SLEEPS), program(SLEEPS)]
    with pytest.raises(UnavailableError), running(programs):
        raise UnavailableError("stop", code="stop")

    assert [one.process.returncode for one in programs] == [-signal.SIGTERM] * 2
