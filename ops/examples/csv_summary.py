"""A first look at a table: its columns, what they hold, how the numbers lie."""

import csv
import io
import statistics


def main(text: str, delimiter: str = ",") -> dict:
    """Summarises CSV text whose first line names the columns.

    A column counts as numeric where every filled cell of it is a number.
    """
    rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    names = list(rows[0]) if rows else []
    return {
        "rows": len(rows),
        "columns": {name: column([row[name] for row in rows]) for name in names},
    }


def column(cells: list) -> dict:
    filled = [cell for cell in cells if cell not in (None, "")]
    summary = {"filled": len(filled), "distinct": len(set(filled))}
    numbers = as_numbers(filled)
    if numbers:
        summary |= {
            "min": min(numbers),
            "max": max(numbers),
            "mean": statistics.fmean(numbers),
            "median": statistics.median(numbers),
        }
    return summary


def as_numbers(cells: list[str]) -> list[float]:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return []
