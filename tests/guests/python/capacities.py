"""What a node offers: its bounds, the labels that say it, and the traffic that it is worth.

Pure. A number is read exactly as it is written, digits only and without leading zeros, and no text
repeats a value that came from another node.
"""

import re

from wit_world.exports.placement import Candidate

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
GEO_BYTES_MAX = 64
WEIGHT_MAX = 65_535
MIB_PER_GIB = 1_024

NUMBER = re.compile(r"0|[1-9][0-9]{0,19}")
# What the interface `types` says is not printable.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Unreadable(Exception):
    """A node calls itself an edge cache, and its labels can't be read."""


def fault(capacity):
    """The bound that a capacity breaks, in words; none where it keeps them."""
    if capacity.cpu_cores == capacity.ram_mib == capacity.disk_mib == 0:
        return "cpu_cores, ram_mib and disk_mib are all zero; at least one must not be"
    return None if capacity.geo is None else geo_fault(capacity.geo)


def geo_fault(geo):
    length = len(geo.encode())
    if not 1 <= length <= GEO_BYTES_MAX:
        return f"geo must be 1 to {GEO_BYTES_MAX} bytes, got {length}"
    if found := UNPRINTABLE.search(geo):
        return f"geo must be printable, got the character U+{ord(found[0]):04X}"
    return None


def labels(capacity):
    """The labels of a node that offers this, as pairs."""
    geo = [] if capacity.geo is None else [("edge_cache_geo", capacity.geo)]
    return [
        ("edge_cache", "true"),
        ("edge_cache_cpu", str(capacity.cpu_cores)),
        ("edge_cache_disk_mib", str(capacity.disk_mib)),
        *geo,
        ("edge_cache_ram_mib", str(capacity.ram_mib)),
    ]


def candidate(advertised, weight_by):
    """What a node with these labels is worth; none where it does not call itself an edge cache."""
    found = {label.key: label.value for label in advertised}
    if found.get("edge_cache") != "true":
        return None
    shares = {
        "cpu": number(found, "edge_cache_cpu", U32_MAX),
        "ram": number(found, "edge_cache_ram_mib", U64_MAX) // MIB_PER_GIB,
        "disk": number(found, "edge_cache_disk_mib", U64_MAX) // MIB_PER_GIB,
        "equal": 1,
    }
    geo = found.get("edge_cache_geo")
    if geo is not None and (why := geo_fault(geo)):
        raise Unreadable(f"label edge_cache_geo: {why}")
    return Candidate(weight=min(max(shares[weight_by], 1), WEIGHT_MAX), geo=geo)


def number(found, key, largest):
    if key not in found:
        raise Unreadable(f"label {key} is missing")
    if not NUMBER.fullmatch(found[key]) or int(found[key]) > largest:
        raise Unreadable(f"label {key} is not a decimal integer within its range")
    return int(found[key])
