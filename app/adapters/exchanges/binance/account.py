"""What the account holds and how it is set up.

Every answer is the venue's, asked for anew, except instruments (an hour) and what `prepare` has already set. Methods
raise VenueUnavailable when the venue gives no answer, or one that cannot be read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import structlog

from app.adapters.exchanges.binance import codes, parse
from app.adapters.exchanges.binance.client import BinanceClient, ErrorAnswer
from app.adapters.exchanges.binance.limits import HeldBack
from app.domain.errors import VenueUnavailable
from app.domain.ids import Symbol
from app.domain.instrument import Instrument
from app.domain.money import Money
from app.domain.order import Fill, Halt, Rejected
from app.domain.position import AccountBalance, VenuePosition

log = structlog.get_logger(__name__)

_INSTRUMENTS_AGE_S = 3_600.0
_INSTRUMENTS_RETRY_S = 10.0
_FEE_PRICE_AGE_S = 60.0
_DEFAULT_MAX_LEVERAGE = 20  # what every account may use; more depends on its age and verification
_KEY_REFUSED = (-1022, -2008, -2014, -2015)  # wrong signature, deleted key, malformed key, unknown key or address
_PAGE = 1_000
_MAX_PAGES = 20
_TRADES_SPAN = timedelta(days=7)  # the longest span one question about trades may cover


class Account:
    def __init__(self, client: BinanceClient) -> None:
        self._client = client
        self._instruments: dict[Symbol, Instrument] = {}
        self._instruments_until = 0.0
        self._refreshing = asyncio.Lock()
        self._one_way = False
        self._isolated: set[Symbol] = set()
        self._leverage: dict[Symbol, int] = {}
        self._fee_prices: dict[str, tuple[Decimal, float]] = {}

    # --- state ---------------------------------------------------------------------------------------

    async def balance(self) -> AccountBalance:
        return parse.balance(await self._client.futures_account(version=3))

    async def positions(self) -> Sequence[VenuePosition]:
        rows = _rows(await self._client.futures_position_information())
        return [held for row in rows if (held := parse.position(row)) is not None]

    async def fills(self, symbol: Symbol, since: datetime) -> Sequence[Fill]:
        """Executions at or after `since`, oldest first, at most 20,000 of them; the venue keeps six months."""
        found: dict[str, Fill] = {}
        for row in await self._trades(symbol, since):
            fill = parse.fill(row, await self._fee(row))
            if fill.at >= since:
                found[fill.trade_id] = fill
        return sorted(found.values(), key=lambda fill: (fill.at, int(fill.trade_id)))

    async def _trades(self, symbol: Symbol, since: datetime) -> list[Mapping[str, Any]]:
        """By time, a span at a time; from the first full page on by trade id, which cannot be combined with time."""
        rows: list[Mapping[str, Any]] = []
        start, now = since, self._client.venue_now()
        span: dict[str, Any] = {}
        while not span or "endTime" in span:
            span = {"startTime": parse.to_ms(start)}
            if now - start > _TRADES_SPAN:
                span["endTime"] = parse.to_ms(start + _TRADES_SPAN) - 1
            page = await self._trades_page(symbol, span)
            rows += page
            if len(page) == _PAGE:
                break
            start += _TRADES_SPAN
        while rows and len(rows) < _PAGE * _MAX_PAGES and len(page) == _PAGE:
            page = await self._trades_page(symbol, {"fromId": int(parse.decimal(page[-1].get("id"))) + 1})
            rows += page
        return rows

    async def _trades_page(self, symbol: Symbol, question: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return _rows(await self._client.futures_account_trades(symbol=symbol, limit=_PAGE, **question))

    async def _fee(self, row: Mapping[str, Any]) -> Money:
        """In USDT. A fee in another asset (BNB) is valued at that asset's mark price now, not at that of the fill."""
        amount, asset = parse.commission(row)
        if asset == parse.QUOTE or amount == 0:
            return Money(amount)
        return Money(amount * await self._fee_price(asset)).rounded()

    async def _fee_price(self, asset: str) -> Decimal:
        known = self._fee_prices.get(asset)
        now = self._client.clock.monotonic()
        if known is None or now >= known[1]:
            try:
                answer = await self._client.futures_mark_price(symbol=f"{asset}{parse.QUOTE}")
                price = parse.mark(answer)[0].value
            except ErrorAnswer:
                # An asset without a USDT market is a dollar coin of the venue's multi-asset mode.
                log.warning("no price for the asset of a fee: counted as one USDT each", asset=asset)
                price = Decimal(1)
            known = (price, now + _FEE_PRICE_AGE_S)
            self._fee_prices[asset] = known
        return known[0]

    # --- markets -------------------------------------------------------------------------------------

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        async with self._refreshing:
            now = self._client.clock.monotonic()
            if now >= self._instruments_until:
                try:
                    self._instruments = await self._read_instruments()
                    self._instruments_until = now + _INSTRUMENTS_AGE_S
                except VenueUnavailable as error:
                    if not self._instruments:
                        raise
                    # The last list is better than none: stops and exits need it, and the venue checks every order.
                    log.warning("the list of instruments could not be renewed", error=str(error))
                    self._instruments_until = now + _INSTRUMENTS_RETRY_S
            return self._instruments

    async def _read_instruments(self) -> dict[Symbol, Instrument]:
        info = await self._client.futures_exchange_info()
        if not isinstance(info, dict) or not isinstance(info.get("symbols"), list):
            raise parse.Unreadable("the list of instruments could not be read")
        self._client.limits.learn(_rows(info.get("rateLimits", [])))
        leverages = await self._max_leverages()
        found: dict[Symbol, Instrument] = {}
        for row in info["symbols"]:
            try:
                instrument = parse.instrument(row, leverages.get(str(row.get("symbol")), _DEFAULT_MAX_LEVERAGE))
            except parse.Unreadable as error:
                log.warning("an instrument cannot be traded", symbol=str(row.get("symbol"))[:40], error=str(error))
                continue
            if instrument is not None:
                found[instrument.symbol] = instrument
        return found

    async def _max_leverages(self) -> dict[str, int]:
        try:
            return parse.max_leverages(_rows(await self._client.futures_leverage_bracket()))
        except VenueUnavailable as error:
            log.warning("leverage limits unknown, a low one is assumed", error=str(error))
            return {}

    # --- set-up --------------------------------------------------------------------------------------

    async def prepare(self, symbol: Symbol, leverage: int) -> Rejected | None:
        """One-way mode, isolated margin, this leverage. Asks nothing when all of it was set before."""
        if self._one_way and symbol in self._isolated and self._leverage.get(symbol) == leverage:
            return None
        refused = self._client.limits.why_no_entry()
        if refused is not None:
            raise HeldBack(f"not sent: {refused}")
        try:
            await self._set_up(symbol, leverage)
        except ErrorAnswer as error:
            self.forget(codes.outdated(error.code))
            refusal = codes.refusal(error.status, error.code, error.text)
            busy = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code == codes.BUSY
            if refusal is None or refusal.halt is Halt.UNTIL_LOOKED or busy:
                raise  # it may be set a moment later
            return refusal
        return None

    async def _set_up(self, symbol: Symbol, leverage: int) -> None:
        if not self._one_way:
            await self._set(self._client.futures_change_position_mode(dualSidePosition="false"))
            self._one_way = True
        if symbol not in self._isolated:
            await self._set(self._client.futures_change_margin_type(symbol=symbol, marginType="ISOLATED"))
            self._isolated.add(symbol)
        if self._leverage.get(symbol) != leverage:
            answer = await self._client.futures_change_leverage(symbol=symbol, leverage=leverage)
            if not isinstance(answer, dict) or answer.get("leverage") != leverage:
                raise VenueUnavailable(f"{symbol}: the venue did not set the leverage to {leverage}")
            self._leverage[symbol] = leverage

    @staticmethod
    async def _set(change: Any) -> None:
        try:
            await change
        except ErrorAnswer as error:
            if error.code not in codes.ALREADY_SO:
                raise

    def forget(self, what: codes.Forget) -> None:
        """A refusal or the stream showed that something we remember may be wrong: ask again when it is needed."""
        if what is codes.Forget.INSTRUMENTS:
            self._instruments_until = 0.0
        if what is codes.Forget.ACCOUNT:
            self._one_way = False
            self._isolated.clear()
            self._leverage.clear()

    def leverage_changed(self, symbol: Symbol, leverage: int | None) -> None:
        """The stream tells a new leverage: our own change comes back this way too, and is no news."""
        if leverage is None or self._leverage.get(symbol) != leverage:
            self._leverage.pop(symbol, None)
            self._isolated.discard(symbol)


