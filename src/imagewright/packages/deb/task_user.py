"""Who a container of the default base runs as."""

USER, UID, HOME = "imagewright", 1000, "/root"
"""Its home is /root, as in flytekit's images: code and files of a task lie there."""
