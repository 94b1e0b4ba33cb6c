"""The only places where ingest reaches bytes outside of the lake, one file a kind of place."""
