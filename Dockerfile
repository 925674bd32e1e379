# The web server: no torch, no compiler, not root. See Dockerfile.worker for the worker.
FROM python:3.13-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app app
COPY trainer trainer
COPY migrations migrations
COPY templates templates
COPY static static
RUN python -m venv /opt/podium && \
    /opt/podium/bin/pip install --constraint constraints.txt uv==0.13.8 && \
    /opt/podium/bin/uv pip install --python /opt/podium/bin/python --no-cache \
        --constraint constraints.txt .

FROM python:3.13-slim-trixie
ENV PATH=/opt/podium/bin:$PATH PYTHONUNBUFFERED=1 PODIUM_DATA_DIR=/data
RUN useradd --uid 10001 --create-home podium && \
    install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/podium /opt/podium
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["podium", "serve", "--host", "0.0.0.0", "--workers", "2"]
