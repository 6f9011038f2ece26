"""Binance USDⓈ-M futures, as its REST and stream clients know it."""
