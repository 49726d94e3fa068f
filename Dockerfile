# The service. Targets: `service` (what production runs) and `init` (prepares local buckets with test data).
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/python -m pip install --quiet --require-hashes -r requirements.txt \
 && /opt/venv/bin/python -m pip uninstall --quiet --yes pip

FROM ${PYTHON_IMAGE} AS service
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid app --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
 && install --directory --owner app --group app --mode 0750 /data
COPY --from=builder /opt/venv /opt/venv
COPY docker/s3-sync /usr/local/bin/s3-sync
WORKDIR /app
COPY sync_service/ sync_service/
RUN chmod 0755 /usr/local/bin/s3-sync && PYTHONDONTWRITEBYTECODE= /opt/venv/bin/python -m compileall -q sync_service
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app \
    DATABASE_PATH=/data/sync.db
USER 10001:10001
VOLUME /data
EXPOSE 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["s3-sync", "healthcheck"]
ENTRYPOINT ["s3-sync"]
CMD ["daemon"]

FROM service AS init
COPY scripts/__init__.py scripts/init_buckets.py scripts/sample_objects.py scripts/sample_keys.json scripts/
COPY test-data/ test-data/
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "scripts.init_buckets"]
CMD []
