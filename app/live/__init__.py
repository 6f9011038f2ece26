"""The live engine: strategies of the registry that the bot runs itself, on candles instead of TradingView alerts."""
