"""Tries: an exception larger than anybody would keep: a long message, many notes, a chain that bites its tail.
Meets: message, notes and traceback cut to a few KiB before they leave.
"""


class Endless(Exception):
    def __str__(self):
        return "x" * (4 << 20)


def main(told=None):
    if told is None:
        first, second = Endless(), ValueError("y" * (1 << 20))
        first.__cause__, second.__cause__ = second, first
        for number in range(1_000):
            first.add_note("n" * 10_000)
        raise first
    if told == "plainly":
        # What an interpreter would write of it.
        import traceback

        try:
            main()
        except Endless as error:
            error.__cause__ = None
            return len("".join(traceback.format_exception(error))) >> 20
    return told
