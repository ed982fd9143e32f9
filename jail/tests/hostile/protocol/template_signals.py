"""Tries: to kill, stop or interrupt the template with every signal.
Meets: EPERM for each but SIGCONT, which does nothing; the next execution is forked as before.
"""

import os


def main():
    sent = []
    for number in range(1, 65):
        try:
            os.kill(1, number)
            sent.append(number)
        except OSError:
            pass
    return sent
