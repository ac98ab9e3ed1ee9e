"""The same question as scenarios/predict.py, asked by users whose behaviour is Python code of their own.

    locust -f scenarios/tasks.py --headless -u 32 -r 32 --measure 10s
    python -m harness run --scenario scenarios/tasks.py --concurrency 32

A user here is a greenlet over the same connections, checks and rows; it costs a few times as much as a user of
predict.py. Copy this file when users have to do what no option says: sessions, branches, several endpoints.
scenarios/README.md says more.
"""

from locust import task

from harness.measure.load.locust.task_users import SweepspotUser


class Visitor(SweepspotUser):
    """Asks for predictions, and looks now and then whether the server is well."""

    @task(99)
    def predict(self) -> None:
        """One prediction of the load's payloads; a wrong one is counted as such."""
        self.infer()

    @task(1)
    def look(self) -> None:
        """Any other request has a row of its own class."""
        self.client.get("/v2/health/ready", name="health")
