"""Tries: to slow the template, which forks for everybody: a hook of the import sleeps before each fork.
Meets: its own executions wait, and end `timeout` by the worker's clock; no other tenant has this template.
"""

import os
import time

os.register_at_fork(before=lambda: time.sleep(0.5))


def main():
    return "real"
