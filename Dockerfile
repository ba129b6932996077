# The chat for everyone who runs containers: docker compose up  (or: docker build -t kratom-faq . && docker run --read-only --tmpfs /tmp -p 7860:7860 kratom-faq)
# Two stages: the first installs, exports the model and builds the index; the second carries what serving needs, so that it starts in seconds
# and writes nothing but /tmp. It was linted here (hadolint, tests/test_container.py), not built: no container engine was at hand.
FROM python:3.12.12-slim-trixie AS built
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/kratom-faq
RUN python -m venv /opt/venv
COPY requirements.txt ./
# torch's CPU build is a fifth of the CUDA one: docker build --build-arg TORCH_FROM="--index-url …" names the index that has it
ARG TORCH_FROM=""
# What a store on a server needs beside the lock: compose.replicas.yaml names it
ARG EXTRA=""
# hadolint ignore=SC2086  # several words or none, on purpose
RUN /opt/venv/bin/pip install ${TORCH_FROM} torch==2.13.0 \
 && /opt/venv/bin/pip install --requirement requirements.txt ${EXTRA}
COPY . ./
RUN /opt/venv/bin/python -c "from bot.pipeline import build; build()" \
 && /opt/venv/bin/pip uninstall --yes torch transformers sentence-transformers onnxscript

FROM python:3.12.12-slim-trixie
RUN useradd --uid 1000 --create-home faq
COPY --from=built /opt/venv /opt/venv
COPY --from=built /srv/kratom-faq /srv/kratom-faq
WORKDIR /srv/kratom-faq
USER 1000:1000
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    GRADIO_SERVER_NAME=0.0.0.0 KRATOM_FAQ_HOST=0.0.0.0 KRATOM_FAQ_PORT=7860 TMPDIR=/tmp GRADIO_TEMP_DIR=/tmp/gradio
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
CMD ["python", "app.py"]
