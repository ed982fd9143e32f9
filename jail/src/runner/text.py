"""Texts that leave the process: no lone surrogates, of bounded length."""


def clean(value, most):
    """A plain str with replacement characters for what is no text, cut at `most` characters."""
    value = str.__str__(value)
    if len(value) > most:
        value = value[:most] + " […]"
    if not value.isascii():
        # Each lone surrogate becomes one replacement character; pairs become what they mean.
        value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value
