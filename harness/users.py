"""What a scenario imports: the user classes of a load, and the request classes that they declare.

Importing this module makes any locustfile a Sweepspot load: it registers the options of a load with Locust, and records
the requests of all users, also of those of other classes such as Locust's own HttpUser.
"""

from harness.measure.load.locust import listeners as _listeners  # noqa: F401  (registers them)
from harness.measure.load.locust.users.inference_user import InferenceUser
from harness.measure.load.locust.users.task_users import Inference, LeanHttpUser, SweepspotUser
from harness.plan.request_mix import RequestClass

__all__ = ["Inference", "InferenceUser", "LeanHttpUser", "RequestClass", "SweepspotUser"]
