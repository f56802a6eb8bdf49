"""What every metric is called and what it says, in words: the text of tables and tooltips. Order = order of display."""
# ruff: noqa: E501 - one metric per line

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """`unit`: "%", "money" (the quote currency), "days", "hours", "years", "bps", "count", "ratio" or "fraction"."""

    title: str
    unit: str
    definition: str


def _define(*rows: tuple[str, str, str, str]) -> Mapping[str, MetricDefinition]:
    return {name: MetricDefinition(title, unit, text) for name, title, unit, text in rows}


# fmt: off
DEFINITIONS: Final = _define(
    # result
    ("final_equity", "Final equity", "money", "Account value at the last close; an open position is marked there."),
    ("peak_equity", "Peak equity", "money", "Highest account value at any close, the starting cash included."),
    ("low_equity", "Lowest equity", "money", "Lowest account value at any close, the starting cash included."),
    ("net_profit", "Net profit", "money", "Final equity - starting cash."),
    ("return_pct", "Return", "%", "Final equity / starting cash - 1."),
    ("buy_hold_return_pct", "Buy & hold return", "%", "Last close / first open - 1, without costs."),
    ("excess_return_pct", "Return over buy & hold", "%", "Return - buy & hold return."),
    ("exposure_pct", "Exposure", "%", "Candles whose close sees a position / candles."),
    # per year
    ("cagr_pct", "CAGR", "%", "(Final equity / cash)^(365 / days) - 1. None below 30 days or without movement."),
    ("volatility_pct", "Volatility", "%", "Standard deviation of daily returns (ddof 1) x sqrt(365)."),
    ("sharpe", "Sharpe ratio", "ratio", "Mean / standard deviation (ddof 1) of daily returns x sqrt(365); no risk-free rate."),
    ("sortino", "Sortino ratio", "ratio", "Mean of daily returns / sqrt(mean(min(r, 0)^2)) x sqrt(365)."),
    ("calmar", "Calmar ratio", "ratio", "CAGR / |max drawdown|."),
    ("beta", "Beta", "ratio", "Covariance of daily returns with the market's / variance of the market's."),
    ("alpha_pct", "Alpha", "%", "(Mean daily return - beta x mean daily return of the market) x 365."),
    ("information_ratio", "Information ratio", "ratio", "Mean / standard deviation (ddof 1) of daily return over the market x sqrt(365)."),
    # is it luck
    ("psr", "Probabilistic Sharpe", "fraction", "Probability that the true Sharpe ratio is above 0, by length, skew and kurtosis of the daily returns; trials not counted."),
    ("min_trl_days", "Least track record", "days", "Days of such returns after which the Sharpe ratio would be above 0 with 95 %. None where it is not above 0."),
    ("dsr", "Deflated Sharpe", "fraction", "Probability that the true Sharpe ratio is above what the best of all counted trials shows by chance."),
    ("dsr_eff", "Deflated Sharpe, alike as one", "fraction", "The same with trials of like daily returns counted together (effective rank of their correlations): the optimistic end. None where fewer than 10 kept their returns."),
    ("chance_sharpe", "Sharpe ratio by chance", "ratio", "Sharpe ratio that the best of the counted trials is expected to show without any skill, by how far their Sharpe ratios lie apart."),
    ("min_btl_years", "Least backtest", "years", "Years below which the best of the counted trials is expected to show such a Sharpe ratio without any skill. None where it is not above 0."),
    ("trials_counted", "Trials", "count", "Distinct strategies with parameters tried until then on this market and timeframe, in periods that share candles with this one; itself included. Of a stitched run: configurations of walk-forward."),
    ("trials_measured", "Trials measured", "count", "Those in grids or drawn evenly on exactly this period, by whose Sharpe ratios the spread is known. 0: fewer than 10, the spread is assumed to be that of chance."),
    ("walk_trials", "Trials of the walk-forward", "count", "Combinations x trainings of the walk-forward that a stitched run is of: what its parameters were chosen from, each before its test. None of any other run."),
    ("trials_ever", "Trials on anything", "count", "Distinct strategies with parameters ever tried until then, on whatever market."),
    # days
    ("best_day_pct", "Best day", "%", "Highest return of a UTC day."),
    ("worst_day_pct", "Worst day", "%", "Lowest return of a UTC day."),
    ("avg_day_pct", "Average day", "%", "Arithmetic mean of daily returns, idle days included."),
    ("winning_days", "Winning days", "count", "UTC days with a return above 0."),
    ("losing_days", "Losing days", "count", "UTC days with a return below 0."),
    ("winning_days_pct", "Winning days", "%", "Winning days / all days."),
    ("omega", "Omega ratio", "ratio", "Sum of positive daily returns / |sum of negative ones|. None below 30 days."),
    ("skew", "Skewness", "ratio", "Third standardised moment of daily returns. None below 30 days."),
    ("kurtosis", "Excess kurtosis", "ratio", "Fourth standardised moment of daily returns - 3. None below 30 days."),
    ("var95_pct", "Value at risk 95 %", "%", "5th percentile of daily returns. None below 100 days."),
    ("cvar95_pct", "Expected shortfall 95 %", "%", "Mean of the daily returns at or below the 5th percentile. None below 100 days."),
    ("tail_ratio", "Tail ratio", "ratio", "|95th percentile| / |5th percentile| of daily returns. None below 100 days."),
    # drawdown
    ("max_drawdown_pct", "Max drawdown", "%", "Deepest fall of equity at a close below its running peak, which starts at the cash."),
    ("max_drawdown_days", "Longest drawdown", "days", "Longest time from a peak to its recovery, or to the end."),
    ("max_drawdown_money", "Max drawdown", "money", "Deepest fall below the running peak in money."),
    ("avg_drawdown_pct", "Average drawdown", "%", "Mean depth of all stretches below a peak."),
    ("avg_drawdown_days", "Average drawdown", "days", "Mean time from peak to recovery (or the end)."),
    ("drawdowns", "Drawdowns", "count", "Stretches below a peak."),
    ("time_under_water_pct", "Time under water", "%", "Candles that close below the running peak / candles."),
    ("ulcer_index_pct", "Ulcer index", "%", "sqrt(mean(drawdown^2)) over all closes."),
    ("upi", "Ulcer performance index", "ratio", "CAGR / ulcer index."),
    ("recovery_factor", "Recovery factor", "ratio", "Net profit / max drawdown in money."),
    # trades
    ("trades", "Trades", "count", "Rows of the trade list, an open position included."),
    ("open_trades", "Open trades", "count", "Positions still open at the end."),
    ("winning_trades", "Winning trades", "count", "Closed trades with pnl above 0."),
    ("losing_trades", "Losing trades", "count", "Closed trades with pnl below 0."),
    ("win_rate_pct", "Win rate", "%", "Winning / closed trades; break-even counts against."),
    ("long_trades", "Long trades", "count", "Closed long trades."),
    ("long_win_rate_pct", "Long win rate", "%", "Winning / closed long trades."),
    ("long_pnl", "Long profit", "money", "Sum of pnl of closed long trades."),
    ("short_trades", "Short trades", "count", "Closed short trades."),
    ("short_win_rate_pct", "Short win rate", "%", "Winning / closed short trades."),
    ("short_pnl", "Short profit", "money", "Sum of pnl of closed short trades."),
    ("gross_profit", "Gross profit", "money", "Sum of pnl of winning trades, after commission."),
    ("gross_loss", "Gross loss", "money", "|Sum of pnl of losing trades|, after commission."),
    ("profit_factor", "Profit factor", "ratio", "Gross profit / gross loss. None without losses."),
    ("payoff_ratio", "Payoff ratio", "ratio", "Average win / average loss in money."),
    ("expectancy", "Expectancy", "money", "Mean pnl of closed trades."),
    ("avg_win", "Average win", "money", "Mean pnl of winning trades."),
    ("avg_loss", "Average loss", "money", "|Mean pnl of losing trades|."),
    ("largest_win", "Largest win", "money", "Highest pnl."),
    ("largest_loss", "Largest loss", "money", "|Lowest pnl|."),
    ("sqn", "SQN", "ratio", "sqrt(closed trades) x mean / standard deviation (ddof 1) of their pnl."),
    ("kelly", "Kelly criterion", "fraction", "W - (1 - W) / (average win / average loss), W = share of winning trades."),
    ("max_closed_drawdown_pct", "Max closed-trade drawdown", "%", "Deepest fall of cash + pnl of closed trades below its running peak."),
    ("expectancy_pct", "Expectancy", "%", "Mean return of closed trades on their entry value."),
    ("avg_trade_pct", "Average trade", "%", "Arithmetic mean return of closed trades; the same as the expectancy in %."),
    ("trade_mean_t", "Average trade, t", "ratio", "Mean return of closed trades / its standard error, which allows for trades that depend on each other (Newey-West). None below 20 trades."),
    ("trade_mean_p", "Average trade, p", "fraction", "Probability of a mean at least so far from 0 if trades earned nothing on average (two-sided, normal). None below 20 trades."),
    ("best_trade_pct", "Best trade", "%", "Highest return of a closed trade."),
    ("worst_trade_pct", "Worst trade", "%", "Lowest return of a closed trade."),
    ("avg_win_pct", "Average win", "%", "Mean return of winning trades."),
    ("avg_loss_pct", "Average loss", "%", "Mean return of losing trades."),
    ("avg_trade_hours", "Average duration", "hours", "Mean time from entry to exit candle of closed trades."),
    ("max_trade_hours", "Longest trade", "hours", "Longest time from entry to exit candle."),
    ("min_trade_hours", "Shortest trade", "hours", "Shortest time from entry to exit candle."),
    ("avg_win_hours", "Average duration of wins", "hours", "Mean duration of winning trades."),
    ("avg_loss_hours", "Average duration of losses", "hours", "Mean duration of losing trades."),
    ("avg_mae_pct", "Average adverse excursion", "%", "Mean of the worst price seen in a trade, in % of its entry price."),
    ("avg_mfe_pct", "Average favourable excursion", "%", "Mean of the best price seen in a trade, in % of its entry price."),
    ("max_consecutive_wins", "Most wins in a row", "count", "Longest run of winning trades."),
    ("max_consecutive_losses", "Most losses in a row", "count", "Longest run of losing trades."),
    # costs
    ("price_pnl", "Price profit", "money", "What prices alone made: net profit + commission + slippage + funding (- shortfall)."),
    ("commission", "Commission", "money", "All commission paid, the entry of an open trade included."),
    ("slippage", "Slippage", "money", "Sum of size x |fill - price without slippage|."),
    ("funding", "Funding", "money", "Funding paid on perpetuals (received: negative); None: not included."),
    ("funding_coverage_pct", "Funding coverage", "%", "Settlements with a served rate / all that positions were carried through."),
    ("funding_edge", "Funding at fills", "money", "What it would change if entries at a settlement paid it and exits at it did not."),
    ("turnover", "Turnover", "money", "Value of all fills, entries and exits."),
    ("break_even_cost_pct", "Break-even cost", "%", "Net profit / turnover: how much dearer every fill may become until nothing is left."),
    ("break_even_bps", "Break-even commission", "bps", "Commission of every fill, in hundredths of a percent, at which net profit is zero; prices, slippage and each entry's share of the money stay. What it is above the run's own is about what slippage may grow by. None without a profit even at 0, after a ruin, and where trades overlap."),
    ("shortfall", "Shortfall", "money", "What a ruined account still owed when its position was closed."),
    # leverage, and the inside of candles
    ("liquidations", "Liquidations", "count", "Positions that the exchange took: their margin is lost."),
    ("liquidation_loss", "Lost by liquidation", "money", "Sum of what liquidated trades lost."),
    ("nearest_liquidation_pct", "Nearest liquidation", "%", "Smallest distance of the mark price to the liquidation price, in % of itself. None without leverage."),
    ("ambiguous_trades", "Ambiguous trades", "count", "Trades with a candle that can be read in two ways: what came first inside it is not known, by finer candles neither where they were asked for."),
    ("settled_trades", "Settled trades", "count", "Trades that were ambiguous, had finer candles not told what came first. None without a detail."),
    ("equity_low", "Equity, read against", "money", "Lowest of the final equities with every ambiguous candle read one way, the run's own among them. None where no trade is ambiguous or was settled."),
    ("equity_high", "Equity, read for", "money", "Highest of them."),
)
# fmt: on

