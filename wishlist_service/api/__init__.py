"""The REST API: blueprints that read, call and reply. Flask stays in here and in create_app."""
