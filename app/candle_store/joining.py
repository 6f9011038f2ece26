"""Longer bars made once and kept, where joining them at every read would take too long.

They are the very bars `CandleStore.read` would join. They never count as asked from the venue, so a later fetch of that
length replaces them; bars that did come from a venue are never overwritten by joined ones.
"""

import numpy as np

from app.candle_store.layout import Market
from app.candle_store.part import names, read_covered
from app.candle_store.store import CandleStore
from app.domain.errors import BadSettings
from app.history import CandleSeries


def resample(store: CandleStore, symbol: str, interval: str) -> CandleSeries:
    """Join the longest finer bars of a market into `interval` and keep them; returns them.

    Call it inside `store.locked()`. Raises BadSettings when there are no finer bars, when they come from flat files, or
    when bars of that length were fetched already.
    """
    finer = store.choose(symbol, interval, finer=True)
    if not finer.exchange:
        raise BadSettings(f"{symbol}: flat files are joined as they are read; only fetched candles can be kept joined")
    wide = Market(symbol, interval, finer.exchange)
    fetched = [path for path in store.markets().get(wide, ()) if read_covered(path, wide)]
    if fetched:
        raise BadSettings(f"{wide.name}: fetched already; what came from the venue is not replaced by joined bars")
    series = store.load(finer).resampled(interval)
    store.write(wide, {name: np.asarray(getattr(series, name)) for name in names(wide)}, ())
    return series
