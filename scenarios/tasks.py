"""Like scenarios/predict.py, but with users whose behaviour is Python code.

    locust -f scenarios/tasks.py --headless -u 32 -r 32 --measure 10s
    python -m harness run --scenario scenarios/tasks.py --concurrency 32

A user is a greenlet that uses the same connections, checks and rows, and costs a few times as much as a user of
predict.py. Copy this file for behaviour that no option covers: sessions, branches, several endpoints. See
scenarios/README.md.
"""

from locust import task

from harness.users import SweepspotUser


class Visitor(SweepspotUser):
    """Requests predictions, and now and then the health of the server."""

    @task(99)
    def predict(self) -> None:
        """Send the next payload; a wrong prediction counts as wrong."""
        self.infer()

    @task(1)
    def check_health(self) -> None:
        """Send another request; its name is its request class in the rows."""
        self.client.get("/v2/health/ready", name="health")
