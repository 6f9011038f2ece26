# Images of TradingBot AI.
#   docker build --target service --build-arg RELEASE="$(git rev-parse --short HEAD)" .
# service (the default) trades: API, worker, paper exchange, migrations, backups. lambda takes alerts in on AWS Lambda.
# train has research and TensorFlow too. Wheels only, each checked against the hash in its lock.

FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS base

# --- what is installed ----------------------------------------------------------------------------------

FROM base AS build
WORKDIR /src
COPY requirements-uv.txt ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements-uv.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY ai ai
COPY simulator simulator
COPY alembic alembic
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /opt/wheels .
COPY deploy/image.py deploy/image.py

FROM build AS build-service
COPY requirements-service.txt ./
RUN /opt/build/bin/python deploy/image.py requirements-service.txt /opt/wheels /opt/tradingbot

FROM build AS build-lambda
COPY requirements-lambda.txt ./
RUN /opt/build/bin/python deploy/image.py requirements-lambda.txt /opt/wheels /opt/tradingbot

FROM build AS build-train
COPY requirements-train.txt ./
RUN /opt/build/bin/python deploy/image.py requirements-train.txt /opt/wheels /opt/tradingbot

# --- what runs ------------------------------------------------------------------------------------------

FROM base AS runtime
RUN groupadd --gid 10001 tradingbot \
    && useradd --uid 10001 --gid 10001 --no-log-init --home-dir /var/lib/tradingbot --shell /usr/sbin/nologin tradingbot \
    && install --directory --owner 10001 --group 10001 --mode 0750 /var/lib/tradingbot /var/lib/tradingbot/tmp \
    && python -m pip uninstall --yes --quiet --root-user-action ignore setuptools wheel pip
ENV PATH=/opt/tradingbot/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/tradingbot \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    NUMBA_CPU_NAME=generic \
    NUMBA_CPU_FEATURES="" \
    HOST=0.0.0.0 \
    PORT=8001 \
    LOG_JSON=true
LABEL org.opencontainers.image.title="TradingBot AI" \
      org.opencontainers.image.description="TradingView alerts in, protected futures positions out, and a reason for every step." \
      org.opencontainers.image.licenses="MIT"
WORKDIR /var/lib/tradingbot
USER 10001:10001

FROM runtime AS lambda
COPY --from=build-lambda /opt/tradingbot /opt/tradingbot
# Lambda runs as a user of its own, whatever is named here: it may read what everybody may, and write to /tmp.
WORKDIR /opt/tradingbot
ENV HOME=/tmp
ARG RELEASE=dev
ENV RELEASE=$RELEASE
LABEL org.opencontainers.image.revision="$RELEASE"
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "awslambdaric"]
CMD ["app.lambda_handler.handler"]

FROM runtime AS train
COPY --from=build-train /opt/tradingbot /opt/tradingbot
ARG RELEASE=dev
ENV RELEASE=$RELEASE
LABEL org.opencontainers.image.revision="$RELEASE"
VOLUME ["/var/lib/tradingbot"]
HEALTHCHECK NONE
ENTRYPOINT ["tradingbot"]
CMD ["--help"]

FROM runtime AS service
COPY --from=build-service /opt/tradingbot /opt/tradingbot
ARG RELEASE=dev
ENV RELEASE=$RELEASE
LABEL org.opencontainers.image.revision="$RELEASE"
# Fargate mounts volumes as root, except over what the image declares as one.
VOLUME ["/var/lib/tradingbot", "/tmp"]
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=300s --retries=3 CMD ["tradingbot", "health"]
ENTRYPOINT ["tradingbot"]
CMD ["serve"]