async def key_dangers(client: BinanceClient) -> list[str]:
    """Why this key must not be used for live trading, in plain sentences; empty when it may.

    A permission the venue does not mention counts as the dangerous answer. Raises VenueUnavailable.
    """
    told = await client.get_account_api_permissions()
    if not isinstance(told, dict):
        raise parse.Unreadable("the key's permissions could not be read")
    dangers = [
        (told.get("enableWithdrawals") is not False, "the key may withdraw: switch withdrawals off"),
        (told.get("enableInternalTransfer") is not False, "the key may transfer to other accounts: switch it off"),
        (told.get("permitsUniversalTransfer") is not False, "the key may transfer between wallets: switch it off"),
        (told.get("ipRestrict") is not True, "the key is valid from any address: restrict it to yours"),
        (told.get("enableFutures") is not True, "the key may not trade futures: switch futures on"),
    ]
    return [sentence for dangerous, sentence in dangers if dangerous]


async def refusal_of_key(client: BinanceClient) -> str | None:
    """What the venue says when it does not know this key or its secret; None when it answers to them.

    Asked of the venue that is traded on, for the one that tells permissions may be another. Raises VenueUnavailable.
    """
    try:
        await client.futures_account(version=3)
    except ErrorAnswer as error:
        if error.code in _KEY_REFUSED:
            return str(error)
        raise
    return None


def _rows(answer: Any) -> list[Any]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise parse.Unreadable("a list was expected")
    return answer
