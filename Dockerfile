# The engine without a screen, in two images: `app`, which is kept small, and `test`, which holds everything that pytest needs.
# docker compose builds the one that APP_TARGET names; see docs/containers.md.

FROM python:3.11-slim AS base
# kernels are compiled into the image once, for every processor of its kind; figures are the same to the last bit
ENV NUMBA_CPU_NAME=generic
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BACKTEST_HOME=/data HOME=/data
RUN useradd --no-log-init --uid 10001 --no-create-home --home-dir /data backtest \
 && install -d -o 10001 -g 10001 /data

FROM base AS tools
RUN pip install --no-cache-dir --disable-pip-version-check 'uv>=0.9.8,<1' \
 && python -m venv --without-pip /venv
ENV VIRTUAL_ENV=/venv UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /app
COPY pyproject.toml requirements.lock README.md LICENSE ./

# -- what runs

FROM tools AS build
COPY container/left-out.txt container/
# the lock constrains what the engine needs; the window's, the developers' and the listed packages stay out
RUN uv pip install --constraint requirements.lock --excludes container/left-out.txt \
      --requirements pyproject.toml --extra api --extra cluster
COPY engine engine
COPY strategies strategies
COPY resources resources
COPY container container
RUN uv pip install --no-deps .
# elsewhere than /app, whose `engine` is not the installed one
WORKDIR /
RUN python -I /app/container/slim.py --strategies /strategies

FROM base AS app
COPY --from=build /venv /venv
COPY --from=build /strategies /strategies
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["backtest"]
CMD ["--help"]

# -- what is tested: the checkout itself, with every package and the embedded PostgreSQL

FROM tools AS test
# the libraries that Qt needs to draw without a screen; Debian keeps no older version of them that could be named
# hadolint ignore=DL3008
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 \
 && rm -rf /var/lib/apt/lists/*
RUN uv pip install --compile-bytecode --requirements requirements.lock
COPY . .
RUN uv pip install --no-deps --editable . \
 && python -I container/slim.py --keep --strategies /strategies
# the root file system is read-only: what tests leave behind goes to /tmp
ENV PYTEST_ADDOPTS="-o cache_dir=/tmp/pytest-cache" HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis
USER 10001:10001
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["backtest"]
CMD ["--help"]
