# One image for all programs. The command says which one runs.

# pg_dump and pg_restore of the version in docker-compose.yml, because older ones refuse its databases
FROM postgres:18 AS postgres
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# without the C library: they use that of the final image
RUN mkdir -p /client/bin /client/lib \
 && cp /usr/lib/postgresql/*/bin/pg_dump /usr/lib/postgresql/*/bin/pg_restore /client/bin/ \
 && ldd /client/bin/* | awk '$3 ~ "^/" {print $3}' | sort -u \
  | grep -Ev '/lib(c|m|dl|rt|pthread|resolv)\.so' | xargs cp -Lt /client/lib/

FROM python:3.13-slim

# without these, glibc keeps an arena for each thread and returns little memory
ENV PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
WORKDIR /app

COPY --from=postgres /client /opt/postgresql
# wrappers, so that Python does not find these libraries
RUN for name in pg_dump pg_restore; do \
        printf '#!/bin/sh\nLD_LIBRARY_PATH=/opt/postgresql/lib exec /opt/postgresql/bin/%s "$@"\n' "$name" \
            >"/usr/local/bin/$name" && chmod 755 "/usr/local/bin/$name" && "$name" --version || exit 1; \
    done

COPY requirements-hashed.txt ./
# 1777 like /tmp: compose sets the user, and new volumes get these rights
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-hashed.txt \
 && useradd --system --uid 1026 --gid users --no-create-home wishlist \
 && mkdir -m 1777 /keys /backup

COPY docker-entrypoint.sh wsgi.py gunicorn.conf.py ./
COPY sql sql
COPY wishlist_service wishlist_service
RUN python -m compileall -q wishlist_service

USER 1026:100
EXPOSE 8000
ENTRYPOINT ["./docker-entrypoint.sh"]
CMD ["gunicorn", "wsgi:app"]
