"""Compiles every kernel in every form that the program calls it in, so that nothing is compiled while somebody waits."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from engine import indicators
from engine.backtest.rules import Report

_FIXED = ("engine.backtest.compiled", "engine.backtest.summary")  # compiled when they are imported


def compile_kernels() -> None:
    """Compile what is not yet compiled in NUMBA_CACHE_DIR; takes half a minute."""
    for name in _FIXED:
        importlib.import_module(name)
    hours = pd.date_range("2024-01-01", periods=64, freq="h", tz="UTC")
    price = pd.Series(np.linspace(100, 110, len(hours)), index=hours)
    high, low = price + 1, price - 1
    indicators.sma(price, 3)
    indicators.ema(price, 3)
    indicators.rsi(price)
    indicators.macd(price)
    indicators.bollinger(price)
    indicators.atr(high, low, price)
    indicators.supertrend(high, low, price)
    indicators.stochastic_rsi(price)
    indicators.donchian(high, low)
    indicators.daily_vwap(high, low, price, price)
    for sides in ((price, low), (price, 105.0), (105.0, price)):
        indicators.crossed_above(*sides)


def compile_job(_task: Mapping[str, Any], _report: Report) -> None:
    """`compile_kernels` in a worker."""
    compile_kernels()
