"""How many predictions per second does a model server return, how fast, and are they right?

    locust -f scenarios/predict.py                       page at http://127.0.0.1:8089, embedded batched server
    locust -f scenarios/predict.py --headless -u 32 -r 32 --measure 10s
    locust -f scenarios/predict.py --headless -u 32 -r 32 --measure 10s --host http://127.0.0.1:8000 --check off

Users send real payloads of `--model` in a seeded random order; every response is compared with the model's offline
prediction. `locust -f scenarios/predict.py --help` lists the options under their SWEEPSPOT_ names.
"""

from harness.users import InferenceUser


class Predict(InferenceUser):
    """Requests one prediction at a time."""
