"""The pages a household looks at: blueprints that read through the API's own parts, and reply in HTML."""
