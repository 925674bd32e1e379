"""Stands in for `python -m trainer KIND RUN_DIR`: does what the run's settings say, in a moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"

kind, run_dir = sys.argv[1], Path(sys.argv[2])
settings = json.loads((run_dir / "spec.json").read_text())
(run_dir / "environment.json").write_text(json.dumps(dict(os.environ)))

if settings.get("stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", CHILD])
    (run_dir / "child.pid").write_text(str(child.pid))
attempt_file = run_dir / "tries"
tries = len(attempt_file.read_text()) + 1 if attempt_file.exists() else 1
attempt_file.write_text("x" * tries)
# Who has seen this may kill it: its try is counted, and its child known.
(run_dir / "trainer.pid.new").write_text(str(os.getpid()))
(run_dir / "trainer.pid.new").rename(run_dir / "trainer.pid")

first = 1
metrics_file = run_dir / "metrics.jsonl"
if "checkpoint" in settings and metrics_file.exists():
    lines = metrics_file.read_bytes().splitlines(keepends=True)[: settings["checkpoint"]]
    os.truncate(metrics_file, len(b"".join(lines)))
    first += len(lines)
with metrics_file.open("a") as metrics:
    for step in range(first, first + settings.get("steps", 3)):
        row = {"step": step, "progress": step / 10, "loss/train": tries / step}
        metrics.write(json.dumps(row) + "\n")

end = settings["end"] if tries <= settings.get("bad_tries", 99) else "result"
if end == "hang":
    time.sleep(300)
if end == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if end == "refused":
    sys.stderr.write("error: base_model has no tokenizer\n")
    sys.exit(2)
if end == "busy":
    sys.stderr.write("error: another process works in the directory\n")
    sys.exit(69)
if end == "explained":
    result = {"kind": kind, "metrics": {}, "rows": {}, "versions": {}, "error": "all ranks tie"}
    (run_dir / "result.json").write_text(json.dumps(result))
    sys.exit(2)
if end == "disk full":
    reason = "waiting for disk: needs 2,000.0 MB, has 1.0 MB"
    result = {"kind": kind, "metrics": {}, "rows": {}, "versions": {}, "error": reason}
    (run_dir / "result.json").write_text(json.dumps(result))
    sys.stderr.write(f"{reason}\n")
    sys.exit(75)
if end == "result":
    result = {
        "kind": kind,
        "metrics": {"loss/train": 0.5},
        "model": None,
        "rows": {},
        "versions": {},
    }
    (run_dir / "result.json").write_text(json.dumps(result))
