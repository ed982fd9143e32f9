"""What an invoice comes to: net, tax and gross, exact to the cent."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def main(items: list[dict], tax_percent: float = 19, currency: str = "EUR") -> dict:
    """Adds up an invoice. Each item has a price, and may have a quantity and a name.

    Money is decimal, never binary: three items of 0.10 come to 0.30.
    """
    if not items:
        raise ValueError("an invoice has at least one item")
    net = sum((line(item) for item in items), Decimal(0))
    tax = cents(net * Decimal(str(tax_percent)) / 100)
    return {
        "net": str(net),
        "tax": str(tax),
        "gross": str(net + tax),
        "currency": currency,
    }


def line(item: dict) -> Decimal:
    return cents(Decimal(str(item["price"])) * Decimal(str(item.get("quantity", 1))))


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
