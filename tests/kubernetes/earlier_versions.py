"""API versions of servers before 1.23: the same objects, with the same fields, by their beta names.

Imported by the tests, and by the cartctl processes that the tests start; cartctl itself refuses such a server.
"""

from cartctl.adapters.kubernetes.client.api import Api

EARLIER_NAMES = {
    ("autoscaling/v2", "horizontalpodautoscalers"): "autoscaling/v2beta2",
    ("batch/v1", "cronjobs"): "batch/v1beta1",
}
NOW = Api.path
ON_START = """
import sys
sys.path.insert(0, {root!r})
from cartctl.adapters.kubernetes.client.api import Api
from tests.kubernetes.earlier_versions import path
Api.path = path
"""


def path(self: Api, group: str, resource: str, name: str = "", below: str = "") -> str:
    """As Api's own."""
    return NOW(self, EARLIER_NAMES.get((group, resource), group), resource, name, below)


def is_earlier_version(api: Api) -> bool:
    """Whether a server lacks today's names."""
    return api.find("/apis/autoscaling/v2") is None
