# The whole project: training, studies, packaging, by Kedro or `reb`. In the clone, after `make wheel`:
#   docker build -f docker/project.Dockerfile -t reb-pipeline .
# With a GPU: --build-arg TORCH_BACKEND=cu128, a name of uv's, and `docker run --gpus all`.
FROM python:3.12-slim AS installed
ARG TORCH_BACKEND=cpu
RUN pip install --no-cache-dir "uv>=0.8,<1" && python -m venv /opt/reb
COPY constraints.txt dist/*.whl /tmp/
RUN uv pip install --no-cache --python /opt/reb --torch-backend "$TORCH_BACKEND" -c /tmp/constraints.txt "$(ls /tmp/*.whl)[demo]"

FROM python:3.12-slim
COPY --from=installed /opt/reb /opt/reb
# What libraries keep for themselves goes to /tmp; runs write into the working directory.
ENV PATH=/opt/reb/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
USER 65532:65532
WORKDIR /work
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "reb_pipeline"]
