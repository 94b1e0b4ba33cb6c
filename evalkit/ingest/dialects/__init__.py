"""What the attributes of a span mean, one file a convention. Containers and trees are not known
here."""
