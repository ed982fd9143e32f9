"""Tries: to guess what another execution draws: all are forks of one process, and its generators were seeded in the import.
Meets: new seeds in each fork, for `random` and for what stands where numpy's generator does.
"""

import os
import random
import sys
import types
import uuid

# What numpy does: a state in the module, and a function that seeds it anew.
numpy_random = types.ModuleType("numpy.random")
numpy_random.state = 0


def seed():
    numpy_random.state = int.from_bytes(os.urandom(8), "big")


numpy_random.seed = seed
sys.modules["numpy.random"] = numpy_random
seed()
random.random()


def main(which):
    return {
        "random": lambda: random.random(),
        "numpy": lambda: numpy_random.state,
        "uuid": lambda: str(uuid.uuid4()),
        "hex": lambda: os.urandom(8).hex(),
    }[which]()
