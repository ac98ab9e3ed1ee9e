"""Writes MLServer's settings to a folder and replaces itself with MLServer."""

import fcntl
import json
import os
import sys
import tempfile
from pathlib import Path

env = os.environ
folder = Path(tempfile.mkdtemp(prefix="sweepspot-mlserver-"))
# MLServer inherits the lock: once it is free, the folder belongs to nobody and a later run removes it.
lock = os.open(folder / ".owner", os.O_CREAT | os.O_RDWR, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, True)
(folder / "settings.json").write_text(
    json.dumps(
        {
            "host": "127.0.0.1",
            "http_port": int(env["HTTP_PORT"]),
            "grpc_port": int(env["GRPC_PORT"]),
            "metrics_port": int(env["METRICS_PORT"]),
            "parallel_workers": int(env["WORKERS"]),
            "use_structured_logging": False,
        }
    )
)
(folder / "model-settings.json").write_text(
    json.dumps(
        {
            "name": env["MODEL_NAME"],
            "implementation": "runtime.OnnxRuntime",
            "parameters": {"uri": env["MODEL_FILE"]},
            "max_batch_size": int(env["BATCH_SIZE"]),
            "max_batch_time": float(env["BATCH_WAIT_MS"]) / 1000 if int(env["BATCH_SIZE"]) > 1 else 0,
        }
    )
)
os.environ["PYTHONPATH"] = str(Path(__file__).parent)
os.execv(str(Path(sys.executable).with_name("mlserver")), ["mlserver", "start", str(folder)])
