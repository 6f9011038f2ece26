"""What trades looks at its key first: which keys are refused for good, and which answers are waited for."""

import pytest

from app.application import Venue
from app.domain.errors import OperatorError, VenueUnavailable
from app.settings import Mode
from tests.contract import binance_answers as told
from tests.contract.loopback import Answer, answer, as_json, error
from tests.contract.test_binance_wire import venue

ACCOUNT, PERMISSIONS = "GET /fapi/v3/account", "GET /sapi/v1/account/apiRestrictions"
FIT = {ACCOUNT: as_json(told.account()), PERMISSIONS: as_json(told.restrictions())}


async def check(mode: Mode, **changes: Answer) -> None:
    routes = FIT | {{"account": ACCOUNT, "permissions": PERMISSIONS}[name]: reply for name, reply in changes.items()}
    async with venue(routes) as (exchange, _):
        await Venue(exchange, mode, records=None).refuse_unfit_key()  # type: ignore[arg-type] - it asks no records


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.TESTNET])
async def test_a_fit_key_may_trade(mode: Mode) -> None:
    await check(mode)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.TESTNET])
@pytest.mark.parametrize(("status", "code"), [(400, -1022), (401, -2008), (401, -2014), (401, -2015)])
async def test_a_key_the_venue_does_not_take_is_refused_for_good(mode: Mode, status: int, code: int) -> None:
    with pytest.raises(OperatorError, match=rf"does not take this API key.*code {code}.*BINANCE_API_SECRET"):
        await check(mode, account=error(status, code, "no"))


async def test_a_dangerous_key_never_trades_real_money() -> None:
    dangerous = as_json(told.restrictions(enableWithdrawals=True))
    with pytest.raises(OperatorError, match="must not trade real money: the key may withdraw"):
        await check(Mode.LIVE, permissions=dangerous)
    await check(Mode.TESTNET, permissions=dangerous)  # a warning


@pytest.mark.parametrize("silent", ["account", "permissions"])
@pytest.mark.parametrize("reply", [answer(502, "<html>"), error(429, -1003, "Too many requests.")])
async def test_a_venue_that_does_not_say_is_asked_again_before_real_money_is_traded(silent: str, reply: Answer) -> None:
    with pytest.raises(VenueUnavailable, match="could not be checked"):
        await check(Mode.LIVE, **{silent: reply})
    await check(Mode.TESTNET, **{silent: reply})  # a warning


async def test_the_demo_exchange_has_no_page_of_permissions_and_that_is_no_refusal() -> None:
    """Its keys are for futures; what answers beside it may not know them."""
    for reply in (answer(404, ""), error(401, -2015, "no")):
        await check(Mode.TESTNET, permissions=reply)
