"""What must hold after any fault, read from the venue's own ledger first and from the bot's words second."""

from decimal import Decimal
from typing import Any

from app.domain.ids import alert_stream, client_order_id
from tests.faults.site import App, Site, until


async def all_is_well(site: Site, app: App) -> dict[str, str]:
    """Every promise kept: no alert lost, no order doubled, no position naked, no disagreement, no broken record.

    Returns how each alert ended.
    """
    ends = {alert.alert_id: (await app.finished(alert))["state"] for alert in site.taken}
    await until_quiet(site, app)
    ledger = await site.ledger()
    at_most_one_entry_each(site, ledger, ends)
    for command in ("verify", "replay"):
        code, said = await site.command(command)
        assert code == 0, said
    return ends


async def until_quiet(site: Site, app: App) -> None:
    """Wait until our positions are the venue's, each with its stop, and nothing rests beside them."""
    troubles: list[str] = []

    async def quiet() -> bool:
        troubles[:] = await disagreements(site, app)
        return not troubles

    try:
        await until("quiet", quiet, 40)
    except AssertionError:
        raise AssertionError("; ".join(troubles)) from None


def at_most_one_entry_each(site: Site, ledger: dict[str, Any], ends: dict[str, str]) -> None:
    """Orders that added exposure are entries of alerts we sent, one each, and the ends of those alerts say so."""
    entries = [entry["client_id"] for entry in entry_orders(ledger)]
    assert len(entries) == len(set(entries)), "the same entry twice"
    known = {client_order_id(alert_stream(alert_id), "entry", 0): alert_id for alert_id in ends}
    foreign = set(entries) - set(known)
    assert not foreign, f"entries of no alert, or second ones: {foreign}"
    entered = {known[client_id] for client_id in entries}
    for alert_id, end in ends.items():
        if alert_id in entered:
            assert end in ("filled", "failed"), f"{alert_id} was executed and ended {end}"
        else:
            assert end != "filled", f"{alert_id} says filled and the venue knows nothing of it"


def entry_orders(ledger: dict[str, Any]) -> list[dict[str, Any]]:
    """Market orders of ours that could add exposure and were executed."""
    return [
        order
        for order in ledger["orders"]
        if order["type"] == "MARKET" and not order["reduce_only"] and not order["parent_order_id"]
    ]


async def disagreements(site: Site, app: App) -> list[str]:
    """What is not as it should be at a quiet moment."""
    ledger, answer = await site.ledger(), await app.get("/positions")
    if answer is None:
        return ["the bot does not answer"]
    ours = {row["symbol"]: row for row in answer["positions"]}
    held = {row["symbol"]: row for row in ledger["positions"]}
    resting = [row for row in ledger["orders"] if row["status"] in ("NEW", "PARTIALLY_FILLED")]
    troubles = [f"ours alone: {symbol}" for symbol in ours.keys() - held.keys()]
    for symbol, position in held.items():
        if symbol not in ours or not _same(ours[symbol], position):
            troubles.append(f"{symbol}: we say {ours.get(symbol)}, the venue {position}")
        stops = [row for row in resting if row["symbol"] == symbol and is_its_stop(row, position)]
        if len(stops) != 1:
            troubles.append(f"{symbol}: {len(stops)} stops that would close it")
    troubles += [
        f"{row['symbol']}: {row['type']} {row['side']} rests without a position"
        for row in resting
        if row["symbol"] not in held
    ]
    troubles += [
        f"{row['symbol']}: {row['type']} {row['side']} would add to the position"
        for row in resting
        if row["symbol"] in held and row["side"] != _exit_side(held[row["symbol"]])
    ]
    return troubles


def is_its_stop(order: dict[str, Any], position: dict[str, Any]) -> bool:
    """A live stop over the whole position, on the side of the market where it limits the loss."""
    if order["type"] != "STOP_MARKET" or order["side"] != _exit_side(position):
        return False
    whole = order["close_position"] or Decimal(order["quantity"]) >= Decimal(position["quantity"])
    above = Decimal(order["trigger_price"]) > Decimal(position["mark_price"])
    return whole and above is (position["side"] == "SHORT")


def _exit_side(position: dict[str, Any]) -> str:
    return "SELL" if position["side"] == "LONG" else "BUY"


def _same(ours: dict[str, Any], venue: dict[str, Any]) -> bool:
    return ours["side"] == venue["side"] and Decimal(ours["quantity"]) == Decimal(venue["quantity"])
