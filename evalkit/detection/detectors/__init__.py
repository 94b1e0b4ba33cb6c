"""The built-in detectors, one file each; being here is being registered."""
