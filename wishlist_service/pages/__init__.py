"""The pages that people look at: blueprints that read as the API does, and reply in HTML."""
