"""One engine a file; being here is being registered."""
