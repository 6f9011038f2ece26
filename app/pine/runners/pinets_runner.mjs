// Runs one Pine script under PineTS: `node pinets_runner.mjs REQUEST RESULT`, in a folder whose node_modules has pinets.
// A script that cannot be run ends with exit code 1 and the reason on stderr.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , requestFile, resultFile] = process.argv;
// Resolved from the working folder: this file lives elsewhere and PineTS is never bundled with it.
const require = createRequire(path.join(process.cwd(), 'package.json'));
const { PineTS } = await import(pathToFileURL(require.resolve('pinets')).href);

const request = JSON.parse(fs.readFileSync(requestFile, 'utf8'));
const { ts, open, high, low, close, volume } = request.columns;
const bars = ts.map((openTime, i) => ({
    openTime, open: open[i], high: high[i], low: low[i], close: close[i], volume: volume[i],
}));

// The tick is so fine that levels are not rounded: TradingView's own is not known here.
const market = {
    getMarketData: async () => bars,
    getSymbolInfo: async () => ({
        ticker: request.symbol, tickerid: `EXCHANGE:${request.symbol}`, prefix: 'EXCHANGE', root: request.symbol,
        description: request.symbol, type: 'crypto', currency: 'USDT', basecurrency: '', timezone: 'Etc/UTC',
        session: '24x7', mintick: 1e-8, pricescale: 1e8, minmove: 1, pointvalue: 1, mincontract: 1e-8,
        volumetype: 'base',
    }),
};

try {
    const engine = new PineTS(market, request.symbol, request.timeframe, bars.length);
    const context = await engine.run(request.source);
    const strategy = context.strategy;
    if (!strategy) throw new Error('the script declares no strategy()');
    const plots = {};
    for (const name of request.plots) {
        const found = context.plots[name];
        if (!found) throw new Error(`the plot ${name} is missing`);
        plots[name] = found.data.map((point) => (Number.isFinite(point.value) ? point.value : null));
    }
    const { initial_capital, commission_value, commission_type, slippage } = strategy.config;
    const trades = strategy.closedtrades.map((trade) => ({
        side: Math.sign(trade.size), entry_bar: trade.entry_bar_index, exit_bar: trade.exit_bar_index,
        quantity: Math.abs(trade.size), entry_price: trade.entry_price, exit_price: trade.exit_price, pnl: trade.profit,
    }));
    const declared = { initial_capital, commission_value, commission_type: String(commission_type), slippage };
    fs.writeFileSync(resultFile, JSON.stringify({ declared, plots, trades }));
} catch (error) {
    console.error(String(error?.message ?? error));
    process.exit(1);
}
