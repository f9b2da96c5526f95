"""The software card: faithful to `docs/card.md`, with a switch that cuts its power between any two internal writes."""
