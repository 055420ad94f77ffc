"""The yardstick: the same job done plainly with the usual stack, FastAPI and the ORM of SQLAlchemy.

It is what one writes from a description of the service without measuring: users one after another,
a query for each title, relationships that load when they are touched. It is neither slowed down
nor tuned; bulk statements and eager loading alone would make it a good deal quicker.
"""
