"""The loop of `template.py` and `child.py` as machine code, from `jail/runner`."""

import sys

house = use("house")
invoke = use("invoke")
machine = use("machine")


class _Rehearsed:
    """Stands in for a version: the usual path, and nothing of the user's."""

    @staticmethod
    def call(value, told):
        return value["n"] + 1


def rehearse():
    """One call of the usual kind, so that its page faults are taken while nobody waits."""
    invoke.answer(_Rehearsed, '{"n":1}', b"", 64)


def take_environment(told):
    """Loaded where it is wanted: few versions have values, and each call is lighter without."""
    use("environment").take(told)


def serve(bound, settings, sweep):
    """Never returns."""
    house.hear_interrupts()
    reseed = house.reseed if settings["reseed"] and "numpy.random" in sys.modules else None
    out, err = house.found
    walls = settings["second_uid"] | settings["own_stdin"] << 1 | settings["all_children"] << 2
    machine.executions(invoke.answer, bound, rehearse, reseed, take_environment, sweep, out, err, walls)