_FIRST_OF_GROUP: Final = {
    "final_equity": "Result",
    "cagr_pct": "Per year",
    "psr": "Luck",
    "best_day_pct": "Days",
    "max_drawdown_pct": "Drawdown",
    "trades": "Trades",
    "price_pnl": "Costs",
    "liquidations": "Risk",
}


def group_names(definitions: Iterable[str] = tuple(DEFINITIONS)) -> dict[str, str]:
    """The group of every metric that is defined, by where in their order a group begins."""
    found: dict[str, str] = {}
    group = next(iter(_FIRST_OF_GROUP.values()))
    for name in definitions:
        group = _FIRST_OF_GROUP.get(name, group)
        found[name] = group
    return found


# what changes with whatever else was tried until a run is made: whoever keeps it puts them in
OF_TRIALS: Final = (
    "dsr", "dsr_eff", "chance_sharpe", "min_btl_years", "trials_counted", "trials_measured", "trials_ever",
    "walk_trials",
)  # fmt: skip

# what a sweep keeps of each trial, in the order of a row of summary.py; here because who plans a sweep needs no numba
SUMMARY_ACCOUNT: Final = (
    "final_equity", "peak_equity", "return_pct", "buy_hold_return_pct", "cagr_pct", "volatility_pct", "sharpe",
    "sortino", "calmar", "max_drawdown_pct", "max_drawdown_days", "exposure_pct",
)  # fmt: skip
SUMMARY_TRADES: Final = (
    "trades", "open_trades", "win_rate_pct", "profit_factor", "expectancy_pct", "avg_trade_pct", "best_trade_pct",
    "worst_trade_pct", "sqn", "kelly", "commission", "slippage", "funding", "liquidations",
)  # fmt: skip
SUMMARY: Final = SUMMARY_ACCOUNT + SUMMARY_TRADES
