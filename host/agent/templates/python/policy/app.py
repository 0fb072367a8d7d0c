"""A policy: nodes need some disk, and those without a geo get no traffic."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import store


class Policy(exports.Policy):
    def admit(self, node_id, capacity):
        if capacity.disk_mib < (least := least_disk_mib()):
            raise Err(f"disk_mib must be at least {least}")
        return capacity

    def assess(self, node_id, labels, default):
        least_disk_mib()  # A plugin with a wrong setting is refused.
        return default if default and default.geo else None


def least_disk_mib():
    text = store.get("policy.least_disk_mib")
    if text is None:
        return 10_240
    if not (text.isascii() and text.isdigit()):
        raise Err(f"policy.least_disk_mib must be a number, not {text!r}")
    return int(text)
