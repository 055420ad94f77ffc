# One image for every role; the command chooses it.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

COPY requirements.txt .
RUN pip install --no-cache-dir --no-compile -r requirements.txt \
 && useradd --system --uid 1026 --gid users --no-create-home wishlist

COPY wsgi.py gunicorn.conf.py ./
COPY sql sql
COPY wishlist_service wishlist_service

USER wishlist
EXPOSE 8000
# exec: gunicorn becomes the main process and gets the stop signal
CMD ["sh", "-c", "python -m wishlist_service.migrate && exec gunicorn wsgi:app"]
