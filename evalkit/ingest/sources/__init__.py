"""The log formats, one file each. A module here that holds a `Source` is registered by being
here."""
