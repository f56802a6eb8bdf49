"""SQL of markets, symbols and what processes tell each other about an exchange."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from engine.database.codec import optional_ms, to_time
from engine.database.connection import Database
from engine.database.schema.series import exchange_state, markets
from engine.model.filters import Filters
from engine.model.market import Market


class ExchangeStore:
    """The exchange's list of markets as last seen, the symbols we hold, clocks and blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def markets(self, exchange: str) -> list[Market]:
        """The cached list of an exchange, by name; empty when none was saved."""
        query = select(markets).where(markets.c.exchange == exchange).order_by(markets.c.name)
        with self._database.transaction() as connection:
            return [
                Market(
                    row.exchange,
                    row.name,
                    row.unified,
                    row.is_trading,
                    optional_ms(row.listed_at),
                    filters=None if row.filters is None else Filters.from_json(row.filters),
                )
                for row in connection.execute(query)
            ]

    def filters(self, market: Market) -> Filters | None:
        """Those of a market by the cached list; None where it was never listed with any."""
        query = select(markets.c.filters).where(
            markets.c.exchange == market.exchange, markets.c.name == market.name
        )
        with self._database.transaction() as connection:
            found = connection.scalar(query)
        return None if found is None else Filters.from_json(found)

    def markets_saved_ms(self, exchange: str) -> int | None:
        """When the list was saved last."""
        return optional_ms(self._exchange_state(exchange, exchange_state.c.markets_saved_at))

    def save_markets(self, exchange: str, listed: Sequence[Market], now_ms: int) -> None:
        """Replace the exchange's list, all or nothing."""
        rows = [
            {
                "exchange": exchange,
                "name": market.name,
                "unified": market.unified,
                "is_trading": market.is_trading,
                "listed_at": None if market.listed_ms is None else to_time(market.listed_ms),
                "filters": None if market.filters is None else market.filters.to_json(),
            }
            for market in listed
        ]

        def replace(connection: Connection) -> None:
            _save_exchange_state(
                connection, exchange, markets_saved_at=to_time(now_ms)
            )  # its row lock orders two writers
            connection.execute(delete(markets).where(markets.c.exchange == exchange))
            if rows:
                connection.execute(insert(markets), rows)

        self._database.write(replace)

    def clock_offset_ms(self, exchange: str) -> int | None:
        """The exchange's clock minus this machine's, as last measured."""
        offset: int | None = self._exchange_state(exchange, exchange_state.c.clock_offset_ms)
        return offset

    def save_clock_offset(self, exchange: str, offset_ms: int) -> None:
        """Remember the exchange's clock minus this machine's."""
        self._database.write(
            lambda connection: _save_exchange_state(connection, exchange, clock_offset_ms=offset_ms)
        )

    def blocked_until_ms(self, exchange: str) -> int | None:
        """Until when the exchange must not be asked anything; None: never told so."""
        return optional_ms(self._exchange_state(exchange, exchange_state.c.blocked_until))

    def save_blocked_until(self, exchange: str, until_ms: int) -> None:
        """Tell every process not to ask the exchange before `until_ms`."""
        self._database.write(
            lambda connection: _save_exchange_state(connection, exchange, blocked_until=to_time(until_ms))
        )

    def _exchange_state(self, exchange: str, column: Column[Any]) -> Any:
        with self._database.transaction() as connection:
            return connection.scalar(select(column).where(exchange_state.c.exchange == exchange))


def _save_exchange_state(connection: Connection, exchange: str, **values: object) -> None:
    statement = upsert(exchange_state).values(exchange=exchange, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["exchange"], set_=values))
