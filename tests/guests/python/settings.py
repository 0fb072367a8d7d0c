"""The one setting: what a node's weight follows from. Read once, when it is needed first."""

from dataclasses import dataclass
from functools import cache

from componentize_py_types import Err
from wit_world.imports import store

WEIGHTS = ("disk", "ram", "cpu", "equal")
EXCERPT_CHARS = 40


@dataclass(frozen=True)
class Wrong:
    """Settings that can't be used. A slip is an error: the default would change routes unseen."""

    why: str


@cache
def weight():
    try:
        given = dict(store.get_all())
    except Err as error:
        return Wrong(f"the settings could not be read: {excerpt(error.value.value)}")
    unknown = sorted(given.keys() - {"weight"})
    if unknown:
        return Wrong(f'unknown setting "{excerpt(unknown[0])}": the only setting is "weight"')
    chosen = given.get("weight", "disk")
    if chosen not in WEIGHTS:
        known = '"disk", "ram", "cpu" or "equal"'
        return Wrong(f'setting "weight" must be {known}, got "{excerpt(chosen)}"')
    return chosen


def excerpt(foreign):
    """The beginning of a text that somebody else wrote, without what could change how it is shown."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in foreign[:EXCERPT_CHARS])
    return shown + ("..." if len(foreign) > EXCERPT_CHARS else "")
