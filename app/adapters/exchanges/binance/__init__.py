"""Binance USDⓈ-M futures behind ports.Exchange and ports.MarketData."""

from app.adapters.exchanges.binance.config import BinanceConfig
from app.adapters.exchanges.binance.exchange import BinanceExchange

__all__ = ["BinanceConfig", "BinanceExchange"]
