# The engine without a screen. Build: docker compose build app
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY engine engine
COPY strategies strategies
COPY resources resources
# the lock constrains what the engine needs; the window's and the developers' packages stay out
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check uv \
 && VIRTUAL_ENV=/venv /venv/bin/uv pip install --no-cache --compile-bytecode --constraint requirements.lock . \
 && /venv/bin/pip uninstall --quiet --yes uv
# nobody can write here later: what is compiled now is copied to BACKTEST_HOME by the first run. On a machine whose processor
# differs from this one's that run compiles, and says so. Not in /app, where `engine` would be the checkout's
RUN cd / && /venv/bin/python -m engine.jobs.compile

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 backtest && install -d -o backtest -g backtest /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 BACKTEST_HOME=/data
USER backtest
WORKDIR /home/backtest
VOLUME /data
ENTRYPOINT ["backtest"]
CMD ["--help"]
