"""What changed between two texts, as a unified diff and as a share."""

import difflib


def main(before: str, after: str, context: int = 3) -> dict:
    """Compares two texts line by line.

    `similarity` is 1.0 for equal texts and 0.0 for texts without a common line.
    """
    old, new = before.splitlines(), after.splitlines()
    diff = list(difflib.unified_diff(old, new, "before", "after", n=context, lineterm=""))
    return {
        "changed": before != after,
        "added": sum(line.startswith("+") for line in diff[2:]),
        "removed": sum(line.startswith("-") for line in diff[2:]),
        "similarity": round(difflib.SequenceMatcher(a=old, b=new).ratio(), 3),
        "diff": "\n".join(diff),
    }
