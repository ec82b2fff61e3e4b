# A packaged model behind HTTP, without PyTorch and Kedro. In the clone, after `make wheel`:
#   docker build -f docker/service.Dockerfile -t reb-serve .
FROM python:3.12-slim AS installed
COPY requirements-inspect.txt /tmp/
RUN python -m venv /opt/reb \
    && /opt/reb/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements-inspect.txt
COPY dist/*.whl /tmp/
RUN /opt/reb/bin/pip install --no-cache-dir --no-deps /tmp/*.whl

FROM python:3.12-slim
COPY --from=installed /opt/reb /opt/reb
ENV PATH=/opt/reb/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["reb-serve", "--host", "0.0.0.0"]
CMD ["--model", "/model"]
