"""What a Locust user writes by hand: the peer of `scenarios/predict.py` in the generators benchmark."""

import os
import time
from pathlib import Path

from locust import FastHttpUser, HttpUser, constant, events, task

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
HEADERS = {"Content-Type": "application/json"}
START = {}


@events.test_start.add_listener
def begin(**_):
    START["cpu_s"] = time.process_time()


@events.test_stop.add_listener
def end(**_):
    print(f"CPU {time.process_time() - START['cpu_s']:.6f}")


BASE = {"fast": FastHttpUser, "http": HttpUser}[os.environ["BENCH_USER"]]


class Plain(BASE):
    """Sends one request after the other."""

    wait_time = constant(0)

    @task
    def predict(self):
        self.client.post("/v2/models/canned/infer", data=BODY, headers=HEADERS, name="predict")
