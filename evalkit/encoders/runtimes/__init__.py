"""The runtimes, one file each: being here is being registered. Their libraries are imported when
they load."""
