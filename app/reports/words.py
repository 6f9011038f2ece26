"""A run in plain words: what happened, and what the numbers cannot say. Sentences, each about this run and no other."""

from app.backtest.model import Intrabar
from app.domain.policy import RiskPolicy
from app.reports import text
from app.reports.report import FUNDING, SEARCH, VOTES, Report

FEW_TRADES = 100  # below, a win rate of one half is uncertain by ±10 points and more
_SHORT_YEARS = 1.0
_CONCENTRATED = 0.5  # of the gain, in the best trade
_SMALL = 100.0  # quote currency: what the most demanding venue takes as the least for a contract

SYNTHETIC = (
    "The candles are generated. They resemble no real market: these figures show that the program works, and nothing"
    " about whether the strategy does."
)

LIVE = (
    "The live bot also refuses entries after a daily loss, in a cool-down or where other positions fill its limits, and"
    " sets targets of its own where a signal brings none."
)


def summary(report: Report) -> tuple[str, ...]:
    """What happened, in a few sentences."""
    lines = [_result(report), _versus_market(report)]
    return tuple(line for line in (*lines, _pain(report), _costs(report), _luck(report)) if line)


def limits(report: Report) -> tuple[str, ...]:
    """What these numbers can't say, the gravest first."""
    found = [
        SYNTHETIC if report.synthetic else "",
        _ruin(report),
        _latched(report),
        _won_too_little(report),
        _small(report),
        _few(report),
        _one_trade(report),
        _chosen(report),
        report.run.about.get(SEARCH, ""),
        _short(report),
    ]
    return (*(line for line in found if line), *shared_limits(report))


def shared_limits(report: Report) -> tuple[str, ...]:
    """The part that holds for every strategy tested on the same market under the same rules."""
    where = f"One market and one stretch of time: {report.run.series.symbol}, {_span(report)}. Markets change."
    told = (where, _missing_bars(report), _votes(report), LIVE, _assumed(report), _inside(report))
    return tuple(line for line in told if line)


def _span(report: Report) -> str:
    span = report.metrics.span
    return f"{text.day(span.start_ms)} to {text.day(span.end_ms)}"


def _result(report: Report) -> str:
    growth, trades, quote = report.metrics.growth, report.metrics.trades, report.quote
    if growth.total is None:
        return f"Nothing was measured: {report.metrics.missing['growth.total']}."
    return (
        f"From {_span(report)} it turned {text.money(growth.start)} {quote} into {text.money(growth.end)} {quote}"
        f" ({text.percent(growth.total, signed=True)}) in {text.plural(trades.count, 'trade')}."
    )


def _versus_market(report: Report) -> str:
    own, held = report.metrics.growth.total, report.metrics.market.total
    if own is None or held is None:
        return ""
    better = "less than" if own < held else "more than"
    return f"Buying and holding changed by {text.percent(held, signed=True)}: the strategy made {better} that."


def _pain(report: Report) -> str:
    fall = report.metrics.drawdown
    if not fall.depth:
        return ""
    step = report.run.series.step_ms
    end = f"it took {text.duration((fall.bars or 0) * step)} to come back"
    if fall.recovered_ms is None:
        end = f"{text.duration((fall.bars or 0) * step)} later, at the end, it had not come back"
    return f"At worst it was {text.percent(fall.depth)} below its peak of {text.day(fall.peak_ms)}; {end}."


def _costs(report: Report) -> str:
    use = report.metrics.use
    if not report.metrics.trades.count:
        return ""
    paid = f"Fees and funding came to {text.money(use.fees + use.funding)} {report.quote}"
    if use.cost_share is None:
        return f"{paid}; before them there was no profit either."
    if use.cost_share > 1:
        return f"{paid}, more than the whole profit before them."
    return f"{paid}, {text.percent(use.cost_share)} of the profit before them."


def _luck(report: Report) -> str:
    boot = report.statistics.bootstrap
    if boot is None:
        return ""
    line = (
        f"In {boot.samples:,} reshuffled histories {boot.level:.0%} of the returns lay between"
        f" {text.percent(boot.total.low)} and {text.percent(boot.total.high)};"
        f" {text.percent(boot.loss_share)} lost money."
    )
    if boot.sharpe is None or boot.sharpe.low <= 0.0 <= boot.sharpe.high:
        return f"{line} Skill cannot be told from luck here."
    return line if boot.sharpe.low > 0 else f"{line} It loses reliably."


def _ruin(report: Report) -> str:
    return "A position was liquidated: the venue closed it at a loss of its margin." if report.run.liquidated else ""


