# One image for everything: `serve` (the default), `worker`, `migrate up`, and every other command.
# Any tag of the official image will do that has Python 3.11 or newer and glibc. Builds that must be repeatable name it by
# its digest (docs/operations.md).
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv --without-pip /opt/synckairos
# The hottest modules are compiled (docs/performance.md says what it brings); `--build-arg COMPILED=false` leaves the sources.
ARG COMPILED=true
RUN if [ "$COMPILED" = true ]; then \
        apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; fi
# What it depends on changes rarely: a layer of its own, and not a byte that requirements.txt does not know.
COPY requirements.txt ./
RUN python -m pip --python /opt/synckairos/bin/python install --require-hashes -r requirements.txt
COPY pyproject.toml constraints.txt ./
COPY LICENSE hatch_build.py ./
COPY docs/package.md docs/
COPY clients/python clients/python
COPY generated generated
COPY migrations migrations
COPY protos protos
COPY synckairos synckairos
# Newer versions of pip take the second for what builds.
RUN HATCH_BUILD_HOOK_ENABLE_CUSTOM=${COMPILED} PIP_CONSTRAINT=/source/constraints.txt \
    PIP_BUILD_CONSTRAINT=/source/constraints.txt \
    python -m pip --python /opt/synckairos/bin/python install --no-deps ./clients/python .
# What is installed, as CycloneDX; the tool stays behind in this stage.
COPY deploy/sbom-requirements.txt deploy/
RUN python -m venv /sbom && /sbom/bin/python -m pip install --require-hashes -r deploy/sbom-requirements.txt && \
    mkdir /opt/synckairos/share && \
    /sbom/bin/cyclonedx-py environment --output-reproducible --of JSON -o /opt/synckairos/share/sbom.json /opt/synckairos/bin/python

FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="SyncKairos" \
      org.opencontainers.image.description="Authoritative, synchronized session time over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/synckairos/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SYNCKAIROS_LISTEN=0.0.0.0:50051 \
    SYNCKAIROS_METRICS_LISTEN=127.0.0.1:9464
COPY --from=build /opt/synckairos /opt/synckairos
# A number, so that an orchestrator can see that it is not root; nothing in the image belongs to it.
USER 10001:10001
WORKDIR /tmp
# An address that others can reach: the server starts with TLS and authentication alone, or with what
# SYNCKAIROS_INSECURE waives (docs/security.md).
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "synckairos.probe"]
ENTRYPOINT ["synckairos"]
CMD ["serve"]