def _latched(report: Report) -> str:
    fall, most = report.metrics.drawdown.depth or 0.0, float(RiskPolicy().max_drawdown_rate)
    if fall < most:
        return ""
    return (
        f"It fell {text.percent(fall)} below its peak and went on. As it ships, the live bot enters nothing more from"
        f" {text.percent(most)} on, until it is resumed by hand."
    )


def _won_too_little(report: Report) -> str:
    trades, policy = report.metrics.trades, RiskPolicy()
    rate, least = trades.entry_win_rate, float(policy.min_win_rate)
    if rate is None or rate > least or trades.entries <= policy.win_rate_min_trades:
        return ""
    return (
        f"{text.percent(rate)} of its positions gained. As it ships, the live bot enters nothing more for a strategy"
        f" that has won {text.percent(least)} or less of its trades once it has {policy.win_rate_min_trades}:"
        " RISK_MIN_WIN_RATE has to be lower for one like this."
    )


def _small(report: Report) -> str:
    run = report.run
    least = float((run.trades["quantity"] * run.trades["entry_price"]).min(initial=_SMALL))
    if run.rules.min_notional > 0 or least >= _SMALL or not len(run.trades):
        return ""
    return (
        f"The smallest trade was {text.money(least)} {report.quote}. Venues take orders from some 5 to 100 on, in"
        " steps, and the live bot leaves smaller ones out: --min-notional and --quantity-step do so here."
    )


def _missing_bars(report: Report) -> str:
    series = report.run.series
    whole = int(series.ts[-1] - series.ts[0]) // series.step_ms + 1 if len(series) else 0
    if whole <= len(series):
        return ""
    return (
        f"{whole - len(series):,} of {whole:,} bars are missing: what the price did there is unknown, and yearly"
        " figures are stretched from the bars there are."
    )


def _few(report: Report) -> str:
    trades = report.metrics.trades
    if trades.entries >= FEW_TRADES:
        return ""
    if not trades.entries:
        return "There was no trade: the figures say nothing about the strategy."
    return f"Only {text.plural(trades.entries, 'position')} opened: a few other outcomes would change every figure."


def _one_trade(report: Report) -> str:
    trades = report.metrics.trades
    net = trades.long_pnl + trades.short_pnl
    if trades.best is None or trades.count == 1 or net <= 0 or trades.best < _CONCENTRATED * net:
        return ""
    rest = net - trades.best
    without = f"a gain of {text.money(rest)}" if rest > 0 else f"a loss of {text.money(-rest)}"
    return f"Without its best trade the gain of {text.money(net)} {report.quote} would be {without}."


def _chosen(report: Report) -> str:
    found = report.statistics
    if found.trials > 1:
        line = (
            f"Chosen among {found.trials:,}: the best of many looks good by luck alone, and its intervals do not know"
            " that."
        )
        if found.dsr is None:
            return line
        return f"{line} That considered, the confidence in more than luck is {text.percent(found.dsr)}."
    return (
        "If other parameters or strategies were tried before this one, it looks better than it is. Only what was tried"
        " in one command is counted."
    )


def _short(report: Report) -> str:
    years = report.metrics.span.years
    if years >= _SHORT_YEARS - 0.05:
        return ""
    return f"Yearly figures are stretched from {text.duration(years * 365 * 86_400_000)}: a year may look different."


def _votes(report: Report) -> str:
    replayed = report.run.about.get(VOTES)
    if replayed is not None:
        return f"AI verdicts: {replayed}. Models change: today they might vote otherwise."
    return (
        "The AI verdict was left out: no vote of the LSTM or of a language model was replayed, every signal was traded."
        " The live bot may refuse some of them."
    )


def _assumed(report: Report) -> str:
    costs = report.run.costs
    taker, maker, slippage = (
        text.percent(rate, digits=3) for rate in (costs.taker_fee_rate, costs.maker_fee_rate, costs.slippage_rate)
    )
    resting = "" if costs.market_targets else f" ({maker} and no slippage at targets, which rest in the book)"
    funding = report.run.about.get(FUNDING, "as in the list of trades")
    return (
        f"Costs are assumed: fee {taker}, slippage {slippage}{resting}, funding {funding}. Every order"
        " fills; large ones would move the price, and a venue can be slow or down."
    )


def _inside(report: Report) -> str:
    if report.run.rules.intrabar is Intrabar.CHART:
        way = "the extreme nearer to its open is taken to come first, as on TradingView; it can be the other one"
    else:
        way = "the stop is taken to be hit before any target"
    return (
        f"What happened inside a bar is not known: {way}. Drawdowns are measured at closes and are deeper inside bars."
    )
